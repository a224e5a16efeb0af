"""Every public name has an example in docs/examples/, and every example prints what it says it prints."""
import contextlib
import inspect
import io
import sys
from pathlib import Path

import pytest

import pc_precision as pc

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))
import gather  # noqa: E402

FILES = sorted(gather.EXAMPLES.rglob("*.py"))
PACKAGES = (pc, pc.runs, pc.paper)


def paths() -> dict[str, Path]:
    """The example of every public name that is no module."""
    return {f"{package.__name__}.{name}": gather.example_path(package.__name__, name) for package in PACKAGES
            for name in package.__all__ if not inspect.ismodule(getattr(package, name))}


def short(path: Path) -> str:
    return path.relative_to(gather.EXAMPLES).with_suffix("").as_posix()


def test_every_public_name_has_its_example_and_every_example_its_name():
    assert sorted(set(paths().values())) == FILES and len(paths()) == len(FILES)
    small = [str(path).lower() for path in FILES]
    assert len(set(small)) == len(small), "some file systems do not tell capitals apart"


def test_examples_are_short_and_end_with_what_they_print():
    for name, path in paths().items():
        text = path.read_text(encoding="utf-8")
        code, printed = gather.taken_apart(text)
        assert text.endswith("\n") and printed, name
        assert max(map(len, text.splitlines())) <= 88 and len(text.splitlines()) <= 20, name
        assert len([line for line in code.splitlines() if line]) <= 12, name
        assert name.rpartition(".")[2].lower() in code.lower(), f"{name} is not in its own example"


def test_an_example_without_its_output_is_refused():
    for text in ("print(1)\n", "print(1)\n\n# prints\n", "print(1)\n\n# prints\n1\n"):
        with pytest.raises(ValueError, match="# prints"):
            gather.taken_apart(text)
    assert gather.taken_apart("print(1)\nprint()\nprint(2)\n\n# prints\n# 1\n#\n# 2\n")[1] == "1\n\n2"


def test_a_name_without_an_example_stops_the_build_with_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr(gather, "ROOT", tmp_path)
    monkeypatch.setattr(gather, "EXAMPLES", tmp_path / "docs" / "examples")
    with pytest.raises(SystemExit) as stopped:
        gather.example("pc_precision.runs", "work")
    assert str(stopped.value) == "pc_precision.runs.work is public and has no example: write docs/examples/runs/work.py"


@pytest.mark.slow
@pytest.mark.parametrize("path", FILES, ids=short)
def test_an_example_prints_what_it_says(path, tmp_path, monkeypatch):
    """In a folder where the clone's store is all there is, as some examples read it; none leaves a file."""
    plt = pytest.importorskip("matplotlib.pyplot")
    (tmp_path / "results").symlink_to(ROOT / "results")
    monkeypatch.chdir(tmp_path)
    code, printed = gather.taken_apart(path.read_text(encoding="utf-8"))
    out = io.StringIO()
    try:
        with contextlib.redirect_stdout(out):
            exec(compile(code, str(path), "exec"), {"__name__": "__main__"})
    finally:
        plt.close("all")
    assert [line.rstrip() for line in out.getvalue().rstrip("\n").splitlines()] == printed.splitlines()
    assert list(tmp_path.iterdir()) == [tmp_path / "results"]

"""What the written pages tell a person to type works as it stands: Python blocks run, commands and options exist."""
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest

from pc_precision import cli
from pc_precision.runs.queue import as_seconds

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
WITH_PYTHON = {"five_minutes.md": 2, "how_to.md": 12, "start.md": 7, "your_images.md": 5}     # at least so many blocks


def blocks(page: Path, language: str) -> list[tuple[int, str]]:
    """(line before it, text) of every fenced block in `language`."""
    text = page.read_text(encoding="utf-8")
    found = re.finditer(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [(text[:match.start(1)].count("\n"), match[1]) for match in found]


def commands(program: str) -> list[list[str]]:
    """The words after `program` wherever a shell block of a page calls it."""
    lines = [line for page in PAGES for _, text in blocks(page, "sh") for line in text.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.split()[:1] == [program]]


def test_the_pages_with_python_are_all_tried():
    assert [page.name for page in PAGES if blocks(page, "python")] == list(WITH_PYTHON)


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_blocks_run_one_after_the_other(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page, names = ROOT / "docs" / name, {"__name__": "__main__"}
    found = blocks(page, "python")
    assert len(found) >= WITH_PYTHON[name]
    for line, text in found:
        exec(compile("\n" * line + text, str(page), "exec"), names)              # errors name the line of the page


def test_every_command_line_parses():
    called = commands("pc-precision")
    assert {words[0] for words in called} == set(cli.main.commands)
    for command, *options in called:
        cli.main.commands[command].make_context(command, list(options))          # raises for an unknown option
    given = [dict(context.params)["name"] for context in
             (cli.main.commands["run"].make_context("run", words[1:]) for words in called if words[0] == "run")]
    assert set(given) <= set(cli.notebooks())


STUB = '#!/bin/sh\nprintf "%s\\n" "$@"\n'


def test_the_slurm_script_runs_a_command_that_parses(tmp_path):
    """With an `srun` that runs its words, and a `pc-precision` that prints them."""
    [script] = [text for _, text in blocks(ROOT / "docs" / "cluster.md", "bash") if text.startswith("#!")]
    for name, text in {"srun": '#!/bin/sh\nexec "$@"\n', "pc-precision": STUB, ".venv/bin/activate": "", "job.sh": script}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_SUBMIT_DIR": str(tmp_path), "SLURM_ARRAY_TASK_ID": "7"}
    done = subprocess.run(["bash", tmp_path / "job.sh"], env=environment, capture_output=True, text=True)
    command, *options = done.stdout.split()
    given = cli.main.commands[command].make_context(command, options).params
    assert done.returncode == 0 and given["out"] == "out/7" and as_seconds(given["time_limit"]) == 13800
    limits = dict(re.findall(r"^#SBATCH --(time|signal)=(\S+)", script, re.MULTILINE))
    hours, minutes, seconds = map(int, limits["time"].split(":"))
    assert as_seconds(given["time_limit"]) + 300 <= 3600 * hours + 60 * minutes + seconds, "the queue stops by itself"
    assert limits["signal"].startswith("TERM@"), "which the queue understands"


def test_shell_blocks_are_shell():
    for page in PAGES:
        for line, text in blocks(page, "bash") + blocks(page, "sh"):
            done = subprocess.run(["bash", "-n"], input=text, capture_output=True, text=True)
            assert done.returncode == 0, f"{page.name}, line {line}: {done.stderr}"


def test_every_make_target_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {words[0] for words in commands("make")}
    assert called and called <= targets


def test_the_page_of_methods_quotes_the_numbers_that_are_stored():
    """Direction and size from results/alignment.csv, accuracy from the runs in results/."""
    import pandas as pd
    import pc_precision as pc
    from pc_precision.paper.profiles import items
    text = (ROOT / "docs" / "methods.md").read_text(encoding="utf-8")
    table = [[part.strip() for part in line.strip("|").split("|")] for line in text.splitlines() if line.count("|") == 8 and "---" not in line][1:]
    stored = pd.read_csv(ROOT / "results" / "alignment.csv")
    first = stored[(stored.net == "VGG10") & (stored.state == "initial") & (stored.layer == 1)].set_index("method")
    wanted = [exp for name in ("rivals", "table1") for exp in items(name, "smoke") if exp.model.count("-64") == 9]
    runs = pc.runs.tables.scores(pc.paper.by_row(pc.runs.results.kept(wanted, ROOT / "results")))
    accuracy = 100 * runs.assign(row=runs.algorithm.astype(str)).groupby("row").score.mean()
    larger = [exp for name in ("rivals", "table1") for exp in items(name, "laptop")
              if (exp.dataset, exp.model, exp.batch_norm) == ("cifar10", "vgg10", None)]
    deep = pc.summarise(pc.paper.by_row(pc.runs.results.kept(larger, ROOT / "results"))).set_index("algorithm")
    names = {"PC, `T = L`": ("PC, T = L", "PC"), "PC, many steps": ("PC's equilibrium", None), "ePC, published": ("ePC, published", "ePC"),
             "EP, centred": ("EP, centred", "EP"), "BP": (None, "BP"), "iPC": (None, "iPC")}
    assert len(table) == 12
    for method, _, direction, size, percent, vgg10, _ in table:
        measured, trained = names.get(method, (method, method))
        if measured:
            assert float(direction) == pytest.approx(first.cosine[measured], abs=0.005), method
            assert float(size) == pytest.approx(first["size"][measured], rel=0.1), method
        assert percent == ("not run" if trained is None else f"{accuracy[trained]:.0f}"), method
        assert vgg10 == ("not run" if trained not in deep.index else in_short(deep.loc[trained])), method


def in_short(row) -> str:
    "An accuracy in per cent as the page of methods writes it."
    from pc_precision.paper.figures import WIDE
    if row["n"] == 0:
        return "diverged"
    parts = f"{100 * row['least']:.0f} to {100 * row['most']:.0f}"
    return parts if row["std"] > WIDE else f"{100 * row['mean']:.0f}"

"""Every notebook runs from top to bottom in a fresh kernel of this environment, away from the checkout."""
import re
import sys
from pathlib import Path

import nbformat
import papermill
import pytest

ROOT = Path(__file__).resolve().parent.parent
NUMBERED = re.compile(r"\d\d_")
# The smallest settings of each figure and table notebook.
SMALLEST = {
    "table1": dict(profile="smoke", models=["vgg5"], algorithms=["BP", "S+F"], seeds=[0], epochs=1),
    "fig1": dict(profile="smoke", layers=3, T=4),
    "fig2": dict(profile="smoke", algorithms=["BP", "S+F"], epochs=1),
    "fig5": dict(profile="smoke", models=["vgg5"], algorithms=["PC", "S+F"], epochs=1),
    "fig6": dict(profile="smoke", models=["vgg5"], algorithms=["F", "D+F"], epochs=1, x_steps=[0.1]),
    "table2": dict(profile="smoke", models=["vgg5"], algorithms=["BP"], epochs=1),
    "resnet18": dict(profile="smoke", models=["resnet10"], algorithms=["BP"], batch_norms=["none"], epochs=1, limit=128),
    "table6": dict(profile="smoke", models=["vgg5"], algorithms=["BP", "S+F"], epochs=2),
    "fig4": dict(profile="smoke", models=["vgg5"], algorithms=["PC", "PC-CN"], seeds=[0], epochs=1),
    "fig7": dict(profile="smoke", models=["vgg5"], algorithms=["PC"], seeds=[0], epochs=1),
    "verdicts": dict(profile="smoke", models=["vgg5"], algorithms=["PC", "F"], seeds=[0], epochs=1),
    "table3": dict(profile="smoke", models=["vgg5"]),
    "table4": dict(profile="smoke", datasets=["digits"]),
    "table5": dict(profile="smoke", models=["mlp-8"], algorithms=["S+F"], trials=2, epochs=1, seeds=[0]),
    "mupc": dict(profile="smoke", models=["mupc-8x3"], algorithms=["PC"], seeds=[0], epochs=1, looked_at="mupc-8x3"),
    "numerics": dict(profile="smoke", depths=[3], epochs=1),
    "alignment": dict(profile="smoke", networks=["VGG5"], epochs=0),
    "rivals": dict(profile="smoke", models=["mlp-8-8"], algorithms=["BP", "EP"], seeds=[0], epochs=1),
}
LIBRARY = sorted(path.stem for path in (ROOT / "nbs").glob("*.ipynb") if NUMBERED.match(path.name))
PAPER = sorted(path.stem for path in (ROOT / "nbs").glob("*.ipynb") if not NUMBERED.match(path.name))

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def this_checkout(monkeypatch):
    """Kernels inherit the environment: they import this checkout, wherever an installed copy may lie."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def execute(notebook: Path, folder: Path, **parameters):
    """Run `notebook` with `folder` as its working folder and as the only place it may write to."""
    return papermill.execute_notebook(notebook, folder / "executed.ipynb", parameters, kernel_name="python3",
                                      cwd=folder, progress_bar=False)


def places(folder: Path) -> dict[str, str]:
    return {"results_dir": str(folder / "results"), "out_dir": str(folder / "out")}


def test_kernels_are_this_python_and_import_this_checkout(tmp_path):
    asks = nbformat.v4.new_code_cell("import sys, pc_precision; print(sys.executable); print(pc_precision.__file__)")
    nbformat.write(nbformat.v4.new_notebook(cells=[asks]), tmp_path / "asks.ipynb")
    done = execute(tmp_path / "asks.ipynb", tmp_path)
    answer = "".join(output["text"] for output in done.cells[0].outputs if output.get("name") == "stdout")
    assert answer.split() == [sys.executable, str(ROOT / "pc_precision" / "__init__.py")]


@pytest.mark.parametrize("name", [*LIBRARY, "index"])
def test_chapter_runs(name, tmp_path):
    execute(ROOT / "nbs" / f"{name}.ipynb", tmp_path)


def test_every_figure_and_table_has_its_smallest_settings_here():
    assert sorted(SMALLEST) == [name for name in PAPER if name != "index"]


@pytest.mark.parametrize("name", SMALLEST)
def test_figure_or_table_runs_and_saves_what_it_shows(name, tmp_path):
    execute(ROOT / "nbs" / f"{name}.ipynb", tmp_path, **SMALLEST[name], **places(tmp_path))
    saved = {path.suffix for path in (tmp_path / "out").glob(f"{name}*")}
    assert saved >= ({".csv", ".md"} if name.startswith("table") else {".png", ".svg"})


@pytest.mark.parametrize("wrong, right", [({"profil": "smoke"}, "profile"), ({"profile": "smoek"}, "smoke")])
@pytest.mark.parametrize("name", SMALLEST)
def test_misspelt_parameter_stops_with_the_right_name(name, wrong, right, tmp_path):
    with pytest.raises(papermill.PapermillExecutionError) as stopped:
        execute(ROOT / "nbs" / f"{name}.ipynb", tmp_path, **wrong, **places(tmp_path))
    assert re.search(rf"\b{right}\b", stopped.value.evalue), "the sentence itself must say it, not the code around it"
    assert not (tmp_path / "results").exists(), "it must stop before it trains"

"""The house keeps its promises: notebooks and modules in step, one version, complete pins, lean imports, honest README."""
import ast
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import zipfile
from configparser import ConfigParser
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(path for path in (ROOT / "nbs").glob("*.ipynb") if path.name != "index.ipynb")
LIBRARY = [path for path in NOTEBOOKS if re.match(r"\d\d_", path.name)]
PAPER = [path for path in NOTEBOOKS if path not in LIBRARY]
HEAVY = ["tensorflow_datasets", "papermill", "matplotlib", "pandas", "tqdm", "PIL", "filelock", "orbax", "optuna", "ray"]


def name(path: Path) -> str:
    return path.stem


def cells(path: Path) -> list[dict]:
    return json.loads(path.read_text(encoding="utf-8"))["cells"]


def settings() -> dict[str, str]:
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(config["DEFAULT"])


def requirements(*keys: str) -> list[Requirement]:
    return [Requirement(text) for key in keys for text in settings()[key].split()]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(package): version for package, version in pairs}


def committed_files() -> list[Path]:
    """What git has or would take: tracked files, and new ones that it does not ignore."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return [ROOT / line for line in sorted(set(listed.split("\0"))) if line and (ROOT / line).is_file()]


def copy_of_the_house(folder: Path) -> Path:
    """The files that nbdev and pip read, in `folder`."""
    for part in ["settings.ini", "setup.py", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "index.ipynb"]:
        shutil.copy(ROOT / part, folder / part)
    ignore = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
    for part in ["nbs", "pc_precision"]:
        shutil.copytree(ROOT / part, folder / part, symlinks=True, ignore=ignore)
    return folder


def tool(command: str, folder: Path) -> None:
    """Run nbdev's `command` of this environment in `folder`."""
    done = subprocess.run([Path(sys.executable).parent / command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


# Notebooks and modules

@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> Path:
    """A copy whose modules are exported anew, after the old ones are gone, and whose notebooks are cleaned."""
    copy = copy_of_the_house(tmp_path_factory.mktemp("house"))
    for module in (copy / "pc_precision").rglob("*.py"):
        if module.name not in ("__init__.py", "__main__.py"):      # written by hand
            module.unlink()
    tool("nbdev_export", copy)
    tool("nbdev_clean", copy)
    return copy


@pytest.mark.parametrize("path", [*NOTEBOOKS, ROOT / "index.ipynb"], ids=name)
def test_no_line_of_code_is_wider_than_a_page_of_the_site_shows(path):
    lines = [line for cell in cells(path) if cell["cell_type"] == "code" for line in "".join(cell["source"]).splitlines()]
    assert [line for line in lines if len(line) > 88] == []


def test_every_module_is_what_the_notebooks_export(exported):
    contents = lambda folder: {str(path.relative_to(folder)): path.read_bytes() for path in (folder / "pc_precision").rglob("*.py")}
    new, old = contents(exported), contents(ROOT)
    assert new.keys() == old.keys(), "modules without a notebook, or notebooks never exported: make export"
    assert [module for module in new if new[module] != old[module]] == [], "not in step: make export"


def test_every_notebook_is_clean(exported):
    notebooks = [*NOTEBOOKS, ROOT / "index.ipynb"]
    unclean = [path.name for path in notebooks if path.read_bytes() != (exported / path.relative_to(ROOT)).read_bytes()]
    assert unclean == [], "run nbdev_clean"


def test_export_touches_nothing_else(exported):
    for part in ["settings.ini", "pyproject.toml", "README.md"]:
        assert (exported / part).read_bytes() == (ROOT / part).read_bytes()


@pytest.mark.parametrize("notebook", LIBRARY, ids=name)
def test_library_notebook_exports_the_module_it_is_named_after(notebook):
    module = notebook.stem[3:]
    lines = [line.strip() for cell in cells(notebook) for line in cell["source"]]
    told, = (line for line in lines if line.startswith("#| default_exp"))
    floor = {"2": "runs.", "3": "paper."}.get(notebook.name[0], "")
    assert told == f"#| default_exp {floor}{module}"
    exported = (ROOT / "pc_precision" / f"{floor}{module}".replace(".", "/")).with_suffix(".py")
    assert re.search(rf"File to edit: (\.\./)+nbs/{notebook.name}", exported.read_text())


# Arrows between rooms

ROOMS = {re.search(r"#\| default_exp ([\w.]+)", notebook.read_text(encoding="utf-8"))[1]: int(notebook.name[:2]) for notebook in LIBRARY}


def imports_of(module: str) -> set[str]:
    """The modules of the package that an exported module imports, wherever the import stands; a bare package counts as all of it."""
    tree = ast.parse((ROOT / "pc_precision" / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    package, found = ["pc_precision", *module.split(".")[:-1]], set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            base = package[:len(package) - node.level + 1] if node.level else []
            found |= {".".join([*base, *(node.module or "").split("."), alias.name]).replace("..", ".") for alias in node.names}
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
    return {name.removeprefix("pc_precision").removeprefix(".") for name in found if name.split(".")[0] == "pc_precision"}


def room_of(imported: str) -> str | None:
    """The room that an imported name lies in: `runs.results` of runs.results.summarise."""
    return next((module for module in sorted(ROOMS, key=len, reverse=True) if imported == module or imported.startswith(module + ".")), None)


def test_numbers_of_rooms_are_unique_and_none_is_missing():
    assert len(set(ROOMS.values())) == len(ROOMS) == len(LIBRARY)
    floors = [[number for number in sorted(ROOMS.values()) if low <= number < high] for low, high in ((0, 20), (20, 30), (30, 40), (40, 50))]
    assert [floor for floor in floors if floor != list(range(floor[0], floor[0] + len(floor)))] == [] and floors[0][0] == 0


def test_every_chapter_stands_in_one_part_of_the_book():
    tree = ast.parse((ROOT / "docs" / "gather.py").read_text(encoding="utf-8"))
    parts, = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.AnnAssign) and node.target.id == "PARTS"]
    assert sorted(stem for _, stems in parts.values() for stem in stems) == [path.stem for path in LIBRARY]
    # the method comes first, and each of its chapters builds on those before it
    assert [*parts][0] == "I. The method" and parts["I. The method"][1] == sorted(parts["I. The method"][1])


@pytest.mark.parametrize("module", [module for module in ROOMS if module != "cli"])
def test_imports_point_to_lower_numbers(module):
    for imported in imports_of(module):
        if not imported or imported == "__file__":
            assert module == "runs.queue", "only the queue asks where the package lies"
            continue
        room = room_of(imported)
        assert room is not None, f"{module} imports {imported}, which is in no room"
        assert ROOMS[room] < ROOMS[module], f"{module} ({ROOMS[module]:02}) imports {room} ({ROOMS[room]:02}), which is not below it"


def test_runs_know_nothing_of_the_paper():
    assert [m for m in ROOMS if ROOMS[m] < 30 for name in imports_of(m) if name.startswith("paper")] == []


def test_the_arrow_test_sees_an_arrow_that_points_up(monkeypatch):
    assert {"runs.store.write_whole", "checks.choose"} <= imports_of("runs.search") and room_of("runs.store.write_whole") == "runs.store"
    monkeypatch.setitem(ROOMS, "runs.store", 99)
    with pytest.raises(AssertionError, match=r"runs.search \(25\) imports runs.store \(99\)"):
        test_imports_point_to_lower_numbers("runs.search")


# Budgets: without them these counts rose every time

EXPORTED = re.compile(r"#\|\s*export")
# exported cells of more than 40 lines, and how many a chapter has: cut them where a sentence belongs; none may be added
LONG_CELLS = {
    "01_kernels": 1, "02_layers": 2, "03_networks": 3, "05_inference": 1, "14_experiment": 2, "20_store": 1, "21_checkpoints": 1,
    "22_results": 2, "25_search": 1, "32_costs": 1, "34_verdicts": 1}
# public names beyond 30 of a module
MANY_NAMES = {
    "06_light_cone": 31, "20_store": 33, "22_results": 51, "25_search": 32, "31_profiles": 64, "32_costs": 34, "33_figures": 63,
    "34_verdicts": 51}


def exported_cells(notebook: Path) -> list[str]:
    return [source for cell in cells(notebook) if cell["cell_type"] == "code" and EXPORTED.match(source := "".join(cell["source"]))]


def names_of(notebook: Path) -> list[str]:
    """What a chapter defines at the top of its module."""
    nodes = ast.parse("\n".join(exported_cells(notebook))).body
    targets = [target for node in nodes if isinstance(node, (ast.Assign, ast.AnnAssign)) for target in getattr(node, "targets", [getattr(node, "target", None)])]
    return list(dict.fromkeys([node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))] + [t.id for t in targets if isinstance(t, ast.Name)]))


def test_no_exported_cell_is_longer_than_a_page_but_for_a_few_that_grow_fewer():
    found = {path.stem: sum(source.count("\n") > 40 for source in exported_cells(path)) for path in NOTEBOOKS}
    assert {stem: number for stem, number in found.items() if number} == LONG_CELLS, "cut the cell, or lower the number here"


def test_no_module_has_more_than_thirty_public_names_but_for_a_few_that_grow_fewer():
    found = {path.stem: len([n for n in names_of(path) if not n.startswith("_")]) for path in LIBRARY}
    assert {stem: number for stem, number in found.items() if number > 30} == MANY_NAMES, "split the module, or lower the number here"


def test_a_name_stands_in_one_module():
    where: dict[str, list[str]] = {}
    for path in LIBRARY:
        for each in names_of(path):
            where.setdefault(each, []).append(path.stem)
    assert {each: stems for each, stems in where.items() if len(stems) > 1} == {}


def types_in(annotation: Any) -> set[type]:
    """The classes of the package in an annotation, however deep."""
    inside = set().union(*map(types_in, getattr(annotation, "__args__", None) or (annotation if isinstance(annotation, (list, tuple)) else ())))
    return inside | ({annotation} if isinstance(annotation, type) and annotation.__module__.startswith("pc_precision") else set())


def test_every_type_in_a_public_signature_is_public():
    import pc_precision as pc
    packages = (pc, pc.runs, pc.paper)
    public = {getattr(package, each) for package in packages for each in package.__all__ if isinstance(getattr(package, each), type)}
    missing = {}
    for package in packages:
        for each in package.__all__:
            value = getattr(package, each)
            if callable(value) and (not isinstance(value, type) or "__init__" in vars(value)):
                annotations = [p.annotation for p in inspect.signature(value).parameters.values()] + [getattr(value, "__annotations__", {}).get("return")]
                if lost := set().union(*map(types_in, annotations)) - public - {value}:
                    missing[f"{package.__name__}.{each}"] = sorted(lost, key=str)
    assert missing == {}


def test_no_public_name_hides_a_module():
    import pc_precision as pc
    for package in (pc, pc.runs, pc.paper):
        hidden = [each for each in package.__all__ if f"{package.__name__}.{each}".removeprefix("pc_precision.") in ROOMS]
        assert hidden == [], f"{package.__name__} cannot reach these modules"


def test_the_front_page_of_the_package_is_short():
    import pc_precision as pc
    assert 30 <= len(set(pc.__all__) - {"paper", "runs"}) <= 45 and pc.__all__ == sorted(pc.__all__)
    for package in (pc, pc.paper, pc.runs):
        assert len(set(package.__all__)) == len(package.__all__) and all(hasattr(package, name) for name in package.__all__)
    assert not set(pc.__all__) & (set(pc.paper.__all__) | set(pc.runs.__all__)), "a name has one place"


@pytest.mark.parametrize("notebook", PAPER, ids=name)
def test_paper_notebook_has_one_cell_of_annotated_parameters(notebook):
    tagged = [cell for cell in cells(notebook) if "parameters" in cell["metadata"].get("tags", [])]
    assert len(tagged) == 1, "papermill needs exactly one cell tagged `parameters`"
    statements = ast.parse("".join(tagged[0]["source"])).body
    assert statements and all(isinstance(node, ast.AnnAssign) and node.value is not None for node in statements)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=name)
def test_no_notebook_was_committed_with_an_exception_in_it(path):
    outputs = [out for cell in cells(path) for out in cell.get("outputs", [])]
    assert [out["ename"] for out in outputs if out["output_type"] == "error"] == []
    assert not any("papermill-error-cell" in "".join(cell["source"]) for cell in cells(path))


def test_index_is_one_file_seen_twice():
    link = ROOT / "nbs" / "index.ipynb"
    assert link.is_symlink() and os.readlink(link) == "../index.ipynb"


# README

def test_readme_is_made_from_index(tmp_path):
    subprocess.run([sys.executable, ROOT / "tools" / "readme.py", tmp_path], check=True)
    made = [path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in made if (ROOT / path).read_bytes() != (tmp_path / path).read_bytes()] == [], "make readme"
    pictures = ROOT / "docs" / "readme"
    assert {path.relative_to(ROOT) for path in pictures.glob("*")} <= set(made), "a picture README no longer shows"


def test_readme_opens_with_a_picture_reasons_to_trust_it_and_the_commands():
    opening = (ROOT / "README.md").read_text().partition("\n## ")[0]
    picture, trust, block = (re.search(pattern, opening, re.DOTALL) for pattern in (r"!\[[^]]{40,}\]\(", r"(?m)^- Every number", r"```sh\n(.*?)```"))
    assert picture.start() < trust.start() < block.start() and "```python" not in opening
    assert [line.split("#")[0].strip() for line in block[1].splitlines()] == [
        f"git clone {settings()['git_url']} && cd {settings()['repo']}", "make table1", "make test"]
    assert re.findall(r"\*\*\[(\w+)\]", opening[block.end():]) == ["Start", "Paper", "Notebooks", "Code"]


def test_links_in_readme_lead_somewhere():
    links = re.findall(r"\]\((?!https?://)([^)#]+)", (ROOT / "README.md").read_text())
    assert [link for link in links if not (ROOT / link).exists()] == []


# Package

def test_one_version_everywhere():
    version = settings()["version"]
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE)
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert [cited[1], newest[1]] == [version, version]


def test_pins_satisfy_every_requirement():
    wanted = requirements("requirements", "dev_requirements", "docs_requirements", "cuda_requirements", "devices_requirements")
    wrong = [str(req) for req in wanted if pins().get(canonicalize_name(req.name), "none") not in req.specifier]
    assert wrong == [], "make pins"


def test_pins_cover_what_is_installed_underneath():
    """Walk from settings.ini through the installed packages' own requirements: each one met must be pinned."""
    todo, seen = requirements("requirements", "dev_requirements"), set()
    while todo:
        req = todo.pop()
        key = (canonicalize_name(req.name), frozenset(req.extras))
        if key in seen:
            continue
        seen.add(key)
        for text in metadata.requires(req.name) or []:
            below = Requirement(text)
            extras = ["", *req.extras]
            if below.marker is None or any(below.marker.evaluate({"extra": extra}) for extra in extras):
                todo.append(below)
    assert len(seen) > 100, "the walk should meet the whole of jupyter"
    assert sorted({package for package, _ in seen} - pins().keys()) == [], "make pins"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """The wheel that is built from the source archive: both must hold all that is needed."""
    copy, dist = copy_of_the_house(tmp_path_factory.mktemp("house")), tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "setup.py", "-q", "sdist", "--dist-dir", dist], cwd=copy, check=True, capture_output=True)
    [archive] = dist.glob("*.tar.gz")
    subprocess.run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
                    "--wheel-dir", dist, archive], check=True, capture_output=True)
    [found] = dist.glob("*.whl")
    return found


def test_wheel_carries_modules_assets_and_the_papers_notebooks(wheel):
    files = zipfile.ZipFile(wheel)
    packed = {entry for entry in files.namelist() if entry.startswith("pc_precision/")}
    folder, notebooks = ROOT / "pc_precision", {f"pc_precision/notebooks/{path.name}": path for path in PAPER}
    assert packed == {str(path.relative_to(ROOT)) for path in [*folder.rglob("*.py"), *(folder / "assets").iterdir()]} | set(notebooks)
    assert all(files.read(entry) == path.read_bytes() for entry, path in notebooks.items())
    assert "pc_precision/notebooks/table1.ipynb" in packed and not (folder / "notebooks").exists(), "the source is nbs/ alone"


@pytest.mark.slow
def test_an_installed_package_runs_a_table_far_from_any_clone(wheel, tmp_path):
    site, here = tmp_path / "site", tmp_path / "here"
    here.mkdir()
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", site, wheel], check=True, capture_output=True)
    words = ["-p", "models", "vgg5", "-p", "algorithms", "BP", "-p", "seeds", "0", "-p", "epochs", "1", "--results", "store", "--workers", "2"]
    done = subprocess.run([sys.executable, "-m", "pc_precision", "run", "table1", *words], cwd=here, env=os.environ | {"PYTHONPATH": str(site)},
                          capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert shlex.split(done.stdout)[1] == str(site / "pc_precision" / "notebooks" / "table1.ipynb")
    assert "0 of 2 runs: digits vgg5 BP seed 0" in done.stderr
    assert len(list((here / "store").glob("*.json"))) == 2
    assert {path.name for path in (here / "out").iterdir()} >= {"table1.ipynb", "table1.md", "table1.csv"}


IMPORT_EVERYTHING = """
import importlib, pkgutil, sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked!r}:
            raise ImportError(f"{{name}} is not installed here")

sys.meta_path.insert(0, Absent())
import pc_precision
modules = [importlib.import_module(found.name) for found in pkgutil.walk_packages(pc_precision.__path__, "pc_precision.")]
print(len(modules))
"""


def test_import_needs_jax_flax_optax_and_numpy_alone():
    code = IMPORT_EVERYTHING.format(blocked=set(HEAVY))
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= len(LIBRARY)


# Nothing of the machine it was written on

# an absolute path begins a word; https://host/tmp/ does not.  [/] keeps this file from finding itself.
MACHINE = re.compile(r"(?<![\w.:/+-])[/](work|tmp|root|home|Users|opt|mnt|var/folders)[/]\w|file:[/][/]")
REGISTRY = re.compile(r"[p]ypi\.org|[p]ythonhosted|[-]-(extra-)?index-url|[-]-find-links|registry\.[n]pmjs|conda\.[a]naconda")
PICTURE = re.compile(r'^\s*"image/[\w+]+": .*$', re.MULTILINE)


def test_patterns_find_what_they_are_for():
    absolute, found = "/" + "home/ada/x.py", "see https://a.org/" + "tmp/x"
    assert MACHINE.search(f'open("{absolute}")') and not MACHINE.search(found)
    assert REGISTRY.search("https://" + "py" + "pi.org/simple") and not REGISTRY.search("pip install -c constraints.txt .")


def test_no_file_names_a_machine_or_a_registry():
    bad = []
    for path in committed_files():
        if path.suffix not in {".npz", ".png", ".gz", ".woff"}:
            text = PICTURE.sub("", path.read_text(encoding="utf-8"))
            bad += [f"{path.relative_to(ROOT)}: {hit[0]}" for rule in (MACHINE, REGISTRY) for hit in rule.finditer(text)]
    assert bad == []


def test_ci_runs_what_a_person_runs():
    ci = ROOT / ".ci" / "run"
    assert os.access(ci, os.X_OK)
    lines = [line for line in ci.read_text().splitlines() if not line.startswith("#")]
    assert [line for line in lines if line.startswith("make")] == ["make check", "make docs", "make test", "make proofs"]

"""Bring together the source that Sphinx reads: the written pages of docs/ with their charts, the notebooks as pages, and the
reference's list of public names, each with its example of docs/examples/. docs/builder.py calls this.

Nothing is run: a notebook comes with the outputs it was committed with. Directive lines (`#| export`) and hidden cells
go, links between notebooks become links between pages, and "equation (4)" becomes a link to that equation.
"""
import ast
import dataclasses
import importlib
import json
import os
import re
import shutil
import sys
import textwrap
from configparser import ConfigParser
from pathlib import Path

import nbformat

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
PAGES = DOCS / "_made" / "new"
EXAMPLES = DOCS / "examples"
sys.path[:0] = [str(ROOT), str(ROOT / "tools"), str(DOCS)]

import charts  # noqa: E402
import explorer  # noqa: E402
import scoreboard  # noqa: E402
from kept import Kept  # noqa: E402
from readme import readable  # noqa: E402

EXPORTED = re.compile(r"^#\|\s*export", re.MULTILINE)
EQUATION = re.compile(r"\b([Ee]quation) \((\d)\)")
LINK = re.compile(r"(?<=\]\()(?!https?:|#|attachment:|mailto:)([^)#\s]+)(#[^)\s]*)?(?=\))")
WIDGET = "application/vnd.jupyter.widget-view+json"
CHAPTERS = """\
# The library

We write the package as these notebooks. Six parts lead through them in an order to read; the first takes an evening. A number says
what a chapter may import: only chapters with lower numbers. A cell with a coloured edge is exported: it *is* the module. The other
cells explain the module, show it at work and check it. Their outputs are those of the run that we committed. In Colab, first run
`%pip install git+{git_url}` in a cell of its own.
"""
PART = """
## {title}

{about}

| chapter | what is in it |
| --- | --- |
{rooms}
"""
PARTS: dict[str, tuple[str, list[str]]] = {
    "I. The method": (
        "What predictive coding computes, and why errors fade with depth: read this in order.",
        ["04_energy", "05_inference", "06_light_cone", "08_learning"]),
    "II. Networks and methods": (
        "What the method runs on, and what others compute in its place.",
        ["02_layers", "03_networks", "07_methods", "09_skipping"]),
    "III. An experiment": (
        "From the name of an algorithm to a trained network.",
        ["13_algorithms", "14_experiment", "15_protocol", "11_data", "16_training"]),
    "IV. Keeping results": (
        "A run becomes a file, a file becomes a row, and nothing is trained twice.",
        ["20_store", "21_checkpoints", "22_results", "23_tables", "24_queue"]),
    "V. Growing": (
        "Many settings, many machines, and what they cost.",
        ["25_search", "26_cluster", "32_costs"]),
    "VI. The paper": (
        "What its figures and tables train, how they are drawn, and which claims hold. [The paper](../paper/index.md) has the notebooks.",
        ["31_profiles", "33_figures", "34_verdicts", "17_rounding"]),
    "Appendix": (
        "What every part uses and nobody needs to read first.",
        ["00_checks", "01_kernels", "10_machine", "12_preparation", "30_style", "40_cli"])}


def sources() -> dict[Path, str]:
    """Every notebook, every written page, the changelog, and the page it becomes."""
    found = {ROOT / "index.ipynb": "index.ipynb", ROOT / "CHANGELOG.md": "changelog.md"} | {path: path.name for path in sorted(DOCS.glob("*.md"))}
    for path in sorted((ROOT / "nbs").glob("*.ipynb")):
        if not path.is_symlink():
            found[path] = f"{'library' if path.name[0].isdigit() else 'paper'}/{path.name}"
    return found


def title(path: Path) -> str:
    """The heading of a notebook or a written page, without a number."""
    if path.suffix == ".md":
        text = path.read_text(encoding="utf-8")
    else:
        text = "\n".join(cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown")
    return re.search(r"^# (?:\d\d )?(.+)$", text, re.MULTILINE)[1]


def relinked(text: str, source: Path, page: str, pages: dict[Path, str]) -> str:
    """Markdown of `source` as it must read on `page`: links to notebooks lead to pages, to other files to copies."""
    def target(match: re.Match) -> str:
        path = (source.parent / match[1]).resolve()
        if path.is_dir():
            return "library/index.md" if path.name == "nbs" else f"{settings()['git_url']}/tree/{settings()['branch']}/{path.name}"
        if path.is_file() and path not in pages:
            pages[path] = f"files/{path.name}"
            (PAGES / pages[path]).parent.mkdir(exist_ok=True)
            shutil.copy(path, PAGES / pages[path])
        there = os.path.relpath(pages[path], Path(page).parent) if path in pages else match[1]
        return there + (match[2] or "")
    return EQUATION.sub(r"[\1 (\2)](#eq-\2)", LINK.sub(target, text))


def settings() -> dict[str, str]:
    """What settings.ini says of the project."""
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    return dict(config["DEFAULT"])


def tagged(cell, *names: str) -> bool:
    """Whether a cell has one of these tags."""
    return not {*names}.isdisjoint(cell.metadata.get("tags", []))


def results_first(cells: list, card: str) -> list:
    """The cells of a figure or table as its page shows them: title, card, results (the largest scale first), then how they came about.

    Imports and checks are left out, code is folded. The tags of the cells say which is which: `larger`, `results`, `setup`.
    """
    for cell in cells:
        if cell.cell_type == "code" and not tagged(cell, "parameters"):
            cell.metadata.setdefault("tags", []).append("hide-input")
    groups = [[c for c in cells[1:] if tagged(c, "larger")], [c for c in cells[1:] if tagged(c, "results")],
              [c for c in cells[1:] if not tagged(c, "larger", "results", "setup")]]
    return [cells[0], *([nbformat.v4.new_markdown_cell(card, id="card")] if card else []), *sum(groups, [])]


def with_figures(cells: list, stem: str, page: str) -> None:
    """Drawings become files that a page shows with their words, and in full size when clicked."""
    outputs = [out for cell in cells if cell.cell_type == "code" for out in cell.outputs]
    drawn = [out.data for out in outputs if "image/svg+xml" in out.get("data", {})]
    for number, data in enumerate(drawn, 1):
        drawing, alt = data.pop("image/svg+xml"), data.pop("text/plain")
        data["text/html"] = charts.picture(f"{stem}_{number}", drawing, alt, page)


def as_page(source: Path, page: str, pages: dict[Path, str], card: str = ""):
    """The notebook `source` as the page `page`; card: what stands first on a page of the paper."""
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if EXPORTED.search(cell.source):
            cell.metadata.setdefault("tags", []).append("exported")
    notebook = readable(notebook)
    if page.startswith("paper/"):
        notebook.cells = results_first(notebook.cells, card)
    with_figures(notebook.cells, source.stem, page)
    notebook.metadata["language_info"] = {"name": "python", "pygments_lexer": "python3"}
    notebook.metadata.pop("widgets", None)                  # their script would come from the network
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = re.sub(r"\A# \d\d ", "# ", relinked(cell.source, source, page, pages))
        else:
            cell.source = cell.source.strip("\n")
            cell.outputs = [out for out in cell.outputs if WIDGET not in out.get("data", {})]
    return notebook


def chapter(path: Path) -> str:
    """A numbered notebook as an entry of a table of contents, its number first."""
    return f"{path.stem[:2]} {title(path)} <{path.stem}>"


def contents(names: list[str]) -> str:
    """A table of contents of pages in the same folder."""
    return "```{toctree}\n:maxdepth: 1\n\n" + "".join(f"{name}\n" for name in names) + "```\n"


def write(page: str, text: str) -> None:
    (PAGES / page).parent.mkdir(parents=True, exist_ok=True)
    (PAGES / page).write_text(text, encoding="utf-8")


def scoreboards(keep: Kept) -> tuple[dict, dict]:
    """What the store holds of each item of the paper by profile, and what `judge` says of it."""
    held = keep.value("stored", lambda: {item: scoreboard.scales(item, ROOT / "results") for item in scoreboard.PAPER})
    stored = {item: {profile: scoreboard.Stored(*one) for profile, one in by.items()} for item, by in held.items()}
    return stored, keep.value("judged", lambda: scoreboard.judged(ROOT / "results"))


def card(source: Path, keep: Kept) -> str:
    """What stands first on the page of a figure or table of the paper; nothing on other pages."""
    if source.stem not in scoreboard.PAPER:
        return ""
    stored, judged = scoreboards(keep)
    return scoreboard.card(source.stem, stored[source.stem], judged)


def write_notebook(source: Path, pages: dict[Path, str], keep: Kept) -> None:
    """A notebook as its page, and beside it as it is, to download."""
    page = pages[source]
    notebook = as_page(source, page, pages, card(source, keep))
    if page == "index.ipynb":                               # README leads to the verdicts, the site to the scoreboard
        notebook.cells[2].source = notebook.cells[2].source.replace("[Paper](paper/verdicts.ipynb)", "[Paper](paper/index.md)")
        notebook.cells.append(nbformat.v4.new_markdown_cell((DOCS / "contents.txt").read_text(), id="contents"))
    write(page, nbformat.writes(notebook) + "\n")
    write(f"extra/notebooks/{source.name}", source.read_text(encoding="utf-8"))


def library(pages: dict[Path, str]) -> list[Path]:
    """The numbered notebooks, in the order in which a reader meets them."""
    by_stem = {path.stem: path for path, page in pages.items() if page.startswith("library/")}
    return [by_stem[stem] for _, stems in PARTS.values() for stem in stems]


def paper(pages: dict[Path, str]) -> dict[str, Path]:
    """The notebooks of the paper by their name: its figures and tables as they come there, then the others."""
    by_name = {path.stem: path for path, page in pages.items() if page.startswith("paper/")}
    return {stem: by_name[stem] for stem in [*scoreboard.PAPER, *sorted({*by_name} - {*scoreboard.PAPER})] if stem in by_name}


def hidden(names: list[str]) -> str:
    """A table of contents that only the sidebar shows."""
    return contents(names).replace(":maxdepth: 1", ":hidden:")


def write_library_index(pages: dict[Path, str]) -> None:
    """The chapters by parts, each with what its module says it is."""
    by_stem, text = {path.stem: path for path in library(pages)}, CHAPTERS.format(git_url=settings()["git_url"])
    for name, (told, stems) in PARTS.items():
        rooms = "".join(f"| [{stem[:2]} {title(by_stem[stem])}]({stem}.ipynb) | {about(module_of(by_stem[stem]))} |\n" for stem in stems)
        text += PART.format(title=name, about=told, rooms=rooms)
    write("library/index.md", text + hidden([chapter(path) for path in library(pages)]))


def write_paper_index(pages: dict[Path, str], keep: Kept) -> None:
    """The scoreboard of the paper's figures and tables, then what else is here, each with its first sentence."""
    stored, judged = scoreboards(keep)
    board = scoreboard.page(paper(pages), stored, PAGES / "paper" / "thumbnails", judged)
    others = "".join(f"- [{title(path)}]({path.name})\n" for stem, path in paper(pages).items() if stem not in scoreboard.PAPER)
    write("paper/index.md", f"{board}\n## Beside the paper\n\n{others}\n{hidden(list(paper(pages)))}")


def module_of(path: Path) -> str:
    """The module that a numbered notebook is exported to: `runs.results` of 22_results."""
    return re.search(r"#\| default_exp ([\w.]+)", path.read_text(encoding="utf-8"))[1]


def about(module: str) -> str:
    """What a module says it is."""
    return (importlib.import_module(f"pc_precision.{module}").__doc__ or "").strip()


def public_names() -> dict[str, list[tuple[str, str]]]:
    """(package, public name) by the module that the name comes from, in the order of the notebooks."""
    found: dict[str, list[tuple[str, str]]] = {}
    for folder in ("", "runs", "paper"):
        tree = ast.parse((ROOT / "pc_precision" / folder / "__init__.py").read_text(encoding="utf-8"))
        for node in [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]:
            package = ".".join(filter(None, ["pc_precision", folder]))
            module = ".".join(filter(None, [folder, node.module]))
            found.setdefault(module, []).extend((package, alias.name) for alias in node.names)
    order = [module_of(path) for path, page in sources().items() if page.startswith("library/")]
    return {module: found[module] for module in order if module in found}


def example_path(package: str, name: str) -> Path:
    """The example of a public name; `_class` tells apart what differs from another name only in capitals, as some file systems cannot."""
    names = importlib.import_module(package).__all__
    twin = name != name.lower() and name.lower() in names
    return EXAMPLES / package.replace("pc_precision", "pc").removeprefix("pc.") / f"{name}{'_class' * twin}.py"


def taken_apart(text: str) -> tuple[str, str]:
    """The code of an example, and what it prints; ValueError if it does not say."""
    code, there, printed = text.partition("\n# prints\n")
    lines = printed.splitlines()
    if not there or not lines or any(line != "#" and not line.startswith("# ") for line in lines):
        raise ValueError("an example ends with a line `# prints` and what it prints, each line after `# `")
    return code.strip("\n"), "\n".join(line[2:] for line in lines)


def example(package: str, name: str) -> str:
    """The example of a public name as markup: its code and what it prints."""
    path = example_path(package, name)
    if not path.exists():
        sys.exit(f"{package}.{name} is public and has no example: write {path.relative_to(ROOT).as_posix()}")
    code, printed = taken_apart(path.read_text(encoding="utf-8"))
    block = lambda *lines, text: "\n".join([*lines, "", *(f"   {line}".rstrip() for line in text.splitlines())])
    return "\n\n".join([".. rubric:: Example\n   :class: example", block(".. code-block:: python", text=code),
                        block(".. code-block:: text", "   :class: output", text=printed)])


def entry(package: str, name: str) -> str:
    """The directive that documents one public name of a package, its example inside."""
    value, lines = getattr(importlib.import_module(package), name), [f".. currentmodule:: {package}", ""]
    if package != "pc_precision":                           # the source's way back names each by the package of its module's first name
        members = [one for one in vars(value) if not one.startswith("_")] if isinstance(value, type) else []
        spans = "".join(f'<span id="pc_precision.{one}"></span>' for one in [name, *(f"{name}.{member}" for member in members)])
        lines += [".. raw:: html", "", f"   {spans}", ""]
    if isinstance(value, type):
        fields = ", ".join(getattr(value, "_fields", ()))
        lines += [f".. autoclass:: {name}", "   :members:", "   :special-members: __call__"]
        lines += [f"   :exclude-members: {fields}"] if fields else []
    else:
        lines += [f".. autofunction:: {name}" if callable(value) else table(name, value)]
    return "\n".join([*lines, "", textwrap.indent(example(package, name), "   ")])


def table(name: str, value: dict) -> str:
    """A dictionary that a person chooses from: its keys, and the fields of what they name."""
    first = next(iter(value.values()))
    lines = [f".. py:data:: {name}", f"   :type: dict[str, {type(first).__name__}]", ""]
    if not dataclasses.is_dataclass(first):
        lines[1] = "   :type: dict[str, Callable]"
        return "\n".join(lines + ["   By name: " + ", ".join(f"``{key!r}``" for key in value) + "."])
    fields = [field.name for field in dataclasses.fields(first) if field.name not in ("name", "source")]
    rows = [["name", *fields]]
    rows += [[repr(key), *(repr(getattr(one, field)) for field in fields)] for key, one in value.items()]
    lines += ["   .. list-table::", "      :header-rows: 1", ""]
    for row in rows:
        lines += [f"      {'*' if i == 0 else ' '} - ``{cell}``" for i, cell in enumerate(row)]
    return "\n".join(lines)


def write_reference() -> None:
    """A page a module, each public name on it; the summary of them all on the first page."""
    summary, chapters = [], {module_of(path): path for path, page in sources().items() if page.startswith("library/")}
    for module, names in public_names().items():
        head = f"# {module}\n\n{about(module)}\n\nChapter: [{title(chapters[module])}](../library/{chapters[module].name})\n\n"
        body = "\n\n".join(entry(package, name) for package, name in names)
        write(f"reference/{module}.md", f"{head}```{{eval-rst}}\n{body}\n```\n")
        summary.append(f"[{module}]({module}.md)\n: " + " ".join(f"{{py:obj}}`~{package}.{name}`" for package, name in names))
    text = (DOCS / "reference.txt").read_text(encoding="utf-8")
    write("reference/index.md", text + "\n\n".join(summary) + "\n\n" + hidden(list(public_names())))


def runs_in_words() -> str:
    """Write what the page of the runs shows beside it; sentences on what runs there are."""
    data = explorer.collect(ROOT / "results")
    write("extra/explorer_data.js", explorer.as_script(data))
    return explorer.told(data)


MADE = {"{costs}": charts.costs, "{measured}": charts.speed, "{runs}": runs_in_words}      # what a written page leaves to be made


def write_page(path: Path, pages: dict[Path, str], keep: Kept) -> None:
    """A page of docs/ that is written by hand."""
    text = path.read_text(encoding="utf-8")
    for mark, make in MADE.items():
        text = text.replace(mark, keep.value(make.__name__, make)) if mark in text else text
    text = text if path.name in ("equations.md", "CHANGELOG.md") else relinked(text, path, path.name, pages)
    if path.name == "cite.md":
        text = text.replace("{{version}}", f"{{{settings()['version']}}}").replace("{{url}}", f"{{{settings()['git_url']}}}")
    write(pages[path], text)


def write_sources(pages: dict[Path, str]) -> None:
    """What each page is made from, a path in the repository by the page's name: conf.py links to it."""
    found = {page: path for path, page in pages.items()} | {f"{folder}/index": DOCS / "gather.py" for folder in ("library", "paper")} | {"reference/index": DOCS / "reference.txt"}
    found |= {f"reference/{module_of(path)}": path for path, page in pages.items() if page.startswith("library/")}
    made = {page.removesuffix(".md").removesuffix(".ipynb"): path.relative_to(ROOT).as_posix() for page, path in found.items()}
    (PAGES / "sources.json").write_text(json.dumps(made, indent=1), encoding="utf-8")


def write_one(source: Path, pages: dict[Path, str], keep: Kept) -> None:
    """The page of one notebook or written page."""
    (write_notebook if source.suffix == ".ipynb" else write_page)(source, pages, keep)


def begin() -> dict[Path, str]:
    """Nothing is gathered yet; the sources of pages."""
    shutil.rmtree(PAGES, ignore_errors=True)
    (PAGES / "extra").mkdir(parents=True)                   # there is always one, if empty
    return sources()


def gather_all(keep: Kept) -> None:
    """Write every page."""
    pages = begin()
    for source in [*pages]:
        write_one(source, pages, keep)
    write_library_index(pages)
    write_paper_index(pages, keep)
    write_reference()
    write_sources(pages)


def gather_one(source: Path, keep: Kept) -> str:
    """Write one page; of all others only what the sidebar and links need: their titles. Returns the page."""
    pages = begin()
    for path, page in pages.items():
        stub = f"# {title(path)}\n\n" + (DOCS / "contents.txt").read_text() * (page == "index.ipynb")
        write(page, stub if path.suffix == ".md" else nbformat.writes(nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell(stub)])))
    modules = list(public_names())
    for folder, text, names in [("library", CHAPTERS, [chapter(path) for path in library(pages)]), ("paper", scoreboard.INTRODUCTION, list(paper(pages))),
                                ("reference", (DOCS / "reference.txt").read_text(encoding="utf-8"), modules)]:
        write(f"{folder}/index.md", f"{text.splitlines()[0]}\n\n{hidden(names)}")
    for module in modules:
        write(f"reference/{module}.md", f"# {module}\n")
    write_one(source, pages, keep)
    write_sources(pages)
    return pages[source]

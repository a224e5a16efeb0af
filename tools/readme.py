"""Write README.md from index.ipynb: its committed outputs as they are, nothing is run.

usage: python tools/readme.py [FOLDER]    README.md and the pictures under docs/readme/ go there (default: the repository)
"""
import re
import sys
from pathlib import Path

import nbformat
from nbconvert import MarkdownExporter
from traitlets.config import Config

ROOT = Path(__file__).resolve().parent.parent
PICTURES = "docs/readme"
# Markdown before HTML: the page is read where style sheets are not
SHOWN = ["text/markdown", "image/svg+xml", "image/png", "image/jpeg", "text/html", "text/plain"]
DIRECTIVE = re.compile(r"^\s*#\s*\|.*\n?", re.MULTILINE)
NO_CODE = "remove-input"                                    # the tag of a cell whose output alone is shown
STYLE = re.compile(r"<style.*?</style>\s*", re.DOTALL)


def hidden(cell) -> bool:
    """Whether nbdev would leave the cell out of a page."""
    return bool(re.search(r"^\s*#\s*\|\s*(hide|include:\s*false)\s*$", cell.source, re.MULTILINE)) or not cell.source.strip()


def readable(notebook):
    """The notebook without directive lines, hidden cells and what was written to stderr."""
    notebook.metadata["language_info"] = {"name": "python"}  # nbdev_clean drops it; code blocks want their colours
    notebook.cells = [cell for cell in notebook.cells if not hidden(cell)]
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.source = DIRECTIVE.sub("", cell.source)
            cell.outputs = [out for out in cell.outputs if out.get("name") != "stderr"]
    return notebook


def readme(index: Path) -> tuple[str, dict[str, bytes]]:
    """README's text and its pictures (path -> bytes), both relative to the repository."""
    without_code = Config(TagRemovePreprocessor=dict(enabled=True, remove_input_tags={NO_CODE}))
    exporter = MarkdownExporter(display_data_priority=SHOWN, config=without_code)
    notebook = readable(nbformat.read(index, as_version=4))
    text, resources = exporter.from_notebook_node(notebook, resources={"output_files_dir": PICTURES})
    for number, cell in enumerate(notebook.cells):
        for place, output in enumerate(cell.get("outputs", [])):
            words = output.get("data", {}).get("text/plain", "")
            text = text.replace(f"![svg]({PICTURES}/output_{number}_{place}.svg)", f"![{words}]({PICTURES}/output_{number}_{place}.svg)")
    text = re.sub(r"[ \t]+$", "", STYLE.sub("", text), flags=re.MULTILINE)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n", resources.get("outputs", {})


def main(folder: Path) -> None:
    text, pictures = readme(ROOT / "index.ipynb")
    (folder / "README.md").write_text(text, encoding="utf-8")
    for path, data in pictures.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else ROOT)

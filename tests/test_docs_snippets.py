"""What the written pages tell a person to type works as it stands: Python blocks run, commands and options exist."""
import re
import shlex
from pathlib import Path

import pytest

from pc_precision import cli

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted((ROOT / "docs").glob("*.md"))
WITH_PYTHON = ["how_to.md", "start.md"]


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
    assert [page.name for page in PAGES if blocks(page, "python")] == WITH_PYTHON


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_PYTHON)
def test_python_blocks_run_one_after_the_other(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page, names = ROOT / "docs" / name, {"__name__": "__main__"}
    found = blocks(page, "python")
    assert len(found) >= 5
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


def test_every_make_target_is_in_the_makefile():
    targets = set(re.findall(r"^([a-z0-9]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    called = {words[0] for words in commands("make")}
    assert called and called <= targets

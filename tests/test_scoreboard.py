"""The paper's scoreboard says what the store holds and what `judge` says of it, and no more."""
import re
import sys
from pathlib import Path

import pytest

import pc_precision as pc
from pc_precision.paper.verdicts import CLAIMS, Difference, Verdict

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))
import scoreboard  # noqa: E402


def verdict(claim: str, word: str, untuned: bool = False) -> Verdict:
    return Verdict(claim, word, "", 0, (Difference("d", 0.0, 0.0, 0, untuned=untuned),))


def test_verdicts_are_counted_in_words():
    assert scoreboard.tally(["holds"]) == "1 holds"
    assert scoreboard.tally(["undecided at this scale", "fails", "holds", "fails"]) == "1 holds, 2 fail, 1 undecided"
    assert scoreboard.tally(["holds (untuned)", "holds"]) == "2 hold (untuned)"


def test_both_readings_of_a_claim_come_under_its_number():
    some = [verdict("T1. one (activity)", "holds"), verdict("T1. one (energy)", "fails", untuned=True), verdict("2. two", "holds")]
    assert scoreboard.by_number(some) == {"T1": ["holds", "fails (untuned)"], "2": ["holds"]}


def test_an_item_is_reproduced_only_by_runs_on_the_papers_data():
    assert [scoreboard.status("fig2", dict.fromkeys(some, scoreboard.Stored("", 1.0))) for some in ([], ["smoke"], ["smoke", "laptop"], ["laptop", "paper"])] == [
        "not reproduced", "not reproduced", "at a smaller scale", "at the paper's scale"]
    assert scoreboard.status("table3", {}) == "computed here"
    told = {count: scoreboard.status("fig2", {"paper": scoreboard.Stored("", count / 540)}) for count in (15, 540)}
    assert told == {15: "in part at the paper's scale", 540: "at the paper's scale"}


def test_a_cell_shows_the_verdicts_of_its_own_claims_alone():
    found = {"digits": {"1": ["fails"], "3": ["holds", "undecided at this scale"]}}
    assert scoreboard.verdict("fig6", {}, found) == "**Not reproduced**<br>digits: 1 holds, 1 undecided"
    assert scoreboard.verdict("table2", {}, found) == "**Not reproduced**<br>no claim to judge"


def test_every_claim_of_the_paper_has_a_place():
    placed = {number for about in scoreboard.PAPER.values() for number in about.claims}
    assert placed == set(CLAIMS) - set(scoreboard.OURS)


def test_an_empty_store_reproduces_nothing(tmp_path):
    notebooks = {path.stem: path for path in (ROOT / "nbs").glob("[a-z]*.ipynb")}
    stored = {item: scoreboard.scales(item, tmp_path) for item in scoreboard.PAPER}
    text = scoreboard.page(notebooks, stored, tmp_path / "small", scoreboard.judged(tmp_path))
    lines = {item: next(line for line in text.splitlines() if f"]({item}.ipynb) |" in line) for item in scoreboard.PAPER}
    assert all("**Not reproduced**" in lines[item] and line_ends(lines[item], "none") for item in ("fig2", "table1", "table2", "table6"))
    assert all(f"![The last picture of {item}" in lines[item] or f"![A table: {item}]" in lines[item] for item in scoreboard.PAPER)


def line_ends(line: str, word: str) -> bool:
    return line.split("|")[-2].strip() == word


@pytest.mark.parametrize("item", ["fig2", "table2"])
def test_a_cell_counts_the_runs_of_the_store(item):
    wanted = pc.paper.items(item, "smoke")
    there = sum(pc.runs.Store(ROOT / "results").get(exp) is not None for exp in wanted)
    smoke = scoreboard.scales(item, ROOT / "results")["smoke"]
    assert smoke.words.startswith(f"`smoke`: {there} of {len(wanted)} runs, digits") and smoke.share == there / len(wanted)


@pytest.mark.slow
def test_a_card_tells_claim_what_is_published_what_ran_the_verdict_and_the_command(tmp_path):
    bare = scoreboard.card("table1", scoreboard.scales("table1", tmp_path), {})
    full = scoreboard.card("table1", scoreboard.scales("table1", ROOT / "results"), scoreboard.judged(ROOT / "results"))
    for text in (bare, full):
        assert re.findall(r"^(.+)\n:   ", text, re.MULTILINE) == ["The paper's claim", "Published", "Ours", "Verdict", "Command"]
        assert "version 1, section 5" in text and "93.27 % on CIFAR-10" in text
    assert "No run of this item is stored." in bare and "-p profile smoke" in bare
    assert re.search(r"`smoke`: \d+ of \d+ runs, digits, 3 seeds, ", full) and "-p profile laptop" in full and "undecided" in full
    assert "Computed on this page" in scoreboard.card("table3", scoreboard.scales("table3", tmp_path), {})

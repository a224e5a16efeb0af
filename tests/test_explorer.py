"""The page "Explore the runs": its data are the store's and the library's, and a browser shows, filters and keeps them."""
import dataclasses
import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import pc_precision as pc
from pc_precision.energy import unreached
from pc_precision.paper.profiles import by_row, untuned
from pc_precision.runs.tables import scores
from test_site import CHROMIUM, CHECKS, SITE, browse, browser, read, watched

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))
import explorer  # noqa: E402

site = pytest.mark.site
built = pytest.mark.skipif(not (SITE / "explore.html").exists(), reason="no site in _docs/: run `make docs` first")


@pytest.fixture(scope="module")
def data() -> dict:
    return explorer.collect(ROOT / "results")


@pytest.fixture(scope="module")
def frame():
    return by_row(pc.runs.read_store(ROOT / "results"))


# The data

def same(told: float | None, value: float | None, rel: float = 1e-4) -> bool:
    """Whether the page tells this number, and None where there is none or where it is infinite."""
    finite = value is not None and np.isfinite(value)
    return told == pytest.approx(value, rel=rel) if finite else told is None


def test_every_stored_run_is_there_once(data):
    stored = [path.stem.rsplit("_", 1)[1] for path in pc.runs.Store(ROOT / "results").files()]
    assert len(stored) > 300 and sorted(run["key"] for run in data["runs"]) == sorted(stored)


def test_a_run_tells_what_its_file_holds(data):
    told = {run["key"]: run for run in data["runs"]}
    for run in pc.runs.Store(ROOT / "results").runs():
        one = told[run["key"]]
        assert one["settings"] | {"seed": one["seed"]} == run["experiment"] and one["outcome"] == run["outcome"]
        places = run.get("sessions") or [run["provenance"]]  # a run that was taken up again may have moved
        for name in ("commit", "device"):
            assert one[name] == " + ".join(dict.fromkeys(place[name] for place in places))
        assert len(one["accuracy"]) == len(one["loss"]) == run["rows"][-1][0]
        last = [row[4] for row in run["rows"] if row[0] == run["rows"][-1][0] and row[2] == "energy"]
        assert len(one["energies"]) == len(last) and all(same(energy, value, 1e-3) for energy, value in zip(one["energies"], last))
        assert len(one["energies"]) >= one["layers"]                 # a graph has layers beside its depth


def test_scores_are_those_of_the_library(data, frame):
    table = scores(frame).set_index("key")
    for run in data["runs"]:
        assert same(run["test"], table.score[run["key"]]) and same(run["best"], table.epoch[run["key"]])
        assert run["best"] is None or run["accuracy"][run["best"] - 1] == run["test"]
    assert any(run["best"] is None for run in data["runs"]), "the store holds a run that diverged"


def test_a_mean_is_of_seeds_alone_and_is_what_summarise_says(data, frame):
    group = {run["key"]: run["group"] for run in data["runs"]}
    table = pc.summarise(frame.assign(group=frame["key"].map(group).astype(object)), by=["group"])
    assert list(table)[:2] == ["group", "mean"], "runs of one group differ in more than their seed"
    assert set(table["group"]) == set(data["groups"])
    for one in table.itertuples():
        told = data["groups"][one.group]
        assert (told["n"], told["diverged"]) == (one.n, one.diverged) and same(told["mean"], one.mean) and same(told["std"], one.std)


def test_a_line_passes_through_one_group_of_each_cell_and_the_others_say_how_they_differ(data):
    cells = {}
    for run in data["runs"]:
        cells.setdefault((run["scale"], run["row"], run["model"], run["batch_norm"], run["bn_mode"]), set()).add(run["group"])
    assert max(map(len, cells.values())) > 1
    for groups in cells.values():
        told = [data["groups"][group] for group in groups]
        assert sum(one["main"] for one in told) == 1
        assert len({json.dumps(one["differs"]) for one in told}) == len(told)
        assert max(one["n"] for one in told) == next(one["n"] for one in told if one["main"])


def test_untuned_is_what_the_library_says(data, frame):
    runs = frame.drop_duplicates("key").set_index("key", drop=False)
    plain = pc.runs.read_store(ROOT / "results").drop_duplicates("key")
    assert {run["key"]: run["untuned"] for run in data["runs"]} == dict(zip(plain["key"], untuned(plain.astype(object))))
    assert {run["key"]: run["row"] for run in data["runs"]} == runs["algorithm"].to_dict()


def test_a_command_gives_the_key_and_tells_no_more_than_it_must(data):
    names = {"pc": SimpleNamespace(Experiment=pc.Experiment, results=lambda experiments, store: (store, experiments))}
    for run in data["runs"]:
        store, [exp] = eval(run["command"], names)
        assert (store, exp.key) == ("results", run["key"])
        given = set(re.findall(r"(\w+)=", run["command"])) - {"store", *explorer.NAMED}
        assert all(getattr(exp, field.name) != field.default for field in dataclasses.fields(exp) if field.name in given)


def test_a_command_reads_the_store(data, monkeypatch):
    monkeypatch.chdir(ROOT)
    run = next(run for run in data["runs"] if run["row"] == "S+F (energy)")
    assert set(eval(run["command"], {"pc": pc})["key"]) == {run["key"]}


def test_a_field_that_decides_nothing_is_left_out():
    exp = pc.Experiment(model="vgg7", T=7, k=1.0, epochs=3, x_step=0.1, learning_rate=4e-3, weight_decay=2e-4)
    assert explorer.needed(exp) == {"dataset": "digits", "model": "vgg7", "algorithm": "S+F", "seed": 0, "epochs": 3, "weight_decay": 2e-4}


def test_runs_of_one_scale_share_data_size_and_epochs(data):
    for run in data["runs"]:
        scale = next(one for one in data["scales"] if one["id"] == run["scale"])
        assert all(run[name] == scale[name] for name in ("dataset", "width", "limit", "epochs"))
        assert all(run["settings"][name] == value for name, value in scale["shared"].items())
    assert {one["id"]: one["runs"] for one in data["scales"]} == Counter(run["scale"] for run in data["runs"])


def test_batchnorm_of_bp_stands_under_both_kinds():
    settings = dict(batch_norm="bn", bn_mode="ema")
    assert explorer.views(settings | {"algorithm": "BP"}) == ["bn-ema", "freeze-ema"]
    assert explorer.views(settings | {"algorithm": "PC"}) == ["bn-ema"] and explorer.views({"algorithm": "BP"}) == ["none"]


def test_rows_look_as_in_the_figures_of_the_house(data):
    looks, colours = pc.paper.style.LOOKS, pc.paper.style.COLOURS
    assert {row["name"] for row in data["rows"]} == {run["row"] for run in data["runs"]}
    for row in data["rows"]:
        look = looks[row["name"]]
        assert (row["colour"], row["style"], row["marker"], row["hollow"]) == (colours[look.colour], look.style, look.marker, look.hollow)


def test_tables_of_figure_1_are_the_librarys(data):
    told = data["figure1"]
    schedules = {"spiking": [pc.Spiking(alpha) for alpha in told["alphas"]], "decaying": [pc.Decaying(k) for k in told["rates"]]}
    for L in told["layers"]:
        assert told["front"][L] == list(pc.paper.front_steps(L))
        for T in told["steps"]:
            size = f"{T},{L}"
            assert told["unreached"][size] == unreached(T, L)
            np.testing.assert_allclose(told["constant"][size], pc.Constant()(T, L))
            for name, values in schedules.items():
                for table, schedule in zip(told[name][size], values, strict=True):
                    numbers = [[np.inf if value is None else value for value in step] for step in table]
                    np.testing.assert_allclose(numbers, schedule(T, L), rtol=1e-3)


def test_the_file_is_one_script_with_one_object_and_small(data):
    text = explorer.as_script(data)
    comment, assigned = text.split("\n", 1)
    assert comment.startswith("//") and len(text.encode()) < 1_500_000
    assert json.loads(assigned.removeprefix("window.PC_RUNS = ").removesuffix(";\n"))["runs"] == data["runs"]


def test_the_words_on_devices_follow_the_runs(data):
    runs = [{"dataset": "digits", "device": "a", "platform": "cpu", "dirty": False},
            {"dataset": "digits", "device": "b", "platform": "gpu", "dirty": True}]
    assert explorer.told({"runs": runs[:1]}) == "The store holds 1 run (1 digits). All of them ran on one kind of device, a; no run was on a GPU."
    assert "a; b; 1 of them were on a GPU" in explorer.told({"runs": runs}) and "For 1 of them" in explorer.told({"runs": runs})
    assert all(run["platform"] == "cpu" for run in data["runs"]) == ("no run was on a GPU" in explorer.told(data))


def test_an_empty_store_makes_a_page_without_runs(tmp_path):
    data = explorer.collect(tmp_path)
    assert data["runs"] == data["scales"] == data["rows"] == [] and explorer.told(data) == "The store holds no run."
    assert json.loads(json.dumps(data))["figure1"]["spiking"]


# The page, as files

@site
@built
def test_the_page_says_what_it_needs_and_where_else_the_numbers_are():
    text, words = (SITE / "explore.html").read_text(encoding="utf-8"), "".join(read("explore.html").text)
    without = text.partition("explorer-without")[2].partition("</div>")[0]
    assert "needs JavaScript" in without and 'href="paper/index.html"' in without and 'id="explorer" hidden' in text
    assert re.search(r"The store holds \d+ runs .* (no run was|were) on a GPU", words.replace("\n", " "))
    assert "explore.html" in (SITE / "paper" / "index.html").read_text(encoding="utf-8").partition("<article")[2].partition("<table")[0]


@site
@built
def test_uplot_lies_beside_its_licence_and_the_data_are_this_stores(data):
    assert "MIT" in (SITE / "_static" / "uplot" / "LICENSE").read_text()
    there = json.loads((SITE / "explorer_data.js").read_text(encoding="utf-8").partition(" = ")[2].removesuffix(";\n"))
    assert {run["key"] for run in there["runs"]} == {run["key"] for run in data["runs"]}


# The page in a browser: a page beside it opens it in frames, chooses as a reader does, and writes down what then stands there

LOOK = """<!doctype html><meta charset="utf-8"><pre id="out"></pre><script>
""" + CHECKS + """
const out = {};
const text = (frame, selector) => frame.doc.querySelector(selector).textContent;
const shown = frame => Number(text(frame, "#explorer-count").match(/^[0-9]+/)[0]);
async function open(hash = "", width = 1280) {
  const frame = document.createElement("iframe");
  frame.style.cssText = `width:${width}px;height:900px;border:0`;
  const loaded = new Promise(done => frame.onload = done);
  frame.src = `explore.html${hash}`;
  document.body.append(frame);
  await loaded;
  const [win, doc] = [frame.contentWindow, frame.contentDocument];
  for (let i = 0; i < 100 && !doc.querySelector(".heat"); i++) await wait(50);
  return {frame, win, doc};
}
function set(frame, selector, value, event = "change") {
  const control = frame.doc.querySelector(selector);
  if (control.type === "checkbox" || control.type === "radio") control.checked = value; else control.value = value;
  control.dispatchEvent(new frame.win.Event(event, {bubbles: true}));
}
const heat = (frame, which) => [...frame.doc.querySelectorAll(`#schedules-${which} tbody tr`)].map(row => [...row.querySelectorAll("td")].map(cell => cell.textContent));
function pale(el) {                                         // whether something around it lets the page shine through
  for (; el; el = el.parentElement) if (el.ownerDocument.defaultView.getComputedStyle(el).opacity < 1) return true;
  return false;
}
function faint(frame) {
  const walker = frame.doc.createTreeWalker(frame.doc.querySelector("article"), NodeFilter.SHOW_TEXT), found = [];
  for (let node; node = walker.nextNode();) {
    const el = node.parentElement;
    if (node.textContent.trim() && el.getClientRects().length && !el.closest("script, svg, [aria-hidden], option") && (contrast(el) < 4.5 || pale(el)))
      found.push(`${contrast(el).toFixed(1)} ${node.textContent.trim().slice(0, 40)}`);
  }
  return found.slice(0, 5);
}
const unnamed = frame => [...frame.doc.querySelectorAll("#explorer :is(input, select, button), #schedules :is(input, button)")]
  .filter(control => !(control.labels && control.labels.length) && !control.getAttribute("aria-label") && !control.textContent.trim()).map(control => control.outerHTML);

async function filters() {
  const page = await open();
  const begin = shown(page), scales = [...page.doc.querySelectorAll("#explorer-scale option")].map(option => option.value);
  set(page, "#explorer-rows input[value=PC]", false);
  out.filters = {begin, withoutPC: shown(page), cellsOfPC: [...page.doc.querySelectorAll("#explorer-table tbody th")].filter(cell => cell.textContent.trim() === "PC").length};
  page.doc.querySelector("[data-rows=none]").click();
  out.filters.none = {count: shown(page), words: text(page, "#explorer-depth"), table: text(page, "#explorer-table")};
  page.doc.querySelector("[data-rows=all]").click();
  out.filters.all = {};
  for (const scale of scales) {
    set(page, "#explorer-scale", scale);
    for (const view of [...page.doc.querySelectorAll("#explorer-view option")].map(option => option.value)) {
      set(page, "#explorer-view", view);
      out.filters.all[`${scale} ${view}`] = {count: shown(page), buttons: page.doc.querySelectorAll("#explorer-table button").length,
        empty: page.doc.querySelectorAll("#explorer-table td.empty").length, words: text(page, "#explorer-table"), charts: page.doc.querySelectorAll(".plot canvas").length};
    }
  }
  out.unnamed = unnamed(page);
  out.loads = page.win.performance.getEntriesByType("resource").map(one => one.name);
  page.frame.remove();
}
async function cells() {
  const page = await open();
  const button = () => page.doc.querySelector("#explorer-table button:not([data-group=''])");
  const group = button().dataset.group, before = page.doc.querySelector("#explorer-runs").hidden;
  button().focus();
  button().click();
  out.cell = {group, before, after: page.doc.querySelector("#explorer-runs").hidden, words: text(page, "#explorer-runs"), pressed: button().getAttribute("aria-pressed"),
    focus: page.doc.activeElement === button(), tag: button().tagName, reached: button().tabIndex, curves: page.doc.querySelectorAll("#explorer-runs canvas").length,
    commands: [...page.doc.querySelectorAll("#explorer-runs pre")].map(code => code.textContent), copies: page.doc.querySelectorAll("#explorer-runs .command button").length,
    said: text(page, "#explorer-chosen")};
  button().click();
  out.cell.closed = page.doc.querySelector("#explorer-runs").hidden;
  page.frame.remove();
}
async function sliders() {
  const page = await open(), told = page.win.PC_RUNS.figure1, begin = heat(page, "spiking"), sentence = text(page, "#schedules-told");
  set(page, "#schedules-alpha", told.alphas.indexOf(0.02), "input");
  const spiking = heat(page, "spiking"), decaying = heat(page, "decaying");
  set(page, "#schedules-k", told.rates.indexOf(2), "input");
  const decayed = heat(page, "decaying");
  set(page, "#schedules-T", told.steps.indexOf(5), "input");
  set(page, "#schedules-L input[value='10']", true);
  out.sliders = {begin, spiking, decaying, decayed, last: heat(page, "spiking"), sentence, changed: text(page, "#schedules-told"),
    front: [...page.doc.querySelectorAll("#schedules-spiking tr")].map(row => [...row.querySelectorAll("td")].findIndex(cell => cell.classList.contains("arrives"))).slice(1)};
  page.frame.remove();
}
async function hint() {
  const page = await open(), over = page.doc.querySelector("#explorer-depth .u-over"), box = over.getBoundingClientRect(), tip = page.doc.querySelector("#explorer-depth .hint");
  const said = new Set();
  for (let x = 0; x < box.width; x += 6) for (let y = 0; y < box.height; y += 6) {
    over.dispatchEvent(new page.win.MouseEvent("mousemove", {clientX: box.left + x, clientY: box.top + y, bubbles: true}));
    if (!tip.hidden) said.add(tip.textContent);
  }
  out.hint = [...said];
  page.frame.remove();
}
const seen = page => ({count: shown(page), scale: page.doc.querySelector("#explorer-scale").value, view: page.doc.querySelector("#explorer-view").value,
  network: page.doc.querySelector("#explorer-network").value, table: text(page, "#explorer-table"), runs: text(page, "#explorer-runs"),
  rows: [...page.doc.querySelectorAll("#explorer-rows input:checked")].map(box => box.value), spiking: heat(page, "spiking"), decaying: heat(page, "decaying")});
async function hashes() {
  const page = await open(), initial = seen(page), address = page.win.location.hash;
  set(page, "#explorer-scale", page.win.PC_RUNS.scales.find(scale => scale.dataset === "cifar10").id);
  set(page, "#explorer-rows input[value='S+F (energy)']", false);
  set(page, "#explorer-network", "vgg5");
  page.doc.querySelector("#explorer-table button").click();
  set(page, "#schedules-alpha", 0, "input");
  set(page, "#schedules-L input[value='10']", true);
  await wait(400);
  const kept = seen(page), hash = page.win.location.hash, again = await open(hash), broken = await open("#scale=nowhere&alpha=seven&cell=x&rows=BP,nobody"), anchor = await open("#figure-1-with-sliders");
  out.hash = {address, hash, initial, kept, restored: seen(again), broken: seen(broken), anchor: seen(anchor)};
  again.win.location.hash = "#alpha=1&k=4";
  await wait(200);
  out.hash.moved = seen(again);
  for (const one of [page, again, broken, anchor]) one.frame.remove();
}
async function widths() {
  out.widths = [];
  for (const width of [390, 820, 1440]) {
    const page = await open("#T=16&L=10", width);
    for (const scale of [...page.doc.querySelectorAll("#explorer-scale option")].map(option => option.value)) {
      page.doc.querySelector("[data-rows=all]").click();
      set(page, "#explorer-scale", scale);
      page.doc.querySelector("#explorer-table button").click();
      for (const part of page.doc.querySelectorAll("#explorer details, #schedules details")) part.open = true;
      await wait(50);
      const content = page.doc.querySelector(".content");    // on a narrow screen it would scroll in place of the page
      out.widths.push({scale, width, wide: page.doc.documentElement.scrollWidth, inside: content.scrollWidth - content.clientWidth});
    }
    page.frame.remove();
  }
}
async function themes() {
  out.themes = {};
  const page = await open("#T=8&L=10");
  const style = page.doc.createElement("style");
  style.textContent = "* { transition: none !important }";
  page.doc.head.append(style);
  page.doc.querySelector("#explorer-table button").click();
  for (const part of page.doc.querySelectorAll("#explorer details, #schedules details")) part.open = true;
  for (const theme of ["light", "dark"]) {
    page.doc.body.dataset.theme = theme;
    await wait(300);
    out.themes[theme] = {faint: faint(page), chart: page.doc.querySelector("#explorer-depth canvas").toDataURL(), text: page.doc.querySelectorAll("#schedules td").length};
  }
  page.frame.remove();
}
(async () => {
  for (const step of [filters, cells, sliders, hint, hashes, widths, themes])
    try { await step(); } catch (error) { out.failed = [...out.failed || [], `${step.name}: ${error.stack}`]; }
  document.getElementById("out").textContent = JSON.stringify(out);
  document.title = "done";
})();
</script>"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> dict:
    """What the browser saw, and under `logged` what it wrote into its console."""
    found, log = watched(LOOK, tmp_path_factory.mktemp("browser"))
    return found | {"logged": re.findall(r"CONSOLE.*", log)}


def in_browser(test):
    """A test of the built page in a browser."""
    return site(built(browser(test)))


def rows_of(data: dict, **wanted) -> list[dict]:
    """The runs with these values."""
    return [run for run in data["runs"] if all(run[name] == value for name, value in wanted.items())]


@in_browser
def test_nothing_fails_in_the_browser_and_nothing_comes_from_elsewhere(seen):
    assert "failed" not in seen, seen["failed"]
    assert seen["logged"] == []
    assert len(seen["loads"]) > 5 and [name for name in seen["loads"] if not name.startswith("http://localhost:")] == []


@in_browser
def test_filters_change_what_is_shown(seen, data):
    start = [run for run in rows_of(data, scale=data["start"]) if "none" in run["views"]]
    paper = {row["name"] for row in data["rows"] if row["kind"] == "paper"}
    count = lambda runs: sum(run["row"] in paper for run in runs)
    assert seen["filters"]["begin"] == count(start) > 0
    assert seen["filters"]["withoutPC"] == count(run for run in start if run["row"] != "PC") and seen["filters"]["cellsOfPC"] == 0
    assert seen["filters"]["none"]["count"] == 0 and "No run" in seen["filters"]["none"]["words"] and "No run" in seen["filters"]["none"]["table"]


@in_browser
def test_every_run_is_shown_somewhere_and_an_empty_cell_says_so(seen, data):
    wanted = Counter(f"{run['scale']} {view}" for run in data["runs"] for view in run["views"])
    assert {place: one["count"] for place, one in seen["filters"]["all"].items()} == wanted
    groups = {place: {run["group"] for run in data["runs"] for view in run["views"] if f"{run['scale']} {view}" == place} for place in wanted}
    assert {place: one["buttons"] for place, one in seen["filters"]["all"].items()} == {place: len(some) for place, some in groups.items()}
    empty = [one for one in seen["filters"]["all"].values() if one["empty"]]
    assert empty and all(one["words"].count("no run") == one["empty"] for one in empty)
    assert not any(re.search(r"(^|\D)0\.0 %", one["words"]) for one in seen["filters"]["all"].values())
    assert all(one["charts"] == 2 for one in seen["filters"]["all"].values())


@in_browser
def test_a_cell_shows_its_runs(seen, data):
    cell = seen["cell"]
    runs = sorted(rows_of(data, group=cell["group"]), key=lambda run: run["seed"])
    assert (cell["before"], cell["after"], cell["closed"]) == (True, False, True) and cell["pressed"] == "true"
    assert cell["tag"] == "BUTTON" and cell["reached"] == 0 and cell["focus"], "Enter and Space press a button, and the focus stays on it"
    assert cell["commands"] == [f"import pc_precision as pc\n{run['command']}" for run in runs] and cell["copies"] == len(runs)
    for run in runs:
        assert all(word in cell["words"] for word in (run["key"], run["commit"][:7], run["device"], run["versions"], f"{100 * run['test']:.1f}"))
    assert cell["curves"] == 2 and cell["said"].startswith(f"{len(runs)} run")


def as_number(word: str) -> float:
    return np.inf if word == "∞" else float(word)


@in_browser
def test_sliders_change_the_tables_to_those_of_the_library(seen):
    told = seen["sliders"]
    numbers = lambda name: np.array([[as_number(word) for word in row] for row in told[name]])[::-1].T       # the output is the first row
    T = len(told["begin"][0])
    np.testing.assert_allclose(numbers("spiking"), pc.Spiking(0.02)(T, 5), rtol=0.06)
    np.testing.assert_allclose(numbers("decayed"), pc.Decaying(2.0)(T, 5), rtol=0.5)                          # large numbers have one digit
    assert told["begin"] != told["spiking"] and told["decaying"] != told["decayed"] and told["sentence"] != told["changed"]
    np.testing.assert_allclose(numbers("last"), pc.Spiking(0.02)(5, 10), rtol=0.06)
    assert "T = 5 steps are too few for 10 layers, so that layers 1 to 4 do not learn" in told["changed"]
    assert told["front"] == [0, 1, 2, 3, 4, -1, -1, -1, -1, -1]


@in_browser
def test_the_pointer_reads_the_numbers_of_a_chart(seen, data):
    means = [text for text in seen["hint"] if re.fullmatch(r"[^,]+, \d+ layers: [\d.]+ %, mean of \d+ seeds?", text)]
    seeds = [text for text in seen["hint"] if re.fullmatch(r"[^,]+, \d+ layers, seed \d+: [\d.]+ %", text)]
    assert len(means) > 5 and len(seeds) > 5
    shown = [run for run in rows_of(data, scale=data["start"]) if run["test"] is not None]                     # a diverged run has no point
    told = {f"{run['row']}, {run['layers']} layers, seed {run['seed']}: {100 * run['test']:.1f} %" for run in shown}
    assert set(seeds) <= told


@in_browser
def test_the_address_keeps_and_restores_a_view(seen):
    told = seen["hash"]
    assert told["address"] == "" and "scale=cifar10" in told["hash"] and told["kept"] != told["initial"]
    assert told["restored"] == told["kept"] and told["kept"]["runs"] and told["kept"]["network"] == "vgg5"
    assert told["anchor"] == told["initial"]
    assert told["broken"] == told["initial"] | {"rows": ["BP"], "count": told["broken"]["count"], "table": told["broken"]["table"]}
    assert told["moved"]["decaying"] != told["restored"]["decaying"] and told["moved"]["spiking"] != told["restored"]["spiking"]


@in_browser
def test_the_page_never_scrolls_sideways(seen, data):
    assert len(seen["widths"]) == 3 * len(data["scales"])
    assert [one for one in seen["widths"] if one["wide"] > one["width"] + 1 or one["inside"] > 1] == []


@in_browser
def test_both_themes_are_legible_and_drawn_anew(seen):
    assert {theme: one["faint"] for theme, one in seen["themes"].items()} == {"light": [], "dark": []}
    assert seen["themes"]["light"]["chart"] != seen["themes"]["dark"]["chart"]


@in_browser
def test_every_control_has_a_name(seen):
    assert seen["unnamed"] == []


@in_browser
def test_the_page_works_as_a_file(tmp_path, data):
    done = browse((SITE / "explore.html").resolve().as_uri(), tmp_path)
    assert re.findall(r"CONSOLE.*", done.stderr) == [] and CHROMIUM
    assert re.search(rf'id="explorer-count"[^>]*>\d+ of {len(data["runs"])} runs are shown', done.stdout)
    assert done.stdout.count('class="heat"') == 3 and done.stdout.count("<canvas") >= 2

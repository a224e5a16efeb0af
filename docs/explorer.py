"""The data of the page "Explore the runs": every stored run with the line of Python that trains it again, and the tables of Figure 1.

The page's script draws these numbers and computes none of them, so that all of the science stays in the library.
"""
import json
import warnings
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Callable, Iterable

import jax
import numpy as np
import pandas as pd

import pc_precision as pc
from pc_precision.data import DATASETS
from pc_precision.energy import unreached
from pc_precision.paper.figures import FLOOR, front_steps, kinds, net_names
from pc_precision.paper.profiles import row_of, untuned
from pc_precision.paper.style import COLOURS, LOOKS, PAIRED, RIVAL_LOOKS
from pc_precision.runs.results import about_run, to_frame
from pc_precision.runs.tables import scores

NAMED = ("dataset", "model", "algorithm", "seed")            # a command tells them even where they are the defaults
FAMILIES = {"mlp": "MLPs", "mupc": "muPC networks", "vgg": "VGGs", "resnet": "ResNets"}
VIEWS = {                                                   # the kinds of BatchNorm that the page lets a reader choose
    "none": "without BatchNorm", "bn-batch": "BatchNorm", "bn-ema": "BatchNorm, running averages",
    "freeze-batch": "BatchNorm Freezing", "freeze-ema": "BatchNorm Freezing, running averages"}
ALPHAS, RATES = [0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0], [0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 4.0]
STEPS, LAYERS = [5, 6, 7, 8, 10, 12, 14, 16], [5, 10]
LIMITS = (1e-2, 1e4)                                        # of the colour scale, the same for every table: a larger covariance has the last colour


def rounded(value: Any, digits: int = 5) -> float | None:
    """A number with so many significant digits; None where there is none, or where it is infinite, which JSON cannot say."""
    return None if value is None or not np.isfinite(value) else float(f"{float(value):.{digits}g}")


# One run

def experiment(run: dict[str, Any]) -> pc.Experiment:
    """The experiment that a stored run is of."""
    return pc.Experiment(**{"patience": None} | run["experiment"])


def needed(exp: pc.Experiment) -> dict[str, Any]:
    """The fields of an experiment that a command must tell: without any of them it would be another run."""
    given = {f.name: getattr(exp, f.name) for f in fields(exp) if f.name in NAMED or getattr(exp, f.name) != f.default}
    for name in [name for name in given if name not in NAMED]:
        shorter = {field: value for field, value in given.items() if field != name}
        if pc.Experiment(**shorter).key == exp.key:
            given = shorter
    return given


def command(exp: pc.Experiment) -> str:
    """The expression that reads an experiment from the store, or trains it where the store lacks it."""
    told = ", ".join(f"{name}={json.dumps(value) if isinstance(value, str) else repr(value)}" for name, value in needed(exp).items())
    return f'pc.results([pc.Experiment({told})], store="results")'


def by_epoch(run: dict[str, Any], split: str, metric: str) -> list[float | None]:
    """One number an epoch; None in the last one of a run that diverged before it was tested."""
    found = {epoch: value for epoch, where, what, _, value in run["rows"] if (where, what) == (split, metric)}
    return [rounded(found.get(epoch)) for epoch in range(1, run["rows"][-1][0] + 1)]


def last_energies(run: dict[str, Any]) -> list[float | None]:
    """The energies of layers 1..L in the last epoch."""
    last = max(row[0] for row in run["rows"])
    return [rounded(value, 4) for epoch, _, metric, _, value in run["rows"] if (epoch, metric) == (last, "energy")]


def views(settings: dict[str, Any]) -> list[str]:
    """The kinds of BatchNorm under which a run is shown. BP has nothing to freeze, so its BatchNorm stands under both, as in the paper."""
    norm, mode = settings.get("batch_norm"), settings.get("bn_mode")
    if norm is None:
        return ["none"]
    return [f"{each}-{mode}" for each in (("bn", "freeze") if settings["algorithm"] == "BP" else (norm,))]


def versions(run: dict[str, Any]) -> str:
    """The versions of the packages that computed a run; one without a number was not installed, but lay in a clone."""
    return ", ".join(f"{package} {number}" for package, number in run["provenance"]["versions"].items() if number)


def describe(run: dict[str, Any], exp: pc.Experiment) -> dict[str, Any]:
    """Everything that the page tells of one run, its scores apart."""
    settings, where = run["experiment"], run["provenance"]
    about = about_run(run)
    return {
        "key": run["key"], "group": replace(exp, seed=0).key, "dataset": settings["dataset"], "model": settings["model"], "layers": exp.layers,
        "row": row_of(settings["algorithm"], settings.get("reading")), "batch_norm": about["batch_norm"], "bn_mode": settings.get("bn_mode"),
        "views": views(settings), "seed": settings["seed"], "width": settings.get("width"), "limit": settings.get("limit"),
        "epochs": settings["epochs"], "settings": {name: value for name, value in settings.items() if name != "seed"}, "outcome": run["outcome"],
        "accuracy": by_epoch(run, "test", "top1"), "loss": by_epoch(run, "train", "loss"), "energies": last_energies(run),
        "device": about["device"], "platform": where.get("platform"), "commit": about["commit"], "dirty": where.get("dirty"), "date": where.get("date"),
        "versions": versions(run), "seconds": rounded(run["seconds"]), "command": command(exp)}


def selected(frame: Any, table: Any) -> dict[str, dict[str, Any]]:
    """By key: the selected epoch, its validation and test accuracy, and whether nobody searched the settings. table: of `scores`, a row a run."""
    validation = frame[(frame["split"] == "validation") & (frame["metric"] == "top1")].set_index(["key", "epoch"])["value"].to_dict()
    return {one.key: {"best": None if pd.isna(one.epoch) else int(one.epoch), "validation": rounded(validation.get((one.key, one.epoch))),
                      "test": rounded(one.score), "untuned": bool(free)}
            for one, free in zip(table.itertuples(), untuned(table))}


# All runs

def scale(run: dict[str, Any]) -> dict[str, Any]:
    """What the runs of one view must share, so that a line over depth changes nothing but the depth and what goes with it."""
    family = kinds(pd.Series([run["model"]]))[0]
    return {"dataset": run["dataset"], "family": family, "width": run["width"], "limit": run["limit"], "epochs": run["epochs"]}


def in_words(one: dict[str, Any]) -> str:
    """A scale as a reader chooses it."""
    width = f" of width 1/{1 / one['width']:g}" if one["width"] else ""
    images = f"{one['limit']:,} images" if one["limit"] else "all images"
    return f"{one['dataset']}, {FAMILIES.get(one['family'], one['family'])}{width}, {images}, {one['epochs']} epoch{'s' * (one['epochs'] > 1)}"


def scales(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The scales of the store, the one with the most runs first, with the settings that all of their runs share."""
    found: dict[str, dict] = {}
    for run in runs:
        one = scale(run)
        run["scale"] = "-".join(str(part).replace(".", "_") for part in one.values() if part is not None)
        found.setdefault(run["scale"], one | {"id": run["scale"], "label": in_words(one), "runs": []})["runs"].append(run)
    for one in found.values():
        one["shared"], one["runs"] = shared(run["settings"] for run in one["runs"]), len(one["runs"])
    return sorted(found.values(), key=lambda one: -one["runs"])


def shared(settings: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The settings in which all of these agree, those that name a cell apart."""
    first, *others = settings
    apart = ("dataset", "model", "algorithm", "batch_norm", "width", "limit", "epochs")
    return {name: value for name, value in first.items() if name not in apart and all(other.get(name) == value for other in others)}


def groups(runs: list[dict[str, Any]], table: Any) -> dict[str, dict[str, Any]]:
    """The runs that differ in their seed alone, by the key that seed 0 has or would have: mean, standard deviation, number, diverged runs."""
    of, free = {run["key"]: run["group"] for run in runs}, {run["group"]: run["untuned"] for run in runs}
    found = table.assign(lost=table["outcome"] == "diverged").groupby(table["key"].map(of), sort=False).agg(
        mean=("score", "mean"), std=("score", "std"), n=("score", "count"), lost=("lost", "sum"))
    return {one.Index: {"mean": rounded(one.mean), "std": rounded(one.std), "n": int(one.n), "diverged": int(one.lost), "untuned": free[one.Index],
                        "differs": {}, "main": True} for one in found.itertuples()}


def mark_main(runs: list[dict[str, Any]], found: dict[str, dict[str, Any]]) -> None:
    """Say of each group in which settings it differs from the others of its cell, and which one the line over depth passes through.

    That is the group with the most seeds; of equals one whose settings were searched, then the one that was trained last.
    """
    cells: dict[tuple, dict] = {}
    dates = {run["group"]: run["date"] or "" for run in sorted(runs, key=lambda run: run["date"] or "")}
    for run in runs:
        cells.setdefault((run["scale"], run["model"], run["row"], run["batch_norm"], run["bn_mode"]), {})[run["group"]] = run["settings"]
    for cell in cells.values():
        agreed = shared(cell.values())
        order = sorted(sorted(cell, key=dates.get, reverse=True), key=lambda group: (-found[group]["n"], found[group]["untuned"]))
        for group in order if len(cell) > 1 else ():
            differs = {name: value for name, value in cell[group].items() if name not in agreed and is_told(name, cell.values())}
            found[group] |= {"main": group == order[0], "differs": differs}


def is_told(name: str, settings: Iterable[dict[str, Any]]) -> bool:
    """Whether a setting tells the groups of a cell apart: a field that older files lack has the same value in all that have it."""
    return len({json.dumps(one[name]) for one in settings if name in one}) > 1


def line_of(row: str) -> dict[str, Any]:
    """How the house draws a row: colour, line, marker, and the group of the paper's algorithms in which the page lists it."""
    look = LOOKS.get(row, LOOKS["BP"])
    kind = "rivals" if row in RIVAL_LOOKS else "nudged" if "-CN" in row else "paper"
    return {"name": row, "colour": COLOURS[look.colour], "style": look.style, "marker": look.marker, "hollow": look.hollow, "kind": kind}


def rows(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that the store has, in the order of the paper's figures."""
    there = {run["row"] for run in runs}
    return [line_of(row) for row in [*PAIRED, *sorted(there - set(PAIRED))] if row in there]


# Figure 1

def covariances(schedule: Callable, numbers: list[float]) -> dict[str, list]:
    """For each size "T,L" a table for each of the numbers: T lists of L covariances; None is infinity."""
    found = {}
    for T in STEPS:
        program = jax.jit(lambda number, T=T: schedule(number)(T, max(LAYERS)))
        deepest = [np.asarray(program(number), float) for number in numbers]
        for L in LAYERS:  # a column depends on its distance to the output alone
            found[f"{T},{L}"] = [[[rounded(value, 4) for value in step[-L:]] for step in table] for table in deepest]
    return found


def colour_scale(colours: int = 64) -> list[str]:
    """The colours of the library's heat maps, from the smallest to the largest covariance."""
    import matplotlib
    from matplotlib.colors import to_hex
    return [to_hex(matplotlib.colormaps["cividis"](i / (colours - 1))) for i in range(colours)]


def figure_1() -> dict[str, Any]:
    """The tables of Figure 1 on a grid: for each number of steps and layers one for each value of a slider."""
    sizes = {f"{T},{L}": (T, L) for T in STEPS for L in LAYERS}
    return {
        "alphas": ALPHAS, "rates": RATES, "steps": STEPS, "layers": LAYERS, "limits": LIMITS, "colours": colour_scale(),
        "spiking": covariances(pc.Spiking, ALPHAS),
        "decaying": covariances(pc.Decaying, RATES),
        "constant": {size: tables[0] for size, tables in covariances(pc.Constant, [1.0]).items()},
        "front": {L: [int(step) for step in front_steps(L)] for L in LAYERS},
        "unreached": {size: unreached(*pair) for size, pair in sizes.items()}}


# The file

def collect(store: Path) -> dict[str, Any]:
    """Everything that the page shows."""
    stored = list(pc.runs.Store(store).runs())
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="T=.* is too small")       # of stored runs, which were warned of when they were trained
        runs = [describe(run, experiment(run)) for run in stored]
    frame = to_frame(stored)
    table = scores(frame)
    found = selected(frame, table)
    runs = [run | found[run["key"]] for run in runs]
    there = scales(runs)                                    # each run now knows its scale
    grouped = groups(runs, table)
    mark_main(runs, grouped)
    depths = {run["model"]: run["layers"] for run in runs}
    plain = Counter(run["scale"] for run in runs if "none" in run["views"])
    return {"runs": runs, "groups": grouped, "scales": there, "start": max(plain, key=plain.get, default=None), "views": VIEWS, "rows": rows(runs),
            "networks": net_names(sorted(depths, key=depths.get)), "floor": FLOOR,
            "chance": {name: rounded(1 / DATASETS[name].classes) for name in sorted({run["dataset"] for run in runs} & set(DATASETS))},
            "figure1": figure_1()}


def as_script(data: dict[str, Any]) -> str:
    """The data as a script. A browser lets a page that lies in a file run a script, but not fetch JSON."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
    return f"// Written by docs/explorer.py: what explore.html shows, one JSON object.\nwindow.PC_RUNS = {text};\n"


def told(data: dict[str, Any]) -> str:
    """Sentences on what the runs are, with no word that the store does not bear out."""
    runs = data["runs"]
    if not runs:
        return "The store holds no run."
    counts = lambda name: ", ".join(f"{count} {word}" for word, count in Counter(run[name] for run in runs).most_common())
    devices, elsewhere = sorted({run["device"] for run in runs}), sum(run["platform"] != "cpu" for run in runs)
    where = f"All of them ran on one kind of device, {devices[0]}" if len(devices) == 1 else f"They ran on these devices: {'; '.join(devices)}"
    gpu = "no run was on a GPU" if not elsewhere else f"{elsewhere} of them were on a GPU or another accelerator"
    dirty = sum(bool(run["dirty"]) for run in runs)
    edited = f" For {dirty} of them, files differed from the commit that is named." if dirty else ""
    return f"The store holds {len(runs)} run{'s' * (len(runs) > 1)} ({counts('dataset')}). {where}; {gpu}.{edited}"

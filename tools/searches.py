"""The searches of the laptop tables, as docs/verdict_rules.md fixed them, and the runs with what they found.

usage: python tools/searches.py [--data FOLDER] [--results FOLDER] [--list] [--gather]

There is one search by TPE for each row and network.  Its trials go into RESULTS/search, those of an unfinished search as a
journal that can be committed.  After a search come the runs of its cells, three seeds without and with BatchNorm, into
RESULTS.  --gather copies what the finished searches found into the package, so that the tables show these runs.
Interrupt it at any time: the same command goes on where it was.  Several may run at once, each takes the next search or
run that none works at.
"""
import argparse
from pathlib import Path

from filelock import FileLock, Timeout
from optuna.distributions import FloatDistribution

from pc_precision.experiment import Experiment
from pc_precision.machine import keep_warm
from pc_precision.paper.profiles import KNOWN, SEARCHED, collect_searches, grid, row_settings, searched_settings, write_searches
from pc_precision.runs.results import results
from pc_precision.runs.search import Search, open_study, quiet, read_best, search

TRIALS = {"vgg5": 12, "vgg7": 10, "vgg10": 10}
RATE, MOMENTUM = FloatDistribution(3e-4, 1e-2, log=True), FloatDistribution(0.0, 1.0, step=0.1)
STEPS = {"PC": (3e-3, .5), "F": (3e-3, .5), "D": (.01, .95), "D+F": (.03, .95), "S (activity)": (3e-3, .5),
         "S+F (activity)": (1e-4, .01), "S (energy)": (.2, .95), "S+F (energy)": (.2, .95)}
MORE = dict.fromkeys(("PC", "F", "D", "D+F"), {"momentum": MOMENTUM}) | {"S (activity)": {"alpha": FloatDistribution(.1, 1.0)}}
FIRST, THEN = ("S+F (activity)", "S+F (energy)", "BP", "PC"), ("F", "D+F", "D", "S (activity)", "S (energy)")
ORDER = [(row, model) for rows in (FIRST, THEN) for model in ("vgg5", "vgg10", "vgg7") for row in rows]


def space(row: str) -> dict[str, FloatDistribution]:
    """What is searched for a row."""
    step = {"x_step": FloatDistribution(*STEPS[row], log=True)} if row in STEPS else {}
    return {"learning_rate": RATE} | step | MORE.get(row, {})


def plan(row: str, model: str) -> Search:
    """The search of a row and a network, around the settings known before."""
    profile = {"rows": KNOWN, "reading": "activity"}
    settings = SEARCHED | {"learning_rate": 3e-3, "schedule_epochs": SEARCHED["epochs"], "model": model}
    base = Experiment(**settings | row_settings(profile, model, row, ()))
    return Search(base, TRIALS[model], space(row), startup=5)


def trials_on_record(plan: Search, folder: Path) -> int:
    """How many trials of a search are finished, as its record says."""
    record = folder / f"{plan.name}.json"
    return read_best(record)["trials"]["finished"] if record.exists() else 0


def run(plan: Search, folder: Path, data: Path | None) -> None:
    """Search; the first trial takes the settings known before."""
    storage = folder / f"{plan.name}.journal"
    with quiet():
        study, known = open_study(plan, storage), plan.base.settings
        study.enqueue_trial({name: known[name] for name in plan.space}, skip_if_exists=True)
    trials = search(plan, folder, data, storage)
    storage.unlink()                                         # the record says it all
    print(f"{plan.name}: best validation accuracy {100 * trials.value.max():.1f} %", flush=True)


def cells(row: str, model: str, folder: Path) -> list[Experiment]:
    """The runs of a row and a network in the laptop tables, with what its search found."""
    rows = KNOWN | searched_settings(collect_searches(folder))
    return grid("laptop", models=[model], algorithms=[row], rows=rows)


def main() -> None:
    """See the top of the file."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--data", type=Path)
    ask.add_argument("--results", type=Path, default=Path("results"))
    ask.add_argument("--list", action="store_true")
    ask.add_argument("--gather", action="store_true")
    args = ask.parse_args()
    folder = args.results / "search"
    keep_warm()
    if args.gather:
        write_searches(folder)
        return
    for row, model in ORDER:
        wanted = plan(row, model)
        done = trials_on_record(wanted, folder)
        print(f"{row:15} {model:6} {done:2} of {wanted.trials} trials  {wanted.name}", flush=True)
        if args.list:
            continue
        if done < wanted.trials:
            folder.mkdir(parents=True, exist_ok=True)
            try:
                with FileLock(folder / f"{wanted.name}.creating", blocking=False):
                    run(wanted, folder, args.data)
            except Timeout:
                print("  another process works at it", flush=True)
                continue
        results(cells(row, model, folder), args.results, args.data)


if __name__ == "__main__":
    main()

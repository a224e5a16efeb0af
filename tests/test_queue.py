"Half an hour on a borrowed machine: the right runs first, a clean end, and results that find home."
import importlib
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

import pc_precision as pc
from pc_precision.experiment import Experiment
from pc_precision.runs import checkpoints, queue
from pc_precision.runs.results import kept, read_store, results
from pc_precision.runs.store import Store, read_run, same_result
from pc_precision.runs.tables import incomplete, summarise

store_module = importlib.import_module("pc_precision.runs.results")
SMALL = Experiment(model="mlp-4", limit=64, batch_size=32, epochs=2, augment=False)
GRID = [replace(SMALL, algorithm=a, seed=s) for s in (0, 1) for a in ("PC", "BP", "S+F")]
ENVIRONMENT = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}


def quiet(line):
    "Say nothing."


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    queue.work(GRID, store, say=quiet)
    return store


# Order and time

def test_the_order_is_seeds_then_what_tells_most():
    names = [("digits", "vgg7", "PC", 0), ("digits", "vgg5", "D", 0), ("digits", "vgg10", "S+F", 0), ("digits", "vgg5", "S+F", 1),
             ("digits", "vgg5", "BP", 0), ("digits", "vgg5", "S+F", 0), ("digits", "vgg7", "S+F", 0), ("digits", "vgg5", "PC-CN", 0),
             ("cifar10", "vgg5", "S+F", 0)]
    exps = [Experiment(dataset=d, model=m, algorithm=a, seed=s) for d, m, a, s in names]
    assert [names[exps.index(e)] for e in queue.in_order(exps + exps)] == [
        ("digits", "vgg5", "S+F", 0), ("digits", "vgg10", "S+F", 0), ("digits", "vgg7", "S+F", 0), ("digits", "vgg5", "BP", 0),
        ("digits", "vgg7", "PC", 0), ("digits", "vgg5", "D", 0), ("digits", "vgg5", "PC-CN", 0), ("cifar10", "vgg5", "S+F", 0),
        ("digits", "vgg5", "S+F", 1)]
    assert queue.in_order(exps, [exps[3].key])[0] == exps[3], "what is under way comes first"


def test_every_cell_has_a_seed_before_any_has_two():
    exps = queue.in_order(pc.paper.grid("paper"))
    cells = [(e.dataset, e.model, e.algorithm, e.batch_norm) for e in exps]
    first = len(set(cells))
    assert len(exps) == 5 * first and all(len(set(cells[i:i + first])) == first for i in range(0, len(cells), first))


@pytest.mark.parametrize("text, seconds", [("90s", 90), ("25m", 1500), ("2h", 7200), ("1h30m", 5400), ("0s", 0), (" 5m ", 300)])
def test_times_are_written_as_people_write_them(text, seconds):
    assert queue.as_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "25", "m", "-5m", "1.5h", "5m2h", "25 minutes"])
def test_other_times_are_refused(text):
    with pytest.raises(ValueError, match="a time limit is written as 90s, 25m, 2h or 1h30m"):
        queue.as_seconds(text)


def test_a_limit_stops_after_the_epoch_behind_which_no_other_fits(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(queue.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(queue.time, "time", lambda: pytest.fail("the wall clock can be set back"))
    limit, slow = queue.Limit(100), replace(SMALL, model="mlp-5")
    assert limit.room(SMALL) and limit.left() == 100
    now[0] += 40
    assert not limit(SMALL, 40.0), "60 are left, an epoch takes 40"
    now[0] += 30
    assert limit(SMALL, 30.0) is False and limit.room(replace(SMALL, seed=7)) and limit.left() == 30
    assert limit(slow, 31.0) and not limit.room(slow) and not limit.over()
    now[0] += 30
    assert limit.over() and not limit.room(SMALL)
    asked = queue.Limit()
    assert not asked(SMALL, 1e9) and math.isinf(asked.left())
    asked.asked = "SIGTERM"
    assert asked(SMALL, 0.0) and asked.over()


def test_stored_epochs_tell_whether_a_first_one_fits(tmp_path):
    expected = {queue.cost(SMALL.settings): 50.0}
    left = queue.work(GRID, tmp_path, limit=queue.Limit(49, expected), say=quiet)
    assert [e for e in left.to_do if e.algorithm == "S+F"] and not list(tmp_path.glob("*.json")) or left.done
    assert all(e.algorithm != "S+F" for e in left.done), "its epoch would not fit; the others begin on trust"


# Working

def test_no_time_begins_nothing(tmp_path):
    left = queue.work(GRID, tmp_path, limit=queue.Limit(0), say=quiet)
    assert [e.algorithm for e in left.to_do] == ["S+F", "BP", "PC"] * 2 and str(left) == "0 done, 6 to do"
    assert not list(tmp_path.glob("*.json"))


def test_time_up_in_the_middle_keeps_the_epoch_and_the_next_queue_ends_the_same(tmp_path, full):
    limit = queue.Limit()

    def stop(line):
        if "BP" in line:
            limit.asked = "test"

    left = queue.work(GRID, tmp_path, limit=limit, say=stop)
    assert [e.algorithm for e in left.done] == ["S+F"] and [e.algorithm for e in left.under_way] == ["BP"]
    assert len(left.to_do) == 4 and "under way: digits mlp-4 BP seed 0" in str(left)
    cells = incomplete(GRID, tmp_path).set_index("algorithm")
    assert cells.loc["BP"].under_way == [0] and cells.loc["S+F"].missing == [1] and cells.loc["PC"].missing == [0, 1]
    lines = []
    again = queue.work(GRID, tmp_path, say=lines.append)
    assert lines[0] == "digits mlp-4 BP seed 0, from its checkpoint" and len(again.done) == 5
    for exp in GRID:
        assert same_result(Store(tmp_path).get(exp), Store(full).get(exp))
        assert Store(tmp_path).get(exp)["parameters"] == Store(full).get(exp)["parameters"]
    assert incomplete(GRID, tmp_path).empty


def test_one_bad_run_is_said_and_the_others_go_on(tmp_path, full):
    broken, lost, good = GRID[0], replace(SMALL, dataset="cifar10", limit=None), GRID[1]
    Store(tmp_path).path(broken).write_text("{")
    lines = []
    left = queue.work([broken, lost, good], tmp_path, data_dir=tmp_path / "none", say=lines.append)
    assert left.done == [good] and set(left.failed) == {broken, lost} and left.to_do == []
    assert "is not a whole result file" in left.failed[broken] and "cifar10 is not prepared" in left.failed[lost]
    assert all("\n" not in said for said in left.failed.values())


def test_out_of_memory_costs_one_run(tmp_path, monkeypatch):
    original = store_module.train

    def train(exp, *rest):
        if exp.algorithm == "S+F":
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes.\nmany\nlines")
        return original(exp, *rest)

    monkeypatch.setattr(store_module, "train", train)
    left = queue.work(GRID[:3], tmp_path, say=quiet)
    assert [e.algorithm for e in left.done] == ["BP", "PC"]
    assert list(left.failed.values()) == ["RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes."]


def test_a_run_of_another_process_is_left_to_it(tmp_path, full):
    shutil.copytree(full, tmp_path / "store", ignore=shutil.ignore_patterns("*S+F*s1*"))
    with Store(tmp_path / "store").locked(GRID[5].key) as mine:
        assert mine
        left = queue.work(GRID, tmp_path / "store", say=quiet)
    assert left.elsewhere == [GRID[5]] and left.done == []


def scripted(outcomes):
    """A way to train that ends each run as the next of its `outcomes` says."""
    return lambda runs: (queue.Ended(exp, outcomes[exp].pop(0)) for exp in runs)


@pytest.fixture
def flying(monkeypatch):
    """Seconds that the queue slept; nobody waits for them."""
    slept = []
    monkeypatch.setattr(queue.time, "monotonic", lambda: sum(slept))
    monkeypatch.setattr(queue.time, "sleep", slept.append)
    return slept


def test_a_lock_that_nobody_holds_any_more_is_asked_for_again(tmp_path, flying):
    outcomes = {GRID[0]: ["elsewhere", "elsewhere", "finished"], GRID[1]: ["finished"], GRID[2]: ["elsewhere", "elsewhere", "failed"]}
    left = queue.work_through(GRID[:3], Store(tmp_path), queue.Limit(), scripted(outcomes), patience=20.0)
    assert set(left.done) == {GRID[0], GRID[1]} and not left.elsewhere and not any(outcomes.values()) and flying == [4.0, 4.0]


def test_a_lock_that_stays_is_believed(tmp_path, flying):
    ends = {GRID[0]: ["elsewhere"] * 100, GRID[1]: ["elsewhere"] * 3 + ["finished"]}
    left = queue.work_through(GRID[:2], Store(tmp_path), queue.Limit(), scripted(ends), patience=20.0)
    assert left.elsewhere == GRID[:1] and left.done == GRID[1:2]
    assert sum(flying) == 3 * 4.0 + 20.0, "the patience begins anew when something ends"
    assert queue.work_through(GRID[:1], Store(tmp_path), queue.Limit(), scripted({GRID[0]: ["elsewhere"]})).elsewhere == GRID[:1]


def test_checkpoints_that_a_dying_process_leaves_behind_are_removed(tmp_path, full, flying, monkeypatch):
    store = Store(shutil.copytree(full, tmp_path / "store"))
    folder = store.checkpoint_folder(GRID[0].key) / "000001"
    folder.mkdir(parents=True)
    with store.locked(GRID[0].key):                          # it wrote its result and is killed while it removes them
        assert queue.work_through(GRID, store, queue.Limit(), scripted({}), patience=20.0) == ([], [], [], [], {})
        assert folder.is_dir() and sum(flying) == 20.0
    queue.work_through(GRID, store, queue.Limit(), scripted({}), patience=20.0)
    assert not list(store.folder.glob(".checkpoints/*")) and sum(flying) == 20.0


def test_a_terminal_shows_how_far_it_is_and_a_file_gets_the_lines_alone(tmp_path, monkeypatch, capsys):
    for terminal in (False, True):
        said = []
        monkeypatch.setattr(queue.sys.stderr, "isatty", lambda: terminal)
        queue.work(GRID[:1], tmp_path / str(terminal), say=said.append)
        assert said == ["digits mlp-4 PC seed 0", "  finished"]
        shown = capsys.readouterr().err
        assert ("0 of 1 runs" in shown) is shown.endswith("\r\x1b[K") is terminal       # the line is gone before the outcome is said


# Signals, in processes

SIGNALLED = """
import sys
from pc_precision.runs import queue
from pc_precision.experiment import Experiment
exps = [Experiment(model="mlp-4", algorithm=a, limit=64, batch_size=32, epochs=int(sys.argv[2]), augment=False, patience=None) for a in ("S+F", "PC")]
class Loud(queue.Progress):
    def __call__(self, record):
        print("epoch", record.number, flush=True)
queue.Progress = Loud
print(queue.work(exps, sys.argv[1], say=lambda line: print(line, flush=True), every=1e9))
"""


def begin(store, epochs):
    return subprocess.Popen([sys.executable, "-c", SIGNALLED, str(store), str(epochs)], stdout=subprocess.PIPE, text=True,
                            stderr=subprocess.PIPE, env=ENVIRONMENT)


@pytest.mark.slow
@pytest.mark.parametrize("ask", [signal.SIGTERM, signal.SIGINT])
def test_asked_once_it_keeps_the_epoch_and_says_what_is_left(tmp_path, ask):
    process = begin(tmp_path, 10 ** 6)
    while "epoch" not in process.stdout.readline():
        pass
    process.send_signal(ask)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0 and f"{ask.name}: stopping at the end of this epoch" in err
    assert out.splitlines()[-2:] == ["0 done, 1 under way, 1 to do", "  under way: digits mlp-4 S+F seed 0"]
    assert len(list(checkpoints.under_way(tmp_path))) == 1


@pytest.mark.slow
def test_asked_twice_it_ends_at_once_and_loses_nothing_finished(tmp_path):
    exps = [replace(SMALL, algorithm="S+F", patience=None), replace(SMALL, algorithm="S+F", epochs=10 ** 6, patience=None)]
    results(exps[:1], tmp_path, progress=False)
    before = Store(tmp_path).path(exps[0]).read_bytes()
    process = begin(tmp_path, 10 ** 6)
    while "epoch" not in process.stdout.readline():
        pass
    process.send_signal(signal.SIGSTOP)                      # both arrive before the epoch can end
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGCONT)
    assert "SIGINT" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode in (-signal.SIGINT, 0), "0: the epoch ended first"
    assert Store(tmp_path).path(exps[0]).read_bytes() == before
    assert len(read_store(tmp_path)["key"].unique()) == 1


# Many processes, one store

MANY = """
import importlib, sys
r = importlib.import_module("pc_precision.runs.results")
from pc_precision.experiment import Experiment
original = r.run
def logged(exp, *rest):
    with open(sys.argv[2], "a") as log: log.write(exp.key + "\\n")
    return original(exp, *rest)
r.run = logged
from pc_precision.machine import keep_warm
keep_warm(sys.argv[3])
grid = [Experiment(model="mlp-4", limit=64, batch_size=32, epochs=2, augment=False, algorithm=a, seed=s)
        for a in ("PC", "BP", "S+F") for s in range(6)]
r.results(grid, sys.argv[1], progress=False, checkpoint_every=0)
"""


@pytest.mark.slow
def test_eight_processes_on_one_grid_do_each_run_once(tmp_path):
    store, log = tmp_path / "store", tmp_path / "log"
    words = [sys.executable, "-c", MANY, str(store), str(log), str(tmp_path / "cache")]
    all_of_them = [subprocess.Popen(words, env=ENVIRONMENT, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    while any(process.poll() is None for process in all_of_them):
        frame = read_store(store)                            # a reader in between sees whole runs or none
        assert set(frame["outcome"]) <= {"finished"} and (frame.groupby("key")["epoch"].max() == 2).all()
        time.sleep(0.1)
    assert [p.returncode for p in all_of_them] == [0] * 8, [p.stderr.read()[-500:] for p in all_of_them]
    keys = [exp.key for exp in (replace(SMALL, algorithm=a, seed=s) for a in ("PC", "BP", "S+F") for s in range(6))]
    assert sorted(log.read_text().split()) == sorted(keys)
    assert {path.stem.rsplit("_", 1)[-1] for path in store.glob("*.json")} == set(keys) == set(read_store(store)["key"])
    assert not list(store.glob(".partial*")) and not list((store / ".checkpoints").iterdir())


# Incomplete cells

def test_a_cell_that_lacks_a_seed_has_no_mean(full, tmp_path):
    part = [exp for exp in GRID if (exp.algorithm, exp.seed) != ("BP", 1) and exp.algorithm != "PC"]
    for exp in part:
        shutil.copy(Store(full).path(exp), tmp_path)
    table = summarise(kept(GRID, tmp_path), of=GRID).set_index("algorithm")
    assert table["missing"].to_dict() == {"S+F": 0, "BP": 1, "PC": 2} and table["n"].to_dict() == {"S+F": 2, "BP": 1, "PC": 0}
    assert table["mean"].notna().to_dict() == {"S+F": True, "BP": False, "PC": False}
    whole = summarise(kept(GRID, full), of=GRID)
    assert (whole["missing"] == 0).all() and whole["mean"].equals(summarise(kept(GRID, full))["mean"])
    cells = incomplete(GRID, tmp_path).set_index("algorithm")
    assert set(cells.index) == {"BP", "PC"} and cells.loc["BP"].there == [0] and cells.loc["BP"].missing == [1]
    assert summarise(kept([], tmp_path), of=GRID)["missing"].tolist() == [2, 2, 2]



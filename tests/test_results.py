"The store: nothing is trained twice, nothing finished is lost, nothing is half."
import importlib
import io
import json
import os
import pathlib
import signal
import struct
import subprocess
import sys
import time
import types
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import pytest

from helpers_core import says
from pc_precision.data import load
from pc_precision.experiment import Experiment
from pc_precision.layers import feedforward
from pc_precision.machine import provenance
from pc_precision.runs.results import kept, load_trained, metrics, predict, results
from pc_precision.runs.store import COLUMNS, Store, read_run, run_text
from pc_precision.runs.tables import scores

store_module = importlib.import_module("pc_precision.runs.results")
GRID = [Experiment(model="mlp-8-8", algorithm=a, seed=s, epochs=2) for a in ("PC", "S+F") for s in (0, 1)]
SCRIPT = """
import importlib, sys
r = importlib.import_module("pc_precision.runs.results")
from pc_precision.experiment import Experiment
original = r.run
def logged(exp, *rest):
    with open(sys.argv[2], "a") as log: log.write(exp.key + "\\n")
    return original(exp, *rest)
r.run = logged
grid = [Experiment(model="mlp-8-8", algorithm=a, seed=s, epochs=2) for a in ("PC", "S+F") for s in (0, 1)]
print(len(r.results(grid[::int(sys.argv[3])], sys.argv[1], progress=False)))
"""


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    return store, results(GRID, store, progress=False)


def start(store, log, step="1"):
    return subprocess.Popen([sys.executable, "-c", SCRIPT, str(store), str(log), step], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})


def test_what_is_there_is_not_trained_again(full, monkeypatch):
    store, frame = full
    monkeypatch.setattr(store_module, "run", lambda *a: pytest.fail("trained again"))
    pd.testing.assert_frame_equal(results(GRID, store, progress=False), frame)
    assert results([], store).empty


def test_rows_hold_every_number_once_with_its_settings(full):
    _, frame = full
    assert set(COLUMNS) <= set(frame) and set(frame["outcome"]) == {"finished"} and set(frame["seed"]) == {0, 1}
    one = frame[(frame["algorithm"] == "S+F") & (frame["seed"] == 1)]
    energies = one[(one["metric"] == "energy") & (one["epoch"] == 2)]
    assert list(energies["layer"]) == [1, 2, 3] and (energies["value"] > 0).all()
    assert len(one[(one["split"] == "test") & (one["metric"] == "top1")]) == 2
    assert not one.duplicated(["epoch", "split", "metric", "layer"]).any()


def test_a_run_file_tells_where_it_comes_from(full):
    store, _ = full
    run = Store(store).get(GRID[0])
    where = run["provenance"]
    assert run["seconds"] > 0 and run["peak_memory"] > 1e7 and run["experiment"]["seed"] == 0
    assert where["device"] and where["versions"]["jax"] and {"commit", "dirty", "date", "python"} <= set(where)
    assert str(pathlib.Path.home()) not in json.dumps(provenance())


def test_a_diverged_run_is_stored_as_diverged_and_read_back(tmp_path):
    exp = replace(GRID[0], x_step=1e30)
    frame = results([exp], tmp_path, progress=False)
    assert set(frame["outcome"]) == {"diverged"} and scores(frame)["score"].isna().all()
    json.loads(Store(tmp_path).path(exp).read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert set(results([exp], tmp_path, progress=False)["outcome"]) == {"diverged"}


def test_an_interrupted_run_leaves_nothing_half_and_is_finished_later(tmp_path, monkeypatch):
    results(GRID[:1], tmp_path, progress=False)
    write = store_module.epoch_rows

    def stop(record):
        if record.number == 2:
            raise KeyboardInterrupt
        return write(record)

    monkeypatch.setattr(store_module, "epoch_rows", stop)
    with pytest.raises(KeyboardInterrupt):
        results(GRID, tmp_path, progress=False)
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [Store(tmp_path).path(GRID[0]).name]
    monkeypatch.undo()
    assert results(GRID, tmp_path, progress=False)["key"].nunique() == 4


@pytest.mark.parametrize("damage", [lambda t: t[:len(t) // 2], lambda t: "", lambda t: "[]", lambda t: t.replace('"rows"', '"lines"'),
                                    lambda t: t.replace('"key": "', '"key": "0'), lambda t: '{"rows": [[1]], "outcome": "x", "key": "y"}'])
def test_a_damaged_file_is_named_in_one_sentence_and_kept(full, tmp_path, damage):
    store, _ = full
    path = Store(tmp_path).path(GRID[0])
    path.write_text(damage(Store(store).path(GRID[0]).read_text()))
    with pytest.raises(ValueError, match=r"is not a whole result file .*: move it away"):
        results(GRID[:1], tmp_path, progress=False)
    assert path.exists()


def test_a_result_is_found_by_its_key_under_any_name(full, tmp_path):
    store, _ = full
    Store(tmp_path).path(GRID[0]).with_name(f"renamed_{GRID[0].key}.json").write_text(Store(store).path(GRID[0]).read_text())
    assert Store(tmp_path).get(GRID[0])["key"] == GRID[0].key and Store(tmp_path).get(GRID[1]) is None


@pytest.mark.slow
def test_two_processes_share_a_store_and_train_nothing_twice(tmp_path):
    log = tmp_path / "log"
    both = [start(tmp_path / "store", log, step) for step in ("1", "-1")]
    outputs = [p.communicate(timeout=240) for p in both]
    assert [p.returncode for p in both] == [0, 0], outputs
    assert sorted(log.read_text().split()) == sorted(exp.key for exp in GRID)


@pytest.mark.slow
def test_kill_nine_loses_nothing_finished(tmp_path):
    store, log = tmp_path / "store", tmp_path / "log"
    process = start(store, log)
    deadline = time.time() + 200
    while not list(store.glob("*.json")) and time.time() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    done = {p.name: p.read_bytes() for p in store.glob("*.json")}
    assert done and all(read_run(store / name) for name in done)
    again = start(store, log)
    assert again.communicate(timeout=240) and again.returncode == 0
    assert len(list(store.glob("*.json"))) == 4 and all((store / n).read_bytes() == b for n, b in done.items())


def test_kept_is_what_results_returns_and_trains_nothing(tmp_path):
    there, lacking = (Experiment(model="mlp-4", limit=64, batch_size=32, epochs=1, seed=seed) for seed in (0, 1))
    expected = results([there], tmp_path, progress=False)
    assert kept([lacking, there], tmp_path).equals(expected)
    assert len(kept([lacking], tmp_path)) == 0 and len(list(tmp_path.glob("*.json"))) == 1


def test_experiments_that_come_to_the_same_run_stand_in_the_frame_once(tmp_path):
    same = [Experiment(model="vgg5", width=1 / 64, algorithm="BP", batch_norm=norm, limit=64, batch_size=32, epochs=1)
            for norm in ("bn", "freeze")]
    frame = results(same, tmp_path, progress=False)
    assert frame.key.nunique() == 1 and not frame.duplicated(["epoch", "split", "metric", "layer"]).any()
    assert kept(same, tmp_path).equals(frame)


# The trained network

KEEP = Experiment(model="vgg5", width=1 / 64, batch_norm="freeze", bn_mode="ema", limit=96, batch_size=32, epochs=3)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    store = tmp_path_factory.mktemp("trained")
    return store, results([KEEP], store, progress=False, keep=True)


def test_the_kept_network_has_the_accuracy_of_the_table(trained):
    store, frame = trained
    data = load("digits", limit=96)
    net, params, stats = load_trained(KEEP, store)
    found, row = metrics(net, params, stats, data.test, data.info), scores(frame).iloc[0]
    assert found["top1"] == pytest.approx(row["score"], abs=1e-9)
    loss = frame[(frame.split == "test") & (frame.metric == "loss") & (frame.epoch == row["epoch"])].value.item()
    assert found["loss"] == pytest.approx(loss, rel=1e-5)


def test_predictions_for_bytes_and_floats_are_the_feedforward_pass(trained):
    data = load("digits", limit=96)
    net, params, stats = load_trained(KEEP, trained[0])
    images = data.test.images[:7]
    x = (images / 255 - np.array(data.info.mean)) / np.array(data.info.std)
    expected = np.asarray(feedforward(net, params, stats, jnp.asarray(x, jnp.float32), train=False)[0][-1])
    for given in (images, (images / 255).astype(np.float32), images / 255):
        assert np.allclose(predict(net, params, stats, given, data.info, batch=3), expected, atol=1e-5)


@pytest.mark.parametrize("images, words", [(np.zeros((2, 5, 5, 1), np.uint8), ["images must be (N, 32, 32, 1)", "(2, 5, 5, 1)"]),
                                           (np.zeros((0, 32, 32, 1), np.uint8), ["(0, 32, 32, 1)"]),
                                           (np.full((1, 32, 32, 1), 16.0), ["floats from 0 to 1", "16.0"]),
                                           (np.full((1, 32, 32, 1), np.nan), ["floats from 0 to 1"]),
                                           (np.ones((1, 32, 32, 1), int), ["floats from 0 to 1", "int64"])])
def test_other_images_are_refused(trained, images, words):
    with says(*words):
        predict(*load_trained(KEEP, trained[0]), images, load("digits").info)


def test_a_run_stored_without_its_network_is_trained_again_only_if_asked(tmp_path):
    results(GRID[:1], tmp_path, progress=False)
    before = Store(tmp_path).path(GRID[0]).read_bytes()
    with says("holds no trained network of", "keep='again'", error=FileNotFoundError):
        load_trained(GRID[0], tmp_path)
    with pytest.warns(UserWarning, match="1 of the stored runs were trained without keep"):
        results(GRID[:1], tmp_path, progress=False, keep=True)
    assert not Store(tmp_path).parameters_path(GRID[0].key).exists()
    results(GRID[:1], tmp_path, progress=False, keep="again")
    assert len(load_trained(GRID[0], tmp_path)[1]) == 3 and Store(tmp_path).path(GRID[0]).read_bytes() == before
    with says("keep must be one of", "'agian'"):
        results(GRID[:1], tmp_path, keep="agian")


def test_a_network_of_another_outcome_than_the_stored_one_is_not_kept(tmp_path):
    results(GRID[:1], tmp_path, progress=False)
    path = Store(tmp_path).path(GRID[0])
    run = json.loads(path.read_text())
    run["rows"][0][4] += 1e-3
    path.write_text(run_text(run))
    with pytest.raises(ValueError, match="came out otherwise than it is stored"):
        results(GRID[:1], tmp_path, progress=False, keep="again")
    assert not Store(tmp_path).parameters_path(GRID[0].key).exists()


def test_bfloat16_comes_back_as_it_was(tmp_path):
    exp = Experiment(model="mlp-8", limit=64, batch_size=32, epochs=1, dtype="bfloat16")
    results([exp], tmp_path, progress=False, keep=True)
    params = load_trained(exp, tmp_path)[1]
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("bfloat16")}


def test_a_damaged_network_is_said(trained, tmp_path):
    store = Store(tmp_path)
    path = store.parameters_path(KEEP.key)
    path.parent.mkdir()
    whole = Store(trained[0]).parameters_path(KEEP.key).read_bytes()
    for damaged in (whole[:-4], whole[:-1] + bytes([whole[-1] ^ 1]), b"", whole[:9]):
        path.write_bytes(damaged)
        with pytest.raises(ValueError, match="is not a whole file|does not hold what was written") as said:
            load_trained(KEEP, store)
        assert "\n" not in str(said.value)


def test_a_diverged_run_has_no_network(tmp_path):
    exp = replace(GRID[0], x_step=1e30)
    results([exp], tmp_path, progress=False, keep=True)
    with says("a diverged run has none", error=FileNotFoundError):
        load_trained(exp, tmp_path)


# Logging

def test_every_epoch_reaches_tensorboard(tmp_path):
    from tensorboardX import SummaryWriter
    from tensorboardX.proto.event_pb2 import Event
    writer = SummaryWriter(str(tmp_path / "board"))

    def log(exp, record):
        for name in ("top1", "loss"):
            writer.add_scalar(f"{exp.algorithm}/test/{name}", record.metrics["test"][name], record.number)

    frame = results(GRID[:1], tmp_path / "store", progress=False, each=log)
    writer.close()
    [path] = (tmp_path / "board").glob("events.out.tfevents.*")
    content, at, found = path.read_bytes(), 0, {}
    while at < len(content):                                 # length (8), its CRC (4), the event, its CRC (4)
        [length] = struct.unpack("<Q", content[at:at + 8])
        event = Event.FromString(content[at + 12:at + 12 + length])
        found |= {(value.tag, event.step): value.simple_value for value in event.summary.value}
        at += length + 16
    stored = frame[(frame.split == "test") & frame.metric.isin(["top1", "loss"])]
    assert len(found) == len(stored) == 4
    for _, row in stored.iterrows():
        assert found[f"PC/test/{row['metric']}", row["epoch"]] == pytest.approx(row["value"], rel=1e-6)


# Ctrl-C

INTERRUPTED = """
import os, signal, sys
import pc_precision as pc
signal.signal(signal.SIGINT, signal.default_int_handler)     # a shell's background job starts with SIGINT ignored
grid = [pc.Experiment(model="mlp-8-8", seed=s, epochs=2) for s in (0, 1)]
def log(exp, record):
    if exp.seed == 1: os.kill(os.getpid(), signal.SIGINT)
pc.results(grid, sys.argv[1], progress=False, each=log)
"""


def test_ctrl_c_says_one_line_of_what_is_kept(tmp_path):
    done = subprocess.run([sys.executable, "-c", INTERRUPTED, str(tmp_path)], capture_output=True, text=True, timeout=240,
                          env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})
    lines = done.stderr.strip().splitlines()
    assert done.returncode in (130, -signal.SIGINT) and lines[-1].startswith("KeyboardInterrupt: stopped: 1 of 2 runs were finished and are kept in")
    assert len(lines) < 10 and "jax" not in done.stderr and len(Store(tmp_path).files()) == 1


class Screen(io.StringIO):
    """An error stream, of a terminal or not."""
    terminal = True

    def isatty(self) -> bool:
        return self.terminal


# Of PC, two runs of two epochs share a program; BP has one of its own and four epochs
PC, AGAIN, BP = RUNS = [Experiment(model="mlp-4-4", algorithm="PC", epochs=2), Experiment(model="mlp-4-4", algorithm="PC", epochs=2, seed=1),
                        Experiment(model="mlp-4-4", algorithm="BP", epochs=4)]
EFFORTS = {exp: store_module.Effort("bp" if exp is BP else "pc", 10 if exp is BP else 30, 1 if exp is BP else 3) for exp in RUNS}


def progress(monkeypatch, store: pathlib.Path | None = None, runs: list = RUNS, **changes):
    """(a `Progress` of `RUNS` with `EFFORTS` whose clock stands, its clock, the screen it writes on)"""
    screen, clock = Screen(), [100.0]
    vars(screen).update(changes)
    monkeypatch.setattr(store_module.sys, "stderr", screen)
    monkeypatch.setattr(store_module.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(store_module, "effort", EFFORTS.get)
    return store_module.Progress(runs, True, store and Store(store)), clock, screen


def train_laps(shown, clock: list, exp: Experiment, *laps: float, first: int = 1) -> None:
    "A run begins, and its epochs take so many seconds; `first`: the number of the first of them."
    shown.begin(exp)
    for number, seconds in enumerate(laps, first):
        clock[0] += seconds
        shown(types.SimpleNamespace(number=number))


def seconds(shown) -> float | None:
    "The seconds that are left, None while nobody knows."
    shown.look()
    rates = shown.rates()
    return rates and shown.seconds_left(rates)


def test_the_rest_is_programs_times_their_cost_and_work_times_its_rate(monkeypatch):
    """BP's program takes 13 - 3 = 10 s, 1 s a unit of size; PC's took 63 - 3 = 60 s, but that holds the start of the process.

    An epoch takes 3 s a unit of work with BP (9 / 3) and 1 s with PC (3 / 3), together 12 / 6 = 2. AGAIN has its program already: 2 * 3 * 2 = 12 s are left.
    """
    shown, clock, screen = progress(monkeypatch, terminal=False)
    train_laps(shown, clock, PC, 63, 3)
    assert seconds(shown) is None, "the start of the process may be most of it"
    shown.end()
    train_laps(shown, clock, BP, 13, 3, 3, 3)
    shown.end()
    assert shown.rates() == (1.0, 2.0) and seconds(shown) == pytest.approx(12)
    train_laps(shown, clock, AGAIN, 3, 3)
    shown.end()
    shown.close()
    assert screen.getvalue() == ("0 of 3 runs: digits mlp-4-4 PC seed 0\n1 of 3 runs: digits mlp-4-4 BP seed 0\n"
                                 "2 of 3 runs, less than a minute left: digits mlp-4-4 PC seed 1\n3 runs in 2 min\n")


def test_a_program_that_nobody_has_compiled_is_left(monkeypatch):
    """As above; a third program of size 100 with 5 epochs of 4 units of work is left: 12 + 100 * 1 + 5 * 4 * 2 = 152 s."""
    new = Experiment(model="mlp-4-5", algorithm="PC", epochs=5)
    monkeypatch.setitem(EFFORTS, new, store_module.Effort("new", 100, 4))
    shown, clock, screen = progress(monkeypatch, runs=[*RUNS, new], terminal=False)
    train_laps(shown, clock, PC, 63, 3)
    shown.end()
    train_laps(shown, clock, BP, 13, 3, 3, 3)
    shown.end()
    shown.begin(AGAIN)
    assert seconds(shown) == pytest.approx(152) and "2 of 4 runs, about 3 min left: digits mlp-4-4 PC seed 1\n" in screen.getvalue()


def test_programs_that_lie_on_disk_cost_next_to_nothing(monkeypatch):
    """As above, warm: the first lap of BP is like its others, so programs take nothing; a unit of work takes (3 + 3) / (3 + 3) = 1 s, and 6 are left."""
    shown, clock, _ = progress(monkeypatch)
    train_laps(shown, clock, PC, 23, 3)
    shown.end()
    train_laps(shown, clock, BP, 1, 1, 1, 1)
    shown.end()
    assert shown.rates() == (0.0, 1.0) and seconds(shown) == pytest.approx(6)


def test_one_program_alone_teaches_the_rest_once_its_second_epoch_is_over(monkeypatch):
    """A terminal knows after each epoch: 2 * 3 s are left after the first run, 3 after another epoch."""
    shown, clock, screen = progress(monkeypatch, runs=[PC, AGAIN])
    train_laps(shown, clock, PC, 33)
    assert seconds(shown) is None and "left" not in screen.getvalue()
    clock[0] += 3
    shown(types.SimpleNamespace(number=2))
    shown.end()
    assert seconds(shown) == pytest.approx(6)
    train_laps(shown, clock, AGAIN, 3)
    assert seconds(shown) == pytest.approx(3) and screen.getvalue().endswith("\r\x1b[K1 of 2 runs, less than a minute left: digits mlp-4-4 PC seed 1")


def test_a_run_that_goes_on_has_its_last_epochs_left_and_teaches_by_them(monkeypatch):
    """Epochs 2 and 3 of BP's four, 20 + 1 and 1 s: one unit of work is left, at a second a unit."""
    shown, clock, _ = progress(monkeypatch, runs=[BP])
    train_laps(shown, clock, BP, 21, 1, first=2)
    assert seconds(shown) == pytest.approx(1)


def test_what_other_processes_do_counts(tmp_path, monkeypatch):
    """A run of another process is done when its file is there. Half of it is, and the process shares what is left, when its lock is new."""
    store, other = Store(tmp_path), Experiment(model="mlp-4-4", algorithm="PC", epochs=8, seed=2)
    monkeypatch.setitem(EFFORTS, other, EFFORTS[PC])
    lock = tmp_path / ".locks" / f"{other.key}.lock"
    lock.parent.mkdir()
    shown, clock, _ = progress(monkeypatch, tmp_path, [PC, AGAIN, other], terminal=False)
    train_laps(shown, clock, PC, 33, 3)
    shown.end()
    assert seconds(shown) == pytest.approx(6 + 24)           # the program is there: 2 epochs and 8 of 3 s
    lock.touch()
    assert seconds(shown) == pytest.approx((6 + 12) / 2)
    store.path(other).write_text("")
    assert seconds(shown) == pytest.approx(6) and str(shown).startswith("2 of 3 runs")


def test_a_program_that_others_have_compiled_is_not_left(tmp_path, monkeypatch):
    """PC's program and four epochs of it take 30 + 12 s, 1 s a unit. Half of both is left when another process has begun a run, the epochs of the other
    one when it has finished it."""
    shown, _, _ = progress(monkeypatch, tmp_path, [PC, AGAIN])
    one = store_module.Rates(1.0, 1.0)
    assert shown.seconds_left(one) == pytest.approx(30 + 12)
    lock = tmp_path / ".locks" / f"{PC.key}.lock"
    lock.parent.mkdir()
    lock.touch()
    assert shown.seconds_left(one) == pytest.approx((15 + 3 + 6) / 2)
    Store(tmp_path).path(PC).write_text("")
    shown.look()
    assert shown.seconds_left(one) == pytest.approx(6)


def test_within_the_first_seconds_nobody_knows_who_else_starts(monkeypatch):
    shown, clock, _ = progress(monkeypatch, runs=[PC, AGAIN])
    train_laps(shown, clock, PC, 13, 1)
    assert seconds(shown) is None
    clock[0] += 2
    assert seconds(shown) is not None


def test_a_lock_of_an_earlier_process_is_no_work(tmp_path, monkeypatch):
    lock = tmp_path / ".locks" / f"{AGAIN.key}.lock"
    lock.parent.mkdir()
    lock.touch()
    shown, _, _ = progress(monkeypatch, tmp_path)
    assert shown.parts() == {}
    (lock.parent / f"{BP.key}.lock").touch()
    assert shown.parts() == {BP: 0.5}


def test_a_process_that_trains_nothing_itself_goes_by_the_work(monkeypatch):
    """As on a cluster: of 3 * 2 * 2 + 4 = 16 units, 6 in a minute leave 10 for 100 seconds."""
    shown, clock, _ = progress(monkeypatch)
    clock[0] += 60
    shown.done.add(PC)
    assert str(shown) == "1 of 3 runs, about 2 min left"


def test_a_run_that_cannot_be_prepared_leaves_the_others_without_an_estimate(monkeypatch):
    def broken(exp):
        raise ZeroDivisionError
    shown, clock, _ = progress(monkeypatch, runs=[PC, AGAIN])
    monkeypatch.setattr(store_module, "effort", broken)
    train_laps(shown, clock, PC, 33, 3)
    shown.end()
    assert str(shown) == "1 of 2 runs" and store_module.Progress([], False).efforts == {}


def test_effort_counts_passes_and_what_is_one_program():
    """BP makes 4 passes, PC 4 + T. Schedules and seeds share a program; another T, network, reading, limit or batch size does not."""
    base = Experiment(model="mlp-4-4", algorithm="PC", T=4, limit=64, batch_size=32)
    one, bp = (store_module.effort(exp) for exp in (base, replace(base, algorithm="BP", T=None)))
    assert one.size == 2 * bp.size and one.work == 2 * bp.work and one.program != bp.program
    for same in (dict(seed=1), dict(algorithm="D"), dict(learning_rate=0.1), dict(epochs=7)):
        assert store_module.effort(replace(base, **same)) == one
    for other in (dict(T=5), dict(model="mlp-4-5"), dict(limit=96), dict(batch_size=16), dict(algorithm="F")):
        assert store_module.effort(replace(base, **other)).program != one.program
    assert store_module.effort(replace(base, limit=128)).work == 2 * one.work


def test_results_says_how_far_it_is(tmp_path, capsys):
    results(GRID[:1], tmp_path)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == f"0 of 1 runs: {store_module.title(GRID[0])}" and lines[1].startswith("1 runs in ")

"The store: nothing is trained twice, nothing finished is lost, nothing is half."
import importlib
import json
import os
import pathlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pc_precision.experiment import Experiment
from pc_precision.runs.results import (COLUMNS, kept, provenance, read_run, results, run_path, scores, stored, summarise, write_whole)

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
    run = read_run(run_path(GRID[0], store))
    where = run["provenance"]
    assert run["seconds"] > 0 and run["peak_memory"] > 1e7 and run["experiment"]["seed"] == 0
    assert where["device"] and where["versions"]["jax"] and {"commit", "dirty", "date", "python"} <= set(where)
    assert str(pathlib.Path.home()) not in json.dumps(provenance())


def test_the_number_of_a_run_is_the_test_accuracy_of_the_selected_epoch():
    rows = [("validation", 1, .5, .9), ("validation", 2, .8, .6), ("validation", 3, .8, .7)]
    rows = [dict(key="a", epoch=e, split=s, metric="top1", value=v, layer=None) for _, e, val, test in rows
            for s, v in (("validation", val), ("test", test))]
    frame = pd.DataFrame(rows).assign(select="validation", outcome="finished", dataset="d", model="m", algorithm="PC", batch_norm="none")
    assert scores(frame)["score"].tolist() == [.6] and scores(frame)["epoch"].tolist() == [2]
    assert scores(frame.assign(select="test"))["score"].tolist() == [.9]
    other = frame.assign(key="b", value=frame["value"] + .1)
    lost = frame.assign(key="c", outcome="diverged")
    table = summarise(pd.concat([frame, other, lost])).iloc[0]
    assert np.isclose(table["mean"], .65) and np.isclose(table["std"], .1 / 2 ** .5) and (table["n"], table["diverged"]) == (2, 1)


def test_a_diverged_run_is_stored_as_diverged_and_read_back(tmp_path):
    exp = replace(GRID[0], x_step=1e30)
    frame = results([exp], tmp_path, progress=False)
    assert set(frame["outcome"]) == {"diverged"} and scores(frame)["score"].isna().all()
    json.loads(run_path(exp, tmp_path).read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
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
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == [run_path(GRID[0], tmp_path).name]
    monkeypatch.undo()
    assert results(GRID, tmp_path, progress=False)["key"].nunique() == 4


def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "first")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "second \udcff")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("damage", [lambda t: t[:len(t) // 2], lambda t: "", lambda t: "[]", lambda t: t.replace('"rows"', '"lines"'),
                                    lambda t: t.replace('"key": "', '"key": "0'), lambda t: '{"rows": [[1]], "outcome": "x", "key": "y"}'])
def test_a_damaged_file_is_named_in_one_sentence_and_kept(full, tmp_path, damage):
    store, _ = full
    path = run_path(GRID[0], tmp_path)
    path.write_text(damage(run_path(GRID[0], store).read_text()))
    with pytest.raises(ValueError, match="is not a whole result file: move it away"):
        results(GRID[:1], tmp_path, progress=False)
    assert path.exists()


def test_a_result_is_found_by_its_key_under_any_name(full, tmp_path):
    store, _ = full
    run_path(GRID[0], tmp_path).with_name(f"renamed_{GRID[0].key}.json").write_text(run_path(GRID[0], store).read_text())
    assert stored(GRID[0], tmp_path)["key"] == GRID[0].key and stored(GRID[1], tmp_path) is None


def test_two_processes_share_a_store_and_train_nothing_twice(tmp_path):
    log = tmp_path / "log"
    both = [start(tmp_path / "store", log, step) for step in ("1", "-1")]
    outputs = [p.communicate(timeout=240) for p in both]
    assert [p.returncode for p in both] == [0, 0], outputs
    assert sorted(log.read_text().split()) == sorted(exp.key for exp in GRID)


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

"A run that is killed goes on from its last kept epoch, and ends bit for bit as if nothing had happened."
import errno
import importlib
import json
import os
import random
import select
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from pc_precision.data import load
from pc_precision.experiment import Experiment
from pc_precision.protocol import make_plan
from pc_precision.runs import checkpoints as c
from pc_precision.runs.results import Best, never, run
from pc_precision.runs.store import Store, read_run, same_result
from pc_precision.training import first_state, train

store_module = importlib.import_module("pc_precision.runs.results")
EXP = Experiment(model="mlp-6-6", algorithm="S+F", limit=64, batch_size=32, epochs=4, augment=False)
DATA = load("digits", limit=64)


def same(a, b) -> bool:
    "Whether two trees hold the same bits (NaN equals itself)."
    leaves = [[(leaf.dtype, leaf.shape, leaf.tobytes()) for leaf in map(np.asarray, jax.tree.leaves(tree))] for tree in (a, b)]
    return leaves[0] == leaves[1]


def stop_at(*epochs):
    "A `stop` that ends a run after these epochs."
    count = iter(range(1, 1000))
    return lambda exp, seconds: next(count) in epochs


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    "A folder with the checkpoints of epochs 1 and 2, and the two states."
    folder, states, records = tmp_path_factory.mktemp("kept") / EXP.key, [], []
    for state, record in train(EXP, DATA):
        records.append(record)
        notes = {"key": EXP.key, "sessions": [], "records": [c.record_json(r) for r in records]}
        c.save_checkpoint(folder, state, notes)
        states.append(c.to_arrays(state))
        states[-1] = jax.tree.map(np.array, states[-1])
        if record.number == 2:
            return folder, states, records


@pytest.fixture
def copy(kept, tmp_path):
    "A copy of the two checkpoints, to be damaged."
    return Path(shutil.copytree(kept[0], tmp_path / EXP.key))


def there(folder) -> list:
    "All that lies in a folder, by name without the ending of checkpoints."
    return sorted(path.name.removesuffix(".safetensors") for path in folder.iterdir())


def rewrite(path, arrays=None, **changes):
    "Another checkpoint in the place of one, with a right digest: other arrays, or some of its notes changed."
    old, notes = c.read_parts(path)
    path.write_bytes(c.sealed(old if arrays is None else arrays, {"notes": json.dumps(notes | changes)}))


def latest(folder):
    return c.latest(folder, EXP.key, c.state_shapes(EXP, DATA.info))


# What is kept

def test_a_checkpoint_holds_every_bit_of_the_state_and_the_records(kept):
    folder, states, records = kept
    saved = latest(folder)
    assert same(c.to_arrays(saved.state), states[1]) and int(saved.state.epoch) == 2
    assert [r.metrics for r in saved.records] == [r.metrics for r in records]
    assert same([r.train for r in saved.records], [r.train for r in records])
    assert saved.state.key.dtype == jax.random.key(0).dtype and isinstance(saved.records[0].train.energies, np.ndarray)


def test_running_statistics_and_all_dtypes_come_back(tmp_path):
    exp = Experiment(model="vgg5", width=1 / 32, batch_norm="freeze", bn_mode="ema")
    state = first_state(make_plan(exp, DATA.info), exp.seed)
    assert jax.tree.leaves(state.stats), "the example needs statistics"
    before = jax.tree.map(np.array, c.to_arrays(state))
    c.save_checkpoint(tmp_path, state, {"key": exp.key, "sessions": [], "records": []})
    assert same(c.to_arrays(c.latest(tmp_path, exp.key, c.state_shapes(exp, DATA.info)).state), before)


def test_two_are_kept_and_nothing_else(copy, kept):
    state = latest(copy).state
    c.save_checkpoint(copy, state._replace(epoch=state.epoch + 5), {"key": EXP.key, "sessions": [], "records": []})
    assert there(copy) == ["000002", "000007"]
    c.save_checkpoint(copy, state._replace(epoch=state.epoch + 1), {"key": EXP.key, "sessions": [], "records": []})
    assert there(copy) == ["000002", "000003"], "what claims to be later could not be read"


# Resuming

@pytest.mark.parametrize("changes", [dict(algorithm="PC-CN", beta=0.5), dict(algorithm="BP", augment=True),
                                     dict(algorithm="S+F", patience=2, epochs=30, learning_rate=0.02)],
                         ids=["nudging drawn per batch", "augmented", "stopped early"])
def test_a_run_in_three_sessions_is_the_run_in_one(changes, tmp_path):
    exp = replace(EXP, **changes)
    whole = run(exp, DATA)
    kept = c.Checkpoints(tmp_path / exp.key, every=0)
    first = run(exp, DATA, checkpoints=kept, stop=stop_at(1))
    assert first["outcome"] == "interrupted" and {row[0] for row in first["rows"]} == {1}
    second = run(exp, DATA, checkpoints=kept, stop=stop_at(1))
    last = run(exp, DATA, checkpoints=kept)
    assert same_result(whole, last) and last["parameters"] == whole["parameters"] != second["parameters"]
    ends = [session["epochs"] for session in last["sessions"]]
    assert ends[:2] == [[1, 1], [2, 2]] and ends[2][0] == 3 and ends[2][1] == max(row[0] for row in last["rows"])
    assert np.isclose(last["seconds"], sum(s["seconds"] for s in last["sessions"]))
    if exp.patience == 2:
        assert last["outcome"] == "stopped early", "the best accuracy of an earlier session counts"


def test_a_session_tells_where_it_ran(tmp_path, monkeypatch):
    kept = c.Checkpoints(tmp_path / EXP.key, every=0)
    about = store_module.provenance()
    monkeypatch.setattr(store_module, "provenance", lambda *_: about | {"device": "a borrowed GPU"})
    run(EXP, DATA, checkpoints=kept, stop=stop_at(2))
    monkeypatch.undo()
    done = run(EXP, DATA, checkpoints=kept)
    assert [s["device"] for s in done["sessions"]] == ["a borrowed GPU", about["device"]]
    frame = store_module.to_frame([json.loads(json.dumps(done))])
    assert set(frame["device"]) == {f"a borrowed GPU + {about['device']}"} and set(frame["sessions"]) == {2}


KILLED = """
import importlib, sys
r = importlib.import_module("pc_precision.runs.results")
from pc_precision.experiment import Experiment
from pc_precision.machine import keep_warm
keep_warm(sys.argv[2])
exp = Experiment(model="mlp-6-6", algorithm="S+F-CN", limit=64, batch_size=32, epochs=320, patience=None)
seen = lambda record: print(record.number, flush=True)
r.run_missing(exp, r.pathlib.Path(sys.argv[1]), r.loader(None), type("P", (r.Progress,), {"__call__": lambda self, rec: seen(rec)})([], False), every=0)
"""


@pytest.mark.slow
def test_twenty_kills_at_random_moments_change_no_bit(tmp_path):
    def begin(store):
        return subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path / store), str(tmp_path / "cache")], text=True,
                                stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)})

    rng, kills = random.Random(0), 0
    while True:
        process = begin("killed")
        if kills < 20:
            if kills % 4:                                    # while it trains, saves and evaluates
                last = max((int(p.stem) for p in (tmp_path / "killed").glob(".checkpoints/*/[0-9]*")), default=0)
                until = last + rng.randint(2, 5)
                began = time.perf_counter()
                while int(process.stdout.readline()) < until:
                    began = time.perf_counter()
                time.sleep(rng.uniform(0, 2) * (time.perf_counter() - began))    # in epochs: no machine is too fast
            else:                                            # while it starts, reads and compiles
                select.select([process.stdout], [], [], rng.uniform(1, 6))
            process.send_signal(signal.SIGKILL)
            process.communicate()
            assert process.returncode == -signal.SIGKILL, "the run ended before it was killed twenty times"
            kills += 1
        else:
            process.communicate(timeout=300)
            assert process.returncode == 0
            break
    assert begin("whole").communicate(timeout=300)
    [killed], [whole] = (sorted((tmp_path / store).glob("*.json")) for store in ("killed", "whole"))
    killed, whole = read_run(killed), read_run(whole)
    assert killed["parameters"] == whole["parameters"] and same_result(killed, whole)
    ends = [session["epochs"] for session in killed["sessions"]]
    assert len(ends) > 10 and ends[0][0] == 1 and ends[-1][1] == 320
    assert all(a[1] + 1 == b[0] for a, b in zip(ends, ends[1:])), "no epoch twice, none left out"
    leftovers = [p for p in (tmp_path / "killed").rglob("*") if p.suffix != ".lock" and p.is_file()]
    assert len(leftovers) == 1, "the result alone"


# Damage

def damages(path: Path):
    "(what, function) of many ways to damage the newest checkpoint."
    content, rng = path.read_bytes(), random.Random(0)
    header = 8 + int.from_bytes(content[:8], "little")
    bits = [*range(0, 12), *rng.sample(range(12, header), 12), *rng.sample(range(header, len(content)), 12), len(content) - 1]
    for at in bits:
        yield f"a bit of byte {at}", lambda at=at: path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
    at = content.index(rb'top1\": 0.') + len(rb'top1\": 0.')
    yield "a digit of an accuracy", lambda: path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1:])
    for size in (0, 4, header // 2, header, len(content) // 2, len(content) - 1):
        yield f"{size} bytes", lambda size=size: path.write_bytes(content[:size])
    yield "a byte more", lambda: path.write_bytes(content + b"x")
    yield "a file of text", lambda: path.write_text("{}")
    yield "a folder", lambda: path.unlink() or path.mkdir()
    arrays, _ = c.read_parts(path)
    yield "an array less", lambda: rewrite(path, dict(list(arrays.items())[1:]))
    yield "another array", lambda: rewrite(path, arrays | {"more": np.zeros(3)})
    yield "another shape", lambda: rewrite(path, {name: array.reshape(array.shape + (1,)) for name, array in arrays.items()})
    yield "another type", lambda: rewrite(path, {name: array.astype(np.float64) for name, array in arrays.items()})
    for name, value in dict(epoch=3, key="0" * 16, records=[], sessions=[1]).items():
        yield f"another {name}", lambda name=name, value=value: rewrite(path, **{name: value})


def test_whatever_is_damaged_the_one_before_is_taken(kept, tmp_path):
    newest = "000002.safetensors"
    count = len(list(damages(kept[0] / newest)))
    assert count > 50
    for i in range(count):
        folder = Path(shutil.copytree(kept[0], tmp_path / f"{i}"))
        what, damage = list(damages(folder / newest))[i]
        damage()
        with pytest.warns(UserWarning, match="the run goes on from epoch 1") as said:
            saved = latest(folder)
        assert same(c.to_arrays(saved.state), kept[1][0]) and len(saved.records) == 1, what
        assert len(said) == 1 and "\n" not in str(said[0].message)


def test_without_a_whole_one_the_run_starts_anew_and_ends_the_same(copy):
    for path in copy.glob("*.safetensors"):
        path.write_text("{")
    with pytest.warns(UserWarning) as said:
        done = run(EXP, DATA, checkpoints=c.Checkpoints(copy, every=0), stop=stop_at(1))
    assert [str(w.message).rsplit("from ", 1)[1] for w in said] == ["epoch 1", "the beginning"]
    assert done["outcome"] == "interrupted" and there(copy) == ["000001"]
    assert latest(copy).records[0].number == 1


def test_a_checkpoint_of_another_run_or_network_is_not_taken(copy):
    other = c.state_shapes(replace(EXP, model="mlp-7-6"), DATA.info)
    with pytest.raises(ValueError, match="is of another network or version"):
        c.read_checkpoint(copy / "000002.safetensors", EXP.key, other)
    with pytest.raises(ValueError, match="is of another run"):
        c.read_checkpoint(copy / "000002.safetensors", "0" * 16, c.state_shapes(EXP, DATA.info))


def test_a_newer_checkpoint_is_neither_read_nor_replaced(copy, kept):
    rewrite(copy / "000002.safetensors", schema=c.CHECKPOINT_SCHEMA + 1)
    with pytest.raises(ValueError, match="was written by a newer pc_precision .* update, or remove that file"):
        run(EXP, DATA, checkpoints=c.Checkpoints(copy, every=0))
    assert there(copy) == ["000001", "000002"]


def test_what_a_killed_process_left_half_is_swept(copy):
    (copy / ".partial-000003-abc.tmp").write_bytes(b"half")
    assert latest(copy).records[-1].number == 2
    c.Checkpoints(copy).sweep()
    assert there(copy) == ["000001", "000002"]


# When

def test_a_checkpoint_is_due_when_the_last_is_old_enough(monkeypatch, copy):
    now = [100.0]
    monkeypatch.setattr(c.time, "monotonic", lambda: now[0])
    kept = c.Checkpoints(copy, every=5)
    assert not kept.due()
    now[0] = 105.0
    assert kept.due() and kept.due()
    kept.save(latest(copy).state, {"key": EXP.key, "sessions": [], "records": []})
    assert not kept.due()
    assert c.Checkpoints(copy, every=0).due()


def test_short_epochs_write_no_checkpoint_and_a_stop_always_does(tmp_path, monkeypatch):
    kept = c.Checkpoints(tmp_path / EXP.key, every=1e9)
    writes, save = [], c.save_checkpoint
    monkeypatch.setattr(c, "save_checkpoint", lambda *args, **more: writes.append(args) or save(*args, **more))
    assert run(EXP, DATA, checkpoints=kept)["outcome"] == "finished" and writes == []
    assert run(EXP, DATA, checkpoints=kept, stop=stop_at(3))["outcome"] == "interrupted" and len(writes) == 1
    assert never(EXP, 1e9) is False


def test_the_checkpoint_goes_when_the_result_is_there(tmp_path):
    frame = store_module.results([EXP], tmp_path, progress=False, checkpoint_every=0)
    assert set(frame["outcome"]) == {"finished"} and Store(tmp_path).path(EXP).exists()
    assert list((tmp_path / ".checkpoints").iterdir()) == []


def test_runs_under_way_are_seen_from_outside(copy, tmp_path):
    store = tmp_path / "store"
    shutil.copytree(copy, store / ".checkpoints" / EXP.key)
    [notes] = c.under_way(store)
    assert (notes["key"], notes["epoch"]) == (EXP.key, 2)
    (store / ".checkpoints" / EXP.key / "000002.safetensors").write_bytes(b"x")
    assert [notes["epoch"] for notes in c.under_way(store)] == [1]


# Room

@pytest.fixture
def disk(copy, monkeypatch):
    "A disk with room for so many bytes of checkpoints: a list of one number."
    room, write = [0], c.write_whole

    def write_if_room(path, content):
        if sum(p.stat().st_size for p in copy.iterdir()) + len(content) > room[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, content)
    monkeypatch.setattr(c, "write_whole", write_if_room)
    return room


def test_a_disk_with_room_for_two_goes_on_keeping(copy, kept, disk):
    state = latest(copy).state
    disk[0] = 2 * (copy / "000002.safetensors").stat().st_size + 4000
    notes = lambda epoch: {"key": EXP.key, "sessions": [], "records": [c.record_json(kept[2][1]._replace(number=n + 1)) for n in range(epoch)]}
    for epoch in (3, 4, 5):
        c.save_checkpoint(copy, state._replace(epoch=state.epoch * 0 + epoch), notes(epoch))
        assert c.checkpoints(copy)[-1].stem == f"{epoch:06d}" and not c.broken(c.checkpoints(copy)[-1])
    assert len(latest(copy).records) == 5


def test_the_last_whole_one_is_never_given_up_for_room(copy, disk):
    state = latest(copy).state
    (copy / "000002.safetensors").write_text("{")
    with pytest.raises(OSError, match="no checkpoint of epoch 3 .*No space left"):
        c.save_checkpoint(copy, state._replace(epoch=state.epoch + 1), {"key": EXP.key, "sessions": [], "records": []})
    assert there(copy) == ["000001"] and not c.broken(copy / "000001.safetensors")


# The best network

def test_the_best_network_survives_a_kill_bit_for_bit(tmp_path):
    exp = replace(EXP, epochs=6, patience=None, learning_rate=0.02)
    whole, best = run(exp, DATA, best=(one := Best())), None
    for state, record in train(exp, DATA):
        found = [*(found if record.number > 1 else []), record.metrics["validation"]["top1"]]
        if int(np.argmax(found)) == record.number - 1:
            best = c.copies((state.params, state.stats))
    assert same(one.arrays, best), "of the first epoch with the best validation accuracy"
    kept, two = c.Checkpoints(tmp_path / exp.key, every=0), None
    for epochs in (2, 3):                                    # each session is another process: nothing but the folder is shared
        run(exp, DATA, checkpoints=kept, stop=stop_at(epochs), best=Best())
    last = run(exp, DATA, checkpoints=kept, best=(two := Best()))
    assert same(two.arrays, best) and same_result(whole, last)


def test_a_checkpoint_without_the_best_network_is_no_use_to_who_wants_it(tmp_path):
    kept = c.Checkpoints(tmp_path / EXP.key, every=0)
    run(EXP, DATA, checkpoints=kept, stop=stop_at(2))
    with pytest.warns(UserWarning, match="was begun without keep: it begins anew"):
        done = run(EXP, DATA, checkpoints=kept, best=(best := Best()))
    assert [s["epochs"] for s in done["sessions"]] == [[1, 4]] and best.arrays is not None


def test_a_damaged_best_network_falls_back_like_any_array(tmp_path):
    kept = c.Checkpoints(tmp_path / EXP.key, every=0)
    run(EXP, DATA, checkpoints=kept, stop=stop_at(2), best=Best())
    newest = c.checkpoints(kept.folder)[-1]
    arrays, _ = c.read_parts(newest)
    best = [name for name in arrays if name.startswith("['best']")]
    rewrite(newest, {name: array for name, array in arrays.items() if name != best[0]})
    with pytest.warns(UserWarning, match="is of another network or version.*; the run goes on from epoch 1"):
        assert len(latest(kept.folder).records) == 1

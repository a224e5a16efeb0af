"""Whatever goes wrong, nothing finished is lost and one clear sentence says what happened.

The fuzzers draw from a fixed seed: random damage of result files, of their content, and of the settings of an experiment.
"""
import errno
import importlib
import json
import os
import random
import resource
import warnings
from copy import deepcopy
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from pc_precision.data import load
from pc_precision.experiment import Experiment
from pc_precision.machine import commit
from pc_precision import machine
from pc_precision.runs import checkpoints, queue
from pc_precision.runs.results import as_settings, read_store, results, run, to_frame
from pc_precision.runs.store import SCHEMA, Store, parse_run, read_run, run_text, same_result, write_whole
from pc_precision.runs.tables import scores, summarise

ROOT = Path(__file__).resolve().parent.parent
results_module = importlib.import_module("pc_precision.runs.results")
store_module = importlib.import_module("pc_precision.runs.store")
EXP = Experiment(model="mlp-4", limit=64, batch_size=32, epochs=3, augment=False)
DATA = load("digits", limit=64)


def quiet(line):
    "Say nothing."


def one_line(error) -> str:
    said = str(getattr(error, "value", error))
    assert "\n" not in said and len(said) < 1000
    return said


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    results([EXP], folder, progress=False)
    return folder


# Full disks

@pytest.fixture
def small_disk():
    "The system refuses files larger than 64 kB, as a full disk refuses a large file and still takes a small one."
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_disk_too_full_for_checkpoints_costs_no_run(tmp_path, small_disk):
    exp = replace(EXP, model="mlp-64")                       # its arrays take 800 kB
    with pytest.warns(UserWarning, match="no checkpoint of epoch [12] could be written .* training goes on") as said:
        frame = results([exp], tmp_path, progress=False, checkpoint_every=0)
    assert len(said) == 2 and all(one_line(w.message) for w in said)
    assert set(frame["outcome"]) == {"finished"}
    assert [p for p in tmp_path.rglob("*") if p.is_file() and p.suffix != ".lock"] == [Store(tmp_path).path(exp)]


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path, small_disk):
    exp = replace(EXP, model="mlp-64")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    kept = checkpoints.Checkpoints(tmp_path / exp.key, every=0)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    run(exp, DATA, checkpoints=kept, stop=lambda exp, seconds: True)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    contents = lambda: {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    before = contents()
    with pytest.warns(UserWarning, match="no checkpoint of epoch 2"):
        run(exp, DATA, checkpoints=kept, stop=lambda exp, seconds: True)
    assert contents() == before


def full_for(times, monkeypatch):
    "Writing a result fails so often, as on a full disk."
    count, write = iter(range(times)), write_whole

    def fails(path, text, replace=True):
        if next(count, None) is not None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        return write(path, text, replace)

    monkeypatch.setattr(store_module, "write_whole", fails)


def test_a_result_makes_room_by_giving_up_the_older_checkpoint(tmp_path, monkeypatch):
    removed, remove = [], checkpoints.Checkpoints.remove
    monkeypatch.setattr(checkpoints.Checkpoints, "remove", lambda self, keep=0: removed.append(keep) or remove(self, keep))
    full_for(1, monkeypatch)
    assert set(results([EXP], tmp_path, progress=False, checkpoint_every=0)["outcome"]) == {"finished"} and removed == [1, 0]


def test_a_result_that_cannot_be_written_is_made_from_its_last_checkpoint(tmp_path, monkeypatch, store):
    full_for(2, monkeypatch)
    with pytest.raises(OSError, match="make room and run again, nothing else is lost") as said:
        results([EXP], tmp_path, progress=False, checkpoint_every=0)
    assert said.value.errno == errno.ENOSPC and one_line(said.value.strerror)
    assert [p.stem for p in checkpoints.checkpoints(tmp_path / ".checkpoints" / EXP.key)] == ["000002"]
    results([EXP], tmp_path, progress=False)
    again = Store(tmp_path).get(EXP)
    assert again["sessions"][1]["epochs"] == [3, 3] and again["parameters"] == Store(store).get(EXP)["parameters"]


def test_a_full_disk_ends_the_queue_and_says_what_is_left(tmp_path, monkeypatch):
    full_for(2, monkeypatch)
    left = queue.work([replace(EXP, seed=s) for s in (0, 1, 2)], tmp_path, say=quiet)
    assert [e.seed for e in left.failed] == [0] and [e.seed for e in left.to_do] == [1, 2] and not left.done
    assert "No space left on device" in one_line(left.failed[EXP])


# Stores that cannot be written or read

def test_a_read_only_store_is_read_and_said_before_anything_is_trained(store, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    monkeypatch.setattr(store_module.tempfile, "TemporaryFile", refuse)
    monkeypatch.setattr(results_module, "run", lambda *args: pytest.fail("trained"))
    assert len(results([EXP], store, progress=False))
    for call in (lambda: results([EXP, replace(EXP, seed=1)], store, progress=False), lambda: queue.work([replace(EXP, seed=1)], store)):
        with pytest.raises(OSError, match=r"the store .* cannot be written \(Read-only file system\)") as said:
            call()
        assert one_line(said)


def test_a_store_that_is_a_file_is_said(tmp_path):
    (tmp_path / "results").write_text("")
    with pytest.raises(OSError, match="the store .* cannot be written") as said:
        results([EXP], tmp_path / "results", progress=False)
    assert one_line(said)


def test_a_clock_that_jumps_back_changes_nothing(tmp_path, monkeypatch, store):
    now = iter(range(10 ** 9, 0, -86400))
    monkeypatch.setattr("time.time", lambda: float(next(now)))
    results([EXP], tmp_path, progress=False, checkpoint_every=0)
    again = Store(tmp_path).get(EXP)
    assert same_result(again, Store(store).get(EXP)) and again["seconds"] > 0
    assert all(row[4] > 0 for row in again["rows"] if row[2] == "seconds")


# Several versions

def test_every_result_of_the_first_schema_is_still_read():
    paths = sorted((ROOT / "results").glob("*.json"))
    firsts = [path for path in paths if json.loads(path.read_text())["schema"] == 1]
    assert len(firsts) >= 84, "the results that were committed with schema 1 are the witnesses"
    frame = to_frame([read_run(path) for path in firsts])
    assert frame["key"].nunique() == len(firsts) and set(frame["sessions"]) == {1} and frame["device"].notna().all()
    assert summarise(frame)["mean"].notna().any() and scores(frame)["score"].between(0, 1).any()


def test_a_newer_schema_is_refused_and_unknown_fields_are_left_alone(store, tmp_path):
    path = Store(tmp_path).path(EXP)
    newer = json.loads(Store(store).path(EXP).read_text()) | {"schema": SCHEMA + 1, "rows": "in another form"}
    path.write_text(json.dumps(newer))
    with pytest.raises(ValueError, match=r"was written by a newer pc_precision \(schema 3, this one reads up to 2\): update it") as said:
        results([EXP], tmp_path, progress=False)
    assert one_line(said) and path.exists()
    more = json.loads(Store(store).path(EXP).read_text())
    more["experiment"]["colour"], more["weather"] = "blue", "fine"
    path.write_text(run_text(more))
    assert results([EXP], tmp_path, progress=False).equals(read_store(store))


def test_two_files_of_one_run_must_agree(store, tmp_path):
    name, run = Store(tmp_path).path(EXP), json.loads(Store(store).path(EXP).read_text())
    name.write_text(run_text(run))
    name.with_name(f"again_{EXP.key}.json").write_text(run_text(run))
    assert len(read_store(tmp_path)) == len(run["rows"])
    run["rows"][0][4] += 1
    name.with_name(f"again_{EXP.key}.json").write_text(run_text(run))
    with pytest.raises(ValueError, match="are different results of one run: move one of them away") as said:
        read_store(tmp_path)
    assert one_line(said)


# The commit

def test_the_commit_of_a_copy_without_git(tmp_path, monkeypatch):
    monkeypatch.delenv("PC_PRECISION_COMMIT", raising=False)
    monkeypatch.setattr(machine, "root", lambda: tmp_path)
    assert commit() == (None, None)
    for text, expected in (("abc123\n", ("abc123", None)), ("abc123 dirty", ("abc123", True)), ("abc123 clean", ("abc123", False)),
                           ("", (None, None))):
        (tmp_path / "COMMIT").write_text(text)
        assert commit() == expected
    (tmp_path / "COMMIT").write_text("from the file")
    monkeypatch.setenv("PC_PRECISION_COMMIT", "def456 dirty")
    assert commit() == ("def456", True)


def test_the_commit_is_not_that_of_a_repository_around_us(tmp_path, monkeypatch):
    import subprocess
    monkeypatch.delenv("PC_PRECISION_COMMIT", raising=False)
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], [*identity, "commit", "-q", "--allow-empty", "-m", "another project"]):
        subprocess.run(["git", *words], cwd=tmp_path, check=True)
    (tmp_path / "site-packages").mkdir()
    monkeypatch.setattr(machine, "root", lambda: tmp_path / "site-packages")
    assert commit() == (None, None)
    monkeypatch.setattr(machine, "root", lambda: tmp_path.resolve())
    assert len(commit()[0]) == 40 and commit()[1] is False


# Fuzzing

def damaged(rng, content: bytes) -> bytes:
    "A few bytes changed, left out, put in, doubled, or the end missing."
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(content) + 1), rng.randint(1, 12)
        kind = rng.randrange(5)
        if kind == 0 and at < len(content):
            content[at] = rng.randrange(256)
        elif kind == 1:
            del content[at:at + length]
        elif kind == 2:
            content[at:at] = rng.randbytes(length)
        elif kind == 3:
            content[at:at] = content[at:at + length]
        else:
            del content[at:]
        content = content or bytearray(b"x")
    return bytes(content)


def test_damaged_bytes_are_noticed_or_harmless(store):
    rng, path = random.Random(0), Store(store).path(EXP)
    content, whole = path.read_bytes(), read_run(path)
    refused = 0
    for _ in range(500):
        try:
            assert parse_run(damaged(rng, content), path) == whole, "a number changed and nobody noticed"
        except ValueError as error:
            one_line(error)
            refused += 1
    assert refused > 450


ODD = (None, True, False, 0, -1, 1, 2 ** 31, 10 ** 400, 1.5, -0.0, float("nan"), float("inf"), "", "x", "\0", "é" * 50, [], [[]], [1, 2], {},
       {"a": 1}, [None] * 5, "validation", "nan", "1", [1, "test", "top1", None, 0.5])


def mutated(rng, value):
    "Another JSON value: one part of it replaced, removed or doubled."
    while True:
        top = [deepcopy(value)]
        spot, key = top, 0
        while isinstance(spot[key], (dict, list)) and spot[key] and rng.random() < 0.85:
            spot = spot[key]
            key = rng.choice(list(spot)) if isinstance(spot, dict) else rng.randrange(len(spot))
        kind = rng.random()
        if isinstance(spot, list) and spot is not top and kind < 0.2:
            spot.insert(key, deepcopy(spot[key]))
        elif spot is not top and kind < 0.4:
            spot.pop(key)
        else:
            spot[key] = rng.choice(ODD)
        if json.dumps(top[0]) != json.dumps(value):
            return top[0]


@pytest.mark.parametrize("times", [150, pytest.param(600, marks=pytest.mark.slow)])
def test_odd_content_is_refused_or_can_be_tabulated(store, times):
    rng, path = random.Random(1), Store(store).path(EXP)
    whole = read_run(path)
    del whole["checksum"]
    with pytest.raises(ValueError, match="not what was written"):
        parse_run(json.dumps(whole).encode(), path)
    whole["schema"] = 1                                      # whose files carry none
    read = 0
    for _ in range(times):
        odd = mutated(rng, whole)
        try:
            found = parse_run(json.dumps(odd).encode(), path)
        except ValueError as error:
            one_line(error)
            continue
        read += 1
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")                  # of pandas, about mixed types
            assert len(summarise(to_frame([found]))) == 1
            assert same_result(found, found) in (True, False)
    assert times / 30 < read < times * 5 / 6


def test_odd_notes_under_a_right_digest_fall_back_too(tmp_path):
    kept = checkpoints.Checkpoints(tmp_path / EXP.key, every=0)
    run(EXP, DATA, checkpoints=kept, stop=lambda exp, seconds: True)
    [path] = checkpoints.checkpoints(kept.folder)
    (arrays, notes), rng, like = checkpoints.read_parts(path), random.Random(3), checkpoints.state_shapes(EXP, DATA.info)
    taken = 0
    for _ in range(120):
        path.write_bytes(checkpoints.sealed(arrays, {"notes": json.dumps(mutated(rng, notes))}))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                saved = checkpoints.latest(kept.folder, EXP.key, like)
            except ValueError as error:
                assert "was written by a newer" in one_line(error)
                continue
        taken += saved.state is not None
        assert len(list(checkpoints.under_way(tmp_path))) <= 1
    assert 0 < taken < 100


def test_odd_settings_are_refused_in_one_sentence_or_make_a_run_with_a_key():
    rng, names, made = random.Random(4), [f.name for f in fields(Experiment)], 0
    odd = [*ODD, -(10 ** 30), 1e-320, "mlp-3", "mlp-0", "vgg5", "freeze", "S+F", "high", "epoch", b"x", (1,), object, np.float64(0.5), np.int64(3)]
    odd += 3 * [1, 2, 7, 0.1, 0.5, None, True, False]        # what may well be right
    for _ in range(600):
        given = {rng.choice(names): rng.choice(odd) for _ in range(rng.randint(1, 3))}
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")              # a T that is too small
                exp = Experiment(**given)
                key = exp.key
        except ValueError as error:
            one_line(error)
            continue
        made += 1
        assert len(key) == 16 and key == replace(exp).key
        json.dumps(as_settings(exp))
    assert 20 < made < 500

"One value knows the folder of results: names, locks, reading, writing, packing, merging; whatever lies in it or comes in."
import errno
import importlib
import json
import os
import resource
import shutil
import warnings
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from helpers_core import says
from pc_precision.experiment import Experiment
from pc_precision.runs import checkpoints, queue
from pc_precision.runs.results import as_settings, read_store, results
from pc_precision.runs.store import Store, key_of, run_text, write_whole

ROOT = Path(__file__).resolve().parent.parent
store_module = importlib.import_module("pc_precision.runs.store")
SMALL = Experiment(model="mlp-4", limit=64, batch_size=32, epochs=2, augment=False)
GRID = [replace(SMALL, algorithm=a, seed=s) for s in (0, 1) for a in ("PC", "BP", "S+F")]


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    results(GRID, store, progress=False)
    return store


# Packing and merging

def test_packed_results_arrive_byte_for_byte_and_once(full, tmp_path, name="a.zip"):
    assert Store(full).pack(tmp_path / name) == 6
    first = (tmp_path / name).read_bytes()
    Store(full).pack(tmp_path / name)
    assert (tmp_path / name).read_bytes() == first, "the same results are the same bytes"
    home = tmp_path / "home"
    assert Store(home).merge([tmp_path / name]) == (6, 0)
    assert Store(home).merge([tmp_path / name, full]) == (0, 12)
    assert {p.name: p.read_bytes() for p in home.glob("*.json")} == {p.name: p.read_bytes() for p in full.glob("*.json")}
    assert Store(full).pack(tmp_path / f"some-{name}", GRID[:2]) == 2


def contradiction(exp, store, target):
    "Another result of a run: one accuracy differs."
    run = json.loads(Store(store).path(exp).read_text())
    row = next(row for row in run["rows"] if row[2] == "top1")
    row[4] = 1 - row[4]
    target.mkdir(exist_ok=True)
    Store(target).path(exp).write_text(run_text(run))


def test_two_results_of_one_run_are_refused_and_nothing_is_merged(full, tmp_path):
    home = tmp_path / "home"
    contradiction(GRID[1], full, home)
    before = {p.name: p.read_bytes() for p in home.glob("*")}
    with pytest.raises(ValueError, match="are different results of one run: nothing is merged") as said:
        Store(home).merge([full])
    assert str(Store(home).path(GRID[1])) in str(said.value) and str(Store(full).path(GRID[1])) in str(said.value)
    assert {p.name: p.read_bytes() for p in home.glob("*")} == before
    with pytest.raises(ValueError, match="are different results of one run"):
        Store(tmp_path / "empty").merge([full, home])
    assert not list((tmp_path / "empty").glob("*.json"))


def test_the_same_rows_after_other_seconds_are_no_contradiction(full, tmp_path):
    run = json.loads(Store(full).path(GRID[0]).read_text())
    for row in run["rows"]:
        row[4] = 99.0 if row[2] == "seconds" else row[4]
    run |= {"seconds": 1e4, "provenance": run["provenance"] | {"date": "2030-01-01T00:00:00+00:00"}}
    path = Store(tmp_path).path(GRID[0])
    path.write_text(run_text(run))
    before = path.read_bytes()
    assert Store(tmp_path).merge([full]) == (5, 1) and path.read_bytes() == before


def test_a_merged_result_ends_its_checkpoint(full, tmp_path):
    limit = queue.Limit()
    limit_asks = lambda line: setattr(limit, "asked", "test")
    queue.work(GRID[:1], tmp_path, limit=limit, say=limit_asks)
    assert len(list(checkpoints.under_way(tmp_path))) == 1
    Store(tmp_path).merge([full])
    assert list(checkpoints.under_way(tmp_path)) == []


@pytest.mark.parametrize("name", ["../../evil_0123456789abcdef.json", "/evil_0123456789abcdef.json", "sub/evil_0123456789abcdef.json",
                                  ".evil_0123456789abcdef.json", "evil.json", "evil_0123456789abcdef.json"])
def test_an_archive_cannot_write_where_it_likes(tmp_path, name):
    content = b'{"key": "0123456789abcdef"}'
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(name, content)
    with pytest.raises(ValueError, match="is not the file of a result|is not a whole result file"):
        Store(tmp_path / "home").merge([tmp_path / "a.zip"])
    assert not list(tmp_path.parent.glob("evil*")) and not list((tmp_path).rglob("*evil*"))


def test_huge_members_are_refused(full, tmp_path):
    name = Store(full).path(GRID[0]).name
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(name, b" " * (store_module.LARGEST + 1))
    with pytest.raises(ValueError, match="is not the file of a result"):
        Store(tmp_path / "home").merge([tmp_path / "bomb.zip"])


def test_an_archive_of_many_large_members_is_refused_before_it_is_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed:
        for i in range(9):                                   # 9 x 60 MiB
            packed.writestr(f"a_{i:016x}.json", b" " * 60 * 2 ** 20)
    assert (tmp_path / "bomb.zip").stat().st_size < 3e6
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match="unpacks to more than 512 MiB, pack it in parts"):
        Store(tmp_path / "home").merge([tmp_path / "bomb.zip"])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000, "kB"
    with pytest.raises(ValueError, match="must end with .zip"):
        Store(tmp_path / "home").merge([tmp_path / "a.tar.gz"])


@pytest.mark.parametrize("damage", [lambda b: b[:len(b) // 2], lambda b: b"", lambda b: b"XX" + b[2:], lambda b: b[:200] + b"\0" * 40 + b[240:]])
def test_a_damaged_archive_is_said_in_one_sentence(full, tmp_path, damage, name="a.zip"):
    Store(full).pack(tmp_path / name)
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(ValueError) as said:
        Store(tmp_path / "home").merge([tmp_path / name])
    assert "\n" not in str(said.value) and not list((tmp_path / "home").glob("*.json"))


def test_other_files_are_refused(tmp_path):
    with says("must end with .zip"):
        Store(tmp_path).pack(tmp_path / "a.rar")
    with says("there is no file or folder", error=FileNotFoundError):
        Store(tmp_path).merge([tmp_path / "a.zip"])
    with says("there is no store", "none to pack", error=FileNotFoundError):
        Store(tmp_path / "none").pack(tmp_path / "a.zip")
    assert list(tmp_path.iterdir()) == []


# What lies in a store beside results

@pytest.mark.parametrize("name", ["package.json", "._{}", "{} (1).json", "notes_of_mine.json", "{}.bak"])
def test_a_stray_file_stops_nobody(full, tmp_path, name):
    store = Store(shutil.copytree(full, tmp_path / "store"))
    (store.folder / name.format(store.path(GRID[0]).name.removesuffix(".json") if "(1)" in name else store.path(GRID[0]).name)).write_text("\0 no run")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(list(store.runs())) == 6 == store.pack(tmp_path / "a.zip")
        assert read_store(store).equals(read_store(full)) and store.get(GRID[0]) == Store(full).get(GRID[0])


def test_a_twin_of_a_mac_is_not_taken_for_a_result(tmp_path):
    (tmp_path / f"._{Store(tmp_path).path(GRID[0]).name}").write_text("\0")
    assert Store(tmp_path).get(GRID[0]) is None


def test_a_broken_result_is_left_out_with_a_warning_where_all_are_read(full, tmp_path):
    store = Store(shutil.copytree(full, tmp_path / "store"))
    store.path(GRID[0]).write_text("{")
    for read in (lambda: len(list(store.runs())), lambda: store.pack(tmp_path / "a.zip"), lambda: read_store(store)["key"].nunique()):
        with pytest.warns(UserWarning, match="is not a whole result file") as said:
            assert read() == 5
        assert len(said) == 1 and "\n" not in str(said[0].message)
    with pytest.raises(ValueError, match="is not a whole result file"):
        store.get(GRID[0])


# Names and settings

@pytest.mark.slow
def test_a_deep_network_has_a_file(tmp_path):
    exp = replace(SMALL, model="mlp" + "-4" * 130, algorithm="BP", epochs=1)
    store = Store(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame = results([exp], store, progress=False, checkpoint_every=0)
    [path] = store.files()
    assert len(frame) and len(path.name.encode()) <= 200 and path.name.endswith(f"_{exp.key}.json") and store.get(exp)["key"] == exp.key


def test_a_name_that_file_systems_refuse_was_never_given_and_short_ones_are_as_before():
    for path in (ROOT / "results").glob("*.json"):
        parts = path.stem.split("_")
        exp = json.loads(path.read_text())["experiment"]
        assert exp["model"] in parts and parts[-1] == json.loads(path.read_text())["key"] and store_module.NAME.fullmatch(path.name)


def test_home_is_expanded_and_a_store_is_a_path(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Store("~/results").folder == tmp_path / "results" == Path(Store(Store("~/results")))


@pytest.mark.parametrize("exp", [SMALL, replace(SMALL, patience=None), replace(SMALL, algorithm="BP"), Experiment(batch_norm="freeze", bn_mode="ema"),
                                 Experiment(algorithm="BP", batch_norm="freeze"), Experiment(algorithm="PC-CN", width=0.5, padding=1), Experiment(algorithm="D", T=9),
                                 Experiment(algorithm="ePC", limit=7, dtype="bfloat16"), Experiment(patience=7, augment=False, output="cross_entropy")])
def test_stored_settings_give_the_key(exp):
    assert key_of(json.loads(json.dumps(as_settings(exp)))) == exp.key


def test_every_committed_result_has_settings_that_give_its_key():
    runs = list(Store(ROOT / "results").runs())
    assert len(runs) > 150 and all(key_of(run["experiment"]) == run["key"] for run in runs)


def test_a_number_under_other_settings_is_refused(full, tmp_path):
    run = Store(full).get(GRID[0])
    Store(tmp_path).put(GRID[0], run | {"experiment": run["experiment"] | {"learning_rate": 0.5}})      # with a right checksum
    with pytest.raises(ValueError, match="its settings do not give its key"):
        Store(tmp_path).get(GRID[0])


# Writing

def test_a_file_is_there_whole_or_not_at_all(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "first")
    with pytest.raises(UnicodeEncodeError):
        write_whole(path, "second \udcff")
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_a_result_that_is_there_is_never_replaced(tmp_path):
    path = tmp_path / "a.json"
    write_whole(path, "first", replace=False)
    write_whole(path, "second", replace=False)
    assert path.read_text() == "first" and list(tmp_path.iterdir()) == [path]


def test_no_links_on_this_file_system(tmp_path, monkeypatch):
    def refuse(*args):
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))
    monkeypatch.setattr(store_module.os, "link", refuse)
    write_whole(tmp_path / "a.json", "first", replace=False)
    write_whole(tmp_path / "a.json", "second", replace=False)
    assert (tmp_path / "a.json").read_text() == "first" and len(list(tmp_path.iterdir())) == 1


def test_a_run_under_its_own_name_is_found_without_a_look_at_the_others(full, monkeypatch):
    monkeypatch.setattr(Path, "glob", lambda *a: pytest.fail("ten thousand files were listed for one"))
    assert Store(full).get(GRID[0])["key"] == GRID[0].key

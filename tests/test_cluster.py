"""Runs on a real Ray cluster of several processes: workers and nodes die, the driver dies, and the store ends as if nothing had happened."""
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import pc_precision as pc
from helpers_core import says
from pc_precision.runs import cluster as c
from pc_precision.runs.queue import Ended, Limit, work
from pc_precision.runs.store import Store, read_run, same_result

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
EXPS = [pc.Experiment(model="mlp-16", algorithm=a, limit=400, batch_size=16, epochs=20, schedule_epochs=20, patience=None, augment=False, seed=seed)
        for seed in (0, 1) for a in ("S+F", "BP", "PC")]
WRONG = replace(EXPS[0], limit=8)                            # does not fill a batch
MARK = "PC_PRECISION_TEST_CLUSTER"


# The real cluster

def marked(title: str) -> list[int]:
    """Processes of this cluster that call themselves `title`."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if title in (path / "cmdline").read_text() and f"{MARK}={os.getpid()}" in (path / "environ").read_text():
                found.append(int(path.name))
        except OSError:
            pass
    return found


def patiently(start, attempts: int = 4):
    """What `start` makes of a node's settings. Ray gives its agents 15 s, which a busy machine may not have; ports that are given save one wait."""
    names = ["metrics_agent_port", "runtime_env_agent_port", "dashboard_agent_listen_port", "metrics_export_port"]
    for attempt in range(attempts):
        sockets = [socket.create_server(("", 0)) for _ in names]
        ports = {name: free.getsockname()[1] for name, free in zip(names, sockets)}
        for free in sockets:
            free.close()
        try:
            return start(dict(object_store_memory=80_000_000, include_log_monitor=False, no_monitor=True) | ports)
        except Exception as error:                           # Ray raises plain ones
            if attempt + 1 == attempts or "timed out during startup" not in str(error):
                raise


@pytest.fixture(scope="module")
def nodes():
    """A head without cores and two nodes of one core each: a dozen processes, no dashboard, nothing reported."""
    from ray.cluster_utils import Cluster
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {MARK: os.getpid(), "PYTHONPATH": ROOT, "RAY_USAGE_STATS_ENABLED": 0, "RAY_memory_monitor_refresh_ms": 0,
                            "RAY_health_check_period_ms": 1000}.items():
            patch.setenv(name, str(value))
        cluster = patiently(lambda more: Cluster(initialize_head=True, head_node_args=dict(num_cpus=0, include_dashboard=False, **more)))
        for _ in range(2):
            patiently(lambda more: cluster.add_node(num_cpus=1, **more))
        yield cluster
        cluster.shutdown()


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    """The store of the same experiments, trained here one after the other."""
    store = tmp_path_factory.mktemp("alone")
    assert len(work(EXPS, store, say=lambda line: None).done) == len(EXPS)
    return store


def wait_for(condition, seconds: float = 240.0):
    end = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < end, "nothing happened"
        time.sleep(0.05)
    return found


def has_whole_checkpoint(store: Path) -> bool:
    """Whether a run that has no result yet has a checkpoint."""
    done = {path.stem.rsplit("_", 1)[-1] for path in store.glob("*.json")}
    return any(path.stem.isdigit() and int(path.stem) >= 2 and path.parent.name not in done for path in store.glob(".checkpoints/*/*"))


def at_work(store: Path) -> int | None:
    """The process that trains a run of which there is a checkpoint: it holds the lock."""
    for folder in store.glob(".checkpoints/*"):
        if any(path.stem.isdigit() and int(path.stem) >= 2 for path in folder.iterdir()):
            for pid in marked("ray::train_here"):
                try:
                    if any(os.readlink(fd).endswith(f"{folder.name}.lock") for fd in Path(f"/proc/{pid}/fd").iterdir()):
                        return pid
                except OSError:
                    pass


def check_whole(store: Path, alone: Path) -> None:
    """Each run is there once, its rows are those of the local run to the last bit, and nothing else is left."""
    assert {path.name for path in store.glob("*.json")} == {Store(alone).path(exp).name for exp in EXPS}
    for exp in EXPS:
        here, there = read_run(Store(store).path(exp)), read_run(Store(alone).path(exp))
        assert same_result(here, there) and here["parameters"] == there["parameters"], exp
        ends = [session["epochs"] for session in here["sessions"]]
        assert ends[0][0] == 1 and ends[-1][1] == exp.epochs and all(b[0] <= a[1] + 1 for a, b in zip(ends, ends[1:]))
    assert list(store.glob(".checkpoints/*")) == [] and list(store.glob(".partial-*")) == []


@pytest.mark.slow
def test_a_worker_and_a_node_killed_in_the_middle_change_nothing(nodes, alone, tmp_path):
    store, killed, lines = tmp_path / "store", [], []

    def kill() -> None:
        killed.append(wait_for(lambda: at_work(store)))
        os.kill(killed[0], signal.SIGKILL)
        wait_for(lambda: len(list(store.glob("*.json"))) >= 2 and has_whole_checkpoint(store))
        nodes.remove_node(sorted(nodes.worker_nodes, key=str)[0], allow_graceful=False)
        killed.append("node")

    killer = threading.Thread(target=kill)
    killer.start()
    left = c.Cluster(address=nodes.address)([*EXPS, WRONG], store, say=lines.append, every=0.0)
    killer.join()
    print(*lines, sep="\n")
    assert len(killed) == 2 and not Path(f"/proc/{killed[0]}").exists(), "somebody was killed"
    assert set(left.done) == set(EXPS) and list(left.failed) == [WRONG]
    assert "do not fill one batch" in left.failed[WRONG] and "\n" not in left.failed[WRONG]
    check_whole(store, alone)
    sessions = [len(read_run(Store(store).path(exp))["sessions"]) for exp in EXPS]
    assert sum(sessions) > len(EXPS), "a killed run goes on from its checkpoint"
    assert "(7 of 7 runs)" in lines[-1] and any("left)" in line for line in lines)


DRIVER = """
import sys
from pc_precision.runs.cluster import Cluster
sys.path.insert(0, {tests!r})
from test_cluster import EXPS
left = Cluster(address={address!r})(EXPS, {store!r}, every=0.0, say=lambda line: print(line, flush=True))
print(left)
"""


@pytest.mark.slow
def test_a_driver_that_died_is_started_again(nodes, alone, tmp_path):
    store = tmp_path / "store"
    if len(nodes.worker_nodes) < 2:
        patiently(lambda more: nodes.add_node(num_cpus=1, **more))
    code = DRIVER.format(tests=str(ROOT / "tests"), address=nodes.address, store=str(store))
    driver = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    wait_for(lambda: list(store.glob("*.json")) and has_whole_checkpoint(store))
    driver.kill()
    driver.communicate()
    before = {path.name: path.stat().st_mtime_ns for path in store.glob("*.json")}
    left = c.Cluster(address=nodes.address)(EXPS, store, every=0.0, say=lambda line: None)
    assert 0 < len(before) < len(EXPS) and set(left.done) <= set(EXPS) and not left.failed and not left.elsewhere
    assert {path.name: path.stat().st_mtime_ns for path in store.glob("*.json") if path.name in before} == before, "nothing twice"
    check_whole(store, alone)


@pytest.mark.slow
def test_a_time_limit_and_a_node_without_what_a_run_needs(nodes, tmp_path):
    engine = c.Cluster(address=nodes.address)
    left = engine(EXPS[:2], tmp_path, limit=Limit(0.0), say=lambda line: None)
    assert set(left.to_do) == set(EXPS[:2]) and not left.done and not list(tmp_path.glob("*.json"))
    with says("no node has the 2 GPUs and 1 cores", "0 GPUs and 1 cores"):
        c.Cluster(gpus=2, address=nodes.address)(EXPS[:1], tmp_path, say=lambda line: None)


@pytest.mark.slow
def test_asked_to_stop_each_worker_ends_its_epoch_and_keeps_it(nodes, tmp_path):
    endless, limit = [replace(exp, epochs=10 ** 6) for exp in EXPS[:2]], Limit()

    def ask() -> None:
        wait_for(lambda: all((tmp_path / ".locks" / f"{exp.key}.lock").exists() for exp in endless))
        limit.asked = "a test"

    asking = threading.Thread(target=ask)
    asking.start()
    left = c.Cluster(address=nodes.address)(endless, tmp_path, limit=limit, say=lambda line: None, every=1e9)
    asking.join()
    assert set(left.under_way) == set(endless) and not left.to_do and not left.failed, "no checkpoint was due but the last"


@pytest.mark.slow
def test_workers_share_a_search(nodes, tmp_path):
    plan = pc.runs.Search(replace(EXPS[0], epochs=1), trials=4, startup=2)
    trials = c.search_on(c.Cluster(address=nodes.address), plan, c.Order(tmp_path))
    assert list(trials.state).count("COMPLETE") == 4 and pc.runs.load_best(tmp_path / f"{plan.name}.json").model == "mlp-16"
    assert len(c.search_on(c.Cluster(address=nodes.address), plan, c.Order(tmp_path), workers=1)) == len(trials), "a finished search is over"


# Without a cluster

@pytest.fixture
def nobody() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


def test_no_cluster_is_one_sentence_at_once(nobody, tmp_path, monkeypatch):
    begun = time.monotonic()
    with says(nobody, "`ray start --head`", error=ConnectionError):
        c.Cluster(address=nobody)(EXPS[:1], tmp_path)
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path))          # no cluster was ever started
    with says("'auto'", "RAY_ADDRESS", error=ConnectionError):
        c.Cluster()(EXPS[:1], tmp_path)
    (tmp_path / "ray").mkdir()
    (tmp_path / "ray" / "ray_current_cluster").write_text(nobody)          # one that is gone
    with says("'auto'", error=ConnectionError):
        c.Cluster()(EXPS[:1], tmp_path)
    monkeypatch.setenv("RAY_ADDRESS", "ray://" + nobody)
    with says(nobody, error=ConnectionError):
        c.Cluster()(EXPS[:1], tmp_path)
    assert time.monotonic() - begun < 20


def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with says('pip install "pc_precision[ray]"'):
        c.Cluster()(EXPS[:1], tmp_path)


def test_what_is_stored_asks_for_no_cluster(alone_store, monkeypatch):
    monkeypatch.setattr(c, "connected", lambda address: pytest.fail("nothing is missing"))
    assert c.Cluster()([EXPS[0]], alone_store) == ([], [], [], [], {})


def test_what_a_killed_process_left_of_a_stored_run_is_removed(alone_store):
    left = alone_store / ".checkpoints" / EXPS[0].key / ".partial-1-000019" / "state"
    left.mkdir(parents=True)
    for engine in (c.Cluster(patience=0.0), work):
        left.mkdir(parents=True, exist_ok=True)
        with Store(alone_store).locked(EXPS[0].key):
            engine([EXPS[0]], alone_store)
        assert left.is_dir(), "somebody is at it"
        engine([EXPS[0]], alone_store)
        assert not list(alone_store.glob(".checkpoints/*"))


@pytest.fixture
def alone_store(tmp_path) -> Path:
    exp = EXPS[0]
    rows = [[epoch, "test", "top1", None, 0.5] for epoch in range(1, 11)]
    run = {"key": exp.key, "experiment": {n: v for n, v in exp.settings.items() if v is not None}, "outcome": "finished",
           "seconds": 50.0, "provenance": {"device": "some GPU"}, "rows": rows}
    Store(tmp_path).path(exp).write_text(json.dumps(run))
    return tmp_path


@pytest.mark.parametrize("given, words", [
    (dict(gpus=1.5), ("gpus", "1.5")), (dict(gpus=-1), ("gpus", "-1")), (dict(cores=0), ("cores", "at least 1")), (dict(retries=-1), ("retries", "-1"))])
def test_bad_shares_are_refused(given, words):
    with says(*words):
        c.Cluster(**given)


NODES = [dict(Alive=True, Resources=dict(CPU=8.0, GPU=2.0)), dict(Alive=True, Resources=dict(CPU=32.0)),
         dict(Alive=False, Resources=dict(CPU=64.0, GPU=8.0))]


def test_a_run_gets_one_gpu_where_there_are_any_and_a_dead_node_has_none():
    assert c.fit_gpus(c.Cluster(), NODES).gpus == 1 and c.fit_gpus(c.Cluster(), NODES[1:]).gpus == 0
    assert c.fit_gpus(c.Cluster(gpus=0, cores=32), NODES).gpus == 0
    for wish in (dict(gpus=8), dict(gpus=1, cores=32)):
        with says("no node has"):
            c.fit_gpus(c.Cluster(**wish), NODES)


def test_as_many_workers_as_fit():
    assert c.places(c.Cluster(gpus=1.0, cores=4), NODES) == 2 and c.places(c.Cluster(gpus=0.5, cores=3), NODES) == 2
    assert c.places(c.Cluster(gpus=0.0, cores=8), NODES) == 1 + 4


def test_a_worker_keeps_to_its_share():
    assert c.environment(c.Cluster(gpus=0, cores=3)) == {"JAX_PLATFORMS": "cpu", "NPROC": "3"}
    assert c.environment(c.Cluster(gpus=1.0)) == {} and c.environment(c.Cluster(gpus=0.5)) == {"XLA_PYTHON_CLIENT_MEM_FRACTION": "0.450"}


def test_a_worker_that_would_compute_something_else_refuses(tmp_path):
    for order, words in [(c.Order(tmp_path, gpus=1.0), "JAX on the node sees none"), (c.Order(tmp_path, version="0.0.1"), "the sender 0.0.1")]:
        with says(words, error=RuntimeError):
            c.train_here(EXPS[0], order)
        assert not list(tmp_path.glob("*.json"))


def test_a_run_of_another_process_is_left_to_it(tmp_path):
    with Store(tmp_path).locked(EXPS[0].key):
        assert c.train_here(EXPS[0], c.Order(tmp_path)).ended.outcome == "elsewhere"


class Ray:
    """Ray as the sender sees it: a task is its answer, or the error in its place; one ends a second, and cancelled ones at once."""

    def __init__(self):
        self.cancelled = []
        self.exceptions = SimpleNamespace(TaskCancelledError=KeyError, RayTaskError=Raised, RayError=OSError)

    def wait(self, tasks, timeout):
        return tasks[:1], tasks[1:]

    def get(self, task):
        if task in self.cancelled:
            raise KeyError
        if isinstance(task.answer, Exception):
            raise task.answer
        return task.answer

    def cancel(self, task):
        self.cancelled.append(task)


class Raised(Exception):
    """An error in a worker."""
    cause = ValueError("no data\nand pages about it")


def test_every_end_of_a_task_is_one_sentence():
    given = [c.Answer(Ended(EXPS[0], "finished")), Raised(), OSError("the node died")]
    tasks = {SimpleTask(answer): exp for answer, exp in zip(given, EXPS)}
    ends = [answer.ended for answer in c.answers(Ray(), tasks, Limit())]
    assert [end.exp for end in ends] == EXPS[:3] and [end.outcome for end in ends] == ["finished", "failed", "failed"]
    assert ends[1].said == "ValueError: no data" and ends[2].said == "its worker died each time (OSError: the node died)"


def test_somebody_who_asks_stops_all_runs():
    limit = Limit()
    limit.asked = "SIGTERM"
    ray, tasks = Ray(), {SimpleTask(c.Answer(Ended(exp, "finished"))): exp for exp in EXPS}
    ends = [answer.ended for answer in c.answers(ray, tasks, limit)]
    assert ray.cancelled == list(tasks) and {end.outcome for end in ends} == {"interrupted"} and len(ends) == len(EXPS)


class SimpleTask:
    def __init__(self, answer):
        self.answer = answer


def test_a_line_says_where_each_run_ended_and_how_many_are_left(monkeypatch, tmp_path):
    given = [c.Answer(Ended(EXPS[0], "finished"), node="there"), c.Answer(Ended(EXPS[1], "failed", "no data")), c.Answer(Ended(EXPS[2], "stopped early"))]
    ray = SimpleNamespace(nodes=lambda: [dict(Alive=True, Resources=dict(CPU=2.0))])
    monkeypatch.setattr(c, "connected", lambda address: contextlib.nullcontext(ray))
    monkeypatch.setattr(c, "task_of", lambda *_: SimpleNamespace(remote=lambda exp, order: exp.key))
    monkeypatch.setattr(c, "answers", lambda ray, tasks, limit: iter(given))
    said = []
    assert list(c.train_there(c.Cluster(), c.Order(tmp_path), Limit(), said.append, EXPS[:3])) == [answer.ended for answer in given]
    assert said[0] == "3 runs, 2 at once" and said[1].startswith("digits mlp-16 S+F seed 0: finished on there (1 of 3 runs, less than a minute left)")
    assert "BP seed 0: failed: no data (2 of 3 runs, less than a minute left)" in said[2] and said[3].endswith("PC seed 0: stopped early (3 of 3 runs)")

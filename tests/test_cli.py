"""The command line: a thin door that says what it opens."""
import json
import os
import shlex
import signal
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path
from types import SimpleNamespace

import papermill.cli
import pytest
from click.testing import CliRunner
from papermill.exceptions import PapermillExecutionError

import pc_precision as pc
from pc_precision import cli
from pc_precision.machine import processor
from pc_precision.runs import queue
from pc_precision.runs.store import Store, read_run

ROOT = Path(__file__).resolve().parent.parent


def call(*words: str):
    return CliRunner().invoke(cli.main, list(words))


def keep(store: Path, exp: pc.Experiment, seconds: float, epochs: int, device: str, outcome: str = "finished") -> None:
    """A stored run of `exp`, as far as the command line looks at it."""
    store.mkdir(exist_ok=True)
    rows = [[epoch, "test", "top1", None, 0.5] for epoch in range(1, epochs + 1)]
    settings = {name: value for name, value in exp.settings.items() if value is not None}
    run = {"key": exp.key, "experiment": settings, "outcome": outcome, "seconds": seconds,
           "provenance": {"device": device}, "rows": rows}
    Store(store).path(exp).write_text(json.dumps(run))


@pytest.fixture
def papermills(monkeypatch) -> list:
    """Calls of papermill, which runs nothing."""
    calls = []
    monkeypatch.setattr(papermill.cli, "execute_notebook", lambda **given: calls.append(given))
    return calls


def notebook(folder: Path, name: str, *sources: str) -> Path:
    """A notebook whose first code cell is tagged `parameters`."""
    found = [{"cell_type": "markdown", "metadata": {}, "source": [f"# {name} by heart\n", "\n", "# another"]}]
    for i, source in enumerate(sources):
        tags = {"tags": ["parameters"]} if i == 0 else {}
        found.append({"cell_type": "code", "metadata": tags, "source": source.splitlines(keepends=True), "outputs": []})
    path = folder / f"{name}.ipynb"
    path.write_text(json.dumps({"cells": found, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


@pytest.fixture
def fig9(tmp_path, monkeypatch) -> list:
    """A notebook `fig9` that declares a few parameters; the list is what it trains."""
    notebook(tmp_path, "fig9", "profile: str = 'smoke'\nresults_dir: str = 'results'\ndata_dir: str = None")
    monkeypatch.setattr(cli, "notebook_folder", lambda: tmp_path)
    wanted = []
    monkeypatch.setattr(cli, "items", lambda name, profile, **parameters: list(wanted))
    return wanted


def test_list_names_every_figure_and_table_with_its_title():
    lines = dict(line.split(maxsplit=1) for line in call("list").output.splitlines())
    named = {path.stem for path in (ROOT / "nbs").glob("*.ipynb") if not path.name[0].isdigit()}
    assert set(lines) == named - {"index"}
    assert lines["table1"] == "Table 1: test accuracies"


def test_run_prints_the_papermill_command_it_runs(papermills, tmp_path, monkeypatch):
    monkeypatch.setattr(cli, "items", lambda name, profile, **parameters: [])
    out, store = tmp_path / "out", tmp_path / "store"
    answer = call("run", "table1", "--profile", "laptop", "-p", "models", "vgg5", "-p", "epochs", "2",
                  "--out", str(out), "--results", str(store))
    assert answer.exit_code == 0, answer.output
    words = shlex.split(answer.output.splitlines()[0])
    assert words == ["papermill", str(ROOT / "nbs" / "table1.ipynb"), str(out / "table1.ipynb"),
                     "-p", "profile", "laptop", "-p", "results_dir", str(store), "-p", "out_dir", str(out),
                     "-p", "models", "vgg5", "-p", "epochs", "2"]
    [given] = papermills
    assert [given["input_path"], given["output_path"]] == words[1:3]
    assert given["parameters"] == {"profile": "laptop", "results_dir": str(store), "out_dir": str(out),
                                   "models": "vgg5", "epochs": 2}, "numbers arrive as numbers: papermill reads them"


def test_run_gives_a_notebook_only_what_it_declares(papermills, tmp_path, monkeypatch):
    notebook(tmp_path, "fig9", "out_dir: str = 'out'\n")
    monkeypatch.setattr(cli, "notebook_folder", lambda: tmp_path)
    monkeypatch.setattr(cli, "items", lambda name, profile: [])
    assert call("run", "fig9", "--out", str(tmp_path / "out")).exit_code == 0
    assert papermills[0]["parameters"] == {"out_dir": str(tmp_path / "out")}


@pytest.mark.parametrize("words, said", [
    (["run", "tabel1"], "did you mean 'table1'?"),
    (["run", "table1", "--profile", "papr"], "did you mean 'paper'?"),
    (["run", "table1", "-p", "modles", "vgg5"], "did you mean 'models'?"), (["run", "table1", "-p", "seeds", "3.5"], "seeds must be a list of int"),
    (["train", "tabel1"], "did you mean 'table1'?"), (["train", "table1", "--time-limit", "5"], "a time limit is written as"),
    (["train", "table1", "--pack", "a.rar"], "must end with"), (["train", "table1", "--profile", "papr"], "did you mean 'paper'?")])
def test_misspelt_names_stop_in_one_sentence(words, said, papermills, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    answer = call(*words)
    assert answer.exit_code == 1 and papermills == []
    assert said in answer.output and answer.output.count("\n") == 1 and "Traceback" not in answer.output
    assert list(tmp_path.iterdir()) == [], "nothing is made for a name that does not exist"


def raising(error: BaseException):
    """A function that raises, whatever it is called with."""
    def fails(*given, **named):
        raise error
    return fails


def test_an_error_in_a_notebook_is_said_without_its_traceback(fig9, tmp_path, monkeypatch):
    error = PapermillExecutionError(3, 3, "source", "ValueError", "no such thing", [])
    monkeypatch.setattr(papermill.cli, "execute_notebook", raising(error))
    answer = call("run", "fig9", "--out", str(tmp_path / "out"))
    assert answer.exit_code == 1 and answer.output.splitlines()[-1] == "Error: ValueError: no such thing"


@pytest.mark.parametrize("said, line", [("stopped: 1 of 2 runs were finished", "stopped: 1 of 2 runs were finished"),
                                        ("", "stopped: what was finished is kept")])
def test_ctrl_c_is_the_status_130_and_one_line(said, line, papermills, fig9, tmp_path, monkeypatch):
    """Wherever it comes: in a notebook's kernel, which says so to papermill, or in this process before the notebook runs."""
    words = ["run", "fig9", "--out", str(tmp_path / "out"), "--results", str(tmp_path / "store")]
    monkeypatch.setattr(cli, "results", raising(KeyboardInterrupt(said)))
    answer = call(*words)
    assert (answer.exit_code, answer.stderr) == (130, line + "\n") and papermills == []
    monkeypatch.setattr(cli, "results", lambda *given: None)
    monkeypatch.setattr(papermill.cli, "execute_notebook", raising(PapermillExecutionError(3, 3, "source", "KeyboardInterrupt", said, [])))
    answer = call(*words)
    assert (answer.exit_code, answer.stderr.splitlines()[-1]) == (130, line) and "Traceback" not in answer.output


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_all_workers(tmp_path):
    """The whole group of processes gets the signal, as from a terminal; what was finished is found the next time."""
    words = ["run", "table1", "-p", "models", "vgg5", "-p", "algorithms", "BP", "-p", "seeds", "[0, 1, 2, 3, 4, 5]", "--workers", "2",
             "--results", str(tmp_path / "store"), "--out", str(tmp_path / "out")]
    started = subprocess.Popen([sys.executable, "-m", "pc_precision", *words], cwd=ROOT, stderr=subprocess.PIPE, text=True, start_new_session=True,
                               preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler))
    lines = iter(started.stderr.readline, "")
    assert next(line for line in lines if line.startswith("1 of 12 runs") or line.startswith("2 of 12 runs"))
    os.killpg(started.pid, signal.SIGINT)
    *_, last = started.communicate(timeout=60)[1].splitlines()
    stored = len(list((tmp_path / "store").glob("*.json")))
    assert started.returncode == 130 and last.startswith(f"stopped: {stored} of 12 runs were finished") and 0 < stored < 12
    assert not alive(started.pid), "no worker goes on"


def alive(group: int) -> bool:
    """Whether a group of processes has a member."""
    try:
        os.killpg(group, 0)
        return True
    except ProcessLookupError:
        return False


@pytest.mark.parametrize("words", [["--out"], ["-p", "out_dir"]])
def test_an_out_folder_that_cannot_be_written_is_refused_before_anything_trains(words, papermills, fig9, tmp_path, monkeypatch):
    notebook(tmp_path, "fig9", "results_dir: str = 'results'\nout_dir: str = 'out'")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("")
    fig9.append(pc.Experiment(model="mlp-4", limit=64, batch_size=32, epochs=1, augment=False))
    answer = call("run", "fig9", *words, str(tmp_path / "file" / "out"), "--results", str(tmp_path / "store"))
    assert answer.exit_code == 1 and "nothing can be written in" in answer.output and answer.output.count("\n") == 1
    assert papermills == [] and not (tmp_path / "store").exists()


def test_run_trains_before_the_notebook_with_other_workers(papermills, fig9, tmp_path, monkeypatch):
    fig9.append(pc.Experiment(model="mlp-4", limit=64, batch_size=32, epochs=1, augment=False))
    asked = []
    start = lambda words, **given: asked.append(words) or SimpleNamespace(terminate=lambda: None, wait=lambda: None)
    monkeypatch.setattr(cli, "subprocess", SimpleNamespace(Popen=start, DEVNULL=None))
    words = ["--profile", "smoke", "--results", str(tmp_path / "store"), "-p", "data_dir", "None"]
    answer = call("run", "fig9", *words, "--out", str(tmp_path / "out"), "--workers", "3")
    assert answer.exit_code == 0 and len(papermills) == 1 and len(list((tmp_path / "store").glob("*.json"))) == 1
    assert "0 of 1 runs: digits mlp-4 S+F seed 0" in answer.stderr
    assert asked == 2 * [[sys.executable, "-m", "pc_precision", "train", "fig9", *words]]
    cli.main.commands["train"].make_context("train", ["fig9", *words])          # raises for what it does not know


def test_the_runs_of_a_table_of_seconds_have_the_machine_for_themselves(tmp_path):
    with pytest.raises(ValueError, match="do not share a machine"), cli.helpers(1, ["table6"]):
        pass


def test_without_notebooks_one_sentence_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(pc, "__file__", str(tmp_path / "site-packages" / "pc_precision" / "__init__.py"))
    for words in (["list"], ["run", "table1"], ["status"]):
        answer = call(*words)
        assert answer.exit_code == 1 and "install pc_precision again" in answer.output.splitlines()[-1]


def test_the_notebooks_are_those_of_a_clone_else_those_that_the_package_brings(tmp_path, monkeypatch):
    monkeypatch.setattr(pc, "__file__", str(tmp_path / "pc_precision" / "__init__.py"))
    for folder in ("pc_precision/notebooks", "nbs"):
        (tmp_path / folder).mkdir(parents=True)
        notebook(tmp_path / folder, "fig9", "profile: str = 'smoke'")
        assert list(cli.notebooks().values()) == [tmp_path / folder / "fig9.ipynb"]


@pytest.mark.parametrize("given", ["BP,PC", '["BP","PC"]', "['BP', 'PC']"])
def test_a_parameter_means_the_same_to_queue_and_notebook(given, papermills, tmp_path, monkeypatch):
    """What is trained before is what the notebook is given, asked with the values that papermill hands it."""
    jobs = []
    monkeypatch.setattr(cli, "start", lambda job, *rest: jobs.append(job) or queue.Left([], [], [], [], {}))
    words = ["-p", "algorithms", given, "-p", "seeds", "7", "-p", "epochs", "2", "-p", "models", "vgg5"]
    assert call("run", "table1", "--time-limit", "1m", *words, "--out", str(tmp_path)).exit_code == 0
    [told], [job] = papermills, jobs
    names = ("algorithms", "seeds", "epochs", "models")
    assert list(job.wanted) == pc.paper.items("table1", "smoke", **{name: told["parameters"][name] for name in names})
    assert {exp.algorithm for exp in job.wanted} == {"BP", "PC"} and {exp.seed for exp in job.wanted} == {7}


def test_a_store_or_profile_among_the_parameters_is_where_the_queue_trains(papermills, tmp_path, monkeypatch):
    jobs = []
    monkeypatch.setattr(cli, "start", lambda job, *rest: jobs.append(job) or queue.Left([], [], [], [], {}))
    words = ["-p", "results_dir", str(tmp_path / "there"), "-p", "data_dir", "DATA", "-p", "profile", "laptop"]
    assert call("run", "table1", "--time-limit", "1m", *words, "--results", "here", "--out", str(tmp_path)).exit_code == 0
    [told], [job] = papermills, jobs
    assert str(job.store) == told["parameters"]["results_dir"] == str(tmp_path / "there") and job.data_dir == told["parameters"]["data_dir"] == "DATA"
    assert told["parameters"]["profile"] == "laptop" and list(job.wanted) == pc.paper.items("table1", "laptop")
    call("train", "table6", "--results", "here")
    assert jobs[-1].store == pc.paper.store_of("table6", "here"), "seconds lie where the notebook looks for them"


def test_values_are_read_as_papermill_reads_them():
    texts = ["3", "0.5", "True", "None", "[0, 1]", "vgg5,vgg7", "S+F", "1e-3"]
    read = [cli.read_parameters("table1", [("models", text)])["models"] for text in texts]
    assert read == [3, 0.5, True, None, "[0, 1]", "vgg5,vgg7", "S+F", 1e-3]


def test_status_counts_what_is_missing(tmp_path):
    store, wanted = tmp_path / "store", pc.paper.items("table1", "smoke")
    for exp in wanted[:3]:
        keep(store, exp, 30.0, exp.epochs, "another device")
    keep(store, pc.Experiment(seed=99), 1.0, 1, "another device", outcome="diverged")
    lines = call("status", "--results", str(store)).output.splitlines()
    assert lines[0] == f"{store}: 4 runs, 1 diverged" and lines[1] == "  4 on another device"
    row = next(line.split() for line in lines if line.startswith("table1") and "smoke" in line)
    counts = [str(len(wanted)), "3", str(len(wanted) - 3)]
    assert row == ["table1", "smoke", *counts, "unknown"], "other devices tell nothing"


def test_status_estimates_from_runs_on_this_device(tmp_path):
    store, wanted = tmp_path / "store", pc.paper.grid("laptop", algorithms=["S+F"], models=["vgg5"])
    keep(store, wanted[0], 600.0, 6, processor())                                # 100 s an epoch
    others = pc.paper.grid("laptop", algorithms=["S+F"], models=["vgg5"], seeds=[5])    # the same but the seed
    seconds = queue.epoch_seconds([read_run(path) for path in store.glob("*.json")], processor())
    assert cli.hours(others[:1], seconds) == f"{100 * others[0].epochs / 3600:.2g}"
    bf = others[1]
    assert bf.batch_norm == "freeze" and cli.hours(others, seconds).endswith("(unknown: 1 of 2 runs)")
    assert cli.hours([], seconds) == "0"


def test_status_warns_of_a_broken_result_and_counts_the_others(tmp_path):
    (tmp_path / "digits_mlp-4_BP_none_s0_0123456789abcdef.json").write_text("{")
    (tmp_path / "package.json").write_text("{}")
    with pytest.warns(UserWarning, match="0123456789abcdef.json is not a whole result file"):
        answer = call("status", "--results", str(tmp_path))
    assert answer.exit_code == 0 and "0 runs" in answer.output


def test_info_tells_versions_and_devices():
    lines = dict(line.split(maxsplit=1) for line in call("info").output.splitlines())
    import jax
    import numpy
    assert (lines["jax"], lines["numpy"]) == (jax.__version__, numpy.__version__)
    assert processor() in lines["devices"]


def test_the_command_that_setup_promises_is_this_one():
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    [entry] = config["DEFAULT"]["console_scripts"].split()
    assert entry == f"pc-precision={cli.main.callback.__module__}:main"
    code = "import sys; from pc_precision.cli import main; sys.argv = ['pc-precision', '--help']; main()"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert all(command in shown for command in cli.main.commands)


def test_a_time_limit_trains_first_and_runs_the_notebook_once_nothing_is_left(papermills, fig9, tmp_path):
    fig9.append(pc.Experiment(model="mlp-4", limit=64, batch_size=32, epochs=1, augment=False))
    words = ["run", "fig9", "--results", str(tmp_path / "store"), "--out", str(tmp_path / "out"), "--time-limit"]
    answer = call(*words, "0s")
    assert answer.exit_code == 0 and answer.output.splitlines()[-1] == "time is up: 0 done, 1 to do" and papermills == []
    answer = call(*words, "10m")
    assert answer.exit_code == 0 and "the end: 1 done, 0 to do" in answer.output and len(papermills) == 1
    answer = call(*words, "ten minutes")
    assert answer.exit_code == 1 and "a time limit is written as 90s" in answer.output


def test_training_runs_no_notebook_and_packs_what_it_made(papermills, fig9, tmp_path):
    fig9.append(pc.Experiment(model="mlp-4", limit=64, batch_size=32, epochs=1, augment=False))
    words = ["train", "fig9", "--results", str(tmp_path / "store"), "--pack", str(tmp_path / "home.zip")]
    answer = call(*words)
    assert answer.exit_code == 0 and "the end: 1 done, 0 to do" in answer.output and papermills == []
    assert pc.runs.Store(tmp_path / "home").merge([tmp_path / "home.zip"]) == (1, 0)


@pytest.mark.parametrize("words", [["run", "--time-limit", "1m"], ["train"]])
def test_a_failed_run_is_an_error(words, papermills, fig9, tmp_path):
    fig9.append(pc.Experiment(dataset="cifar10"))
    answer = call(words[0], "fig9", *words[1:], "--results", str(tmp_path / "store"), "-p", "data_dir", str(tmp_path))
    assert answer.exit_code == 1 and papermills == []
    assert "cifar10 is not prepared in" in answer.output


def test_results_are_packed_and_merged(tmp_path):
    store, home = tmp_path / "store", tmp_path / "home"
    pc.results([pc.Experiment(model="mlp-4", limit=64, batch_size=32, epochs=1, augment=False)], store, progress=False)
    archive = str(tmp_path / "a.zip")
    assert call("results", "pack", archive, "--results", str(store)).output == f"1 results packed in {archive}\n"
    for new, there in ((1, 0), (0, 1)):
        answer = call("results", "merge", archive, "--results", str(home))
        assert answer.output == f"{new} results merged into {home}, {there} were there\n"
    answer = call("results", "merge", str(tmp_path / "b.zip"), "--results", str(home))
    assert answer.exit_code == 1 and answer.output.startswith("Error: there is no file or folder") and answer.output.count("\n") == 1


def test_status_shows_what_is_under_way(tmp_path):
    limit, exp = queue.Limit(), pc.Experiment(model="mlp-4", limit=64, batch_size=32, epochs=3, augment=False)
    queue.work([exp], tmp_path, limit=limit, say=lambda line: setattr(limit, "asked", "test"))
    lines = call("status", "--results", str(tmp_path)).output.splitlines()
    assert f"  under way: digits mlp-4 S+F none seed 0: epoch 1 of 3, last on {processor()}" in lines


@pytest.mark.parametrize("module", ["pc_precision", pytest.param("pc_precision.cli", marks=pytest.mark.slow)])
def test_python_m_is_the_same_command(module):
    shown = subprocess.run([sys.executable, "-m", module, "list"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert shown == call("list").output

"The search: the paper's space, nothing lost, nothing searched twice, and a file that reproduces its number."
import importlib
import json
import os
import shutil
import subprocess
import sys
import time
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from scipy import stats

from pc_precision.algorithms import ALGORITHMS
from pc_precision.data import load
from pc_precision.experiment import Experiment
from pc_precision.paper.figures import found_table, space_table
from pc_precision.paper.profiles import items, plan_search, plans as plans_of
from pc_precision.runs.search import (FINISHED, Search, best_record, give_up_silent, heartbeat, importances, in_state, load_best,
                                      numbered_tpe, objective, one_trial, open_study, read_best, read_trials, search, space, trials_table)

one_of = CategoricalDistribution
module = importlib.import_module("pc_precision.runs.search")
BASE = Experiment(model="mlp-8", algorithm="PC", epochs=2, schedule_epochs=2)
PLAN = Search(BASE, trials=8, space=space(BASE, activation=["relu"], T=[2]), startup=4)
DIGITS = load("digits")


def pretended(exp, data, report=lambda epoch, value: None):
    "An objective without training: highest where x_step = 0.1."
    value = 1 / (1 + np.log10(exp.x_step / 0.1) ** 2)
    report(1, value)
    return value, {"outcome": "finished", "epochs": 1, "epoch": 1, "test": value}


@pytest.fixture
def pretend(monkeypatch):
    monkeypatch.setattr(module, "objective", pretended)


@pytest.fixture(scope="module")
def whole_search(tmp_path_factory):
    "A folder in which a search of PLAN, with a pretended objective, has ended."
    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "objective", pretended)
        search(PLAN, folder, progress=False)
    return folder


@pytest.fixture
def ended(whole_search, tmp_path, pretend):
    "A copy of it."
    return Path(shutil.copytree(whole_search, tmp_path / "ended"))


@pytest.fixture
def memory():
    "A study of PLAN in memory."
    return optuna.create_study(direction="maximize", sampler=numbered_tpe(0, 1000))


# The space

ALL = {"activation", "learning_rate", "weight_decay"}
RELAXED = ALL | {"x_step", "momentum", "T"}


@pytest.mark.parametrize("algorithm, names", [
    ("BP", ALL), ("PC", RELAXED), ("S+F", RELAXED), ("F", RELAXED), ("D", RELAXED | {"k"}), ("D+F", RELAXED | {"k"}),
    ("PC-CN", RELAXED | {"beta"}), ("S+F-CN", RELAXED | {"beta"}), ("D+F-CN", RELAXED | {"k", "beta"})])
def test_an_algorithm_searches_what_it_uses(algorithm, names):
    assert space(Experiment(algorithm=algorithm)).keys() == names


def test_space_is_table_5():
    found = space(Experiment(algorithm="D+F-CN", model="vgg5"))
    number = FloatDistribution
    assert found == {"activation": one_of(("leaky_relu", "gelu", "hard_tanh", "relu")), "k": one_of((1.0, 1.5, 2.0)),
                     "beta": number(0.15, 0.9, step=0.15), "x_step": number(5e-3, 9e-1, log=True),
                     "learning_rate": number(1e-5, 3e-2, log=True), "momentum": number(0.0, 1.0, step=0.1),
                     "weight_decay": number(1e-5, 1e-2, log=True), "T": one_of((5, 6, 7, 8))}
    assert space(Experiment(algorithm="BP"))["learning_rate"] == number(1e-5, 3e-4, log=True)


@pytest.mark.parametrize("model, T", [("vgg5", (5, 6, 7, 8)), ("vgg7", (7, 9, 11, 13)), ("vgg10", (10, 12, 14, 16)),
                                      ("vgg15", (15, 17, 19, 21))])
def test_steps_of_each_network_are_those_of_table_5(model, T):
    assert space(Experiment(model=model))["T"].choices == T


def test_printed_table_has_the_papers_cells():
    table = space_table()
    left, right = table["predictive coding"], table["BP"]
    assert left["activation"] == right["activation"] == "[leaky_relu, gelu, hard_tanh, relu]"
    assert (left["learning_rate"], right["learning_rate"]) == ("(1e-05, 0.03)", "(1e-05, 0.0003)")
    assert left["weight_decay"] == right["weight_decay"] == "(1e-05, 0.01)" and left["x_step"] == "(0.005, 0.9)"
    assert left["T (VGG15)"] == "[15, 17, 19, 21]" and left["momentum"] == "[0, 1], 0.1" and left["k"] == "[1.0, 1.5, 2.0]"
    assert set(right[["k", "beta", "x_step", "momentum", "T (VGG5)"]]) == {"-"}
    assert (table.loc["epochs"].iloc[:2] == 25).all() and (table.loc["batch size"].iloc[:2] == 128).all()


@pytest.mark.parametrize("settings", [
    dict(x_step=0.1315, momentum=0.5, learning_rate=3.09e-4, weight_decay=3.81e-3, T=6, activation="gelu"),
    dict(x_step=0.804, momentum=0.1, learning_rate=7.51e-4, weight_decay=3.17e-5)])
def test_published_configurations_lie_in_the_space(settings):
    for name, value in settings.items():
        dist = space(Experiment(algorithm="D+F", model="vgg5"))[name]
        inside = value in dist.choices if isinstance(dist, CategoricalDistribution) else dist.low <= value <= dist.high
        assert inside, name
        if getattr(dist, "step", None):
            assert (value - dist.low) / dist.step == pytest.approx(round((value - dist.low) / dist.step))


# The draws

@pytest.fixture(scope="module")
def draws():
    "400 random draws of everything."
    study, dists = optuna.create_study(direction="maximize", sampler=numbered_tpe(0, 1000)), space(Experiment(algorithm="D+F-CN"))
    return pd.DataFrame([study.ask(dists).params for _ in range(400)])


@pytest.mark.parametrize("name, low, high", [("x_step", 5e-3, 0.9), ("learning_rate", 1e-5, 3e-2), ("weight_decay", 1e-5, 1e-2)])
def test_logarithms_are_uniform(draws, name, low, high):
    place = (np.log(draws[name]) - np.log(low)) / (np.log(high) - np.log(low))
    assert stats.kstest(place, "uniform").pvalue > 0.01
    assert stats.kstest((draws[name] - low) / (high - low), "uniform").pvalue < 1e-6, "the test must see plain uniformity"


@pytest.mark.parametrize("name, values", [("momentum", np.arange(11) / 10), ("beta", [0.15, 0.3, 0.45, 0.6, 0.75, 0.9]),
                                          ("k", [1, 1.5, 2]), ("T", [5, 6, 7, 8]),
                                          ("activation", ["leaky_relu", "gelu", "hard_tanh", "relu"])])
def test_steps_and_choices_are_equally_likely_and_complete(draws, name, values):
    column = draws[name] if name == "activation" else draws[name].round(9)
    counts = column.value_counts()
    assert set(counts.index) == set(np.round(values, 9) if name != "activation" else values)
    assert stats.chisquare(counts).pvalue > 0.01


def test_a_trial_is_drawn_by_a_fresh_sampler_seeded_with_seed_and_number():
    dists, study = space(Experiment(algorithm="D+F-CN")), optuna.create_study(sampler=numbered_tpe(3, 1000))
    drawn = [study.ask(dists).params for _ in range(3)]
    seeds = [int(np.random.SeedSequence([3, number]).generate_state(1)[0]) for number in range(3)]
    sampler = lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=1000, multivariate=True)
    fresh = [optuna.create_study(sampler=sampler(seed)) for seed in seeds]
    assert drawn == [study.ask(dists).params for study in fresh]


def test_settings_of_one_trial_are_independent(draws):
    logs = np.log(draws[["x_step", "learning_rate", "weight_decay"]])
    assert (np.abs(np.corrcoef(logs.T)) - np.eye(3)).max() < 0.15       # 3 standard deviations of 400 draws


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("model", ["vgg5", "vgg7", "vgg10", "vgg15", "mlp-16-16"])
def test_every_draw_is_a_valid_experiment(algorithm, model):
    plan = Search(Experiment(algorithm=algorithm, model=model))
    study = optuna.create_study(direction="maximize", sampler=numbered_tpe(1, 1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(4):
            params = study.ask(plan.space).params
            exp = plan.experiment(params)
            assert all(getattr(exp, name) == pytest.approx(value) for name, value in params.items())


# The plan

def test_name_tells_what_and_its_end_decides():
    assert PLAN.name.startswith("digits_mlp-8_PC_none_") and replace(PLAN, trials=9).name == PLAN.name
    others = [replace(PLAN, base=replace(BASE, epochs=3)), replace(PLAN, seed=1), replace(PLAN, startup=5),
              replace(PLAN, prune=True), replace(PLAN, space=space(BASE)), replace(PLAN, base=replace(BASE, select="test"))]
    assert len({p.name for p in [PLAN, *others]}) == 7
    searched = replace(PLAN, base=replace(BASE, x_step=0.3, learning_rate=0.1))
    assert searched.name == PLAN.name, "what is searched does not matter in the base"


@pytest.mark.parametrize("wrong, said", [
    (dict(trials=0), "trials must be"), (dict(trials=True), "trials must be"), (dict(space={"xstep": one_of([1])}), "x_step"),
    (dict(space={"k": one_of([1.0])}), "unknown setting 'k'"),
    (dict(space={"x_step": FloatDistribution(-1.0, 1.0)}), "x_step must be"),
    (dict(space={"activation": one_of(["gelu", "rellu"])}), "relu")])
def test_a_wrong_plan_is_one_sentence(wrong, said):
    with pytest.raises(ValueError, match=said) as error:
        replace(PLAN, **wrong)
    assert "\n" not in str(error.value)


def test_profiles():
    exp = Experiment(model="vgg7")
    assert plan_search(exp, "paper").trials == 500 and plan_search(exp, "paper").space == space(exp)
    laptop = plan_search(exp, "laptop").space
    assert laptop["T"].choices == (7, 11) and laptop["activation"].choices == ("gelu",)
    assert laptop.keys() == space(exp).keys() and plan_search(Experiment(algorithm="BP"), "laptop").space.keys() == ALL
    with pytest.raises(ValueError, match="did you mean 'smoke'"):
        plan_search(exp, "smok")


# Names that older versions gave: a study that is half done must be found again

@pytest.mark.parametrize("plan, name", [
    (PLAN, "digits_mlp-8_PC_none_9826a6b1"), (Search(BASE), "digits_mlp-8_PC_none_8ca69620"),
    (Search(BASE, space={"x_step": FloatDistribution(0.001, 0.5, log=True), "momentum": FloatDistribution(0.0, 0.9, step=0.3),
                         "T": one_of([2, 3])}),
     "digits_mlp-8_PC_none_e5ee4bd5")])
def test_names_of_studies_do_not_change(plan, name):
    assert plan.name == name


@pytest.mark.parametrize("name", ["cifar10_vgg5_PC_none_174ac7b7", "digits_vgg5_S+F_none_6db7ac6d"])
def test_stored_searches_are_read_and_name_their_plan(name):
    path = Path(__file__).parent.parent / "results" / "search" / f"{name}.json"
    dataset, _, algorithm = name.split("_")[:3]
    plans = [plan for profile in ("smoke", "laptop") for plan in plans_of("table5", profile, datasets=dataset, algorithms=algorithm)]
    trials, found = read_trials(path.with_suffix(".csv")), read_best(path)
    assert (trials.state == "COMPLETE").sum() == found["trials"]["finished"] == 40 and trials.value.max() == found["objective"]
    assert load_best(path).key == found["key"] and name in [plan.name for plan in plans]


def test_the_runs_after_a_search_are_those_that_the_laptop_tables_show(monkeypatch):
    root = Path(__file__).parent.parent
    monkeypatch.syspath_prepend(root / "tools")
    tool, shown = importlib.import_module("searches"), {exp.key for name in ("verdicts", "table1") for exp in items(name, "laptop")}
    for row, model in tool.ORDER:
        runs = tool.cells(row, model, root / "results" / "search")
        assert {(exp.batch_norm, exp.seed) for exp in runs} == {(norm, seed) for norm in (None, "freeze") for seed in (0, 1, 2)}
        assert {exp.key for exp in runs} <= shown, (row, model)


def test_whole_numbers_between_bounds_are_searched(pretend, tmp_path):
    plan = replace(PLAN, space={"T": IntDistribution(2, 4), "x_step": FloatDistribution(0.01, 0.5, log=True)}, trials=6)
    frame = search(plan, tmp_path, progress=False)
    assert set(frame["T"]) <= {2, 3, 4} and load_best(tmp_path / f"{plan.name}.json").T in (2, 3, 4)


# Going on

def same(a, b, names):
    return len(a) == len(b) and all((a[n].isna() & b[n].isna() | (a[n] == b[n])).all() for n in names)


def test_an_interrupted_study_goes_on_as_if_it_had_not_been(pretend, tmp_path):
    whole = search(PLAN, tmp_path / "a", progress=False)
    for trials in (3, 5, 8):
        parts = search(replace(PLAN, trials=trials), tmp_path / "b", progress=False)
        assert (parts.state == "COMPLETE").sum() == trials
    assert same(whole, parts, ["number", "value", *PLAN.space]) and whole.x_step.nunique() == 8


def test_ctrl_c_keeps_what_is_finished(monkeypatch, tmp_path):
    calls = []

    def third_is_interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return pretended(*args)
    monkeypatch.setattr(module, "objective", third_is_interrupted)
    with pytest.raises(KeyboardInterrupt):
        search(PLAN, tmp_path, progress=False)
    kept = read_trials(tmp_path / f"{PLAN.name}.csv")
    assert list(kept.state) == ["COMPLETE", "COMPLETE", "FAIL"]
    assert read_best(tmp_path / f"{PLAN.name}.json")["trials"]["failed"] == 1
    frame = search(PLAN, tmp_path, progress=False)
    assert list(frame.state).count("COMPLETE") == 8 and len(calls) == 9


def test_what_is_there_is_not_searched_again(pretend, monkeypatch, tmp_path):
    first = search(PLAN, tmp_path, progress=False)
    monkeypatch.setattr(module, "objective", None)
    monkeypatch.setattr(module, "open_storage", None)
    again = search(replace(PLAN, trials=5), tmp_path, progress=False)
    pd.testing.assert_frame_equal(first, again)


def test_csv_keeps_every_digit(pretend, tmp_path):
    frame = search(PLAN, tmp_path, progress=False)
    trials = open_study(PLAN, tmp_path / "search.db").get_trials()
    assert list(frame.value) == [t.value for t in trials]
    for name in ("x_step", "learning_rate", "weight_decay"):
        assert list(frame[name]) == [t.params[name] for t in trials]


# Many workers

WORKER = """
import importlib, os, sys, time
sys.path.insert(0, sys.argv[3])
import test_search as t
def slow(exp, data, report):
    time.sleep(0.2)
    value, about = t.pretended(exp, data, report)
    return value, about | {"outcome": f"worker {os.getpid()}"}
t.module.objective = slow
open(sys.argv[4], "w").close()
while len(os.listdir(os.path.dirname(sys.argv[4]))) < 3: time.sleep(0.05)       # all begin together
t.search(t.replace(t.PLAN, trials=12), sys.argv[1], storage=sys.argv[2], progress=False)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["search.db", "search.journal"])
def test_three_workers_share_a_study_and_lose_nothing(kind, tmp_path):
    ready = tmp_path / "ready"
    ready.mkdir()
    here = os.path.dirname(__file__)
    environment = os.environ | {"PYTHONPATH": os.path.dirname(here)}
    run = lambda i: subprocess.Popen([sys.executable, "-c", WORKER, tmp_path, tmp_path / kind, here, ready / str(i)],
                                     stderr=subprocess.PIPE, text=True, env=environment)
    workers = [run(i) for i in range(3)]
    said = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0, 0], "\n".join(said)
    frame = read_trials(tmp_path / f"{PLAN.name}.csv")
    good = frame[frame.state == "COMPLETE"]
    assert len(good) == 12 and list(frame.number) == list(range(len(frame)))
    assert good.outcome.nunique() == 3, "every worker did some"
    assert good.x_step.nunique() == 12, "no two workers drew the same numbers"
    assert (frame[frame.state != "COMPLETE"].state == "FAIL").all(), "nothing is left running"


def test_our_lock_is_not_the_journals(tmp_path):
    began = time.perf_counter()
    open_study(PLAN, tmp_path / "search.journal")
    assert time.perf_counter() - began < 25, "Optuna waits 30 seconds for a lock that nobody gives back"


def test_a_trial_beyond_the_last_is_given_back(pretend, memory):
    memory.ask()                                                        # another worker's, running
    plan = replace(PLAN, trials=1)
    one_trial(plan, memory, DIGITS)
    assert [t.state.name for t in memory.trials] == ["RUNNING", "FAIL"] and not in_state(memory, *FINISHED)


def test_a_silent_trial_has_failed_and_a_living_one_has_not(memory):
    dead, living = memory.ask(), memory.ask()
    with heartbeat(living, every=0.05):
        time.sleep(0.5)
        give_up_silent(memory, 0.4)
    assert [t.state.name for t in memory.trials] == ["FAIL", "RUNNING"]
    time.sleep(0.5)
    give_up_silent(memory, 0.4)
    assert [t.state.name for t in memory.trials] == ["FAIL", "FAIL"] and dead.number == 0


def test_the_place_of_a_dead_worker_is_filled(pretend, monkeypatch, tmp_path):
    open_study(PLAN, tmp_path / "search.db").ask()                      # a worker that dies here
    monkeypatch.setattr(module, "SILENCE", 0.5)
    frame = search(PLAN, tmp_path, progress=False)
    assert list(frame.state) == ["FAIL"] + 8 * ["COMPLETE"]


def test_a_worker_that_was_given_up_goes_on(monkeypatch, tmp_path):
    def late(exp, data, report):
        study = open_study(PLAN, tmp_path / "search.db")
        running = in_state(study, "RUNNING")
        if running[0].number == 1:                                      # another worker thinks it dead
            study.tell(1, state=optuna.trial.TrialState.FAIL)
        return pretended(exp, data, report)
    monkeypatch.setattr(module, "objective", late)
    frame = search(PLAN, tmp_path, progress=False)
    assert list(frame.state) == ["COMPLETE", "FAIL"] + 7 * ["COMPLETE"]


def test_pruning_is_off_unless_asked_for_and_a_pruned_trial_is_finished(monkeypatch, tmp_path):
    def falling(exp, data, report):
        value = 1.0 / (1 + len(seen))
        seen.append(exp)
        for epoch in range(1, 9):
            report(epoch, value)
        return value, {"outcome": "finished", "epochs": 8, "epoch": 1, "test": value}
    monkeypatch.setattr(module, "objective", falling)
    base = replace(BASE, epochs=8)
    for prune in (False, True):
        seen = []
        frame = search(replace(PLAN, base=base, prune=prune), tmp_path, progress=False)
        counts = frame.state.value_counts().to_dict()
        assert len(seen) == 8 and counts == ({"COMPLETE": 5, "PRUNED": 3} if prune else {"COMPLETE": 8})


# Storage and files that are broken

@pytest.mark.parametrize("make", ["garbage.db", "garbage.journal", "folder.db", "nosuch://ada:secret@host/name",
                                  "postgresql://ada:secret@127.0.0.1:9/name"])
def test_a_broken_storage_is_one_sentence(pretend, make, tmp_path):
    if "://" not in make:
        path = tmp_path / make
        path.mkdir() if make.startswith("folder") else path.write_bytes(b"this is no storage\n" * 100)
    with pytest.raises(ValueError, match="cannot be used") as error:
        search(PLAN, tmp_path, storage=make if "://" in make else tmp_path / make, progress=False)
    assert "\n" not in str(error.value) and "secret" not in str(error.value)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"experiment": {"model": "vgg99"}, "key": "0"}', None])
def test_a_broken_record_is_one_sentence(ended, text):
    path = ended / f"{PLAN.name}.json"
    path.write_text(path.read_text().replace('"x_step": ', '"x_step": 1') if text is None else text)
    for read in (lambda: load_best(path), lambda: search(PLAN, ended, progress=False)):
        with pytest.raises(ValueError, match="not the whole record") as error:
            read()
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("cut", [lambda text: "".join(text.splitlines(True)[:4]), lambda text: text[:-5], lambda text: ""])
def test_a_truncated_table_of_trials_is_one_sentence(ended, cut):
    path = ended / f"{PLAN.name}.csv"
    path.write_text(cut(path.read_text()))
    for read in (lambda: read_trials(path), lambda: search(PLAN, ended, progress=False)):
        with pytest.raises(ValueError, match="is cut short") as error:
            read()
        assert "\n" not in str(error.value)
    path.unlink()
    path.with_suffix(".json").unlink()
    assert len(search(PLAN, ended, progress=False)) == 8, "what the storage holds is not searched twice"


# Training

def test_a_diverged_run_is_worth_nothing_and_no_error(tmp_path):
    base = replace(BASE, algorithm="BP")
    plan = Search(base, trials=2, space={"learning_rate": one_of([1e30])})
    frame = search(plan, tmp_path, progress=False)
    assert list(frame.value) == [0, 0] and set(frame.outcome) == {"diverged"} and set(frame.state) == {"COMPLETE"}
    best = read_best(tmp_path / f"{plan.name}.json")
    assert best["trials"]["diverged"] == 2 and best["test"] is None


def test_worth_is_the_best_epoch_of_the_selected_split():
    from pc_precision.training import train
    exp = replace(BASE, algorithm="BP", epochs=4, learning_rate=3e-3)
    for select in ("validation", "test"):
        told = []
        value, about = objective(replace(exp, select=select), DIGITS, lambda epoch, v: told.append(v))
        metrics = [record.metrics for _, record in train(replace(exp, select=select), DIGITS)]
        assert told == [m[select]["top1"] for m in metrics] and value == max(told)
        assert about["test"] == metrics[about["epoch"] - 1]["test"]["top1"] and about["epoch"] == 1 + told.index(max(told))


def test_the_file_reproduces_its_number_bit_for_bit(tmp_path):
    plan = replace(PLAN, trials=4)
    frame = search(plan, tmp_path, progress=False)
    found = json.loads((tmp_path / f"{plan.name}.json").read_text())
    exp = load_best(tmp_path / f"{plan.name}.json")
    value, about = objective(exp, DIGITS)
    assert value == found["objective"] == frame.value.max() and about["test"] == found["test"]
    assert frame.value.idxmax() == found["trial"] and found["trials"]["finished"] == 4
    assert found["experiment"]["x_step"] == frame.x_step[found["trial"]]
    assert found["provenance"]["versions"]["optuna"] == optuna.__version__ and found["seconds"] > 0


@pytest.mark.parametrize("settings", [dict(algorithm="BP", batch_norm="freeze"), dict(algorithm="D+F-CN", batch_norm="freeze"),
                                      dict(algorithm="S+F", patience=None, limit=500), dict(algorithm="PC", batch_norm="bn")])
def test_every_setting_survives_the_file(pretend, monkeypatch, settings, tmp_path):
    monkeypatch.setattr(module, "objective", lambda *a: (0.5, {"outcome": "finished", "epochs": 1, "epoch": 1, "test": 0.5}))
    plan = Search(Experiment(epochs=7, width=1 / 16, **settings), trials=1)
    frame = search(plan, tmp_path, progress=False)
    exp = load_best(tmp_path / f"{plan.name}.json")
    assert exp.key == plan.experiment(frame.iloc[0][list(plan.space)].to_dict()).key
    assert exp.patience == settings.get("patience", 10) and exp.epochs == 7


def test_found_stands_beside_default_with_its_own_runs(pretend, tmp_path):
    plan = replace(PLAN, trials=3)
    search(plan, tmp_path, progress=False)
    found = load_best(tmp_path / f"{plan.name}.json")
    row = lambda exp, seed, value: dict(
        key=replace(exp, seed=seed).key, seed=seed, epoch=1, split="test", metric="top1", layer=None, value=value, select="test",
        outcome="finished", algorithm="PC")
    runs = pd.DataFrame([row(found, 0, 0.5), row(found, 1, 0.7), row(plan.base, 0, 0.25)])
    table = found_table([plan], tmp_path, runs).reset_index().set_index("settings")
    assert table.loc["found", "test"] == "60.0 (50.0 to 70.0) (2 seeds)" and table.loc["default", "test"] == "25.0 (1 seed)"
    assert float(table.loc["found", "x_step"]) == pytest.approx(found.x_step, rel=5e-3)
    assert table.loc["default", "x_step"] == "0.0235"
    assert table.loc["found", "search"].endswith(" of 3") and table.loc["default", "search"] == ""


@pytest.mark.slow
def test_importance_goes_to_what_mattered(pretend, tmp_path):
    plan = replace(PLAN, trials=40, startup=40)
    shares = importances(plan, search(plan, tmp_path, progress=False))
    assert shares.keys() == {"x_step", "learning_rate", "momentum", "weight_decay"}
    assert max(shares, key=shares.get) == "x_step" and sum(shares.values()) == pytest.approx(1)


def test_a_table_written_while_another_worker_trains_has_its_row(pretend, memory):
    one_trial(PLAN, memory, DIGITS)
    memory.ask()                                                        # another worker's, running: no duration, no place
    table = trials_table(PLAN, memory)
    assert list(table.state) == ["COMPLETE", "RUNNING"] and table.seconds[0] >= 0 and np.isnan(table.seconds[1])
    assert isinstance(table.device[0], str) and pd.isna(table.device[1])
    assert best_record(PLAN, memory)["trials"] == {"finished": 1, "pruned": 0, "failed": 0, "diverged": 0}

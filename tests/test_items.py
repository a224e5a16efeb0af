"""What each notebook trains, and parameters that mean the same to a notebook, to the queue and to the command line."""
import ast
import importlib
import os
from pathlib import Path

import pytest

from pc_precision.algorithms import PRESETS
from pc_precision.cli import cells, is_parameters, notebooks
from pc_precision.experiment import Experiment, configurations, explain
from pc_precision.paper.profiles import (ITEMS, KNOWN, NOTHING, PROFILES, THIRTEEN, as_list, by_row, check_parameters, collect_searches,
                                          found_searches, grid, items, known_settings, larger_scale, plans, row_parts, store_of, untuned)
from pc_precision.runs.results import as_settings, kept
from pc_precision.runs.store import Store

STORE = Path(__file__).resolve().parent.parent / "results"


def test_a_tuple_is_an_axis_and_equal_runs_stand_once():
    both = grid("smoke", "digits", "vgg5", "BP,PC", "none,bn,freeze", 0, bn_mode=("batch", "ema"))
    assert len(both) == 2 + 2 + 2 * 2                                       # none; BP bn; PC bn, freeze: in two modes
    assert len({exp.key for exp in both}) == len(both)
    with pytest.raises(ValueError, match="unknown batch_norms 'freez'.*did you mean 'freeze'"):
        grid("smoke", batch_norms="freez")


def test_larger_scale_takes_what_is_stored_and_trains_nothing(tmp_path, capsys, monkeypatch):
    module = importlib.import_module("pc_precision.runs.results")
    monkeypatch.setattr(module, "run", lambda *a: pytest.fail("it trained"))
    assert larger_scale("smoke", tmp_path, "table1").empty and "-p profile laptop" in capsys.readouterr().out
    exp = grid("laptop", models="vgg5", algorithms="PC", seeds=3)[0]
    run = dict(schema=1, key=exp.key, experiment=as_settings(exp), outcome="finished", seconds=1,
               provenance=dict(device="x"), rows=[[1, "test", "top1", None, 0.5]])
    Store(tmp_path).put(exp, run)
    assert list(larger_scale("smoke", tmp_path, "table1")["seed"]) == [3]
    assert capsys.readouterr().out == ""
    assert larger_scale("paper", tmp_path, "table1").empty and "largest" in capsys.readouterr().out


# Item by item

def parameters_of(name: str) -> dict:
    """The parameters that a notebook declares, with their values."""
    found = [node for cell in cells(notebooks()[name]) if is_parameters(cell) for node in ast.parse(cell["source"]).body]
    return {node.target.id: ast.literal_eval(node.value) for node in found}


def test_every_notebook_is_an_item():
    assert set(ITEMS) | set(NOTHING) == set(notebooks()) and not set(ITEMS) & set(NOTHING)


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("name", [*ITEMS, "table5"])
def test_the_parameters_of_a_notebook_are_those_of_its_item(name, profile):
    """What a notebook declares can be given, and its values are the defaults."""
    declared = parameters_of(name)
    del declared["profile"]
    assert items(name, profile, **declared) == items(name, profile)
    assert [p.name for p in plans(name, profile, **declared)] == [p.name for p in plans(name, profile)]


@pytest.mark.parametrize("name", [*ITEMS, "table5"])
def test_a_notebook_asks_for_its_item_and_passes_every_parameter(name):
    """The call in the notebook, read as code: no parameter that decides what is trained is left out."""
    tree = ast.parse("\n".join(cell["source"] for cell in cells(notebooks()[name]) if cell["cell_type"] == "code"))
    wanted = "plans" if name == "table5" else "items"
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == f"pc.paper.{wanted}"]
    first = calls[0]
    assert [ast.unparse(argument) for argument in first.args] == [repr(name), "profile"]
    named = lambda part: {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}
    assigned = [node for node in ast.walk(tree) if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)]
    bundles = {node.targets[0].id: node.value for node in assigned if ast.unparse(node.value).startswith("dict(")}
    passed = named(first)
    while opened := set(bundles) & passed:
        passed = passed - opened | set().union(*(named(bundles.pop(bundle)) for bundle in opened))
    elsewhere = {"data_dir", "results_dir", "out_dir", "looked_at", "first_epoch", "peak_tflops", "storage"}
    elsewhere |= {"seeds"} if name == "table5" else set()
    assert set(parameters_of(name)) - elsewhere <= passed


# The paper's own counts: five seeds on two data sets, and what each item says of itself

@pytest.mark.parametrize("name, runs", [
    ("table1", 2 * 5 * 3 * (7 + 2) * 2),   # data sets, seeds, networks, algorithms and two second readings, Freezing
    ("fig4", 2 * 5 * 3 * (13 + 4)), ("fig2", 4), ("fig5", 2 * 4), ("fig6", 3 * 3), ("table2", 5 * (7 + 2) * 2),
    ("mupc", 5 * 5 * 3), ("resnet18", 5 * 2 * 3 * 2), ("rivals", 2 * 2 * 11),
    ("table6", 5 * 4 * 3), ("verdicts", 2 * 5 * 3 * (13 + 4 + 6)),
    ("fig7", 2 * 5 * 3 * ((1 + 2) + 6 * (1 + 2 * 2)))])       # BP has nothing to freeze
def test_the_paper_asks_for_so_many_runs(name, runs):
    assert len({exp.key for exp in items(name, "paper")}) == len(items(name, "paper")) == runs


def test_figure_6_asks_for_its_other_steps_too():
    """Three networks by three algorithms; of VGG7 F and D+F at three steps, of which 0.1 is F's own."""
    found = items("fig6", "smoke")
    stepped = [(exp.model, exp.algorithm, exp.x_step) for exp in found[9:]]
    assert stepped == [("vgg7", "F", 0.3), ("vgg7", "F", 0.6), ("vgg7", "D+F", 0.1), ("vgg7", "D+F", 0.3), ("vgg7", "D+F", 0.6)]
    assert found[:9] == items("fig6", "smoke", x_steps=[]) and {exp.x_step for exp in found[:9]} == {None}
    asked = items("fig6", "laptop", models="vgg5,vgg10", x_steps="0.2")
    assert [(exp.model, exp.algorithm) for exp in asked if exp.x_step == 0.2] == [("vgg5", "F"), ("vgg5", "D+F")]


def test_the_rivals_of_the_larger_profiles_are_vggs():
    for profile in ("laptop", "paper"):
        assert {exp.model for exp in items("rivals", profile)} == {"vgg5", "vgg10"}
        assert {exp.model for exp in items("rivals", profile, models="mlp-8-8")} == {"mlp-8-8"}


def test_the_rivals_start_alike_and_only_those_that_step_more_often_have_another_rate():
    found = items("rivals", "smoke")
    plain = [exp for exp in found if exp.model.startswith("mlp")]
    assert {exp.algorithm for exp in plain} == {"BP", "PC", "D+F", "S+F", "ePC", "Meta-PC", "EP", "PC-ALM", "iPC", "iPC+S"}
    rates = {exp.algorithm: exp.learning_rate for exp in plain}
    assert {a for a, rate in rates.items() if rate != 2e-3} == {"iPC", "iPC+S"} and rates["iPC"] == pytest.approx(2e-4)
    assert {(exp.model, exp.algorithm) for exp in found} - {(exp.model, exp.algorithm) for exp in plain} == {
        (model, a) for model in ("mupc-64x4", "mupc-64x9") for a in ("BP", "PC", "PC-ALM")}
    assert {exp.layers for exp in found} == {5, 10} and {exp.seed for exp in found} == {0, 1, 2}
    spiking = next(exp for exp in plain if exp.algorithm == "iPC+S")
    assert (spiking.reading, spiking.x_step, spiking.base) == ("energy", 0.8, 1000.0)
    assert {exp.key for exp in plain if exp.algorithm in ("BP", "PC")} <= {exp.key for exp in items("table1", "smoke")}   # once


def test_the_thirteen_algorithms_of_the_paper():
    assert set(THIRTEEN) == {"BP", "PC", "D", "S", "F", "D+F", "S+F", "PC-CN", "D-CN", "S-CN", "F-CN", "D+F-CN", "S+F-CN"}
    assert {exp.algorithm for exp in items("fig4", "smoke")} == set(THIRTEEN)


def test_in_mupc_networks_pc_has_its_published_settings_and_the_others_the_rate_of_backpropagation():
    found = {(e.model, e.algorithm): e for e in items("mupc", "smoke", seeds=0)}
    assert len(found) == 3 * 3 and {e.activation for e in found.values()} == {"relu"}
    assert {e.batch_size for e in found.values()} == {64}
    pc = found["mupc-64x128", "PC"]
    assert (pc.T, pc.x_step, pc.momentum, pc.learning_rate) == (128, 0.5, 0.0, 0.1)
    assert {e.learning_rate for (_, name), e in found.items() if name != "PC"} == {0.01}
    assert {e.weight_decay for e in found.values()} == {0.0}
    assert {e.learning_rate for e in items("mupc", "smoke", seeds=0, learning_rate=0.3)} == {0.3}
    assert {(e.x_step, e.output, e.batch_size) for e in items("mupc", "paper", algorithms="PC")} == {(0.01, "cross_entropy", 128)}


# Two readings of spiking precision, and settings that somebody searched

def row(exp):
    return exp.algorithm, exp.reading, exp.model


def test_both_readings_are_rows_and_a_name_with_its_reading_is_one():
    assert [row(e)[:2] for e in items("table1", "smoke", algorithms="BP,S+F", models="vgg5", seeds=0, batch_norms="none")] == [
        ("BP", "activity"), ("S+F", "activity"), ("S+F", "energy")]
    only = items("fig4", "laptop", algorithms="S+F-CN (energy)", models="vgg5", seeds=0)
    assert [row(e)[:2] for e in only] == [("S+F-CN", "energy")] and only[0].base == 1000 and only[0].nesterov
    assert {e.reading for e in items("fig6", "laptop") if e.algorithm == "S+F"} == {"activity"}
    assert {e.reading for e in items("fig6", "paper") if e.algorithm == "S+F"} == {"energy"}
    with pytest.raises(ValueError, match="did you mean 'S\\+F \\(energy\\)'"):
        items("table1", "smoke", algorithms="S+F (enrgy)")


def test_profile_paper_takes_the_settings_of_the_authors():
    found = {row(e): e for e in items("table1", "paper", datasets="cifar10", seeds=0, batch_norms="none")}
    assert found["D+F", "energy", "vgg7"].T == 13 and found["D+F", "energy", "vgg7"].learning_rate == 3.755e-4
    assert (found["D+F", "energy", "vgg10"].x_step, found["D+F", "energy", "vgg10"].momentum) == (0.3869, 0.9)
    assert all(getattr(found["S+F", "energy", "vgg10"], n) == v for n, v in PRESETS["S+F (energy)"].items())
    assert found["S+F", "activity", "vgg5"].x_step == 3e-4


def test_profile_laptop_follows_the_rules():
    """docs/verdict_rules.md, the table of rows and the budget."""
    found = items("verdicts", "laptop")
    assert {e.seed for e in found} == {0, 1, 2} and {e.epochs for e in found} == {e.schedule_epochs for e in found} == {10}
    assert {(e.dataset, e.width, e.limit, e.batch_size, e.activation, e.bn_mode, e.select) for e in found} == {
        ("cifar10", 1 / 8, 10_000, 64, "gelu", "batch", "validation")}
    for settings in (e.settings for e in found if e.algorithm != "BP"):
        algorithm, model, reading = (settings[n] for n in ("algorithm", "model", "reading"))
        assert settings["T"] == {"D": dict(vgg5=8, vgg7=13, vgg10=13)[model]}.get(algorithm[0], e_layers(model))
        assert reading == ("energy" if algorithm[0] == "D" else reading)
        if algorithm[0] == "S" and reading == "energy":
            assert [settings[n] for n in ("alpha", "base", "momentum", "nesterov")] == [1.0, 1000.0, 0.1, True]
        if algorithm[0] == "S" and reading == "activity":
            assert settings["momentum"] == 0 and (settings["alpha"] == settings["x_step"] or "F" not in algorithm)


def e_layers(model: str) -> int:
    return int(model.removeprefix("vgg"))


def test_the_package_holds_what_the_searches_found():
    """After a search: python -c "from pc_precision.paper.profiles import write_searches as w; w()"."""
    assert found_searches() == collect_searches(Path(__file__).parents[1] / "results" / "search")
    found = found_searches()["S+F (energy) vgg5"]
    exp = next(e for e in items("table1", "laptop", models="vgg5", algorithms="S+F (energy)"))
    assert (exp.x_step, exp.learning_rate) == (found["settings"]["x_step"], found["settings"]["learning_rate"])
    twin = next(e for e in items("fig4", "laptop", models="vgg5", algorithms="S+F-CN (energy)"))
    assert twin.x_step == exp.x_step and twin.settings["beta"] == 0.5                # no search of its own
    given = items("table1", "laptop", models="vgg5", algorithms="PC", x_step=0.3)
    assert given[0].x_step == 0.3, "what is given comes first"


def frame_of(experiments):
    rows = [{**e.settings, "key": e.key} for e in experiments]
    import pandas as pd
    return pd.DataFrame(rows).assign(batch_norm=lambda f: f["batch_norm"].fillna("none"))


def test_untuned_is_what_nobody_searched():
    runs = frame_of(items("fig4", "laptop", models="vgg5", algorithms="BP,PC,PC-CN,S+F", seeds=0))
    by_name = dict(zip(by_row(runs)["algorithm"], untuned(runs)))
    assert by_name == {"BP": False, "PC": False, "PC-CN": True, "S+F (activity)": False, "S+F (energy)": False}
    older = runs.drop(columns=["output", "dtype", "optimiser"])         # fields that stored runs of earlier versions lack
    assert untuned(older).tolist() == untuned(runs).tolist() and untuned(runs.assign(output="cross_entropy")).all()
    assert untuned(by_row(runs)).tolist() == untuned(runs).tolist()
    assert untuned(frame_of(items("table1", "laptop", models="vgg5", algorithms="BP,PC", batch_norms="freeze"))).all()
    assert untuned(frame_of(items("table1", "laptop", models="vgg5", algorithms="PC", width=0.5))).all()      # another scale
    assert untuned(frame_of(items("table1", "laptop", models="vgg5", algorithms="PC", x_step=0.3))).all()     # other settings
    assert untuned(frame_of(items("table1", "smoke"))).all()
    assert not untuned(frame_of(configurations())).any()


def test_a_source_is_told_for_its_own_network_and_reading_only():
    known = known_settings()
    sources = lambda exp: {one.source for one in explain(exp, known).values()}
    resnet = PRESETS["S+F (energy) resnet10"]
    assert "preset 'S+F (energy) resnet10'" in sources(Experiment(model="resnet10", algorithm="S+F", **resnet))
    assert "preset 'S+F (energy) resnet10'" not in sources(Experiment(model="vgg5", algorithm="S+F", **resnet))
    printed = next(one for one in known if one.source == "known before any search, 'S+F (activity)'")
    assert printed.where == dict(algorithm="S+F", reading="activity") and printed.settings["x_step"] == 3e-3
    assert printed.source not in sources(Experiment(algorithm="S+F", reading="energy", x_step=3e-3))
    assert [row_parts(row) for row in ("BP", "S+F-CN (energy)")] == [("BP", ""), ("S+F-CN", "energy")]
    assert "our search cifar10_vgg7_D_none_676b6b65" in sources(items("table1", "laptop", models="vgg7", algorithms="D")[0])


def test_a_search_of_few_trials_leaves_its_row_untuned(monkeypatch):
    module = importlib.import_module("pc_precision.paper.profiles")
    few = {name: one | dict(trials=7) for name, one in found_searches().items()}
    monkeypatch.setattr(module, "found_searches", lambda: few)
    assert untuned(frame_of(items("table1", "laptop", models="vgg5", algorithms="PC"))).all()


def test_a_row_without_a_search_takes_what_was_known_before():
    assert KNOWN["S+F (activity) vgg10"] == dict(x_step=3e-4)
    assert KNOWN["D+F vgg7"] == dict(reading="energy", T=13, x_step=0.2087, momentum=1.0)


def test_parameters_choose():
    found = items("table1", "smoke", algorithms=["BP"], models="vgg5", seeds=0, data_dir="x", results_dir="y", out_dir="z")
    assert found == [Experiment(model="vgg5", algorithm="BP", batch_norm=norm, width=1 / 16, epochs=3, schedule_epochs=3, batch_size=32)
                     for norm in (None, "freeze")]
    assert {exp.patience for exp in items("fig2", "paper")} == {None} and {exp.patience for exp in items("fig2", "smoke")} == {10}
    assert [plan.trials for plan in plans("table5", "smoke", trials=3)] == [3, 3] and plans("table1", "smoke") == []


@pytest.mark.parametrize("wrong, said", [
    (dict(notebook="tabel1"), "did you mean 'table1'"), (dict(profile="smok"), "did you mean 'smoke'"),
    (dict(modles="vgg5"), "did you mean 'models'"),
    (dict(algorithms="S+G"), "unknown algorithms"), (dict(seeds=3.5), "seeds must be a list of int values"),
    (dict(notebook="fig2", batch_norm="bn"), "batch_norm"),
    (dict(notebook="table5", profile="papr"), "did you mean 'paper'")])
def test_what_is_not_allowed_is_one_sentence(wrong, said):
    given = dict(notebook="table1", profile="smoke") | wrong
    with pytest.raises(ValueError, match=said) as error:
        (plans if given["notebook"] == "table5" else items)(**given)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("given", ["BP,PC", '["BP", "PC"]', "['BP','PC']", "BP, PC", ["BP", "PC"], ("BP", "PC")])
def test_a_list_can_be_written_in_several_ways(given):
    assert as_list("algorithms", given, [], THIRTEEN) == ["BP", "PC"]


@pytest.mark.parametrize("value, numbers", [(3, [3]), ("3", [3]), (3.0, [3]), ("[0, 1]", [0, 1]), ([0, "1"], [0, 1])])
def test_whole_numbers_are_read(value, numbers):
    assert as_list("seeds", value, [], kind=int) == numbers


@pytest.mark.parametrize("value", [3.5, "3.5", [0, 1.5], True, "one", float("nan"), float("inf"), [None], "[3.5]"])
def test_other_numbers_are_refused(value):
    with pytest.raises(ValueError, match="seeds must be a list of int values"):
        as_list("seeds", value, [0], kind=int)


def test_seconds_are_kept_apart_by_device():
    assert store_of("table1", "results") == Path("results")
    assert store_of("table6", "results").parent == Path("results") and store_of("table6", "results").name


# Before anything is trained

def test_an_out_dir_that_cannot_be_written_is_told_by_the_first_cell(tmp_path):
    (tmp_path / "file").write_text("not a folder")
    names = {"__annotations__": {"out_dir": str}, "out_dir": str(tmp_path / "file" / "out")}
    with pytest.raises(OSError, match="nothing can be written in out_dir") as error:
        check_parameters(names, [])
    assert "\n" not in str(error.value)
    check_parameters(names | {"out_dir": str(tmp_path / "new" / "out")}, [])
    assert list((tmp_path / "new" / "out").iterdir()) == []


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0 and not Path("/proc/self").is_dir(),
                    reason="needs a folder that refuses even root")
def test_a_folder_that_is_there_and_refuses_is_told_too():
    with pytest.raises(OSError, match="nothing can be written in out_dir"):
        check_parameters({"__annotations__": {"out_dir": str}, "out_dir": "/proc/self"}, [])


@pytest.mark.parametrize("path", sorted(notebooks().values()), ids=lambda path: path.stem)
def test_every_notebook_checks_right_after_its_parameters(path):
    code = [cell for cell in cells(path) if cell["cell_type"] == "code"]
    at = next(i for i, cell in enumerate(code) if is_parameters(cell))
    assert code[at + 1]["source"].startswith("pc.paper.check_parameters(globals(), before)")


def test_a_search_starts_from_the_defaults_not_from_another_search():
    [plan] = plans("table5", "laptop", algorithms="S+F", width=1 / 8, limit=10000, batch_size=64)
    assert as_settings(plan.base)["x_step"] == 0.1 and as_settings(plan.base)["reading"] == "activity"


def test_the_smallest_table_tells_the_story():
    """From the stored runs: backpropagation and S+F learn at every depth, plain PC and the forward update collapse at ten layers."""
    from pc_precision.paper import accuracy_table
    frame = kept(items("table1", "smoke"), STORE)
    table = accuracy_table(frame).droplevel("dataset").map(lambda cell: float(cell.split()[0]))
    assert frame["key"].nunique() == 3 * 9 * 3 + 9 * 2 * 2
    assert (table.loc[["BP", "S+F (activity)", "S+F (energy)"]] > 85).all(axis=None)
    assert (table.loc[["PC", "F"], "MLP10"] < 60).all() and (table.loc[["PC", "F"], "MLP5"] > 90).all()
    assert (table.loc["BP"] - table.loc["S+F (activity)"]).max() < 5

"""Counts of arithmetic against XLA's own; what the figure and table notebooks share, from typed-out cases."""
import importlib
from functools import partial

import jax
import jax.numpy as jnp
import optax
import pandas as pd
import pytest

import pc_precision as pc
from pc_precision.data import DatasetInfo
from pc_precision.energy import Output
from pc_precision.experiment import Recipe
from pc_precision.layers import Module
from pc_precision.paper.items import accuracy_table, freezing_figure, layer_flops, nudging_figure
from pc_precision.learning import learn
from pc_precision.training import Hyper, Plan, make_algorithm, report

WIDE = pc.mlp([256] * 4, 256, activation="identity")          # products of 256x256 only, nothing else of weight
IMAGE = (16, 16, 1)
INFO = DatasetInfo("wide", 256, IMAGE, (0.0,), (1.0,), False, 0, "", False)


def compiled_flops(rule: str, T: int, freeze: bool, batch: int = 64) -> float:
    """XLA's count for one image of inference and learning phase as training runs them."""
    x, y = jnp.ones((batch, *IMAGE)), jnp.ones((batch, 256))
    params, stats = WIDE.init(jax.random.key(0), x)
    inference = "sweep" if rule == "bp" else "cone" if freeze else "dense"
    plan = Plan(WIDE, INFO, Recipe(rule=rule, inference=inference), freeze=freeze)
    hyper = Hyper(jnp.ones((0 if rule == "bp" else T, 5)), 0.1, 0.0, 1.0, 1.0, 1.0)
    none = optax.identity()

    def batch_of(p, x, y, h):
        learned = learn(make_algorithm(plan, h), none, WIDE, p, stats, none.init(p), x, Output(y, h.beta), len(h.covariance))
        return learned.params, learned.stats, report(plan, learned, y)
    return jax.jit(batch_of).lower(params, x, y, hyper).compile().cost_analysis()["flops"] / batch


@pytest.mark.parametrize("T", [3, 5, 7])
@pytest.mark.parametrize("rule", ["bp", "pc", "forward"])
@pytest.mark.parametrize("freeze", [True, False])
def test_flops_are_what_the_compiled_program_does(rule, T, freeze, monkeypatch):
    monkeypatch.setattr(jax.lax, "scan", partial(jax.lax.scan, unroll=True))      # XLA counts the body of a loop once
    counted = pc.flops(WIDE, IMAGE, rule, T, dense=not freeze)
    assert counted <= compiled_flops(rule, T, freeze) < 1.04 * counted      # biases, errors, energies: a few per cent


def test_flops_of_a_chain_counted_by_hand():
    net, F = pc.mlp([3, 5], 2), [2 * 4 * 3, 2 * 3 * 5, 2 * 5 * 2]           # 4 -> 3 -> 5 -> 2
    assert layer_flops(net, (2, 2, 1)) == F == [24, 30, 20]
    assert pc.flops(net, (2, 2, 1), "bp") == 3 * 24 - 24 + 3 * 30 + 3 * 20
    steps = 20 + (2 * 20 + 30) + (2 * 20 + 2 * 30)                          # fronts at layers 3, 2, 1
    assert pc.flops(net, (2, 2, 1), "forward", 3) == 74 + steps + 74
    assert pc.flops(net, (2, 2, 1), "pc", 3) == 74 + steps + (30 + 20) + 74          # a last change of the predictions


def test_a_convolution_counts_every_output_pixel():
    block = pc.Network((pc.Block(6, padding=0, pool=True),))
    assert layer_flops(block, (6, 6, 2)) == [2 * 9 * 2 * 6 * 4 * 4]


def test_parameter_count_with_batch_norm():
    assert pc.parameter_count(pc.Network((pc.Block(6, batch_norm="batch"), pc.Readout(3))), (4, 4, 2)) == (
        9 * 2 * 6 + 6 + 2 * 6 + 4 * 4 * 6 * 3 + 3)


def test_flops_refuse_what_they_cannot_count():
    with pytest.raises(ValueError, match="did you mean 'forward'"):
        pc.flops(WIDE, IMAGE, "foward")
    with pytest.raises(ValueError, match="T must be a whole number of at least 1, not 0"):
        pc.flops(WIDE, IMAGE, "pc", 0)
    from flax import nnx
    other = pc.Network((Module(lambda rngs: nnx.Conv(2, 3, (3, 3), rngs=rngs)),))
    with pytest.raises(ValueError, match="layer 1: arithmetic is counted"):
        pc.flops(other, (8, 8, 2))


def one_run(algorithm: str, batch_norm: str, value: float, mode: str | None = "batch", outcome: str = "finished",
            model: str = "vgg5") -> dict:
    """The row that counts of a run with one epoch."""
    return dict(key=f"{algorithm}{batch_norm}{mode}{value}{model}", dataset="digits", model=model, algorithm=algorithm,
                batch_norm=batch_norm, bn_mode=mode, select="test", outcome=outcome, epoch=1, split="test", metric="top1",
                layer=None, value=value)


RUNS = pd.DataFrame([one_run("BP", "bn", 0.9), one_run("BP", "none", 0.8, None), one_run("PC", "none", 0.5, None),
                     one_run("PC", "bn", 0.6), one_run("PC", "freeze", 0.7), one_run("PC", "freeze", 0.4, "ema"),
                     one_run("PC-CN", "none", 0.55, None), one_run("PC", "none", 0.0, None, "diverged", "vgg10")])


def test_backprops_batch_norm_stands_under_freezing_and_modes_apart():
    table = accuracy_table(RUNS)
    assert list(table.columns) == ["VGG5", "VGG10", "VGG5 BN", "VGG5 BF", "VGG5 BF ema"]
    assert list(table.loc[("digits", "BP")]) == ["80.00", "", "", "90.00", ""]
    assert list(table.loc[("digits", "PC")]) == ["50.00", "diverged", "60.00", "70.00", "40.00"]
    assert table.loc[("digits", "PC-CN"), "VGG5"] == "55.00"


def heights(ax) -> list[float]:
    return [round(bar.get_height(), 1) for bar in ax.patches if bar.get_height() == bar.get_height()]


def test_bars_stand_for_what_was_run():
    fig = nudging_figure(RUNS)
    assert heights(fig.axes[0]) == [80, 50, 55]                             # BP, PC, PC-CN; the diverged one is a cross
    crosses = [line for line in fig.axes[0].get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 1 and [t.get_text() for t in fig.axes[0].get_xticklabels()] == ["VGG5", "VGG10"]
    batch, _, ema, _ = freezing_figure(RUNS).axes                           # rows: modes, columns: models
    assert sorted(heights(batch)) == [50, 55, 60, 70, 80, 90] and sorted(heights(ema)) == [40, 50, 55, 80]
    assert len(pc.depth_figure(RUNS).axes) == 3                             # without BatchNorm, BF, BN


def test_a_tuple_is_an_axis_and_equal_runs_stand_once():
    both = pc.grid("smoke", "digits", "vgg5", "BP,PC", "none,bn,freeze", 0, bn_mode=("batch", "ema"))
    assert len(both) == 2 + 2 + 2 * 2                                       # none; BP bn; PC bn, freeze: in two modes
    assert len({exp.key for exp in both}) == len(both)
    with pytest.raises(ValueError, match="unknown batch_norms 'freez'.*did you mean 'freeze'"):
        pc.grid("smoke", batch_norms="freez")


def test_larger_scale_takes_what_is_stored_and_trains_nothing(tmp_path, capsys, monkeypatch):
    module = importlib.import_module("pc_precision.runs.results")
    monkeypatch.setattr(module, "run", lambda *a: pytest.fail("it trained"))
    assert pc.larger_scale("smoke", tmp_path, "table1").empty and "-p profile laptop" in capsys.readouterr().out
    exp = pc.grid("laptop", models="vgg5", algorithms="PC", seeds=3)[0]
    run = dict(schema=1, key=exp.key, experiment=dict(dataset="cifar10", model="vgg5", algorithm="PC", select="validation", seed=3), outcome="finished", seconds=1,
               provenance=dict(device="x"), rows=[[1, "test", "top1", None, 0.5]])
    module.write_whole(module.run_path(exp, tmp_path), module.run_text(run))
    assert list(pc.larger_scale("smoke", tmp_path, "table1")["seed"]) == [3]
    assert "1 stored runs, 1 seed(s)" in capsys.readouterr().out
    assert pc.larger_scale("paper", tmp_path, "table1").empty and "largest" in capsys.readouterr().out


def test_seconds_leave_out_the_first_epochs_and_average_within_a_repeat():
    rows = [dict(dataset="d", model="m", algorithm=a, key=f"{a}{r}", metric="seconds", epoch=e, value=v + e + r)
            for a, v in (("BP", 0.0), ("PC", 4.0)) for r in (0, 2) for e in (1, 2, 3)]
    costs = pd.DataFrame([dict(key=f"{a}{r}", images=70, steps=3, operations=10**12) for a in ("BP", "PC") for r in (0, 2)])
    table = pc.timing_table(pd.DataFrame(rows), costs, first_epoch=2, peak_tflops=100)
    assert list(table["seconds an epoch"]) == ["3.50 ± 1.41", "7.50 ± 1.41"]            # 2.5 and 4.5; 6.5 and 8.5
    assert list(table["times BP"]) == [1.0, 2.14] and list(table["images a second"]) == [20, 9]
    assert list(table["% of peak"]) == [20.0, 9.33]


def test_costs_count_what_an_epoch_trains_on():
    exp = pc.timing_grid("smoke", "vgg5", "S+F")[0]
    row = pc.costs([exp]).iloc[0]
    train = len(pc.load("digits").train.labels)
    assert row.images == train // 32 * 32 and row.layers == row.steps == 5
    assert row.operations == pc.flops(pc.vgg("vgg5", 10, 1 / 16), (32, 32, 1), "forward", 5)


def test_second_hand_numbers_are_marked():
    rows = pc.published(["tiny_imagenet"], ["vgg15"])
    assert list(rows["top1"]) == ["not published here", 55.31] and "second-hand" in rows["source"].iloc[1]

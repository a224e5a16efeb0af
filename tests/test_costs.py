"""Counts of arithmetic against XLA's own and against counts by hand; hours against the arithmetic of hours."""
import math
from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pandas as pd
import pytest

from pc_precision.algorithms import INFERENCES, PROGRAM, Named
from pc_precision.data import DATASETS, DatasetInfo, dataset, load
from pc_precision.energy import Output
from pc_precision.experiment import Experiment
from pc_precision.layers import Module, Network
from pc_precision.learning import RULES, forward, learn
from pc_precision.networks import Block, Readout, mlp, vgg
from pc_precision.paper.costs import (Step, by_device, compiled_programs, cost_table, cost_rows, counted_table, every_table, flops, measured_hours,
                                      images_of, largest_batches, layer_flops, measured_tables, operations, parameter_count, program_flops,
                                      shown, sizes, step_costs, step_flops, timing_table, training_flops)
from pc_precision.paper.profiles import items
from pc_precision.protocol import Hyper, Plan, make_algorithm
from pc_precision.runs.queue import cost, epoch_seconds
from pc_precision.training import report

WIDE = mlp([256] * 4, 256, activation="identity")          # products of 256x256 only, nothing else of weight
IMAGE = (16, 16, 1)
INFO = DatasetInfo("wide", 256, IMAGE, (0.0,), (1.0,), False, 0, "", False)


def compiled_flops(rule: str, T: int, freeze: bool, batch: int = 64) -> float:
    """XLA's count for one image of inference and learning phase as training runs them."""
    x, y = jnp.ones((batch, *IMAGE)), jnp.ones((batch, 256))
    params, stats = WIDE.init(jax.random.key(0), x)
    inference = INFERENCES["sweep" if rule == "bp" else "cone" if freeze else "dense_unfrozen"]
    plan = Plan(WIDE, INFO, inference, RULES.get(rule, forward))
    hyper = Hyper(jnp.ones((0 if rule == "bp" else T, 5)), 0.1, 0.0, 1.0, 1.0, 1.0, 1.0)
    none = optax.identity()

    def batch_of(p, x, y, h):
        learned = learn(make_algorithm(plan, h), none, WIDE, p, stats, none.init(p), x, Output(y))
        return learned.params, learned.stats, report(plan, learned, y)
    return jax.jit(batch_of).lower(params, x, y, hyper).compile().cost_analysis()["flops"] / batch


@pytest.mark.parametrize("T", [3, 7, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("rule", ["bp", "pc", "forward"])
@pytest.mark.parametrize("freeze", [True, False])
def test_flops_are_what_the_compiled_program_does(rule, T, freeze, monkeypatch):
    monkeypatch.setattr(jax.lax, "scan", partial(jax.lax.scan, unroll=True))      # XLA counts the body of a loop once
    counted = flops(WIDE, IMAGE, rule, T, dense=not freeze)
    assert counted <= compiled_flops(rule, T, freeze) < 1.04 * counted      # biases, errors, energies: a few per cent


@pytest.mark.parametrize("algorithm", ["BP", "PC", "D+F", "S+F"])
def test_the_program_of_a_step_has_the_products_that_the_formulas_count(algorithm):
    exp = Experiment(dataset="cifar10", model="vgg5", width=1 / 16, algorithm=algorithm, batch_size=2, T=None if algorithm == "BP" else 4)
    info = DATASETS["cifar10"]
    assert step_flops(exp, info) == training_flops(exp, info) == flops(vgg("vgg5", 10, 1 / 16), info.image, "bp" if algorithm == "BP" else exp.recipe.rule, 4)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm, settings", [
    ("ePC", {}), ("Meta-PC", {}), ("EP", {}), ("PC-ALM", {}), ("iPC", {}), ("S+F", PROGRAM | {"skip": 0.01})])
def test_products_are_those_that_xla_counts_in_the_program(algorithm, settings, monkeypatch):
    monkeypatch.setattr(jax.lax, "scan", partial(jax.lax.scan, unroll=True))
    exp = Experiment(model="mlp-256-256-256-256", algorithm=algorithm, batch_size=64, T=5, **settings)
    data = load("digits")
    compiled = Step(exp, data).program.cost_analysis()["flops"] / 64
    assert 0.98 < compiled / training_flops(exp, data.info) < 1.15  # an optimiser's 15 operations a weight, and errors, in 64 images


def test_a_skipping_cone_counts_as_backpropagation_with_the_authors_spikes_at_any_depth():
    data = load("digits", limit=64)
    for depth in (5, 20):
        exp = Experiment(model="mlp" + (depth - 1) * "-64", algorithm="S+F", batch_size=2, limit=64, skip=0.01, **PROGRAM)
        assert training_flops(exp, data.info) == training_flops(replace(exp, algorithm="BP"), data.info)
        deep = training_flops(replace(exp, skip=0.0), data.info) / training_flops(exp, data.info)
        assert deep > {5: 1.1, 20: 5}[depth], "more than 16 layers: all of them at every step"


def test_equal_products_count_once_and_those_that_nothing_needs_not_at_all():
    def program(x, w):
        twice = jax.jit(lambda x: x @ w)(x) + x @ w
        unused = (x + 1) @ w
        return jax.lax.scan(lambda c, _: (c @ w, None), twice, length=3)[0]

    traced = jax.make_jaxpr(program)(jnp.ones((5, 4)), jnp.ones((4, 4)))
    assert program_flops(traced) == (1 + 3) * 2 * 5 * 4 * 4


def test_flops_of_a_chain_counted_by_hand():
    net, F = mlp([3, 5], 2), [2 * 4 * 3, 2 * 3 * 5, 2 * 5 * 2]           # 4 -> 3 -> 5 -> 2
    assert layer_flops(net, (2, 2, 1)) == F == [24, 30, 20]
    assert flops(net, (2, 2, 1), "bp") == 3 * 24 - 24 + 3 * 30 + 3 * 20
    steps = 20 + (2 * 20 + 30) + (2 * 20 + 2 * 30)                          # fronts at layers 3, 2, 1
    assert flops(net, (2, 2, 1), "forward", 3) == 74 + steps + 74
    assert flops(net, (2, 2, 1), "pc", 3) == 74 + steps + (30 + 20) + 74          # a last change of the predictions


def test_a_convolution_counts_every_output_pixel():
    block = Network((Block(6, padding=0, pool=True),))
    assert layer_flops(block, (6, 6, 2)) == [2 * 9 * 2 * 6 * 4 * 4]


def test_parameter_count_with_batch_norm():
    assert parameter_count(Network((Block(6, batch_norm="batch"), Readout(3))), (4, 4, 2)) == (
        9 * 2 * 6 + 6 + 2 * 6 + 4 * 4 * 6 * 3 + 3)


def test_flops_refuse_what_they_cannot_count():
    with pytest.raises(ValueError, match="did you mean 'forward'"):
        flops(WIDE, IMAGE, "foward")
    with pytest.raises(ValueError, match="T must be a whole number of at least 1, not 0"):
        flops(WIDE, IMAGE, "pc", 0)
    from flax import nnx
    other = Network((Module(lambda rngs: nnx.Conv(2, 3, (3, 3), rngs=rngs)),))
    with pytest.raises(ValueError, match="layer 1: arithmetic is counted"):
        flops(other, (8, 8, 2))


def test_seconds_leave_out_the_first_epochs_and_average_within_a_repeat():
    rows = [dict(dataset="d", model="m", algorithm=a, key=f"{a}{r}", metric="seconds", epoch=e, value=v + e + r)
            for a, v in (("BP", 0.0), ("PC", 4.0)) for r in (0, 2) for e in (1, 2, 3)]
    counts = pd.DataFrame([dict(key=f"{a}{r}", images=70, steps=3, operations=10**12) for a in ("BP", "PC") for r in (0, 2)])
    table = timing_table(pd.DataFrame(rows), counts, first_epoch=2, peak_tflops=100)
    assert list(table["seconds an epoch"]) == ["3.50 ± 1.41", "7.50 ± 1.41"]            # 2.5 and 4.5; 6.5 and 8.5
    assert list(table["times BP"]) == [1.0, 2.14] and list(table["images a second"]) == [20, 9]
    assert list(table["% of peak"]) == [20.0, 9.33]


def test_costs_count_what_an_epoch_trains_on():
    exp = items("table6", "smoke", models="vgg5", algorithms="S+F")[0]
    row = cost_rows([exp]).iloc[0]
    train = len(load("digits").train.labels)
    assert row.images == train // 32 * 32 and row.layers == row.steps == 5
    assert row.operations == flops(vgg("vgg5", 10, 1 / 16), (32, 32, 1), "forward", 5)


def test_costs_need_no_images_of_a_set_that_the_library_knows():
    some = [Experiment(dataset="cifar10", model="vgg5", algorithm="BP", select=select, limit=limit)
            for select, limit in (("test", None), ("validation", None), ("validation", 1000), ("test", 60_000))]
    # of 50,000, 45,000 and 1,000; a limit leaves out the validation images, and asks for no more than there are
    assert list(cost_rows(some, "nowhere").images) == [390 * 128, 351 * 128, 7 * 128, 351 * 128]


def test_costs_count_the_images_of_a_set_of_ones_own():
    images, labels = np.zeros((300, 8, 8, 1), np.uint8), np.arange(300) % 2
    own = Named("mine", dataset("mine", (images, labels), (images, labels), (images, labels)))
    row = cost_rows([Experiment(dataset=own, model="mlp-16", algorithm="BP", batch_size=64)]).iloc[0]
    assert row.images == 4 * 64


# What a table costs

GRID = [Experiment(model="mlp-16", algorithm=a, epochs=20, limit=256, batch_size=32, augment=False, seed=s)
        for a in ("S+F", "BP", "PC") for s in (0, 1)]


def timed(exp: Experiment, seconds: float, epochs: int, device: str) -> dict:
    """A run as a store holds it, as far as seconds go."""
    return {"experiment": dict(exp.settings), "rows": [[e] for e in range(1, epochs + 1)], "seconds": seconds, "provenance": {"device": device}}


def test_measured_hours_are_those_of_the_arithmetic():
    runs = [timed(GRID[0], 20.0, 4, "some GPU"), timed(GRID[2], 1.0, 1, "another")]
    runs.append(timed(GRID[1], 300.0, 10, "some GPU"))       # it shared the device, so it tells nothing
    seconds = epoch_seconds(runs, "some GPU")
    assert seconds == {cost(GRID[0].settings): 5.0}
    assert measured_hours(GRID[:2], seconds) == pytest.approx(2 * 20 * 5 / 3600)       # two seeds of S+F
    table = cost_table({"t": GRID}, lambda some: measured_hours(some, seconds))
    row = table.loc[("t", "mlp-16")]
    assert row["S+F"] == pytest.approx(200 / 3600) and math.isnan(row["BP"]) and math.isnan(row["all"]) and row["runs"] == 6
    assert list(shown(table)["BP"]) == ["not measured"] * 2
    assert measured_tables({"t": GRID}, runs).keys() == {"some GPU", "another"}
    assert measured_tables({"t": GRID[:2]}, runs).keys() == {"some GPU"}


def test_counted_operations_by_hand():
    exp = Experiment(dataset="cifar10", model="mlp-100", algorithm="BP", epochs=3, select="test")
    first, second = 2 * 3072 * 100, 2 * 100 * 10             # a product forwards: a multiplication and an addition a weight
    assert images_of(exp) == (390 * 128, 10_000), "50,000 images hold 390 full batches"
    assert operations(exp) == 3 * (390 * 128 * (2 * first + 3 * second) + 10_000 * (first + second))
    held = replace(exp, select="validation")
    assert images_of(held) == (351 * 128, 15_000), "a tenth is held out and evaluated, too"
    assert images_of(replace(held, limit=1000)) == (7 * 128, 15_000)
    assert operations(replace(exp, dataset="mine")) is None
    hours = counted_table({"t": [exp]}, 2.0).loc[("t", "all"), "all"]
    assert hours == pytest.approx(operations(exp) / 2e12 / 3600)


def test_the_sizes_are_those_of_the_data():
    data = load("digits")
    assert sizes("digits") == tuple(len(split.labels) for split in (data.train, data.validation, data.test))


def test_costs_cover_every_table_of_the_paper_once():
    tables = every_table("paper")
    table = cost_table({"table1": tables["table1"]}, lambda some: len(some))
    assert table.loc[("table1", "all"), "runs"] == 540 == table.loc[("table1", "all")].drop(["runs", "all"]).sum()
    assert set(tables) == {"fig2", "fig4", "fig5", "fig6", "fig7", "resnet18", "table1", "table2", "table6", "verdicts", "mupc", "rivals"}


def test_steps_take_turns_and_backpropagation_is_their_measure():
    few = [Experiment(algorithm=a, model="mlp-16-16", batch_size=32) for a in ("PC", "BP", "EP")]
    found = step_costs(few, rounds=3).set_index("algorithm")
    assert list(found.index) == ["PC", "BP", "EP"] and (found[["ms", "mb"]] > 0).all(axis=None)
    assert found.loc["BP", "ms over BP's"] == found.loc["BP", "mb over BP's"] == 1
    assert found.loc["EP", "mb over BP's"] > 1                # each sample twice
    assert found.loc["PC", "ms over BP's"] == pytest.approx(found.loc["PC", "ms"] / found.loc["BP", "ms"])


# Programs compiled for devices that are not here

def compiled_table(*rows) -> pd.DataFrame:
    known = dict(dataset="d", model="m", batch_norm="none", program="train", batch=128, device="GPU", bound_seconds=1.0)
    return pd.DataFrame([known | row for row in rows])


def test_batches_that_fit_are_on_the_line_through_two_programs():
    memory = lambda images: 100 + 2.0 * images
    programs = compiled_table(*(dict(algorithm=a, devices=n, memory_mb=k * memory(128 / n)) for a, k in (("BP", 1), ("PC", 2)) for n in (1, 8)),
                     dict(algorithm="iPC", devices=1, memory_mb=1.0))
    found = largest_batches(programs, [16, 0.01])
    assert list(found["batch in 16 GB"]) == [7950, 3950] and list(found["batch in 0.01 GB"]) == [0, 0]
    assert list(by_device(programs, "memory_mb")["GPU"]) == [356, 712, 1]
    assert list(by_device(programs, "memory_mb", devices=8)["GPU"]) == [132, 264]


def test_without_the_file_there_is_a_sentence_and_no_row(tmp_path, capsys):
    programs = compiled_programs(tmp_path / "programs.csv")
    assert capsys.readouterr().out == (
        f"{tmp_path}/programs.csv is not here: `make devices` compiles the paper's programs for an H100 and a TPU v5e and writes it.\n")
    assert len(programs) == len(by_device(programs, "memory_mb")) == len(largest_batches(programs)) == 0

"""Trains one epoch on one device and on eight simulated ones, in float64; prints how far apart they are, as JSON.

A program of its own: how many devices there are is decided before JAX starts. `test_sharding.py` runs it.
"""
import json
import os
import re
import sys
import tempfile
import warnings
from pathlib import Path

os.environ["XLA_FLAGS"] = "--xla_force_host_platform_device_count=8"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
import optax  # noqa: E402

jax.config.update("jax_enable_x64", True)

from pc_precision import training  # noqa: E402
from pc_precision.runs.checkpoints import from_arrays, to_arrays  # noqa: E402
from pc_precision.data import Dataset, DatasetInfo, Split  # noqa: E402
from pc_precision.algorithms import ALGORITHMS, INFERENCES, Recipe
from pc_precision.experiment import Experiment  # noqa: E402
from pc_precision.networks import vgg  # noqa: E402
from pc_precision.learning import RULES  # noqa: E402
from pc_precision.energy import Constant, Spiking  # noqa: E402
from pc_precision.runs.results import results  # noqa: E402
from pc_precision.runs.store import Store, read_run  # noqa: E402
from pc_precision.machine import divide, mesh_of, replicate  # noqa: E402
from pc_precision.protocol import Hyper, Plan
from pc_precision.training import (
    State, evaluate, jit_step, jit_steps, train, train_epoch)  # noqa: E402

INFO = DatasetInfo("toy", 3, (8, 8, 1), (0.4,), (0.3,), True, 2, "drawn", True)
DRAW = np.random.default_rng(0)
BATCH, STEPS, NETWORK = 16, 3, [3, "P", 3]


def toy(n: int) -> Split:
    return Split(DRAW.integers(0, 256, (n, 8, 8, 1)).astype(np.uint8), DRAW.integers(0, 3, n).astype(np.int32))


DATA = Dataset(INFO, toy(BATCH * STEPS + 5), toy(10), toy(21))


def plan_of(recipe: Recipe, norm: str | None, freeze: bool) -> Plan:
    inference = INFERENCES[recipe.inference if freeze or recipe.inference == "sweep" else "dense_unfrozen"]
    return Plan(vgg(NETWORK, 3, batch_norm=norm), INFO, inference, RULES[recipe.rule], recipe.tempo, batch_size=BATCH, dtype="float64")


def first_state(plan: Plan) -> State:
    params, stats = jax.jit(plan.net.init)(jax.random.key(1), jnp.zeros((1, *INFO.image)))
    return State(params, stats, optax.adamw(0.0).init(params), jax.random.key(2), jnp.zeros((), jnp.int32))


def hyper_of(spiking: bool) -> Hyper:
    table = (Spiking(0.3) if spiking else Constant())(3, 3)
    return Hyper(table, 0.3, 0.2, 1.0, np.ones(STEPS), np.full(STEPS, 1e-2), 1e-2)


def epoch(plan: Plan, hyper: Hyper, mesh, scan: bool) -> tuple:
    """(state, info, metrics) after an epoch on the devices of `mesh`."""
    state, data = replicate(first_state(plan), mesh), replicate(tuple(DATA.train), mesh)
    if scan:
        order = divide(jnp.arange(BATCH * STEPS).reshape(STEPS, BATCH), mesh, axis=1)
        state, info = jit_steps(plan, state, data, order, hyper)
    else:
        state, info = train_epoch(plan, state, data, hyper)
    return state, info, evaluate(plan, state.params, state.stats, DATA.test, batch=9)


def numbers(tree) -> list[np.ndarray]:
    return [np.asarray(a) for a in jax.tree.leaves(tree) if jnp.issubdtype(jnp.asarray(a).dtype, jnp.floating)]


def gap(a, b) -> float:
    """||a - b|| / ||b|| of two arrays; absolute where b is zero."""
    return float(np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0))


def apart(a, b) -> float:
    """The largest `gap` of the arrays of two trees."""
    return max((gap(p, q) for p, q in zip(numbers(a), numbers(b), strict=True)), default=0.0)


def compare(recipe: Recipe, norm: str | None, freeze: bool, spiking: bool, scan: bool) -> dict:
    """How far eight devices and one are apart. `idle` parameters have gradient zero but for rounding: a bias that BatchNorm takes away again."""
    plan, hyper = plan_of(recipe, norm, freeze), hyper_of(spiking)
    many, one = (epoch(plan, hyper, mesh, scan) for mesh in (mesh_of(BATCH), None))
    assert {x.dtype for x in numbers((many[0].params, many[0].optimiser, many[1].energies))} == {np.dtype(np.float64)}
    moments = numbers(one[0].optimiser[0].mu)
    idle = [np.linalg.norm(m) < 1e-12 for m in moments]
    pick = lambda tree, which: [x for x, i in zip(numbers(tree), idle) if i == which]
    still = [gap(x, y) for x, y in zip(pick(one[0].params, False), pick(first_state(plan).params, False))]
    return {"parameters": apart(pick(many[0].params, False), pick(one[0].params, False)), "number idle": sum(idle),
            "idle": max((float(np.abs(x - y).max()) for x, y in zip(pick(many[0].params, True), pick(one[0].params, True))), default=0.0),
            "gradients": apart(pick(many[0].optimiser[0].mu, False), pick(one[0].optimiser[0].mu, False)),
            "statistics": apart(many[0].stats, one[0].stats), "info": apart(many[1], one[1]), "metrics": apart(many[2], one[2]),
            "least moved": min(still), "whole": all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(many[0])),
            "devices": [len(jax.tree.leaves(state.params)[0].devices()) for state in (many[0], one[0])]}


def images_of(mesh) -> list[int]:
    """The leading sizes of all arrays over images or activities in the compiled step: what one device computes."""
    plan, hyper = plan_of(ALGORITHMS["BP"], "batch", True), hyper_of(False)
    state, data = replicate(first_state(plan), mesh), replicate(tuple(DATA.train), mesh)
    one = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])
    text = jit_step.lower(plan, state, data, divide(jnp.arange(BATCH), mesh), one).compile().as_text()
    return sorted({int(size) for size in re.findall(r"f64\[(\d+),8,8,3\]", text)})


def moved_run(folder: str) -> dict:
    """A run begun on eight devices that goes on, through a checkpoint's arrays, on one; and what a store says of a run."""
    exp = Experiment(dataset="toy", model="mlp-8", batch_size=16, epochs=2, schedule_epochs=2)
    whole = [state for state, _ in train(exp, DATA)]
    state, record = next(train(exp, DATA))
    arrays = to_arrays(state)
    kept = mesh_of
    training.mesh_of = lambda batch_size: None                                   # as on a machine with one device
    resumed = [state for state, _ in train(exp, DATA, from_arrays(arrays), (record,))]
    training.mesh_of = kept
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        next(train(Experiment(dataset="toy", model="mlp-8", batch_size=12, epochs=1), DATA))
    digits = Experiment(model="mlp-8", epochs=1, limit=200, batch_size=16)
    results([digits], store=folder, progress=False)
    about = read_run(Store(folder).path(digits))["provenance"]
    floats = lambda state: jax.tree.map(lambda a: a.astype(jnp.float64), state.params)
    return {"apart": apart(floats(resumed[-1]), floats(whole[-1])), "epochs": [int(s.epoch) for s in (whole[-1], resumed[-1])],
            "devices": [len(s.params[0]["kernel"].devices()) for s in (whole[-1], resumed[-1])],
            "said": [str(w.message) for w in said], "provenance": [about["devices"], about["device"]]}


CASES = {"S+F, frozen, batch": (ALGORITHMS["S+F"], "batch", True, True, False),
         "PC, scan": (ALGORITHMS["PC"], None, True, False, True),
         "PC, bn, ema": (Recipe(inference="dense"), "ema", False, False, False),
         "BP, bn, batch, scan": (ALGORITHMS["BP"], "batch", True, False, True),
         "ePC, scan": (ALGORITHMS["ePC"], None, True, False, True), "iPC": (ALGORITHMS["iPC"], None, True, False, False)}

if __name__ == "__main__":
    found = {name: compare(*case) for name, case in CASES.items()}
    with tempfile.TemporaryDirectory() as folder:
        found |= {"images": [images_of(mesh_of(BATCH)), images_of(None)], "moved": moved_run(str(Path(folder)))}
    json.dump(found, sys.stdout, default=lambda value: value.item())

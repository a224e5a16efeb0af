"A training step is what Algorithm 1 says, whichever way it is run; evaluation counts what numpy counts."
import inspect
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers_core import backprop_loss, energy_loss, forward_update_loss, init, jitted
from pc_precision import experiment, protocol as protocol_module, training
from pc_precision.algorithms import ALGORITHMS, OPTIMISERS, Named
from pc_precision.data import Dataset, DatasetInfo, Split, dataset, load, normalise
from pc_precision.energy import LOSSES, Decaying, Output, Silenced, Spiking, layer_energies
from pc_precision.experiment import Experiment
from pc_precision.inference import dense_inference, infer, rows
from pc_precision.layers import feedforward
from pc_precision.learning import algorithm_gradient, forward, learn, nudge_both_ways, nudge_by, pc, weight_gradient
from pc_precision.light_cone import relax, relax_dense
from pc_precision.methods import error_coordinates, sweep
from pc_precision.protocol import algorithm_of, epoch_hyper, learning_rates, make_algorithm, make_plan, network, protocol, selection_of
from pc_precision.training import (Epoch, best_epoch, data_of, diverged, evaluate, finished, jit_evaluate, jit_init, jit_step, jit_steps,
                                   first_state, merit, report, train, train_epoch, train_step, training_split)

feedforward, relax, relax_dense, infer, weight_gradient = map(jitted, (feedforward, relax, relax_dense, infer, weight_gradient))
train_step = jax.jit(train_step, static_argnames="plan")

INFO = DatasetInfo("toy", 7, (8, 8, 1), (0.4,), (0.3,), False, 0, "random", True)


def toy(n=96, seed=0, classes=7):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, n).astype(np.int32)
    images = rng.integers(0, 60, (n, 8, 8, 1)).astype(np.uint8)
    images[np.arange(n), labels, :, 0] += 180                       # a bright row tells the class
    return Split(images, labels)


DATA = Dataset(INFO, toy(96), toy(40, 1), toy(50, 2))
EXP = Experiment(dataset="toy", model="mlp-16-16", algorithm="S+F", batch_size=32, epochs=3, learning_rate=1e-3, augment=False)


def batch():
    x = (DATA.train.images[:32] / 255 - 0.4) / 0.3
    return jnp.asarray(x, jnp.float32), jnp.asarray(np.eye(7)[DATA.train.labels[:32]], jnp.float32)


def test_a_backprop_step_is_adamw_on_the_squared_error():
    exp = replace(EXP, algorithm="BP", weight_decay=0.1)
    plan, hyper = make_plan(exp, INFO), epoch_hyper(protocol(exp, INFO), 3, 0)
    state = first_state(plan, 0)
    x, y = batch()

    def loss(params):
        a = x.reshape(32, -1)
        for i, p in enumerate(params):
            a = a @ p["kernel"] + p["bias"]
            a = jax.nn.gelu(a) if i < 2 else a
        return 0.5 * jnp.mean(jnp.sum((y - a) ** 2, 1))

    adamw = optax.adamw(float(hyper.learning_rate[0]), weight_decay=0.1)
    step = lambda params: optax.apply_updates(params, adamw.update(jax.grad(loss)(params), adamw.init(params), params)[0])
    expected = jax.jit(step)(state.params)
    now = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])
    new, info = train_step(plan, state, jax.random.key(0), DATA.train.images[:32], DATA.train.labels[:32], now)
    assert np.isclose(info.loss, jax.jit(loss)(state.params), rtol=1e-5)
    for a, b in zip(jax.tree.leaves(new.params), jax.tree.leaves(expected)):
        np.testing.assert_allclose(a, b, atol=3e-6)


def test_one_dispatch_an_epoch_gives_the_steps_one_by_one():
    plan, hyper = make_plan(EXP, INFO), epoch_hyper(protocol(EXP, INFO), 3, 0)
    data = tuple(map(jnp.asarray, DATA.train))
    order = jnp.asarray(np.random.default_rng(0).permutation(96).reshape(3, 32))
    state = first_state(plan, 0)
    whole, infos = jit_steps(plan, jax.tree.map(jnp.copy, state), data, order, hyper)
    for i in range(3):
        state, info = jit_step(plan, state, data, order[i], hyper._replace(sign=hyper.sign[i], learning_rate=hyper.learning_rate[i]))
        np.testing.assert_allclose(info.energies, infos.energies[i], rtol=1e-4)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(whole.params)):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_algorithms_share_the_program_that_evaluates_their_network():
    jit_evaluate.clear_cache()
    state = first_state(make_plan(EXP, INFO), 0)
    found = [evaluate(make_plan(replace(EXP, algorithm=name), INFO), state.params, state.stats, DATA.test) for name in ("PC", "S+F", "BP")]
    assert found[0] == found[1] == found[2] and jit_evaluate._cache_size() == 1


def test_an_epoch_that_compiles_ahead_is_the_same_epoch():
    plan, hyper = make_plan(EXP, INFO), epoch_hyper(protocol(EXP, INFO), 3, 0)
    data = tuple(map(jnp.asarray, DATA.train))
    (state, info), (ahead, others) = (train_epoch(plan, first_state(plan, 0), data, hyper, first) for first in (False, True))
    for a, b in zip(jax.tree.leaves((state.params, info)), jax.tree.leaves((ahead.params, others))):
        np.testing.assert_array_equal(a, b)


def test_an_epoch_in_pieces_is_the_epoch_in_one_dispatch(monkeypatch):
    plan, hyper = make_plan(EXP, INFO), epoch_hyper(protocol(replace(EXP, algorithm="S+F-CN"), INFO), 3, 0)
    data = tuple(map(jnp.asarray, DATA.train))
    whole, info = train_epoch(plan, first_state(plan, 0), data, hyper)
    monkeypatch.setattr(training, "DISPATCH", 2)             # three steps: one by one
    pieces, others = train_epoch(plan, first_state(plan, 0), data, hyper)
    np.testing.assert_allclose(others.energies, info.energies, rtol=1e-4)
    for a, b in zip(jax.tree.leaves(pieces.params), jax.tree.leaves(whole.params)):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_every_epoch_sees_every_image_once_in_another_order():
    seen = []
    plan, hyper = make_plan(EXP, INFO), epoch_hyper(protocol(EXP, INFO), 3, 0)
    state = first_state(plan, 0)
    for _ in range(2):
        _, shuffle = jax.random.split(state.key)
        seen.append(np.asarray(jax.random.permutation(shuffle, 96)))
        state, _ = train_epoch(plan, state, tuple(map(jnp.asarray, DATA.train)), hyper)
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(96)) and (seen[0] != seen[1]).any()


def test_the_errors_of_a_sweep_are_the_displacements_that_the_spike_front_leaves():
    net = network(EXP, 7)
    x, y = batch()
    params, stats = init(net, jax.random.key(0), x)
    front = relax(net, params, stats, x, y, covariance=Spiking(0.1, float("inf"))(3, 3), x_step=0.1)
    swept = infer(sweep(), net, params, stats, x, Output(y), rows(net, jnp.ones((0, 3))))
    for ours, theirs in zip(swept.errors, front.displacements, strict=True):
        assert np.linalg.norm(np.subtract(ours, theirs)) <= 1e-4 * np.linalg.norm(theirs)
    np.testing.assert_allclose(layer_energies(swept.errors), layer_energies(front.displacements), rtol=1e-4)
    np.testing.assert_allclose(swept.errors[-1], y - feedforward(net, params, stats, x)[0][-1], atol=1e-6)


def learned_by(exp, x, y, epoch=0):
    "What learns from one batch by an optimiser that adds the gradient to the parameters, and the plan."
    plan, hyper = make_plan(exp, INFO), epoch_hyper(protocol(exp, INFO), 3, epoch)
    hyper = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])
    params, stats = init(plan.net, jax.random.key(0), x)
    none = optax.identity()
    run = lambda hyper: learn(make_algorithm(plan, hyper), none, plan.net, params, stats, none.init(params), x,
                              Output(y, loss=plan.loss), hyper.sign)
    learned = jax.jit(run)(hyper)
    return learned, plan, params, stats, hyper


def test_a_plan_that_skips_learns_as_if_what_it_skips_weighed_nothing_whatever_is_traced():
    exp = replace(EXP, reading="energy", alpha=1.0, base=1000.0, x_step=0.8, momentum=0.1, nesterov=True)
    (x, y), none = batch(), optax.identity()
    before, stats = init(make_plan(exp, INFO).net, jax.random.key(0), x)

    def learned(exp):
        plan = make_plan(exp, INFO)
        run = lambda hyper: learn(make_algorithm(plan, hyper), none, plan.net, before, stats, none.init(before), x, Output(y)).params
        return jax.jit(run)(protocol(exp, INFO).hyper)

    skipping, silent, full = map(learned, (replace(exp, skip=0.01), replace(exp, base=1e12), exp))
    size = lambda a, b: max(float(np.linalg.norm(p - q)) for p, q in zip(*map(jax.tree.leaves, (a, b)), strict=True))
    assert size(skipping, silent) <= 1e-6 * size(before, full) < 1e-2 * size(skipping, full)
    plans = [make_plan(replace(exp, skip=skip, alpha=alpha), INFO) for skip, alpha in ((0, 1.0), (0, 0.5), (0.01, 1.0), (0.01, 0.5))]
    assert plans[0] == plans[1] and not plans[0].table and len(set(plans)) == 3
    np.testing.assert_array_equal(np.float32(plans[3].table), Silenced(Spiking(0.5, 1000.0), 0.01)(3, 3))


@pytest.mark.parametrize("beta", [0.5, -0.25])
def test_a_step_of_training_nudges_the_output_and_divides_by_beta(beta):
    exp = replace(EXP, algorithm="PC", x_step=0.2, momentum=0.0, augment=False, optimiser="sgd", weight_decay=0.0)
    plan, hyper = make_plan(exp, INFO), epoch_hyper(protocol(exp, INFO), 3, 0)
    state, (x, y) = first_state(plan, 0), batch()
    now = hyper._replace(beta=jnp.float32(abs(beta)), sign=jnp.float32(np.sign(beta)), learning_rate=jnp.float32(1.0))
    new, _ = train_step(plan, state, jax.random.key(0), DATA.train.images[:32], DATA.train.labels[:32], now)
    net, params, output = plan.net, state.params, feedforward(plan.net, state.params, state.stats, x)[0][-1]
    target = output + beta * (y - output)                    # a clamped output in its place
    settled = relax_dense(net, params, state.stats, x, target, jnp.ones((3, 3)), 0.2)
    grads, _ = weight_gradient(net, params, state.stats, x, settled, energy_loss)
    for after, before, g in zip(*map(jax.tree.leaves, (new.params, params, grads)), strict=True):
        assert np.linalg.norm(np.subtract(before, after) - np.asarray(g) / beta) <= 1e-3 * np.linalg.norm(g) / abs(beta) + 1e-6


@pytest.mark.slow
def test_a_step_of_training_keeps_the_statistics_of_its_learning_phase():
    data = load("digits", limit=32)
    exp = replace(EXP, dataset="digits", model="vgg5", width=1 / 32, batch_norm="freeze", algorithm="S+F", x_step=0.2, augment=False)
    plan, hyper = make_plan(exp, data.info), epoch_hyper(protocol(exp, data.info), 3, 0)
    images, labels = (jnp.asarray(part[:32]) for part in data.train)
    state, x, y = first_state(plan, 0), normalise(images, data.info.mean, data.info.std), jax.nn.one_hot(labels, 10)
    now = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])
    new, _ = train_step(plan, state, jax.random.key(0), images, labels, now)
    settled = relax_dense(plan.net, state.params, state.stats, x, y, hyper.covariance, 0.2)
    _, after = weight_gradient(plan.net, state.params, state.stats, x, settled, "forward")
    assert jax.tree.leaves(after) and len(jax.tree.leaves(new.stats)) == len(jax.tree.leaves(after))
    for ours, theirs, before in zip(*map(jax.tree.leaves, (new.stats, after, state.stats)), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7)
        assert np.abs(ours - before).max() > 1e-3


@pytest.mark.parametrize("algorithm, loss", [("PC", energy_loss), ("S", energy_loss), ("F", forward_update_loss),
                                             ("D+F", forward_update_loss), ("BP", backprop_loss)])
def test_a_batch_learns_along_the_gradient_of_its_rules_scalar_loss_after_dense_inference(algorithm, loss):
    exp = replace(EXP, algorithm=algorithm, x_step=0.2, momentum=0.3, reading="energy")
    learned, plan, params, stats, hyper = learned_by(exp, *batch())
    x, y = batch()
    table = hyper.covariance if len(hyper.covariance) else jnp.ones((1, 3))
    settled = relax_dense(plan.net, params, stats, x, y, table, hyper.x_step, hyper.momentum, "energy")
    grads, _ = weight_gradient(plan.net, params, stats, x, settled, loss)
    for new, old, g in zip(*map(jax.tree.leaves, (learned.params, params, grads)), strict=True):
        assert np.linalg.norm(np.subtract(new, old) - g) <= 1e-3 * np.linalg.norm(g) + 1e-6


def test_the_energies_reported_are_of_the_errors_that_taught_and_loss_and_hits_of_the_forward_pass():
    x, y = batch()
    for algorithm, errors in {"PC": "errors", "S+F": "displacements", "BP": "errors"}.items():
        learned, plan, params, stats, _ = learned_by(replace(EXP, algorithm=algorithm), x, y)
        info, output = report(plan, learned, y), feedforward(plan.net, params, stats, x)[0][-1]
        expected = [0.5 * (np.asarray(e, np.float64) ** 2).sum() / 32 for e in getattr(learned.settled, errors)]
        np.testing.assert_allclose(info.energies, expected, rtol=1e-5)
        assert np.isclose(info.loss, 0.5 * (np.asarray(y - output) ** 2).sum() / 32, rtol=1e-5)
        assert np.isclose(info.accuracy, (np.argmax(output, 1) == np.argmax(y, 1)).mean())


def test_a_plan_says_by_names_what_is_compiled_and_schedules_and_nudging_are_numbers():
    plans = {name: make_plan(replace(EXP, algorithm=name), INFO) for name in ALGORITHMS}
    assert plans["PC"] == plans["S"] == plans["D"] == plans["PC-CN"] and plans["S+F"] == plans["F"] == plans["D+F-CN"]
    assert len({plans[name] for name in ("BP", "PC", "F", "ePC", "iPC")}) == 5
    assert (plans["ePC"].inference, plans["ePC"].rule, plans["ePC"].tempo) == (error_coordinates, pc, "batch")
    assert (plans["iPC"].inference, plans["iPC"].tempo) == (dense_inference, "step") and (plans["BP"].rule, plans["EP"].nudge) == (forward, nudge_both_ways)
    assert {plan.nudge for name, plan in plans.items() if name != "EP"} == {nudge_by}
    other = make_plan(replace(EXP, output="cross_entropy", dtype="bfloat16"), INFO)
    assert (other.loss, other.dtype) == (LOSSES["cross_entropy"], "bfloat16")
    assert (plans["PC"].loss, plans["PC"].dtype) == (LOSSES["squared_error"], "float32")


def test_a_protocol_holds_in_numbers_and_values_what_the_request_left_open():
    asked = replace(EXP, algorithm="D+F-CN", x_step=0.2, k=2.0, sign_per="epoch", seed=5, patience=None, epochs=7, learning_rate=0.03)
    told = protocol(asked, INFO)
    assert told.plan == make_plan(asked, INFO) and (told.seed, told.negative, told.per_batch, told.schedule_epochs) == (5, 0.5, False, 25)
    np.testing.assert_allclose(told.hyper.covariance, Decaying(2.0)(3, 3), rtol=1e-6)
    assert told.hyper[1:6] == (np.float32(0.2), np.float32(0.5), 0.5, 1.0, 0.03) and np.isclose(told.hyper.weight_decay, 3.8e-3)
    assert told.selection == (None, "validation", 7, 7)                # never stopped early: it may wait as long as it lasts
    bp = protocol(replace(EXP, algorithm="BP"), INFO)
    assert bp.hyper.covariance.shape == (0, 3) and bp.negative == 0
    assert not any(value is None for each in (told, bp) for value in (*each, *each.hyper, *each.selection[1:]))


def test_only_the_front_door_and_what_makes_the_parts_of_a_protocol_know_the_request():
    functions = {name: value for name, value in vars(training).items() if callable(value) and getattr(value, "__module__", "") == training.__name__}
    know = {name for name, value in functions.items() if any(p.annotation is Experiment for p in inspect.signature(value).parameters.values())}
    assert know == {"data_of", "train"}


def test_the_algorithm_of_an_experiment_may_be_made_while_a_program_is_traced():
    x, y = batch()
    for name in ("BP", "S+F", "D", "PC-CN"):
        asked = replace(EXP, algorithm=name)
        net = network(asked, 7)
        params, stats = init(net, jax.random.key(0), x)
        run = lambda p: algorithm_gradient(algorithm_of(asked, INFO), net, p, stats, x, Output(y), -1.0)[0]
        outside = algorithm_of(asked, INFO)
        other = jax.jit(lambda p: algorithm_gradient(outside, net, p, stats, x, Output(y), -1.0)[0])(params)
        for a, b in zip(*map(jax.tree.leaves, (jax.jit(run)(params), other)), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("model, networks", [("mlp-16-16", 1), ("resnet10", 2)])         # of a graph, one more for its distances
def test_a_training_resolves_its_request_once_and_builds_its_network_once(monkeypatch, model, networks):
    counts = dict(resolve_settings=0, unused_settings=0, structure=0)

    def counted(name, function):
        def call(*arguments):
            counts[name] += 1
            return function(*arguments)
        return call

    for name in counts:
        wrapped = counted(name, getattr(experiment, name))
        for module in (experiment, protocol_module):
            monkeypatch.setattr(module, name, wrapped, raising=module is experiment)
    for algorithm in ALGORITHMS:
        counts.update(dict.fromkeys(counts, 0))
        asked = replace(EXP, algorithm=algorithm, model=model, width=1 / 32, T=None)
        told = protocol(asked, INFO)
        protocol_module.warn_of_silent_layers(asked)
        assert asked.key and dict(asked.settings) and asked.layers and counts == dict(resolve_settings=1, unused_settings=1, structure=networks), algorithm
        assert told.plan.net == network(asked, 7)


def test_no_rule_costs_a_forward_pass_of_its_own_and_backprop_nothing_extra():
    def flops(function, *args):
        return jax.jit(function).lower(*args).compile().cost_analysis()["flops"]

    exp = replace(EXP, model="mlp-256-256-256-256")
    x, y = batch()
    net = network(exp, 7)
    params, stats = init(net, jax.random.key(0), x)
    none = optax.identity()

    def grads(algorithm):
        e = replace(exp, algorithm=algorithm)
        plan, hyper = make_plan(e, INFO), epoch_hyper(protocol(e, INFO), 1, 0)
        hyper = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])

        def one(p, x, y, h):
            learned = learn(make_algorithm(plan, h), none, net, p, stats, none.init(p), x, Output(y), h.sign)
            return learned.params, report(plan, learned, y)
        return flops(one, params, x, y, hyper)

    def plain(p, x, y):
        return jax.value_and_grad(lambda p: 0.5 * jnp.mean(jnp.sum((y - feedforward(net, p, stats, x)[0][-1]) ** 2, 1)))(p)

    assert grads("BP") < 1.1 * flops(plain, params, x, y)
    hidden = 2 * 32 * 256 * 256                                      # one product of a hidden layer
    # T = L = 5: at step t a hidden layer is computed again, once forward and once back, if its input has moved (l - 1 >= L - t)
    again = sum(l - 1 >= 5 - t for t in range(5) for l in (2, 3, 4))
    forward, pulls, weights, change = 3, 3, 3, 3                     # hidden products of each part
    expected = (forward + pulls + 2 * again + weights) * hidden
    assert expected < grads("S+F") < 1.15 * expected                 # predicts from the initial activities: the forward pass
    expected += change * hidden                                      # the last step's change of the predictions
    assert expected < grads("S") < 1.15 * expected                   # then products and errors of the final activities are known


def test_evaluation_counts_what_numpy_counts_padding_left_out():
    plan = make_plan(EXP, INFO)
    state = first_state(plan, 0)
    split = toy(53, 5)
    x = jnp.asarray((split.images / 255 - 0.4) / 0.3, jnp.float32)
    output = np.asarray(feedforward(plan.net, state.params, state.stats, x)[0][-1])
    order = np.argsort(-output, 1)
    found = evaluate(plan, state.params, state.stats, split, batch=20)
    assert np.isclose(found["top1"], (order[:, 0] == split.labels).mean())
    assert np.isclose(found["top5"], (order[:, :5] == split.labels[:, None]).any(1).mean())
    assert np.isclose(found["loss"], 0.5 * ((np.eye(7)[split.labels] - output) ** 2).sum(1).mean(), rtol=1e-5)


def cross_entropy_of(output, labels):
    "By numpy in float64, a number an image."
    output = np.asarray(output, np.float64)
    return np.log(np.exp(output - output.max(1, keepdims=True)).sum(1)) + output.max(1) - output[np.arange(len(labels)), labels]


def test_evaluation_and_training_report_the_cross_entropy_of_an_experiment_whose_output_is_charged_so():
    exp = replace(EXP, output="cross_entropy")
    plan = make_plan(exp, INFO)
    state = first_state(plan, 0)
    split = toy(53, 5)
    output = feedforward(plan.net, state.params, state.stats, jnp.asarray((split.images / 255 - 0.4) / 0.3, jnp.float32))[0][-1]
    found = evaluate(plan, state.params, state.stats, split, batch=20)
    assert np.isclose(found["loss"], cross_entropy_of(output, split.labels).mean(), rtol=1e-5)
    assert found["top1"] == evaluate(make_plan(EXP, INFO), state.params, state.stats, split, batch=20)["top1"]
    hyper = epoch_hyper(protocol(exp, INFO), 3, 0)
    now = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])
    _, info = train_step(plan, state, jax.random.key(0), split.images[:32], split.labels[:32], now)
    assert np.isclose(info.loss, cross_entropy_of(output[:32], split.labels[:32]).mean(), rtol=1e-5)


def test_a_backprop_step_on_cross_entropy_is_adamw_on_what_optax_calls_so():
    exp = replace(EXP, algorithm="BP", output="cross_entropy", weight_decay=0.1)
    plan, hyper = make_plan(exp, INFO), epoch_hyper(protocol(exp, INFO), 3, 0)
    state, (x, y) = first_state(plan, 0), batch()
    loss = lambda p: optax.softmax_cross_entropy(feedforward(plan.net, p, state.stats, x)[0][-1], y).mean()
    learned, plan, params, stats, _ = learned_by(exp, x, y)
    for new, old, g in zip(*map(jax.tree.leaves, (learned.params, params, jax.jit(jax.grad(loss))(params))), strict=True):
        np.testing.assert_allclose(np.subtract(new, old), g, atol=1e-6)
    now = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])
    adamw = optax.adamw(float(now.learning_rate), weight_decay=0.1)
    step = lambda params: optax.apply_updates(params, adamw.update(jax.grad(loss)(params), adamw.init(params), params)[0])
    new, _ = train_step(plan, state, jax.random.key(0), DATA.train.images[:32], DATA.train.labels[:32], now)
    for a, b in zip(jax.tree.leaves(new.params), jax.tree.leaves(jax.jit(step)(state.params))):
        np.testing.assert_allclose(a, b, atol=3e-6)


def test_a_network_that_says_the_same_of_all_classes_is_right_by_chance_only():
    plan = make_plan(EXP, INFO)
    state = first_state(plan, 0)
    dead = jax.tree.map(jnp.zeros_like, state.params)
    split = toy(70, 3)
    assert np.isclose(evaluate(plan, dead, state.stats, split)["top1"], (split.labels == 0).mean())
    broken = jax.tree.map(lambda p: p * jnp.nan, state.params)
    assert evaluate(plan, broken, state.stats, split)["top1"] == 0


def test_the_learning_rate_follows_the_protocol():
    rate = learning_rates(protocol(replace(EXP, learning_rate=0.01, schedule_epochs=25), INFO), 8)      # 200 steps, 20 of warm-up
    halfway = 0.001 + (0.011 - 0.001) * 0.5
    for step, value in {0: 0.01, 10: 0.0105, 20: 0.011, 110: halfway, 200: 0.001, 399: 0.001}.items():
        assert np.isclose(rate(step), value, rtol=1e-4), step


def test_centre_nudging_draws_signs_per_batch_or_per_epoch_and_others_do_not():
    exp = replace(EXP, algorithm="PC-CN", beta=0.5)
    per_batch = np.stack([epoch_hyper(protocol(exp, INFO), 50, e).sign for e in range(40)])
    assert set(per_batch.ravel()) == {-1, 1} and abs(per_batch.mean()) < 0.12 and (np.ptp(per_batch, axis=1) > 0).all()
    per_epoch = np.stack([epoch_hyper(protocol(replace(exp, sign_per="epoch"), INFO), 50, e).sign for e in range(40)])
    assert (np.ptp(per_epoch, axis=1) == 0).all() and set(per_epoch.ravel()) == {-1, 1}
    assert (epoch_hyper(protocol(replace(exp, algorithm="PC"), INFO), 50, 0).sign == 1).all()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(compiled_anew):
    def final(exp):
        for program in (jit_init, jit_steps, jit_evaluate):
            program.clear_cache()
        return [np.asarray(leaf) for leaf in jax.tree.leaves(list(train(exp, DATA))[-1][0].params)]
    one, two, other = final(EXP), final(EXP), final(replace(EXP, seed=1))
    assert all((a == b).all() for a, b in zip(one, two)) and any((a != b).any() for a, b in zip(one, other))


def test_continuing_from_a_state_and_its_records_gives_the_run_that_was_not_interrupted():
    run = train(EXP, DATA)
    state, first = next(run)
    kept = jax.tree.map(jnp.copy, state)
    rest = [(jax.tree.map(np.asarray, s.params), r) for s, r in run]
    again = [(jax.tree.map(np.asarray, s.params), r) for s, r in train(EXP, DATA, kept, (first,))]
    assert [r.number for _, r in again] == [2, 3] and [r.metrics for _, r in again] == [r.metrics for _, r in rest]
    for a, b in zip(jax.tree.leaves(again[-1][0]), jax.tree.leaves(rest[-1][0])):
        assert (a == b).all()


def test_schedules_rates_and_nudging_compile_nothing():
    next(train(replace(EXP, algorithm="PC"), DATA))
    size = jit_steps._cache_size()
    for changes in (dict(algorithm="S", alpha=0.3), dict(algorithm="D", k=2.0), dict(algorithm="PC-CN", beta=0.3),
                    dict(algorithm="PC", x_step=0.01, momentum=0.9, learning_rate=1e-5, weight_decay=0.0)):
        next(train(replace(EXP, **changes), DATA))
    assert jit_steps._cache_size() == size


def record(number, top1, broken=False):
    return Epoch(number, None, {} if broken else {"validation": {"top1": top1}, "test": {"top1": 1 - top1}}, 0.0, broken)


def test_a_run_ends_when_it_should():
    exp = replace(EXP, epochs=6, patience=2)
    rise = [record(1, 0.1), record(2, 0.5), record(3, 0.4)]
    assert finished(selection_of(exp), []) is None and finished(selection_of(exp), rise) is None
    assert finished(selection_of(exp), [*rise, record(4, 0.5)]) == "stopped early"                  # equal is not better
    assert finished(selection_of(replace(exp, patience=None)), [*rise, record(4, 0.5)]) is None
    assert finished(selection_of(replace(exp, epochs=3)), rise) == "finished"
    assert finished(selection_of(exp), [*rise, record(4, 0, broken=True)]) == "diverged"
    assert finished(selection_of(replace(exp, select="test")), rise) == "stopped early"              # there the first was the best
    assert best_epoch([0.1, 0.5, 0.5]) == 1


def test_a_diverging_run_is_called_so_and_has_no_accuracy():
    records = [r for _, r in train(replace(EXP, algorithm="PC", x_step=1e30), DATA)]
    assert len(records) == 1 and records[0].diverged and records[0].metrics == {}
    assert finished(selection_of(EXP), records) == "diverged"


def test_the_papers_way_trains_on_the_validation_images_too_and_ours_does_not():
    assert len(training_split(selection_of(EXP), DATA, 32).labels) == 96
    assert len(training_split(selection_of(replace(EXP, select="test")), DATA, 32).labels) == 136
    assert len(training_split(selection_of(replace(EXP, select="test", limit=96)), DATA, 32).labels) == 96
    with pytest.raises(ValueError, match="96 training images do not fill one batch of 128"):
        training_split(selection_of(EXP), DATA, 128)


@pytest.mark.parametrize("change, says", [
    (lambda s: s._replace(labels=s.labels + 3), "labels must lie in 0..6"),
    (lambda s: s._replace(images=s.images.astype(np.float32) * np.nan), "NaN or infinite"),
    (lambda s: s._replace(images=s.images / 255), "must be uint8 arrays"),
    (lambda s: s._replace(images=s.images[:, :4]), r"\(N, 8, 8, 1\) as toy says")])
def test_data_that_cannot_be_trained_on_stop_with_one_sentence(change, says):
    with pytest.raises(ValueError, match=says) as caught:
        next(train(EXP, DATA._replace(validation=change(DATA.validation))))
    assert "\n" not in str(caught.value)


LEARNS = [*((name, "squared_error", "float32") for name in ("BP", "S+F", "iPC")), *((name, "cross_entropy", "float32") for name in ("PC", "ePC")),
          ("S+F", "squared_error", "bfloat16"), *(
    pytest.param(*case, "float32", marks=pytest.mark.slow) for case in (
        *((name, "squared_error") for name in ("PC", "D+F", "ePC")), *((name, "cross_entropy") for name in ("BP", "S+F", "iPC"))))]


@pytest.mark.parametrize("algorithm, output, dtype", LEARNS)
def test_every_algorithm_learns_a_task_that_can_be_learned(algorithm, output, dtype):
    exp = replace(EXP, algorithm=algorithm, output=output, dtype=dtype, epochs=40, learning_rate=5e-3, schedule_epochs=40,
                  patience=None, x_step=0.1)
    records = [r for _, r in train(exp, DATA)]
    assert records[-1].metrics["test"]["top1"] > 0.9 > 0.5 > records[0].metrics["test"]["top1"]
    assert records[-1].metrics["test"]["loss"] < 0.6 * records[0].metrics["test"]["loss"]


def real_types(tree):
    return sorted({str(leaf.dtype) for leaf in jax.tree.leaves(tree) if jnp.issubdtype(leaf.dtype, jnp.floating)})


def types_of_steps(dtype):
    "By algorithm and BatchNorm: types of the numbers of the state around a step, and of its record; nothing is computed."
    found, info = {}, replace(INFO, image=(32, 32, 1))
    for name, norm in [*((n, "freeze") for n in ("BP", "PC", "S+F", "D-CN", "ePC", "iPC")), ("S+F", None), ("PC", "bn")]:
        exp = replace(EXP, algorithm=name, dtype=dtype, model="vgg5", width=1 / 64, batch_norm=norm)
        plan, hyper = make_plan(exp, info), epoch_hyper(protocol(exp, INFO), 3, 0)
        hyper = hyper._replace(sign=hyper.sign[0], learning_rate=hyper.learning_rate[0])
        before = jax.eval_shape(lambda: first_state(plan, 0))
        given = jax.ShapeDtypeStruct((4, 32, 32, 1), jnp.uint8), jax.ShapeDtypeStruct((4,), jnp.int32)
        after, record = jax.eval_shape(lambda s, *a: train_step(plan, s, jax.random.key(0), *a, hyper), before, *given)
        found[f"{name}, {norm}"] = [real_types((before, after)), real_types(record)]
        assert all((a.shape, a.dtype) == (b.shape, b.dtype) for a, b in zip(*map(jax.tree.leaves, (before, after)), strict=True))
    return found


def an_epoch(dtype, **changes):
    "Types of the numbers of the state after an epoch, of its record; whether all parameters moved and all numbers are finite."
    exp = replace(EXP, dtype=dtype, epochs=1, **changes)
    before = [np.asarray(a, np.float64) for a in jax.tree.leaves(first_state(make_plan(exp, INFO), 0).params)]
    [(state, record)] = list(train(exp, DATA))
    moved = all((a != np.asarray(b, np.float64)).any() for a, b in zip(before, jax.tree.leaves(state.params), strict=True))
    return [real_types(state), real_types(record.train), moved, not diverged(state, record.train)]


def test_a_step_in_bfloat16_leaves_every_number_of_the_state_in_bfloat16_and_reports_in_float32():
    for name, (state, info) in types_of_steps("bfloat16").items():
        assert state == ["bfloat16"] and info == ["float32"], name


def test_an_epoch_in_bfloat16_moves_every_parameter_of_the_state_which_stays_in_bfloat16():
    assert an_epoch("bfloat16", model="mlp-8-8") == [["bfloat16"], ["float32"], True, True]


@pytest.mark.slow
def test_steps_and_an_epoch_in_float64_leave_every_number_of_the_state_and_of_the_record_in_float64():
    code = "import json, test_training as t; print(json.dumps([t.types_of_steps('float64'), t.an_epoch('float64')]))"
    folder = Path(__file__).parent
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env=os.environ | {"JAX_ENABLE_X64": "1", "PYTHONPATH": f"{folder}{os.pathsep}{folder.parent}"})
    assert done.returncode == 0, done.stderr[-3000:]
    steps, epoch = json.loads(done.stdout)
    assert all(types == [["float64"], ["float64"]] for types in steps.values()), steps
    assert epoch == [["float64"], ["float64"], True, True]


# --- data, networks and algorithms of one's own ---------------------------------------------------------------------------

def plane(n=240, kind=np.float64, targets=True, shape=(2,)):
    """Three numbers that depend linearly on the input, or the largest of them as a label."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, *shape))
    y = x.reshape(n, -1) @ rng.normal(size=(x[0].size, 3))
    return dataset("plane", (x.astype(kind), y if targets else y.argmax(1)), (x[:40].astype(kind), (y if targets else y.argmax(1))[:40]))


OWN = Experiment(dataset=Named("plane", plane()), model="mlp-16", algorithm="S+F", batch_size=12, epochs=4, schedule_epochs=4,
                 learning_rate=1e-2)


@pytest.mark.parametrize("shape", [(2,), (3, 2), (2, 2, 1)])
@pytest.mark.parametrize("targets", [True, False])
@pytest.mark.parametrize("algorithm", ["S+F", *(pytest.param(name, marks=pytest.mark.slow) for name in ("BP", "PC"))])
def test_floats_of_any_shape_train_towards_targets_and_labels(shape, targets, algorithm):
    exp = replace(OWN, dataset=Named("plane", plane(shape=shape, targets=targets)), algorithm=algorithm)
    records = [record for _, record in train(exp, data_of(exp))]
    metrics = [r.metrics["validation"] for r in records]
    assert metrics[-1]["loss"] < 0.7 * metrics[0]["loss"] if targets else metrics[-1]["top1"] > 0.6
    assert ("top1" in metrics[0]) == (not targets) and np.isnan(records[0].train.accuracy) == targets


def test_without_an_accuracy_the_least_loss_selects():
    records = [Epoch(i + 1, None, {"validation": {"loss": loss}}, 0.0, False) for i, loss in enumerate([3.0, 1.0, 2.0, 2.5])]
    exp = replace(OWN, patience=2, epochs=9)
    assert best_epoch([merit(r.metrics["validation"]) for r in records]) == 1
    assert finished(selection_of(exp), records) == "stopped early" and finished(selection_of(exp), records[:3]) is None


def test_train_honours_the_limit_of_the_experiment_as_load_does():
    exp = Experiment(model="mlp-8", limit=64, batch_size=32, epochs=1, augment=False)
    (_, few), (_, many) = (next(train(exp, load("digits", limit=limit))) for limit in (64, None))
    assert few.metrics == many.metrics and (few.train.energies == many.train.energies).all()
    assert len(training_split(selection_of(exp), load("digits"), 32).labels) == 64
    with pytest.raises(ValueError, match="limit"):
        next(train(replace(OWN, limit=1000), plane()))


def test_states_stay_alive_while_training_goes_on():
    states = [state for state, _ in train(OWN, data_of(OWN))]
    first = np.asarray(states[0].params[0]["kernel"])
    assert [int(s.epoch) for s in states] == [1, 2, 3, 4] and (first != np.asarray(states[-1].params[0]["kernel"])).any()


def test_an_optimiser_of_ones_own_moves_the_weights():
    exp = replace(OWN, optimiser=Named("slow", lambda rate, decay: optax.scale(-0.0)), epochs=1)
    state, _ = next(train(exp, data_of(exp)))
    before = first_state(make_plan(exp, exp.dataset.value.info), exp.seed)
    assert all((a == b).all() for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(before.params)))
    for name in ("sgd", "lion"):
        (_, first), *_, (_, last) = train(replace(OWN, optimiser=name, learning_rate=1e-2), data_of(OWN))
        assert last.metrics["validation"]["loss"] < first.metrics["validation"]["loss"]


def test_sgd_descends_the_gradient_with_weight_decay():
    net, (x, y) = network(replace(OWN, model="mlp-4"), 3), (np.ones((24, 2), np.float32), np.ones((24, 3), np.float32))
    optimiser = OPTIMISERS["sgd"](0.1, 0.5)
    params, _ = init(net, jax.random.key(0), x)
    updates, _ = optimiser.update(params, optimiser.init(params), params)
    for u, p in zip(jax.tree.leaves(updates), jax.tree.leaves(params)):
        np.testing.assert_allclose(u, -0.1 * (p + 0.5 * p), rtol=1e-6)


def test_one_network_is_initialised_by_one_program():
    exp = replace(OWN, model="mlp-7")
    plan = make_plan(exp, plane().info)
    first_state(plan, 0)
    size = jit_init._cache_size()
    for other in (replace(exp, seed=1), replace(exp, algorithm="PC"), replace(exp, x_step=0.3)):
        first_state(make_plan(other, plane().info), other.seed)
    assert jit_init._cache_size() == size


@pytest.mark.parametrize("change, words", [
    (lambda d: d._replace(validation=Split(d.validation.images[:0], d.validation.labels[:0])), ("no validation images",)),
    (lambda d: d._replace(test=Split(d.test.images[:0], d.test.labels[:0])), ("no test images",)),
    (lambda d: d._replace(info=replace(d.info, flip=True)), ("augment=False", "float64")),
    (lambda d: d._replace(test=Split(d.test.images.astype(np.float32), d.test.labels)), ("test images", "float32")),
    (lambda d: d._replace(train=Split(d.train.images, d.train.labels * np.nan)), ("finite",)),
    (lambda d: d._replace(train=Split(d.train.images, d.train.labels[:, :2])), ("labels", "(N, 3)"))])
def test_data_that_cannot_train_is_refused_before_training(change, words):
    with pytest.raises(ValueError) as said:
        next(train(OWN, change(plane())))
    assert all(word in str(said.value) for word in words) and "\n" not in str(said.value)


def test_training_warns_of_silent_layers_before_it_begins(monkeypatch):
    told = []
    monkeypatch.setattr(training, "warn_of_silent_layers", lambda exp: told.append(exp) or 1 / 0)
    exp = Experiment(model="mlp-8", algorithm="PC", epochs=1)
    with pytest.raises(ZeroDivisionError):
        next(train(exp, load("digits")))
    assert told == [exp]

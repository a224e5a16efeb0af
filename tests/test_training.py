"A training step is what Algorithm 1 says, whichever way it is run; evaluation counts what numpy counts."
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pc_precision.data import Dataset, DatasetInfo, Split
from pc_precision.energy import layer_energies
from pc_precision.experiment import Experiment, network
from pc_precision.layers import feedforward
from pc_precision.precision import Spiking
from pc_precision.relaxation import relax
from pc_precision.training import (Epoch, Info, Plan, backprop_errors, best_epoch, diverged, epoch_hyper, evaluate, finished,
                                   jit_epoch, jit_evaluate, jit_step, learn, learning_rates, make_plan, start, train,
                                   train_epoch, train_step, training_split)

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
    return jnp.asarray(x, jnp.float32), jax.nn.one_hot(DATA.train.labels[:32], 7)


def test_a_backprop_step_is_adamw_on_the_squared_error():
    exp = replace(EXP, algorithm="BP", weight_decay=0.1)
    plan, hyper = make_plan(exp, INFO), epoch_hyper(exp, 3, 0)
    state = start(exp, plan)
    x, y = batch()

    def loss(params):
        a = x.reshape(32, -1)
        for i, p in enumerate(params):
            a = a @ p["kernel"] + p["bias"]
            a = jax.nn.gelu(a) if i < 2 else a
        return 0.5 * jnp.mean(jnp.sum((y - a) ** 2, 1))

    adamw = optax.adamw(float(hyper.learning_rate[0]), weight_decay=0.1)
    updates, _ = adamw.update(jax.grad(loss)(state.params), adamw.init(state.params), state.params)
    expected = optax.apply_updates(state.params, updates)
    now = hyper._replace(beta=hyper.beta[0], learning_rate=hyper.learning_rate[0])
    new, info = train_step(plan, state, jax.random.key(0), DATA.train.images[:32], DATA.train.labels[:32], now)
    assert np.isclose(info.loss, loss(state.params), rtol=1e-5)
    for a, b in zip(jax.tree.leaves(new.params), jax.tree.leaves(expected)):
        np.testing.assert_allclose(a, b, atol=3e-6)


def test_one_dispatch_an_epoch_gives_the_steps_one_by_one():
    plan, hyper = make_plan(EXP, INFO), epoch_hyper(EXP, 3, 0)
    data = tuple(map(jnp.asarray, DATA.train))
    order = jnp.asarray(np.random.default_rng(0).permutation(96).reshape(3, 32))
    state = start(EXP, plan)
    whole, infos = jit_epoch(plan, jax.tree.map(jnp.copy, state), data, order, hyper)
    for i in range(3):
        state, info = jit_step(plan, state, data, order[i], hyper._replace(beta=hyper.beta[i], learning_rate=hyper.learning_rate[i]))
        np.testing.assert_allclose(info.energies, infos.energies[i], rtol=1e-4)
    for a, b in zip(jax.tree.leaves(state.params), jax.tree.leaves(whole.params)):
        np.testing.assert_allclose(a, b, atol=2e-5)


def test_every_epoch_sees_every_image_once_in_another_order():
    seen = []
    plan, hyper = make_plan(EXP, INFO), epoch_hyper(EXP, 3, 0)
    state = start(EXP, plan)
    for _ in range(2):
        _, shuffle = jax.random.split(state.key)
        seen.append(np.asarray(jax.random.permutation(shuffle, 96)))
        state, _ = train_epoch(plan, state, tuple(map(jnp.asarray, DATA.train)), hyper)
    assert sorted(seen[0]) == sorted(seen[1]) == list(range(96)) and (seen[0] != seen[1]).any()


def test_energies_of_backprop_are_its_squared_backward_errors():
    net = network(EXP, 7)
    x, y = batch()
    params, stats = net.init(jax.random.key(0), x)
    front = relax(net, params, stats, x, y, covariance=Spiking(0.1, float("inf"))(3, 3), x_step=0.1)
    still = relax(net, params, stats, x, y, covariance=jnp.ones((0, 3)))
    errors = backprop_errors(net, params, stats, x, still)
    np.testing.assert_allclose(layer_energies(errors), layer_energies(front.displacements), rtol=1e-4)
    np.testing.assert_allclose(errors[-1], y - feedforward(net, params, stats, x)[0][-1], atol=1e-6)


def test_the_forward_update_costs_no_forward_pass_and_backprop_nothing_extra():
    def flops(function, *args):
        return jax.jit(function).lower(*args).compile().cost_analysis()["flops"]

    exp = replace(EXP, model="mlp-256-256-256-256")
    x, y = batch()
    net = network(exp, 7)
    params, stats = net.init(jax.random.key(0), x)

    def grads(algorithm):
        e = replace(exp, algorithm=algorithm)
        plan, hyper = make_plan(e, INFO), epoch_hyper(e, 1, 0)
        hyper = hyper._replace(beta=hyper.beta[0], learning_rate=hyper.learning_rate[0])
        return flops(lambda p, x, y, h: learn(plan, p, stats, x, y, h), params, x, y, hyper)

    def plain(p, x, y):
        return jax.value_and_grad(lambda p: 0.5 * jnp.mean(jnp.sum((y - feedforward(net, p, stats, x)[0][-1]) ** 2, 1)))(p)

    assert grads("BP") < 1.1 * flops(plain, params, x, y)
    hidden = 2 * 32 * 256 * 256                                      # one product of a hidden layer
    # T = L = 5: at step t a hidden layer is computed again, once forward and once back, if its input has moved (l - 1 >= L - t)
    again = sum(l - 1 >= 5 - t for t in range(5) for l in (2, 3, 4))
    expected = (3 + 3 + 3 + 2 * again) * hidden                     # forward pass, its pulls, weight gradients, the cone
    assert expected < grads("S+F") < 1.15 * expected
    assert grads("S+F") + 2.9 * hidden < grads("S")                  # predicting from the final activities is a pass more


def test_evaluation_counts_what_numpy_counts_padding_left_out():
    plan = make_plan(EXP, INFO)
    state = start(EXP, plan)
    split = toy(53, 5)
    x = jnp.asarray((split.images / 255 - 0.4) / 0.3, jnp.float32)
    output = np.asarray(feedforward(plan.net, state.params, state.stats, x)[0][-1])
    order = np.argsort(-output, 1)
    found = evaluate(plan, state.params, state.stats, split, batch=20)
    assert np.isclose(found["top1"], (order[:, 0] == split.labels).mean())
    assert np.isclose(found["top5"], (order[:, :5] == split.labels[:, None]).any(1).mean())
    assert np.isclose(found["loss"], 0.5 * ((np.eye(7)[split.labels] - output) ** 2).sum(1).mean(), rtol=1e-5)


def test_a_network_that_says_the_same_of_all_classes_is_right_by_chance_only():
    plan = make_plan(EXP, INFO)
    state = start(EXP, plan)
    dead = jax.tree.map(jnp.zeros_like, state.params)
    split = toy(70, 3)
    assert np.isclose(evaluate(plan, dead, state.stats, split)["top1"], (split.labels == 0).mean())
    broken = jax.tree.map(lambda p: p * jnp.nan, state.params)
    assert evaluate(plan, broken, state.stats, split)["top1"] == 0


def test_the_learning_rate_follows_the_protocol():
    rate = learning_rates(replace(EXP, learning_rate=0.01, schedule_epochs=25), 8)      # 200 steps, 20 of warm-up
    halfway = 0.001 + (0.011 - 0.001) * 0.5
    for step, value in {0: 0.01, 10: 0.0105, 20: 0.011, 110: halfway, 200: 0.001, 399: 0.001}.items():
        assert np.isclose(rate(step), value, rtol=1e-4), step


def test_centre_nudging_draws_signs_per_batch_or_per_epoch_and_others_do_not():
    exp = replace(EXP, algorithm="PC-CN", beta=0.5)
    per_batch = np.stack([epoch_hyper(exp, 50, e).beta for e in range(40)])
    assert set(per_batch.ravel()) == {-0.5, 0.5} and abs(per_batch.mean()) < 0.06 and (np.ptp(per_batch, axis=1) > 0).all()
    per_epoch = np.stack([epoch_hyper(replace(exp, sign_per="epoch"), 50, e).beta for e in range(40)])
    assert (np.ptp(per_epoch, axis=1) == 0).all() and set(per_epoch.ravel()) == {-0.5, 0.5}
    assert (epoch_hyper(replace(exp, algorithm="PC"), 50, 0).beta == 1).all()


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    def final(exp):
        jax.clear_caches()
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
    size = jit_step._cache_size()
    for changes in (dict(algorithm="S", alpha=0.3), dict(algorithm="D", k=2.0), dict(algorithm="PC-CN", beta=0.3),
                    dict(algorithm="PC", x_step=0.01, momentum=0.9, learning_rate=1e-5, weight_decay=0.0)):
        next(train(replace(EXP, **changes), DATA))
    assert jit_step._cache_size() == size


def record(number, top1, broken=False):
    return Epoch(number, None, {} if broken else {"validation": {"top1": top1}, "test": {"top1": 1 - top1}}, 0.0, broken)


def test_a_run_ends_when_it_should():
    exp = replace(EXP, epochs=6, patience=2)
    rise = [record(1, 0.1), record(2, 0.5), record(3, 0.4)]
    assert finished(exp, []) is None and finished(exp, rise) is None
    assert finished(exp, [*rise, record(4, 0.5)]) == "stopped early"                  # equal is not better
    assert finished(replace(exp, patience=None), [*rise, record(4, 0.5)]) is None
    assert finished(replace(exp, epochs=3), rise) == "finished"
    assert finished(exp, [*rise, record(4, 0, broken=True)]) == "diverged"
    assert finished(replace(exp, select="test"), rise) == "stopped early"              # there the first was the best
    assert best_epoch([0.1, 0.5, 0.5]) == 1


def test_a_diverging_run_is_called_so_and_has_no_accuracy():
    records = [r for _, r in train(replace(EXP, algorithm="PC", x_step=1e30), DATA)]
    assert len(records) == 1 and records[0].diverged and records[0].metrics == {}
    assert finished(EXP, records) == "diverged"


def test_the_papers_way_trains_on_the_validation_images_too_and_ours_does_not():
    assert len(training_split(EXP, DATA).labels) == 96
    assert len(training_split(replace(EXP, select="test"), DATA).labels) == 136
    assert len(training_split(replace(EXP, select="test", limit=96), DATA).labels) == 96
    with pytest.raises(ValueError, match="96 training images do not fill one batch of 128"):
        training_split(replace(EXP, batch_size=128), DATA)


@pytest.mark.parametrize("change, says", [
    (lambda s: s._replace(labels=s.labels + 3), "labels must lie in 0..6"),
    (lambda s: s._replace(images=s.images.astype(np.float32) * np.nan), "NaN or infinite"),
    (lambda s: s._replace(images=s.images / 255), "must be uint8 arrays"),
    (lambda s: s._replace(images=s.images[:, :4]), r"\(N, 8, 8, 1\) as toy says")])
def test_data_that_cannot_be_trained_on_stop_with_one_sentence(change, says):
    with pytest.raises(ValueError, match=says) as caught:
        next(train(EXP, DATA._replace(validation=change(DATA.validation))))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("algorithm", ["BP", "PC", "S+F", "D+F"])
def test_every_rule_learns_a_task_that_can_be_learned(algorithm):
    exp = replace(EXP, algorithm=algorithm, epochs=40, learning_rate=5e-3, schedule_epochs=40, patience=None, x_step=0.1)
    records = [r for _, r in train(exp, DATA)]
    assert records[-1].metrics["test"]["top1"] > 0.9 > 0.4 > records[0].metrics["test"]["top1"]

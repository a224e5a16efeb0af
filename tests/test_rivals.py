"""The rivals: each inference against its published equations, written out with automatic derivatives and loops, in float64."""
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers_core import init, jitted, worst, worst_layer
from pc_precision.energy import LOSSES, Constant, Output, Spiking
from pc_precision.experiment import Experiment
from pc_precision.inference import infer, rows
from pc_precision.layers import Network, feedforward, predictions
from pc_precision.learning import Algorithm, algorithm_gradient, nudge_both_ways, nudge_by, weight_gradient
from pc_precision.light_cone import cone
from pc_precision.methods import alignment, augmented_lagrangian, equilibrium_propagation, error_coordinates, fixed_predictions, normalised
from pc_precision.networks import mlp, vgg


feedforward, predictions, weight_gradient, alignment = map(jitted, (feedforward, predictions, weight_gradient, alignment))


def example(name: str = "mlp") -> tuple:
    """(network, params, stats, x, y): weights twice as large as drawn, so that curvature matters."""
    net = mlp([7, 6, 5], 3) if name == "mlp" else vgg([3, "P", 4], 3, batch_norm="batch")
    x = jax.random.normal(jax.random.key(0), (4, 8, 8, 2) if name == "vgg" else (4, 5))
    y = jnp.asarray(np.eye(net_classes(net))[np.arange(4) % net_classes(net)], x.dtype)
    params, stats = init(net, jax.random.key(1), x)
    return net, jax.tree.map(lambda p: jnp.asarray(2 * np.asarray(p)), params), stats, x, y


def net_classes(net: Network) -> int:
    return net.layers[-1].features


@jitted
def run(inference, net, params, stats, x, output, T):
    return infer(inference, net, params, stats, x, output, rows(net, Constant()(T, len(net))))


def backprop(net, params, stats, x, y, loss="squared_error"):
    """The gradient of the output's cost by automatic differentiation of the plain composition."""
    cost = lambda p: LOSSES[loss].cost(feedforward(net, p, stats, x)[0][-1], y).mean()
    return jax.jit(jax.grad(cost))(params)


# --- Meta-PC ------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["mlp", pytest.param("vgg", marks=pytest.mark.slow)])
@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_fixed_predictions_with_step_one_are_backpropagation_after_as_many_steps_as_layers_below_the_output(x64, name, loss):
    net, params, stats, x, y = example(name)
    settled = run(fixed_predictions(optax.sgd(1.0)), net, params, stats, x, Output(y, 1.0, LOSSES[loss]), len(net) - 1)
    truth = backprop(net, params, stats, x, y, loss)
    assert worst_layer(weight_gradient(net, params, stats, x, settled, "forward")[0], truth) < 1e-12
    early = run(fixed_predictions(optax.sgd(1.0)), net, params, stats, x, Output(y, 1.0, LOSSES[loss]), len(net) - 2)
    assert worst_layer(weight_gradient(net, params, stats, x, early, "forward")[0], truth) > 0.5      # layer 1 has not heard yet


def test_fixed_predictions_step_as_their_equation_says(x64):
    net, params, stats, x, y = example()
    T, eta, beta = 9, 0.3, 0.7
    mu = feedforward(net, params, stats, x)[0]
    fed, d = (x, *mu), [jnp.zeros_like(m) for m in mu[:-1]] + [beta * (y - mu[-1])]

    @jax.jit
    def step(d):
        pulled = [jax.vjp(lambda a, l=l: net.layers[l].apply(params[l], stats[l], a, True)[0], fed[l])[1](d[l])[0] for l in range(1, len(net))]
        return [own - eta * (own - pull) for own, pull in zip(d, pulled)] + [d[-1]]

    for _ in range(T):
        d = step(d)
    settled = run(fixed_predictions(optax.sgd(eta)), net, params, stats, x, Output(y, beta), T)
    assert worst(settled.displacements, tuple(d)) < 1e-13 and worst(settled.errors, tuple(d)) < 1e-13
    assert worst(settled.final, tuple(m + e for m, e in zip(mu, d))) < 1e-13


def test_the_rule_pc_after_fixed_predictions_predicts_from_the_activities_that_moved(x64):
    net, params, stats, x, y = example()
    settled = run(fixed_predictions(optax.sgd(0.5)), net, params, stats, x, Output(y), 5)
    taught = lambda p: sum(-jnp.vdot(e, mu) for e, mu in zip(settled.errors, predictions(net, p, stats, x, settled.final))) / len(x)
    assert worst(weight_gradient(net, params, stats, x, settled, "pc")[0], jax.jit(jax.grad(taught))(params)) < 1e-12


def test_a_normalised_kernel_has_the_published_size_and_about_unit_norm(x64):
    params = dict(kernel=np.random.default_rng(0).normal(size=(3, 3, 40, 60)), bias=np.arange(60.0))
    grads = jax.tree.map(np.sin, params)
    step = lambda optimiser: optax.apply_updates(params, optimiser.update(grads, optimiser.init(params), params)[0])
    after, told = jax.jit(lambda: (step(normalised(optax.sgd(0.1))), step(optax.sgd(0.1))))()
    n, m = 3 * 3 * 40, 60
    np.testing.assert_allclose(after["kernel"], told["kernel"] / ((m ** 0.5 + n ** 0.5) * np.std(told["kernel"])), rtol=1e-12)
    np.testing.assert_array_equal(after["bias"], told["bias"])
    assert np.linalg.norm(after["kernel"].reshape(n, m), 2) == pytest.approx(1, abs=0.1)


# --- EP -----------------------------------------------------------------------------------------------------------------

def free_energy(net, params, stats, x, y, beta, loss):
    """F of all activities, the output with them, summed over the batch."""
    def F(activities):
        mu = predictions(net, params, stats, x, activities)
        return sum(0.5 * jnp.sum((a - m) ** 2) for a, m in zip(activities, mu)) + beta * LOSSES[loss].cost(activities[-1], y).sum()
    return F


@pytest.mark.parametrize("loss", ["squared_error", "cross_entropy"])
def test_equilibrium_propagation_moves_even_then_odd_layers_down_its_energy(x64, loss):
    net, params, stats, x, y = example()
    T, beta = 3, 0.3
    slope = jax.jit(jax.grad(free_energy(net, params, stats, x, y, beta, loss)))
    a = feedforward(net, params, stats, x)[0]
    for odd in [0, 1] * T:
        g = slope(a)
        a = tuple(np.asarray(v - 0.9 * s if l % 2 == odd else v) for l, (v, s) in enumerate(zip(map(np.asarray, a), map(np.asarray, g)), 1))
    settled = run(equilibrium_propagation(optax.sgd(0.9)), net, params, stats, x, Output(y, beta, LOSSES[loss]), T)
    assert worst(settled.final, a) < 1e-12
    eps = tuple(v - m for v, m in zip(a, predictions(net, params, stats, x, a)))
    assert worst(settled.errors, eps) < 1e-12
    np.testing.assert_allclose(settled.energies[0, :-1], [0.5 * np.sum(np.square(e)) / 4 for e in eps[:-1]])


@pytest.mark.parametrize("loss", ["squared_error", pytest.param("cross_entropy", marks=pytest.mark.slow)])
def test_two_nudgings_in_one_batch_are_the_mean_of_two_batches_and_backpropagation_to_second_order(x64, loss):
    net, params, stats, x, y = example()
    free, output = equilibrium_propagation(optax.sgd(1.0)), Output(y, loss=LOSSES[loss])
    def gradient(nudge, sign=1.0):
        method = Algorithm(free, Constant(), "pc", 40, nudge=nudge)
        return jitted(algorithm_gradient)(method, net, params, stats, x, output, sign)[0]
    gaps, truth = [], backprop(net, params, stats, x, y, loss)
    for beta in (0.02, 0.01):
        both = gradient(nudge_both_ways(beta))
        one, other = (gradient(nudge_by(beta), sign) for sign in (1.0, -1.0))
        assert worst(both, jax.tree.map(lambda p, q: (p + q) / 2, one, other)) < 1e-11
        gaps.append((worst_layer(both, truth), worst_layer(one, truth)))
    (centred, sided), (nearer, nearer_sided) = gaps
    assert centred / nearer == pytest.approx(4, rel=0.1) and sided / nearer_sided == pytest.approx(2, rel=0.1)
    assert nearer < 0.02


def test_a_nudging_of_its_own_for_each_sample_clamps_each_sample_alone(x64):
    net, params, stats, x, y = example()
    betas, (x, y) = np.array([1.0, 0.5, -0.5, 0.1]), map(np.asarray, (x, y))
    together = run(cone(optax.sgd(0.1)), net, params, stats, x, Output(y, betas), 6)
    alone = [run(cone(optax.sgd(0.1)), net, params, stats, x[i:i + 1], Output(y[i:i + 1], betas[i:i + 1]), 6) for i in range(4)]
    assert worst(together.final, jax.tree.map(lambda *parts: np.concatenate(parts), *(s.final for s in alone))) < 1e-13
    grads = [weight_gradient(net, params, stats, x[i:i + 1], s)[0] for i, s in enumerate(alone)]
    mean = jax.tree.map(lambda *parts: sum(parts) / 4, *grads)
    assert worst(weight_gradient(net, params, stats, x, together)[0], mean) < 1e-13


@pytest.mark.parametrize("betas", [[1.0, 0.0, 1.0, 1.0], [1.0, np.nan, 1.0, 1.0]])
def test_a_nudging_of_zero_or_nan_in_one_sample_is_refused(betas):
    net, params, stats, x, y = example()
    with pytest.raises(ValueError, match="beta must be a finite number other than 0"):
        run.__wrapped__(cone(optax.sgd(0.1)), net, params, stats, x, Output(y, np.array(betas)), 2)


# --- PC-ALM -------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("alpha, rho", [(1.0, 1.0), (0.4, 0.7), (0.0, 1.0)])
def test_the_augmented_lagrangian_steps_in_activities_and_multipliers_as_its_authors_write(x64, alpha, rho):
    net, params, stats, x, y = example()
    T, eta, B = 7, 0.05, len(x)
    def lagrangian(hidden, multipliers, p):
        mu = predictions(net, p, stats, x, (*hidden, None))
        parts = [rho / 2 * jnp.sum((h - m + lam / rho) ** 2) for h, m, lam in zip(hidden, mu, multipliers)]
        return 0.5 * jnp.sum((y - mu[-1]) ** 2) + sum(parts)
    residuals = lambda hidden: tuple(h - m for h, m in zip(hidden, predictions(net, params, stats, x, (*hidden, None))))
    hidden = feedforward(net, params, stats, x)[0][:-1]
    multipliers = tuple(jnp.zeros_like(h) for h in hidden)

    @jax.jit
    def step(hidden, multipliers):
        hidden = jax.tree.map(lambda h, g: h - eta * g, hidden, jax.grad(lagrangian)(hidden, multipliers, params))
        return hidden, tuple(lam + alpha * r for lam, r in zip(multipliers, residuals(hidden)))

    for _ in range(T):
        before, (hidden, multipliers) = multipliers, step(hidden, multipliers)
    truth = jax.tree.map(lambda g: g / B, jax.jit(jax.grad(lagrangian, 2))(hidden, before, params))
    settled = run(augmented_lagrangian(optax.sgd(eta), alpha, rho), net, params, stats, x, Output(y), T)
    assert worst(settled.final[:-1], hidden) < 1e-12
    assert worst(weight_gradient(net, params, stats, x, settled)[0], truth) < 1e-12
    if alpha == 0:
        plain = run(cone(optax.sgd(eta)), net, params, stats, x, Output(y), T)
        assert worst(settled.errors, plain.errors) < 1e-13


def test_the_augmented_lagrangian_settles_at_the_forward_pass_with_backpropagations_errors(x64):
    net, _, stats, x, y = example()
    params = init(net, jax.random.key(1), x)[0]
    settled = run(augmented_lagrangian(optax.sgd(0.3)), net, params, stats, x, Output(y), 2000)
    assert worst(settled.final[:-1], feedforward(net, params, stats, x)[0][:-1]) < 1e-9
    assert worst_layer(weight_gradient(net, params, stats, x, settled)[0], backprop(net, params, stats, x, y)) < 1e-8


# --- what they have in common -------------------------------------------------------------------------------------------

def test_error_coordinates_at_equilibrium_give_the_gradient_of_pc_at_equilibrium(x64):
    net, params, stats, x, y = example()
    pc, epc = (weight_gradient(net, params, stats, x, run(way(optax.sgd(0.1)), net, params, stats, x, Output(y), 6000))[0]
               for way in (cone, error_coordinates))
    assert worst_layer(pc, epc) < 1e-9


@pytest.mark.parametrize("eta", [0.8, 0.3])
def test_spiking_with_the_authors_settings_is_backpropagation_times_a_power_of_the_step(x64, eta):
    """Energy reading, alpha 1, base 1e9, no momentum: a layer takes eta of what is pulled, and gives back eta of it a step later."""
    net, params, stats, x, y = example()
    L, base = len(net), 1e9
    covariance = Spiking(1.0, base)(L, L)
    settled = jitted(infer)(cone(optax.sgd(eta)), net, params, stats, x, Output(y, 1e-6), rows(net, covariance, "energy"))
    found = alignment(weight_gradient(net, params, stats, x, settled, "forward")[0], backprop(net, params, stats, x, y))
    np.testing.assert_allclose(found.cosine, 1, atol=1e-6)
    power = eta ** np.arange(L - 1, -1, -1.0)
    power[1:-1] *= 1 - eta                                    # layer 1 spikes at the last step and gives nothing back
    np.testing.assert_allclose(found.size[1:], power[1:], rtol=1e-4)


def test_alignment_by_hand():
    one = (dict(w=jnp.array([3.0, 0.0])), dict(w=jnp.array([[1e-30, 1e-30]])), {}, dict(w=jnp.zeros(2)))
    reference = (dict(w=jnp.array([0.0, 2.0])), dict(w=jnp.array([[2e-30, 0.0]])), {}, dict(w=jnp.ones(2)))
    found = alignment(one, reference)
    np.testing.assert_allclose(found.cosine, [0, 0.5 ** 0.5, np.nan, np.nan], rtol=1e-6)
    np.testing.assert_allclose(found.size[jnp.array([0, 3])], [1.5, 0])
    assert found.size[1] == pytest.approx(0.5 ** 0.5, rel=1e-5) and np.isnan(found.size[2])


@pytest.mark.parametrize("algorithm", ["Meta-PC", "EP", "PC-ALM"])
def test_rivals_keep_statistics_frozen_and_say_so(algorithm):
    with pytest.raises(ValueError, match="use batch_norm='freeze'"):
        Experiment(algorithm=algorithm, batch_norm="bn")

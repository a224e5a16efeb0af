"""Errors and energies: values typed by hand, gradients by finite differences in float64."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers_core import setup, small_mlp
from pc_precision.energy import total_energy, errors, layer_energies, layer_energy
from pc_precision.layers import predictions

# two samples, layers of two units and of one
X = (jnp.array([[1.0, 2.0], [0.0, -1.0]]), jnp.array([[3.0], [5.0]]))
MU = (jnp.array([[0.5, 0.0], [0.0, 1.0]]), jnp.array([[4.0], [2.0]]))
EPS = ([[0.5, 2.0], [0.0, -2.0]], [[-1.0], [3.0]])
ENERGIES = [(0.25 + 4.0 + 0.0 + 4.0) / 4, (1.0 + 9.0) / 4]      # 1/2, and mean over two samples


def test_errors_are_activities_minus_predictions():
    for eps, expected in zip(errors(X, MU), EPS, strict=True):
        np.testing.assert_array_equal(eps, expected)


def test_layer_energies_are_half_the_squares_summed_over_units_and_averaged_over_the_batch():
    np.testing.assert_allclose(layer_energies(errors(X, MU)), ENERGIES, rtol=1e-6)


@pytest.mark.parametrize("covariance, expected", [
    (1.0, 2.0625 + 2.5), (0.5, 4.125 + 5.0), (jnp.array([2.0, 0.1]), 1.03125 + 25.0),
    (jnp.array([jnp.inf, 1.0]), 2.5), (jnp.array([1.0, jnp.inf]), 2.0625)])
def test_the_energy_divides_every_layer_by_its_covariance(covariance, expected):
    np.testing.assert_allclose(total_energy(errors(X, MU), covariance), expected, rtol=1e-6)


def test_a_batch_of_copies_has_the_energy_of_one():
    eps = errors(X, MU)
    repeated = jax.tree.map(lambda e: jnp.tile(e, (7, 1)), eps)
    np.testing.assert_allclose(layer_energies(repeated), layer_energies(eps), rtol=1e-6)


def test_an_activity_may_be_a_pytree():
    level = {"main": X[0], "skip": (X[1],)}
    mu = {"main": MU[0], "skip": (MU[1],)}
    eps = errors((level, X[1]), (mu, MU[1]))
    np.testing.assert_array_equal(eps[0]["skip"][0], EPS[1])
    np.testing.assert_allclose(layer_energy(eps[0]), sum(ENERGIES), rtol=1e-6)
    np.testing.assert_allclose(layer_energies(eps), [sum(ENERGIES), ENERGIES[1]], rtol=1e-6)


@pytest.mark.parametrize("shape", [(1, 3), (2, 4, 4, 3)], ids=["one sample", "images"])
def test_images_and_a_batch_of_one_count_every_unit_once(shape):
    np.testing.assert_allclose(layer_energy(jnp.full(shape, 2.0)), 2.0 * np.prod(shape[1:]), rtol=1e-6)


@pytest.mark.parametrize("which", ["activities", "parameters"])
def test_both_gradients_of_the_one_energy_agree_with_finite_differences(x64, which):
    net, shape = small_mlp()
    params, stats, x, _ = setup(net, shape)
    rng = np.random.default_rng(1)
    activities = tuple(jnp.asarray(rng.normal(size=(shape[0], len(p["bias"])))) for p in params)
    covariance = jnp.array([0.3, 1.0, 2.0, 0.1, 5.0])

    @jax.jit
    def total(activities, params):
        return total_energy(errors(activities, predictions(net, params, stats, x, activities)), covariance)

    at = (activities, params)
    position = ["activities", "parameters"].index(which)
    grads = jax.jit(jax.grad(total, position))(*at)
    for _ in range(4):
        direction = jax.tree.map(lambda a: rng.normal(size=a.shape), at[position])
        ahead, behind = (jax.tree.map(lambda a, d, h=h: np.asarray(a) + h * d, at[position], direction) for h in (1e-5, -1e-5))
        replace = lambda new: at[:position] + (new,) + at[position + 1:]
        slope = (total(*replace(ahead)) - total(*replace(behind))) / 2e-5
        along = sum(np.vdot(g, d) for g, d in zip(jax.tree.leaves(grads), jax.tree.leaves(direction)))
        np.testing.assert_allclose(along, slope, rtol=1e-7)

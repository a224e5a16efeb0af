"""Silence: the light cone leaves out what a known table silences, and the bound of what that changes."""
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers_core import says, setup, small_graph, small_mlp, worst
from pc_precision.energy import Output, Silenced, Spiking
from pc_precision.inference import dense_inference, infer, rows
from pc_precision.layers import Network, feedforward
from pc_precision.learning import Algorithm, forward, learn, weight_gradient
from pc_precision.light_cone import cone, relax
from pc_precision.methods import sweep
from pc_precision.networks import Dense, mlp, vgg
from pc_precision.skipping import product_norms, skip_bound

# --- what hardly weighs, left out ---------------------------------------------------------------------------------------

SKIP = 0.01
X_STEP = 0.25


def own(T: int, L: int) -> np.ndarray:
    return np.random.default_rng(5).uniform(0.3, 3.0, (T, L))


def zeroed(net: Network, covariance: np.ndarray, tolerance: float) -> np.ndarray:
    "The table with infinity where a precision that counts is below `tolerance` times the layer's largest that counts, by loops."
    out = np.array(covariance)
    for l in range(len(net)):
        counts = [t for t in range(len(out)) if t >= net.distance[l]]
        largest = max((1 / out[t, l] for t in counts), default=0)
        for t in counts:
            out[t, l] = np.inf if 1 / covariance[t, l] < tolerance * largest else out[t, l]
    return out


@pytest.mark.parametrize("make, reading, nesterov, skip", [
    (small_mlp, "energy", True, 0.01), (small_mlp, "energy", False, 0.6), (small_mlp, "activity", True, 0.3), (small_graph, "energy", True, 0.5)])
@pytest.mark.parametrize("growing", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_cone_that_leaves_silence_out_is_dense_inference_of_the_same_table(x64, make, reading, nesterov, skip, growing):
    net, shape = make()
    params, stats, x, y = setup(net, shape)
    for T in (2, len(net) + 2):
        for schedule in (Spiking(0.3, 1000.0), own):
            table = np.asarray(schedule(T, net.distance if net.parents and schedule is not own else len(net)))
            run = lambda table, way: relax(net, params, stats, x, y, table, X_STEP, 0.5, reading, nesterov, 0.7, inference=way)
            silenced = Silenced(lambda T, L, table=table: table, skip)(T, net.distance)
            np.testing.assert_array_equal(silenced, zeroed(net, table, skip))
            skipping, full = jax.jit(lambda: (run(silenced, partial(cone, growing=growing)), run(jnp.asarray(silenced), dense_inference)))()
            assert max(worst(a, b) for a, b in zip(skipping[:4], full[:4], strict=True)) <= 1e-12, (T, schedule)
            assert worst(skipping.energies, full.energies) <= 1e-12


def norms_of(net: Network, params: tuple, x: jax.Array) -> np.ndarray:
    "Largest singular values of the layers' linear parts, by 300 steps of the power method; their other parts have slopes up to 1."
    found, nodes = [], (x, *feedforward(net, params, ({},) * len(net), x)[0])
    for layer, p, a in zip(net.layers, params, nodes):
        linear = lambda v: layer.linear(p, v)
        back = jax.linear_transpose(linear, a[:1])
        step = lambda _, v: (lambda w: w / jnp.linalg.norm(w))(back(linear(v))[0])
        v = jax.jit(lambda v: jax.lax.fori_loop(0, 300, step, v))(jax.random.normal(jax.random.key(0), a[:1].shape))
        found.append(1.001 * float(jnp.linalg.norm(linear(v)) / jnp.linalg.norm(v)))
    return np.array(found)


@pytest.mark.parametrize("net, shape, gain", [
    (mlp([12] * 4, 4, "tanh"), (6, 8), 1.5), (mlp([12] * 9, 4, "relu"), (6, 8), 1.5),
    pytest.param(mlp([12] * 39, 4, "tanh"), (6, 8), 1.5, marks=pytest.mark.slow),
    pytest.param(vgg("vgg5", 4, 1 / 32, "relu"), (3, 32, 32, 3), 1.0, marks=pytest.mark.slow)], ids=["5 layers", "10 layers", "40 layers", "VGG5"])
def test_skipping_changes_displacements_and_gradients_by_less_than_the_bound(x64, net, shape, gain, record_property):
    params, stats, x, y = setup(net, shape, gain=gain)
    L, norms = len(net), norms_of(net, params, x)
    table = np.asarray(Spiking(1.0, 1000.0)(L, L))

    def run(schedule):
        way = cone(optax.sgd(0.8, 0.1, True), growing=True)
        settled = infer(way, net, params, stats, x, Output(y), rows(net, schedule(L, L), "energy"))
        return settled.displacements, weight_gradient(net, params, stats, x, settled, "forward")[0]

    spikes = Spiking(1.0, 1000.0)
    (full, full_grads), (d, grads) = jax.jit(lambda: (run(spikes), run(Silenced(spikes, SKIP))))()
    size, gap = ([float(jnp.linalg.norm(a)) for a in arrays] for arrays in (full, jax.tree.map(jnp.subtract, d, full)))
    products = product_norms(net, params, ({},) * L, x)
    bound = skip_bound(net, table, "energy", SKIP, 0.8, 0.1, True, norms, products, size[-1])
    for l in range(L):
        assert gap[l] <= bound[l] + 1e-12 and (gap[l] > 1e-6 * size[l] or l == L - 1), "a difference of nothing proves nothing"
    told = [f"{max(a / b for a, b in zip(values[:-1], size)):.1e}" for values in (gap, bound)]
    assert float(told[1]) < 50 * float(told[0]), "a bound that says something, in forty layers, too"
    record_property("largest relative difference by skipping, and its bound", ", ".join(told))
    print(f"\n{L} layers: displacements differ by up to {told[0]} of their size, bound {told[1]}")
    for l, layer in enumerate(net.layers[:-1]):
        if isinstance(layer, Dense):                          # its Jacobian in kernel and bias: inputs and ones times slopes up to 1
            fed = np.asarray(x if l == 0 else feedforward(net, params, stats, x)[0][l - 1]).reshape(len(x), -1)
            reach = np.linalg.norm(np.hstack([fed, np.ones((len(x), 1))]), 2)
            off = np.sqrt(sum(float(((a - b) ** 2).sum()) for a, b in zip(jax.tree.leaves(grads[l]), jax.tree.leaves(full_grads[l]))))
            assert off <= reach * bound[l] / len(x) + 1e-12


def test_product_norms_are_those_of_the_jacobians_of_all_layers_between(x64):
    net, shape = mlp([6, 5, 4], 3, "tanh"), (2, 7)
    params, stats, x, _ = setup(net, shape)
    found = product_norms(net, params, stats, x)
    nodes = (x, *feedforward(net, params, stats, x)[0])
    for l in range(1, 4):
        for m in range(l + 1, 5):
            def between(a):
                for layer, p in zip(net.layers[l:m], params[l:m]):
                    a = layer.apply(p, {}, a)[0]
                return a[0]
            each = jax.jit(jax.vmap(lambda a: jax.jacobian(between)(a[None]).reshape(-1, a.size)))(nodes[l])
            largest = max(np.linalg.norm(a, 2) for a in np.asarray(each))
            assert found[l - 1, m - 1] == pytest.approx(largest, rel=1e-10)
    assert (np.diag(found) == 1).all() and (np.tril(found, -1) == 0).all()
    with says("chain", "graph"):
        product_norms(small_graph()[0], params, stats, x)


def test_the_bound_of_two_layers_written_out_and_no_difference_where_nothing_is_left_out(x64):
    net = mlp([3], 2)
    table = np.array([[1.0, 10.0], [1.0, 1.0]])               # the output pulls with .1 of its largest, then with all of it
    products = np.array([[1.0, 3.0], [0.0, 1.0]])
    bound = skip_bound(net, table, "energy", 0.5, 0.2, 0.0, False, [7.0, 3.0], products, 2.0)
    first = 0.2 * 0.1 * 3 * 2                                 # step, weight, Jacobian, output: the full inference's first move
    assert bound == pytest.approx([first + 0.2 * (first + 3 * (3 * first + 2 * (2 + 3 * first))), 0])
    assert not skip_bound(net, table, "energy", 0.1, 0.2, 0.5, True, [7.0, 3.0], products, 2.0).any()
    with says("chain", "graph"):
        skip_bound(small_graph()[0], np.ones((4, 4)), "energy", 0.5, 0.2, 0.0, False, np.ones(4), np.eye(4), 1.0)


@pytest.mark.parametrize("depth", [5, pytest.param(40, marks=pytest.mark.slow)])
def test_with_silence_between_the_authors_spikes_the_cone_makes_no_more_products_than_backpropagation(depth):
    net = mlp([32] * (depth - 1), 32)
    params, stats, x, y = setup(net, (64, 32))
    optimiser, schedule = optax.sgd(0.1), Silenced(Spiking(1.0, 1000.0), SKIP)

    def products(way):
        algorithm = Algorithm(way, schedule, forward, depth, "energy")
        run = lambda params: learn(algorithm, optimiser, net, params, stats, optimiser.init(params), x, Output(y)).params
        return jax.jit(run).lower(params).compile().as_text().count(" dot(")

    assert products(cone(optax.sgd(0.8, 0.1, True), growing=True)) == products(sweep()) == 3 * depth - 1


def test_silence_needs_a_part_of_one_and_a_table_that_is_known_before_compiling():
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    for bad in (-0.1, 1.1, np.nan, "much"):
        with says("tolerance", "0 to 1"):
            Silenced(Spiking(0.1), bad)
    with says("silence", "known before compiling", "traced"):
        jax.jit(lambda alpha: Silenced(Spiking(alpha), 0.1)(3, 5))(0.1)
    optimiser, algorithm = optax.sgd(0.1), Algorithm(cone(optax.sgd(0.1)), Silenced(Spiking(0.1), 0.1), forward, 5)
    learned = jax.jit(lambda p: learn(algorithm, optimiser, net, p, stats, optimiser.init(p), x, Output(y)).params)(params)
    assert worst(learned, learn(algorithm, optimiser, net, params, stats, optimiser.init(params), x, Output(y)).params) < 1e-5

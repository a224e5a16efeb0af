"""The arithmetic of the rounding figure: rounding by hand, derivatives of rounded products, and the truth against 60 decimal places."""
from dataclasses import replace
from decimal import Decimal, localcontext

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers_core import init, jitted
from pc_precision.algorithms import Named
from pc_precision.energy import Constant, Spiking
from pc_precision.experiment import Experiment
from pc_precision.learning import weight_gradient
from pc_precision.light_cone import relax, relax_dense
from pc_precision.networks import Block, Dense, mlp, vgg
from pc_precision.rounding import (ADAM_EPSILON, FORMATS, METHODS, Rounded, compare, fates, gradients, measure, round_mantissa,
                                   rounded_product, rounding_rows, with_format)


relax, relax_dense, weight_gradient, gradients = map(jitted, (relax, relax_dense, weight_gradient, gradients))


def slow_round(value: float, bits: int) -> float:
    """To the nearest multiple of 2^(exponent - bits), ties to the even multiple; Python's round does the latter."""
    if value == 0:
        return 0.0
    step = 2.0 ** (np.floor(np.log2(abs(value))) - bits)
    return round(value / step) * step


@pytest.mark.parametrize("bits", [10, 7])
def test_rounding_is_to_nearest_and_ties_to_even(bits):
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.normal(size=200) * 10.0 ** rng.integers(-20, 20, 200), [0, 1, -1],
                             1 + np.arange(8) * 2.0 ** -(bits + 1)]).astype(np.float32)
    expected = [slow_round(float(v), bits) for v in values]
    assert np.asarray(round_mantissa(jnp.asarray(values), bits)).tolist() == expected


@pytest.mark.parametrize("layer, shape", [(Dense(5, "tanh"), (3, 4)), (Block(5, pool=True), (2, 6, 6, 3))])
def test_every_operand_of_every_product_is_rounded(layer, shape):
    rng = np.random.default_rng(1)
    x = jnp.asarray(rng.normal(size=shape), jnp.float32)
    params = layer.init(jax.random.key(0), x)[0]
    z, vjp = jax.vjp(lambda p, a: rounded_product(layer.linear, 7, p, a), params, x)
    g = jnp.asarray(rng.normal(size=z.shape), jnp.float32)
    by_hand = lambda a: jnp.asarray([slow_round(float(v), 7) for v in a.ravel()], jnp.float32).reshape(a.shape)
    expected, plain = jax.vjp(layer.linear, jax.tree.map(by_hand, params), by_hand(x))
    for found, wanted in zip(jax.tree.leaves((z, vjp(g))), jax.tree.leaves((expected, plain(by_hand(g))))):
        assert np.allclose(found, wanted, rtol=1e-5, atol=1e-6)
    assert not np.allclose(vjp(g)[1], plain(g)[1], rtol=1e-5, atol=1e-6), "the cotangent must be rounded, too"


@pytest.mark.parametrize("batch_norm", [None, "batch"])
def test_a_layer_that_rounds_nothing_is_the_layer(batch_norm):
    net = vgg([4, "P", 4], classes=3, batch_norm=batch_norm)
    x = jax.random.normal(jax.random.key(0), (2, 8, 8, 2))
    for layer in net.layers:
        params, stats = layer.init(jax.random.key(1), x)
        (mu, after), (wanted, wanted_after) = (jax.jit(one.apply)(params, stats, x) for one in (Rounded(layer, 23), layer))
        assert np.allclose(mu, wanted, atol=1e-6)
        assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(jax.tree.leaves(after), jax.tree.leaves(wanted_after)))
        x = mu


def test_formats_with_all_their_digits_leave_the_network_alone():
    net = mlp([4])
    assert all(with_format(net, FORMATS[name]) is net for name in ("float64", "float32", "bfloat16"))
    assert [layer.bits for layer in with_format(net, FORMATS["TF32"]).layers] == [10, 10]


# The truth of the figure is `relax` in float64.  A chain of single units in decimal arithmetic knows every digit.

W, STEP, L = 0.5, 2.0**-20, 6


def decimal_chain() -> tuple[list[Decimal], list[Decimal]]:
    """Errors after T = L steps of x_l = tanh(W x_{l-1}) with an identity readout, input 1.5 and label 1, and weight gradients of pc."""
    with localcontext() as context:
        context.prec = 60
        tanh = lambda z: ((2 * z).exp() - 1) / ((2 * z).exp() + 1)
        w, step = Decimal(W), Decimal(STEP)
        f = lambda l, a: w * a if l == L else tanh(w * a)
        slope = lambda l, a: Decimal(1) if l == L else 1 - tanh(w * a) ** 2
        x = [Decimal("1.5")]
        for l in range(1, L + 1):
            x.append(f(l, x[-1]))
        x[L] = Decimal(1)
        errors = lambda: [None] + [x[l] - f(l, x[l - 1]) for l in range(1, L + 1)]
        for _ in range(L):
            e = errors()
            x = [x[0]] + [x[l] - step * (e[l] - slope(l + 1, x[l]) * w * e[l + 1]) for l in range(1, L)] + [x[L]]
        e = errors()
        return e[1:], [-e[l] * slope(l, x[l - 1]) * x[l - 1] for l in range(1, L + 1)]


def chain(dtype) -> tuple:
    params = tuple({"kernel": jnp.full((1, 1), W, dtype), "bias": jnp.zeros(1, dtype)} for _ in range(L))
    x, y = jnp.full((1, 1), 1.5, dtype), jnp.ones((1, 1), dtype)
    return mlp([1] * (L - 1), 1, "tanh"), params, ({},) * L, x, y


@pytest.mark.parametrize("dtype, tolerance", [("float64", 1e-7), ("float32", 1e-3)])
def test_light_cone_keeps_digits_that_no_activity_has(dtype, tolerance):
    errors, slopes = decimal_chain()
    assert abs(errors[0]) < Decimal("1e-30")
    with jax.enable_x64(dtype == "float64"):
        net, params, stats, x, y = chain(dtype)
        relaxed = jax.jit(lambda p: relax(net, p, stats, x, y, Constant()(L, L).astype(dtype), x_step=STEP))(params)
        grads, _ = weight_gradient(net, params, stats, x, relaxed, "pc")
        assert [float(e[0, 0]) for e in relaxed.errors] == pytest.approx([float(e) for e in errors], rel=tolerance, abs=0)
        assert [float(g["kernel"][0, 0]) for g in grads] == pytest.approx([float(g) for g in slopes], rel=tolerance, abs=0)


def test_dense_loses_them(x64):  # noqa: F811
    net, params, stats, x, y = chain("float64")
    relaxed = relax_dense(net, params, stats, x, y, Constant()(L, L), x_step=STEP)
    assert abs(float(relaxed.displacements[0][0, 0]) / float(decimal_chain()[0][0]) - 1) > 0.1


def test_gradients_of_all_methods_agree_where_nothing_rounds(x64):  # noqa: F811
    net, x = mlp([6, 6, 6], 6, "tanh"), jax.random.normal(jax.random.key(0), (3, 6), float)
    params, stats = init(net, jax.random.key(1), x)
    y, numbers = jax.nn.one_hot(jnp.arange(3), 6, dtype=float), (Spiking(0.3)(4, 4), 0.3, 0.0)
    dense, rounded, cone = (gradients(net, method, params, stats, x, y, numbers) for method in METHODS)
    for found in (rounded, cone):
        for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(dense)):
            assert np.allclose(a, b, rtol=0, atol=1e-12)


def small() -> tuple:
    exp, net = Experiment(model="mlp-5-5", algorithm="S+F", batch_size=4), mlp([5, 5])
    x = jax.random.normal(jax.random.key(0), (4, 7))
    return exp, *init(net, jax.random.key(1), x), (x, jax.nn.one_hot(jnp.arange(4), 10))


def test_measure_returns_a_layer_each_and_leaves_float32_behind():
    flat, energies = measure(*small(), "cone", FORMATS["float64"])
    assert [len(g) for g in flat] == [7 * 5 + 5, 5 * 5 + 5, 5 * 10 + 10] and energies.shape == (3,)
    assert jnp.ones(1).dtype == jnp.float32
    for method, name in (("con", "float32"), ("cone", "TF23")):
        with pytest.raises(ValueError, match="cone|TF32"):
            rounding_rows(*small(), [(method, name)])


def test_a_network_of_ones_own_is_measured_as_the_named_one():
    exp, *rest = small()
    own = replace(exp, model=Named("two-fives", lambda outputs: mlp([5, 5], outputs)))
    for a, b in zip(measure(exp, *rest, "cone", FORMATS["float32"])[0], measure(own, *rest, "cone", FORMATS["float32"])[0], strict=True):
        np.testing.assert_array_equal(a, b)


def test_rows_order_formats_by_their_digits():
    rows = rounding_rows(*small(), [("cone", name) for name in ("float32", "TF32", "bfloat16")])
    assert [row["layer"] for row in rows] == [1, 2, 3] * 3
    worst = [max(row["error"] for row in rows[i:i + 3]) for i in (0, 3, 6)]
    assert 0 < worst[0] < 1e-5 < worst[1] < 1e-2 < 10 * worst[2] < 1


def test_compare_by_hand():
    found = compare(np.array([3.0, 4.0]), np.array([0.0, 5.0]))
    assert found["error"] == pytest.approx(10**0.5 / 5) and found["cosine"] == pytest.approx(0.8)
    assert found["rms"] == pytest.approx(found["true_rms"]) == pytest.approx(5 / 2**0.5)
    assert compare(np.zeros(2), np.ones(2))["cosine"] == 0


def test_fates_at_their_borders():
    e = ADAM_EPSILON
    assert fates([e, e, e / 2, e / 2, e / 2], [e, e, e / 2, e, e], [0.1, 0.11, 5, 5, 0.1]).tolist() == [
        "learns", "learns wrongly", "rests", "moved by noise", "rests"]

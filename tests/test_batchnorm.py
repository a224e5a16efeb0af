"""BatchNorm in closed form, and BatchNorm Freezing: one update of the running statistics a batch, whatever T."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers_core import NETS, backprop_loss, norm, setup, worst, worst_layer
from pc_precision.energy import Constant, Spiking
from pc_precision.layers import feedforward
from pc_precision.learning import weight_gradient
from pc_precision.light_cone import relax, relax_dense
from pc_precision.networks import OLD_SHARE, batch_norm

SHARE = {"batch": 0.9, "ema": 0.1}        # of the old running statistics: momentum 0.1 of the batch, and 0.1 of the old


def example(seed=0):
    rng = np.random.default_rng(seed)
    z = rng.normal(2.0, 3.0, size=(4, 3, 3, 2))
    params = {"scale": np.array([2.0, -0.5]), "shift": np.array([0.3, 1.0])}
    return z, params, {"mean": np.array([1.0, -1.0]), "var": np.array([4.0, 0.5])}


def by_hand(z, params, mean, var):
    return params["scale"] * (z - mean) / np.sqrt(var + 1e-5) + params["shift"]


def test_the_share_of_the_old_statistics_that_a_pass_keeps():
    assert OLD_SHARE == SHARE


@pytest.mark.parametrize("mode", ["batch", "ema"])
def test_training_mode_in_closed_form(x64, mode):
    z, params, stats = example()
    mean, var = z.mean((0, 1, 2)), ((z - z.mean((0, 1, 2))) ** 2).mean((0, 1, 2))
    mixed = {"mean": SHARE[mode] * stats["mean"] + (1 - SHARE[mode]) * mean, "var": SHARE[mode] * stats["var"] + (1 - SHARE[mode]) * var}
    out, after = batch_norm(params, stats, jnp.asarray(z), mode, train=True)
    used = (mean, var) if mode == "batch" else (mixed["mean"], mixed["var"])     # ema: the average after mixing the batch in
    np.testing.assert_allclose(out, by_hand(z, params, *used), atol=1e-12)
    assert worst(after, mixed) < 1e-13


@pytest.mark.parametrize("mode", ["batch", "ema"])
def test_test_mode_uses_the_running_statistics_and_leaves_them(x64, mode):
    z, params, stats = example()
    out, after = batch_norm(params, stats, jnp.asarray(z), mode, train=False)
    np.testing.assert_allclose(out, by_hand(z, params, **stats), atol=1e-12)
    assert worst(after, stats) == 0.0


@pytest.mark.parametrize("mode", ["batch", "ema"])
def test_a_network_in_test_mode_answers_each_sample_by_itself(x64, mode):
    net, shape = NETS[f"vgg-{mode}"]()
    params, stats, x, _ = setup(net, shape)
    outputs, after = feedforward(net, params, stats, x, train=False)
    assert worst(after, stats) == 0.0
    alone, _ = feedforward(net, params, stats, x[:1], train=False)
    assert worst(alone[-1], outputs[-1][:1]) < 1e-13
    assert worst(feedforward(net, params, stats, x)[0][-1], outputs[-1]) > 1e-3
    changed = jax.tree.map(lambda a: a + 0.1, stats)
    assert worst(feedforward(net, params, changed, x, train=False)[0][-1], outputs[-1]) > 1e-3


def first_conv(params, x):
    """The convolution of the first layer, padding 1, before BatchNorm, by shifted products."""
    x = np.pad(np.asarray(x), ((0, 0), (1, 1), (1, 1), (0, 0)))
    h, w = x.shape[1] - 2, x.shape[2] - 2
    kernel = np.asarray(params[0]["kernel"])
    return sum(x[:, i:i + h, j:j + w] @ kernel[i, j] for i in range(3) for j in range(3)) + np.asarray(params[0]["bias"])


def after_passes(params, stats, x, mode, passes):
    """The first layer's running statistics after so many passes over the same inputs, in closed form."""
    z, keep = first_conv(params, x), SHARE[mode] ** passes
    batch = {"mean": z.mean((0, 1, 2)), "var": z.var((0, 1, 2))}
    return {name: keep * np.asarray(stats[0][name]) + (1 - keep) * batch[name] for name in batch}


@pytest.mark.parametrize("mode", ["batch", pytest.param("ema", marks=pytest.mark.slow)])
def test_with_freezing_a_batch_updates_the_statistics_once_whatever_the_number_of_steps(x64, mode):
    net, shape = NETS[f"vgg-{mode}"]()
    params, stats, x, y = setup(net, shape)
    expected = feedforward(net, params, stats, x)[1]
    for T in (0, 5):
        for method in (relax, relax_dense):
            relaxed = method(net, params, stats, x, y, Constant()(T, 4))
            assert worst(relaxed.stats, stats) == 0.0
        for rule in ("pc", "forward", backprop_loss, lambda net, p, stats, x, settled: jnp.sum(p[0]["bias"])):
            _, after = weight_gradient(net, params, relaxed.stats, x, relaxed, rule)
            assert worst(after[0], after_passes(params, stats, x, mode, 1)) < 1e-12
            if rule != "pc":                             # its predictions come from the initial activities
                assert worst(after, expected) < 1e-12
    _, after = weight_gradient(net, params, relaxed.stats, x, relaxed, "pc")
    assert worst(after[1], expected[1]) > 1e-6 and worst(after[2], expected[2]) > 1e-6


@pytest.mark.parametrize("mode", ["batch", "ema"])
@pytest.mark.parametrize("T", [0, 4])
def test_without_freezing_a_batch_updates_the_statistics_at_each_of_its_passes(x64, mode, T):
    net, shape = NETS[f"vgg-{mode}"]()
    params, stats, x, y = setup(net, shape)
    relaxed = relax_dense(net, params, stats, x, y, Constant()(T, 4), freeze=False)
    assert worst(relaxed.stats[0], after_passes(params, stats, x, mode, T + 1)) < 1e-12
    _, after = weight_gradient(net, params, relaxed.stats, x, relaxed, "pc")
    assert worst(after[0], after_passes(params, stats, x, mode, T + 2)) < 1e-12


@pytest.mark.parametrize("mode", ["batch", "ema"])
def test_freezing_changes_what_the_parameters_learn_in_ema_mode_and_nothing_in_batch_mode(x64, mode):
    net, shape = NETS[f"vgg-{mode}"]()
    params, stats, x, y = setup(net, shape)

    phases = [relax_dense(net, params, stats, x, y, Spiking(0.3)(5, 4), 0.3, freeze=freeze) for freeze in (True, False)]
    for rule in ("pc", "forward"):
        frozen, updated = (weight_gradient(net, params, r.stats, x, r, rule)[0] for r in phases)
        assert all(norm(g) > 1e-3 for g in frozen)
        if mode == "batch":
            assert worst_layer(updated, frozen) < 1e-12
        else:
            assert worst_layer(updated, frozen) > 1e-3


def test_a_batch_of_one_sample_and_one_pixel_has_no_variance_and_stays_finite():
    params, stats = {"scale": jnp.ones(2), "shift": jnp.zeros(2)}, {"mean": jnp.zeros(2), "var": jnp.ones(2)}
    z = jnp.array([[[[3.0, -2.0]]]])
    out, _ = batch_norm(params, stats, z, "batch", True)
    np.testing.assert_array_equal(out, np.zeros((1, 1, 1, 2)))
    gradient = jax.grad(lambda z: batch_norm(params, stats, z, "batch", True)[0].sum())(z)
    assert np.isfinite(gradient).all()

"""muPC networks: the published equations in numpy, the closed form of their scales, the published sizes of gradients."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import pc_precision as pc
from helpers_core import backprop_loss, init, jitted, norm, says, worst
from pc_precision.algorithms import Named, mupc_settings
from pc_precision.energy import Constant, Spiking
from pc_precision.experiment import Experiment
from pc_precision.inference import dense_inference
from pc_precision.layers import Network, feedforward
from pc_precision.learning import weight_gradient
from pc_precision.light_cone import cone, relax
from pc_precision.networks import PreActivation, mupc
from pc_precision.paper.figures import depth as layers_of
from pc_precision.protocol import expected_sizes, network, silent
from pc_precision.training import train

feedforward, relax, weight_gradient = map(jitted, (feedforward, relax, weight_gradient))

PHI = {"relu": lambda z: np.maximum(z, 0), "tanh": np.tanh, "identity": lambda z: z}


def drawn(depth, width, inputs, classes, activation="relu", batch=5, seed=0):
    """A network with its parameters, inputs of mean square one, one-hot labels."""
    net, keys = mupc(depth, width, classes, activation), jax.random.split(jax.random.key(seed), 3)
    x = jax.random.normal(keys[0], (batch, inputs))
    y = jax.nn.one_hot(jax.random.randint(keys[1], (batch,), 0, classes), classes, dtype=x.dtype)
    return net, *init(net, keys[2], x), x, y


def published(l, W, x, activation):
    """The prediction of layer l by the three published equations; W: the kernels of all layers."""
    (D, N), L, phi = W[0].shape, len(W), PHI[activation]
    if l == 1:
        return x @ W[0] / np.sqrt(D)
    return phi(x) @ W[L - 1] / N if l == L else x + phi(x) @ W[l - 1] / np.sqrt(N * L)


def output(W, x, activation):
    for l in range(1, len(W) + 1):
        x = published(l, W, x, activation)
    return x


def kernels(params):
    return [np.asarray(p["kernel"]) for p in params]


def differences(f, W, step=1e-6):
    """Central differences of f(W) in three entries of each kernel, with those entries."""
    rng = np.random.default_rng(0)
    for l, w in enumerate(W):
        for i, j in zip(rng.integers(0, w.shape[0], 3), rng.integers(0, w.shape[1], 3)):
            ends = []
            for sign in (1, -1):
                moved = [k.copy() for k in W]
                moved[l][i, j] += sign * step
                ends.append(f(moved))
            yield l, i, j, (ends[0] - ends[1]) / (2 * step)


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity"])
def test_predictions_and_gradients_are_those_of_the_published_equations(x64, activation):
    net, params, stats, x, y = drawn(3, 6, 4, 3, activation)
    W = kernels(params)
    assert [w.shape for w in W] == [(4, 6), (6, 6), (6, 6), (6, 3)] and all(set(p) == {"kernel"} for p in params)
    np.testing.assert_allclose(feedforward(net, params, stats, x)[0][-1], output(W, np.asarray(x), activation), rtol=1e-12)
    settled = relax(net, params, stats, x, y, Constant()(6, 4), 0.3)
    nodes, targets = [np.asarray(a) for a in (x, *settled.final[:-1])], [np.asarray(a) for a in settled.final]
    charges = {"bp": lambda W: 0.5 * ((output(W, np.asarray(x), activation) - np.asarray(y)) ** 2).sum() / len(x),
               "pc": lambda W: sum(0.5 * ((t - mu) ** 2).sum() for t, mu in zip(targets, (published(l, W, a, activation) for l, a in enumerate(nodes, 1)))) / len(x)}
    for rule, charge in charges.items():
        grads = kernels(weight_gradient(net, params, stats, x, settled, backprop_loss if rule == "bp" else rule)[0])
        for l, i, j, slope in differences(charge, W):
            assert grads[l][i, j] == pytest.approx(slope, rel=1e-6, abs=1e-9), (rule, l)


@pytest.mark.parametrize("depth", [32, pytest.param(128, marks=pytest.mark.slow)])
def test_activities_keep_their_size_at_any_depth(depth):
    """relu halves the mean square, and L layers add 1/L of that each: (1 + 1/2L)^(l-1), at most sqrt(e); the readout divides by N."""
    net, params, stats, x, _ = drawn(depth, 256, 256, 10, batch=64)
    activities, L = feedforward(net, params, stats, x)[0], len(net)
    sizes, growth = np.array([np.square(a, dtype=float).mean() for a in map(np.asarray, activities)]), (1 + 1 / (2 * L)) ** np.arange(L - 1)
    assert L == depth + 1 and growth[-1] < np.sqrt(np.e)
    np.testing.assert_allclose(sizes[:-1], growth, rtol=0.2)
    assert sizes[-1] == pytest.approx(growth[-1] / 2 / 256, rel=0.6), "ten units, each with its own weights"
    weights = np.concatenate([np.asarray(p["kernel"]).ravel() for p in params[:9]])
    assert abs(weights.mean()) < 0.01 and weights.var() == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize("depth, growing, activation", [(4, True, "relu"), (17, None, "tanh"), *(
    pytest.param(*case, marks=pytest.mark.slow) for case in ((4, False, "relu"), (17, None, "relu"), (4, True, "tanh"), (4, False, "tanh")))])
def test_the_light_cone_is_dense_on_a_residual_network(x64, depth, growing, activation):
    net, params, stats, x, y = drawn(depth, 6, 5, 3, activation)
    L = len(net)
    run = lambda way: relax(net, params, stats, x, y, Spiking(0.3)(L + 3, L), 0.3, 0.2, inference=way)[:5]
    fast, slow = jax.jit(lambda: (run(lambda solver: cone(solver, growing)), run(dense_inference)))()
    assert norm(slow[2]) > 1e-3 and worst(fast, slow) < 1e-12


def beside_backpropagation(step, T, schedule, rule):
    """Cosines and relative sizes (L,) of the weight gradients at the start: L = 32, width 64, batch 64, as in the published table."""
    net, params, stats, x, y = drawn(31, 64, 64, 10, batch=64)
    table = schedule(T, len(net))
    both = jax.jit(lambda: [weight_gradient(net, params, stats, x, relax(net, params, stats, x, y, table, step), r)[0] for r in (rule, backprop_loss)])
    ours, truth = map(kernels, both())
    cosines = [(a * b).sum() / np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(ours, truth)]
    return np.array(cosines), np.array([np.linalg.norm(a) / np.linalg.norm(b) for a, b in zip(ours, truth)])


@pytest.mark.slow
def test_predictive_coding_at_T_equal_L_leaves_the_first_layer_what_was_published(x64):
    """Of an independent program, whose draws and seeds nobody knows: cosines .70, .93, .998, sizes 3.9e-10, .96."""
    cosines, sizes = beside_backpropagation(0.5, 32, Constant(), "pc")
    assert cosines[0] == pytest.approx(0.70, abs=0.03) and np.median(cosines) == pytest.approx(0.93, abs=0.03)
    assert cosines[-1] == pytest.approx(0.998, abs=2e-3)
    assert sizes[0] == pytest.approx(3.9e-10, rel=0.05) and sizes[-1] == pytest.approx(0.96, abs=0.03)


@pytest.mark.slow
def test_with_a_step_for_each_hidden_layer_the_first_one_hears_a_power_of_the_step(x64):
    cosines, sizes = beside_backpropagation(0.5, 31, Constant(), "pc")
    assert cosines[0] > 0.999 and sizes[0] == pytest.approx(0.5 ** 31, rel=0.01), "one way for the error, a step a layer"


def test_spiking_precision_with_the_forward_update_follows_backpropagation_as_published(x64):
    """Cosines 1.000, .993, 1.000, sizes .88, 1.0."""
    cosines, sizes = beside_backpropagation(0.1, 32, Spiking(0.1), "forward")
    assert cosines[0] > 0.9995 < cosines[-1] and np.median(cosines) == pytest.approx(0.993, abs=3e-3)
    assert sizes[0] == pytest.approx(0.88, abs=0.01) and sizes[-1] == pytest.approx(1.0, abs=5e-3)


def test_layers_that_do_not_fit_are_refused():
    x = jnp.zeros((2, 5))
    with says("skip", "5", "6"):
        PreActivation(6).init(jax.random.key(0), x)
    with says("layer 2", "skip"):
        Network((PreActivation(4, skip=False), PreActivation(5))).init(jax.random.key(0), x)
    for bad, word in ((dict(scale=0.0), "scale"), (dict(features=0), "features"), (dict(activation="swish"), "activation")):
        with says(word):
            PreActivation(**dict(features=3) | bad)
    for sizes in ((0, 4), (4, 0), (2.5, 4), (4, 4, 0)):
        with says("whole number"):
            mupc(*sizes)


# In experiments

def test_the_name_tells_width_and_hidden_layers():
    exp = Experiment(model="mupc-64x32", algorithm="PC", **mupc_settings("mupc-64x32"))
    net = network(exp, 7)
    assert exp.layers == len(net) == layers_of(exp.model) == 33 == 32 + 1, "hidden layers, and a readout"
    assert {layer.features for layer in net.layers[:-1]} == {64} and net.layers[-1] == PreActivation(7, 1 / 64, "relu", False)
    assert net.layers[5] == PreActivation(64, (64 * 33) ** -0.5, "relu", True)
    assert len({Experiment(model="mupc-8x2", **some).key for some in ({}, dict(width=0.5), dict(padding=1))}) == 1
    assert Experiment(model="mupc-8x2").key != Experiment(model="mupc-8x3").key
    assert np.isnan(expected_sizes(exp)).all() and silent(Experiment(model="mupc-64x32", algorithm="S+F")) == []


def test_published_settings():
    mnist = dict(T=128, x_step=0.5, momentum=0.0, learning_rate=0.1, weight_decay=0.0, batch_size=64, activation="relu")
    assert mupc_settings("mupc-512x128") == mupc_settings("mupc-512x128", "digits") == mnist
    cifar = mupc_settings("mupc-512x128", "cifar10")
    assert (cifar["x_step"], cifar["output"], cifar["batch_size"]) == (0.01, "cross_entropy", 128)
    with says("'mlp-64'", "mupc-64x32"):
        mupc_settings("mlp-64")


@pytest.mark.parametrize("name", ["mupc", "mupc-64", "mupc-0x8", "mupc-64x0", "mupc-64x8x2", "mupc-64-8", "muPC-64x8", "mupc-64x08", "mupc-64x8 "])
def test_other_names_are_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match="mupc-64x32") as said:
        Experiment(model=name)
    assert "\n" not in str(said.value)


def test_what_a_mupc_network_does_not_have_is_refused():
    with says("BatchNorm"):
        Experiment(model="mupc-8x2", batch_norm="freeze")
    with says("mupc-own", "another"):
        Experiment(model=Named("mupc-own", mupc(2, 4)))


@pytest.mark.parametrize("algorithm", ["BP", "S+F", "iPC", *(pytest.param(name, marks=pytest.mark.slow) for name in ("PC", "D+F-CN", "ePC"))])
def test_every_kind_of_algorithm_trains_one(algorithm):
    exp = Experiment(model="mupc-16x3", algorithm=algorithm, limit=256, batch_size=32, epochs=4, schedule_epochs=4, augment=False,
                     learning_rate=1e-2)
    records = [record for _, record in train(exp, pc.load("digits"))]
    assert not records[-1].diverged and records[-1].train.loss < records[0].train.loss

"""ResNets with auxiliary neurons: shapes and counts by hand, gradients of plain compositions, and how an error moves on both paths."""
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers_core import arrival, says, setup, worst
from pc_precision.algorithms import PRESETS, Named
from pc_precision.energy import Constant, Output, Spiking, total_energy, unreached
from pc_precision.experiment import Experiment
from pc_precision.inference import dense_inference, infer, rows
from pc_precision.layers import Network, feedforward, predictions
from pc_precision.learning import weight_gradient
from pc_precision.light_cone import cone
from pc_precision.methods import sweep
from pc_precision.networks import ACTIVATIONS, RESNET, Conv, Copy, Dense, Head, Readout, convolve, mlp, resnet
from pc_precision.paper.costs import flops, layer_flops
from pc_precision.protocol import network
from pc_precision.rounding import FORMATS, with_format

ETA = 0.3
repeated = partial(cone, growing=False)                       # one step compiles once: a fraction of the time


def small(batch_norm: str | None = None, skip_weight: float = 1 / ETA, activation: str = "gelu") -> Network:
    """Two stages of one block: ten nodes at distances 5 to 0, with a stride and a 1x1 convolution. Node 7 is the convolved skip."""
    return resnet((1, 1), 4, 1 / 16, activation, batch_norm, skip_weight)


def example(net: Network, **options) -> tuple:
    return setup(net, (3, 6, 6, 2), **options)


# Architecture

def test_the_shortest_resnet_node_by_node():
    net = small()
    assert net.parents == ((0,), (1,), (1,), (2,), (3,), (4, 5), (4, 5), (6,), (7,), (8, 9))
    assert net.distance == (5, 4, 4, 3, 3, 2, 2, 1, 1, 0) and net.depth == 6
    assert net.weights == (1, 1, 1 / ETA, 1, 1 / ETA, 1, 1, 1, 1 / ETA, 1)
    assert [type(layer) for layer in net.layers] == [Conv, Conv, Copy, Conv, Copy, Conv, Conv, Conv, Copy, Head]
    assert [layer.activation for layer in net.layers if isinstance(layer, Conv)] == ["identity", "gelu", "gelu", "gelu", "identity", "gelu"]


@pytest.mark.parametrize("name, depth, convolutions, count", [
    ("resnet18", 18, 20, 11_173_962),                          # the number for CIFAR-10 that every ResNet18 of this stem has
    ("resnet10", 10, 12, 27 * 64 + 9 * (64 * 64 * 2 + 64 * 128 + 128 * 128 + 128 * 256 + 256 * 256 + 256 * 512 + 512 * 512)
     + 64 * 128 + 128 * 256 + 256 * 512 + 2 * (64 * 3 + (128 + 256 + 512) * 3) + 5130)])
def test_depth_and_parameters_by_hand(name, depth, convolutions, count):
    net = resnet(name, 10, batch_norm="batch")
    params, stats = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))
    assert net.depth == depth and len(net) == 2 * (depth - 1)
    assert sum("scale" in p for p in params) == convolutions == sum("mean" in s for s in stats)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    plain = jax.eval_shape(resnet(name).init, jax.random.key(0), jnp.zeros((1, 32, 32, 3)))[0]
    channels = 3 * (64 + 128 + 256 + 512) + (0 if name == "resnet10" else 2 * (64 + 128 + 256 + 512))       # of all convolutions
    assert sum(leaf.size for leaf in jax.tree.leaves(plain)) == count - 2 * channels
    assert "bias" in plain[-1] and not any("bias" in p for p in plain[:-1])


def test_images_and_channels_of_every_stage():
    net = resnet("resnet18", 7, 1 / 8)
    params, stats = jax.eval_shape(net.init, jax.random.key(0), jnp.zeros((2, 32, 32, 3)))
    nodes = jax.eval_shape(partial(feedforward, net), params, stats, jnp.zeros((2, 32, 32, 3)))[0]
    blocks = [(2, 32, 32, 8)] * 8 + [(2, 16, 16, 16)] * 8 + [(2, 8, 8, 32)] * 8 + [(2, 4, 4, 64)] * 8
    assert [a.shape for a in nodes] == [(2, 32, 32, 8), *blocks, (2, 7)]


@pytest.mark.parametrize("size, stride", [(1, 1), (1, 2), (3, 1), (3, 2)])
@pytest.mark.parametrize("height", [1, 5, 6])
def test_a_convolution_is_the_sum_over_its_window(x64, size, stride, height):
    rng = np.random.default_rng(0)
    x, kernel = rng.normal(size=(2, height, height, 3)), rng.normal(size=(size, size, 3, 4))
    edge, out = size // 2, -(-height // stride)
    padded, slow = np.pad(x, [(0, 0), (edge, edge), (edge, edge), (0, 0)]), np.zeros((2, out, out, 4))
    for i, j in np.ndindex(out, out):
        window = padded[:, i * stride:i * stride + size, j * stride:j * stride + size]
        slow[:, i, j] = np.einsum("bhwc,hwcd->bd", window, kernel)
    np.testing.assert_allclose(convolve(jnp.asarray(x), jnp.asarray(kernel), stride), slow, atol=1e-12)


# The plain composition, written with nothing of the library but the activation

def composed(params: tuple, x, act, soft=lambda x: x, norm=lambda p, z: z):
    """The output of `small`; `soft` stands wherever an error is handed on by a convolution or the head, `norm` is BatchNorm."""
    def conv(p, x, stride=1):
        pad = p["kernel"].shape[0] // 2
        return norm(p, jax.lax.conv_general_dilated(x, p["kernel"], (stride, stride), [(pad, pad)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC")))
    stem = conv(params[0], x)
    block = conv(params[3], act(soft(conv(params[1], act(soft(stem)))))) + stem
    main = conv(params[7], act(soft(conv(params[5], act(soft(block)), 2))))
    block = main + conv(params[6], soft(block), 2)
    return act(soft(block)).mean((1, 2)) @ params[9]["kernel"] + params[9]["bias"]


def softened(factor: float):
    """The identity, whose gradient is multiplied by `factor`."""
    return lambda x: factor * x + jax.lax.stop_gradient((1 - factor) * x)


def batch_normed(p, z):
    return p["scale"] * (z - z.mean((0, 1, 2))) / jnp.sqrt(z.var((0, 1, 2)) + 1e-5) + p["shift"]


@partial(jax.jit, static_argnums=0)
def gradient_of(out, params, y):
    return jax.grad(lambda p: 0.5 * ((y - out(p)) ** 2).sum() / len(y))(params)


@partial(jax.jit, static_argnums=(0, 6, 7, 8, 9))             # as a whole: operation by operation it compiles for minutes
def run(net, params, stats, x, y, table, reading="energy", way=repeated, rule="pc", solver=optax.sgd(ETA)):
    """What inference leaves, and the weight gradient by a rule."""
    settled = infer(way(solver), net, params, stats, x, Output(y), rows(net, table, reading), True)
    return settled, weight_gradient(net, params, stats, x, settled, rule)[0]


@pytest.mark.parametrize("batch_norm", [pytest.param(None, marks=pytest.mark.slow), "batch"])
def test_backpropagation_is_the_gradient_of_the_plain_composition(x64, batch_norm):
    net = small(batch_norm)
    params, stats, x, y = example(net)
    out = lambda p: composed(p, x, jax.nn.gelu, norm=batch_normed if batch_norm else lambda p, z: z)
    settled, grads = run(net, params, stats, x, y, jnp.ones((0, 10)), "energy", lambda solver: sweep(), "forward")
    assert worst(settled.initial[-1], jax.jit(out)(params)) < 1e-12
    assert worst(grads, gradient_of(out, params, y)) < 1e-12


# How an error moves

@pytest.mark.slow
@pytest.mark.parametrize("growing", [True, False])
def test_an_error_moves_one_layer_a_step_on_both_paths(growing):
    net = small()
    assert net.distance == tuple(arrival(net))
    params, stats, x, y = example(net, dtype=jnp.float32)
    settled, _ = run(net, params, stats, x, y, Spiking(1.0, 1e3)(7, net.distance), "energy", partial(cone, growing=growing))
    assert ((settled.energies > 0) == (np.arange(8)[:, None] >= np.array(net.distance))).all()


@pytest.mark.slow
def test_a_copy_takes_over_its_prediction_entirely_in_one_step(x64):
    """At the step of its reader's spike a copy moves by the reader's whole error; at its own it gives all of it back."""
    net = small()
    params, stats, x, y = example(net)
    table = Spiking(1.0, jnp.inf)(6, net.distance)           # with later rows silent, T rows are T steps
    at = lambda T: run(net, params, stats, x, y, jnp.where(jnp.arange(6)[:, None] < T, table, jnp.inf))[0].displacements
    after = [at(T) for T in range(6)]
    assert not np.any(after[1][8]) == np.any(after[1][6]), "the head has moved the last skip (9), nothing has moved skip 7"
    assert worst(after[2][6], after[1][8]) < 1e-14, "skip 7 takes the displacement of skip 9"
    assert np.abs(after[2][8]).max() < 1e-14 < np.abs(after[1][8]).max(), "and skip 9 has none left"
    assert worst(after[4][2], after[3][4]) < 1e-14 and np.abs(after[4][4]).max() < 1e-14
    assert worst(after[2][7], (1 - ETA) * after[1][7]) < 1e-14, "the main path gives back the share eta of its own"


@pytest.mark.slow
def test_the_authors_setting_is_backpropagation_with_every_convolution_eta_times_as_loud(x64, activation="tanh"):
    """Spikes apart in time: no approximation. A copy hands on everything, a convolution eta, and a hidden node keeps 1 - eta."""
    net = small(activation=activation)
    params, stats, x, y = example(net)
    _, grads = run(net, params, stats, x, y, Spiking(1.0, jnp.inf)(6, net.distance), "energy", repeated, "forward")
    truth = gradient_of(lambda p: composed(p, x, ACTIVATIONS[activation], softened(ETA)), params, y)
    assert worst(grads, (*jax.tree.map(lambda g: (1 - ETA) * g, truth[:-1]), truth[-1])) < 1e-13


@pytest.mark.slow
def test_copies_of_weight_one_give_backpropagation_times_powers_of_eta(x64):
    net = small(skip_weight=1.0)
    params, stats, x, y = example(net)
    _, grads = run(net, params, stats, x, y, Spiking(1.0, jnp.inf)(6, net.distance), "energy", repeated, "forward")
    truth = gradient_of(lambda p: composed(p, x, jax.nn.gelu), params, y)
    size = [ETA ** d * (1 - ETA if d else 1) for d in net.distance]
    for g, t, factor in zip(grads, truth, size):
        assert worst(g, jax.tree.map(lambda a: factor * a, t)) < 1e-13


@pytest.mark.slow
@pytest.mark.parametrize("alpha", [ETA, 0.7])
def test_in_the_activity_reading_the_weight_alpha_over_eta_does_the_same(x64, alpha):
    net = small(skip_weight=alpha / ETA)
    params, stats, x, y = example(net)
    _, grads = run(net, params, stats, x, y, Spiking(alpha, jnp.inf)(6, net.distance), "activity", repeated, "forward")
    assert worst(grads, gradient_of(lambda p: composed(p, x, jax.nn.gelu, softened(ETA / alpha)), params, y)) < 1e-13


@pytest.mark.slow
def test_stiff_copies_grow_where_their_precision_stays_on(x64):
    """Two neighbours of weight 1/eta pull on the copy between them: the update's largest eigenvalue passes 2."""
    net, soft = (resnet((3,), 4, 1 / 16, skip_weight=w) for w in (1 / ETA, 1.0))
    params, stats, x, y = setup(net, (3, 4, 4, 2), gain=0.5)
    energies = [run(n, params, stats, x, y, Constant()(40, n.distance), "energy", dense_inference)[0].energies[-1].sum() for n in (net, soft)]
    assert energies[0] > 1e3 * energies[1] and energies[1] < 10


# Inference

@pytest.mark.slow
@pytest.mark.parametrize("batch_norm, reading", [(None, "energy"), ("batch", "activity"), ("ema", "energy")])
def test_the_light_cone_is_dense(x64, batch_norm, reading):
    net = small(batch_norm, skip_weight=1.5)
    params, stats, x, y = example(net)
    find = lambda way: run(net, params, stats, x, y, Spiking(0.5, 2.0)(8, net.distance), reading, way, "pc", optax.sgd(0.1, 0.3, True))
    truth, grads = find(dense_inference)
    assert worst(truth.stats, stats) == 0
    for growing in (True, False) if batch_norm is None else (False,):
        settled, found = find(partial(cone, growing=growing))
        assert worst(settled._replace(products=None), truth) < 1e-10 and worst(found, grads) < 1e-10


@pytest.mark.slow
def test_without_freezing_the_statistics_of_every_pass_stay(x64):
    net = small("batch", skip_weight=1.5)
    params, stats, x, y = example(net)
    frozen, loose = (run(net, params, stats, x, y, Constant()(4, net.distance), "energy", partial(dense_inference, freeze=freeze), "pc", optax.sgd(0.1))[0]
                     for freeze in (True, False))
    assert worst(loose.final, frozen.final) < 1e-12, "mode batch normalises by the batch, whatever the statistics are"
    stem = jax.lax.conv_general_dilated(x, params[0]["kernel"], (1, 1), [(1, 1)] * 2, dimension_numbers=("NHWC", "HWIO", "NHWC"))
    mean = stem.mean((0, 1, 2))                              # the stem reads the image: all five passes see the same
    assert worst(loose.stats[0]["mean"], mean + 0.9 ** 5 * (stats[0]["mean"] - mean)) < 1e-12


@pytest.mark.slow
def test_a_weight_gradient_by_finite_differences(x64):
    net = small()
    params, stats, x, y = example(net)
    settled, grads = run(net, params, stats, x, y, Constant()(8, net.distance), "energy", dense_inference, "pc", optax.sgd(0.05))
    charged = jax.jit(lambda p: total_energy(jax.tree.map(jnp.subtract, settled.final, predictions(net, p, stats, x, settled.final))))
    for node in (0, 5, 6):                                   # the stem, a stride, a 1x1 convolution
        kernel, h = params[node]["kernel"], 1e-5
        direction = jnp.asarray(np.random.default_rng(1).normal(size=kernel.shape))
        at = lambda h: charged((*params[:node], params[node] | {"kernel": kernel + h * direction}, *params[node + 1:]))
        slope = float((at(h) - at(-h)) / (2 * h))
        assert abs(slope) > 1e-6 and float((grads[node]["kernel"] * direction).sum()) == pytest.approx(slope, rel=1e-6)


def test_weights_multiply_energies_in_both_readings(x64):
    net = Network(mlp([3, 3], 2).layers, weights=(2, 5, 1))
    table = jnp.array([[0.5, 4.0, 1.0]])
    assert [a.tolist() for a in rows(net, table, "energy")] == [[[4.0, 1.25, 1.0]], [[1, 1, 1]]]
    assert [a.tolist() for a in rows(net, table, "activity")] == [[[2, 5, 1]], [[0.25, 1.0, 1.0]]]
    assert net == Network(mlp([3, 3], 2).layers, weights=[2, 5, 1]) and hash(net) != hash(Network(mlp([3, 3], 2).layers))


# Experiments

def test_an_experiment_has_a_resnet_by_name():
    exp = Experiment(model="resnet18", algorithm="S+F", width=1 / 8, x_step=0.5, alpha=2.0, padding=1)
    assert exp.layers == 18 == exp.settings["T"] and exp.key == Experiment(model="resnet18", algorithm="S+F", width=1 / 8, x_step=0.5, alpha=2.0).key
    assert network(exp, 7) == resnet("resnet18", 7, 1 / 8, skip_weight=4.0)
    assert network(Experiment(model="resnet10", algorithm="S+F"), 7).weights == (1.0,) * 18, "alpha is x_step"
    assert network(Experiment(model="resnet10", algorithm="PC"), 7) == resnet("resnet10", 7) == network(Experiment(model="resnet10", algorithm="BP"), 7)
    keys = {Experiment(model=m, width=w, activation=a, batch_norm=b).key
            for m in RESNET for w in (1, 1 / 2) for a in ("gelu", "tanh") for b in (None, "freeze")}
    assert len(keys) == 16 and "padding" not in exp.settings
    assert network(Experiment(model="resnet10", batch_norm="freeze", bn_mode="ema"), 7).layers[1].batch_norm == "ema"


def test_the_preset_is_the_programs_example():
    assert PRESETS["S+F (energy) resnet10"] == dict(reading="energy", alpha=1.0, base=1000.0, x_step=0.8, momentum=0.1, nesterov=True, T=13,
                                                    learning_rate=7.51e-4, weight_decay=3.17e-5)
    exp = Experiment("cifar10", "resnet10", "S+F", **PRESETS["S+F (energy) resnet10"])
    assert set(network(exp, 10).weights) == {1.0, 1 / 0.8}


def test_layers_that_no_error_reaches_are_named_by_their_distance():
    assert unreached(1, (2, 2, 1, 0)) == [1, 2]
    with pytest.warns(UserWarning, match=r"T=7 is too small for the 10 layers of resnet10: the error never reaches layers 1, 2, 3, .*use T >= 10"):
        Experiment(model="resnet10", algorithm="S+F", T=7)
    graph = Named("forked", Network((Dense(3), Dense(3), Copy(), Readout(2)), (0, 0, (1, 2), 3)))
    assert Experiment(model=graph, algorithm="PC").layers == 3 == Experiment(model=graph, algorithm="PC").settings["T"]


def test_arithmetic_is_counted_where_it_is_done():
    net = resnet((1, 1), 4, 1 / 16)
    F = [2 * 9 * 2 * 4 * 36, 2 * 9 * 16 * 36, 0, 2 * 9 * 16 * 36, 0, 2 * 9 * 4 * 8 * 9, 2 * 4 * 8 * 9, 2 * 9 * 64 * 9, 0, 2 * 8 * 4]
    assert layer_flops(net, (6, 6, 2)) == F
    assert flops(net, (6, 6, 2), "bp") == 3 * sum(F) - F[0]


# Bad input

@pytest.mark.parametrize("make, words", [
    (lambda: resnet("resnet81"), ["model 'resnet81'", "did you mean 'resnet18'"]),
    (lambda: resnet((1, 0)), ["stages[1]", "0"]),
    (lambda: resnet("resnet10", width=0), ["width"]),
    (lambda: resnet("resnet10", skip_weight=-1.0), ["skip_weight"]),
    (lambda: Conv(4, 5), ["size 5", "1, 3"]),
    (lambda: Conv(4, stride=3), ["stride 3"]),
    (lambda: Head(3, "relo"), ["did you mean 'relu'"]),
    (lambda: Experiment(model="resnet81"), ["model 'resnet81'", "resnet18"]),
    (lambda: Experiment(model=Named("resnet10", mlp([3]))), ["resnet10", "give it another"]),
    (lambda: Network((Dense(3), Readout(2)), weights=(1.0,)), ["weights", "2 layers"]),
    (lambda: Network((Dense(3), Readout(2)), weights=(0.0, 1.0)), ["weights[0]"]),
    (lambda: with_format(resnet("resnet10"), FORMATS["TF32"]), ["chains", "graph"]),
    (lambda: Network((Conv(4), Conv(5), Copy(), Readout(2)), (0, 0, (1, 2), 3)).init(jax.random.key(0), jnp.zeros((1, 4, 4, 2))),
     ["layer 3", "cannot be added"]),
    (lambda: resnet("resnet10").init(jax.random.key(0), jnp.zeros((1, 12))), ["layer 1", "images"])])
def test_bad_input_is_told_in_one_sentence(make, words):
    with says(*words):
        make()

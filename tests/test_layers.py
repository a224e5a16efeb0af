"""The architectures of the paper by hand-counted numbers, layers in closed form, and modules at the border."""
import math
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from helpers_core import says, worst
from pc_precision.checks import choose
from pc_precision.energy import Constant
from pc_precision.layers import Network, WholeLayer, as_layer, feedforward, predictions
from pc_precision.learning import weight_gradient
from pc_precision.light_cone import relax, relax_dense
from pc_precision.networks import ACTIVATIONS, Block, Dense, Readout, Residual, mlp, uniform, vgg

KEY = jax.random.key(0)

# channels in and out of every convolution, height of the images after every layer (32 and 64 in), hidden linear layers
NETS = {
    "vgg5": ([(3, 128), (128, 256), (256, 512), (512, 512)], {32: [16, 8, 4, 1], 64: [32, 16, 8, 3]}, []),
    "vgg7": ([(3, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)],
             {32: [16, 16, 8, 6, 3, 1], 64: [32, 32, 16, 14, 7, 5]}, []),
    "vgg10": ([(3, 64), (64, 128), (128, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 256), (256, 512)],
              {32: [32, 32, 16, 16, 8, 8, 4, 4, 2], 64: [64, 64, 32, 32, 16, 16, 8, 8, 4]}, []),
    "vgg15": ([(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 256), (256, 512), (512, 512),
               (512, 512), (512, 512), (512, 512), (512, 512)],
              {32: [32, 16, 16, 8, 8, 8, 4, 4, 4, 2, 2, 2, 1], 64: [64, 32, 32, 16, 16, 16, 8, 8, 8, 4, 4, 4, 2]}, [4096]),
    "vgg9": ([(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512)],
             {32: [16, 8, 8, 4, 4, 2], 64: [32, 16, 16, 8, 8, 4]}, [4096, 4096]),
    "vgg11": ([(3, 64), (64, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)],
              {32: [16, 8, 8, 4, 4, 2, 2, 1], 64: [32, 16, 16, 8, 8, 4, 4, 2]}, [4096, 4096]),
    "vgg13": ([(3, 64), (64, 64), (64, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512), (512, 512), (512, 512)],
              {32: [32, 16, 16, 8, 8, 4, 4, 2, 2, 1], 64: [64, 32, 32, 16, 16, 8, 8, 4, 4, 2]}, [4096, 4096])}
DEPTH = {"vgg5": 5, "vgg7": 7, "vgg10": 10, "vgg15": 15, "vgg9": 9, "vgg11": 11, "vgg13": 13}


def shapes(net, size, channels=3):
    """Parameters and activities as shapes; nothing is computed."""
    x = jax.ShapeDtypeStruct((2, size, size, channels), jnp.float32)

    def run(x):
        params, stats = net.init(KEY, x)
        return params, feedforward(net, params, stats, x)[0]

    return jax.eval_shape(run, x)


def count(tree):
    return sum(math.prod(a.shape) for a in jax.tree.leaves(tree))


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("size, classes", [(32, 10), (32, 100), (64, 200)])
@pytest.mark.parametrize("batch_norm", [None, "batch"])
def test_the_architectures_of_the_paper(name, size, classes, batch_norm):
    convs, heights, hidden = NETS[name]
    net = vgg(name, classes, batch_norm=batch_norm)
    params, activities = shapes(net, size)
    assert len(net) == DEPTH[name] == len(params)
    expected = [(2, h, h, cout) for h, (_, cout) in zip(heights[size], convs, strict=True)]
    assert [a.shape for a in activities] == expected + [(2, n) for n in hidden] + [(2, classes)]
    flat = heights[size][-1] ** 2 * 512
    linear = zip([flat, *hidden], [*hidden, classes])
    numbers = [9 * a * b + b + (2 * b if batch_norm else 0) for a, b in convs] + [a * b + b for a, b in linear]
    assert [count(p) for p in params] == numbers


def test_the_program_of_the_paper_pads_the_last_convolution_of_vgg5():
    convs = NETS["vgg5"][0]
    params, activities = shapes(vgg("vgg5", 10, padding=1), 32)
    assert [a.shape[1] for a in activities[:-1]] == [16, 8, 4, 2]
    assert [count(p) for p in params] == [9 * a * b + b for a, b in convs] + [2 * 2 * 512 * 10 + 10]
    assert shapes(vgg("vgg5", 10, padding=(1, 1, 1, 0)), 32)[1] == shapes(vgg("vgg5", 10), 32)[1]


@pytest.mark.parametrize("name", NETS)
def test_the_width_multiplies_all_channels_and_hidden_layers(name):
    convs, _, hidden = NETS[name]
    _, activities = shapes(vgg(name, 10, width=0.25), 32)
    assert [a.shape[-1] for a in activities] == [c // 4 for _, c in convs] + [n // 4 for n in hidden] + [10]
    _, activities = shapes(vgg(name, 10, width=0.001), 32)
    assert [a.shape[-1] for a in activities] == [1] * len(convs) + [max(1, round(n / 1000)) for n in hidden] + [10]


def test_a_list_of_channels_makes_any_depth():
    net = vgg([4, "P", 5, 6, "P", 7], 3, padding=(1, 1, 0, 1), hidden=[8], activation="relu", batch_norm="ema")
    _, activities = shapes(net, 20)
    assert [a.shape[1:] for a in activities] == [(10, 10, 4), (10, 10, 5), (4, 4, 6), (4, 4, 7), (8,), (3,)]
    assert [layer.activation for layer in net.layers] == ["relu"] * 5 + ["identity"]
    assert [layer.batch_norm for layer in net.layers[:4]] == ["ema"] * 4
    assert len(vgg([], 3)) == 1


def test_a_multilayer_perceptron_has_a_layer_more_than_sizes():
    net = mlp([7, 6], 4, "relu")
    params, _ = net.init(KEY, jnp.zeros((1, 5)))
    assert [p["kernel"].shape for p in params] == [(5, 7), (7, 6), (6, 4)]
    assert [layer.activation for layer in net.layers] == ["relu", "relu", "identity"]
    assert len(mlp([], 4)) == 1


def test_layers_one_to_L_lie_at_places_zero_to_L_minus_one_and_predict_from_the_layer_below():
    net = Network(tuple(Dense(2, "identity") for _ in range(3)))
    params = tuple({"kernel": n * jnp.eye(2), "bias": jnp.zeros(2)} for n in (2.0, 3.0, 5.0))
    x, stats = jnp.ones((1, 2)), ({},) * 3
    activities, _ = feedforward(net, params, stats, x)
    assert [float(a[0, 0]) for a in activities] == [2.0, 6.0, 30.0]
    given = tuple(jnp.full((1, 2), n) for n in (7.0, 11.0, 13.0))
    assert [float(mu[0, 0]) for mu in predictions(net, params, stats, x, given)] == [2.0, 21.0, 55.0]


# --- graphs ---------------------------------------------------------------------------------------------------------------

def test_a_layer_of_a_graph_reads_its_parents_and_a_skip_is_added_to_the_prediction():
    net = Network((Dense(2, "identity"), Dense(2, "identity"), Residual(Dense(2, "identity"))), (0, 1, (2, 1)))
    params = tuple({"kernel": n * jnp.eye(2), "bias": jnp.zeros(2)} for n in (2.0, 3.0, 5.0))
    activities, _ = feedforward(net, params, ({},) * 3, jnp.ones((1, 2)))
    assert [float(a[0, 0]) for a in activities] == [2.0, 6.0, 32.0]
    given = tuple(jnp.full((1, 2), n) for n in (7.0, 11.0, 13.0))
    assert [float(mu[0, 0]) for mu in predictions(net, params, ({},) * 3, jnp.ones((1, 2)), given)] == [2.0, 21.0, 62.0]


@pytest.mark.parametrize("parents, distance, above", [
    (None, (3, 2, 1, 0), (2, 3, 4, 4)), ((0, 1, 2, 3), (3, 2, 1, 0), (2, 3, 4, 4)), ((0, 1, 2, (3, 1)), (1, 1, 1, 0), (4, 3, 4, 4)),
    ((0, 0, (1, 2), 3), (2, 2, 1, 0), (3, 3, 4, 4)), ((0, 1, (2, 1), (3, 2, 0)), (2, 1, 1, 0), (2, 4, 4, 4))])
def test_in_a_graph_distance_counts_steps_to_the_first_error_and_above_is_the_layer_whose_error_moves_a_layer_first(parents, distance, above):
    net = Network((Dense(2),) * 4, parents)
    assert net.distance == distance and net.above == above


def test_a_chain_written_as_a_graph_gives_the_same_numbers():
    chain, graph = mlp([4, 4], 3), Network(mlp([4, 4], 3).layers, (0, 1, (2,)))
    x = jnp.ones((2, 5))
    params, stats = chain.init(KEY, x)
    assert worst(params, graph.init(KEY, x)[0]) == 0
    assert worst(feedforward(chain, params, stats, x)[0], feedforward(graph, params, stats, x)[0]) == 0
    assert hash(graph) == hash(Network(mlp([4, 4], 3).layers, [[0], [1], [2]])) and graph != chain


def test_what_is_no_layer_is_wrapped_whole_and_a_layer_stays_as_it_is():
    assert as_layer(Dense(3)) == Dense(3) and Network((Dense(3),)).layers == (Dense(3),)
    assert isinstance(as_layer(nnx.Linear(3, 3, rngs=nnx.Rngs(0))), WholeLayer)
    linear = lambda rngs: nnx.Linear(3, 3, rngs=rngs)
    assert isinstance(Residual(linear).layer, WholeLayer) and as_layer(as_layer(linear)) == as_layer(linear)


# --- closed forms -------------------------------------------------------------------------------------------------------

VALUES = {  # at -2, -0.5, 0, 0.5, 3
    "relu": [0, 0, 0, 0.5, 3], "leaky_relu": [-0.02, -0.005, 0, 0.5, 3], "hard_tanh": [-1, -0.5, 0, 0.5, 1],
    "tanh": list(map(math.tanh, (-2, -0.5, 0, 0.5, 3))), "identity": [-2, -0.5, 0, 0.5, 3],
    "gelu": [z * (1 + math.erf(z / math.sqrt(2))) / 2 for z in (-2, -0.5, 0, 0.5, 3)]}


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_activation(activation):
    params = {"kernel": jnp.eye(5), "bias": jnp.array([0.0, 0.5, 0.0, -0.5, 0.0])}
    z = jnp.array([[-2.0, -1.0, 0.0, 1.0, 3.0]])
    mu, stats = Dense(5, activation).apply(params, {}, z)
    np.testing.assert_allclose(mu[0], VALUES[activation], atol=5e-4 if activation == "gelu" else 1e-6)   # gelu by its tanh form
    assert stats == {} and set(VALUES) == set(ACTIVATIONS)


@pytest.mark.parametrize("padding, pool, mode", [(1, True, None), (0, False, None), (1, True, "batch"), (1, False, "ema"), (0, True, "ema")])
def test_a_block_is_convolution_then_batchnorm_then_activation_then_pool(x64, padding, pool, mode):
    rng = np.random.default_rng(0)
    size = 6 + 2 - 2 * padding
    x = rng.normal(size=(3, size, size, 2))
    params = {"kernel": rng.normal(size=(3, 3, 2, 4)), "bias": rng.normal(size=4)}
    stats = {}
    if mode:                                                   # negative scales: a pool before them would take other pixels
        params |= {"scale": np.array([1.0, -2.0, -0.5, 3.0]), "shift": rng.normal(size=4)}
        stats = {"mean": rng.normal(size=4), "var": rng.uniform(1, 2, 4)}
    padded = np.pad(x, ((0, 0), (padding, padding), (padding, padding), (0, 0)))
    z = np.zeros((3, 6, 6, 4))
    for b in range(3):
        for i in range(6):
            for j in range(6):
                z[b, i, j] = np.tensordot(padded[b, i:i + 3, j:j + 3], params["kernel"], 3) + params["bias"]
    if mode:
        keep = {"batch": 0.0, "ema": 0.1}[mode]
        mean, var = (keep * stats[n] + (1 - keep) * f for n, f in (("mean", z.mean((0, 1, 2))), ("var", z.var((0, 1, 2)))))
        z = params["scale"] * (z - mean) / np.sqrt(var + 1e-5) + params["shift"]
    z = 0.5 * z * (1 + np.tanh(np.sqrt(2 / np.pi) * (z + 0.044715 * z**3)))     # not monotone: its order with the pool matters
    if pool:
        z = z.reshape(3, 3, 2, 3, 2, 4).max((2, 4))
    mu, _ = Block(4, padding, pool, "gelu", mode).apply(jax.tree.map(jnp.asarray, params), jax.tree.map(jnp.asarray, stats), jnp.asarray(x))
    np.testing.assert_allclose(mu, z, atol=1e-12)


@pytest.mark.parametrize("layer, shape, fan_in", [(Dense(300), (1, 400), 400), (Dense(300), (1, 10, 10, 4), 400), (Block(500), (1, 4, 4, 30), 270)],
                         ids=["dense", "dense on images", "convolution"])
def test_weights_and_biases_start_uniform_within_the_root_of_the_fan_in(layer, shape, fan_in):
    params, _ = layer.init(KEY, jnp.zeros(shape))
    bound = 1 / math.sqrt(fan_in)
    for name, tolerance in (("kernel", 0.02), ("bias", 0.2)):
        a = np.asarray(params[name], np.float64)
        assert bound * 0.97 < np.abs(a).max() <= bound * (1 + 1e-6)
        assert a.var() == pytest.approx(bound**2 / 3, rel=tolerance) and abs(a.mean()) < 0.1 * bound
    assert math.prod(params["kernel"].shape[:-1]) == fan_in
    assert uniform(KEY, (3,), 4).dtype == jnp.float32


def test_layers_start_from_different_keys_and_follow_the_key():
    net, x = mlp([5, 5, 5], 5), jnp.zeros((1, 5))
    params, again, other = (net.init(key, x)[0] for key in (KEY, KEY, jax.random.key(1)))
    assert worst(params, again) == 0 and all(worst(p, o) > 0 for p, o in zip(params, other))
    assert all(worst(params[i], params[j]) > 0 for i in range(4) for j in range(i))


def test_parameters_and_activities_take_the_type_of_the_inputs(x64):
    net = vgg([3, "P"], 2, batch_norm="ema")
    for dtype in (jnp.float32, jnp.float64):
        x = jnp.ones((2, 4, 4, 1), dtype)
        params, stats = net.init(KEY, x)
        assert {a.dtype for a in jax.tree.leaves((params, stats, feedforward(net, params, stats, x)))} == {jnp.dtype(dtype)}


# --- networks as values, modules at the border -----------------------------------------------------------------------------

def test_networks_are_values():
    assert mlp([4, 4], 2) == mlp([4, 4], 2) and hash(mlp([4, 4], 2)) == hash(mlp([4, 4], 2))
    assert mlp([4, 4], 2) != mlp([4, 5], 2) and vgg("vgg5") != vgg("vgg5", activation="relu")
    assert vgg("vgg5", batch_norm="ema") == vgg("vgg5", batch_norm="ema") != vgg("vgg5")
    linear = lambda rngs: nnx.Linear(3, 3, rngs=rngs)
    assert Network((linear,)) == Network((linear,)) and hash(Network((linear,))) == hash(Network((linear,)))


class Cell(nnx.Module):
    """A module of a user, with BatchNorm."""

    def __init__(self, inputs, features, rngs):
        self.linear, self.norm = nnx.Linear(inputs, features, rngs=rngs), nnx.BatchNorm(features, momentum=0.9, rngs=rngs)

    def __call__(self, x):
        return jnp.tanh(self.norm(self.linear(x)))


MAKERS = {"factory": lambda rngs: Cell(5, 4, rngs), "instance": Cell(5, 4, nnx.Rngs(3))}


@pytest.mark.parametrize("kind", MAKERS)
def test_a_module_is_a_layer_of_plain_trees(kind):
    net = Network((MAKERS[kind], Readout(2)))
    x = jnp.asarray(np.random.default_rng(0).normal(2.0, 3.0, size=(6, 5)), jnp.float32)
    params, stats = net.init(KEY, x)
    assert {type(a) for a in jax.tree.leaves((params, stats))} <= {type(x)}
    np.testing.assert_array_equal(stats[0]["norm"]["mean"], np.zeros(4))
    z = x @ params[0]["linear"]["kernel"] + params[0]["linear"]["bias"]
    run = jax.jit(lambda p, s, x, train: feedforward(net, p, s, x, train), static_argnums=3)
    activities, after = run(params, stats, x, True)
    np.testing.assert_allclose(activities[0], np.tanh((z - z.mean(0)) / np.sqrt(z.var(0) + 1e-5)), atol=1e-4)
    np.testing.assert_allclose(after[0]["norm"]["mean"], 0.1 * z.mean(0), atol=1e-5)
    activities, kept = run(params, after, x, False)
    mean, var = after[0]["norm"]["mean"], after[0]["norm"]["var"]
    np.testing.assert_allclose(activities[0], np.tanh((z - mean) / np.sqrt(var + 1e-5)), atol=1e-4)
    assert worst(kept, after) == 0


def test_an_instance_keeps_its_own_parameters_and_a_factory_follows_the_key():
    x = jnp.zeros((1, 5))
    first, second = (Network((MAKERS["instance"],)).init(jax.random.key(n), x)[0] for n in (0, 1))
    assert worst(first, second) == 0
    np.testing.assert_array_equal(first[0]["linear"]["kernel"], MAKERS["instance"].linear.kernel[...])
    first, second = (Network((MAKERS["factory"],)).init(jax.random.key(n), x)[0] for n in (0, 1))
    assert worst(first, second) > 0


def test_modules_relax_and_learn_like_any_layer_and_the_module_stays_as_it_was(x64):
    module = Cell(5, 4, nnx.Rngs(3))
    before = jax.tree.map(np.array, nnx.to_pure_dict(nnx.state(module)))
    net = Network((module, lambda rngs: nnx.Linear(4, 4, rngs=rngs), Readout(2)))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(6, 5)))
    params, stats = jax.tree.map(lambda a: jnp.asarray(a, jnp.float64), net.init(KEY, x))
    y = jax.nn.one_hot(jnp.arange(6) % 2, 2)

    @jax.jit
    def run(params):
        runs = [method(net, params, stats, x, y, Constant()(4, 3), 0.2) for method in (relax, relax_dense)]
        return [r[:4] for r in runs], weight_gradient(net, params, stats, x, runs[0], "pc")

    (cone, dense), (grads, after) = run(params)
    assert worst(cone, dense) < 1e-6                       # flax computes its statistics in float32
    assert jax.tree.structure(grads) == jax.tree.structure(params) and jax.tree.structure(after) == jax.tree.structure(stats)
    assert worst(after[0], stats[0]) > 1e-3
    assert worst(jax.tree.map(np.array, nnx.to_pure_dict(nnx.state(module))), before) == 0


graph = lambda *parents: Network((Dense(2),) * 3, parents)


# --- bad input: one clear sentence ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("make, words", [
    (lambda: choose("colour", "gren", ["red", "green"]), ("unknown colour 'gren'", "did you mean 'green'", "'red', 'green'")),
    (lambda: choose("colour", "xyz", ["red", "green"]), ("unknown colour 'xyz'; allowed: 'red', 'green'",)),
    (lambda: choose("number", 3, [1, 2]), ("unknown number 3; allowed: 1, 2",)),
    (lambda: vgg("VGG10"), ("model", "did you mean 'vgg10'", "'vgg15'")),
    (lambda: vgg("vgg5", activation="rellu"), ("activation", "did you mean 'relu'", "'hard_tanh'")),
    (lambda: vgg("vgg5", batch_norm="bach"), ("batch_norm", "did you mean 'batch'", "'ema'", "None")),
    (lambda: vgg("vgg5", padding=2), ("padding", "0, 1")),
    (lambda: vgg("vgg5", padding=(1, 1)), ("2 paddings", "4 convolutions")),
    (lambda: vgg(["P", 8]), ("P",)), (lambda: vgg([8, "P", "P"]), ("P",)), (lambda: vgg([8, "p"]), ("p",)),
    (lambda: mlp([0]), ("features", "1", "0")), (lambda: Block(0), ("features",)),
    (lambda: Network(()), ("at least one layer",)), (lambda: Network((3,)), ("3", "no layer")),
    (lambda: Network((jnp.ones((20, 20)),)), ("no layer",)), (lambda: Network((nnx.Linear,)), ("Linear",)),
    (lambda: graph(0, 1, (2, 3)), ("layer 3 reads layer 3", "cycle")), (lambda: graph(0, 3, 1), ("layer 2 reads layer 3", "cycle")),
    (lambda: graph(0, 1, 4), ("layer 3", "4", "1 to 3")), (lambda: graph(0, 1, -1), ("layer 3", "-1")), (lambda: graph(0, 1, ()), ("layer 3",)),
    (lambda: graph(0, 1, "12"), ("layer 3",)), (lambda: graph(0, True, 2), ("layer 2", "True")),
    (lambda: graph(0, 0, 1), ("no layer reads layer 2",)), (lambda: graph(0, 1), ("3 layers", "2")), (lambda: graph(0, 1, 2, 3), ("3 layers", "4"))],
    ids=["near", "far", "number", "model", "activation", "batch_norm", "padding", "paddings", "pool first", "pool twice", "small p",
         "features", "block", "empty", "no layer", "array", "class", *(f"graph {i}" for i in range(10))])
def test_what_cannot_be_built_is_told_in_one_sentence(make, words):
    with says(*words):
        make()


DROPOUT = lambda rngs: nnx.Sequential(nnx.Linear(5, 3, rngs=rngs), nnx.Dropout(0.5, rngs=rngs))


@pytest.mark.parametrize("net, shape, words", [
    (vgg("vgg5", width=0.1), (1, 28, 28, 3), ("layer 3", "pool", "7x7")),
    (vgg("vgg5", width=0.1), (1, 28), ("layer 1", "images", "(1, 28)")),
    (Network((Block(2, 0), Block(2, 0))), (1, 4, 4, 1), ("layer 2", "3x3", "2x2")),
    (Network((Block(2, 0, True),)), (1, 2, 2, 1), ("layer 1", "3x3", "2x2")),
    (mlp([3]), (1, 5, "uint8"), ("layer 1", "uint8")),
    (Network((Dense(5), DROPOUT)), (1, 5), ("layer 2", "dropout")),
    (Network((nnx.Dropout(0.5, rngs=nnx.Rngs(0)),)), (1, 5), ("layer 1", "dropout")),
    (Network((Dense(3), lambda rngs: nnx.Linear(4, 3, rngs=rngs))), (1, 5), ("layer 2", "(3,)", "(4,)")),
    (Network((Dense(3), nnx.Conv(5, 3, (3, 3), rngs=nnx.Rngs(0)))), (1, 5), ("layer 2",)),
    (Network((Dense(3), Residual(Dense(3)))), (1, 5), ("layer 2", "two", "(main, skip)")),
    (Network((Dense(3), Dense(3), Residual(Dense(3))), (0, 1, (2, 1, 0))), (1, 5), ("layer 3", "two")),
    (Network((Dense(3), Residual(Dense(4))), (0, (1, 1))), (1, 5), ("layer 2", "skip", "(1, 3)", "(1, 4)")),
    (Network((Dense(3), Dense(3), Dense(2)), (0, 1, (2, 1))), (1, 5), ("layer 3",))],
    ids=["odd pool", "flat", "too small", "too small to pool", "integers", "dropout", "dropout instance", "module", "module conv", "one parent", "three parents", "skip", "two parents"])
def test_inputs_that_do_not_fit_name_the_layer(net, shape, words):
    dtype = shape[-1] if isinstance(shape[-1], str) else "float32"
    x = jnp.zeros([n for n in shape if not isinstance(n, str)], dtype)
    with says(*words):
        net.init(KEY, x)


@pytest.mark.parametrize("make, words", [
    (lambda: vgg([-1]), ("channels[0]", "-1")), (lambda: vgg([8, "P", 2.5]), ("channels[2]", "2.5")), (lambda: mlp([2.5]), ("features", "2.5")),
    (lambda: mlp([True]), ("features", "True")), (lambda: vgg("vgg5", width=-1), ("width", "-1")), (lambda: vgg("vgg5", width=0), ("width", "0")),
    (lambda: Block(0), ("features", "0")), (lambda: Block(1.5), ("features", "1.5"))])
def test_sizes_must_be_whole_and_positive(make, words):
    with pytest.raises(ValueError) as said:
        make()
    assert all(word in str(said.value) for word in words)


def test_a_module_that_has_drawn_its_parameters_is_told_to_be_a_factory():
    with pytest.warns(UserWarning, match="every seed starts alike: give the factory"):
        Network((nnx.Linear(3, 3, rngs=nnx.Rngs(0)), Readout(2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Network((nnx.LayerNorm(3, rngs=nnx.Rngs(0)), lambda rngs: nnx.Linear(3, 3, rngs=rngs), Readout(2)))

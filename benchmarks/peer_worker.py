"""One subject of peers.py in a process of its own.

    python peer_worker.py SUBJECT NET [BATCH]

It answers each line of JSON on stdin with one on stdout: the list of a command's name
and its arguments with what the command returns. SUBJECT is a key of SUBJECTS; a net is
a key of NETS, with its width divided as in "vgg5/8". All subjects start from the same
NumPy weights and train on the same inputs. A peer needs only its own environment.
"""
import importlib.util
import json
import math
import os
import resource
import statistics
import sys
import time
import types
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
CLASSES, MEAN, STD = 10, 0.5, 0.25
X_STEP, MOMENTUM = 0.05, 0.5  # Nesterov momentum, as in PCX's CIFAR-10 tutorial
ERROR_STEP, ERROR_STEPS = 0.001, 5  # of ePC; both libraries have these as defaults
RATE, DECAY = 1e-4, 1e-4
SKIP = 0.01
GELU_SLOPE = 1.13  # the steepest
TURN = 0.2  # seconds of the processor at least
COMPILED = "/jax/core/compile/backend_compile_duration"


class Layer(NamedTuple):
    "Units or channels of a layer, the padding of its convolution, a pool after it."
    features: int
    padding: int | None = None
    pool: bool = False


def convolutions(channels: str, paddings: str) -> list[Layer]:
    "Layers by their channels, where P is a pool after a convolution, and paddings."
    found = channels.replace(" P", "P").split()
    return [Layer(int(c.strip("P")), int(padding), "P" in c)
            for c, padding in zip(found, paddings, strict=True)]


NETS: dict[str, list[Layer]] = {  # hidden layers; the VGGs are the paper's Table 3
    "vgg5": convolutions("128 P 256 P 512 P 512 P", "1110"),
    "vgg7": convolutions("128 P 128 256 P 256 512 P 512", "111010"),
    "vgg10": convolutions("64 128 128 P 128 256 P 256 256 P 256 512 P", "1" * 9),
    "vgg15": convolutions(
        "64 64 P 128 128 P 256 256 256 P 512 512 512 P 512 512 512 P", "1" * 13)
    + [Layer(4096)],
    **{f"mlp{depth}": [Layer(128)] * (depth - 1) for depth in (5, 10, 20, 40)}}


def layers(net: str) -> list[Layer]:
    "All layers of a net; the last one is linear."
    name, _, divisor = net.partition("/")
    scaled = lambda layer: layer._replace(
        features=round(layer.features / int(divisor or 1)))
    return [*map(scaled, NETS[name]), Layer(CLASSES)]


def input_shape(net: str) -> tuple[int, ...]:
    "The shape of one input."
    return (784,) if net.startswith("mlp") else (32, 32, 3)


def shape_after(shape: tuple[int, ...], layer: Layer) -> tuple[int, ...]:
    "The shape of a layer's activity for one input of a shape."
    if layer.padding is None:
        return layer.features,
    size = (shape[0] + 2 * layer.padding - 2) // (2 if layer.pool else 1)
    return size, size, layer.features


def weights(net: str, dtype: type) -> list[tuple[np.ndarray, np.ndarray]]:
    """Kernel and bias of each layer, uniform in +-1/sqrt(fan_in).

    Kernels are (3, 3, Cin, Cout), or (inputs, features) for a flattened input.
    """
    random, shape, out = np.random.default_rng(0), input_shape(net), []
    for layer in layers(net):
        flat = layer.padding is None
        kernel = (math.prod(shape),) if flat else (3, 3, shape[-1])
        scale = dtype(math.prod(kernel) ** 0.5)
        draw = lambda *size: random.uniform(-1, 1, size).astype(dtype) / scale
        out.append((draw(*kernel, layer.features), draw(layer.features)))
        shape = shape_after(shape, layer)
    return out


def inputs(net: str, batch: int) -> tuple[np.ndarray, np.ndarray]:
    "Inputs of four batches, bytes for a VGG and floats from 0 to 1 for an MLP; labels."
    random, shape = np.random.default_rng(1), (4 * batch, *input_shape(net))
    if net.startswith("mlp"):
        x = random.random(shape, np.float32)
    else:
        x = random.integers(0, 256, shape, np.uint8)
    return x, random.integers(0, CLASSES, 4 * batch)


def first_batch(net: str, batch: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    "The first batch, normalised, and its one-hot labels."
    x, y = (a[:batch] for a in inputs(net, batch))
    whole = 255 if x.dtype == np.uint8 else 1
    x = (x.astype(dtype) / whole - dtype(MEAN)) / dtype(STD)
    return x.astype(dtype), np.eye(CLASSES, dtype=dtype)[y]


def orders(batch: int) -> list[np.ndarray]:
    "Four shuffled batches of the inputs."
    shuffle = lambda i: np.random.default_rng(i).permutation(4 * batch)[:batch]
    return [shuffle(i).astype(np.int32) for i in range(4)]


def real() -> type:
    "NumPy's type of the numbers that this process computes with."
    import jax
    return np.float64 if jax.config.jax_enable_x64 else np.float32


def devices() -> Any:
    """The module pc_precision.machine, which runs in all environments.

    A peer's environment has not installed the package, and lacks what all of it needs.
    """
    if importlib.util.find_spec("pc_precision") is None:
        package = types.ModuleType("pc_precision")
        package.__path__ = [str(ROOT / "pc_precision")]
        sys.modules["pc_precision"] = package
    return import_module("pc_precision.machine")


def experiment(subject: str, net: str, batch: int, dtype: type) -> Any:
    "The pc_precision.Experiment of one of our subjects."
    from pc_precision.algorithms import PROGRAM, Named, Recipe
    from pc_precision.experiment import Experiment
    name, _, divisor = net.partition("/")
    hidden = "".join(f"-{layer.features}" for layer in NETS[name])
    model = f"mlp{hidden}" if net.startswith("mlp") else name
    moves = dict(x_step=X_STEP, momentum=MOMENTUM, nesterov=True)
    algorithm, settings = {
        "PC": ("PC", moves),
        "PC dense": (Named("PC-dense", Recipe(inference="dense")), moves),
        "ePC": ("ePC", dict(x_step=ERROR_STEP, T=ERROR_STEPS)),
        "S+F": ("S+F", PROGRAM),
        "S+F skip": ("S+F", PROGRAM | dict(skip=SKIP)),
        "BP": ("BP", {})}[subject]
    return Experiment(
        model=model, algorithm=algorithm, width=1 / int(divisor or 1), augment=False,
        batch_size=batch, learning_rate=RATE, weight_decay=DECAY,
        dtype=np.dtype(dtype).name, **settings)


class Ours:
    "pc_precision's training step."

    def __init__(self, subject: str, net: str, batch: int):
        import jax

        from pc_precision.data import DatasetInfo
        from pc_precision.training import State, jit_step
        self.name, self.batch, self.dtype, self.jit_step = net, batch, real(), jit_step
        shape = input_shape(net)
        channels = shape[-1] if len(shape) > 1 else 1
        self.info = DatasetInfo("random", CLASSES, shape, (MEAN,) * channels,
                                (STD,) * channels, False, 0, "", False)
        self.exp = experiment(subject, net, batch, self.dtype)
        self.plan, self.hyper = self.planned(self.exp)
        params = tuple(dict(kernel=jax.device_put(k), bias=jax.device_put(b))
                       for k, b in weights(net, self.dtype))
        optimiser = self.plan.optimiser(0.0, 0.0).init(params)
        self.state = State(params, ({},) * len(params), optimiser, jax.random.key(0),
                           np.int32(0))
        self.data, self.orders = jax.device_put(inputs(net, batch)), orders(batch)
        self.compiled = False

    def planned(self, exp: Any) -> tuple[Any, Any]:
        "Plan and numbers of an experiment."
        import jax

        from pc_precision.protocol import make_plan, numbers_of
        numbers = jax.tree.map(lambda a: np.asarray(a, self.dtype), numbers_of(exp))
        return make_plan(exp, self.info), numbers

    def step(self) -> Any:
        "One step on the next batch."
        self.orders.append(self.orders.pop(0))
        arguments = self.plan, self.state, self.data, self.orders[0], self.hyper
        if not self.compiled:  # as in training, what compiling freed goes back first
            self.jit_step.lower(*arguments).compile()
            devices().release_memory()
            self.compiled = True
        self.state, info = self.jit_step(*arguments)
        return info

    def gflop(self) -> float:
        "Operations of a step in 10^9, as the library counts them."
        from pc_precision.paper.costs import training_flops
        return training_flops(self.exp, self.info) * self.batch / 1e9

    def change(self) -> None:
        "A step with every number changed: schedule, rates, nudging, decay."
        before = self.hyper
        self.hyper = before._replace(
            covariance=2 * before.covariance, **{
                name: self.dtype(value) for name, value in dict(
                    x_step=0.1, momentum=0, beta=0.5, sign=-1, learning_rate=1e-3,
                    weight_decay=1e-3).items()})
        self.step()
        self.hyper = before

    def settled(self, **settings: Any) -> tuple[Any, Any]:
        "What inference leaves of the first batch, and the weights' gradient."
        from dataclasses import replace

        import jax

        from pc_precision.energy import Output
        from pc_precision.learning import algorithm_gradient
        from pc_precision.protocol import make_algorithm
        plan, hyper = self.planned(replace(self.exp, **settings))

        @jax.jit
        def run(params, x, y):
            gradient, _, settled = algorithm_gradient(
                make_algorithm(plan, hyper), plan.net, params, self.state.stats, x,
                Output(y))
            return settled, gradient
        return run(self.state.params, *first_batch(self.name, self.batch, self.dtype))

    def activities(self, **settings: Any) -> list[np.ndarray]:
        "The layers' activities after inference, of the first batch."
        return list(self.settled(**settings)[0].final)

    def skipped(self) -> dict[str, float]:
        """What skipping changes.

        error: in a layer's weight gradient, over its norm; bound: what `skip_bound`
        allows in a hidden layer's displacement, over its norm. Each is the largest.
        The bound writes Jacobians out, so there is none for a VGG.
        """
        from dataclasses import replace

        import jax
        import optax

        from pc_precision.protocol import covariance
        from pc_precision.skipping import product_norms, skip_bound
        norm = lambda tree: float(optax.global_norm(tree))
        (full, grads), (_, other) = self.settled(skip=0.0), self.settled()
        differ = lambda a, b: norm(jax.tree.map(lambda a, b: a - b, a, b)) / norm(a)
        found = dict(error=max(map(differ, grads, other)))
        if self.name.startswith("vgg"):
            return found
        sizes, exp, net = [norm(d) for d in full.displacements], self.exp, self.plan.net
        x = first_batch(self.name, self.batch, self.dtype)[0]
        products = product_norms(net, self.state.params, ({},) * len(net), x)
        norms = np.array([np.linalg.norm(p["kernel"], 2) for p in self.state.params])
        norms[:-1] *= GELU_SLOPE
        bound = skip_bound(
            net, covariance(replace(exp, skip=0.0)), exp.reading, exp.skip, exp.x_step,
            exp.momentum, exp.nesterov, norms, products, sizes[-1])
        return found | dict(bound=max(b / size for b, size in zip(bound[:-1], sizes)))


def kernels(subject: str) -> tuple[Callable, Callable]:
    "Convolution and pool: pc_precision's for `plain`, else XLA's."
    from jax import lax
    if subject == "plain":
        from pc_precision.kernels import conv3x3, max_pool2
        return conv3x3, max_pool2
    return (lambda x, k, padding: lax.conv_general_dilated(
        x, k, (1, 1), [(padding, padding)] * 2,
        dimension_numbers=("NHWC", "HWIO", "NHWC"))), xla_pool


def xla_pool(x: Any) -> Any:
    "The maximum of 2x2 pixels by XLA's own operation."
    from jax import lax
    return lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


class Plain:
    "jax.grad of the squared error and optax.adamw, written out."

    def __init__(self, subject: str, net: str, batch: int):
        import jax
        import jax.numpy as jnp
        import optax
        adamw, (conv, pool) = optax.adamw(RATE, weight_decay=DECAY), kernels(subject)
        spec = layers(net)

        def predict(layer, kernel, bias, x):
            if layer.padding is None:
                return x.reshape(len(x), -1) @ kernel + bias
            return conv(x, kernel, layer.padding) + bias

        def loss(params, x, y):
            for layer, (kernel, bias) in zip(spec, params[:-1]):
                x = jax.nn.gelu(predict(layer, kernel, bias, x))
                x = pool(x) if layer.pool else x
            return 0.5 * jnp.sum((predict(spec[-1], *params[-1], x) - y) ** 2) / len(x)

        def step(params, optimiser, data, order):
            x, y = (jnp.take(a, order, axis=0) for a in data)
            whole = 255 if x.dtype == jnp.uint8 else 1
            x = (x.astype(jnp.float32) / whole - MEAN) / STD
            grads = jax.value_and_grad(loss)(params, x, jax.nn.one_hot(y, CLASSES))
            updates, optimiser = adamw.update(grads[1], optimiser, params)
            return optax.apply_updates(params, updates), optimiser, grads[0]
        params = jax.tree.map(jnp.asarray, weights(net, np.float32))
        self.state = params, adamw.init(params)
        self.run = jax.jit(step, donate_argnums=(0, 1))
        self.data, self.orders = jax.device_put(inputs(net, batch)), orders(batch)

    def step(self) -> Any:
        "One step on the next batch."
        self.orders.append(self.orders.pop(0))
        *self.state, value = self.run(*self.state, self.data, self.orders[0])
        return value


def pcx_model(net: str) -> Any:
    "The net as a PCX model, a vode after each layer; the output's is clamped."
    import jax
    import pcx.nn as pxnn
    import pcx.predictive_coding as pxc
    spec, shape, parts = layers(net), input_shape(net), []
    for layer in spec:
        if layer.padding is None:
            parts.append((pxnn.Linear, (math.prod(shape), layer.features), {}))
        else:
            parts.append((pxnn.Conv2d, (shape[-1], layer.features, 3),
                          dict(padding=layer.padding)))
        shape = shape_after(shape, layer)

    class Model(pxc.EnergyModule):
        def __init__(self):
            super().__init__()
            self.layers = [kind(*sizes, **more) for kind, sizes, more in parts]
            self.pool = pxnn.MaxPool2d(2, 2)
            self.vodes = [pxc.Vode() for _ in self.layers]
            self.vodes[-1].h.frozen = True

        def __call__(self, x, y=None):
            for number, (layer, vode) in enumerate(zip(self.layers, self.vodes)):
                x = layer(x.flatten() if spec[number].padding is None else x)
                x = x if vode is self.vodes[-1] else jax.nn.gelu(x)
                x = vode(self.pool(x) if spec[number].pool else x)
            if y is not None:
                self.vodes[-1].set("h", y)
            return self.vodes[-1].get("u")
    return Model()


def pcx_train() -> Callable:
    "PCX's training step: initialise, T steps on the activities, one on the weights."
    import jax
    import pcx.functional as pxf
    import pcx.nn as pxnn
    import pcx.predictive_coding as pxc
    import pcx.utils as pxu
    per_sample = pxu.M(pxc.VodeParam | pxc.VodeParam.Cache).to((None, 0))
    hidden = lambda: pxu.M_hasnot(pxc.VodeParam, frozen=True)

    @pxf.vmap(per_sample, in_axes=(0, 0), out_axes=0)
    def initialise(x, y, *, model):
        return model(x, y)

    @pxf.vmap(per_sample, in_axes=(0,), out_axes=(None, 0), axis_name="batch")
    def energy(x, *, model):
        output = model(x)
        return jax.lax.psum(model.energy(), "batch"), output

    def gradient(mask, x, model):
        with pxu.step(model, clear_params=pxc.VodeParam.Cache):
            derive = pxf.value_and_grad(mask.to([False, True]), has_aux=True)
            return derive(energy)(x, model=model)[1]["model"]

    @pxf.jit(static_argnums=0)
    def train(T, x, y, *, model, optim_w, optim_h):
        model.train()
        with pxu.step(model, pxc.STATUS.INIT, clear_params=pxc.VodeParam.Cache):
            output = initialise(x, y, model=model)
        optim_h.init(hidden()(model))
        for _ in range(T):
            optim_h.step(model, gradient(hidden(), x, model))
        optim_h.clear()
        change = gradient(pxu.M(pxnn.LayerParam), x, model)
        optim_w.step(model, change, scale_by=1.0 / x.shape[0])
        return output
    return train


class Pcx:
    "PCX by its public interface, in the order of its CIFAR-10 tutorial."

    def __init__(self, subject: str, net: str, batch: int):
        import jax
        import optax
        import pcx.nn as pxnn
        import pcx.utils as pxu
        self.T, self.model, self.train = len(layers(net)), pcx_model(net), pcx_train()
        channels = input_shape(net)[-1]
        for layer, (kernel, bias) in zip(self.model.layers, weights(net, real())):
            self.put(layer.nn, kernel, bias, channels)
            channels = len(bias)
        self.optim_h = pxu.Optim(
            lambda: optax.sgd(X_STEP, momentum=MOMENTUM, nesterov=True))
        self.optim_w = pxu.Optim(lambda: optax.adamw(RATE, weight_decay=DECAY),
                                 pxu.M(pxnn.LayerParam)(self.model))
        x, y = first_batch(net, batch, real())
        self.x = jax.device_put(x.transpose(0, 3, 1, 2) if x.ndim == 4 else x)
        self.y = jax.device_put(y)

    def put(self, layer: Any, kernel: np.ndarray, bias: np.ndarray,
            channels: int) -> None:
        "Put kernel and bias in its order into a layer that reads so many channels."
        import jax.numpy as jnp
        flat, out = kernel.ndim == 2, len(bias)
        side = math.isqrt(len(kernel) // channels) if flat else 3
        kernel = kernel.reshape(side, side, channels, out).transpose(3, 2, 0, 1)
        layer.weight.set(jnp.asarray(kernel.reshape(out, -1) if flat else kernel))
        layer.bias.set(jnp.asarray(bias if flat else bias.reshape(-1, 1, 1)))

    def step(self) -> Any:
        "One step."
        output = self.train(self.T, self.x, self.y, model=self.model,
                            optim_w=self.optim_w, optim_h=self.optim_h)
        return output, self.model.layers[0].nn.weight.get(), self.model.vodes[0].h.get()

    def activities(self) -> list[np.ndarray]:
        "As Ours.activities, with the axes in our order."
        self.step()
        found = [np.asarray(vode.h.get()) for vode in self.model.vodes]
        return [a.transpose(0, 2, 3, 1) if a.ndim == 4 else a for a in found]


def fabricpc_nodes(net: str) -> list:
    """The net as FabricPC's nodes, one a layer, the input's first.

    A ConvNode and a MaxPool would be two layers with an activity each, so a layer of
    ours that pools is a ConvNode whose prediction is pooled: a node of one's own, which
    the library offers for this.
    """
    from dataclasses import replace

    from fabricpc.core.activations import GeluActivation, IdentityActivation
    from fabricpc.nodes import ConvNode, IdentityNode, Linear

    class PooledConv(ConvNode):
        @staticmethod
        def predict(params, inputs, state, node_info):
            height, width, channels = node_info.shape
            whole = replace(node_info, shape=(2 * height, 2 * width, channels))
            predicted, more = ConvNode.predict(params, inputs, state, whole)
            return xla_pool(predicted), more

    shape, spec = input_shape(net), layers(net)
    nodes = [IdentityNode(shape, "0")]
    for number, layer in enumerate(spec, 1):
        shape, last = shape_after(shape, layer), number == len(spec)
        activation = IdentityActivation() if last else GeluActivation()
        common = dict(shape=shape, name=str(number), activation=activation)
        if layer.padding is None:
            nodes.append(Linear(flatten_input=True, **common))
        else:
            kind = PooledConv if layer.pool else ConvNode
            padding = "SAME" if layer.padding else "VALID"
            nodes.append(kind(kernel_size=(3, 3), padding=padding, **common))
    return nodes


class FabricPc:
    "FabricPC by its public interface: its training step for custom loops."

    def __init__(self, subject: str, net: str, batch: int):
        import jax
        import optax
        from fabricpc.core.inference import InferenceSGD
        from fabricpc.core.inference_epc import EPCInference
        from fabricpc.core.topology import Edge
        from fabricpc.core.types import GraphParams, NodeParams
        from fabricpc.graph_assembly import TaskMap, graph
        from fabricpc.training import make_train_step
        nodes = fabricpc_nodes(net)
        if subject == "FabricPC ePC":
            inference = EPCInference(ERROR_STEP, ERROR_STEPS)
        else:
            inference = InferenceSGD(X_STEP, len(nodes) - 1)
        edges = [Edge(a, b.slot("in")) for a, b in zip(nodes, nodes[1:])]
        tasks = TaskMap(x=nodes[0], y=nodes[-1])
        structure, params = graph(nodes, edges, tasks, inference), {}
        for node, (kernel, bias) in zip(nodes[1:], weights(net, real())):
            edge, = structure.nodes[node.name].node_info.in_edges
            bias = bias.reshape((1,) * len(node.shape) + (-1,))
            params[node.name] = NodeParams({edge: kernel}, {"b": bias})
        params = {nodes[0].name: NodeParams({}, {})} | params
        adamw = optax.adamw(RATE, weight_decay=DECAY)
        self.params = jax.device_put(GraphParams(params))
        self.optimiser, self.names = adamw.init(self.params), [n.name for n in nodes]
        self.batch = jax.device_put(dict(zip("xy", first_batch(net, batch, real()))))
        self.run, self.key = make_train_step(structure, adamw), jax.random.key(0)

    def step(self) -> Any:
        "One step; returns the states of the nodes after inference."
        self.params, self.optimiser, metrics, state = self.run(
            self.params, self.optimiser, self.batch, self.key)
        return state, metrics, self.params

    def activities(self) -> list[np.ndarray]:
        "As Ours.activities."
        state = self.step()[0]
        return [state.nodes[name].z_latent for name in self.names[1:]]


SUBJECTS: dict[str, Callable] = {
    "PCX": Pcx,
    **dict.fromkeys(("FabricPC PC", "FabricPC ePC"), FabricPc),
    **dict.fromkeys(("PC", "PC dense", "ePC", "S+F", "S+F skip", "BP"), Ours),
    **dict.fromkeys(("plain", "plain XLA"), Plain)}
LIBRARIES = {Pcx: "pcx.nn", FabricPc: "fabricpc"}  # ours for the others


def peak() -> float:
    """The most memory resident so far, in MiB.

    It is VmHWM, because ru_maxrss also remembers the process that started this one.
    """
    try:
        with open("/proc/self/status") as status:
            line = next(line for line in status if line.startswith("VmHWM"))
            return int(line.split()[1]) / 1024
    except OSError:
        unit = 2**20 if sys.platform == "darwin" else 2**10
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def timed(work: Callable) -> float:
    "Seconds of the processor, all threads, until the results of `work` are there."
    import jax
    began = time.process_time()
    jax.block_until_ready(work())
    return time.process_time() - began


def turn(work: Callable) -> float:
    "Seconds of the processor for `work`: the mean of as many as fill TURN seconds."
    times = []
    while sum(times) < TURN:
        times.append(timed(work))
    return sum(times) / len(times)


def warm_up(subject: Any, compiles: list[float]) -> list[dict]:
    "Steps until one compiles nothing more."
    calls = []
    while not calls or calls[-1]["compiles"]:
        compiles.clear()
        seconds = timed(subject.step)
        calls.append(dict(cpu=seconds, compiles=len(compiles), xla=sum(compiles)))
    return calls


def recompilations(subject: Any, compiles: list[float]) -> int:
    "Compilations that other settings cause."
    compiles.clear()
    subject.change()
    return len(compiles)


def product_speed(n: int = 2048) -> float:
    """10^9 operations of a float32 matrix product in a second of processor time.

    It is the most that a step could reach.
    """
    import jax
    import jax.numpy as jnp
    a, product = jnp.ones((n, n), jnp.float32), jax.jit(jnp.matmul)
    jax.block_until_ready(product(a, a))
    return 2e-9 * n**3 / statistics.median(
        timed(lambda: product(a, a)) for _ in range(9))


def versions() -> str:
    "Python and the packages that this process may compute with."
    out = [f"python {sys.version.split()[0]}"]
    for package in ("jax", "jaxlib", "optax", "numpy", "equinox", "pcx", "fabricpc"):
        try:
            out.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            pass
    return ", ".join(out)


def save(path: str, arrays: list) -> None:
    "Write arrays in their order."
    np.savez(path, *arrays)


def main() -> None:
    name, net, batch = sys.argv[1], sys.argv[2], int((sys.argv[3:] or [128])[0])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints goes to stderr
    devices().keep_memory()
    import jax
    import_module(LIBRARIES.get(SUBJECTS[name], "pc_precision"))
    imported, compiles = peak(), []
    jax.monitoring.register_event_duration_secs_listener(
        lambda event, seconds, **_: event == COMPILED and compiles.append(seconds))
    subject = SUBJECTS[name](name, net, batch)
    commands = {
        "warmup": lambda: warm_up(subject, compiles),
        "turn": lambda: turn(subject.step),
        "change": lambda: recompilations(subject, compiles),
        "activities": lambda path, settings: save(
            path, subject.activities(**settings)),
        "memory": lambda: {"peak_mib": peak(), "imported_mib": imported},
        "gflop": lambda: subject.gflop(), "skipped": lambda: subject.skipped(),
        "product": product_speed, "versions": versions}
    for line in sys.stdin:
        command, *arguments = json.loads(line)
        print(json.dumps(commands[command](*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()

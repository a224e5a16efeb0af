"""One subject of against_pcx.py in a process of its own: answers each JSON line on stdin with one on stdout.

    python against_pcx_worker.py METHOD NET [BATCH]

METHOD: "pcx" (needs only the environment of PCX), "pc", "s+f", "bp" (pc_precision's training step), "plain" (jax.grad
with pc_precision's convolution and pooling) or "lax" (jax.grad with XLA's). NET: "vgg5", "vgg5/8" (width 1/8), ...
All start from the same NumPy weights and train on the same images.
Commands: warmup, step, change, lower, agree, peak, versions, gflop, product.
"""
import json
import os
import resource
import sys
import time
from importlib import import_module

import numpy as np

NETS = {  # channels, padding, pool after; the paper's Table 3
    "vgg5": [(128, 1, True), (256, 1, True), (512, 1, True), (512, 0, True)],
    "vgg7": [(128, 1, True), (128, 1, False), (256, 1, True), (256, 0, False), (512, 1, True), (512, 0, False)],
    "vgg10": [(64, 1, False), (128, 1, False), (128, 1, True), (128, 1, False), (256, 1, True), (256, 1, False),
              (256, 1, True), (256, 1, False), (512, 1, True)]}
CLASSES, MEAN, STD = 10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
X_STEP, MOMENTUM, RATE, DECAY = 0.05, 0.5, 1e-4, 1e-4      # Nesterov momentum, as in PCX's CIFAR-10 tutorial
COMPILED = "/jax/core/compile/backend_compile_duration"


def shape(net: str) -> tuple[str, float]:
    "Name and width of a net: vgg5/8 -> ('vgg5', 0.125)."
    name, _, divisor = net.partition("/")
    return name, 1 / int(divisor or 1)


def blocks(net: str) -> list[tuple[int, int, bool]]:
    "Channels, padding and pool of each convolution."
    name, width = shape(net)
    return [(round(channels * width), padding, pool) for channels, padding, pool in NETS[name]]


def weights(net: str, dtype: type) -> list[tuple[np.ndarray, np.ndarray]]:
    "Kernel and bias of each layer, uniform in +-1/sqrt(fan_in): (3, 3, Cin, Cout), last (H * W * C, classes)."
    random, size, cin, out = np.random.default_rng(0), 32, 3, []
    draw = lambda fan_in, *shapes: tuple(random.uniform(-1, 1, s).astype(dtype) / dtype(fan_in ** 0.5) for s in shapes)
    for cout, padding, pool in blocks(net):
        out.append(draw(9 * cin, (3, 3, cin, cout), (cout,)))
        cin, size = cout, (size + 2 * padding - 2) // (2 if pool else 1)
    return [*out, draw(size * size * cin, (size * size * cin, CLASSES), (CLASSES,))]


def images(batch: int) -> tuple[np.ndarray, np.ndarray]:
    "Bytes (4 batch, 32, 32, 3) and labels."
    random = np.random.default_rng(1)
    return random.integers(0, 256, (4 * batch, 32, 32, 3), np.uint8), random.integers(0, CLASSES, 4 * batch)


def floats(batch: int, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    "The first batch, normalised, and its one-hot labels."
    x, y = (a[:batch] for a in images(batch))
    return ((x.astype(dtype) / 255 - dtype(MEAN)) / dtype(STD)).astype(dtype), np.eye(CLASSES, dtype=dtype)[y]


def orders(batch: int) -> list[np.ndarray]:
    "Four shuffled batches of the images."
    return [np.random.default_rng(i).permutation(4 * batch)[:batch].astype(np.int32) for i in range(4)]


class Ours:
    "pc_precision's training step."

    def __init__(self, method: str, net: str, batch: int):
        import jax
        import optax

        import pc_precision as pc
        from pc_precision.data import DatasetInfo
        from pc_precision.experiment import Recipe
        from pc_precision.devices import release_memory
        from pc_precision.training import Hyper, Plan, State, jit_step
        name, width = shape(net)
        info = DatasetInfo("random", CLASSES, (32, 32, 3), MEAN, STD, False, 0, "", False)
        recipe = {"pc": Recipe(), "s+f": Recipe("spiking", "forward"), "bp": Recipe(rule="bp", inference="sweep")}[method]
        self.plan = Plan(pc.vgg(name, CLASSES, width), info, recipe, nesterov=True, augment=False, batch_size=batch,
                         dtype="float64" if jax.config.jax_enable_x64 else "float32")
        L, self.jit_step, self.release, self.x_step = len(self.plan.net), jit_step, release_memory, X_STEP
        self.tables = [np.asarray(schedule(L, L), np.float32) for schedule in (pc.Constant(), pc.Spiking(X_STEP))]
        table = np.ones((0, L), np.float32) if method == "bp" else self.tables[method == "s+f"]
        self.hyper = Hyper(*map(np.float32, (table, X_STEP, MOMENTUM, 1, RATE, DECAY)))
        dtype = np.float64 if jax.config.jax_enable_x64 else np.float32
        if name in NETS:
            params = tuple({"kernel": jax.device_put(k), "bias": jax.device_put(b)} for k, b in weights(net, dtype))
        else:                                                # only to be compiled
            params = jax.jit(self.plan.net.init)(jax.random.key(0), np.zeros((1, 32, 32, 3), dtype))[0]
        self.state = State(params, ({},) * L, optax.adamw(0.0).init(params), jax.random.key(0), np.int32(0))
        self.data, self.batch, self.dtype, self.compiled = jax.device_put(images(batch)), batch, dtype, False
        self.orders = orders(batch)

    def step(self):
        self.orders.append(self.orders.pop(0))
        if not self.compiled:                                # as training does, what the compiler freed goes back first
            self.lower()
            self.release()
            self.compiled = True
        self.state, info = self.jit_step(self.plan, self.state, self.data, self.orders[0], self.hyper)
        return info

    def lower(self):
        self.jit_step.lower(self.plan, self.state, self.data, self.orders[0], self.hyper).compile()

    def gflop(self) -> float:
        "Multiplications and additions of a step, as the library counts them, in 10^9."
        from pc_precision.paper.costs import flops
        plan = self.plan
        return flops(plan.net, plan.info.image, plan.recipe.rule, len(self.hyper.covariance)) * self.batch / 1e9

    def change(self):
        "Steps with every number that may change changed: schedule, rates, beta, decay."
        before = self.hyper
        for table in self.tables if before.covariance.size else [before.covariance]:
            self.hyper = before._replace(covariance=table) if table.size else before
            self.hyper = self.hyper._replace(**{n: np.float32(v) for n, v in dict(
                x_step=0.1, momentum=0, beta=-0.5, learning_rate=1e-3, weight_decay=1e-3).items()})
            self.step()
        self.hyper = before

    def agree(self) -> dict[str, np.ndarray]:
        "Output, final activities and weight gradients of the first batch."
        import jax

        import pc_precision as pc
        x, y = floats(self.batch, self.dtype)
        net, table = self.plan.net, self.tables[0]

        @jax.jit
        def run(params, x, y):
            stats = ({},) * len(net)
            settled = pc.relax(net, params, stats, x, y, table, X_STEP, MOMENTUM, nesterov=True)
            return settled, pc.weight_gradient(net, params, stats, x, settled, "pc")[0]
        settled, grads = run(self.state.params, x, y)
        out = {"output": settled.initial[-1]} | {f"x{l}": a for l, a in enumerate(settled.final, 1)}
        return out | {f"g{l}": g["kernel"] for l, g in enumerate(grads, 1)}


def operations(method: str) -> tuple:
    "Convolution and pooling of pc_precision (plain) or of XLA (lax)."
    from jax import lax
    if method == "plain":
        from pc_precision.kernels import conv3x3, max_pool2
        return conv3x3, max_pool2
    order = ("NHWC", "HWIO", "NHWC")
    return (lambda x, k, pad: lax.conv_general_dilated(x, k, (1, 1), [(pad, pad)] * 2, dimension_numbers=order),
            lambda x: lax.reduce_window(x, -np.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID"))


class Plain:
    "jax.grad of the squared error of the same net and optax.adamw, written out."

    def __init__(self, method: str, net: str, batch: int):
        import jax
        import jax.numpy as jnp
        import optax
        adamw, spec, (conv, pool) = optax.adamw(RATE, weight_decay=DECAY), blocks(net), operations(method)

        def loss(params, x, y):
            for (kernel, bias), (_, padding, pooled) in zip(params, spec):
                x = jax.nn.gelu(conv(x, kernel, padding) + bias)
                x = pool(x) if pooled else x
            kernel, bias = params[-1]
            return 0.5 * jnp.sum((x.reshape(len(x), -1) @ kernel + bias - y) ** 2) / len(x)

        def step(params, optimiser, data, order):
            x, y = (jnp.take(a, order, axis=0) for a in data)
            x = (x.astype(jnp.float32) / 255 - jnp.asarray(MEAN)) / jnp.asarray(STD)
            value, grads = jax.value_and_grad(loss)(params, x, jax.nn.one_hot(y, CLASSES))
            updates, optimiser = adamw.update(grads, optimiser, params)
            return optax.apply_updates(params, updates), optimiser, value
        params = jax.tree.map(jnp.asarray, weights(net, np.float32))
        self.state, self.run = (params, adamw.init(params)), jax.jit(step, donate_argnums=(0, 1))
        self.data, self.orders = jax.device_put(images(batch)), orders(batch)

    def step(self):
        self.orders.append(self.orders.pop(0))
        *self.state, value = self.run(*self.state, self.data, self.orders[0])
        return value


def pcx_vgg(net: str):
    "The net as a PCX model, a vode after each layer; the output's is clamped."
    import jax
    import pcx.nn as pxnn
    import pcx.predictive_coding as pxc
    spec, inputs = blocks(net), len(weights(net, np.float32)[-1][0])

    class Vgg(pxc.EnergyModule):
        def __init__(self):
            super().__init__()
            cins = [3, *(channels for channels, _, _ in spec)]
            self.layers = [pxnn.Conv2d(cin, cout, 3, padding=pad) for cin, (cout, pad, _) in zip(cins, spec)]
            self.layers += [pxnn.Linear(inputs, CLASSES)]
            self.pool = pxnn.MaxPool2d(2, 2)
            self.vodes = [pxc.Vode() for _ in self.layers]
            self.vodes[-1].h.frozen = True

        def __call__(self, x, y=None):
            for layer, vode, (_, _, pooled) in zip(self.layers, self.vodes, spec):
                x = jax.nn.gelu(layer(x))
                x = vode(self.pool(x) if pooled else x)
            self.vodes[-1](self.layers[-1](x.flatten()))
            if y is not None:
                self.vodes[-1].set("h", y)
            return self.vodes[-1].get("u")
    return Vgg()


def pcx_train():
    "PCX's training step: initialise, T steps on the activities, one on the weights; returns the initial output."
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
            return pxf.value_and_grad(mask.to([False, True]), has_aux=True)(energy)(x, model=model)[1]["model"]

    @pxf.jit(static_argnums=0)
    def train(T, x, y, *, model, optim_w, optim_h):
        model.train()
        with pxu.step(model, pxc.STATUS.INIT, clear_params=pxc.VodeParam.Cache):
            output = initialise(x, y, model=model)
        optim_h.init(hidden()(model))
        for _ in range(T):
            optim_h.step(model, gradient(hidden(), x, model))
        optim_h.clear()
        optim_w.step(model, gradient(pxu.M(pxnn.LayerParam), x, model), scale_by=1.0 / x.shape[0])
        return output
    return train


class Pcx:
    "PCX by its public interface, in the order of its CIFAR-10 tutorial."

    def __init__(self, method: str, net: str, batch: int):
        import jax
        import optax
        import pcx.nn as pxnn
        import pcx.utils as pxu
        dtype = np.float64 if jax.config.jax_enable_x64 else np.float32
        self.T, self.model, self.train = len(blocks(net)) + 1, pcx_vgg(net), pcx_train()
        for layer, (kernel, bias) in zip(self.model.layers, weights(net, dtype)):
            self.put(layer.nn, kernel, bias)
        self.optim_h = pxu.Optim(lambda: optax.sgd(X_STEP, momentum=MOMENTUM, nesterov=True))
        self.optim_w = pxu.Optim(lambda: optax.adamw(RATE, weight_decay=DECAY), pxu.M(pxnn.LayerParam)(self.model))
        x, y = floats(batch, dtype)
        self.x, self.y = jax.device_put(x.transpose(0, 3, 1, 2)), jax.device_put(y)

    def put(self, layer, kernel, bias):
        "Ours (height, width, in, out) in PCX's order (out, in, height, width); a flattened image alike."
        import jax.numpy as jnp
        if kernel.ndim == 2:
            size = self.side(kernel)
            kernel = kernel.reshape(size, size, -1, CLASSES).transpose(3, 2, 0, 1).reshape(CLASSES, -1)
        else:
            kernel, bias = kernel.transpose(3, 2, 0, 1), bias.reshape(-1, 1, 1)
        layer.weight.set(jnp.asarray(kernel)), layer.bias.set(jnp.asarray(bias))

    def side(self, kernel) -> int:
        "Height of the image that the last layer flattens."
        channels = self.model.layers[-2].nn.weight.get().shape[0]
        return round((kernel.size // CLASSES / channels) ** 0.5)

    def step(self):
        output = self.train(self.T, self.x, self.y, model=self.model, optim_w=self.optim_w, optim_h=self.optim_h)
        return output, self.model.layers[0].nn.weight.get(), self.model.vodes[0].h.get()

    def agree(self) -> dict[str, np.ndarray]:
        "As Ours.agree, with axes in our order; weight gradients are AdamW's first moment over 0.1."
        output = self.step()[0]
        activities = [np.asarray(v.h.get()) for v in self.model.vodes]
        moments = [np.asarray(layer.nn.weight.get()) for layer in self.optim_w.state.get()[0].mu.layers]
        size = self.side(moments[-1])
        kernels = [m.transpose(2, 3, 1, 0) for m in moments[:-1]]
        kernels.append(moments[-1].reshape(CLASSES, -1, size, size).transpose(2, 3, 1, 0).reshape(-1, CLASSES))
        activities = [a.transpose(0, 2, 3, 1) if a.ndim == 4 else a for a in activities]
        return {"output": output} | {f"x{l}": a for l, a in enumerate(activities, 1)} | {
            f"g{l}": k / 0.1 for l, k in enumerate(kernels, 1)}


def peak() -> float:
    "Most memory resident so far, MiB; VmHWM, because ru_maxrss also remembers the process that started this one."
    try:
        with open("/proc/self/status") as status:
            return int(next(line for line in status if line.startswith("VmHWM")).split()[1]) / 1024
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)


def timed(work) -> dict[str, float]:
    "Seconds of the processor (all threads) and of the clock that `work` takes until its results are there."
    import jax
    wall, cpu = time.perf_counter(), time.process_time()
    jax.block_until_ready(work())
    return {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}


def warm_up(subject, compiles: list) -> dict:
    "Steps until one compiles nothing more."
    calls = []
    while not calls or calls[-1]["compiles"]:
        del compiles[:]
        calls.append(timed(subject.step))
        calls[-1] |= {"compiles": len(compiles), "xla": sum(compiles)}
    return {"calls": calls}


def lower(subject, compiles: list) -> dict:
    "Compile without running."
    del compiles[:]
    return timed(subject.lower) | {"xla": sum(compiles)}


def recompilations(subject, compiles: list) -> int:
    "Compilations that other settings cause."
    del compiles[:]
    subject.change()
    return len(compiles)


def product_speed(n: int = 2048) -> float:
    "10^9 multiplications and additions that a float32 matrix product does in a second of processor time: the most that can be."
    import jax
    import jax.numpy as jnp
    a, product = jnp.ones((n, n), jnp.float32), jax.jit(jnp.matmul)
    jax.block_until_ready(product(a, a))
    return 2e-9 * n**3 / sorted(timed(lambda: product(a, a))["cpu"] for _ in range(9))[4]


def versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version
    out = {"python": sys.version.split()[0]}
    for package in ("jax", "jaxlib", "optax", "numpy", "equinox", "pcx"):
        try:
            out[package] = version(package)
        except PackageNotFoundError:
            pass
    return out


def main():
    method, net, batch = sys.argv[1], sys.argv[2], int((sys.argv[3:] or [128])[0])
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)                                            # whatever a library prints goes to stderr
    import jax
    import_module("pcx.nn" if method == "pcx" else "pc_precision")
    imported, compiles = peak(), []
    jax.monitoring.register_event_duration_secs_listener(lambda event, s, **_: event == COMPILED and compiles.append(s))
    subject = {"pcx": Pcx, "plain": Plain, "lax": Plain}.get(method, Ours)(method, net, batch)
    commands = {"warmup": lambda: warm_up(subject, compiles), "step": lambda: timed(subject.step),
                "lower": lambda: lower(subject, compiles), "change": lambda: recompilations(subject, compiles),
                "peak": lambda: {"peak": peak(), "imported": imported}, "versions": versions,
                "gflop": lambda: subject.gflop(), "product": product_speed}
    for line in sys.stdin:
        command, *path = json.loads(line)
        if command == "agree":
            np.savez(path[0], **subject.agree())
            answer = None
        else:
            answer = commands[command]()
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""Plain lax against pc_precision.kernels: processor time of a backpropagation step of VGG networks, a Markdown table.

    python benchmarks/kernels.py            every network at width 1 and 1/8, batch 128 (a few minutes on two cores)
    python benchmarks/kernels.py --quick    VGG5 at width 1/8 only

Both versions take turns in one process and the processor time of all threads is compared, so that other work on
the machine disturbs the ratio little. Expected on two x86 cores with JAX 0.10: a ratio of 2 to 4 for VGG5, 1 to 1.5
for VGG10, whose images stay large.
"""
import argparse
import statistics
import time
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from pc_precision.kernels import conv3x3, max_pool2

NETS = {  # channels, padding, pool after
    "vgg5": [(128, 1, True), (256, 1, True), (512, 1, True), (512, 0, True)],
    "vgg7": [(128, 1, True), (128, 1, False), (256, 1, True), (256, 0, False), (512, 1, True), (512, 0, False)],
    "vgg10": [(64, 1, False), (128, 1, False), (128, 1, True), (128, 1, False), (256, 1, True), (256, 1, False),
              (256, 1, True), (256, 1, False), (512, 1, True)],
}


def plain_conv(x, kernel, padding):
    return lax.conv_general_dilated(x, kernel, (1, 1), [(padding, padding)] * 2,
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


def plain_pool(x):
    return lax.reduce_window(x, np.array(-np.inf, x.dtype), lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def loss(params, x, y, *, net, conv, pool):
    "Half the squared error of a VGG network, mean over the batch."
    for kernel, (_, padding, pooled) in zip(params, NETS[net]):
        x = jax.nn.gelu(conv(x, kernel, padding))
        x = pool(x) if pooled else x
    return ((x.reshape(len(x), -1) @ params[-1] - y) ** 2).sum() / (2 * len(x))


def problem(net: str, width: float, batch: int):
    "Parameters (uniform in +-1/sqrt(fan_in)), images and targets."
    random, size, cin, params = np.random.default_rng(0), 32, 3, []
    for channels, padding, pooled in NETS[net]:
        cout = int(channels * width)
        params.append(random.uniform(-1, 1, (3, 3, cin, cout)) / (9 * cin) ** 0.5)
        cin, size = cout, (size + 2 * padding - 2) // (2 if pooled else 1)
    params.append(random.uniform(-1, 1, (size * size * cin, 10)) / (size * size * cin) ** 0.5)
    arrays = params, random.normal(size=(batch, 32, 32, 3)), np.eye(10)[random.integers(0, 10, batch)]
    return jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), arrays)


def measure(net: str, width: float, batch: int = 128) -> tuple[list[float], list[float]]:
    "Milliseconds of processor time a step and seconds to compile, for plain lax and for ours."
    args, steps, compiles = problem(net, width, batch), [], []
    for conv, pool in ((plain_conv, plain_pool), (conv3x3, max_pool2)):
        start = time.process_time()
        step = jax.jit(jax.value_and_grad(partial(loss, net=net, conv=conv, pool=pool))).lower(*args).compile()
        compiles.append(time.process_time() - start)
        jax.block_until_ready(step(*args))
        steps.append(step)
    turns, inner = (3, 1) if width == 1 else (7, 3)
    times = [[processor_time(step, args, inner) for step in steps] for _ in range(turns)]
    return [1e3 * statistics.median(t) for t in zip(*times)], compiles


def processor_time(step, args, repeats: int) -> float:
    start = time.process_time()
    for _ in range(repeats):
        jax.block_until_ready(step(*args))
    return (time.process_time() - start) / repeats


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="VGG5 at width 1/8 only")
    cases = [("vgg5", 1 / 8)] if parser.parse_args().quick else [(net, width) for width in (1 / 8, 1.0) for net in NETS]
    print("| network | width | plain lax, ms | pc_precision, ms | ratio | compile s, plain | compile s, pc_precision |")
    print("|---|---|---|---|---|---|---|")
    for net, width in cases:
        (plain, ours), (plain_compile, our_compile) = measure(net, width)
        print(f"| {net} | {width:g} | {plain:.0f} | {ours:.0f} | {plain / ours:.2f} "
              f"| {plain_compile:.1f} | {our_compile:.1f} |", flush=True)


if __name__ == "__main__":
    main()

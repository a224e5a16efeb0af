"""Measure every formula of a convolution and of a pool, in the layers of the VGGs.

    python benchmarks/kernels.py                        all VGGs at width 1 and 1/8
    python benchmarks/kernels.py --nets vgg5/8 --turns 3

The formulas of a map (the output of a layer, the gradient of its input, the gradient of
its kernel) take turns in one process.  `chosen` names the one that the library takes for
this shape on a CPU.  A formula whose patches would take over 256 MiB is left out.  The
rows go to kernels.csv beside this file; a new row takes the place of the one of the same
net, layer and map.
"""
import argparse
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
from peer_worker import (
    input_shape, layers, product_speed, shape_after, timed, turn, versions)
from peers import keep, provenance

from pc_precision import kernels
from pc_precision.machine import keep_memory

ROWS, BATCH, TURNS, MOST_PATCHES = Path(__file__).with_name("kernels.csv"), 128, 5, 2**26
NETS = tuple(f"{net}{part}" for part in ("", "/8") for net in ("vgg5", "vgg7", "vgg10", "vgg15"))
MAPS = ("output", "input", "kernel", "pool", "pool's input")
FORMULAS = ("xla", "product", "pairs", "winner")
COLUMNS = (
    "net", "layer", "map", "batch", "image", "channels", "made", "padding", "chosen",
    *(f"{name}_ms" for name in FORMULAS), "gflop", "product_gflops", "turns", "date",
    "commit", "processor", "threads", "versions")
ORDER = {"net": NETS, "layer": tuple(map(str, range(len(layers("vgg15"))))), "map": MAPS}
Work = Callable[[], Any]


def name_of(formula: Callable) -> str:
    "How the file calls a formula: the name of its function without the underscore."
    return getattr(formula, "func", formula).__name__.removeprefix("_")


def convolutions(role: str, x: jax.Array, k: jax.Array, g: jax.Array, padding: int) -> dict[str, Work]:
    "One map of a convolution by each formula that has room."
    def work(formula: Callable) -> Work:
        if role == "output":
            return partial(jax.jit(lambda x, k: formula(x, k, padding)), x, k)
        if role == "input":
            return partial(jax.jit(lambda k, g: jax.linear_transpose(lambda x: formula(x, k, padding), x)(g)), k, g)
        return partial(jax.jit(lambda x, g: jax.linear_transpose(lambda k: formula(x, k, padding), k)(g)), x, g)

    found = {"xla": work(partial(kernels._xla, role=role))}
    if g[..., 0].size * k[..., 0].size <= MOST_PATCHES:
        found |= {"product": work(kernels._product), "pairs": work(kernels._pairs)}
    return found


def pools(name: str, x: jax.Array, g: jax.Array) -> dict[str, Work]:
    "The pool, or its gradient, by both formulas."
    def work(pool: Callable) -> Work:
        if name == "pool":
            return partial(jax.jit(pool), x)
        return partial(jax.jit(lambda x, g: jax.vjp(pool, x)[1](g)[0]), x, g)
    return {"xla": work(kernels._pool_xla), "winner": work(kernels._pool)}


def race(works: dict[str, Work], turns: int) -> dict[str, float]:
    "Milliseconds of the processor for each formula: the median of its turns."
    for work in works.values():
        timed(work)                                          # compiles
    taken = [{name: turn(work) for name, work in works.items()} for _ in range(turns)]
    return {f"{name}_ms": 1e3 * statistics.median(times[name] for times in taken) for name in works}


def measure(net: str, batch: int, turns: int) -> list[dict[str, Any]]:
    "The rows of a net."
    shape, rows, key = input_shape(net), [], jax.random.key(0)
    draw = lambda *size: jax.random.normal(key, size)
    for number, layer in enumerate(layers(net)[:-1]):
        if layer.padding is None:
            continue
        made = shape_after(shape, layer._replace(pool=False))
        x, k, g = draw(batch, *shape), draw(3, 3, shape[-1], layer.features), draw(batch, *made)
        same = {"layer": number, "image": shape[0], "channels": shape[-1], "made": layer.features, "padding": layer.padding}
        for role in ("output", "input", "kernel") if number else ("output", "kernel"):
            chosen = name_of(kernels._formula(role, x.shape, k.shape, layer.padding))
            gflop = 2e-9 * g.size * k[..., 0].size
            rows.append(same | {"map": role, "chosen": chosen, "gflop": gflop} | race(convolutions(role, x, k, g, layer.padding), turns))
        if layer.pool:
            x, g = jax.nn.relu(g), draw(batch, *shape_after(shape, layer))
            pooled = same | {"image": made[0], "channels": made[-1], "chosen": "winner"}
            rows += [pooled | {"map": name} | race(pools(name, x, g), turns) for name in ("pool", "pool's input")]
        shape = shape_after(shape, layer)
    told = {"net": net, "batch": batch, "turns": turns, "product_gflops": product_speed(), "versions": versions()}
    return [dict.fromkeys(COLUMNS) | row | told for row in rows]


def main() -> None:
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--nets", type=lambda text: text.split(","), default=NETS)
    ask.add_argument("--batch", type=int, default=BATCH)
    ask.add_argument("--turns", type=int, default=TURNS)
    asked = ask.parse_args()
    keep_memory()
    for net in asked.nets:
        rows = [row | provenance() for row in measure(net, asked.batch, asked.turns)]
        print(keep(rows, ROWS, COLUMNS, ORDER)[list(COLUMNS[:14])].to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

"""Measure where a processor's time goes in a step of a narrow VGG, and what was tried to shorten it.

    python benchmarks/cpu.py                         VGG5, 7 and 10 of width 1/8, BP and S+F
    python benchmarks/cpu.py --nets vgg5/8 --subjects BP --turns 5

In one process a step, as the library takes it, and its variants take turns: other options of XLA, other formulas of
the first or the second layer, memory that goes back to the system after each array, and three seeds in one program
(`vmap`), whose time is divided by three.  For backpropagation, "convolutions alone" is the sum of every convolution of
the step, each timed by itself.  The rows go to cpu.csv beside this file; a new row takes the place of the one of the
same net, subject and variant.
"""
import argparse
import ctypes
import platform
import statistics
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from peer_worker import Ours, input_shape, layers, product_speed, shape_after, timed, versions
from peers import keep, provenance

from pc_precision import kernels
from pc_precision.machine import keep_memory

ROWS, BATCH, SEEDS, TURNS = Path(__file__).with_name("cpu.csv"), 64, 3, 15
COLUMNS = ("net", "subject", "variant", "turns", "cpu_ms", "ratio", "ratio_least", "ratio_most", "gflop",
           "product_gflops", "share_of_product", "date", "commit", "processor", "threads", "versions")
NETS, USUAL = ("vgg5/8", "vgg7/8", "vgg10/8"), "as it is"
OPTIONS: dict[str, dict[str, Any]] = {
    "vectors of 512 bits": {"xla_cpu_prefer_vector_width": 512},
    "preset fast runtime": {"xla_cpu_opt_preset": "CPU_OPT_PRESET_FAST_RUNTIME"},
    "without YNNPACK": {"xla_cpu_experimental_ynn_fusion_type": ""},
    "oneDNN": {"xla_cpu_use_onednn": True},
    "fast math": {"xla_cpu_enable_fast_math": True}}
FIRST, MORE_PAIRS, BACK = "XLA's first layer", "pairs for 8 channels, too", "memory goes back"
SEEDS_TOGETHER, ALONE = f"{SEEDS} seeds together", "convolutions alone"
ORDER = {"net": NETS, "subject": ("BP", "PC", "S+F"),
         "variant": (USUAL, ALONE, FIRST, MORE_PAIRS, BACK, SEEDS_TOGETHER, *OPTIONS)}


def without_pairs(choose: Callable) -> Callable:
    "The choice of formulas where images have none of their own."
    def chosen(role: str, *shapes: Any) -> Callable:
        formula = choose(role, *shapes)
        return partial(kernels._xla, role=role) if formula is kernels._pairs else formula
    return chosen


def with_more_pairs(choose: Callable) -> Callable:
    "The choice of formulas where eight channels are convolved as images are."
    def chosen(role: str, x: tuple, kernel: tuple, padding: int) -> Callable:
        return kernels._pairs if 4 < kernel[2] <= 8 else choose(role, x, kernel, padding)
    return chosen


CHOICES = {FIRST: without_pairs, MORE_PAIRS: with_more_pairs}


def give_back() -> None:
    "Let the C library return each large array to the system, as it does by default."
    for option, value in {-4: 65536, -1: 128 * 1024}.items():
        ctypes.CDLL("libc.so.6").mallopt(option, value)


def stepper(subject: Ours, program: Callable, state: Any) -> Callable[[], Any]:
    "A function that takes one step with a compiled program; each has a state and batches of its own."
    kept, orders = [state], list(subject.orders)

    def step() -> Any:
        orders.append(orders.pop(0))
        kept[0], info = program(kept[0], subject.data, orders[0], subject.hyper)
        return info
    return step


def copied(state: Any) -> Any:
    "A state that a step may overwrite."
    return jax.tree.map(jnp.copy, state)


def programs(subject: Ours) -> dict[str, Callable]:
    "A step of each variant, compiled."
    state = copied(subject.state)
    arguments = state, subject.data, subject.orders[0], subject.hyper
    lowered = subject.jit_step.lower(subject.plan, *arguments)
    found = {USUAL: lowered.compile()}
    found |= {name: lowered.compile(compiler_options=options) for name, options in OPTIONS.items()}
    usual = kernels._formula
    try:
        for name, choice in CHOICES.items():
            kernels._formula = choice(usual)
            jax.clear_caches()
            other = subject.jit_step.lower(subject.plan, *arguments)
            if other.as_text() != lowered.as_text():         # the net has such layers
                found[name] = other.compile()
    finally:
        kernels._formula = usual
        jax.clear_caches()
    many = jax.tree.map(lambda a: jnp.stack([jnp.asarray(a)] * SEEDS), state)
    together = jax.jit(jax.vmap(partial(subject.jit_step.__wrapped__, subject.plan), (0, None, None, None)), donate_argnums=0)
    steps = {name: stepper(subject, program, copied(state)) for name, program in found.items()}
    steps[BACK] = steps[USUAL]
    return steps | {SEEDS_TOGETHER: stepper(subject, together, many)}


def convolutions(net: str, batch: int) -> list[Callable]:
    "Every convolution of a step of backpropagation by itself: the output and both gradients of each layer."
    shape, random, found = input_shape(net), np.random.default_rng(0), []
    draw = lambda *size: jnp.asarray(random.standard_normal(size, np.float32))
    for number, layer in enumerate(layers(net)[:-1]):
        out = shape_after(shape, layer._replace(pool=False))
        x, kernel, g = draw(batch, *shape), draw(3, 3, shape[-1], layer.features), draw(batch, *out)
        conv = partial(kernels.conv3x3, padding=layer.padding)
        back = lambda x, kernel, g, conv=conv: jax.vjp(conv, x, kernel)[1](g)
        maps = {"output": lambda x, kernel, g, conv=conv: conv(x, kernel),
                "kernel": lambda x, kernel, g, back=back: back(x, kernel, g)[1],
                "input": lambda x, kernel, g, back=back: back(x, kernel, g)[0]}
        found += [partial(jax.jit(f), x, kernel, g) for role, f in maps.items() if number or role != "input"]
        shape = shape_after(shape, layer)
    return found


def measure(net: str, name: str, turns: int) -> list[dict[str, Any]]:
    "The rows of a net and a subject."
    subject = Ours(name, net, BATCH)
    steps = programs(subject)
    for _ in range(2):                                       # the second loss is that of weights that a step has changed
        losses = [np.ravel(step().loss) for variant, step in steps.items() if variant != BACK]
        np.testing.assert_allclose(np.concatenate(losses), losses[0][0], rtol=1e-3, err_msg="variants compute different steps")
    if name == "BP":
        alone = convolutions(net, BATCH)
        steps[ALONE] = lambda: [f() for f in alone]
        timed(steps[ALONE])
    taken: dict[str, list[float]] = {variant: [] for variant in steps}
    for _ in range(turns):
        for variant, step in steps.items():
            (give_back if variant == BACK else keep_memory)()
            timed(step)                                      # arrays find their places
            taken[variant].append(timed(step) / (SEEDS if variant == SEEDS_TOGETHER else 1))
    keep_memory()
    same = {"net": net, "subject": name, "turns": turns, "gflop": subject.gflop(), "product_gflops": product_speed(), "versions": versions()}
    return [same | row(seconds, taken[USUAL], same["gflop"] / same["product_gflops"]) | {"variant": variant} for variant, seconds in taken.items()]


def row(seconds: Sequence[float], usual: Sequence[float], least: float) -> dict[str, float]:
    """The numbers of a variant.

    least: the seconds that a step would take at the speed of a large matrix product.
    """
    ratios, median = [a / b for a, b in zip(seconds, usual)], statistics.median(seconds)
    return {"cpu_ms": 1e3 * median, "ratio": statistics.median(ratios), "ratio_least": min(ratios), "ratio_most": max(ratios), "share_of_product": least / median}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("--nets", type=names, default=NETS)
    parser.add_argument("--subjects", type=names, default=("BP", "S+F"))
    parser.add_argument("--turns", type=int, default=TURNS)
    asked = parser.parse_args()
    if platform.libc_ver()[0] != "glibc":
        parser.error("one variant changes how glibc keeps memory; this Python has another C library")
    keep_memory()
    for net in asked.nets:
        for subject in asked.subjects:
            rows = [told | provenance() for told in measure(net, subject, asked.turns)]
            print(keep(rows, ROWS, COLUMNS, ORDER)[list(COLUMNS[:8])].to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

"""Compile the paper's programs for accelerators that are not here, and write down what the compiled programs need.

usage: python tools/devices.py [--only TEXT] [--devices N ...] [--out FILE] [TARGET ...]    (`make devices` makes its environment)

XLA compiles without the device; nothing runs, so no time is measured.  A row whose program is the stored one, letter by letter,
is not compiled again.  Exits with 1 and a sentence for each program that does not compile, needs over 16 GB, or has convolutions
that the device's own kernels do not compute.
"""
import argparse
import datetime
import hashlib
import os
import re
import sys
import time
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import jax
import numpy as np
import pandas as pd
from jax.experimental.topologies import get_topology_desc
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding

from pc_precision import kernels
from pc_precision.data import COUNTS, DATASETS
from pc_precision.experiment import Experiment
from pc_precision.machine import AXIS, commit
from pc_precision.paper.costs import images_of, layer_flops, product_shapes, training_flops
from pc_precision.paper.profiles import TIMING, grid
from pc_precision.protocol import epoch_hyper, network, protocol
from pc_precision.runs.store import write_whole
from pc_precision.training import at_once, jit_evaluate, jit_steps, first_state

ROOT = Path(__file__).resolve().parent.parent
STORED = ROOT / "results" / "devices" / "programs.csv"
SHARE, LIMIT_GB, EVALUATED = 0.4, 16, 500                    # of peak, for a bound; of memory; images evaluated at once

# What the compiler asks of a device: the numbers of NVIDIA's data sheet, and of cuDNN 9.10 and CUDA 13.
H100 = """gpu_device_info {
  threads_per_block_limit: 1024 threads_per_warp: 32 shared_memory_per_block: 49152 shared_memory_per_core: 233472
  threads_per_core_limit: 2048 core_count: 132 fpus_per_core: 128
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  memory_bandwidth: 3352320000000 l2_cache_size: 52428800 clock_rate_ghz: 1.98 device_memory_size: 84929347584
  shared_memory_per_block_optin: 232448 cuda_compute_capability { major: 9 }
  registers_per_core_limit: 65536 registers_per_block_limit: 65536 }
platform_name: "CUDA" dnn_version_info { major: 9 minor: 10 patch: 0 } runtime_version { major: 13 minor: 0 patch: 0 }
device_description_str: "NVIDIA H100 80GB HBM3" """


class Target(NamedTuple):
    "A device to compile for; peak: TFLOP a second of the format that float32 products have there by default; compiler: a wheel."
    platform: str
    device: str
    peak: float
    compiler: str
    topology: dict


TARGETS = {"h100": Target("gpu", "NVIDIA H100", 494.7, "jax-cuda13-pjrt", {          # TF32, not sparse
               n: dict(platform="cuda", target_config=H100, topology=f"1x1x{n}") for n in (1, 8)}),
           "tpu_v5e": Target("tpu", "TPU v5e", 197.0, "libtpu", {                     # bfloat16
               n: dict(platform="tpu", topology_name=name) for n, name in ((1, "v5e:2x2"), (8, "v5e:2x4"))})}
NETS = TIMING["paper"]["data"] | {"resnet18": "cifar10"}      # a network of the paper and its data
WAYS = [("BP", "none"), ("PC", "none"), ("S+F", "none"), ("iPC", "none"), ("ePC", "none"), ("PC", "bn"), ("S+F", "bn")]


def experiments() -> Iterator[tuple[str, Experiment]]:
    "What is compiled: the evaluation of each network, and its training in each of WAYS."
    for model, dataset in NETS.items():
        of = lambda algorithm, norm: grid("paper", dataset, model, algorithm, norm, 0)[0]
        yield "evaluate", of("BP", "none")
        yield from (("train", of(*way)) for way in WAYS)


# The programs, as `train` would call them

def places(target: Target, devices: int) -> tuple[Any, Any]:
    "Where arrays lie on so many devices: the same on each, and divided along an axis."
    chips = get_topology_desc(**target.topology[devices]).devices[:devices]
    if devices == 1:
        return SingleDeviceSharding(chips[0]), lambda axis: SingleDeviceSharding(chips[0])
    mesh = Mesh(np.array(chips), (AXIS,))
    return NamedSharding(mesh, PartitionSpec()), lambda axis: NamedSharding(mesh, PartitionSpec(*[None] * axis, AXIS))


def shaped(tree: Any, place: Any) -> Any:
    "The shapes of arrays, or of their shapes, lying in a place."
    return jax.tree.map(lambda a: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=place), tree)


def images(plan: Any, *lead: int) -> tuple:
    "Shapes of images and labels as a data set holds them."
    return jax.ShapeDtypeStruct((*lead, *plan.info.image), np.uint8), jax.ShapeDtypeStruct(lead, np.int32)


def lowered(program: str, exp: Experiment, target: Target, devices: int) -> Any:
    "A program for a device that is not here, up to the device's own compiler: `jit_steps` of an epoch, or `jit_evaluate`."
    told, (everywhere, divided) = protocol(exp, DATASETS[exp.dataset]), places(target, devices)
    plan, steps = told.plan, images_of(exp)[0] // exp.batch_size
    size = at_once(steps)
    hyper = epoch_hyper(told, size, 0)
    with kernels.TARGET(target.platform):
        state = shaped(jax.eval_shape(partial(first_state, plan, 0)), everywhere)
        if program == "evaluate":
            batch = EVALUATED + -EVALUATED % devices
            part = (*images(plan, batch), np.ones(batch, bool))
            return jit_evaluate.lower(plan, state.params, state.stats, *shaped(part, divided(0)))
        order = jax.ShapeDtypeStruct((size, exp.batch_size), np.int32)
        data = shaped(images(plan, COUNTS[exp.dataset][0]), everywhere)
        return jit_steps.lower(plan, state, data, shaped(order, divided(1)), shaped(hyper, everywhere))


# What a compiled program says of itself

CUDNN = {"Forward": "forward", "BackwardInput": "input_gradient", "BackwardFilter": "kernel_gradient"}


def role(line: str) -> str | None:
    "What a line of compiled text convolves for; None: it is no convolution, or one without space, a matrix product."
    if called := re.search(r'custom_call_target="__cudnn\$conv\w*?(Forward|BackwardInput|BackwardFilter)', line):
        return CUDNN[called[1]]
    labels = re.search(r" convolution\(.*dim_labels=(\S+)->(\w+)", line)
    if not labels or "0" not in labels[2]:
        return None
    if "rhs_reversal" in line:
        return "input_gradient"
    return "kernel_gradient" if labels[1].startswith("f") else "forward"      # the batch is what is summed over


def convolutions(text: str, platform: str) -> dict[str, int]:
    "Calls of convolutions in compiled text by role, the body of a loop once; fell_back: those that are not the device's own."
    found = dict.fromkeys(CUDNN.values(), 0) | {"fell_back": 0}
    for line in text.splitlines():
        if of := role(line):
            own = platform != "gpu" or "__cudnn$conv" in line
            found[of if own else "fell_back"] += 1
    return found


def fewest(program: str, net: Any, image: tuple) -> int:
    "Convolutions that a program needs at least: one a layer forwards; in training both gradients, but for the first image's."
    window = lambda p: p["kernel"].shape[:-2] if p else ()
    # one of 1x1, or of a single place, is a matrix product
    layers = sum(max(window(p), default=1) > 1 and max(z.shape[1:3]) > 1 for p, z in zip(*product_shapes(net, image)))
    return layers if program == "evaluate" else 3 * layers - 1


def measured(program: str, exp: Experiment, target: Target, devices: int, text: str, memory: Any, seconds: float,
             flops: float | None) -> dict:
    "The columns of a program that was compiled. Memory is that of each device."
    info, train = DATASETS[exp.dataset], program == "train"
    net = network(exp, info.classes)
    operations = training_flops(exp, info) if train else sum(layer_flops(net, info.image))
    calls = convolutions(text, target.platform)
    calls["fell_back"] += max(0, fewest(program, net, info.image) - sum(calls.values()))
    held = memory.argument_size_in_bytes + memory.output_size_in_bytes - memory.alias_size_in_bytes
    mb = lambda size: round(size / 1e6, 1)
    return dict(compile_seconds=round(seconds, 1), argument_mb=mb(memory.argument_size_in_bytes),
                temporary_mb=mb(memory.temp_size_in_bytes), memory_mb=mb(held + memory.temp_size_in_bytes),
                gflop=round(operations * (exp.batch_size if train else EVALUATED) / 1e9, 1),      # of a step; counted
                compiler_gflop=flops and round(flops / 1e9, 1), **calls, peak_tflops=target.peak, share=SHARE,
                bound_seconds=float(f"{operations * images_of(exp)[not train] / (target.peak * 1e12 * SHARE * devices):.3g}"))


def problem(row: dict, limit_gb: float = LIMIT_GB) -> str | None:
    "Why a program will not do, in one sentence; None: it will."
    name = "{program} of {model} with {algorithm}, BatchNorm {batch_norm}, on {devices} {device}".format(**row)
    if row["memory_mb"] > 1000 * limit_gb:
        return f"{name} needs {row['memory_mb'] / 1000:.1f} GB, more than {limit_gb:g}."
    return f"{name} has {row['fell_back']} convolutions that are not the device's own." if row["fell_back"] else None


# The table

KEY = ["device", "devices", "dataset", "model", "program", "algorithm", "batch_norm", "batch"]


def stored(path: Path) -> list[dict]:
    "The rows there are; an empty cell is None."
    if not path.exists():
        return []
    table = pd.read_csv(path, dtype={"digest": str}, keep_default_na=False, na_values=[""])
    return table.astype(object).where(table.notna(), None).to_dict("records")


def keep(row: dict, path: Path) -> None:
    "Put a row in the place of its older self."
    rows = [old for old in stored(path) if any(old[name] != row[name] for name in KEY)]
    write_whole(path, pd.DataFrame([*rows, row]).to_csv(index=False))


def row_of(program: str, exp: Experiment, target: Target, devices: int, path: Path) -> dict:
    "The row of a program: the stored one if the program and the compiler are the same, else compiled now and stored."
    low = lowered(program, exp, target, devices)
    about = dict(device=target.device, devices=devices, dataset=exp.dataset, model=exp.model, program=program,
                 algorithm=exp.algorithm if program == "train" else "all", batch_norm=exp.batch_norm or "none",
                 batch=exp.batch_size if program == "train" else EVALUATED + -EVALUATED % devices,
                 digest=hashlib.sha256(low.as_text().encode()).hexdigest()[:12],
                 versions=", ".join(f"{name} {version(name)}" for name in ("jax", target.compiler)))
    if same := [row for row in stored(path) if about.items() <= row.items()]:
        return same[0]
    began = time.perf_counter()
    done = low.compile()
    took, flops = time.perf_counter() - began, (done.cost_analysis() or {}).get("flops")       # none from the compiler for GPUs
    row = about | measured(program, exp, target, devices, done.as_text(), done.memory_analysis(), took, flops)
    keep(row | dict(commit=(commit()[0] or "")[:7], date=datetime.date.today().isoformat()), path)
    return row


def prepare() -> None:
    "This process computes on the CPU, compiles for a GPU without trying kernels on one, and asks no cloud which TPU it has."
    jax.config.update("jax_platforms", "cpu")
    os.environ |= dict(XLA_FLAGS="--xla_gpu_autotune_level=0", TPU_SKIP_MDS_QUERY="1", TF_CPP_MIN_LOG_LEVEL="3")


def lacking(target: Target) -> str | None:
    "What to install before anything can be compiled for a target, in one sentence."
    try:
        version(target.compiler)
    except PackageNotFoundError:
        return f"{target.compiler} is not installed here, so nothing can be compiled for {target.device}: make devices"


def main(args: Any) -> None:
    prepare()
    problems = [text for name in args.targets if (text := lacking(TARGETS[name]))]
    todo = [(devices, name, *one) for devices in args.devices for name in args.targets for one in experiments()]
    for devices, name, program, exp in todo if not problems else ():
        label = f"{devices} {name} {exp.model} {program} {exp.algorithm} {exp.batch_norm or 'none'}"
        if args.only not in label:
            continue
        try:
            row = row_of(program, exp, TARGETS[name], devices, args.out)
            print(label, *(f"{n} {row[n]}" for n in ("compile_seconds", "memory_mb", *CUDNN.values(), "fell_back")), flush=True)
            problems += filter(None, [problem(row)])
        except jax.errors.JaxRuntimeError as error:
            problems.append(f"{label} does not compile: {str(error).splitlines()[0]}")
        jax.clear_caches()
    sys.exit("\n".join(problems) or 0)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("targets", nargs="*", default=list(TARGETS), metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--only", default="", help="programs whose label holds this text, such as 'vgg5 train S+F none'")
    parser.add_argument("--devices", nargs="+", type=int, default=[1, 8], choices=[1, 8])
    parser.add_argument("--out", type=Path, default=STORED, help="the table")
    main(parser.parse_args())

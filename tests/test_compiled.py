"""Programs compiled for devices that are not here: what is read off them, what makes them fail, and the table that is kept."""
import argparse
import subprocess
from pathlib import Path

import jax
import jax.numpy as jnp
import pandas as pd
import pytest

import pc_precision as pc
from pc_precision import kernels
from pc_precision.experiment import Experiment
from pc_precision.paper.costs import flops, images_of
from pc_precision.protocol import network
from tools import devices

ROOT = Path(__file__).resolve().parent.parent
COMPILERS = ROOT / ".venv-devices" / "bin" / "python"

# what XLA wrote for an H100, then for a TPU v5e, without layouts and what follows
CUDNN = """
%c.3 = (f32[128,32,32,128]) custom-call(%f, %b), custom_call_target="__cudnn$convBiasActivationForward"
%c.12 = (f32[128,16,16,256]) custom-call(%f, %b), window={size=3x3 pad=1_1x1_1}, custom_call_target="__cudnn$convForward"
%c.7 = (f32[512,2,2,128]) custom-call(%f, %b), window={size=2x2}, custom_call_target="__cudnn$convBackwardFilter"
%c.2 = (f32[128,8,8,256]) custom-call(%f, %b), window={size=3x3 pad=1_1x1_1}, custom_call_target="__cudnn$convBackwardInput"
%t.2 = f32[16,128,10] fusion(%b, %g), kind=kCustom, calls=%t.2_computation
"""
MXU = """
%c.307 = f32[128,32,32,128] convolution(%a, %f), window={size=3x3 pad=1_1x1_1}, dim_labels=b01f_01io->b01f
%c.358 = f32[128,4,4,512] convolution(%f, %g), window={size=2x2 pad=1_1x1_1 rhs_reversal=1x1}, dim_labels=01bf_o01i->f01b
%c.336 = f32[128,8,8,256] convolution(%f, %g), window={size=3x3 pad=1_1x1_1 rhs_reversal=1x1}, dim_labels=b01f_01oi->b01f
%c.9 = f32[3,3,256,512] convolution(%f, %g), window={size=8x8 pad=1_1x1_1}, dim_labels=f01b_i01o->01bf
%d.73 = f32[128,10] convolution(%f, %g), dim_labels=bf_io->bf
"""


def test_convolutions_are_counted_by_what_they_are_called_for():
    assert devices.convolutions(CUDNN, "gpu") == dict(forward=2, input_gradient=1, kernel_gradient=1, fell_back=0)
    assert devices.convolutions(MXU, "tpu") == dict(forward=1, input_gradient=2, kernel_gradient=1, fell_back=0)


def test_a_convolution_that_cudnn_does_not_compute_fell_back():
    x, kernel = jnp.ones((4, 8, 8, 16)), jnp.ones((3, 3, 16, 16))
    with kernels.TARGET("gpu"):
        text = jax.jit(lambda x, kernel: kernels.conv3x3(x, kernel, 1)).lower(x, kernel).compile().as_text()
    assert devices.convolutions(text, "gpu")["fell_back"] == 1, "this is the CPU's program"


def test_the_fewest_convolutions_counted_by_hand():
    vgg5, vgg7, image = pc.vgg("vgg5"), pc.vgg("vgg7"), (32, 32, 3)
    assert devices.fewest("evaluate", vgg5, image) == 4 and devices.fewest("train", vgg5, image) == 4 + 4 + 3
    assert devices.fewest("train", vgg7, image) == 5 + 5 + 4, "the sixth ends at one pixel and is a matrix product"


ROW = dict(program="train", model="vgg5", algorithm="PC", batch_norm="none", devices=1, device="some GPU", memory_mb=15_999.0,
           fell_back=0)


def test_a_program_that_will_not_do_says_why_in_one_sentence():
    assert devices.problem(ROW) is None
    assert devices.problem(ROW | dict(memory_mb=20_000.0)) == (
        "train of vgg5 with PC, BatchNorm none, on 1 some GPU needs 20.0 GB, more than 16.")
    assert devices.problem(ROW, limit_gb=8).endswith("needs 16.0 GB, more than 8.")
    assert devices.problem(ROW | dict(fell_back=2)).endswith("has 2 convolutions that are not the device's own.")
    missing = devices.lacking(devices.Target("gpu", "a GPU of mine", 1.0, "no-such-wheel", {}))
    assert missing == "no-such-wheel is not installed here, so nothing can be compiled for a GPU of mine: make devices"


@pytest.fixture
def failing(monkeypatch):
    """`main` on one program whose compilation does what is given."""
    monkeypatch.setattr(devices, "prepare", lambda: None)
    monkeypatch.setattr(devices, "lacking", lambda target: None)

    def ends(row_of):
        monkeypatch.setattr(devices, "row_of", row_of)
        with pytest.raises(SystemExit) as ended:
            devices.main(argparse.Namespace(targets=["h100"], devices=[1], only="vgg5 train PC none", out=None))
        return ended.value.code
    return ends


def test_what_is_too_large_or_does_not_compile_ends_the_command(failing):
    row = ROW | dict(compile_seconds=1.0, forward=4, input_gradient=3, kernel_gradient=4)
    def refused(*args):
        raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: out of memory\nand more")
    assert failing(lambda *args: row) == 0
    assert failing(lambda *args: row | dict(memory_mb=20_000.0)).endswith("needs 20.0 GB, more than 16.")
    assert failing(refused) == "1 h100 vgg5 train PC none does not compile: RESOURCE_EXHAUSTED: out of memory"


class Program:
    """A lowered program that compiles so many times and is then a compiled one."""
    def __init__(self, text, times):
        self.as_text, self.times = lambda: text, times

    def compile(self):
        self.times -= 1
        assert self.times >= 0, "compiled again"
        return jax.jit(lambda x: x + 1).lower(1.0).compile()


def test_a_stored_program_is_not_compiled_again_and_a_changed_one_takes_its_row(tmp_path, monkeypatch):
    exp, path = Experiment("cifar10", "vgg5", "PC"), tmp_path / "programs.csv"
    target = devices.TARGETS["h100"]._replace(compiler="jax")
    for text, times in (("one", 1), ("one", 0), ("another", 1)):
        monkeypatch.setattr(devices, "lowered", lambda *args: Program(text, times))
        row = devices.row_of("train", exp, target, 1, path)
        assert [kept["digest"] for kept in devices.stored(path)] == [row["digest"]]
        assert row["fell_back"] == 11, "this program has none of its convolutions"


# The table that is kept

def test_the_stored_programs_fulfil_what_make_devices_asks_and_state_the_arithmetic():
    rows = devices.stored(devices.STORED)
    assert rows and [devices.problem(row) for row in rows if devices.problem(row)] == []
    row, = (r for r in rows if [r[n] for n in devices.KEY[:-1]] == ["NVIDIA H100", 1, "cifar10", "vgg5", "train", "S+F", "none"])
    exp = Experiment("cifar10", "vgg5", "S+F", select="test")
    images, work = images_of(exp)[0], flops(network(exp, 10), (32, 32, 3), "forward", 5)
    assert row["bound_seconds"] == pytest.approx(images * work / (494.7e12 * 0.4), rel=5e-3)
    assert row["forward"] + row["input_gradient"] + row["kernel_gradient"] == 10 + 9 + 4      # on the light cone
    assert row["argument_mb"] > 50_000 * 32 * 32 * 3 / 1e6, "all images are on the device"


@pytest.mark.slow
def test_a_training_program_compiles_for_a_gpu_and_a_tpu_that_are_not_here(tmp_path):
    if not COMPILERS.exists():
        pytest.skip("nothing was compiled for a GPU or a TPU: .venv-devices is not here, `make devices` makes it")
    alone = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    subprocess.run([COMPILERS, ROOT / "tools" / "devices.py", "--devices", "1", "--only", "vgg5 train BP none",
                    "--out", tmp_path / "t.csv"], cwd=ROOT, env=alone, check=True)
    table = pd.read_csv(tmp_path / "t.csv").set_index("device")
    assert set(table.index) == {"NVIDIA H100", "TPU v5e"} and (table["fell_back"] == 0).all()
    assert (table[["forward", "input_gradient", "kernel_gradient"]].sum(axis=1) == 4 + 3 + 4).all()

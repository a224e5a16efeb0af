"""Counts of arithmetic against XLA's own; what the figure and table notebooks share, from typed-out cases."""
import jax
import jax.numpy as jnp
import pytest

import pc_precision as pc
from pc_precision.data import DatasetInfo
from pc_precision.layers import Module
from pc_precision.paper import layer_flops
from pc_precision.training import Hyper, Plan, learn

WIDE = pc.mlp([256] * 4, 256, activation="identity")          # products of 256x256 only, nothing else of weight
IMAGE = (16, 16, 1)
INFO = DatasetInfo("wide", 256, IMAGE, (0.0,), (1.0,), False, 0, "", False)


def compiled_flops(rule: str, T: int, freeze: bool, batch: int = 64) -> float:
    """XLA's count for one image of relaxation and learning phase as training runs them."""
    x, y = jnp.ones((batch, *IMAGE)), jnp.ones((batch, 256))
    params, stats = WIDE.init(jax.random.key(0), x)
    plan = Plan(WIDE, INFO, rule, freeze=freeze)
    hyper = Hyper(jnp.ones((0 if rule == "bp" else T, 5)), 0.1, 0.0, 1.0, 1.0, 1.0)
    lowered = jax.jit(lambda p, x, y, h: learn(plan, p, stats, x, y, h)).lower(params, x, y, hyper)
    return lowered.compile().cost_analysis()["flops"] / batch


@pytest.mark.parametrize("T", [3, 5, 7])
@pytest.mark.parametrize("rule", ["bp", "pc", "forward"])
@pytest.mark.parametrize("freeze", [True, False])
def test_flops_are_what_the_compiled_program_does(rule, T, freeze):
    counted = pc.flops(WIDE, IMAGE, rule, T, dense=not freeze)
    assert counted <= compiled_flops(rule, T, freeze) < 1.04 * counted      # biases, errors, energies: a few per cent


def test_flops_of_a_chain_counted_by_hand():
    net, F = pc.mlp([3, 5], 2), [2 * 4 * 3, 2 * 3 * 5, 2 * 5 * 2]           # 4 -> 3 -> 5 -> 2
    assert layer_flops(net, (2, 2, 1)) == F == [24, 30, 20]
    assert pc.flops(net, (2, 2, 1), "bp") == 3 * 24 - 24 + 3 * 30 + 3 * 20
    steps = 20 + (2 * 20 + 30) + (2 * 20 + 2 * 30)                          # fronts at layers 3, 2, 1
    assert pc.flops(net, (2, 2, 1), "forward", 3) == 74 + steps + 74
    assert pc.flops(net, (2, 2, 1), "pc", 3) == 74 + steps + 2 * (30 + 20) + 74


def test_a_convolution_counts_every_output_pixel():
    block = pc.Network((pc.Block(6, padding=0, pool=True),))
    assert layer_flops(block, (6, 6, 2)) == [2 * 9 * 2 * 6 * 4 * 4]


def test_parameter_count_with_batch_norm():
    assert pc.parameter_count(pc.Network((pc.Block(6, batch_norm="batch"), pc.Readout(3))), (4, 4, 2)) == (
        9 * 2 * 6 + 6 + 2 * 6 + 4 * 4 * 6 * 3 + 3)


def test_flops_refuse_what_they_cannot_count():
    with pytest.raises(ValueError, match="did you mean 'forward'"):
        pc.flops(WIDE, IMAGE, "foward")
    with pytest.raises(ValueError, match="T must be a whole number of at least 1, not 0"):
        pc.flops(WIDE, IMAGE, "pc", 0)
    from flax import nnx
    other = pc.Network((Module(lambda rngs: nnx.Conv(2, 3, (3, 3), rngs=rngs)),))
    with pytest.raises(ValueError, match="layer 1: arithmetic is counted"):
        pc.flops(other, (8, 8, 2))

"""What the tests of the algorithms share: float64, small networks, a slow reference in numpy, and how errors must read."""
from __future__ import annotations

from functools import partial, wraps
from typing import Any, Callable

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pc_precision.energy import total_energy
from pc_precision.layers import Network, feedforward, predictions
from pc_precision.networks import Block, Dense, Readout, Residual, mlp, vgg


def says(*words: str, error: type = ValueError) -> Any:
    """`pytest.raises` for one clear sentence: one line, under 250 characters, that contains all `words`."""
    def clear(raised: BaseException) -> bool:
        message = str(raised)
        return "\n" not in message and 15 < len(message) < 250 and all(word in message for word in words)
    return pytest.raises(error, check=clear)


@partial(jax.jit, static_argnums=(0, 1, 2))
def program(function: Callable, tree: Any, fixed: tuple, arrays: tuple) -> Any:
    merged = [one[1] if one else array for one, array in zip(fixed, arrays)]
    arguments, named = jax.tree.unflatten(tree, merged)
    return function(*arguments, **named)


def jitted(function: Callable) -> Callable:
    """`function` as one program: arrays are traced, while numbers, names and networks are part of the program.

    Without it every operation is a program of its own, for every shape, and compiling them takes most of a test's time.
    """
    @wraps(function)
    def call(*arguments: Any, **named: Any) -> Any:
        found, tree = jax.tree.flatten((arguments, named))
        traced = [isinstance(one, (jax.Array, np.ndarray)) for one in found]
        fixed = tuple(() if array else (type(one), one) for one, array in zip(found, traced))
        return program(function, tree, fixed, tuple(one if array else None for one, array in zip(found, traced)))
    return call


def leaves(tree: Any) -> list[np.ndarray]:
    return [np.asarray(a) for a in jax.tree.leaves(tree)]


def worst(a: Any, b: Any) -> float:
    """Largest difference of two trees of the same structure, relative to numbers of size one or more; NaN counts as infinite."""
    assert jax.tree.structure(a) == jax.tree.structure(b)
    gaps = [np.abs(p - q) / np.maximum(1, np.abs(q)) for p, q in zip(leaves(a), leaves(b))]
    gaps = [np.where(np.isnan(gap), np.inf, gap).max(initial=0.0) for gap in gaps]
    return float(max(gaps, default=0.0))


def as_type(tree: Any, dtype: Any) -> Any:
    return jax.tree.map(lambda a: jnp.asarray(np.asarray(a), dtype), tree)


def norm(tree: Any) -> float:
    return float(np.sqrt(sum((a.astype(np.float64) ** 2).sum() for a in leaves(tree))))


def relative(a: Any, b: Any) -> float:
    """||a - b|| / ||b|| over all numbers of two trees."""
    return norm(jax.tree.map(lambda p, q: np.asarray(p, np.float64) - np.asarray(q, np.float64), a, b)) / norm(b)


def worst_layer(a: tuple, b: tuple) -> float:
    """`relative`, of the worst layer."""
    assert len(a) == len(b)
    return max(relative(p, q) for p, q in zip(a, b))


def small_mlp(activation: str = "gelu") -> tuple[Network, tuple]:
    """Five layers, and the shape of a batch of inputs. All of one width: then operations compile once for all layers."""
    return mlp([6, 6, 6, 6], 6, activation), (3, 6)


def small_vgg(batch_norm: str | None) -> tuple[Network, tuple]:
    """Four layers with two pools and, but for the readout, BatchNorm."""
    return vgg([4, "P", 4, 4, "P"], 4, batch_norm=batch_norm), (3, 8, 8, 4)


def small_graph() -> tuple[Network, tuple]:
    """Five layers with two skips: layer 1 is read by 2 and 3, layer 2 by 3 and by the output."""
    net = (Dense(6), Dense(6), Residual(Dense(6)), Dense(6, "tanh"), Residual(Readout(6)))
    return Network(net, (0, 1, (2, 1), 3, (4, 2))), (3, 6)


def small_resnet() -> tuple[Network, tuple]:
    """A layer that reads one other twice, a skip of the input over it, BatchNorm and a pool."""
    blocks = (Block(4, batch_norm="ema"), Residual(Block(4, batch_norm="batch")), Residual(Block(4, batch_norm="ema")))
    return Network((*blocks, Block(4, pool=True), Readout(4)), (0, (1, 1), (2, 0), 3, 4)), (3, 4, 4, 4)


NETS: dict[str, Callable] = {
    "graph": small_graph, "resnet": small_resnet, "mlp": small_mlp, "vgg": lambda: small_vgg(None), "vgg-batch": lambda: small_vgg("batch"), "vgg-ema": lambda: small_vgg("ema")}


def init(net: Network, key: Any, x: Any) -> tuple:
    """`net.init` as one program."""
    return jitted(Network.init)(net, key, x)


def setup(net: Network, shape: tuple, seed: int = 0, dtype: Any = None, gain: float = 1.5) -> tuple:
    """Parameters, statistics, inputs and one-hot labels; parameters `gain` times the usual so that no layer is near linear."""
    rng, dtype = np.random.default_rng(seed), dtype or jnp.zeros(0, float).dtype
    x = jnp.asarray(rng.normal(size=shape), dtype)
    params, stats = init(net, jax.random.key(seed), x)
    params = jax.tree.map(lambda a: jnp.asarray(gain * np.asarray(a), dtype), params)
    # statistics that no pass would leave, so that using the wrong ones is seen
    stats = jax.tree.map(lambda a: jnp.asarray(np.asarray(a) + rng.uniform(0.1, 0.5, a.shape), dtype), stats)
    classes = params[-1]["bias"].shape[0]
    return params, stats, x, jnp.asarray(np.eye(classes)[rng.integers(0, classes, shape[0])], dtype)


def energy_loss(net: Network, params: tuple, stats: tuple, x: Any, settled: Any) -> jax.Array:
    """Equation (3) as a scalar, at any parameters: 1/2 sum_l ||x_l^T - f_l(x_{l-1}^T)||^2, mean over the batch."""
    return total_energy(settled.errors_against(predictions(net, params, stats, x, settled.final)))


def forward_update_loss(net: Network, params: tuple, stats: tuple, x: Any, settled: Any) -> jax.Array:
    """Equation (6) as a scalar, at any parameters: 1/2 sum_l ||x_l^T - f_l(x_{l-1}^0)||^2, mean over the batch."""
    return total_energy(settled.errors_against(predictions(net, params, stats, x, settled.initial)))


def backprop_loss(net: Network, params: tuple, stats: tuple, x: Any, settled: Any) -> jax.Array:
    """Backpropagation's loss 1/2 ||x_L - mu_L(x_0)||^2, mean over the batch."""
    return total_energy((jax.tree.map(jnp.subtract, settled.final[-1], feedforward(net, params, stats, x)[0][-1]),))


def arrival(net: Network) -> np.ndarray:
    """The step from which a layer has an error: one after an error of a layer that it, or a layer it reads, is read by or is.

    In a chain that is the distance to the output; in a graph a layer may read one that has moved sooner than itself.
    """
    L = len(net)
    error, moves = np.array([np.inf] * L + [0.0]), np.full(L + 1, np.inf)
    for _ in range(L):
        for l in range(1, L):
            moves[l] = 1 + min(error[l], *(error[r] for r in range(l + 1, L + 1) if l in net.reads(r)))
        for l in range(1, L):
            error[l] = min(moves[l], *(moves[p] for p in net.reads(l)))
    return error[1:]


# --- the slow truth: dense layers with tanh and a linear readout; one sample, one layer, one unit after the other -------

def slow_layer(params: dict, x: np.ndarray, last: bool) -> tuple[np.ndarray, np.ndarray]:
    """Prediction of one sample and its Jacobian (outputs, inputs)."""
    kernel, bias = np.asarray(params["kernel"], np.float64), np.asarray(params["bias"], np.float64)
    z = np.array([sum(x[i] * kernel[i, j] for i in range(len(x))) + bias[j] for j in range(len(bias))])
    mu, slope = (z, np.ones_like(z)) if last else (np.tanh(z), 1 - np.tanh(z) ** 2)
    return mu, slope[:, None] * kernel.T


def slow_errors(params: tuple, x: list[np.ndarray]) -> list:
    """eps_l at index l (index 0 unused) of one sample with activities x_0..x_L, and the Jacobians."""
    eps, jacobians = [None], [None]
    for l in range(1, len(params) + 1):
        mu, jacobian = slow_layer(params[l - 1], x[l - 1], l == len(params))
        eps.append(x[l] - mu), jacobians.append(jacobian)
    return eps, jacobians


def slow_gradient(eps: list, jacobians: list, sigma: np.ndarray, l: int, reading: str) -> np.ndarray:
    """Equation (2) in its two readings; sigma[l] is Sigma_l at this step."""
    own, above = eps[l], jacobians[l + 1].T @ eps[l + 1]
    if reading == "energy":
        return own / sigma[l] - above / sigma[l + 1]
    return (own - above) / sigma[l + 1]


def slow_relax(params: tuple, x: Any, y: Any, covariance: Any, x_step: float, momentum: float, reading: str, nesterov: bool,
               beta: float) -> tuple[list, np.ndarray]:
    """Final activities of layers 1..L, (B, n_l) each, and the layer energies (T+1, L), per sample."""
    x, y, covariance = (np.asarray(a, np.float64) for a in (x, y, covariance))
    T, L = len(covariance), len(params)
    finals, energies = [[] for _ in range(L)], np.zeros((T + 1, L))
    for sample, label in zip(x, y):
        a = [sample]
        for l in range(1, L + 1):
            a.append(slow_layer(params[l - 1], a[-1], l == L)[0])
        a[L] = a[L] + beta * (label - a[L])
        v = [np.zeros_like(b) for b in a]
        for t in range(T):
            eps, jacobians = slow_errors(params, a)
            energies[t] += [0.5 * sum(e * e for e in eps[l]) / len(x) for l in range(1, L + 1)]
            moved = list(a)
            for l in range(1, L):
                g = slow_gradient(eps, jacobians, np.concatenate([[np.nan], covariance[t]]), l, reading)
                v[l] = momentum * v[l] + g                        # SGD as torch and optax define it
                moved[l] = a[l] - x_step * (g + momentum * v[l] if nesterov else v[l])
            a = moved
        energies[T] += [0.5 * sum(e * e for e in eps) / len(x) for eps in slow_errors(params, a)[0][1:]]
        for l in range(L):
            finals[l].append(a[l + 1])
    return [np.stack(f) for f in finals], energies


def slow_energy(params: tuple, x: Any, inputs: Any, targets: Any) -> float:
    """1/2 sum_l ||targets_l - f_l(inputs_{l-1})||^2, mean over the batch, of layers 1..L; `x` is inputs_0."""
    total = 0.0
    for b in range(len(x)):
        below = [np.asarray(a[b], np.float64) for a in (x, *inputs[:-1])]
        for l, (p, a) in enumerate(zip(params, below), 1):
            eps = np.asarray(targets[l - 1][b], np.float64) - slow_layer(p, a, l == len(params))[0]
            total += 0.5 * sum(e * e for e in eps) / len(x)
    return total

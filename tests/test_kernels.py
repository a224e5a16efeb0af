"""Convolution and pooling against lax and sums written out, in float64; the choice of formula; what is computed."""
from functools import partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from pc_precision import kernels
from pc_precision.kernels import conv3x3, max_pool2

SHAPES = [  # B, H, W, Cin, Cout, padding: images of one pixel up, odd sizes, one and three samples and channels
    (1, 1, 1, 1, 1, 1), (3, 2, 2, 3, 5, 1), (1, 3, 3, 4, 3, 0), (3, 4, 4, 1, 3, 0), (3, 3, 5, 3, 1, 1),
    (3, 5, 7, 3, 30, 0), (3, 5, 4, 1, 9, 1), (1, 6, 6, 256, 2, 0)]


@pytest.fixture(autouse=True)
def float64():
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


def lax_conv(x, kernel, padding):
    return lax.conv_general_dilated(x, kernel, (1, 1), [(padding, padding)] * 2,
                                    dimension_numbers=("NHWC", "HWIO", "NHWC"))


def lax_pool(x):
    return lax.reduce_window(x, np.array(-np.inf, x.dtype), lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def arrays(shape, dtype=jnp.float64):
    batch, height, width, cin, cout, padding = shape
    random = np.random.default_rng(0)
    grow = 2 * padding - 2
    sizes = (batch, height, width, cin), (3, 3, cin, cout), (batch, height + grow, width + grow, cout)
    return [jnp.asarray(random.normal(size=s), dtype) for s in sizes]


def pull(conv, x, kernel, g, padding):
    "Output and both gradients."
    y, back = jax.vjp(lambda x, kernel: conv(x, kernel, padding), x, kernel)
    return (y, *back(g))


def assert_same(ours, theirs, relative=1e-12):
    for a, b in zip(ours, theirs, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype
        assert float(jnp.abs(a - b).max()) <= relative * float(jnp.abs(b).max())


@pytest.mark.parametrize("shape", SHAPES)
def test_conv_and_each_formula_in_each_role_equal_lax(shape, monkeypatch):
    @jax.jit  # one compilation for all four
    def every_way(*a):
        chosen = [pull(conv, *a, shape[-1]) for conv in (lax_conv, conv3x3)]
        for formula in (lambda role: partial(kernels._xla, role=role), lambda role: kernels._product, lambda role: kernels._pairs):
            monkeypatch.setattr(kernels, "_formula", lambda role, *_, formula=formula: formula(role))
            chosen.append(pull(kernels._chosen, *a, shape[-1]))
        return chosen

    theirs, *ours = every_way(*arrays(shape))
    for way in ours:
        assert_same(way, theirs)


@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("formula", [kernels._xla, kernels._product, kernels._pairs, conv3x3])
def test_conv_is_the_sum_it_says(formula, padding):
    x, kernel, g = map(np.asarray, arrays((2, 4, 3, 3, 2, padding)))
    zeros = np.zeros((2, 4 + 2 * padding, 3 + 2 * padding, 3))
    zeros[:, padding:padding + 4, padding:padding + 3] = x
    y = np.zeros(g.shape)
    for b, h, w, o in np.ndindex(*g.shape):
        y[b, h, w, o] = sum(zeros[b, h + i, w + j, c] * kernel[i, j, c, o] for i, j, c in np.ndindex(3, 3, 3))
    assert_same([formula(x, kernel, padding)], [jnp.asarray(y)])


def test_gradients_by_finite_differences():
    x, kernel, g = arrays((2, 4, 4, 2, 3, 0))
    _, dx, dkernel = pull(conv3x3, x, kernel, g, 0)
    random = np.random.default_rng(1)
    u, v = jnp.asarray(random.normal(size=x.shape)), jnp.asarray(random.normal(size=kernel.shape))
    value = lambda x, kernel: float((conv3x3(x, kernel, 0) * g).sum())  # linear in each: central differences are exact
    assert value(x + u, kernel) - value(x - u, kernel) == pytest.approx(2 * float((dx * u).sum()), rel=1e-11)
    assert value(x, kernel + v) - value(x, kernel - v) == pytest.approx(2 * float((dkernel * v).sum()), rel=1e-11)


@pytest.mark.parametrize("dtype, relative", [(jnp.float32, 2e-6), (jnp.bfloat16, 2e-2)])
@pytest.mark.parametrize("shape", [(3, 2, 2, 3, 5, 1), (3, 5, 5, 3, 30, 1)])
def test_dtype_is_kept(shape, dtype, relative):
    x, kernel, g = arrays(shape, dtype)
    wide = jax.jit(lambda *a: pull(lax_conv, *(v.astype(jnp.float64) for v in a), shape[-1]))(x, kernel, g)
    ours = jax.jit(lambda *a: pull(conv3x3, *a, shape[-1]))(x, kernel, g)
    assert all(a.dtype == dtype for a in ours)
    assert_same([a.astype(jnp.float64) for a in ours], wide, relative)


@pytest.mark.parametrize("shape", [(2, 2, 2, 3, 4, 1), (2, 5, 5, 3, 30, 1)])
def test_vmap_over_images_kernels_and_gradients(shape):
    x, kernel, g = (jnp.stack([a, 2 * a, a - 1]) for a in arrays(shape))
    ours = jax.jit(jax.vmap(lambda *a: pull(conv3x3, *a, shape[-1])))(x, kernel, g)
    alone = jax.jit(lambda *a: pull(lax_conv, *a, shape[-1]))
    assert_same(ours, [jnp.stack(v) for v in zip(*(alone(*a) for a in zip(x, kernel, g)))])


def push(conv, padding):
    "Function of images, kernel and their directions: output and its directional derivative."
    return lambda x, kernel, dx, dkernel: jax.jvp(lambda x, kernel: conv(x, kernel, padding), (x, kernel), (dx, dkernel))


def directions(x, kernel):
    random = np.random.default_rng(1)
    return [jnp.asarray(random.normal(size=a.shape), a.dtype) for a in (x, kernel)]


@pytest.mark.parametrize("shape", SHAPES)
def test_forward_derivative_of_the_convolution_and_of_each_formula_is_that_of_lax(shape, monkeypatch):
    x, kernel, _ = arrays(shape)

    @jax.jit
    def every_way(*a):
        pushed = [push(conv, shape[-1])(*a) for conv in (lax_conv, conv3x3)]
        for formula in (lambda role: partial(kernels._xla, role=role), lambda role: kernels._product, lambda role: kernels._pairs):
            monkeypatch.setattr(kernels, "_formula", lambda role, *_, formula=formula: formula(role))
            pushed.append(push(kernels._chosen, shape[-1])(*a))
        return pushed

    theirs, *ours = every_way(x, kernel, *directions(x, kernel))
    for way in ours:
        assert_same(way, theirs)


@pytest.mark.parametrize("shape", [(2, 4, 4, 2, 3, 0), (3, 2, 2, 3, 5, 1)])
def test_forward_derivative_of_the_convolution_by_finite_differences(shape):
    x, kernel, _ = arrays(shape)
    dx, dkernel = directions(x, kernel)
    _, derivative = push(conv3x3, shape[-1])(x, kernel, dx, dkernel)
    difference = conv3x3(x + dx, kernel + dkernel, shape[-1]) - conv3x3(x - dx, kernel - dkernel, shape[-1])
    assert_same([derivative], [difference / 2])          # of second degree: a central difference has no error but rounding


@pytest.mark.parametrize("shape", [(2, 4, 4, 2, 3, 0), (3, 2, 2, 3, 5, 1), (2, 3, 3, 2, 20, 1)])
def test_second_derivatives_of_the_convolution_in_every_mode_are_those_of_lax(shape):
    x, kernel, g = arrays(shape)
    dx, dkernel = directions(x, kernel)

    def second(conv):
        total = lambda x, kernel: (jnp.sin(conv(x, kernel, shape[-1])) * g).sum()           # curved in x, in the kernel, in both
        slope = lambda x, kernel: jax.jvp(total, (x, kernel), (dx, dkernel))[1]
        both = jax.grad(total, (0, 1))
        along = lambda x, kernel: sum((a * b).sum() for a, b in zip(both(x, kernel), (dx, dkernel)))
        return (*jax.jvp(both, (x, kernel), (dx, dkernel))[1],                              # forward over reverse
                *jax.grad(slope, (0, 1))(x, kernel),                                        # reverse over forward
                *jax.grad(along, (0, 1))(x, kernel),                                        # reverse over reverse
                jax.jvp(slope, (x, kernel), (dx, dkernel))[1])                              # forward over forward

    ours, theirs = jax.jit(lambda: second(conv3x3))(), jax.jit(lambda: second(lax_conv))()
    assert_same(ours, theirs, 1e-11)
    assert_same(ours[:2], ours[2:4], 1e-11)              # second derivatives commute
    assert_same(ours[2:4], ours[4:6], 1e-11)


def test_forward_and_reverse_derivative_of_the_convolution_are_transposes():
    shape = (3, 5, 4, 1, 9, 1)
    x, kernel, g = arrays(shape)
    dx, dkernel = directions(x, kernel)
    _, forward = push(conv3x3, shape[-1])(x, kernel, dx, dkernel)
    _, to_x, to_kernel = pull(conv3x3, x, kernel, g, shape[-1])
    assert float((forward * g).sum()) == pytest.approx(float((to_x * dx).sum() + (to_kernel * dkernel).sum()), rel=1e-12)


@pytest.mark.parametrize("shape", [(2, 2, 2, 3, 4, 1), (2, 5, 5, 3, 30, 1)])
def test_vmap_of_the_forward_derivative_is_one_derivative_after_the_other(shape):
    x, kernel, _ = arrays(shape)
    many = [jnp.stack([a, 2 * a, a - 1]) for a in (x, kernel, *directions(x, kernel))]
    ours = jax.jit(jax.vmap(push(conv3x3, shape[-1])))(*many)
    alone = jax.jit(push(lax_conv, shape[-1]))
    assert_same(ours, [jnp.stack(v) for v in zip(*(alone(*a) for a in zip(*many)))])


@pytest.mark.parametrize("dtype, relative", [(jnp.float32, 2e-6), (jnp.bfloat16, 3e-2)])
def test_forward_derivative_of_the_convolution_keeps_the_type(dtype, relative):
    x, kernel, _ = arrays((3, 2, 2, 3, 5, 1), dtype)
    given = (x, kernel, *directions(x, kernel))
    ours, theirs = push(conv3x3, 1)(*given), push(lax_conv, 1)(*(a.astype(jnp.float64) for a in given))
    assert all(a.dtype == dtype for a in ours)
    assert_same([a.astype(jnp.float64) for a in ours], theirs, relative)


XLA, PRODUCT, PAIRS = None, kernels._product, kernels._pairs
FORMULAS = [  # role, batch, height, width, cin, cout, padding, formula
    *[(role, 128, 2, 2, 512, 512, 1, PRODUCT) for role in ("output", "input", "kernel")],
    *[(role, 128, 4, 4, 8, 8, 0, PRODUCT) for role in ("output", "input", "kernel")],
    *[(role, 128, 1, 1, 8, 8, 1, PRODUCT) for role in ("output", "input", "kernel")],
    *[(role, 128, 3, 3, 512, 512, 1, XLA) for role in ("output", "input", "kernel")],
    *[(role, 128, 2, 16, 64, 64, 1, XLA) for role in ("output", "input", "kernel")],
    ("output", 128, 8, 8, 256, 256, 0, PRODUCT), ("kernel", 128, 8, 8, 256, 256, 0, PRODUCT),
    ("input", 128, 8, 8, 256, 256, 0, XLA),
    ("output", 128, 8, 8, 255, 256, 0, XLA), ("output", 128, 8, 8, 256, 256, 1, XLA),
    ("output", 128, 32, 32, 256, 256, 0, XLA), ("kernel", 128, 32, 32, 256, 256, 0, XLA),  # patches too large
    ("kernel", 128, 32, 32, 5, 45, 1, PRODUCT), ("kernel", 128, 32, 32, 5, 44, 1, XLA), ("output", 128, 32, 32, 5, 45, 1, XLA),
    ("output", 128, 32, 32, 3, 16, 1, PAIRS), ("kernel", 128, 32, 32, 4, 128, 1, PAIRS), ("input", 128, 32, 32, 3, 16, 1, XLA),
    ("output", 1024, 64, 64, 3, 128, 1, XLA), ("kernel", 1024, 64, 64, 3, 128, 1, XLA)]


@pytest.mark.parametrize("role, batch, height, width, cin, cout, padding, formula", FORMULAS)
def test_choice_of_formula(role, batch, height, width, cin, cout, padding, formula):
    chosen = kernels._formula(role, (batch, height, width, cin), (3, 3, cin, cout), padding)
    assert chosen is formula if formula else (chosen.func, chosen.keywords) == (kernels._xla, {"role": role})


@pytest.mark.parametrize("role", ["output", "input", "kernel"])
def test_the_map_that_a_role_names_has_its_axes_in_the_order_that_xla_makes_fast_inside_a_loop(role):
    shape = (2, 6, 5, 3, 4, 1)
    x, kernel, g = arrays(shape)
    maps = {"output": lambda: kernels._xla(x, kernel, 1, role),
            "input": lambda: jax.linear_transpose(lambda x: kernels._xla(x, kernel, 1, role), x)(g),
            "kernel": lambda: jax.linear_transpose(lambda kernel: kernels._xla(x, kernel, 1, role), kernel)(g)}
    jaxpr = jax.make_jaxpr(maps[role])()
    convolution, = (e for e in jaxpr.eqns if e.primitive.name == "conv_general_dilated")
    batch_first, kernel_last = (0, 3, 1, 2), (3, 2, 0, 1)    # NHWC: batch, features, space; HWIO: out, in, space
    assert convolution.params["dimension_numbers"] == (batch_first, kernel_last, batch_first)


@pytest.mark.parametrize("backend, primitive", [("cpu", "custom_jvp"), ("gpu", None), ("tpu", None)])
def test_choices_are_for_cpus_only(backend, primitive, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    x, kernel, _ = arrays((2, 2, 2, 3, 4, 1))
    conv = str(jax.make_jaxpr(lambda x, kernel: conv3x3.__wrapped__(x, kernel, 1))(x, kernel))
    pool = str(jax.make_jaxpr(lambda x: max_pool2.__wrapped__(x))(x))
    assert ("custom_jvp" in conv) is ("custom_jvp" in pool) is (primitive is not None)
    assert ("conv_general_dilated" in conv) is ("reduce_window" in pool) is (primitive is None)


def test_a_target_decides_in_place_of_the_platform_and_is_part_of_the_key_of_a_trace():
    traced = lambda: str(jax.make_jaxpr(lambda x, kernel: max_pool2(conv3x3(x, kernel, 1)))(*arrays((2, 2, 2, 3, 4, 1))[:2]))
    here = traced()
    with kernels.TARGET("tpu"):
        there = traced()
    with kernels.TARGET("cpu"):
        assert "custom_jvp" in traced()
    assert "reduce_window" in there and "custom_jvp" not in there and traced() == here


def compiled(shape, pick):
    "Cost of the gradients that `pick` keeps."
    x, kernel, g = (jax.ShapeDtypeStruct(a.shape, jnp.float32) for a in jax.eval_shape(lambda: arrays(shape)))
    gradients = lambda x, kernel, g: pick(pull(conv3x3, x, kernel, g, shape[-1])[1:])
    return jax.jit(gradients).lower(x, kernel, g).compile()


@pytest.mark.parametrize("shape", [(64, 4, 4, 32, 32, 0), (64, 16, 16, 32, 32, 1)])
def test_unused_gradient_costs_nothing(shape):
    flops = [compiled(shape, pick).cost_analysis()["flops"] for pick in (lambda v: v[0], lambda v: v[1], lambda v: v)]
    batch, height, width, cin, cout, padding = shape
    one = 2 * batch * (height + 2 * padding - 2) * (width + 2 * padding - 2) * 9 * cin * cout
    assert 0.8 * one < flops[0] < 1.2 * one and 0.8 * one < flops[1] < 1.2 * one  # XLA does not count the zero padding
    assert 1.7 * one < flops[2] < 2.3 * one


def test_each_gradient_takes_the_formula_of_its_role():
    shape = (2, 8, 8, 3, 27, 1)  # input: XLA; kernel: product
    dx, dkernel = (compiled(shape, pick).as_text() for pick in (lambda v: v[0], lambda v: v[1]))
    assert "convolution(" in dx and "convolution(" not in dkernel


def test_no_patches_of_a_large_image():
    shape = (128, 32, 32, 128, 128, 1)
    patches = 4 * 128 * 32 * 32 * 9 * 128
    assert compiled(shape, lambda v: v[1]).memory_analysis().temp_size_in_bytes < patches / 2


def pull_pool(pool, x, g):
    y, back = jax.vjp(pool, x)
    return y, back(g)[0]


def windows():
    "All 256 windows of the values 0..3, every pattern of ties among them, as one row of 2x2 images."
    return jnp.asarray(list(product(range(4), repeat=4)), jnp.float64).reshape(256, 2, 2, 1)


def test_pool_of_every_tie():
    x = windows()
    flat = np.asarray(x).reshape(256, 4)
    y, back = jax.vjp(max_pool2, x)
    g = jnp.arange(1.0, 257).reshape(256, 1, 1, 1)
    expected = np.eye(4)[flat.argmax(1)] * np.arange(1.0, 257)[:, None]  # numpy's argmax is the first of the largest
    assert (np.asarray(y).ravel() == flat.max(1)).all()
    assert (np.asarray(back(g)[0]).reshape(256, 4) == expected).all()


@pytest.mark.parametrize("shape", [(1, 2, 2, 1), (3, 4, 6, 3)])
@pytest.mark.parametrize("kind", ["relu", "constant", "negative", "signed zeros"])
@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32])
def test_pool_equals_lax(shape, kind, dtype):
    x = jnp.asarray(np.random.default_rng(0).normal(size=shape), dtype)
    x = {"relu": jax.nn.relu(x), "constant": jnp.ones_like(x), "negative": -jnp.abs(x) - 1, "signed zeros": x * 0}[kind]
    g = np.arange(1, 1 + x.size // 4, dtype=dtype).reshape(shape[0], shape[1] // 2, shape[2] // 2, shape[3])
    (y, dx), (lax_y, lax_dx) = jax.jit(lambda *a: [pull_pool(pool, *a) for pool in (max_pool2, lax_pool)])(x, g)
    assert (y == lax_y).all() and (dx == lax_dx).all() and y.dtype == dx.dtype == dtype


def test_pool_vmap():
    x = jnp.asarray(np.random.default_rng(0).normal(size=(3, 2, 4, 4, 2)))
    total = lambda pool: lambda x: (pool(x) ** 2).sum()
    theirs = jax.jit(lambda x: jnp.stack([jax.grad(total(lax_pool))(v) for v in x]))
    assert (jax.jit(jax.vmap(jax.grad(total(max_pool2))))(x) == theirs(x)).all()


def test_forward_derivative_of_the_pool_is_the_change_of_the_first_largest_pixel_of_every_tie():
    x = windows()
    dx = jnp.arange(1.0, 1 + x.size).reshape(x.shape)
    y, change = jax.jvp(max_pool2, (x,), (dx,))
    first = np.asarray(x).reshape(256, 4).argmax(1)
    assert (np.asarray(y).ravel() == np.asarray(x).reshape(256, 4).max(1)).all()
    assert (np.asarray(change).ravel() == np.asarray(dx).reshape(256, 4)[np.arange(256), first]).all()


@pytest.mark.parametrize("dtype", [jnp.float64, jnp.float32, jnp.bfloat16])
def test_forward_derivative_of_the_pool_is_that_of_lax_and_the_finite_difference_where_nothing_is_tied(dtype):
    random = np.random.default_rng(0)
    x = jnp.asarray(random.permutation(3 * 4 * 6 * 3).reshape(3, 4, 6, 3) / 8, dtype)
    x, dx = x.astype(dtype), jnp.asarray(random.integers(-8, 8, x.shape), dtype)
    y, change = jax.jvp(max_pool2, (x,), (dx,))
    lax_y, lax_change = jax.jvp(lax_pool, (x,), (dx,))
    assert y.dtype == change.dtype == dtype and (y == lax_y).all()
    if dtype != jnp.bfloat16:                            # whose 8 bits tie numbers that differ
        step = 2.0**-10                                  # no pixel overtakes another: they are 1/8 apart
        assert (change == lax_change).all() and (change == (max_pool2(x + step * dx) - max_pool2(x - step * dx)) / step / 2).all()


def test_derivatives_of_the_pool_agree_in_every_mode_to_second_order_and_under_vmap():
    random = np.random.default_rng(0)
    x, dx = (jnp.asarray(random.normal(size=(3, 2, 4, 4, 2))) for _ in range(2))
    total = lambda pool: lambda x: (pool(x) ** 3).sum()
    forward = lambda pool: lambda x, dx: jax.jvp(total(pool), (x,), (dx,))[1]
    over_reverse = lambda pool: lambda x, dx: jax.jvp(jax.grad(total(pool)), (x,), (dx,))[1]
    over_forward = lambda pool: lambda x, dx: jax.grad(forward(pool))(x, dx)
    for mode in (forward, over_reverse, over_forward):
        each = jax.jit(lambda x, dx: jnp.stack([mode(lax_pool)(*a) for a in zip(x, dx)]))
        ours, theirs = jax.jit(jax.vmap(mode(max_pool2)))(x, dx), each(x, dx)
        assert_same([ours], [theirs])


def test_a_hessian_of_convolution_and_pool_together_is_symmetric_and_that_of_lax():
    x, kernel, _ = arrays((1, 4, 4, 2, 3, 1))
    total = lambda conv, pool: lambda kernel: (pool(jnp.tanh(conv(x, kernel, 1))) ** 2).sum()
    hessian = lambda *pair: jax.jit(jax.hessian(total(*pair)))(kernel).reshape(kernel.size, kernel.size)
    ours, theirs = hessian(conv3x3, max_pool2), hessian(lax_conv, lax_pool)
    assert_same([ours, ours.T], [theirs, ours], 1e-11)


@pytest.mark.parametrize("x, kernel, padding, words", [
    ((1, 4, 4, 2), (3, 3, 2, 1), 2, "0 or 1"), ((1, 4, 4, 2), (3, 3, 2, 1), "SAME", "0 or 1"),
    ((1, 4, 4, 2), (5, 5, 2, 1), 1, "3, 3, Cin, Cout"), ((1, 4, 4, 2), (3, 3, 3, 1), 1, "do not fit"),
    ((4, 4, 2), (3, 3, 2, 1), 1, "do not fit"), ((1, 4, 4, 2), (3, 3, 2), 1, "do not fit"),
    ((1, 2, 4, 2), (3, 3, 2, 1), 0, "smaller")])
def test_conv_refuses(x, kernel, padding, words):
    with pytest.raises(ValueError, match=words):
        conv3x3(jnp.ones(x), jnp.ones(kernel), padding)


@pytest.mark.parametrize("shape", [(1, 3, 4, 1), (1, 4, 5, 1), (4, 4, 1)])
def test_pool_refuses(shape):
    with pytest.raises(ValueError, match="even H and W"):
        max_pool2(jnp.ones(shape))

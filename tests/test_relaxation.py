"""The light cone against the dense computation, both against a slow numpy program, and what the mathematics says of either."""
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers_core import NETS, as_type, norm, says, setup, slow_relax, small_mlp, worst, worst_layer, x64  # noqa: F401
from pc_precision.layers import Dense, Network, Readout, feedforward, mlp
from pc_precision.precision import Constant, Decaying, Spiking
from pc_precision.relaxation import Relaxed, READINGS, relax, relax_dense, update_precisions

X_STEP = 0.25                 # not the spike, or layers that reset themselves exactly would stand still
SCHEDULES = {
    "constant": Constant(), "spiking": Spiking(0.3), "spiking base 1000": Spiking(0.3, 1000.0),
    "spiking base inf": Spiking(0.3, np.inf), "decaying": Decaying(),
    "own": lambda T, L: jnp.asarray(np.random.default_rng(5).uniform(0.3, 3.0, (T, L)))}
MOMENTA, BETAS = (0.0, 0.5, 0.9), (1.0, 0.3, -0.5)


def everything_traced(T: int, L: int) -> tuple:
    """Covariance tables, momenta and betas of all combinations, stacked: one vectorised run covers them."""
    tables = [schedule(T, L) for schedule in SCHEDULES.values()]
    stacked = zip(*itertools.product(tables, MOMENTA, BETAS))
    return tuple(jnp.stack([jnp.asarray(value, float) for value in values]) for values in stacked)


CASES = [("mlp", *case) for case in itertools.product(READINGS, (False, True), "01-=+")]
CASES += [(name, reading, nesterov, T) for name in ("vgg-batch", "vgg-ema") for reading in READINGS
          for nesterov, T in ((False, "0"), (False, "1"), (False, "-"), (False, "="), (False, "+"), (True, "="))]
T_OF = {"0": lambda L: 0, "1": lambda L: 1, "-": lambda L: L - 2, "=": lambda L: L, "+": lambda L: L + 3}


@pytest.mark.parametrize("name", ["mlp", "vgg-batch", "vgg-ema"])
def test_the_light_cone_gives_the_numbers_of_the_dense_computation(x64, name, record_property):
    """Every schedule, momentum and beta, in both readings, with heavy-ball and Nesterov momentum, for T = 0, 1, L-2, L, L+3."""
    net, shape = NETS[name]()
    params, stats, x, y = setup(net, shape)
    L, gaps = len(net), {}
    for _, reading, nesterov, T in (case for case in CASES if case[0] == name):
        def both(covariance, momentum, beta):
            return [method(net, params, stats, x, y, covariance, X_STEP, momentum, reading, nesterov, beta)
                    for method in (relax, relax_dense)]

        cone, dense = jax.vmap(both)(*everything_traced(T_OF[T](L), L))
        assert cone.energies.shape[1:] == (T_OF[T](L) + 1, L)
        gaps[reading, nesterov, T] = max(worst(a, b) for a, b in zip(cone[:4], dense[:4], strict=True))
        if T == "=":
            moved = [float(jnp.abs(d).reshape(len(d), -1).max(1).min()) for d in cone.displacements]
            assert min(moved) > 1e-6, "a comparison of activities that stand still proves nothing"
    record_property("worst difference, light cone against dense", f"{max(gaps.values()):.1e}")
    print(f"\n{name}: light cone against dense, worst of {54 * len(gaps)} runs: {max(gaps.values()):.1e}")
    assert max(gaps.values()) <= 1e-12, gaps


@pytest.mark.parametrize("method", [relax, relax_dense])
@pytest.mark.parametrize("reading", READINGS)
def test_both_agree_with_a_program_that_loops_over_samples_layers_and_units(x64, method, reading):
    net, shape = small_mlp("tanh")
    params, stats, x, y = setup(net, shape)
    for nesterov, T in ((False, 7), (True, 7), (False, 2)):
        tables, momenta, betas = everything_traced(T, 5)
        run = lambda c, m, b: method(net, params, stats, x, y, c, X_STEP, m, reading, nesterov, b)
        final, energies = (lambda r: (r.final, r.energies))(jax.vmap(run)(tables, momenta, betas))
        for i in range(0, len(tables), 7):               # 7 and the 9 pairs of momentum and beta meet in all residues
            true, true_energies = slow_relax(params, x, y, tables[i], X_STEP, float(momenta[i]), reading, nesterov, float(betas[i]))
            assert worst([np.asarray(a[i]) for a in final], true) <= 1e-12
            assert worst(energies[i], true_energies) <= 1e-12


def test_the_front_moves_one_layer_a_step_and_before_it_every_energy_is_exactly_zero():
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    energies = np.asarray(relax(net, params, stats, x, y, Constant()(6, 5)).energies)
    reached = np.arange(7)[:, None] >= 5 - np.arange(1, 6)[None, :]
    np.testing.assert_array_equal(energies > 0, reached)
    assert (energies[~reached] == 0).all()


@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("T", [0, 1, 3])
def test_activities_below_the_front_stay_at_their_initial_values(reading, T):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Spiking(0.1)(T, 5), reading=reading)
    moved = [bool((d != 0).any()) for d in relaxed.displacements]
    assert moved == [l >= 5 - T for l in range(1, 6)]
    for l in range(5):
        if not moved[l]:
            np.testing.assert_array_equal(relaxed.final[l], relaxed.initial[l])


def test_one_table_serves_both_readings():
    table = jnp.array([[1.0, 2.0, 4.0], [8.0, 16.0, 32.0]])
    own, above = update_precisions(table, "activity")           # both pulls over the covariance of the layer above
    np.testing.assert_array_equal(own[:, :2], [[1 / 2, 1 / 4], [1 / 16, 1 / 32]])
    np.testing.assert_array_equal(above[:, :2], [[1 / 2, 1 / 4], [1 / 16, 1 / 32]])
    own, above = update_precisions(table, "energy")             # each pull over its own layer's
    np.testing.assert_array_equal(own[:, :2], [[1, 1 / 2], [1 / 8, 1 / 16]])
    np.testing.assert_array_equal(above[:, :2], [[1 / 2, 1 / 4], [1 / 16, 1 / 32]])


@pytest.mark.parametrize("method", [relax, relax_dense])
def test_the_energy_falls_at_every_small_step(x64, method):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    energy = np.asarray(method(net, params, stats, x, y, Constant()(12, 5), 0.05).energies).sum(1)
    assert (np.diff(energy) < 0).all()


@pytest.mark.parametrize("sigma", [(1.0, 1.0), (0.7, 2.0)])
def test_two_linear_layers_settle_where_the_quadratic_energy_is_least(x64, sigma):
    net = Network((Dense(4, "identity"), Readout(3)))
    params, stats, x, y = setup(net, (2, 5))
    table = jnp.tile(jnp.array(sigma), (80, 1))
    relaxed = relax(net, params, stats, x, y, table, x_step=0.5, reading="energy")
    W, b = params[1]["kernel"], params[1]["bias"]
    mu = x @ params[0]["kernel"] + params[0]["bias"]
    # minimum of |d|^2 / (2 s1) + |y - (mu + d) W - b|^2 / (2 s2)
    hessian = np.eye(4) / sigma[0] + W @ W.T / sigma[1]
    expected = mu + np.linalg.solve(hessian, W @ (y - mu @ W - b).T / sigma[1]).T
    np.testing.assert_allclose(relaxed.final[0], expected, atol=1e-12)
    np.testing.assert_array_equal(relaxed.final[1], y)


@pytest.mark.parametrize("method", [relax, relax_dense])
def test_the_result_of_a_sample_does_not_depend_on_its_batch(x64, method):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, (4, *shape[1:]))
    run = jax.jit(lambda x, y: method(net, params, stats, x, y, Spiking(0.3)(6, 5), X_STEP, 0.5))
    together = run(x, y).final
    for i in range(4):
        assert worst(run(x[i:i + 1], y[i:i + 1]).final, tuple(a[i:i + 1] for a in together)) <= 1e-13


def test_new_covariances_rates_momenta_and_betas_do_not_recompile():
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    traces = []

    @jax.jit
    def run(covariance, x_step, momentum, beta):
        traces.append(1)
        return relax(net, params, stats, x, y, covariance, x_step, momentum, beta=beta)

    finals = [run(schedule(3, 5), 0.1 * i, 0.2 * i, 1.0 - 0.3 * i).final[-2]
              for i, schedule in enumerate([Constant(), Spiking(0.1), Spiking(0.1, np.inf), Decaying()], 1)]
    assert len(traces) == 1 and run._cache_size() == 1
    assert all(worst(a, b) > 0 for a, b in itertools.combinations(finals, 2))


@pytest.mark.parametrize("L, x_step, T, jit", [(8, 0.1, 8, True), (6, 0.01, 8, True), (6, 0.01, 6, False)])
def test_displacements_far_below_the_resolution_of_float32_keep_their_digits(L, x_step, T, jit):
    net = mlp([16] * (L - 1), 16)
    params, stats, x, y = setup(net, (4, 16), gain=1.0)
    run = lambda params, x, y, covariance: relax(net, params, stats, x, y, covariance, x_step)
    relaxed = (jax.jit(run) if jit else run)(params, x, y, Constant()(T, L))
    assert all(d.dtype == jnp.float32 for d in relaxed.displacements)
    resolution = np.spacing(np.abs(np.asarray(relaxed.initial[0])).max())
    assert 0 < np.abs(relaxed.displacements[0]).max() < 0.2 * resolution
    with jax.enable_x64(True):
        true = jax.jit(run)(*as_type((params, x, y), jnp.float64), Constant()(T, L))
        assert worst_layer(relaxed.displacements, true.displacements) < 1e-3


def test_the_light_cone_of_as_many_steps_as_layers_costs_about_half():
    """L = T = 10 equal layers: 10 + 54 + 45 products (first pass, pulls, predictions) against 10 + 90 + 81, so 0.60."""
    net = mlp([64] * 9, 64, "identity")
    x = jnp.zeros((16, 64))
    params, stats = net.init(jax.random.key(0), x)

    def flops(method):
        run = jax.jit(lambda params, x, covariance: method(net, params, stats, x, x, covariance).final)
        cost = run.lower(params, x, jnp.ones((10, 10))).compile().cost_analysis()
        return (cost[0] if isinstance(cost, list) else cost)["flops"]

    assert 0.5 < flops(relax) / flops(relax_dense) < 0.65


# --- edges ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", [relax, relax_dense])
@pytest.mark.parametrize("reading", READINGS)
@pytest.mark.parametrize("T", [0, 2])
def test_a_network_of_one_layer_only_clamps_its_output(method, reading, T):
    net = mlp([], 3)
    params, stats, x, y = setup(net, (2, 4))
    relaxed = method(net, params, stats, x, y, Decaying()(T, 1), reading=reading)
    np.testing.assert_allclose(relaxed.final[0], y, atol=1e-6)
    loss = 0.5 * np.sum((np.asarray(y) - relaxed.initial[0]) ** 2) / 2
    np.testing.assert_allclose(relaxed.energies, np.full((T + 1, 1), loss), rtol=1e-5)


@pytest.mark.parametrize("method", [relax, relax_dense])
def test_no_step_leaves_the_feedforward_pass_and_a_clamped_output(method):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = method(net, params, stats, x, y, Constant()(0, 5), beta=-0.5)
    forward = feedforward(net, params, stats, x)[0]
    assert worst(relaxed.initial, forward) < 1e-6 and worst(relaxed.final[:-1], forward[:-1]) < 1e-6
    np.testing.assert_allclose(relaxed.final[-1], forward[-1] - 0.5 * (y - forward[-1]), atol=1e-6)
    assert relaxed.energies.shape == (1, 5) and (np.asarray(relaxed.energies[0, :-1]) < 1e-10).all()


def test_infinite_covariance_everywhere_holds_the_hidden_activities_still():
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    for method, reading in itertools.product((relax, relax_dense), READINGS):
        relaxed = method(net, params, stats, x, y, jnp.full((6, 5), np.inf), reading=reading)
        assert all((d == 0).all() for d in relaxed.displacements[:-1])
        assert not np.isnan(relaxed.energies).any()


def test_a_small_nudge_of_the_output_keeps_its_digits():
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Constant()(1, 5), beta=1e-5)
    np.testing.assert_allclose(relaxed.displacements[-1], 1e-5 * (y - relaxed.initial[-1]), rtol=1e-5)


class Pair:
    """A layer whose activity is a dictionary of two arrays, as a residual level will be."""

    def init(self, key, x):
        return {"kernel": jax.random.normal(key, (jax.tree.leaves(x)[0].shape[-1], 3)).astype(float) / 2}, {}

    def apply(self, params, stats, x, train=True):
        main, skip = (x["main"], x["skip"]) if isinstance(x, dict) else (x, x)
        return {"main": jnp.tanh(main @ params["kernel"]), "skip": skip * 1.0}, stats


class Join:
    """The readout of `Pair`."""

    def init(self, key, x):
        return Readout(2).init(key, x["main"])

    def apply(self, params, stats, x, train=True):
        return Readout(2).apply(params, stats, x["main"] + x["skip"], train)


def test_activities_may_be_pytrees(x64):
    net = Network((Pair(), Pair(), Join()))
    x = jnp.asarray(np.random.default_rng(0).normal(size=(2, 3)))
    params, stats = net.init(jax.random.key(0), x)
    y = jnp.eye(2)
    for reading in READINGS:
        runs = [jax.jit(lambda method=method: method(net, params, stats, x, y, Spiking(0.3)(5, 3), X_STEP, 0.5, reading)[:4])()
                for method in (relax, relax_dense)]
        assert worst(*runs) <= 1e-12
        assert norm(runs[0][2][0]["skip"]) > 1e-3


def test_errors_of_the_record_are_final_activities_minus_predictions(x64):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Constant()(5, 5))
    mu = tuple(jnp.asarray(np.random.default_rng(3).normal(size=a.shape)) for a in relaxed.final)
    assert isinstance(relaxed, Relaxed)
    assert worst(relaxed.errors(mu), tuple(a - b for a, b in zip(relaxed.final, mu))) <= 1e-13


@pytest.mark.parametrize("method", [relax, relax_dense])
def test_inside_jit_inputs_and_numbers_may_be_constants(method):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    step, momentum, beta, alpha = jnp.array(0.1), jnp.array(0.5), jnp.array(-0.5), jnp.array(0.3)
    run = lambda params: method(net, params, stats, x, y, Spiking(alpha)(2, 5), step, momentum, beta=beta).final
    assert worst(jax.jit(run)(params), run(params)) < 1e-5


# --- bad input: one clear sentence ------------------------------------------------------------------------------------

@pytest.mark.parametrize("method", [relax, relax_dense])
@pytest.mark.parametrize("changed, words", [
    ({"reading": "activty"}, ("reading", "'activity'", "'energy'")),
    ({"covariance": 1.0}, ("covariance", "(T, 5)")),
    ({"covariance": jnp.ones(5)}, ("covariance", "(T, 5)", "(5,)")),
    ({"covariance": jnp.ones((5, 4))}, ("covariance", "(T, 5)", "(5, 4)")),
    ({"covariance": Spiking()}, ("covariance", "(T, 5)")),
    ({"y": jnp.array([0, 1, 2])}, ("target", "(3,)", "(3, 6)", "one-hot")),
    ({"y": jnp.ones((1, 6))}, ("target", "(1, 6)", "(3, 6)")),
    ({"y": jnp.ones((3, 5))}, ("target", "(3, 5)", "(3, 6)")),
    ({"x": jnp.full((3, 6), np.nan)}, ("inputs", "finite")), ({"x_step": 0.0}, ("x_step", "positive")), ({"beta": 0.0}, ("beta", "0"))],
    ids=["reading", "number", "vector", "columns", "schedule", "labels", "broadcast", "classes", "x", "x_step", "beta"])
def test_bad_input_is_told_in_one_sentence(method, changed, words):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    arguments = {"x": x, "covariance": Constant()(3, 5), "y": y} | changed
    with says(*words):
        method(net, params, stats, **arguments)

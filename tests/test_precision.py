"""Every schedule is a table, typed out here from facts, not from what the code prints."""
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers_core import says
from pc_precision.energy import Constant, Decaying, Output, Spiking, since_arrival, unreached

E, INF = np.exp(1.0), np.inf
# exp(-s) / (1 + e^-1 + ...) turned over: the covariance s steps after arrival, with n steps left from arrival on
one = lambda n, k=1.0: [sum(np.exp(-k * j) for j in range(n)) / np.exp(-k * s) for s in range(n)]

TABLES = {          # T = 4 steps (rows), L = 3 layers (columns): the error reaches layer 3 at t = 0, layer 1 at t = 2
    "constant": (Constant(), [[1, 1, 1]] * 4),
    "constant 0.5": (Constant(0.5), [[0.5, 0.5, 0.5]] * 4),
    "spiking": (Spiking(0.1), [[1, 1, 0.1], [1, 0.1, 1], [0.1, 1, 1], [1, 1, 1]]),
    "spiking base": (Spiking(0.2, 1000.0), [[1000, 1000, 0.2], [1000, 0.2, 1000], [0.2, 1000, 1000], [1000] * 3]),
    "spiking base inf": (Spiking(0.2, INF), [[INF, INF, 0.2], [INF, 0.2, INF], [0.2, INF, INF], [INF] * 3]),
    "decaying": (Decaying(), [[INF, INF, 1 + 1 / E + E**-2 + E**-3],
                              [INF, 1 + 1 / E + E**-2, E + 1 + 1 / E + E**-2],
                              [1 + 1 / E, E + 1 + 1 / E, E**2 + E + 1 + 1 / E],
                              [E + 1, E**2 + E + 1, E**3 + E**2 + E + 1]]),
    "decaying k 2": (Decaying(2.0), [[INF, INF, one(4, 2.0)[0]], [INF, one(3, 2.0)[0], one(4, 2.0)[1]],
                                     [one(2, 2.0)[0], one(3, 2.0)[1], one(4, 2.0)[2]],
                                     [one(2, 2.0)[1], one(3, 2.0)[2], one(4, 2.0)[3]]])}


@pytest.mark.parametrize("name", TABLES)
def test_the_table_of_four_steps_and_three_layers(name):
    schedule, table = TABLES[name]
    np.testing.assert_allclose(schedule(4, 3), np.array(table, float), rtol=1e-6)


def test_the_table_of_decaying_precisions_that_the_paper_uses():
    precision = 1 / np.asarray(Decaying(1.0)(7, 5))
    np.testing.assert_allclose(precision[:, 4], [.6327, .2328, .0856, .0315, .0116, .0043, .0016], atol=5e-5)
    np.testing.assert_allclose(precision[:, 0], [0, 0, 0, 0, .6652, .2447, .0900], atol=5e-5)


@pytest.mark.parametrize("T, L", [(5, 5), (9, 4), (3, 6), (1, 1), (1, 4)])
@pytest.mark.parametrize("k", [0.5, 1.0, 2.0])
def test_decaying_precisions_of_a_layer_sum_to_one_and_stay_zero_where_the_error_never_arrives(T, L, k):
    precision = 1 / np.asarray(Decaying(k)(T, L))
    reached = np.array([l > L - T for l in range(1, L + 1)])
    np.testing.assert_allclose(precision.sum(0), reached.astype(float), rtol=1e-5)
    assert not np.isnan(precision).any()
    assert (np.asarray(Decaying(k)(T, L))[:, ~reached] == np.inf).all()
    arrival = L - np.arange(1, L + 1)
    assert all((precision[t, l] > 0) == (t >= arrival[l]) for t in range(T) for l in range(L))


def test_a_steep_decay_ends_in_a_covariance_beyond_all_bounds_not_in_nan_and_so_does_its_derivative():
    table = np.asarray(Decaying(50.0)(8, 3))
    assert not np.isnan(table).any() and table[-1, 2] > 1e30 and table[0, 2] == pytest.approx(1)
    for k in (0.5, 1.0, 50.0, 1000.0):
        assert np.isfinite(jax.jacfwd(lambda k: 1 / Decaying(k)(8, 3))(k)).all()
    exact = jax.jacfwd(lambda k: jnp.exp(-k * jnp.arange(8)) / jnp.exp(-k * jnp.arange(8)).sum())(0.5)
    np.testing.assert_allclose(jax.jacfwd(lambda k: 1 / Decaying(k)(8, 3)[:, 2])(0.5), exact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("T, L", [(5, 5), (9, 4), (3, 6), (1, 1)])
def test_one_spike_a_layer_at_the_step_at_which_the_error_arrives(T, L):
    spikes = np.asarray(Spiking(0.1)(T, L)) < 0.5
    assert sorted(zip(*np.nonzero(spikes))) == sorted((L - l, l - 1) for l in range(1, L + 1) if L - l < T)


def test_steps_since_arrival_are_counted_from_zero():
    np.testing.assert_array_equal(since_arrival(4, 3), [[-2, -1, 0], [-1, 0, 1], [0, 1, 2], [1, 2, 3]])


@pytest.mark.parametrize("schedule", [Constant(), Spiking(), Decaying()], ids=lambda s: type(s).__name__)
@pytest.mark.parametrize("T, L", [(0, 3), (2, 1), (1, 5)])
def test_tables_have_a_row_a_step_and_a_column_a_layer(schedule, T, L):
    table = schedule(T, L)
    assert table.shape == (T, L) and table.dtype == jnp.float32 and bool((table > 0).all())


@pytest.mark.parametrize("schedule", [Constant(), Spiking(), Decaying()], ids=lambda s: type(s).__name__)
def test_tables_are_float64_where_float64_is_on(x64, schedule):
    assert schedule(3, 3).dtype == jnp.float64


@pytest.mark.parametrize("T, L, layers", [
    (5, 5, []), (4, 5, []), (3, 5, [1]), (1, 5, [1, 2, 3]), (0, 5, [1, 2, 3, 4]), (0, 1, []), (9, 2, [])])
def test_unreached_names_the_layers_that_get_no_error(T, L, layers):
    assert unreached(T, L) == layers


@pytest.mark.parametrize("make, values", [(Constant, {"value": 0.1}), (Spiking, {"alpha": 0.1}), (Spiking, {"base": 0.1}),
                                          (Decaying, {"k": 0.1})], ids=["value", "alpha", "base", "k"])
@pytest.mark.parametrize("bad", [0, 0.0, -1.0, float("nan"), -INF])
def test_values_that_are_not_positive_raise(make, values, bad):
    (name,) = values
    with says(name, "positive"):
        make(**{name: bad})


def test_only_the_base_of_a_spike_may_be_infinite():
    assert (np.asarray(Spiking(0.1, INF)(2, 1)) == [[np.float32(0.1)], [INF]]).all()
    for make in (Constant, Spiking, Decaying):
        with says("positive", "infinity"):
            make(INF)


@pytest.mark.parametrize("distance, front", [((2, 1, 0), [2, 1, 0]), ((1, 2, 1, 0), [1, 2, 1, 0]), ((1, 1, 0), [1, 1, 0])])
def test_in_a_graph_the_error_arrives_after_as_many_steps_as_the_layer_is_far_from_the_output(distance, front):
    np.testing.assert_array_equal(since_arrival(4, distance), np.arange(4)[:, None] - np.array(front))
    assert [int(np.argmax(column)) for column in (np.asarray(Spiking(0.1)(4, distance)) < 0.5).T] == front
    precision = 1 / np.asarray(Decaying(0.7)(4, distance))
    for column, arrival in zip(precision.T, front):
        np.testing.assert_allclose(column, [0] * arrival + [np.exp(-0.7 * s) / sum(np.exp(-0.7 * j) for j in range(4 - arrival))
                                                            for s in range(4 - arrival)], rtol=1e-5)
    assert Constant(0.5)(4, distance).shape == (4, len(distance))


@pytest.mark.parametrize("make", [Constant, Spiking, Decaying])
def test_a_traced_value_compiles_once_for_all_values(make):
    traces = []

    @jax.jit
    def table(value):
        traces.append(1)
        return make(value)(4, 3)

    for value in (0.1, 0.5, 2.0):
        np.testing.assert_allclose(table(value), make(value)(4, 3), rtol=1e-6)
    assert len(traces) == 1


def test_schedules_are_values_that_can_be_compared_and_hashed():
    assert Spiking(0.1) == Spiking(0.1) and hash(Spiking(0.1)) == hash(Spiking(0.1)) and Spiking(0.1) != Spiking(0.2)


def test_nudging_moves_the_output_the_share_beta_of_the_way_to_the_label():
    mu, y = jnp.array([[0.0, 2.0]]), jnp.array([[1.0, 0.0]])
    for beta, expected in ((1.0, [[1, 0]]), (0.0, [[0, 2]]), (0.25, [[0.25, 1.5]]), (-0.25, [[-0.25, 2.5]])):
        np.testing.assert_array_equal(mu + Output(y, beta).displacement(mu), expected)


@pytest.mark.parametrize("beta", [0.3, 1.0])
def test_nudges_of_opposite_sign_are_mirror_images(x64, beta):
    rng = np.random.default_rng(0)
    mu, y = {"a": rng.normal(size=(3, 4))}, {"a": rng.normal(size=(3, 4))}
    ahead, behind = (Output(y, b).displacement(mu)["a"] for b in (beta, -beta))
    np.testing.assert_array_equal(ahead, -behind)
    np.testing.assert_allclose(ahead, beta * (y["a"] - mu["a"]), rtol=1e-12)

"""The learning phase: one energy, other gradient. Backpropagation, finite differences and locality are the judges."""
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from helpers_core import (NETS, arrival, as_type, backprop_loss, energy_loss, forward_update_loss, jitted, norm, relative, says, setup, slow_energy, small_mlp, worst, worst_layer)
from pc_precision.energy import LOSSES, Constant, Output, Spiking, errors, layer_energies, total_energy
from pc_precision.inference import dense_inference
from pc_precision.layers import Network, feedforward, predictions
from pc_precision.learning import Algorithm, Lesson, forward, learn, pc, weight_gradient
from pc_precision.light_cone import cone, relax
from pc_precision.methods import error_coordinates, sweep
from pc_precision.networks import Dense, Readout, Residual, mlp

relax, weight_gradient, feedforward, predictions, learn = map(jitted, (relax, weight_gradient, feedforward, predictions, learn))


def gradients(net, params, stats, x, y, covariance, rules, x_step=0.1, beta=1.0):
    """The gradient of every rule after one and the same relaxation; `beta` may be an array, then there is one more axis."""
    def run(beta):
        relaxed = relax(net, params, stats, x, y, covariance, x_step, beta=beta)
        return [weight_gradient(net, params, stats, x, relaxed, rule)[0] for rule in rules]

    return jax.jit(jax.vmap(run) if jnp.ndim(beta) else run)(beta)


@pytest.mark.parametrize("name", ["mlp", "vgg-batch"])
def test_the_forward_update_is_pc_where_final_inputs_equal_initial_ones(x64, name):
    net, shape = NETS[name]()
    params, stats, x, y = setup(net, shape)
    still = jnp.full((3, len(net)), np.inf)
    pc, forward = gradients(net, params, stats, x, y, still, ("pc", "forward"), x_step=0.3)
    assert worst(pc, forward) < 1e-13 and norm(pc) > 0.1
    pc, forward = gradients(net, params, stats, x, y, Constant()(3, len(net)), ("pc", "forward"), x_step=0.3)
    assert relative(pc, forward) > 1e-3


@pytest.mark.parametrize("name", ["mlp", "vgg-batch", "vgg-ema"])
def test_the_forward_update_of_a_front_alone_is_the_gradient_of_backpropagation(x64, name, record_property):
    """x-step = alpha and infinite covariance off the spike: every activity moves once, by exactly the error of backpropagation."""
    net, shape = NETS[name]()
    params, stats, x, y = setup(net, shape)
    L, gaps = len(net), []
    for T, beta in ((L - 1, 1.0), (L + 3, -0.5)):
        forward, bp = gradients(net, params, stats, x, y, Spiking(0.2, np.inf)(T, L), ("forward", backprop_loss), x_step=0.2, beta=beta)
        assert all(norm(g) > 1e-4 for g in bp)
        gaps.append(worst_layer(forward, bp))
    record_property("forward update of the front against backpropagation", f"{max(gaps):.1e}")
    print(f"\n{name}: forward update of the front against backpropagation, worst layer: {max(gaps):.1e}")
    assert max(gaps) < 1e-10


def test_a_front_over_covariance_one_differs_from_backpropagation_in_proportion_to_alpha(x64):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    alphas, gaps = (1e-2, 1e-3, 1e-4), []
    for alpha in alphas:
        forward, bp = gradients(net, params, stats, x, y, Spiking(alpha)(5, 5), ("forward", backprop_loss), x_step=alpha)
        gaps.append(relative(forward, bp))
    slopes = np.diff(np.log(gaps)) / np.diff(np.log(alphas))
    np.testing.assert_allclose(slopes, 1.0, atol=0.05)


@pytest.mark.parametrize("rule", ["pc", "forward"])
def test_the_energy_of_a_layer_has_no_gradient_in_the_parameters_of_another(x64, rule):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Constant()(5, 5), 0.3)
    inputs = relaxed.final if rule == "pc" else relaxed.initial
    each = lambda p: layer_energies(relaxed.errors_against(predictions(net, p, stats, x, inputs)))
    table = jax.jit(jax.jacrev(each))(params)
    for of, by in itertools.product(range(5), range(5)):
        size = norm([a[of] for a in jax.tree.leaves(table[by])])
        assert size > 1e-6 if of == by else size == 0.0


def test_backpropagation_is_the_gradient_of_the_squared_error_written_out(x64):
    net = Network((Dense(4, "tanh"), Dense(3, "relu"), Readout(2)))
    params, stats, x, y = setup(net, (3, 5))

    def loss(p):
        h = jnp.tanh(x @ p[0]["kernel"] + p[0]["bias"])
        h = jnp.maximum(h @ p[1]["kernel"] + p[1]["bias"], 0)
        return jnp.sum((h @ p[2]["kernel"] + p[2]["bias"] - y) ** 2) / 2 / 3

    relaxed = relax(net, params, stats, x, y, Constant()(0, 3))
    assert float(jitted(backprop_loss)(net, params, stats, x, relaxed)) == pytest.approx(float(jax.jit(loss)(params)), rel=1e-13)
    grads, _ = weight_gradient(net, params, stats, x, relaxed, backprop_loss)
    assert worst_layer(grads, jax.jit(jax.grad(loss))(params)) < 1e-13


@pytest.mark.parametrize("beta", [1.0, 0.3, -0.5])
def test_a_nudge_does_not_change_the_gradient_of_backpropagation(x64, beta):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    nudged, clamped = (gradients(net, params, stats, x, y, Constant()(0, 5), (backprop_loss,), beta=b)[0] for b in (beta, 1.0))
    assert worst_layer(nudged, clamped) < 1e-13


@pytest.mark.parametrize("rule, beta", [("pc", 1.0), ("pc", -0.5), ("forward", 0.3)])
def test_the_weight_gradient_agrees_with_finite_differences_of_a_slow_energy(x64, rule, beta):
    net, shape = small_mlp("tanh")
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Constant()(6, 5), 0.3, beta=beta)
    grads, _ = weight_gradient(net, params, stats, x, relaxed, rule)
    inputs, rng = (relaxed.final if rule == "pc" else relaxed.initial), np.random.default_rng(1)
    value = lambda p: slow_energy(p, x, inputs, relaxed.final)
    loss = jitted({"pc": energy_loss, "forward": forward_update_loss}[rule])
    for scale in (1.0, 3.0):                                    # a function of its parameters, not of those of the relaxation
        at = jax.tree.map(lambda a, s=scale: s * np.asarray(a), params)
        assert float(loss(net, at, stats, x, relaxed)) == pytest.approx(value(at), rel=1e-12)
    for layer in range(5):
        direction = jax.tree.map(lambda a: rng.normal(size=a.shape), params[layer])
        nudged = [[*params[:layer], jax.tree.map(lambda a, d, h=h: np.asarray(a) + h * d, params[layer], direction),
                   *params[layer + 1:]] for h in (1e-5, -1e-5)]
        slope = (value(nudged[0]) - value(nudged[1])) / 2e-5 / beta
        along = sum(np.vdot(g, d) for g, d in zip(jax.tree.leaves(grads[layer]), jax.tree.leaves(direction)))
        assert along == pytest.approx(slope, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("beta", [1.0, 0.1, -0.7])
def test_over_beta_the_readout_gets_the_gradient_of_backpropagation_at_every_nudge(x64, beta):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    forward, bp = gradients(net, params, stats, x, y, Constant()(6, 5), ("forward", backprop_loss), beta=beta)
    assert relative(forward[-1], bp[-1]) < 1e-12
    assert relative(forward[0], bp[0]) > 1e-3


def test_over_beta_a_small_nudge_has_a_limit_that_centre_nudging_reaches_one_order_sooner(x64):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    betas = jnp.array([0.04, 0.02, 0.01, -0.04, -0.02, -0.01])
    pc, = gradients(net, params, stats, x, y, Constant()(6, 5), ("pc",), x_step=0.3, beta=betas)
    pc = [jax.tree.map(lambda g: np.asarray(g)[i], pc) for i in range(6)]
    positive, negative = pc[:3], pc[3:]
    centre = [jax.tree.map(lambda a, b: (a + b) / 2, *pair) for pair in zip(positive, negative)]
    for sides, ratio in ((positive, 2), (negative, 2), (centre, 4)):        # errors O(beta), O(beta), O(beta^2)
        gaps = [norm(jax.tree.map(np.subtract, a, b)) for a, b in itertools.pairwise(sides)]
        assert gaps[0] / gaps[1] == pytest.approx(ratio, rel=0.1)


def test_a_rule_may_be_a_function_of_your_own(x64):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Constant()(4, 5), 0.3)

    def halfway(net, params, stats, x, relaxed):
        inputs = jax.tree.map(lambda a, b: (a + b) / 2, relaxed.initial, relaxed.final)
        return total_energy(errors(relaxed.final, predictions(net, params, stats, x, inputs)))

    grads, _ = weight_gradient(net, params, stats, x, relaxed, halfway)
    # the readout's own gradient, by hand: -(x_L - mu_L) outer its input
    inputs = (relaxed.initial[3] + relaxed.final[3]) / 2
    eps = relaxed.final[4] - inputs @ params[4]["kernel"] - params[4]["bias"]
    np.testing.assert_allclose(grads[4]["kernel"], -inputs.T @ eps / len(x), atol=1e-13)
    np.testing.assert_allclose(grads[4]["bias"], -eps.mean(0), atol=1e-13)
    for rule, name in ((energy_loss, "pc"), (forward_update_loss, "forward")):
        assert worst(weight_gradient(net, params, stats, x, relaxed, rule)[0],
                     weight_gradient(net, params, stats, x, relaxed, name)[0]) < 1e-13


@pytest.mark.parametrize("rule", ["pc", "forward"])
def test_layers_without_an_error_do_not_learn(rule):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Constant()(2, 5), 0.3)
    grads, _ = weight_gradient(net, params, stats, x, relaxed, rule)
    assert [norm(g) > 1e-6 for g in grads] == [False, False, True, True, True]


@pytest.mark.parametrize("together", [True, False], ids=["one compilation", "two compilations"])
def test_gradients_of_the_first_layers_keep_their_digits_in_float32(together):
    """Their errors are far below the rounding of an activity: predicting anew and subtracting would leave noise."""
    net = mlp([16] * 6, 16)
    params, stats, x, y = setup(net, (4, 16), gain=1.0)

    def run(params, x, y):
        settle = lambda p, x, y: relax(net, p, stats, x, y, Constant()(7, 7))
        learn = lambda p, x, relaxed: [weight_gradient(net, p, stats, x, relaxed, rule)[0] for rule in ("pc", "forward")]
        if together:
            return jax.jit(lambda p, x, y: learn(p, x, settle(p, x, y)))(params, x, y)
        return jax.jit(learn)(params, x, jax.jit(settle)(params, x, y))

    single = run(params, x, y)
    with jax.enable_x64(True):
        double = run(*as_type((params, x, y), jnp.float64))
    for of_float32, of_float64 in zip(single, double):
        assert worst_layer(of_float32, of_float64) < 1e-3


@pytest.mark.parametrize("rule, words", [("forwrd", ("did you mean 'forward'", "'pc'")), (3, ("rule", "'pc'", "'forward'")),
                                         ("", ("rule", "'pc'")), (None, ("rule", "'pc'"))])
def test_an_unknown_rule_is_told_in_one_sentence(rule, words):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    relaxed = relax(net, params, stats, x, y, Constant()(0, 5))
    with says(*words):
        weight_gradient(net, params, stats, x, relaxed, rule)


# --- outputs, graphs and algorithms -----------------------------------------------------------------------------------

@pytest.mark.parametrize("name", ["mlp", "graph", "resnet"])
@pytest.mark.parametrize("loss", LOSSES)
def test_a_sweep_and_the_forward_update_are_the_gradient_of_the_plain_loss_at_every_nudge(x64, name, loss):
    net, shape = NETS[name]()
    params, stats, x, y = setup(net, shape)

    def cost(params):
        mu = feedforward(net, params, stats, x)[0][-1]
        if loss == "squared_error":
            return 0.5 * jnp.sum((y - mu) ** 2) / len(x)
        return jnp.sum(y * (jax.nn.logsumexp(mu, -1, keepdims=True) - mu)) / len(x)

    @jax.jit
    def run(beta):
        settled = relax(net, params, stats, x, Output(y, beta, LOSSES[loss]), Constant()(1, len(net)), inference=lambda _: sweep())
        return weight_gradient(net, params, stats, x, settled, "forward")[0], settled.energies[-1, -1]

    true = jax.jit(jax.grad(cost))(params)
    assert all(norm(g) > 1e-4 for g in true)
    for beta in (1.0, 0.3, -0.5):
        assert worst_layer(run(beta)[0], true) < 1e-12
    if loss == "cross_entropy":
        assert float(run(1.0)[1]) == pytest.approx(float(cost(params)), rel=1e-12)


@pytest.mark.parametrize("way", [cone, dense_inference, error_coordinates])
@pytest.mark.parametrize("name, loss", [("mlp", "cross_entropy"), ("graph", "squared_error")])
def test_both_rules_are_the_gradient_of_their_energy_written_out_over_beta(x64, name, loss, way):
    net, shape = NETS[name]()
    params, stats, x, y = setup(net, shape)

    def written(params, inputs, final, target):
        mu = predictions(net, params, stats, x, inputs)
        hidden = sum(jnp.sum((a - m) ** 2) / 2 for a, m in zip(final[:-1], mu[:-1]))
        if loss == "squared_error":
            return (hidden + jnp.sum((target - mu[-1]) ** 2) / 2) / len(x)
        return (hidden + jnp.sum(jax.nn.logsumexp(mu[-1], -1) - (target * mu[-1]).sum(-1))) / len(x)

    @jax.jit
    def run(params, beta):
        settled = relax(net, params, stats, x, Output(y, beta, LOSSES[loss]), Constant()(4, len(net)), 0.2, inference=way)
        found = [weight_gradient(net, params, stats, x, settled, rule)[0] for rule in (pc, forward)]
        true = [jax.grad(written)(params, inputs, settled.final, settled.final[-1]) for inputs in (settled.final, settled.initial)]
        return found, jax.tree.map(lambda g: g / beta, true)

    for beta in (1.0, 0.3, -0.5):
        for found, true in zip(*run(params, beta)):
            assert worst_layer(found, true) < 1e-12


def slow_ipc(net, params, stats, x, y, table, weights, rates, solver, optimiser):
    """iPC written out: at each step both gradients of one weighted energy, from the same point, over the layers that are reached."""
    activities, since = feedforward(net, params, stats, x)[0], arrival(net)
    hidden, state = activities[:-1], optimiser.init(params)
    solver_state = solver.init(hidden)

    @jax.jit
    def gradients(hidden, params, w, reached):
        def E(hidden, params):
            mu = predictions(net, params, stats, x, (*hidden, y))
            return sum(w[l] * reached[l] * jnp.sum((a - m) ** 2) / 2 for l, (a, m) in enumerate(zip((*hidden, y), mu)))
        return jax.grad(E, (0, 1))(hidden, params)

    @jax.jit
    def step(hidden, solver_state, gx, rates, params, state, g):
        gx, g = tuple(rates[l] * a for l, a in enumerate(gx)), jax.tree.map(lambda a: a / len(x), g)
        updates, solver_state = solver.update(gx, solver_state, hidden)
        hidden = optax.apply_updates(hidden, updates)
        updates, state = optimiser.update(g, state, params)
        updates = jax.tree.map(lambda u, a: jnp.where((a != 0).any(), u, 0 * u), updates, g)
        return hidden, solver_state, optax.apply_updates(params, updates), state

    weights, rates = np.asarray(weights), np.asarray(rates)
    for t in range(len(table)):
        gx, g = gradients(hidden, params, weights[t], (t >= since) * 1.0)
        before = hidden
        hidden, solver_state, params, state = step(hidden, solver_state, gx, rates[t], params, state, g)
    return params, before


@pytest.mark.parametrize("name, reading, T", [
    ("mlp", "energy", 4), ("mlp", "activity", 27), ("ladder", "energy", 34), ("ladder", "activity", 3),
    ("graph", "energy", 27)])
def test_incremental_predictive_coding_is_its_loop_written_out(x64, name, reading, T):
    ladder = Network((Dense(6), Dense(6), Residual(Dense(6)), Readout(6)), (0, 1, (2, 1), 3))
    net, shape = (ladder, (3, 6)) if name == "ladder" else NETS[name]()
    params, stats, x, y = setup(net, shape)
    schedule, solver, optimiser = Spiking(0.3), optax.sgd(0.1, 0.5), optax.adamw(1e-2, eps=1e-3, weight_decay=1e-2)
    table = schedule(T, net.distance)
    above = {"mlp": [1, 2, 3, 4, 4], "ladder": [2, 2, 3, 3], "graph": None}[name]
    weights, rates = (1 / table, jnp.ones_like(table)) if reading == "energy" else (jnp.ones_like(table), 1 / table[:, jnp.array(above)])
    slow_params, before = slow_ipc(net, params, stats, x, y, table, weights, rates, solver, optimiser)
    algorithm = Algorithm(dense_inference(solver), schedule, pc, T, reading, "step")
    learned = jax.jit(lambda p: learn(algorithm, optimiser, net, p, stats, optimiser.init(p), x, Output(y)))(params)
    gap = worst(learned.params, slow_params)
    print(f"\niPC against its loop, {name} {reading} T = {T}: {gap:.1e}")
    assert gap < 1e-11 and worst(learned.settled.final[:-1], before) < 1e-11
    moved = [worst(a, b) > 0 for a, b in zip(learned.params, params)]
    assert moved == [since < T for since in arrival(net)]


@pytest.mark.parametrize("algorithm", [
    Algorithm(dense_inference(optax.sgd(0.1)), Constant(), pc, 6, "energy", "step"), Algorithm(error_coordinates(optax.sgd(0.1)), Constant(), pc, 6),
    Algorithm(cone(optax.sgd(0.1)), Spiking(0.1), forward, 6), Algorithm(sweep(), Constant(), forward, 6)], ids=["iPC", "ePC", "S+F", "BP"])
@pytest.mark.parametrize("name, loss", [("mlp", "squared_error"), ("graph", "cross_entropy")])
def test_every_algorithm_lowers_the_loss_of_its_batch(name, loss, algorithm):
    net, shape = NETS[name]()
    params, stats, x, y = setup(net, (16, *shape[1:]), gain=1.0)
    optimiser, output = optax.adamw(3e-3), Output(y, 1.0, LOSSES[loss])
    cost = lambda learned: float(output.loss.cost(learned.settled.initial[-1], y).mean())
    step = jax.jit(lambda p, state: learn(algorithm, optimiser, net, p, stats, state, x, output))
    first = learned = step(params, optimiser.init(params))
    for _ in range(25):
        learned = step(learned.params, learned.optimiser)
    assert cost(learned) < 0.9 * cost(first)


def test_a_batch_of_learn_is_inference_a_gradient_and_a_step_of_the_optimiser(x64):
    net, shape = NETS["vgg-ema"]()
    params, stats, x, y = setup(net, shape)
    optimiser, table = optax.adamw(1e-2), Spiking(0.3)(4, 4)
    for rule in (pc, forward, backprop_loss):
        learned = learn(Algorithm(cone(optax.sgd(0.2)), Spiking(0.3), rule, 4), optimiser, net, params, stats, optimiser.init(params), x, Output(y, 0.5))
        settled = relax(net, params, stats, x, y, table, 0.2, beta=0.5)
        grads, after = weight_gradient(net, params, stats, x, settled, rule)
        step = lambda grads: optax.apply_updates(params, optimiser.update(grads, optimiser.init(params), params)[0])
        assert worst(learned.params, jax.jit(step)(grads)) < 1e-10 and worst(learned.stats, after) < 1e-13
        assert worst(learned.errors, settled.displacements if rule is forward else settled.errors) < 1e-13


@pytest.mark.parametrize("inference, tempo, words", [
    (cone(optax.sgd(0.1)), "step", ("tempo 'step'", "dense")), (error_coordinates(optax.sgd(0.1)), "step", ("tempo 'step'", "dense")),
    (sweep(), "step", ("tempo 'step'", "dense")), (dense_inference(optax.sgd(0.1)), "stpe", ("tempo", "did you mean 'step'", "'batch'")),
    (cone(optax.sgd(0.1)), None, ("tempo", "'batch'", "'step'"))])
def test_a_tempo_that_does_not_exist_or_that_an_inference_cannot_follow_is_told_in_one_sentence(inference, tempo, words):
    net, shape = small_mlp()
    params, stats, x, y = setup(net, shape)
    with says(*words):
        learn(Algorithm(inference, Constant(), pc, 3, tempo=tempo), optax.sgd(0.1), net, params, stats, optax.sgd(0.1).init(params), x, Output(y))


def test_a_lesson_of_your_own_mixes_what_predicts_and_what_teaches(x64):
    net, shape = small_mlp("tanh")
    params, stats, x, y = setup(net, shape)
    settled = relax(net, params, stats, x, y, Constant()(5, 5), 0.3, beta=-0.5)
    grads, _ = weight_gradient(net, params, stats, x, settled, lambda settled: Lesson(settled.initial, settled.errors))
    for l in range(5):
        below = (x, *settled.initial)[l]
        slope = 1 if l == 4 else 1 - settled.initial[l] ** 2
        np.testing.assert_allclose(grads[l]["kernel"], -below.T @ (settled.errors[l] * slope) / len(x) / -0.5, atol=1e-13)

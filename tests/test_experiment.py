"An experiment is one value: equal runs have equal keys in every process, other runs have others, bad ones are refused."
import copy
import os
import pickle
import subprocess
import sys
import warnings
from dataclasses import FrozenInstanceError, asdict, fields, replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from helpers_core import init, jitted, norm
from pc_precision.algorithms import ALGORITHMS, DEFAULTS, INFERENCES, PRESETS, Named, Recipe, authors, defaults
from pc_precision.energy import Decaying, Loss, Spiking
from pc_precision.experiment import Experiment, Known, configurations, explain, structure
from pc_precision.layers import feedforward
from pc_precision.learning import weight_gradient
from pc_precision.light_cone import relax
from pc_precision.networks import RESNET, VGG, depth, mlp
from pc_precision.protocol import covariance, expected_sizes, network, silent, warn_of_silent_layers

BASE = Experiment(model="vgg7", algorithm="S+F-CN", batch_norm="freeze")
OTHER = dict(dataset="cifar10", model="vgg5", algorithm="S+F", batch_norm="bn", seed=1, width=0.5, activation="relu", bn_mode="ema",
             padding=1, T=9, x_step=0.2, momentum=0.5, nesterov=True, reading="energy", alpha=0.3, base=10.0, beta=0.7,
             sign_per="epoch", learning_rate=1e-5, weight_decay=0.1, batch_size=64, epochs=3, schedule_epochs=3, patience=None,
             limit=500, augment=False, select="test", matmul_precision="highest", output="cross_entropy",
             dtype="bfloat16", optimiser="sgd", skip=0.01)


@pytest.mark.parametrize("name", OTHER)
def test_every_setting_that_matters_changes_the_key(name):
    assert replace(BASE, **{name: OTHER[name]}).key != BASE.key


def test_the_list_above_names_every_field():
    assert {f.name for f in fields(Experiment)} == {*OTHER, "k"}          # k: see the decaying schedule below
    decaying = replace(BASE, algorithm="D")
    assert replace(decaying, k=1.5).key != decaying.key


@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"])
def test_a_key_that_was_worked_out_is_part_of_nothing_else(again):
    fresh, used = (replace(BASE, x_step=0.2) for _ in range(2))
    key, about = used.key, (fresh == used, hash(fresh), repr(fresh), asdict(fresh), pickle.dumps(fresh))
    assert about == (True, hash(used), repr(used), asdict(used), pickle.dumps(used)) and used.key is key
    other = again(used)
    assert other == used and hash(other) == hash(used) and vars(other) == vars(fresh) and other.key == key
    assert replace(used, x_step=0.3).key == replace(fresh, x_step=0.3).key != key
    with pytest.raises(FrozenInstanceError):
        used.key = "0" * 16


def test_settings_that_do_not_matter_leave_the_key():
    bp = Experiment(algorithm="BP")
    for name in ("T", "x_step", "momentum", "nesterov", "reading", "alpha", "base", "k", "beta", "sign_per", "bn_mode"):
        value = {**OTHER, "k": 2.0}[name]
        assert name not in bp.settings and replace(bp, **{name: value}).key == bp.key
    assert replace(bp, batch_norm="bn").key == replace(bp, batch_norm="freeze").key != bp.key
    assert replace(bp, skip=0.1).key == bp.key
    assert replace(BASE, batch_norm="bn", skip=0.1).key == replace(BASE, batch_norm="bn").key       # dense inference


def test_the_key_is_the_same_in_another_process_and_however_it_is_written():
    code = "from pc_precision.experiment import Experiment; print(Experiment(model='vgg7', algorithm='S+F-CN', batch_norm='freeze').key)"
    keys = {subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": s, "PYTHONPATH": ":".join(sys.path), "PATH": ""},
                           capture_output=True, text=True, check=True).stdout.strip() for s in ("1", "2")}
    assert keys == {BASE.key}
    assert replace(BASE, alpha=1).key == replace(BASE, alpha=1.0).key
    assert replace(BASE, x_step=BASE.settings["x_step"], T=7).key == BASE.key


def test_resolving_twice_changes_nothing_and_replacing_asks_for_the_other_algorithms_defaults():
    for name in ALGORITHMS:
        exp = replace(BASE, algorithm=name)
        assert Experiment(**exp.settings).settings == exp.settings
    assert replace(BASE, algorithm="PC", dataset="cifar10").settings["x_step"] == DEFAULTS["PC"]["x_step"]
    assert BASE.settings["T"] == 7 and BASE.settings["alpha"] == BASE.settings["x_step"]
    assert defaults("PC-CN", "cifar10", 5)["beta"] < 1 == defaults("PC", "cifar10", 5)["beta"]


def test_settings_hold_what_the_run_uses_and_nothing_else_and_nobody_can_change_them():
    descent = {"T", "x_step", "momentum", "nesterov", "reading"}
    own = {"BP": set(), "PC": descent | {"skip"}, "S": descent | {"skip", "alpha", "base"}, "D": descent | {"skip", "k"},
           "PC-CN": descent | {"skip", "beta", "sign_per"}, "EP": descent | {"beta"}, "iPC": descent}
    method = descent | {"alpha", "base", "k", "beta", "sign_per", "skip", "bn_mode"}
    for name, names in own.items():
        exp = Experiment(algorithm=name)
        assert {*exp.settings} == names | ({each.name for each in fields(Experiment)} - method)
        left_open = [n for n, value in exp.settings.items() if value is None]
        assert left_open == ["batch_norm", "padding", "limit"], "None there is a value: no BatchNorm, the network's own padding, all images"
    with pytest.raises(TypeError):
        BASE.settings["T"] = 3


@pytest.mark.parametrize("model", [*VGG, *RESNET, "mlp-4", "mlp-4-4-4", "mupc-4x7"])
def test_the_name_of_a_network_tells_the_depth_that_it_has(model):
    assert depth(model) == structure(Experiment(model=model, width=1 / 64), 3).depth == Experiment(model=model).layers


def test_explain_names_who_chose_each_setting():
    asked = Experiment(dataset="cifar10", algorithm="D+F", x_step=0.2, epochs=7, base=1.0)
    told = explain(asked)
    assert {name: one.value for name, one in told.items()} == asked.settings
    source = {name: one.source for name, one in told.items()}
    assert source["x_step"] == source["epochs"] == source["dataset"] == "asked for" and source["T"] == source["seed"] == "default"
    assert source["momentum"] == source["learning_rate"] == "published by the authors, for VGG5 on CIFAR-10"
    assert explain(Experiment(algorithm="BP"))["learning_rate"] == (4e-3, "default for digits")
    assert explain(Experiment(algorithm="PC-CN"))["beta"] == (0.5, "default of centre nudging")
    assert explain(Experiment(algorithm="S", x_step=0.3))["alpha"] == (0.3, "equal to x_step")
    assert explain(Experiment(algorithm=Named("mine", Recipe())))["learning_rate"].source == "default for digits"
    found = Known("a search", dict(dataset="cifar10"), dict(x_step=0.2, epochs=7))
    assert {n for n, one in explain(asked, [found]).items() if one.source == "a search"} == {"x_step", "epochs"}
    for other in (found._replace(where=dict(dataset="digits")), found._replace(settings=dict(x_step=0.2, epochs=8))):
        assert explain(asked, [other]) == told, "settings count together, and where they were found"
    assert explain(asked, [found, found._replace(source="later")]) == explain(asked, [found])


def test_algorithms_are_the_papers():
    rule = {name: (a.schedule, a.rule, a.nudging) for name, a in ALGORITHMS.items()}
    assert rule["BP"] == ("constant", "forward", "none") and rule["PC"] == ("constant", "pc", "none")
    assert rule["PC-CN"] == ("constant", "pc", "centre") and rule["F"] == ("constant", "forward", "none")
    assert rule["D"] == ("decaying", "pc", "none") and rule["S"] == ("spiking", "pc", "none")
    assert rule["D+F"] == ("decaying", "forward", "none") and rule["S+F"] == ("spiking", "forward", "none")


def test_every_algorithm_of_the_paper_infers_on_the_light_cone_and_learns_once_a_batch_but_backpropagation_sweeps():
    papers = [name for name in ALGORITHMS if name not in ("BP", "ePC", "iPC", "iPC+S", "iPC+D", "Meta-PC", "EP", "PC-ALM")]
    assert len(papers) == 12 and {(ALGORITHMS[name].inference, ALGORITHMS[name].tempo) for name in papers} == {("cone", "batch")}
    assert (ALGORITHMS["BP"].inference, ALGORITHMS["BP"].tempo) == ("sweep", "batch")


def test_epc_changes_the_inference_alone_and_ipc_learns_at_every_step_of_dense_inference():
    assert ALGORITHMS["ePC"] == replace(ALGORITHMS["PC"], inference="error_coordinates")
    assert ALGORITHMS["iPC"] == replace(ALGORITHMS["PC"], inference="dense", tempo="step")
    assert all({"T", "x_step", "momentum"} <= {*Experiment(algorithm=name).settings} for name in ("ePC", "iPC"))
    assert len({Experiment(algorithm=name).key for name in ALGORITHMS}) == len(ALGORITHMS)


def test_the_rivals_start_from_their_published_steps_and_nudging():
    full = {name: Experiment(algorithm=name, dataset="cifar10", model="vgg7").settings for name in ("Meta-PC", "EP", "PC-ALM", "ePC")}
    assert {name: (s["T"], s["x_step"], s.get("beta")) for name, s in full.items()} == {
        "Meta-PC": (7, 1.0, None), "EP": (7, 1.0, 0.02), "PC-ALM": (14, 0.23, None), "ePC": (5, 0.001, None)}
    assert ALGORITHMS["iPC+S"] == replace(ALGORITHMS["iPC"], schedule="spiking")


def test_statistics_that_are_not_frozen_need_dense_inference_and_the_recipe_says_so():
    for name, recipe in ALGORITHMS.items():
        assert Experiment(algorithm=name).recipe == recipe
        if name not in ("ePC", "Meta-PC", "EP", "PC-ALM"):
            kept = {"cone": "dense_unfrozen", "dense": "dense_unfrozen"}.get(recipe.inference, recipe.inference)
            assert Experiment(algorithm=name, batch_norm="bn").recipe == replace(recipe, inference=kept)
        assert Experiment(algorithm=name, batch_norm="freeze").recipe == recipe


@pytest.mark.parametrize("field, value, hint", [
    ("schedule", "spikes", "spiking"), ("rule", "foward", "forward"), ("nudging", "center", "centre"),
    ("inference", "cones", "cone"), ("tempo", "steps", "step")])
def test_a_recipe_refuses_an_unknown_name_and_names_the_nearest(field, value, hint):
    with pytest.raises(ValueError, match=f"unknown {field} {value!r} .did you mean {hint!r}"):
        Recipe(**{field: value})


def test_a_recipe_without_words_is_standard_predictive_coding():
    assert Recipe() == ALGORITHMS["PC"] and set(INFERENCES) == {
        "cone", "dense", "dense_unfrozen", "error_coordinates", "sweep", "fixed_predictions", "equilibrium_propagation", "augmented_lagrangian"}


KEPT = {  # typed from files in results/: their names end in the key
    "920ddd246130b167": dict(dataset="cifar10", model="vgg5", algorithm="S+F", batch_norm="freeze", width=0.125, T=5, x_step=0.003,
                             momentum=0.0, alpha=0.003, learning_rate=0.003, weight_decay=0.00011, batch_size=64, epochs=10,
                             schedule_epochs=10, patience=10, limit=10000),
    "355291a1634ce1ef": dict(dataset="cifar10", model="vgg10", algorithm="PC", width=0.125, T=10, x_step=0.0235, momentum=0.3,
                             learning_rate=0.003, weight_decay=0.0067, batch_size=64, epochs=10, schedule_epochs=10, patience=10,
                             limit=10000),
    "78a79d40e0f16e61": dict(dataset="digits", model="vgg10", algorithm="D+F-CN", width=0.0625, T=10, x_step=0.13, momentum=0.5,
                             k=1.0, beta=0.5, sign_per="batch", learning_rate=0.004, weight_decay=0.0001, batch_size=32, epochs=3,
                             schedule_epochs=3, patience=10),
    "6e5444a8d8f41877": dict(dataset="cifar10", model="vgg7", algorithm="BP", batch_norm="bn", width=0.125, learning_rate=0.003,
                             weight_decay=0.00011, batch_size=64, epochs=10, schedule_epochs=10, patience=10, limit=10000)}


@pytest.mark.parametrize("key", KEPT)
def test_runs_that_were_stored_before_there_were_outputs_and_types_are_found_under_their_keys(key):
    assert Experiment(**KEPT[key]).key == key
    assert Experiment(**KEPT[key], output="squared_error", dtype="float32").key == key
    assert Experiment(**KEPT[key], output="cross_entropy").key != key != Experiment(**KEPT[key], dtype="bfloat16").key


def test_float64_is_refused_unless_jax_has_its_64_bit_mode_and_then_has_a_key_of_its_own(x64):
    import jax
    wide = Experiment(dtype="float64")
    assert wide.key not in {Experiment().key, Experiment(dtype="bfloat16").key}
    with jax.enable_x64(False), pytest.raises(ValueError, match="JAX_ENABLE_X64=1"):
        Experiment(dtype="float64")


@pytest.mark.parametrize("flag, code", [("0", 1), ("1", 0)])
def test_the_environment_variable_that_the_refusal_names_is_the_one_that_helps(flag, code):
    done = subprocess.run([sys.executable, "-c", "from pc_precision.experiment import Experiment; Experiment(dtype='float64')"],
                          env=os.environ | {"JAX_ENABLE_X64": flag, "PYTHONPATH": ":".join(sys.path)},
                          capture_output=True, text=True)
    assert done.returncode == code and ("ValueError" in done.stderr) is bool(code), done.stderr[-2000:]


def test_covariance_tables_come_from_the_settings():
    exp = Experiment(model="mlp-8-8", algorithm="S+F", T=4, alpha=0.25, base=2.0)
    assert np.allclose(covariance(exp), Spiking(0.25, 2.0)(4, 3))
    assert np.allclose(covariance(replace(exp, algorithm="D", k=1.5)), Decaying(1.5)(4, 3))
    assert np.allclose(covariance(replace(exp, algorithm="F")), 1) and covariance(replace(exp, algorithm="BP")).shape == (0, 3)


def test_networks_come_from_the_settings():
    net = network(Experiment(model="vgg5", width=0.25, activation="relu", batch_norm="freeze", bn_mode="ema", padding=1), 7)
    assert net.layers[0].features == 32 and net.layers[3].padding == 1 and net.layers[-1].features == 7
    assert {b.batch_norm for b in net.layers[:-1]} == {"ema"} and {b.activation for b in net.layers[:-1]} == {"relu"}
    assert len(network(Experiment(model="mlp-5-6-7"), 3)) == 4


@pytest.mark.parametrize("bad, says", [
    (dict(algorithm="SF"), "did you mean 'S+F'"), (dict(model="vgg6"), "'vgg5', 'vgg7', 'vgg10', 'vgg15'"), (dict(dataset=""), "'digits'"),
    (dict(batch_norm="frozen"), "'freeze'"), (dict(bn_mode="running"), "'batch', 'ema'"), (dict(reading="both"), "'activity', 'energy'"),
    (dict(activation="swish"), "'gelu'"), (dict(select="train"), "'validation', 'test'"), (dict(T=0), "T must be"), (dict(T=2.5), "T must be"),
    (dict(seed=-1), "seed must be"), (dict(alpha=0), "alpha must be"), (dict(x_step=-1.0), "x_step must be"), (dict(beta=0), "beta must be"),
    (dict(beta=1.5), "beta must be"), (dict(momentum=-0.1), "momentum must be"), (dict(learning_rate=float("nan")), "learning_rate must be"),
    (dict(weight_decay=-1), "weight_decay must be"), (dict(epochs=True), "epochs must be"), (dict(width="1"), "width must be"),
    (dict(output="hinge"), "'squared_error', 'cross_entropy'"), (dict(output="crossentropy"), "did you mean 'cross_entropy'"),
    (dict(dtype="float16"), "'float32', 'bfloat16', 'float64'"), (dict(dtype="float64"), "JAX_ENABLE_X64=1"),
    (dict(algorithm="ePC", batch_norm="bn"), "use batch_norm='freeze'"), (dict(algorithm="EPC"), "did you mean 'ePC'"),
    (dict(model="mlp-8", batch_norm="bn"), "mlp has no BatchNorm"), (dict(model="mlp-0"), "mlp-64-64")])
def test_bad_values_stop_with_one_sentence_that_names_what_is_allowed(bad, says):
    with pytest.raises(ValueError) as caught:
        Experiment(**bad)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_too_few_steps_warn_and_name_the_layers_that_never_learn():
    with pytest.warns(UserWarning, match=r"never reaches layers 1, 2, 3, which will not learn; use T >= 10"):
        Experiment(model="vgg10", T=6)
    with pytest.warns(UserWarning, match=r"layer 1, which"):
        Experiment(model="vgg5", T=3)


# --- values of one's own ------------------------------------------------------------------------------------------------

TINY = Named("tiny", mlp([8], 10))


def test_a_value_of_ones_own_stands_for_itself_by_name():
    mine = Experiment(model=TINY, algorithm=Named("mine", Recipe(schedule=Spiking(0.3), rule="forward")), T=3)
    other = replace(mine, model=Named("tiny", mlp([9], 10)))
    assert mine == other and mine.key == other.key and hash(mine) == hash(other)
    assert mine.key != replace(mine, model=Named("small", TINY.value)).key
    assert (mine.settings["model"], mine.settings["algorithm"]) == ("tiny", "mine")
    np.testing.assert_allclose(covariance(mine), Spiking(0.3)(3, 2))
    assert network(mine, 10) is TINY.value and len(network(replace(mine, model=Named("by-outputs", lambda n: mlp([4], n))), 3)) == 2


def test_equal_requests_have_equal_keys_whatever_type_their_numbers_have():
    for name, same in dict(nesterov=(True, 1, np.True_), augment=(False, 0, np.False_), seed=(3, np.int64(3), np.uint8(3)),
                           x_step=(0.5, np.float32(0.5), np.float64(0.5)), width=(1, 1.0, np.int32(1))).items():
        assert len({replace(BASE, **{name: value}).key for value in same}) == 1, name


@pytest.mark.parametrize("changes, words", [
    (dict(model=Named("vgg5", TINY.value)), ("'vgg5'", "another")), (dict(algorithm=Named("PC", Recipe())), ("'PC'", "another")),
    (dict(model=Named("mlp-own", TINY.value)), ("mlp-own", "another")), (dict(model=Named("x", 3)), ("'x'", "int")),
    (dict(algorithm=Named("x", "PC")), ("'x'", "str")), (dict(dataset=Named("x", [1])), ("'x'", "list")),
    (dict(optimiser="adagrad"), ("adagrad", "adamw")), (dict(optimiser=Named("x", 1.0)), ("'x'", "float")),
    (dict(output=Loss("cross_entropy", jnp.tanh, lambda mu, t: 0)), ("cross_entropy", "another")),
    (dict(model="mlp-64-64 (hidden sizes)"), ("unknown model", "mlp-64-64")), (dict(model="mlp"), ("unknown model",)),
    (dict(model=TINY, batch_norm="freeze"), ("batch_norm", "own"))])
def test_values_that_cannot_be_used_are_refused_in_one_sentence(changes, words):
    with pytest.raises(ValueError) as said:
        Experiment(**changes)
    assert all(word in str(said.value) for word in words) and "\n" not in str(said.value)


@pytest.mark.parametrize("name", ["", "a b", "a/b", "../x", "x" * 61, 3, "-x"])
def test_a_name_must_do_for_a_file(name):
    with pytest.raises(ValueError, match="letters, digits"):
        Named(name, 1)


# Published settings

def test_presets_are_the_printed_ones_and_change_no_default():
    program = PRESETS["S+F (energy)"]
    assert program == dict(reading="energy", alpha=1.0, base=1000.0, x_step=0.8, momentum=0.1, nesterov=True)
    assert PRESETS["S+F (activity)"] == dict(reading="activity", x_step=3e-4)
    assert PRESETS["D+F vgg5"] == dict(reading="energy", T=8, x_step=0.1185, momentum=1.0, learning_rate=4.08e-4, weight_decay=1.17e-5)
    assert PRESETS["D+F-CN vgg5"] == dict(reading="energy", T=6, x_step=0.1315, momentum=0.5, learning_rate=3.09e-4, weight_decay=3.81e-3, beta=0.7)
    assert (PRESETS["D+F vgg10"]["T"], PRESETS["D+F vgg10"]["x_step"], PRESETS["D+F vgg10"]["momentum"]) == (13, 0.3869, 0.9)
    for name, settings in PRESETS.items():
        Experiment(model=(name.split() + ["vgg10"])[1] if "(" not in name else "vgg10", algorithm=name.split()[0], **settings)
    stored = dict(width=1 / 8, learning_rate=3e-3, batch_size=64, epochs=10, schedule_epochs=10, limit=10000)
    assert Experiment(dataset="cifar10", model="vgg10", algorithm="D+F", **stored).key == "9410bca8fb9b66fd"     # of a stored run


def test_the_twelve_published_configurations_are_experiments_with_their_accuracies():
    found = {(e.dataset, e.model, e.algorithm): (e, top1) for e, top1 in configurations().items()}
    assert len(found) == 12 and {e.model for e, _ in found.values()} == {"vgg5", "vgg7", "vgg9", "vgg11", "vgg13"}
    nudged, top1 = found["cifar10", "vgg5", "D+F-CN"]
    assert top1 == 89.53 and (nudged.T, nudged.beta, nudged.padding, nudged.reading) == (6, 0.7, 1, "energy")
    plain, top1 = found["cifar100", "vgg13", "D+F"]
    assert top1 == 57.77 and (plain.activation, plain.momentum, plain.beta) == ("hard_tanh", 0.7, None)
    assert sum(top1 for _, top1 in found.values()) == pytest.approx(891.98)                # typed out from the twelve files
    with pytest.raises(KeyError):
        authors("cifar10", "vgg9", "D+F")


# Which layers hear anything

@pytest.mark.parametrize("algorithm, settings", [
    ("BP", {}), ("PC", dict(x_step=0.2, momentum=0.5)), ("F", dict(x_step=0.2, momentum=0.3, nesterov=True)), ("D", dict(x_step=0.3, T=7)),
    ("D+F", dict(x_step=0.3, momentum=0.9, reading="energy", T=7)), ("S", dict(x_step=0.1, alpha=0.5)),
    ("S+F", dict(x_step=0.2)), ("S+F", PRESETS["S+F (energy)"]), ("S+F-CN", PRESETS["S+F (energy)"] | dict(beta=0.25))])
def test_expected_sizes_are_those_of_measured_gradients_where_jacobians_are_small(x64, algorithm, settings):
    exp = Experiment(model="mlp-6-6-6", algorithm=algorithm, **settings)
    net, keys = mlp([6, 6, 6], 3), jax.random.split(jax.random.key(0), 3)
    x, y = jax.random.normal(keys[0], (8, 5)), np.eye(3)[np.asarray(jax.random.randint(keys[1], (8,), 0, 3))]
    params, stats = init(net, keys[2], x)
    params = jax.tree.map(lambda a: 0.1 * np.asarray(a), params)                                       # ||J|| about .05
    size = lambda grads: np.array([norm(layer) for layer in grads])
    truth = size(jax.jit(jax.grad(lambda p: 0.5 * ((feedforward(net, p, stats, x)[0][-1] - y) ** 2).sum() / 8))(params))
    if algorithm == "BP":
        np.testing.assert_array_equal(expected_sizes(exp), 1.0)
        return
    full = dict(momentum=0.0, x_step=0.1, beta=1.0, reading="activity", nesterov=False) | exp.settings
    settled = jitted(relax)(net, params, stats, x, y, covariance(exp), full["x_step"], full["momentum"], full["reading"], full["nesterov"], full["beta"])
    measured = size(jitted(weight_gradient)(net, params, stats, x, settled, exp.recipe.rule)[0])
    np.testing.assert_allclose(measured / truth, expected_sizes(exp), rtol=0.02)


def test_expected_sizes_have_their_closed_forms():
    energy = Experiment(model="vgg10", algorithm="S+F", **PRESETS["S+F (energy)"] | dict(x_step=0.4, momentum=0.0, nesterov=False, base=1e9))
    np.testing.assert_allclose(expected_sizes(energy), [*(0.4 ** n * 0.6 for n in range(9, 0, -1)), 1])
    pc = Experiment(model="vgg7", algorithm="PC", x_step=0.1, momentum=0.0)
    assert expected_sizes(replace(pc, T=6))[0] == pytest.approx(0.1 ** 6)                  # the first to arrive
    assert expected_sizes(pc)[0] == pytest.approx(0.1 ** 6 * (7 - 6 * 0.1))                # one of seven steps may wait: a layer then keeps 1 - eta
    assert np.isnan(expected_sizes(Experiment(algorithm="ePC"))).all()


def test_layers_below_the_epsilon_of_adamw_are_named():
    exp = Experiment(model="vgg10", algorithm="S+F", **PRESETS["S+F (energy)"])
    assert silent(exp) == []
    slow = replace(exp, x_step=0.2)                           # layer 1: about 1e-6 of a gradient of about 4e-7
    assert silent(slow)[:3] == [1, 2, 3] and 10 not in silent(slow)
    assert silent(replace(slow, optimiser="sgd")) == silent(replace(slow, batch_norm="freeze")) == []
    with pytest.warns(UserWarning, match="layers 1, 2, 3.* of vgg10 with S.F will hardly learn"):
        warn_of_silent_layers(slow)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_silent_layers(exp)
        warn_of_silent_layers(Experiment(model="vgg10", algorithm="PC"))                   # known for it: no schedule promises more

"An experiment is one value: equal runs have equal keys in every process, other runs have others, bad ones are refused."
import os
import subprocess
import sys
from dataclasses import fields, replace

import jax.numpy as jnp
import numpy as np
import pytest

from pc_precision.energy import Loss
from pc_precision.experiment import (ALGORITHMS, DEFAULTS, INFERENCES, Experiment, Named, Recipe, covariance, defaults, network,
                                     resolve, unused)
from pc_precision.layers import mlp
from pc_precision.precision import Decaying, Spiking

BASE = Experiment(model="vgg7", algorithm="S+F-CN", batch_norm="freeze")
OTHER = dict(dataset="cifar10", model="vgg5", algorithm="S+F", batch_norm="bn", seed=1, width=0.5, activation="relu", bn_mode="ema",
             padding=1, T=9, x_step=0.2, momentum=0.5, nesterov=True, reading="energy", alpha=0.3, base=10.0, beta=0.7,
             sign_per="epoch", learning_rate=1e-5, weight_decay=0.1, batch_size=64, epochs=3, schedule_epochs=3, patience=None,
             limit=500, augment=False, select="test", matmul_precision="highest", output="cross_entropy",
             dtype="bfloat16", optimiser="sgd")


@pytest.mark.parametrize("name", OTHER)
def test_every_setting_that_matters_changes_the_key(name):
    assert replace(BASE, **{name: OTHER[name]}).key != BASE.key


def test_the_list_above_names_every_field():
    assert {f.name for f in fields(Experiment)} == {*OTHER, "k"}          # k: see the decaying schedule below
    decaying = replace(BASE, algorithm="D")
    assert replace(decaying, k=1.5).key != decaying.key


def test_settings_that_do_not_matter_leave_the_key():
    bp = Experiment(algorithm="BP")
    for name in ("T", "x_step", "momentum", "nesterov", "reading", "alpha", "base", "k", "beta", "sign_per", "bn_mode"):
        value = {**OTHER, "k": 2.0}[name]
        assert name in unused(bp) and replace(bp, **{name: value}).key == bp.key
    assert replace(bp, batch_norm="bn").key == replace(bp, batch_norm="freeze").key != bp.key


def test_the_key_is_the_same_in_another_process_and_however_it_is_written():
    code = "from pc_precision.experiment import Experiment; print(Experiment(model='vgg7', algorithm='S+F-CN', batch_norm='freeze').key)"
    keys = {subprocess.run([sys.executable, "-c", code], env={"PYTHONHASHSEED": s, "PYTHONPATH": ":".join(sys.path), "PATH": ""},
                           capture_output=True, text=True, check=True).stdout.strip() for s in ("1", "2")}
    assert keys == {BASE.key}
    assert replace(BASE, alpha=1).key == replace(BASE, alpha=1.0).key
    assert replace(BASE, x_step=resolve(BASE).x_step, T=7).key == BASE.key


def test_resolving_twice_changes_nothing_and_replacing_asks_for_the_other_algorithms_defaults():
    for name in ALGORITHMS:
        exp = replace(BASE, algorithm=name)
        assert resolve(resolve(exp)) == resolve(exp)
    assert resolve(replace(BASE, algorithm="PC", dataset="cifar10")).x_step == DEFAULTS["PC"]["x_step"]
    assert resolve(BASE).T == 7 and resolve(BASE).alpha == resolve(BASE).x_step
    assert defaults("PC-CN", "cifar10", 5)["beta"] < 1 == defaults("PC", "cifar10", 5)["beta"]


def test_algorithms_are_the_papers():
    rule = {name: (a.schedule, a.rule, a.nudging) for name, a in ALGORITHMS.items()}
    assert rule["BP"] == ("constant", "bp", "none") and rule["PC"] == ("constant", "pc", "none")
    assert rule["PC-CN"] == ("constant", "pc", "centre") and rule["F"] == ("constant", "forward", "none")
    assert rule["D"] == ("decaying", "pc", "none") and rule["S"] == ("spiking", "pc", "none")
    assert rule["D+F"] == ("decaying", "forward", "none") and rule["S+F"] == ("spiking", "forward", "none")


def test_every_algorithm_of_the_paper_infers_on_the_light_cone_and_learns_once_a_batch_but_backpropagation_sweeps():
    papers = [name for name in ALGORITHMS if name not in ("BP", "ePC", "iPC")]
    assert len(papers) == 12 and {(ALGORITHMS[name].inference, ALGORITHMS[name].tempo) for name in papers} == {("cone", "batch")}
    assert (ALGORITHMS["BP"].inference, ALGORITHMS["BP"].tempo) == ("sweep", "batch")


def test_epc_changes_the_inference_alone_and_ipc_learns_at_every_step_of_dense_inference():
    assert ALGORITHMS["ePC"] == replace(ALGORITHMS["PC"], inference="error_coordinates")
    assert ALGORITHMS["iPC"] == replace(ALGORITHMS["PC"], inference="dense", tempo="step")
    assert not {"T", "x_step", "momentum"} & (unused(Experiment(algorithm="ePC")) | unused(Experiment(algorithm="iPC")))
    assert len({Experiment(algorithm=name).key for name in ALGORITHMS}) == len(ALGORITHMS)


def test_statistics_that_are_not_frozen_need_dense_inference_and_the_recipe_says_so():
    for name, recipe in ALGORITHMS.items():
        assert Experiment(algorithm=name).recipe == recipe
        if name != "ePC":
            kept = {"cone": "dense"}.get(recipe.inference, recipe.inference)
            assert Experiment(algorithm=name, batch_norm="bn").recipe == replace(recipe, inference=kept)
        assert Experiment(algorithm=name, batch_norm="freeze").recipe == recipe


@pytest.mark.parametrize("field, value, hint", [
    ("schedule", "spikes", "spiking"), ("rule", "foward", "forward"), ("nudging", "center", "centre"),
    ("inference", "cones", "cone"), ("tempo", "steps", "step")])
def test_a_recipe_refuses_an_unknown_name_and_names_the_nearest(field, value, hint):
    with pytest.raises(ValueError, match=f"unknown {field} {value!r} .did you mean {hint!r}"):
        Recipe(**{field: value})


def test_a_recipe_without_words_is_standard_predictive_coding():
    assert Recipe() == ALGORITHMS["PC"] and set(INFERENCES) == {"cone", "dense", "error_coordinates", "sweep"}


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
    assert (resolve(mine).model, resolve(mine).algorithm) == ("tiny", "mine")
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

"What is wrong with a name or a number is told in one sentence; traced values pass."
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pc_precision import machine
from pc_precision.checks import as_number, check_positive, check_whole, choose, concrete, finite


@pytest.mark.parametrize("value, near", [("VGG5", "vgg5"), ("vgg6", "vgg5"), ("table", None), (3, None), (None, None)])
def test_an_unknown_name_gets_the_nearest_and_all_allowed(value, near):
    with pytest.raises(ValueError) as said:
        choose("model", value, ["vgg5", "resnet18"])
    assert ("did you mean" in str(said.value)) == (near is not None) and "allowed: 'vgg5', 'resnet18'" in str(said.value)
    assert near is None or repr(near) in str(said.value)


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "3", None, np.float64(2), np.bool_(True)])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match="features must be a whole number of at least 1"):
        check_whole(features=value)


def test_whole_numbers_of_python_and_numpy_pass_from_the_least_on():
    check_whole(a=1, b=np.int64(7), c=2**40)
    check_whole(0, a=0)
    with pytest.raises(ValueError, match="b must be a whole number of at least 0, not -1"):
        check_whole(0, a=0, b=-1)


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "1", None, np.zeros(2), True])
def test_what_is_not_positive_is_refused(value):
    with pytest.raises(ValueError, match="x_step must be a positive number"):
        check_positive(x_step=value)


def test_traced_values_pass_every_check():
    jax.jit(lambda x: (check_positive(x=x), x)[1])(-1.0)
    seen = []
    jax.jit(lambda x: seen.append((concrete(x), finite(x))) or x)(jnp.nan)
    assert seen == [(False, True)]
    assert concrete({"a": 1, "b": np.ones(2)}) and finite((1.0, np.ones(2))) and not finite((1.0, np.array([np.inf])))
    assert as_number("x") != as_number("x") and as_number(np.float32(2)) == 2.0


def test_a_folder_for_programs_that_cannot_be_written_is_told_once_and_not_used(tmp_path, monkeypatch):
    settings = {}
    monkeypatch.setattr(machine, "keep_memory", lambda: None)
    monkeypatch.setattr(jax.config, "update", settings.__setitem__)
    (tmp_path / "file").touch()
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path / "file"))
    with pytest.warns(UserWarning, match="nothing can be written in .*file .*JAX_COMPILATION_CACHE_DIR") as said:
        machine.keep_warm()
    assert len(said) == 1 and settings["jax_compilation_cache_dir"] is None
    machine.keep_warm(tmp_path / "programs")
    assert settings["jax_compilation_cache_dir"] == str(tmp_path / "programs")

"""The reference's tables of parameters say what docstrings say, and name a kind of value where the code says Any."""
import dataclasses
import inspect
import re
import sys
from pathlib import Path

import pytest

pytest.importorskip("sphinx", reason="the tables are made for Sphinx: make docs installs it")

import pc_precision as pc

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))
import docstrings  # noqa: E402
import parameters  # noqa: E402


def plain(text: str, names: list[str]) -> str:
    return text


def test_a_docstring_falls_into_sentences_and_meanings():
    text = "Do it. More of it.\n\nx: inputs (B, n), e.g. images; y, z: targets\nof each. All may be traced; no other.\nRaises ValueError."
    rest, found = parameters.taken_apart(text, ["x", "y", "z", "other"])
    assert found == {"x": "inputs (B, n), e.g. images", "y": "targets of each", "z": "targets of each"}
    assert "inputs" not in rest and rest.split() == "Do it. More of it. All may be traced; no other. Raises ValueError.".split()


def test_a_word_before_a_colon_is_a_parameter_only_at_the_start_of_a_part():
    text = "The pair of this: x."
    assert parameters.taken_apart(text, ["this"]) == (text, {})


def test_a_table_has_names_types_defaults_and_meanings():
    def scaled(x: float, store: parameters.Any = "results", times: int = 2) -> str:
        "Scale. x: what to scale; times: how often."
    some = parameters.rows("scaled", scaled, {"x": "what to scale"})
    assert some[0] == ("x", ":py:class:`float`", "", "what to scale")
    assert some[1].kind == parameters.KINDS["store"] and some[1].default == "``'results'``" and some[1].meaning == parameters.COMMON["store"]
    lines = parameters.with_table("m.scaled", scaled, [scaled.__doc__], plain)
    assert lines[0] == "Scale." and "   * - ``times``" in lines and "     - how often" in lines and "   * - *returns*" in lines


def test_every_field_of_an_experiment_has_its_meaning():
    assert list(parameters.EXPERIMENT) == [field.name for field in dataclasses.fields(pc.Experiment)]


def test_no_public_function_asks_for_anything():
    """Where the code says Any, the reference names a kind of value; Named alone takes any."""
    found = []
    for package in (pc, pc.runs, pc.paper):
        for name in package.__all__:
            value = getattr(package, name)
            if inspect.isfunction(value) or isinstance(value, type):
                found += [f"{name}.{one.name}" for one in parameters.rows(name, value, {}) if one.kind in ("any", "")]
    assert sorted(found) == []


def test_inventories_name_addresses_that_sphinx_understands():
    for path in (ROOT / "docs" / "inventories").glob("*.inv"):
        first, project, version, *lines = path.read_text(encoding="utf-8").splitlines()
        assert first == "# Sphinx inventory version 1" and project.startswith("# Project: ") and version.startswith("# Version: ")
        assert lines and all(re.fullmatch(r"[\w.]+ (class|function) [\w./]+\.html", line) for line in lines)


def documented() -> str:
    """All docstrings of public names and of their methods."""
    values = [getattr(package, name) for package in (pc, pc.runs, pc.paper) for name in package.__all__]
    methods = [member for value in values if isinstance(value, type) for member in vars(value).values()]
    return "\n\n".join(inspect.getdoc(one) or "" for one in values + methods if callable(one))


def test_a_default_is_shown_without_addresses_which_differ_in_every_build():
    loss = parameters.pc.Loss("mine", expect=len, cost=test_every_formula_of_a_docstring_is_drawn)
    assert [parameters.shown(value) for value in (None, 0.5, len)] == ["``None``", "``0.5``", "``len``"]
    assert parameters.shown(loss) == f"``Loss(name='mine', expect={len!r}, cost=test_every_formula_of_a_docstring_is_drawn)``"


def test_every_formula_of_a_docstring_is_drawn():
    assert docstrings.as_rst("Errors `d` of mu_l =\nf_l(x_{l-1}).", []) == r"Errors ``d`` of :math:`\mu_l = f_l(x_{l-1})`."
    written = " ".join(documented().split())
    assert [formula for formula in docstrings.FORMULAS if formula not in written] == []
    left = re.sub(r":math:`[^`]+`|``[^`]+``", "", docstrings.as_rst(written, []))
    assert re.findall(r"\S*(?:_l|\^[tT0]|sum_)\b\S*", left.replace("\\", "")) == []

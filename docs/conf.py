"""Sphinx's settings. `make docs` gathers the pages, then builds them; any warning is an error."""
import inspect
import re
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import pc_precision  # noqa: E402

settings = ConfigParser(delimiters=["="])
settings.read(ROOT / "settings.ini", encoding="utf-8")
project = settings["DEFAULT"]["title"]
author = settings["DEFAULT"]["author"]
copyright = settings["DEFAULT"]["copyright"]
version = release = settings["DEFAULT"]["version"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.viewcode"]
nb_render_markdown_format = "gfm"                           # tables in outputs, too
nb_execution_mode = "off"                   # pages show the outputs that were committed
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
maximum_signature_line_length = 90
python_use_unqualified_type_names = True
viewcode_line_numbers = True

# A reference that leads nowhere is a warning, and so an error; other libraries are not documented here.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(jax|jaxlib|numpy|np|typing|pathlib|collections|flax|optax|pandas)\b.*"),
                        # types in signatures that no page is about
                        (r"py:class", r"(pc_precision\.[\w.]+\.)?(Dataset|DatasetInfo|Split|Recipe|Learned|Epoch|Plan|State|Order|Merged)"),
                        (r"py:.*", r"(Any|Callable|Iterable|Iterator|Sequence|Array|optional|ndarray)")]

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5d8a", "color-brand-content": "#0b5d8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"}}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
# MathJax 3.2.2 lies beside the pages: formulas need no network
mathjax_path = "mathjax/es5/tex-mml-chtml.js"


def as_rst(text: str, names: list[str]) -> str:
    """A docstring in plain words as markup: `code` literal, `names:` of parameters strong, equations linked."""
    parts = re.split(r"`([^`]+)`", text)
    for i, part in enumerate(parts):
        if i % 2:
            parts[i] = f"``{part}``"
            continue
        part = re.sub(r"([\\*|_])", r"\\\1", part)
        listed = "|".join(re.escape(name.replace("_", r"\_")) for name in sorted(names, key=len, reverse=True))
        if listed:
            part = re.sub(rf"(?m)(^|[;.] )((?:{listed})(?:, (?:{listed}))*):(?= )", r"\1**\2**:", part)
        parts[i] = re.sub(r"\b([Ee]quation) \((\d)\)", r":ref:`\1 (\2) <eq-\2>`", part)
    return "".join(parts)


def docstring(app, what, name, obj, options, lines):
    """Docstrings are plain sentences, not markup."""
    try:
        names = [n for n in inspect.signature(obj).parameters if n not in ("self", "args", "kwargs")]
    except (TypeError, ValueError):
        names = []
    if what == "class" and lines and lines[0].startswith(f"{obj.__name__}("):
        lines[:] = []                       # the signature that dataclasses make up
    lines[:] = as_rst("\n".join(lines), names).split("\n")


def public(app, env, node, contnode):
    """A type is known by its public name, not by the module it was written in."""
    name = node.get("reftarget", "").split(".")[-1]
    if node.get("refdomain") != "py" or name not in pc_precision.__all__:
        return None
    target = f"pc_precision.{name}"
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def setup(app):
    app.connect("autodoc-process-docstring", docstring)
    app.connect("missing-reference", public)

"""Sphinx's settings. `make docs` gathers the pages, then builds them; any warning is an error."""
import json
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "docs")]

import parameters  # noqa: E402
from docstrings import as_rst  # noqa: E402
import pc_precision  # noqa: E402
from pc_precision.machine import commit  # noqa: E402

settings = ConfigParser(delimiters=["="])
settings.read(ROOT / "settings.ini", encoding="utf-8")
told = settings["DEFAULT"]
project, author, copyright = told["title"], told["author"], told["copyright"]
version = release = told["version"]
REPOSITORY, BRANCH = told["git_url"], told["branch"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.intersphinx", "sphinx.ext.mathjax", "sphinx.ext.viewcode", "sphinx_copybutton", "notfound.extension",
              "sphinx_sitemap", "sphinxext.opengraph"]
exclude_patterns, html_extra_path = ["extra"], ["_made/pages/extra"]   # notebooks to download, not to read
nb_render_markdown_format = "gfm"                           # tables in outputs, too
nb_execution_mode = "off"                   # pages show the outputs that were committed
nb_merge_streams = True
nb_code_prompt_show, nb_code_prompt_hide = "Show the code", "Hide the code"
myst_enable_extensions = ["dollarmath", "amsmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
add_module_names = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"                 # types stand in the tables of parameters
maximum_signature_line_length = 90
python_use_unqualified_type_names = True
viewcode_line_numbers = True

# A reference that leads nowhere is a warning, and so an error; other libraries are not documented here.
# What our pages name of them is listed in small inventories, so that the build needs no network.
ELSEWHERE = {"python": "https://docs.python.org/3/", "numpy": "https://numpy.org/doc/stable/", "pandas": "https://pandas.pydata.org/docs/",
             "jax": "https://docs.jax.dev/en/latest/", "flax": "https://flax.readthedocs.io/en/stable/",
             "optax": "https://optax.readthedocs.io/en/stable/"}
intersphinx_mapping = {name: (address, f"../../inventories/{name}.inv") for name, address in ELSEWHERE.items()}
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(typing|types)\b.*"),
                        # types in signatures that no page is about
                        (r"py:class", r"(pc_precision\.[\w.]+\.)?(Recipe|Plan|Info)"),
                        (r"py:.*", r"(Any|Callable|Iterable|Iterator|Sequence|Array|optional|ndarray)")]

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
templates_path = ["_templates"]
html_logo = html_favicon = "_static/logo.svg"
html_baseurl = f"{told['doc_host']}{told['doc_baseurl']}/"
html_css_files, html_js_files = ["site.css"], ["site.js"]
html_show_sphinx = False
html_copy_source = False
html_sidebars = {"**": ["sidebar/brand.html", "sidebar/search.html", "repository.html", "sidebar/scroll-start.html",
                        "sidebar/navigation.html", "sidebar/scroll-end.html"]}
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b5d8a", "color-brand-content": "#0b5d8a"},
    "dark_css_variables": {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"}}
pygments_style = "a11y-high-contrast-light"
pygments_dark_style = "a11y-high-contrast-dark"
# MathJax 3.2.2 lies beside the pages: formulas need no network
mathjax_path = "mathjax/es5/tex-mml-chtml.js"

copybutton_selector = "div:not(.output) > div.highlight > pre"         # of code, not of what it printed
notfound_urls_prefix = f"{told['doc_baseurl']}/"                       # the page may be shown at any address
notfound_context = {"title": "Page not found", "body": f"""<h1>Page not found</h1>
<p>No page has this address. The search box and the table of contents list every page; the
<a href="{notfound_urls_prefix}index.html">front page</a> leads to the paper, the notebooks and the reference.</p>"""}
sitemap_url_scheme = "{link}"
sitemap_show_lastmod = False
sitemap_excludes = ["404.html", "search.html", "genindex.html", "py-modindex.html", "_modules/*"]
ogp_site_url, ogp_site_name = html_baseurl, project
ogp_social_cards = {"enable": False}
ogp_image, ogp_image_alt = "_static/card.png", told["description"]


html_context = {"repository": REPOSITORY, "commit": (commit()[0] or "unknown")[:7]}


def docstring(app, what, name, obj, options, lines):
    """Docstrings are plain sentences, not markup; what they say of parameters stands in a table."""
    if what == "class" and lines and lines[0].startswith(f"{obj.__name__}("):
        lines[:] = []                       # the signature that dataclasses make up
    described = what in ("class", "function", "method") and callable(obj)
    lines[:] = parameters.with_table(name, obj, lines, as_rst) if described else as_rst("\n".join(lines), []).split("\n")


def public(app, env, node, contnode):
    """A type is known by its public name, not by the module it was written in."""
    name = node.get("reftarget", "").split(".")[-1]
    if node.get("refdomain") != "py" or name not in pc_precision.__all__:
        return None
    target = f"pc_precision.{name}"
    return env.domains["py"].resolve_xref(env, node["refdoc"], app.builder, "obj", target, node, contnode)


def source_links(app, pagename, templatename, context, doctree):
    """Links to see, edit and run what a page is made from: a notebook, a written page, or the script that gathers them."""
    source = json.loads((Path(app.srcdir) / "sources.json").read_text(encoding="utf-8")).get(pagename)
    for verb, part in {"view": "blob", "edit": "edit"}.items():
        context[f"theme_source_{verb}_link"] = source and f"{REPOSITORY}/{part}/{BRANCH}/{source}"
    if source and source.endswith(".ipynb") and pagename.startswith(("library/", "paper/")):
        context["notebook"] = f"notebooks/{Path(source).name}"
        context["colab"] = f"https://colab.research.google.com/github/{told['user']}/{told['repo']}/blob/{BRANCH}/{source}"


def no_search(app):
    """A page that is built alone has no index to search."""
    if app.tags.has("one_page"):
        app.builder.search = False


def setup(app):
    app.connect("builder-inited", no_search)
    app.connect("html-page-context", source_links)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("missing-reference", public)

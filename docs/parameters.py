"""The reference's tables of parameters: name, type with links, default, and what the docstring says of it.

Where the code says `Any`, because an array, a path or a table of another library goes there, the table names the kind of value.
"""
import inspect
import re
import textwrap
from typing import Any, Callable, NamedTuple

from sphinx.util.typing import restify

import pc_precision as pc
from pc_precision.algorithms import OPTIMISERS
from pc_precision.data import DATASETS
from pc_precision.energy import LOSSES
from pc_precision.experiment import BATCH_NORM, DTYPES, PRECISIONS, SELECT
from pc_precision.inference import READINGS
from pc_precision.networks import ACTIVATIONS, MODELS, OLD_SHARE

ARRAY, FRAME, PATH, STORE = ":py:class:`jax.Array`", ":py:class:`pandas.DataFrame`", ":py:class:`pathlib.Path` | ``str``", ":py:class:`~pc_precision.runs.Store`"
NUMBER, FIGURE, NAMES = f"``float`` | {ARRAY}", "matplotlib ``Figure``", "a name, a list of names or ``None``"
KINDS = {                                                   # of what the code annotates as Any, by the parameter's name
    "x": ARRAY, "y": f"{ARRAY} | :py:class:`~pc_precision.Output`", "images": f"{ARRAY} | :py:class:`numpy.ndarray`", "covariance": ARRAY, "table": ARRAY,
    "front": ARRAY, "energies": ARRAY, "beta": NUMBER, "x_step": NUMBER, "momentum": NUMBER, "dtype": "a number format of JAX",
    "store": f"{PATH} | {STORE}", "folder": PATH, "path": PATH, "data_dir": f"{PATH} | ``None``", "out_dir": PATH, "results_dir": PATH,
    "storage": "what Optuna takes as storage, or ``None``", "frame": FRAME, "trials": FRAME, "costs": FRAME, "fig": FIGURE,
    "ax": "matplotlib ``Axes``", "axes": "array of matplotlib ``Axes``", "datasets": NAMES, "models": NAMES, "algorithms": NAMES,
    "batch_norms": NAMES, "seeds": "a number, a list of numbers or ``None``", "state": "state of the optax optimiser", "optimiser": "state of the optax optimiser", "sign": "``float``", "dist": "an Optuna distribution", "programs": FRAME}
KINDS |= {"Output.y": ARRAY, "Named.value": "any value", "save_table.table": FRAME, "to_markdown.table": FRAME, "plan_search.trials": "``int`` | ``None``"}
listed = lambda values: ", ".join(f"`{value!r}`" for value in values)
COMMON = {                                                  # what a name means wherever it stands, if the docstring does not say
    "net": "the network", "params": "parameters, a pytree for each layer", "stats": "running statistics of BatchNorm, a pytree for each layer",
    "x": "inputs (B, ...)", "store": "where results are kept", "data_dir": "where data sets were prepared", "frame": "what `results` returns",
    "x_step": "step size of the activities", "momentum": "of the activities", "nesterov": "Nesterov's momentum", "exp": "the experiment",
    "experiments": "what to train or look up", "T": "number of steps", "L": "number of layers, or their distances to the output", "seed": "of every random number",
    "activation": f"one of {listed(ACTIVATIONS)}", "solver": "the optax transformation that moves the activities",
    "initial": "activities before inference", "final": "activities after inference", "mu": "predictions", "key": "a random key of JAX"}
EXPERIMENT = {
    "dataset": f"{listed(DATASETS)}, any other set prepared with TFDS, or a `Named` `Dataset`",
    "model": f"{listed(MODELS)}, an mlp by its hidden sizes such as `'mlp-64-64'`, a muPC network such as `'mupc-64x32'`, or a `Named` `Network` or function from "
             "the number of outputs to one",
    "algorithm": "a name in `ALGORITHMS`, or a `Named` `Recipe`",
    "batch_norm": f"{listed(BATCH_NORM)}: no BatchNorm, statistics updated at every pass, BatchNorm Freezing",
    "seed": "of the weights, the order of the images, augmentation and random nudging",
    "width": "factor of all channels of a VGG or ResNet", "activation": f"one of {listed(ACTIVATIONS)}",
    "bn_mode": f"what BatchNorm normalises by while it trains: {listed(OLD_SHARE)}, the batch or the running average",
    "padding": "0 or 1 pixels around each convolution of a VGG; None: the paper's choice for each VGG",
    "T": "steps of inference; None: the number of layers (twice that for PC-ALM, 5 for ePC)",
    "x_step": "step size of the activities; None: the algorithm's", "momentum": "of the activities; None: the algorithm's",
    "nesterov": "Nesterov's momentum for the activities",
    "reading": f"what a covariance scales: {listed(READINGS)}, a layer's whole update or its energy",
    "alpha": "covariance at the spike; None: equal to `x_step`", "base": "covariance of the spiking schedule away from the spike",
    "k": "how fast the decaying schedule decays", "beta": "nudging strength; None: 0.5 with centre nudging, else the algorithm's (1 in most)",
    "sign_per": "with centre nudging, the sign of beta is drawn for each `'batch'` or each `'epoch'`",
    "learning_rate": "of the weights; None: the data set's or the algorithm's", "weight_decay": "of the weights; None: the data set's or the algorithm's",
    "batch_size": "training images a batch", "epochs": "at most so many",
    "schedule_epochs": "epochs of one cosine of the learning rate",
    "patience": "epochs without a better accuracy after which training stops; None: never", "limit": "training images; None: all",
    "augment": "shifts and flips of training images, where the data set has them",
    "select": f"{listed(SELECT)}: the split whose accuracy chooses the epoch; `'test'` trains on all training images, as the paper does",
    "matmul_precision": f"{listed(PRECISIONS)}: how JAX rounds products", "output": f"{listed(LOSSES)}, or a `Loss`",
    "dtype": f"{listed(DTYPES)}; `'float64'` needs JAX_ENABLE_X64=1", "optimiser": f"of the weights: {listed(OPTIMISERS)}, or a `Named` function from learning "
    "rate and weight decay to an optax optimiser",
    "skip": "a light cone leaves out what weighs less than this part of a layer's largest; 0: nothing"}


class Row(NamedTuple):
    name: str
    kind: str
    default: str
    meaning: str


def type_of(annotation: Any) -> str:
    """An annotation as markup with links; empty if there is none."""
    if annotation is inspect.Parameter.empty:
        return ""
    if isinstance(annotation, str):
        return f"``{annotation}``"
    public = re.sub(r"`~?pc_precision\.[\w.]*?(\w+)`", lambda found: f"`~{home(found[1])}`", restify(annotation, "smart"))
    return public.replace("jaxlib._jax.", "").replace("jax.jaxlib._jax", "jax").replace("optax._src.base.", "optax.")


def home(name: str) -> str:
    """The public address of a name of the package."""
    package = next((package for package in (pc, pc.runs, pc.paper) if name in package.__all__), None)
    return f"{package.__name__}.{name}" if package else name


def kind_of(owner: str, name: str, annotation: Any) -> str:
    """The type of a parameter in words where it is annotated as Any."""
    return KINDS.get(f"{owner}.{name}", KINDS.get(name, "any")) if annotation is Any else type_of(annotation)


def returned(owner: str, value: Callable) -> str:
    """The type of what a function returns: arrays, and tables and figures of other libraries, are annotated as Any."""
    annotation = inspect.signature(value).return_annotation
    if annotation is not Any:
        return type_of(annotation)
    if re.search("figure|chart|plot", owner):
        return FIGURE
    tables = re.match(r"pc_precision\.(runs|paper)\b", value.__module__)
    return {"table_map": "matplotlib ``AxesImage``"}.get(owner, FRAME if tables else ARRAY)


def shown(default: Any) -> str:
    """A default value as a person would type it; functions inside by their names, because their addresses differ in every build."""
    if default is inspect.Parameter.empty:
        return ""
    text = getattr(default, "__name__", None) or re.sub(r"<function (\S+) at 0x\w+>", r"\1", repr(default))
    return f"``{text}``"


SENTENCE = re.compile(r"\.(?=\s+[A-Z`]|\s*$)", re.MULTILINE)


def taken_apart(text: str, names: list[str]) -> tuple[str, dict[str, str]]:
    """A docstring without its `name: meaning` parts, and those by name; names that share a meaning are separated by commas."""
    one = "|".join(sorted(map(re.escape, names), key=len, reverse=True)) or "(?!)"
    start = re.compile(rf"(?:(?<=^)|(?<=[;.,] )|(?<=[;.]\n)|(?<=\n))((?:{one})(?:, (?:{one}))*): ")
    meanings: dict[str, str] = {}
    while found := start.search(text):
        rest = text[found.end():]
        ends = [match.start() for match in (start.search(rest), SENTENCE.search(rest), re.search(r"\n\s*\n", rest)) if match] + [len(rest)]
        meaning, after = rest[:min(ends)], rest[min(ends):]
        for name in found[1].split(", "):
            meanings.setdefault(name, " ".join(meaning.split()).rstrip(" ;."))
        text = text[:found.start()] + after.removeprefix(".").lstrip(" ")
    return re.sub(r"[;,]?\s*$", "", text), meanings


def rows(owner: str, value: Callable, meanings: dict[str, str]) -> list[Row]:
    """A row for each parameter, or for each field of a class."""
    signature = inspect.signature(value)
    told = COMMON | meanings | (EXPERIMENT if value is pc.Experiment else {})
    kind = lambda each: "by name" if each.kind is each.VAR_KEYWORD else kind_of(owner, each.name, each.annotation)
    return [Row(name, kind(each), shown(each.default), told.get(name, "")) for name, each in signature.parameters.items() if name != "self"]


def as_table(header: str, some: list[Row]) -> list[str]:
    """Rows as lines of a list-table; columns that are empty everywhere are left out."""
    columns = [column for column in Row._fields if column in ("name", "kind") or any(getattr(one, column) for one in some)]
    titles = {"name": header, "kind": "type", "default": "default", "meaning": "meaning"}
    lines = ["", ".. list-table::", "   :header-rows: 1", "   :class: parameters", ""]
    for cells in [[titles[column] for column in columns], *([getattr(one, column) for column in columns] for one in some)]:
        lines += [f"   {'*' if i == 0 else ' '} - {cell}" for i, cell in enumerate(cells)]
    return [*lines, ""]


def with_table(name: str, value: Callable, lines: list[str], markup: Callable[[str, list[str]], str]) -> list[str]:
    """The lines of a docstring as plain text and a table of parameters; markup turns plain text into what Sphinx reads."""
    try:
        names = [one for one in inspect.signature(value).parameters if one not in ("self", "args", "kwargs")]
    except (TypeError, ValueError):
        names = []
    owner = name.rpartition(".")[2]
    text, meanings = taken_apart(textwrap.dedent("\n".join(lines)), names)
    some = [one._replace(name=f"``{one.name}``", meaning=markup(one.meaning, [])) for one in rows(owner, value, meanings)] if names else []
    is_class = isinstance(value, type)
    if not is_class and names:
        kind = returned(owner, value)
        some += [Row("*returns*", kind, "", "")] if kind else []
    return [*markup(text, names).split("\n"), *(as_table("field" if is_class else "parameter", some) if some else [])]

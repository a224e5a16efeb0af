"""The paper's index page as a scoreboard: of each figure and table a picture, the claim, the verdict, the scale, a link.

Verdicts and scales are read from the store by pc_precision.paper; claims are the paper's, in our words.
"""
import base64
import io
import shutil
from collections import Counter
from pathlib import Path

import nbformat
from PIL import Image

import pc_precision as pc
from pc_precision.paper.items import NOTHING, PROFILES

TABLE = Path(__file__).resolve().parent / "_static" / "table.svg"
# what the paper says with each figure and table, and which of the claims that `judge` knows this is
PAPER: dict[str, tuple[str, str, tuple]] = {
    "fig1": ("Figure 1", "A flow chart of the algorithm, and the covariances of both schedules over layers and steps.", ()),
    "fig2": ("Figure 2", "In ten layers, energy concentrates near the output in PC, less so in BP.", (1,)),
    "fig4": ("Figure 4", "Of both combinations only S+F stays near BP with depth; centre nudging helps only without the forward update.",
             (5, "F1", "F2", "F3", "F4")),
    "fig5": ("Figure 5", "The same concentration of energy in five and seven layers.", (1,)),
    "fig6": ("Figure 6", "The precision schedules lift the first layer's share of the energy.", (3,)),
    "fig7": ("Figure 7", "BatchNorm Freezing helps only schedule and forward update together.", (4,)),
    "table1": ("Table 1", "S+F follows BP with depth, PC and F fall; the forward update matters most in deep networks.",
               (2, "T1", "T2", "T3", "T4", "T5")),
    "table2": ("Table 2", "Accuracies of fifteen layers on Tiny ImageNet.", ()),
    "table3": ("Table 3", "The layers of VGG5, VGG7, VGG10 and VGG15.", ()),
    "table4": ("Table 4", "Mean and standard deviation by which images are normalised.", ()),
    "table5": ("Table 5", "The space of the hyper-parameter search.", ()),
    "table6": ("Table 6", "Seconds of an epoch with BP, PC and S+F.", ()),
    "resnet18": ("ResNet18", "S+F trains a ResNet18 whose skips are made of auxiliary neurons (third version of the paper).", ())}
OURS = ("T6",)                                                # a claim that the paper does not make
VERBS = {"holds": "hold", "fails": "fail", "undecided": "undecided"}
INTRODUCTION = """\
# The paper

Each figure and table of [the paper](https://arxiv.org/abs/2506.23800) is one notebook and one command. This page says of each what the paper
claims, whether our runs confirm it, and at which scale we trained. {doc}`/verdict_rules` says how we judge, and
[the verdicts](verdicts.ipynb) show the numbers behind every word. {doc}`/differences` says how we read the paper where it can be read in two ways.

{summary}

BP: backpropagation. PC: predictive coding. D, S: decaying and spiking precision. F: forward update. Untuned: nobody searched the settings of some
of these runs. `smoke` trains narrow networks on digits; `laptop` on a part of CIFAR-10 at an eighth of the width; `paper` as the paper does.
"""


def judged(store: Path) -> dict[str, dict[str, list[str]]]:
    """What `judge` says of the stored runs: by data set and number of the claim, a word for each reading."""
    found: dict[str, dict[str, list[str]]] = {}
    for profile in PROFILES:
        frame = pc.runs.kept(pc.paper.items("verdicts", profile), store)
        for dataset, verdicts in pc.paper.judge(frame).items() if len(frame) else ():
            found[dataset] = by_number(verdicts)
    return found


def by_number(verdicts: list) -> dict[str, list[str]]:
    """Verdicts in words, such as "holds (untuned)", by the number that their claim begins with."""
    found: dict[str, list[str]] = {}
    for verdict in verdicts:
        found.setdefault(verdict.claim.partition(". ")[0], []).append(verdict.words)
    return found


def tally(words: list[str]) -> str:
    """How often each verdict was given; "untuned" if one of them rests on settings that nobody searched."""
    counts = Counter(word.split()[0] for word in words)
    told = [f"{counts[one]} {one if counts[one] == 1 else many}" for one, many in VERBS.items() if counts[one]]
    return ", ".join(told) + " (untuned)" * any("untuned" in word for word in words)


def scales(item: str, store: Path) -> dict[str, str]:
    """What the store holds of an item, a sentence for each profile that has a run, or on its searches."""
    found = {"search": f"{len(list((store / 'search').glob('*.json')))} searches"} if item == "table5" else {}
    for profile in PROFILES if item not in NOTHING else ():
        wanted = pc.paper.items(item, profile)
        frame = pc.runs.kept(wanted, pc.paper.store_of(item, store))
        if len(frame):
            seeds = frame["seed"].nunique()
            found[profile] = (f"`{profile}`: {frame['key'].nunique()} of {len(wanted)} runs, {', '.join(frame['dataset'].unique())}, "
                              f"{seeds} seed{'s' * (seeds > 1)}")
    return found


def status(item: str, stored: dict[str, str]) -> str:
    """Whether an item is reproduced, in a word or two: the digits of `smoke` reproduce nothing of the paper's."""
    if item in NOTHING:
        return "computed here"
    return "at the paper's scale" if "paper" in stored else "at a smaller scale" if "laptop" in stored else "not reproduced"


def verdict(item: str, stored: dict[str, str], found: dict[str, dict[str, list[str]]]) -> str:
    """The cell of the verdict: the status, and of each data set how often the item's claims hold, fail or stay undecided."""
    words = {dataset: [word for number in PAPER[item][2] for word in by.get(str(number), [])] for dataset, by in found.items()}
    told = [f"{dataset}: {tally(some)}" for dataset, some in words.items() if some]
    return "<br>".join([f"**{status(item, stored).capitalize()}**", *(told or ["no claim to judge"])])


def thumbnail(notebook: Path, folder: Path) -> str:
    """The notebook's last picture, small, as Markdown; a sign for a table where it has none."""
    outputs = [out for cell in nbformat.read(notebook, as_version=4).cells for out in cell.get("outputs", [])]
    pictures = [out.data["image/png"] for out in outputs if "image/png" in out.get("data", {})]
    if not pictures:
        shutil.copy(TABLE, folder)
        return f"![A table: {notebook.stem}](thumbnails/{TABLE.name})"
    picture = Image.open(io.BytesIO(base64.b64decode(pictures[-1]))).convert("RGB")
    picture.thumbnail((320, 240))
    picture.quantize(64).save(folder / f"{notebook.stem}.png", optimize=True)
    return f"![The last picture of {notebook.stem}, small](thumbnails/{notebook.stem}.png)"


def row(item: str, notebook: Path, stored: dict[str, str], found: dict, folder: Path) -> str:
    """One line of the scoreboard."""
    name, claim, _ = PAPER[item]
    scale = "<br>".join(stored.values()) or ("none needed" if item in NOTHING else "none")
    return f"| [{thumbnail(notebook, folder)}]({notebook.name}) | [{name}]({notebook.name}) | {claim} | {verdict(item, stored, found)} | {scale} |"


def summary(stored: dict[str, dict[str, str]], found: dict[str, dict[str, list[str]]]) -> str:
    """How many items are reproduced at which scale, and how many claims hold on each data set."""
    counts = Counter(status(item, some) for item, some in stored.items())
    lines = [f"Of {len(stored)} items: {', '.join(f'{count} {words}' for words, count in counts.items())}. The paper's claims get one verdict each, "
             "and those about spiking precision one for each of its two readings:", ""]
    for dataset, by in found.items():
        lines.append(f"- {dataset}: {tally([word for number, words in by.items() if number not in OURS for word in words])}")
    return "\n".join(lines)


def page(notebooks: dict[str, Path], store: Path, folder: Path) -> str:
    """The scoreboard in Markdown; notebooks by the item they are, thumbnails go into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    found, stored = judged(store), {item: scales(item, store) for item in PAPER if item in notebooks}
    rows = [row(item, notebooks[item], some, found, folder) for item, some in stored.items()]
    missing = [name for item, (name, _, _) in PAPER.items() if item not in notebooks]
    absent = f"\nNot here yet: {', '.join(missing)}.\n" if missing else ""
    table = "\n".join(["| picture | item | claim | verdict | stored runs |", "| --- | --- | --- | --- | --- |", *rows])
    return INTRODUCTION.replace("{summary}", summary(stored, found)) + f"\n:::{{container}} scoreboard\n\n{table}\n\n:::\n{absent}"

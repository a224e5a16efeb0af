"""The paper's index page as a scoreboard: of each figure and table a picture, the claim, the verdict, the scale, a link.

Verdicts and scales are read from the store by pc_precision.paper; claims are the paper's, in our words.
"""
import shutil
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import nbformat

import pc_precision as pc
from pc_precision.paper.figures import PUBLISHED
from pc_precision.paper.profiles import NOTHING, PROFILES

TABLE = Path(__file__).resolve().parent / "_static" / "table.svg"
NO_COPY = "Not transcribed: we have no readable copy of these numbers."
VGG10 = ("VGG10 with BatchNorm Freezing, one of the two schedules with the forward update: {0[top1]:.2f} % on CIFAR-10 and {1[top1]:.2f} % on "
         "CIFAR-100. The other numbers are not transcribed: we have no readable copy of them.").format(*PUBLISHED[:2])


class Item(NamedTuple):
    """A figure or table of the paper: its name, where it stands in the first version, what the paper says with it, what is published of its
    numbers, and which of the claims that `judge` knows it makes."""
    name: str
    section: str
    claim: str
    published: str = NO_COPY
    claims: tuple = ()


class Stored(NamedTuple):
    """What the store holds of an item with one profile: in words, and as a share of the runs that the item needs."""
    words: str
    share: float = 1.0


PAPER: dict[str, Item] = {
    "fig1": Item("Figure 1", "section 4", "A flow chart of the algorithm, and the covariances of both schedules over layers and steps.",
                 "A drawing, no numbers."),
    "fig2": Item("Figure 2", "section 4", "In ten layers, energy concentrates near the output in PC, less so in BP.", claims=(1,)),
    "fig4": Item("Figure 4", "section 5", "Of both combinations only S+F stays near BP with depth; centre nudging helps only without the forward "
                 "update.", claims=(5, "F1", "F2", "F3", "F4")),
    "fig5": Item("Figure 5", "appendix B", "The same concentration of energy in five and seven layers.", claims=(1,)),
    "fig6": Item("Figure 6", "appendix C", "The precision schedules lift the first layer's share of the energy.", claims=(3,)),
    "fig7": Item("Figure 7", "appendix C", "BatchNorm Freezing helps only schedule and forward update together.", VGG10, (4,)),
    "table1": Item("Table 1", "section 5", "S+F follows BP with depth, PC and F fall; the forward update matters most in deep networks.", VGG10,
                   (2, "T1", "T2", "T3", "T4", "T5")),
    "table2": Item("Table 2", "section 5", "Accuracies of fifteen layers on Tiny ImageNet."),
    "table3": Item("Table 3", "appendix A", "The layers of VGG5, VGG7, VGG10 and VGG15.", "The layers."),
    "table4": Item("Table 4", "appendix A", "Mean and standard deviation by which images are normalised.", "The constants of all three data sets."),
    "table5": Item("Table 5", "appendix A", "The space of the hyper-parameter search.", "The space; which row is which setting we reasoned."),
    "table6": Item("Table 6", "appendix A.1", "Seconds of an epoch with BP, PC and S+F."),
    "resnet18": Item("ResNet18", "third version", "S+F trains a ResNet18 whose skips are made of auxiliary neurons.",
                     "About 92 % for S+F and 20 % for PC on CIFAR-10, second-hand and uncertain.")}
OURS = ("T6",)                                                # a claim that the paper does not make
VERBS = {"holds": "hold", "fails": "fail", "undecided": "undecided"}
INTRODUCTION = """\
# The paper

Each figure and table of [the paper](https://arxiv.org/abs/2506.23800) is one notebook and one command. This page says of each what the paper
claims, whether our runs confirm it, and at which scale we trained. {doc}`/verdict_rules` says how we judge, and
[the verdicts](verdicts.ipynb) show the numbers behind every word. {doc}`/differences` says how we read the paper where it can be read in two ways.
On {doc}`/explore` you can look up every stored run and compare runs in charts.

{summary}

BP stands for backpropagation, PC for predictive coding, D and S for decaying and spiking precision, and F for the forward update. "Untuned" means that
nobody searched the settings of some of these runs. The profile `smoke` trains narrow networks on digits, `laptop` trains on a part of CIFAR-10 at an
eighth of the width, and `paper` trains as the paper does.
"""


def judged(store: Path) -> dict[str, dict[str, list[str]]]:
    """What `judge` says of the stored runs: by profile with data set, and number of the claim, a word for each reading."""
    found: dict[str, dict[str, list[str]]] = {}
    for profile in PROFILES:
        frame = pc.runs.kept(pc.paper.items("verdicts", profile), store)
        for dataset, verdicts in pc.paper.judge(frame).items() if len(frame) else ():
            found[f"{profile}, {dataset}"] = by_number(verdicts)
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


def scales(item: str, store: Path) -> dict[str, Stored]:
    """What the store holds of an item, for each profile that has a run; of its searches."""
    found = {"search": Stored(f"{len(list((store / 'search').glob('*.json')))} searches")} if item == "table5" else {}
    for profile in PROFILES if item not in NOTHING else ():
        wanted = pc.paper.items(item, profile)
        frame = pc.runs.kept(wanted, pc.paper.store_of(item, store))
        if len(frame):
            runs, seeds = frame["key"].nunique(), frame["seed"].nunique()
            words = (f"`{profile}`: {runs} of {len(wanted)} runs, {', '.join(frame['dataset'].unique())}, "
                     f"{seeds} seed{'s' * (seeds > 1)}, {' and '.join(frame['device'].unique())}")
            found[profile] = Stored(words, runs / len(wanted))
    return found


def status(item: str, stored: dict[str, Stored]) -> str:
    """Whether an item is reproduced, in a word or two: the digits of `smoke` reproduce nothing of the paper's."""
    if item in NOTHING:
        return "computed here"
    if "paper" in stored:
        return "in part " * (stored["paper"].share < 1) + "at the paper's scale"
    return "at a smaller scale" if "laptop" in stored else "not reproduced"


def verdict(item: str, stored: dict[str, Stored], found: dict[str, dict[str, list[str]]]) -> str:
    """The cell of the verdict: the status, and of each profile and data set how often the item's claims hold, fail or stay undecided."""
    words = {dataset: [word for number in PAPER[item].claims for word in by.get(str(number), [])] for dataset, by in found.items()}
    told = [f"{dataset}: {tally(some)}" for dataset, some in words.items() if some]
    return "<br>".join([f"**{status(item, stored).capitalize()}**", *(told or ["no claim to judge"])])


def thumbnail(notebook: Path, folder: Path) -> str:
    """The notebook's last picture as Markdown; a sign for a table where it has none."""
    outputs = [out for cell in nbformat.read(notebook, as_version=4).cells for out in cell.get("outputs", [])]
    pictures = [out.data["image/svg+xml"] for out in outputs if "image/svg+xml" in out.get("data", {})]
    if not pictures:
        shutil.copy(TABLE, folder)
        return f"![A table: {notebook.stem}](thumbnails/{TABLE.name})"
    (folder / f"{notebook.stem}.svg").write_text(pictures[-1], encoding="utf-8")
    return f"![The last picture of {notebook.stem}, small](thumbnails/{notebook.stem}.svg)"


def row(item: str, notebook: Path, stored: dict[str, Stored], found: dict, folder: Path) -> str:
    """One line of the scoreboard."""
    name, claim = PAPER[item].name, PAPER[item].claim
    scale = "<br>".join(some.words for some in stored.values()) or ("none needed" if item in NOTHING else "none")
    return f"| [{thumbnail(notebook, folder)}]({notebook.name}) | [{name}]({notebook.name}) | {claim} | {verdict(item, stored, found)} | {scale} |"


def card(item: str, stored: dict[str, Stored], found: dict[str, dict[str, list[str]]]) -> str:
    """What a reader wants to know first of a figure or table: the claim, what is published, what we ran, the verdict and the command."""
    about = PAPER[item]
    ours = "\n\n    ".join(some.words for some in stored.values())
    ours = ours or ("Computed on this page; nothing is trained." if item in NOTHING else "No run of this item is stored.")
    largest = (profile for profile in reversed(PROFILES) if profile in stored and stored[profile].share > 1 / 2)
    best = next(largest, "smoke")                             # a command that mostly shows what is stored
    return f""":::{{container}} card

The paper's claim
:   {about.claim} (arXiv 2506.23800, {about.section if "version" in about.section else f"version 1, {about.section}"})

Published
:   {about.published}

Ours
:   {ours}

Verdict
:   {verdict(item, stored, found).replace("<br>", "; ")}. {{doc}}`/verdict_rules` says how we judge, and [the verdicts](verdicts.ipynb) with which runs.

Command
:   `papermill nbs/{item}.ipynb out/{item}.ipynb -p profile {best}`

:::
"""


def summary(stored: dict[str, dict[str, Stored]], found: dict[str, dict[str, list[str]]]) -> str:
    """How many items are reproduced at which scale, and how many claims hold at each profile and data set."""
    counts = Counter(status(item, some) for item, some in stored.items())
    lines = [f"Of {len(stored)} items: {', '.join(f'{count} {words}' for words, count in counts.items())}. The paper's claims get one verdict each, "
             "and those about spiking precision one for each of its two readings:", ""]
    for dataset, by in found.items():
        lines.append(f"- {dataset}: {tally([word for number, words in by.items() if number not in OURS for word in words])}")
    return "\n".join(lines)


def page(notebooks: dict[str, Path], stored: dict[str, dict[str, Stored]], folder: Path, found: dict) -> str:
    """The scoreboard in Markdown; notebooks and `scales` by the item they are of, thumbnails go into `folder`; found: of `judged`."""
    folder.mkdir(parents=True, exist_ok=True)
    stored = {item: some for item, some in stored.items() if item in notebooks}
    rows = [row(item, notebooks[item], some, found, folder) for item, some in stored.items()]
    missing = [about.name for item, about in PAPER.items() if item not in notebooks]
    absent = f"\nNot here yet: {', '.join(missing)}.\n" if missing else ""
    table = "\n".join(["| picture | item | claim | verdict | stored runs |", "| --- | --- | --- | --- | --- |", *rows])
    return INTRODUCTION.replace("{summary}", summary(stored, found)) + f"\n:::{{container}} scoreboard\n\n{table}\n\n:::\n{absent}"

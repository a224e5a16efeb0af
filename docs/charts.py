"""The charts of the written pages, each with its words, and the tables behind them as CSV files to download."""
import html
import os
import re
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

import pc_precision as pc
import scoreboard
from pc_precision.paper.costs import counted_table, every_table, measured_tables, operations, shown
from pc_precision.paper.style import COLOURS, as_svg, page_figure

ROOT = Path(__file__).resolve().parent.parent
EXTRA = ROOT / "docs" / "_made" / "new" / "extra"                # what the site serves as it is
TERAFLOPS = 10.0
COSTS = """\
The chart shows the hours that one device needs for each figure and table. They are upper bounds, because a run that stops early needs fewer epochs. Tables
share runs, and we train each run once, so all tables together cost less than the sum of their hours. At the paper's scale the cheapest is {least} with
{least_hours:.2g} hours, and the dearest {most} with {most_hours:.0f} hours.

{chart}

**The hours at the paper's scale are counted, unless a device is named.** We count the multiplications and additions of the products in all layers (with the light cone), for
all training images and for the evaluation after each epoch, and divide them by {teraflops:g} TFLOP/s. That rate is an assumption: on a device that reaches R
TFLOP/s the hours are these times {teraflops:g}/R. You can compare them with one published time: the authors' program took about 17 minutes a seed on one A100
for VGG5 on CIFAR-10 by S+F with T = 7. If that run had 50 epochs of what we count here, the device reached {rate:.1f} TFLOP/s. The runs
of Table 1 that we trained on one H100 reached about ten times the assumed rate ([Table 6](../nbs/table6.ipynb)).

**The other hours are measured** from the seconds of an epoch with its evaluation and a share of the compilation, of the fastest run of each kind in `results/`. A table without a mark
has a kind of run that we have not trained at that scale. After one run of a kind, `pc-precision status` tells the hours on its device.

The tables behind the chart hold the hours of each network and method: {downloads}."""
MARKS = {"smoke": ("o", "blue"), "laptop": ("s", "orange"), "paper": ("D", "vermilion")}


def picture(name: str, drawing: str, alt: str, page: str) -> str:
    """The drawing as a file of the site, and the HTML by which `page` shows it: with its words, in full size when clicked."""
    path = EXTRA / "figures" / f"{name}.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(drawing, encoding="utf-8")
    there = os.path.relpath(f"figures/{name}.svg", Path(page).parent)
    wide = " wide" * (float(re.search(r'<svg [^>]*?width="([\d.]+)pt"', drawing)[1]) > 400)
    return (f'<figure class="plot{wide}"><a href="{there}"><img src="{there}" alt="{html.escape(alt)}" loading="lazy"></a></figure>')


def chart(fig: Any, name: str, alt: str, page: str) -> str:
    """A figure of matplotlib as `picture` shows it."""
    drawing = as_svg(fig, alt)
    plt.close(fig)
    return picture(name, drawing, alt, page)


def download(frame: pd.DataFrame, name: str) -> str:
    """A table as a CSV file of the site, and the link to it."""
    path = EXTRA / "data" / f"{name}.csv"
    path.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(path)
    return f'<a href="data/{name}.csv" download>{name}.csv</a>'


def called(item: str) -> str:
    """What a notebook of the paper is called in a chart."""
    return scoreboard.PAPER[item].name if item in scoreboard.PAPER else item


def hours_by_device() -> dict[tuple[str, str], pd.DataFrame]:
    """Hours of each table by (profile, device or "counted")."""
    runs = list(pc.runs.Store(ROOT / "results").runs())
    found = {(profile, device): hours for profile in MARKS
             for device, hours in measured_tables(every_table(profile), runs).items()}
    return found | {("paper", "counted"): counted_table(every_table("paper"), TERAFLOPS)}


def costs_chart(hours: dict[tuple[str, str], pd.DataFrame]) -> str:
    """A row for each figure and table, a mark for each scale and device whose hours are known."""
    totals = {kind: table.xs("all", level="net")["all"].astype(float).dropna() for kind, table in hours.items()}
    totals = {kind: total for kind, total in totals.items() if len(total)}
    order = totals["paper", "counted"].sort_values().index
    fig, [[ax]] = page_figure(height=3.4)
    for (profile, device), total in totals.items():
        marker, colour = MARKS[profile]
        counted = device == "counted"
        ax.plot(total.values, [order.get_loc(name) for name in total.index], marker, color=COLOURS[colour], linestyle="none",
                markerfacecolor="white" if counted else COLOURS[colour],
                label=f"{profile}: counted, at {TERAFLOPS:g} TFLOP/s" if counted else f"{profile}: measured, {device}")
    ax.set(xscale="log", xlabel="hours of one device", yticks=range(len(order)))
    ax.set_yticklabels(map(called, order))
    fig.legend(loc="outside lower center", ncols=2, fontsize=7.5, frameon=False)
    told = "; ".join(f"{profile}, {device}: " + ", ".join(f"{called(name)} {value:.2g}" for name, value in total.items())
                     for (profile, device), total in totals.items())
    return chart(fig, "costs", f"Hours of one device for each figure and table. {told}.", "cluster.md")


def costs() -> str:
    """What the figures and tables cost, for the page of clusters: a chart, sentences and files."""
    hours = hours_by_device()
    total = hours["paper", "counted"].xs("all", level="net")["all"].astype(float)
    anchor = pc.Experiment(dataset="cifar10", model="vgg5", algorithm="S+F", T=7, select="test")
    files = [download(shown(table), re.sub(r"[^\w]+", "_", f"hours {profile} {device}").lower())
             for (profile, device), table in hours.items()]
    return COSTS.format(least=called(total.idxmin()), least_hours=total.min(), most=called(total.idxmax()), most_hours=total.max(), teraflops=TERAFLOPS,
                        chart=costs_chart(hours), rate=operations(anchor) / (17 * 60) / 1e12, downloads=", ".join(files))


PEERS = ROOT / "benchmarks" / "peers.csv"
CPU = ROOT / "benchmarks" / "cpu.csv"
SUBJECTS = {  # how a method of the benchmark looks: colour, marker
    "BP": ("black", "o"), "PC": ("vermilion", "s"), "PC dense": ("purple", "D"), "ePC": ("sky", "*"), "S+F": ("blue", "X"),
    "S+F skip": ("green", ">"), "PCX": ("orange", "v"), "FabricPC PC": ("yellow", "P"), "FabricPC ePC": ("yellow", "p")}
TICKS = [1, 2, 5, 10, 20, 50]
SPEED = """\
## A step against backpropagation and the peers

Each mark is the processor time of a training step over that of backpropagation on the same network; the line through it reaches from the least to the largest
ratio of a turn. The networks are the paper's; `vgg5/8` is VGG5 with an eighth of the channels.

{nets}

{claims}

For comparison: Kerjan, Hoier and Scellier (2026) publish 18 days on one A100 for centred EP on ImageNet32, where backpropagation took 36 hours, a ratio of 12.
[The notebook of the rivals](../nbs/rivals.ipynb) measures the steps of all our methods beside backpropagation's.

## Cost over depth

These networks are MLPs of 5 to 40 layers with 128 units each; FabricPC's ePC and ours take five steps whatever the depth.

{depths}

{depth_claims}

[The folder of the benchmarks](../benchmarks) says what each method does and how we measure. All numbers, with memory, compilation and the agreement with the
peers in float64, are in {download}.

{provenance}

## Where a CPU's time goes in narrow networks

A step of a network of width 1/8 reaches only a part of the speed of one large matrix product. We looked for the rest. Each mark below is the processor time of a
step with one thing changed, over that of the step as it is.

{tries}

{try_claims}

All numbers are in {cpu_download}.

{cpu_provenance}
"""


def measured() -> pd.DataFrame:
    """The rows of the benchmark that were run, not only compiled."""
    rows = pd.read_csv(PEERS)
    return rows[rows["turns"] > 0]


def told(rows: pd.DataFrame) -> str:
    """The ratios to backpropagation in words, a network after the other."""
    ratios = lambda own: ", ".join(f"{row.subject} {row.ratio_to_bp:.2g}" for row in own.itertuples() if row.subject in SUBJECTS)
    return "; ".join(f"{net}: {ratios(own)}" for net, own in rows.groupby("net", sort=False))


def ratio_points(ax: Any, rows: pd.DataFrame, across: bool, at: Any, join: str) -> None:
    """Each method's ratio to backpropagation with the least and the largest of its turns.

    across: whether ratios lie on the x axis; at: the places of rows on the other axis; join: the line's style.
    """
    for subject, (colour, marker) in SUBJECTS.items():
        own = rows[rows["subject"] == subject]
        spread = [own["ratio_to_bp"] - own["ratio_least"], own["ratio_most"] - own["ratio_to_bp"]]
        places = own["ratio_to_bp"], at(own)
        look = dict(marker=marker, linestyle=join, color=COLOURS[colour], markeredgecolor="black", markeredgewidth=0.4, markersize=5, linewidth=1)
        if len(own):
            ax.errorbar(*(places if across else places[::-1]), **{"xerr" if across else "yerr": spread}, label=subject, **look)


def nets_chart(rows: pd.DataFrame) -> str:
    """A line for each VGG, a mark for each method."""
    nets = list(dict.fromkeys(rows["net"]))
    fig, [[ax]] = page_figure(height=0.6 + 0.35 * len(nets))
    ratio_points(ax, rows, True, lambda own: [nets.index(net) for net in own["net"]], "none")
    ax.set(xscale="log", xlabel="processor time of a step over backpropagation's", xticks=TICKS, yticks=range(len(nets)), ylim=(len(nets) - 0.5, -0.5))
    ax.set_yticklabels(nets)
    ax.set_xticklabels(TICKS)
    ax.minorticks_off()
    fig.legend(loc="outside lower center", ncols=7, fontsize=7.5, frameon=False)
    return chart(fig, "speed_nets", f"Processor time of a training step over backpropagation's. {told(rows)}.", "speed.md")


def depths_chart(rows: pd.DataFrame) -> str:
    """A line for each method over the depth of the networks."""
    fig, [[ax]] = page_figure(height=2.8)
    ratio_points(ax, rows, False, lambda own: own["layers"], "-")
    ticks = sorted(set(rows["layers"]))
    ax.set(xscale="log", yscale="log", xlabel="layers", ylabel="processor time of a step\nover backpropagation's", xticks=ticks, yticks=TICKS)
    ax.set_xticklabels(ticks)
    ax.set_yticklabels(TICKS)
    ax.minorticks_off()
    fig.legend(loc="outside right center", fontsize=7.5, frameon=False)
    return chart(fig, "speed_depths", f"Processor time of a training step over backpropagation's, by depth. {told(rows)}.", "speed.md")


def span(values: pd.Series) -> str:
    """The least and the largest of some numbers, two digits each."""
    low, high = (f"{value:.2g}" for value in (values.min(), values.max()))
    return low if low == high else f"{low} to {high}"


def against(rows: pd.DataFrame, subject: str, other: str) -> pd.Series:
    """A method's time over another's, by network, where both were measured."""
    by = rows.pivot_table(index="net", columns="subject", values="ratio_to_bp", sort=False)
    return (by[subject] / by[other]).dropna() if {subject, other} <= set(by) else pd.Series(dtype=float)


def claims(rows: pd.DataFrame) -> str:
    """What the measurements of the VGGs say, a sentence each."""
    peers = [name for name in ("PCX", "FabricPC PC") if name in set(rows["subject"])]
    ours = rows[rows["subject"].isin(("BP", "PC", "S+F"))]
    narrow, full = (ours[ours["net"].str.contains("/") == part]["share_of_product"] * 100 for part in (True, False))
    compiled = rows[rows["subject"].isin(SUBJECTS) & ~rows["subject"].str.contains("PCX|Fabric")]["compile_cpu_seconds"].max()
    memory = rows.pivot_table(index="net", columns="subject", values="peak_mib")
    said = [
        f"A step of PC takes {span(against(rows, 'PC', 'BP'))} times the processor time of backpropagation, a step of S+F in the authors' setting "
        f"{span(against(rows, 'S+F', 'BP'))} times; if S+F skips what hardly weighs, {span(against(rows, 'S+F skip', 'BP'))} times."]
    said += [f"A step of {name} takes {span(against(rows, name, 'PC'))} times as long as a step of our PC, which computes the same: activities differ by at "
             f"most {rows.loc[rows['subject'] == name, 'agreement'].max():.0e} of the largest in float64." for name in peers]
    said += [
        f"Our backpropagation takes {span(1 / against(rows, 'plain XLA', 'BP'))} times as long as plain `jax.grad` with XLA's kernels.",
        f"PC needs at its peak {span((memory['PC'] / memory['PCX']).dropna())} times the memory of PCX.",
        f"A step of our BP, PC or S+F reaches {span(narrow)} % of the speed of one large matrix product in networks of width 1/8, and {span(full)} % in the paper's.",
        f"Compiling a step of ours takes at most {compiled:.0f} seconds of processor time."]
    return "\n".join(f"- {sentence}" for sentence in said)


def depth_claims(rows: pd.DataFrame) -> str:
    """What the measurements of the MLPs say, a sentence each."""
    deepest = rows["layers"].max()
    of = lambda name: rows[rows["subject"] == name].sort_values("layers")
    cost = lambda name: f"{of(name).iloc[-1].ratio_to_bp:.2g}"
    skip, peers = of("S+F skip").iloc[-1], [name for name in ("PCX", "FabricPC PC") if len(of(name))]
    theirs = "; ".join(f"{name} costs {cost(name)} in {of(name).iloc[-1].layers}" for name in peers)
    return "\n".join([
        f"- In {deepest} layers, a step of dense PC costs {cost('PC dense')} steps of backpropagation. The light cone, which keeps the digits that dense inference loses in "
        f"float32, costs {cost('PC')}: in networks of more than 16 layers it computes every layer at every step. {theirs}.",
        f"- S+F in the authors' setting costs {cost('S+F')} steps of backpropagation in {deepest} layers. If it skips what hardly weighs, it costs {cost('S+F skip')}, because it "
        "then makes the same products as backpropagation.",
        f"- Skipping changes the weight gradient of a layer by up to {100 * skip.skip_error:.2g} % there (measured in float64). The bound that "
        f"[the chapter on silence](../nbs/09_skipping.ipynb) proves allows a change of {skip.skip_bound:.2g} times a layer's displacement."])


XLA_FIRST, MORE_PAIRS = "XLA's first layer", "pairs for 8 channels, too"
OURS = ("as it is", "convolutions alone", XLA_FIRST, MORE_PAIRS, "memory goes back", "3 seeds together")  # the other changes are options of XLA


def tries_chart(rows: pd.DataFrame) -> str:
    """A line for each change, a mark for each network: filled for backpropagation, empty for S+F."""
    tries = [name for name in dict.fromkeys(rows["variant"]) if name != "as it is"]
    fig, [[ax]] = page_figure(height=0.9 + 0.4 * len(tries))
    colours = dict(zip(dict.fromkeys(rows["net"]), list(COLOURS.values())[1:]))
    kinds = rows[rows["variant"].isin(tries)].groupby(["net", "subject"], sort=False)
    for number, ((net, subject), own) in enumerate(kinds):
        beside = 0.12 * (number - (len(kinds) - 1) / 2)      # marks of one line do not cover each other
        colour, at = colours[net], [tries.index(name) + beside for name in own["variant"]]
        spread = [own["ratio"] - own["ratio_least"], own["ratio_most"] - own["ratio"]]
        ax.errorbar(own["ratio"], at, xerr=spread, linestyle="none", marker="o" if subject == "BP" else "s", color=colour, markersize=5, linewidth=0.7,
                    markerfacecolor=colour if subject == "BP" else "white", label=f"{net}, {subject}")
    ax.axvline(1, color="#888888", linewidth=0.7)
    ax.set(xscale="log", xlabel="processor time over that of a step as it is", xticks=[0.5, 1, 2, 5, 10], yticks=range(len(tries)), ylim=(len(tries) - 0.5, -0.5))
    ax.set_yticklabels(tries)
    ax.set_xticklabels([0.5, 1, 2, 5, 10])
    ax.minorticks_off()
    fig.legend(loc="outside lower center", ncols=3, fontsize=7.5, frameon=False)
    said = "; ".join(f"{name}: " + ", ".join(f"{row.net} {row.subject} {row.ratio:.2g}" for row in rows[rows["variant"] == name].itertuples()) for name in tries)
    return chart(fig, "speed_cpu", f"Processor time of a step with one change over that of a step as it is. {said}.", "speed.md")


def try_claims(rows: pd.DataFrame) -> str:
    """What the measurements of the changes say, a sentence each."""
    of = {name: own for name, own in rows.groupby("variant")}
    cost = lambda name: span(of[name]["ratio"])
    share = lambda name: span(100 * of[name]["share_of_product"])
    options = [name for name in dict.fromkeys(rows["variant"]) if name not in OURS]
    eight = of[MORE_PAIRS]
    return "\n".join([
        f"- A step reaches {share('as it is')} % of the speed of one large matrix product. The convolutions of backpropagation alone, without activations, pools "
        f"and the optimiser, take {span(100 * of['convolutions alone']['ratio'])} % of its time and reach {share('convolutions alone')} %: XLA takes at least as long for 16 "
        "output channels as for 32, and the kernels' gradients are slow ([the kernels' chapter](../nbs/01_kernels.ipynb)). So no faster activation can "
        "bring these networks to the speed of a matrix product.",
        f"- If XLA convolves the images by itself, a step takes {cost(XLA_FIRST)} times as long. We take two pixels of a row at a time. If we convolve 8 channels in pairs, too, "
        f"a step of {eight['net'].iloc[0]} takes {eight['ratio'].min():.2f} to {eight['ratio'].max():.2f} times as long.",
        f"- If the memory of each array goes back to the system, a step takes {cost('memory goes back')} times as long.",
        f"- Three seeds in one program (`jax.vmap`) take {cost('3 seeds together')} times as long as three after each other, so we train seeds one by one.",
        "- We leave XLA's options as they are: " + ", ".join(f"{name} {cost(name)}" for name in options) + "."])


def measured_when(rows: pd.DataFrame) -> str:
    """When and on which machine the rows were measured, in a sentence."""
    times = rows.groupby(["date", "commit", "processor", "threads"])["net"].unique()
    when = "; ".join(f"{', '.join(nets)} on {date} at commit {commit} on {processor} with {threads} threads" for (date, commit, processor, threads), nets in times.items())
    return f"We measured {when}. Versions: " + "; ".join(dict.fromkeys(rows["versions"])) + "."


def speed() -> str:
    """The measured part of the page on speed: charts, sentences and the file behind them."""
    rows = measured()
    vggs, mlps = (rows[rows["net"].str.startswith(kind)] for kind in ("vgg", "mlp"))
    cpu = pd.read_csv(CPU)
    return SPEED.format(nets=nets_chart(vggs), claims=claims(vggs), depths=depths_chart(mlps), depth_claims=depth_claims(mlps),
                        download=download(pd.read_csv(PEERS).set_index("net"), "peers"), provenance=measured_when(rows),
                        tries=tries_chart(cpu), try_claims=try_claims(cpu), cpu_download=download(cpu.set_index("net"), "cpu"), cpu_provenance=measured_when(cpu))

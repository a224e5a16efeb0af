"""The charts of the written pages, each with its words, and the tables behind them as CSV files to download."""
import html
import importlib
import os
import re
from pathlib import Path
from typing import Any

import pandas as pd

import pc_precision as pc
import scoreboard
from pc_precision.paper.style import COLOURS, as_svg, page_figure

ROOT = Path(__file__).resolve().parent.parent
EXTRA = ROOT / "docs" / "_pages" / "extra"                  # what the site serves as it is
counts = importlib.import_module("pc_precision.paper.costs")
TERAFLOPS = 10.0
COSTS = """\
The chart shows the hours that one device needs for each figure and table. They are upper bounds, because a run that stops early needs fewer epochs. Tables
share runs, and we train each run once, so all tables together cost less than the sum of their hours. At the paper's scale the cheapest is {least} with
{least_hours:.2g} hours, and the dearest {most} with {most_hours:.0f} hours.

{chart}

**The hours at the paper's scale are counted, not measured.** We count the multiplications and additions of the products in all layers (with the light cone), for
all training images and for the evaluation after each epoch, and divide them by {teraflops:g} TFLOP/s. That rate is an assumption: on a device that reaches R
TFLOP/s the hours are these times {teraflops:g}/R. You can compare them with one published time: the authors' program took about 17 minutes a seed on one A100
for VGG5 on CIFAR-10 by S+F with T = 7. If that run had 50 epochs of what we count here, the device reached {rate:.1f} TFLOP/s.

**The other hours are measured** from the seconds of an epoch with its evaluation and a share of the compilation, of the runs in `results/`. A table without a mark
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
    plt = importlib.import_module("matplotlib.pyplot")
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
             for device, hours in counts.measured_tables(counts.every_table(profile), runs).items()}
    return found | {("paper", "counted"): counts.counted_table(counts.every_table("paper"), TERAFLOPS)}


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
    files = [download(counts.shown(table), re.sub(r"[^\w]+", "_", f"hours {profile} {device}").lower())
             for (profile, device), table in hours.items()]
    return COSTS.format(least=called(total.idxmin()), least_hours=total.min(), most=called(total.idxmax()), most_hours=total.max(), teraflops=TERAFLOPS,
                        chart=costs_chart(hours), rate=counts.operations(anchor) / (17 * 60) / 1e12, downloads=", ".join(files))


PEERS = ROOT / "benchmarks" / "peers.csv"
SUBJECTS = {  # look of each subject of the benchmark: marker, colour
    "BP": ("o", "black"), "PC": ("s", "vermilion"), "PC dense": ("D", "purple"), "ePC": ("*", "sky"), "S+F": ("X", "blue"),
    "S+F skip": (">", "green"), "PCX": ("v", "orange"), "FabricPC PC": ("P", "yellow"), "FabricPC ePC": ("p", "yellow")}
SPEED = """\
## Measured

{vgg_chart}

{depth_chart}

{claims}

[The benchmarks' README](../benchmarks/README.md) explains what each method does and how we measure. All numbers, among them memory, compilation and the
agreement with the peers in float64: {download}. {provenance}"""


def ratios(rows: pd.DataFrame, ax: Any, place: Any) -> None:
    """A mark for the ratio of each method to backpropagation, with the least and the largest of its turns; place: of a row on the other axis."""
    for subject, (marker, colour) in SUBJECTS.items():
        own = rows[rows["subject"] == subject]
        if len(own):
            spread = [own["ratio_to_bp"] - own["ratio_least"], own["ratio_most"] - own["ratio_to_bp"]]
            place(ax, own, spread, dict(fmt=marker, color=COLOURS[colour], label=subject, elinewidth=.8, markersize=4.5, markeredgecolor="black", markeredgewidth=.4))


def in_words(rows: pd.DataFrame) -> str:
    """The ratios of a chart for those who cannot see it."""
    told = lambda own: ", ".join(f"{row.subject} {row.ratio_to_bp:.2g}" for row in own.itertuples())
    return "; ".join(f"{net}: {told(own)}" for net, own in rows.groupby("net", sort=False))

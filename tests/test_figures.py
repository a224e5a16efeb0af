"""What a figure shows is what it was given: fronts against closed forms, shares that sum to one, data read back from axes."""
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402

from pc_precision.paper import figures, style  # noqa: E402
from pc_precision.paper.figures import (  # noqa: E402
    FLOOR, Box, accuracy_table, acting_covariance, depth_figure, energy_figure, flow_chart, freezing_figure, front_steps, imbalance,
    nudging_figure, published, shares)

TABLE = np.arange(1.0, 13.0).reshape(4, 3)             # T = 4 steps (rows), L = 3 layers (columns)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def axis():
    return style.page_figure()[1][0, 0]


# The front and the tables

@pytest.mark.parametrize("L", [2, 3, 10])
def test_the_front_travels_a_layer_a_step_and_activities_move_one_step_before_errors(L):
    for l in range(1, L + 1):
        assert front_steps(L)[l - 1] == L - l
        if l < L:
            assert front_steps(L, "activity")[l - 1] == L - 1 - l
    assert np.isnan(front_steps(L, "activity")[-1]), "the output is clamped"


def test_the_energy_reading_acts_as_the_table_says_and_activity_takes_the_layer_above():
    assert np.array_equal(acting_covariance(TABLE), TABLE)
    expected = [[2, 3, np.nan], [5, 6, np.nan], [8, 9, np.nan], [11, 12, np.nan]]
    assert np.array_equal(acting_covariance(TABLE, "activity"), expected, equal_nan=True)


@pytest.mark.parametrize("function", [lambda: front_steps(3, "actvity"), lambda: acting_covariance(TABLE, "actvity")])
def test_a_misspelt_reading_stops_with_the_right_one(function):
    with pytest.raises(ValueError, match="'activity'"):
        function()


def test_the_heat_map_holds_the_table_with_layer_one_at_the_bottom():
    ax = axis()
    image = figures.table_map(ax, TABLE, front_steps(3), (1, 12), "a title")
    assert np.array_equal(image.get_array(), TABLE.T) and image.norm.vmin == 1 and image.norm.vmax == 12
    assert image.norm(12.0 ** 0.5) == pytest.approx(0.5), "logarithmic"
    assert ax.get_ylim() == (-0.5, 2.5), "row 0, layer 1, below"
    assert [label.get_text() for label in ax.get_yticklabels()] == ["1", "2", "3"]
    written = {(round(t.get_position()[0]), round(t.get_position()[1])): t.get_text() for t in ax.texts}
    assert written == {(t, l): f"{TABLE[t, l]:.0f}" for t in range(4) for l in range(3)}


def test_the_front_is_drawn_on_the_left_edge_of_the_cell_it_reaches():
    ax = axis()
    figures.table_map(ax, TABLE, front_steps(3), (1, 12))
    [front] = ax.lines
    for l in (1, 2, 3):                                 # row l - 1 has its centre at y = l - 1, step t spans t +- 0.5
        xs = front.get_xdata()[2 * (l - 1):2 * l]
        assert np.array_equal(xs, [3 - l - 0.5] * 2)
    paler = {patch.get_y() + 0.5: patch.get_width() for patch in ax.patches}
    assert paler == {0: 2, 1: 1, 2: 0}


def test_infinite_and_absent_cells_carry_no_colour():
    ax = axis()
    table = np.array([[1.0, np.inf, np.nan]])
    image = figures.table_map(ax, table, [0, 0, np.nan], (1, 10))
    assert np.array_equal(np.ma.getmaskarray(image.get_array())[:, 0], [False, True, True])
    assert [t.get_text() for t in ax.texts] == ["1", "∞", "–"]


@pytest.mark.parametrize("T", [1, 2])
def test_a_front_that_never_arrives_ends_at_the_last_step(T):
    ax = axis()
    figures.table_map(ax, TABLE[:T], front_steps(3), (1, 12))
    assert max(ax.lines[0].get_xdata()) == T - 0.5


@pytest.mark.parametrize("value, text", [(0.1, "0.1"), (1.0, "1"), (1.5820, "1.6"), (638.4, "638"), (2e6, "2e6"), (1e-4, "1e-4"),
                                         (np.inf, "∞"), (np.nan, "–"), (99999.0, "99999")])
def test_numbers_of_cells_are_short(value, text):
    assert figures.as_cell(value) == text and len(text) <= 5


# Energies

ENERGIES = np.array([[1e-6, 1e-3, 1.0], [2e-6, 4e-3, 0.5]])


def test_shares_sum_to_one_and_keep_ratios():
    part = shares(ENERGIES)
    assert np.allclose(part.sum(-1), 1) and np.allclose(part[:, 1] / part[:, 0], ENERGIES[:, 1] / ENERGIES[:, 0])
    assert np.array_equal(shares([0.0, 3.0, 1.0]), [0, 0.75, 0.25])


@pytest.mark.parametrize("lost", [[0.0, 0.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_no_energy_or_no_number_has_no_shares(lost):
    assert np.isnan(shares(lost)).all()


def test_energy_lines_show_every_layer_over_epochs_on_a_logarithmic_axis():
    ax = axis()
    figures.energy_lines(ax, ENERGIES)
    shown = [line for line in ax.lines if line.get_marker() == "o"]
    assert ax.get_yscale() == "log" and np.array_equal([line.get_ydata() for line in shown], ENERGIES.T)
    assert all(np.array_equal(line.get_xdata(), [1, 2]) for line in shown)


def test_what_is_below_the_floor_is_drawn_on_it_and_marked():
    ax = axis()
    figures.energy_lines(ax, [[0.0, 1.0], [1e-3, 1.0], [FLOOR / 2, np.nan]])
    first, marks, second, none = ax.lines
    assert np.array_equal(first.get_ydata(), [FLOOR, 1e-3, FLOOR])
    assert np.array_equal(marks.get_xdata(), [1, 3]) and np.array_equal(marks.get_ydata(), [FLOOR, FLOOR])
    assert np.isnan(second.get_ydata()[2]) and len(none.get_xdata()) == 0, "what has no number is not a small energy"


def test_stacked_bars_are_the_shares_in_per_cent_layer_one_below():
    ax = axis()
    figures.share_bars(ax, ENERGIES)
    bars = np.array([[bar.get_y(), bar.get_height()] for bar in ax.patches]).reshape(3, 2, 2)
    assert np.allclose(bars[:, :, 1], 100 * shares(ENERGIES).T)
    assert np.allclose(bars[0, :, 0], 0) and np.allclose(bars[1:, :, 0], np.cumsum(bars[:-1, :, 1], 0))


@pytest.mark.parametrize("L", [1, 5, 15])
def test_layers_are_told_apart_by_lightness_alone(L):
    lightness = [np.dot(colour[:3], [0.2126, 0.7152, 0.0722]) for colour in figures.layer_colours(L)]
    assert len(lightness) == L and (np.diff(lightness) > 0.01).all()


# From rows to figures

def run(algorithm="PC", energies=ENERGIES, outcome="finished", **settings):
    """Rows of a run as `results` gives them."""
    rows = [(e, "train", "energy", l, value) for e, row in enumerate(energies, 1) for l, value in enumerate(row, 1)]
    rows += [(e, split, metric, None, base + e / 10) for e in range(1, len(energies) + 1)
             for split, metric, base in [("train", "loss", 0.1), ("test", "loss", 0.2), ("train", "top1", 0.3), ("test", "top1", 0.4)]]
    about = dict(key=algorithm, dataset="digits", model="vgg5", batch_norm="none", algorithm=algorithm, seed=0, x_step=0.1, width=1.0)
    return pd.DataFrame(rows, columns=["epoch", "split", "metric", "layer", "value"]).assign(outcome=outcome, **about | settings)


def test_the_figure_holds_the_rows_it_was_given():
    fig = energy_figure(pd.concat([run("PC"), run("S+F", 2 * ENERGIES)]))
    axes = np.array(fig.axes[:8]).reshape(4, 2)
    assert [ax.get_title() for ax in axes[0]] == ["PC", "S+F"]
    lines = [line for line in axes[0, 1].lines if line.get_marker() == "o"]
    assert np.array_equal([line.get_ydata() for line in lines], 2 * ENERGIES.T)
    loss, accuracy = ({line.get_label(): list(line.get_ydata()) for line in ax.lines} for ax in axes[2:, 0])
    assert loss == {"train": pytest.approx([0.2, 0.3]), "test": pytest.approx([0.3, 0.4])}
    assert accuracy == {"train": pytest.approx([40, 50]), "test": pytest.approx([50, 60])}
    assert axes[0, 0].get_ylim() == axes[0, 1].get_ylim(), "panels of a row share their axis"


def test_a_diverged_run_is_called_so():
    fig = energy_figure(run(energies=[[1.0, 2.0], [np.nan, np.nan]], outcome="diverged"))
    assert fig.axes[0].get_title() == "PC (diverged)"
    assert np.isnan(imbalance(run(energies=[[1.0, 2.0], [np.nan, np.nan]])).decades[0])


@pytest.mark.parametrize("width", [None, np.nan])
def test_a_network_without_a_width_has_its_figure_and_caption(width):
    fig = energy_figure(run(model="mlp-8-8", width=width))
    assert fig.get_suptitle() == "MLP-8-8, digits"
    text = figures.caption(run(model="mlp-8-8", width=width, select="test", device="a device"), "Accuracy", "smoke")
    assert text == ("Accuracy (%), profile smoke: one seed; epoch chosen by test accuracy among at most 2; "
                    "a device; nobody searched the settings of any cell (untuned).")


@pytest.mark.parametrize("width, text", [(1.0, "full width"), (1 / 16, "width 0.0625")])
def test_a_title_names_the_width(width, text):
    assert energy_figure(run(width=width)).get_suptitle() == f"VGG5, digits, {text}"


def test_networks_of_two_depths_are_refused():
    with pytest.raises(ValueError, match="one depth"):
        energy_figure(pd.concat([run("PC"), run("S+F", ENERGIES[:, :2])]))
    with pytest.raises(ValueError, match="of one run"):
        figures.energies_of(pd.concat([run("PC"), run("S+F")]))


def test_imbalance_counts_decades_and_shares_of_the_last_epoch():
    [row] = imbalance(run()).to_dict("records")
    assert row["decades"] == pytest.approx(np.log10(0.5 / 2e-6)) and row["epochs"] == 2
    total = 0.5 + 4e-3 + 2e-6
    assert (row["first"], row["last"]) == (pytest.approx(2e-6 / total), pytest.approx(0.5 / total))
    assert (row["train"], row["test"]) == (pytest.approx(0.5), pytest.approx(0.6))


def test_a_first_layer_without_energy_is_infinitely_far():
    assert imbalance(run(energies=[[0.0, 1.0]])).decades[0] == np.inf
    assert figures.imbalance_table(run(energies=[[0.0, 1.0]])).iloc[0]["decades between layer L and 1"] == "inf"


# Drawing

def test_a_flow_chart_has_its_boxes_where_they_were_put():
    fig = flow_chart({"a": Box(0.5, 0.2, 1, 0.4, "A"), "b": Box(3, 0.2, 2, 0.4, "B")}, [("a.right", "b.left", "then")], 1.0)
    ax = fig.axes[0]
    assert {"A", "B", "then"} <= {text.get_text() for text in ax.texts}
    [arrow] = [text for text in ax.texts if hasattr(text, "arrow_patch") and text.arrow_patch]
    assert (arrow.xyann, arrow.xy) == ((1.5, pytest.approx(0.4)), (3, pytest.approx(0.4)))


def test_figures_leave_a_notebook_showing_figures(monkeypatch):
    """A notebook's backend turns interactive mode on in the first figure; without it later figures stay unseen."""
    real = plt.subplots

    def first_figure(*args, **kwargs):
        plt.ion()
        return real(*args, **kwargs)

    monkeypatch.setattr(plt, "subplots", first_figure)
    try:
        style.page_figure()
        assert plt.isinteractive()
    finally:
        plt.ioff()


# Tables and bars

def one_run(algorithm: str, batch_norm: str, value: float, mode: str | None = "batch", outcome: str = "finished",
            model: str = "vgg5") -> dict:
    """The row that counts of a run with one epoch."""
    return dict(key=f"{algorithm}{batch_norm}{mode}{value}{model}", dataset="digits", model=model, algorithm=algorithm,
                batch_norm=batch_norm, bn_mode=mode, select="test", outcome=outcome, epoch=1, split="test", metric="top1",
                layer=None, value=value)


RUNS = pd.DataFrame([one_run("BP", "bn", 0.9), one_run("BP", "none", 0.8, None), one_run("PC", "none", 0.5, None),
                     one_run("PC", "bn", 0.6), one_run("PC", "freeze", 0.7), one_run("PC", "freeze", 0.4, "ema"),
                     one_run("PC-CN", "none", 0.55, None), one_run("PC", "none", 0.0, None, "diverged", "vgg10")])


def test_backprops_batch_norm_stands_under_freezing_and_modes_apart():
    table = accuracy_table(RUNS)
    assert list(table.columns) == ["VGG5", "VGG10", "VGG5 BN", "VGG5 BF", "VGG5 BF ema"]
    assert list(table.loc[("digits", "BP")]) == ["80.00", "", "", "90.00", ""]
    assert list(table.loc[("digits", "PC")]) == ["50.00", "diverged", "60.00", "70.00", "40.00"]
    assert table.loc[("digits", "PC-CN"), "VGG5"] == "55.00"


def heights(ax) -> list[float]:
    return [round(bar.get_height(), 1) for bar in ax.patches if bar.get_height() == bar.get_height()]


def test_bars_stand_for_what_was_run():
    fig = nudging_figure(RUNS)
    assert heights(fig.axes[0]) == [80, 50, 55]                             # BP, PC, PC-CN; the diverged one is a cross
    crosses = [line for line in fig.axes[0].get_lines() if line.get_marker() == "x"]
    assert len(crosses) == 1 and [t.get_text() for t in fig.axes[0].get_xticklabels()] == ["VGG5", "VGG10"]
    batch, _, ema, _ = freezing_figure(RUNS).axes                           # rows: modes, columns: models
    assert sorted(heights(batch)) == [50, 55, 60, 70, 80, 90] and sorted(heights(ema)) == [40, 50, 55, 80]
    assert len(depth_figure(RUNS).axes) == 3                             # without BatchNorm, BF, BN


def test_whiskers_reach_to_the_runs_where_a_deviation_describes_none():
    """Two seeds 4 points apart deviate by 4/sqrt(2) = 2.8; three of which one fails, at 10, 70 and 70, have 40 points below their mean and 20 above."""
    rows = [one_run("BP", "none", value, None) | dict(seed=seed, key=f"BP{seed}") for seed, value in enumerate((0.68, 0.72))]
    rows += [one_run("PC", "none", value, None) | dict(seed=seed, key=f"PC{seed}") for seed, value in enumerate((0.7, 0.1, 0.7))]
    lines = nudging_figure(pd.DataFrame(rows)).axes[0].collections
    ends = sorted(tuple(np.round(part[:, 1], 1)) for one in lines for part in one.get_segments())
    assert ends == [(10.0, 70.0), (pytest.approx(70 - 2.8), pytest.approx(70 + 2.8))]


def test_second_hand_numbers_are_marked():
    rows = published(["tiny_imagenet"], ["vgg15"])
    assert list(rows["top1"]) == [55.31] and "second-hand" in rows["source"].iloc[0]


def test_our_accuracies_stand_beside_the_published_ones_of_their_cell():
    cell = lambda algorithm, norm, value, model: one_run(algorithm, norm, value, model=model) | dict(dataset="cifar10")
    runs = pd.DataFrame([cell("D+F", "none", 0.5, "vgg7"), cell("PC", "none", 0.4, "vgg7"), cell("D+F", "freeze", 0.6, "vgg10"),
                         cell("D+F", "none", 0.7, "vgg10"), cell("PC", "freeze", 0.3, "vgg10")])
    rows = published(["cifar10"], ["vgg7", "vgg10"], runs).set_index(["model", "method"])
    assert rows.ours["vgg7", "D+F"] == "D+F 50.0" and rows.ours["vgg10", "precision schedule + forward update"] == "D+F 60.0"
    assert rows.ours["vgg7", "error-based PC (BP in the same study 89.60)"] == ""
    assert "ours" not in published(["cifar10"], ["vgg7"]) and published(["digits"], ["vgg5"]).empty


def test_networks_of_one_kind_stand_together_and_seeds_are_dots():
    deep = "mlp" + 9 * "-64"
    rows = [one_run("BP", "none", value, None, model=model) | dict(seed=seed, key=f"{model}{seed}")
            for model in ("vgg5", "mlp-64-64", deep) for seed, value in ((0, 0.9), (1, 0.7))]
    frame = pd.DataFrame(rows[:-1])
    assert list(accuracy_table(frame).columns) == ["MLP3", "MLP10", "VGG5"]
    assert "over 1 to 2 seeds, or (lowest to highest) where it is over 5 points;" in figures.caption(frame.assign(width=None, device="a device"), "Accuracy", "smoke")
    means, dots, _ = depth_figure(frame).axes[0].get_lines()                # VGG5 has a single depth
    assert list(means.get_xdata()) == [3, 10] and [round(y) for y in means.get_ydata()] == [80, 90]
    assert sorted((x, round(y)) for x, y in zip(dots.get_xdata(), dots.get_ydata())) == [(3, 70), (3, 90), (10, 90)]
    two = pd.DataFrame([one_run("BP", "none", 0.9, None, model=model) | dict(key=model) for model in ("mlp-8", "mlp-9")])
    assert list(accuracy_table(two).columns) == ["MLP-8", "MLP-9"], "of one depth"


# A mean is over seeds alone

def seeds_of(**settings) -> list[dict]:
    """Two seeds, .5 and .7, of runs that have these settings."""
    return [one_run("PC", "none", v) | dict(seed=seed, key=f"{seed}{settings}") | settings for seed, v in ((0, 0.5), (1, 0.7))]


def test_runs_of_two_settings_stand_in_two_rows():
    frame = pd.DataFrame(seeds_of(width=1.0, x_step=0.1) + seeds_of(width=0.5, x_step=0.1))
    table = accuracy_table(frame)
    assert table.index.names == ["dataset", "algorithm", "width"], "what is equal is not named"
    assert table["VGG5"].to_dict() == {("digits", "PC", width): "60.00 (50.00 to 70.00)" for width in (1.0, 0.5)}
    four = pd.DataFrame([row for width in (1.0, 0.5) for step in (0.1, 0.2) for row in seeds_of(width=width, x_step=step)])
    assert accuracy_table(four).index.names == ["dataset", "algorithm", "width", "x_step"] and len(accuracy_table(four)) == 4


@pytest.mark.parametrize("scores, text", [
    ((0.50, 0.57), "53.50 ± 4.95"), ((0.50, 0.58), "54.00 (50.00 to 58.00)"), ((0.1, 0.671, 0.626), "46.57 (10.00 to 67.10)"), ((0.1,), "10.00")])
def test_a_cell_whose_seeds_part_names_the_lowest_and_the_highest(scores, text):
    rows = [one_run("PC", "none", value) | dict(seed=seed, key=str(seed)) for seed, value in enumerate(scores)]
    assert accuracy_table(pd.DataFrame(rows)).squeeze() == text


def test_a_cell_of_found_settings_tells_its_seeds_and_what_diverged():
    lost = [row | dict(outcome="diverged") for row in seeds_of()]
    assert [figures.test_cell(pd.DataFrame(rows)) for rows in (seeds_of(), seeds_of()[:1], [lost[0], seeds_of()[1]], lost)] == [
        "60.0 (50.0 to 70.0) (2 seeds)", "50.0 (1 seed)", "70.0 (1 of 2 diverged) (1 seed)", "diverged (0 seeds)"]
    assert figures.test_cell(pd.DataFrame()) == "not run"


def test_settings_that_differ_between_cells_alone_are_not_named():
    frame = pd.DataFrame(seeds_of(x_step=0.1) + [row | dict(algorithm="F", x_step=0.3, key="F" + row["key"]) for row in seeds_of()])
    assert accuracy_table(frame).index.names == ["dataset", "algorithm"]


@pytest.mark.parametrize("draw", [depth_figure, nudging_figure, freezing_figure])
def test_a_figure_refuses_runs_that_have_no_common_mean(draw):
    frame = pd.DataFrame(seeds_of(width=1.0, limit=None) + seeds_of(width=0.5, limit=100.0))
    with pytest.raises(ValueError, match="runs that differ in width, limit have no common mean") as error:
        draw(frame)
    assert "\n" not in str(error.value)


def test_every_algorithm_of_the_library_can_be_drawn():
    from pc_precision.algorithms import ALGORITHMS
    from pc_precision.paper.profiles import ROWS
    from pc_precision.paper.style import LOOKS, PAIRED
    assert set(ROWS) == set(LOOKS) == set(PAIRED)
    looks = [tuple(look) for name, look in LOOKS.items() if "(activity)" not in name]         # which looks as its algorithm alone does
    assert len(set(looks)) == len(looks)
    frame = pd.DataFrame([one_run(a, "none", 0.5, None) for a in ALGORITHMS])
    assert len(depth_figure(frame).axes) == 1 and len(heights(nudging_figure(frame).axes[0])) == len(ALGORITHMS)


def test_both_readings_are_rows_of_tables_and_figures_and_a_cell_nobody_tuned_says_so(monkeypatch):
    import importlib
    rows = [one_run(a, "none", value, None) | dict(reading=reading, key=f"{a}{reading}") for a, reading, value in
            (("BP", None, 0.7), ("S+F", "activity", 0.6), ("S+F", "energy", 0.5), ("S+F-CN", "energy", 0.4))]
    frame = pd.DataFrame(rows)
    assert [i[-1] for i in accuracy_table(frame).index] == ["BP", "S+F (activity)", "S+F (energy)", "S+F-CN (energy)"]
    assert len(heights(nudging_figure(frame).axes[0])) == 4 and "untuned" not in accuracy_table(frame).to_string()        # of all: see caption
    monkeypatch.setattr(importlib.import_module("pc_precision.paper.figures"), "untuned", lambda runs: runs["algorithm"] == "S+F (energy)")
    table = accuracy_table(frame)
    assert [("untuned" in cell) for cell in table.iloc[:, 0]] == [False, False, True, False]


def test_a_figure_is_shown_as_a_drawing_with_its_words_and_closed(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda what, **options: shown.append(what))
    monkeypatch.setattr("IPython.get_ipython", object)
    fig, axes = style.page_figure()
    axes[0, 0].plot([1, 2])
    fig.set_label('Two points & a "line"')
    style.show(fig, "*Caption.*")
    drawn, caption = shown
    root = ElementTree.fromstring(drawn["image/svg+xml"])
    assert root.tag.endswith("svg") and root.attrib["role"] == "img" and root.attrib["aria-label"] == fig.get_label() == drawn["text/plain"]
    assert caption.data == "*Caption.*" and not plt.fignum_exists(fig.number)


def test_outside_a_notebook_a_figure_tells_its_words(capsys):
    style.show(style.page_figure()[0], "*Caption.*", alt="Words.")
    style.show(style.page_figure()[0], alt="Words alone.")
    assert capsys.readouterr().out == "Words.\n*Caption.*\nWords alone.\n"


def test_a_figure_without_words_is_not_shown():
    fig, _ = style.page_figure()
    with pytest.raises(ValueError, match="say what the figure shows"):
        style.show(fig)


def test_the_words_of_a_figure_hold_its_numbers():
    assert "digits, without BatchNorm, PC: 5 layers: 50 %, 10 layers: diverged." in depth_figure(RUNS).get_label()
    assert "digits, VGG5: BP 80 %, PC 50 %, PC-CN 55 %." in nudging_figure(RUNS).get_label()
    assert "digits, vgg5, BatchNorm Freezing, running average: PC 40 %." in freezing_figure(RUNS).get_label()

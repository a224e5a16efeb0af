"Tables 3 and 4: counts against closed forms, constants against images whose moments are known."
import tracemalloc
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest

from pc_precision.experiment import Experiment
from pc_precision.runs.results import results, to_frame
from pc_precision.runs.store import Store
from pc_precision.runs.tables import scores, summarise

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def table3(tmp_path_factory):
    "The folder that the notebook of Table 3 writes, for full nets on CIFAR-10 and digits."
    folder = tmp_path_factory.mktemp("table3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        papermill.execute_notebook(ROOT / "nbs" / "table3.ipynb", folder / "done.ipynb", kernel_name="python3", progress_bar=False,
                                   cwd=folder, parameters=dict(out_dir=str(folder), datasets=["cifar10", "digits"]))
    return folder


def convolutions(channels: list[int]) -> int:
    "Weights and biases of a chain of 3x3 convolutions through these channels."
    return sum(9 * a * b + b for a, b in zip(channels, channels[1:]))


# after the convolutions VGG5 and VGG7 have one pixel, VGG10 32 / 2^4 = 2 x 2, VGG15 32 / 2^5 = 1
CLOSED = {
    "VGG5": lambda c: convolutions([c, 128, 256, 512, 512]) + 512 * 10 + 10,
    "VGG7": lambda c: convolutions([c, 128, 128, 256, 256, 512, 512]) + 512 * 10 + 10,
    "VGG10": lambda c: convolutions([c, 64] + [128] * 3 + [256] * 4 + [512]) + 4 * 512 * 10 + 10,
    "VGG15": lambda c: convolutions([c, 64, 64, 128, 128] + [256] * 3 + [512] * 6) + 512 * 4096 + 4096 + 4096 * 10 + 10}


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSED)
def test_parameters_are_the_closed_form(table3, name):
    cost = pd.read_csv(table3 / "table3_cost.csv").set_index(["data set", "network"])
    assert cost.loc[("cifar10", name), "parameters"] == CLOSED[name](3)
    assert cost.loc[("digits", name), "parameters"] == CLOSED[name](1)
    layers = pd.read_csv(table3 / "table3_layers.csv")
    assert layers[layers.network == name].parameters.sum() == CLOSED[name](3)


@pytest.mark.slow
def test_operations_of_vgg5_are_the_closed_form(table3):
    F = [2 * 9 * a * b * n * n for a, b, n in ((3, 128, 32), (128, 256, 16), (256, 512, 8), (512, 512, 2))] + [2 * 512 * 10]
    layers = pd.read_csv(table3 / "table3_layers.csv")
    assert layers[layers.network == "VGG5"].MFLOP.to_numpy() == pytest.approx(np.array(F) / 1e6, abs=5e-4)
    cost = pd.read_csv(table3 / "table3_cost.csv").set_index(["data set", "network"]).loc[("cifar10", "VGG5")]
    assert cost["forward"] == pytest.approx(sum(F) / 1e9, abs=5e-5)
    assert cost["BP"] == pytest.approx((3 * sum(F) - F[0]) / 1e9, abs=5e-5), "forward, weights, activities; none for the input"
    assert cost["BP"] < cost["S+F"] < cost["PC"] < cost["PC, dense"]


@pytest.mark.slow
def test_architectures_are_the_papers(table3):
    table = pd.read_csv(table3 / "table3.csv", index_col=0)
    assert table.loc["channels", "VGG7"] == "[128, 128, 256, 256, 512, 512]" and table.loc["paddings", "VGG7"] == "[1, 1, 1, 0, 1, 0]"
    assert table.loc["paddings", "VGG5"] == "[1, 1, 1, 0]" and table.loc["strides", "VGG5"] == "[1, 1, 1, 1]"
    assert table.loc["linear layers"].astype(int).tolist() == [1, 1, 1, 2] and table.loc["layers L"].astype(int).tolist() == [5, 7, 10, 15]
    assert table.loc["kernels", "VGG15"] == str([3] * 13)


# Table 4

@pytest.fixture(scope="module")
def moments():
    "The function that the notebook of Table 4 defines, out of its own cell."
    cells = nbformat.read(ROOT / "nbs" / "table4.ipynb", 4).cells
    [source] = [cell.source for cell in cells if "def moments" in cell.source]
    names = {"np": np}
    exec(source, names)
    return names["moments"]


def test_moments_of_half_black_half_white(moments):
    images = np.zeros((6, 4, 4, 2), np.uint8)
    images[::2, ..., 0] = 255                                # channel 0: whole images black or white
    images[:, :2, :, 1] = 255                                # channel 1: every image half and half
    mean, pixels, within = moments(images)
    assert mean == pytest.approx([0.5, 0.5]) and pixels == pytest.approx([0.5, 0.5])
    assert within == pytest.approx([0, np.sqrt(0.25 * 16 / 15)])


def test_moments_of_uniform_noise_around_moving_means(moments):
    rng = np.random.default_rng(0)
    centre = rng.choice([64, 192], (4000, 1, 1, 1))
    images = (centre + rng.integers(-20, 21, (4000, 8, 8, 1))).astype(np.uint8)
    noise, between = np.sqrt((41 ** 2 - 1) / 12) / 255, 64 / 255         # deviations of -20..20 and of the centres
    mean, pixels, within = moments(images)
    assert mean == pytest.approx([128 / 255], abs=0.01)
    assert pixels == pytest.approx([np.hypot(noise, between)], abs=0.001) and within == pytest.approx([noise], abs=0.001)


@pytest.mark.slow
def test_a_wrong_constant_stops_the_notebook(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with pytest.raises(papermill.PapermillExecutionError, match="of digits is off by"):
        papermill.execute_notebook(ROOT / "nbs" / "table4.ipynb", tmp_path / "done.ipynb", kernel_name="python3", progress_bar=False,
                                   cwd=tmp_path, parameters=dict(out_dir=str(tmp_path), datasets=["digits"], tolerance=1e-7))


# Means

def test_the_number_of_a_run_is_the_test_accuracy_of_the_selected_epoch():
    rows = [("validation", 1, .5, .9), ("validation", 2, .8, .6), ("validation", 3, .8, .7)]
    rows = [dict(key="a", epoch=e, split=s, metric="top1", value=v, layer=None) for _, e, val, test in rows
            for s, v in (("validation", val), ("test", test))]
    frame = pd.DataFrame(rows).assign(select="validation", outcome="finished", dataset="d", model="m", algorithm="PC", batch_norm="none")
    assert scores(frame)["score"].tolist() == [.6] and scores(frame)["epoch"].tolist() == [2]
    assert scores(frame.assign(select="test"))["score"].tolist() == [.9]
    other = frame.assign(key="b", value=frame["value"] + .1)
    lost = frame.assign(key="c", outcome="diverged")
    table = summarise(pd.concat([frame, other, lost])).iloc[0]
    assert np.isclose(table["mean"], .65) and np.isclose(table["std"], .1 / 2 ** .5) and (table["n"], table["diverged"]) == (2, 1)
    assert np.allclose([table["least"], table["most"]], [.6, .7])


def made_up(seed=0, score=0.5, commit="a", **settings):
    "A run of one epoch, made up."
    exp = Experiment(model="mlp-4", algorithm="PC", seed=seed, **settings)
    place = {"device": "a CPU", "versions": {"pc_precision": "0.1.0"}, "commit": commit}
    told = {"dataset": "digits", "model": "mlp-4", "algorithm": "PC", "seed": seed, "select": "validation"} | settings
    rows = [[1, split, "top1", None, score] for split in ("validation", "test")]
    return {"key": exp.key, "experiment": told, "outcome": "finished", "seconds": 1.0, "provenance": place, "sessions": [place], "rows": rows}


def many_rows(seed):
    "A made-up run of 25 epochs and 500 numbers, the ones of a layer among them."
    rows = [[epoch, "train", "energy", layer, epoch / layer] for epoch in range(1, 26) for layer in range(1, 11)]
    rows += [[epoch, split, metric, None, None] for epoch in range(1, 26) for split in ("validation", "test") for metric in "abcde"]
    return made_up(seed) | {"rows": rows}


def test_a_large_store_is_read_in_few_bytes_a_row():
    """A row holds 3 words and 2 numbers of its own; 500 MB for 1.7 million rows beside the 230 MB of the libraries are 160 bytes a row."""
    to_frame([many_rows(0)])                                 # what pandas imports at its first frame does not count
    tracemalloc.start()
    frame = to_frame(many_rows(seed) for seed in range(200))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(frame) == 100_000 and peak / len(frame) < 160 and frame.memory_usage(deep=True).sum() / len(frame) < 150


def test_words_as_categories_read_as_words():
    frame = to_frame(many_rows(seed) for seed in (3, 2 ** 31 - 1))
    energies = frame[(frame["metric"] == "energy") & (frame["seed"] > 3)]
    assert energies["seed"].unique().tolist() == [2 ** 31 - 1] and energies["value"].tolist() == [e / n for e in range(1, 26) for n in range(1, 11)]
    assert set(energies["metric"].unique()) == {"energy"} and len(energies.groupby(["model", "algorithm", "seed"])) == 1
    assert frame["T"].isna().all() and (frame["batch_norm"] == "none").all() and frame["layer"].max() == 10


def test_settings_are_never_averaged_over():
    runs = [made_up(0, 0.5, learning_rate=r, T=T) for r, T, in ((1e-3, 3), (1e-2, 3), (1e-3, 5), (1e-2, 5))]
    table = summarise(to_frame(runs))
    assert table["n"].tolist() == [1, 1, 1, 1] and table["std"].isna().all() and set(zip(table["learning_rate"], table["T"])) == {
        (1e-3, 3), (1e-2, 3), (1e-3, 5), (1e-2, 5)}
    assert summarise(to_frame(runs), of=[]).drop(columns="missing").equals(table)


def test_a_mean_over_seeds_has_no_further_column():
    table = summarise(to_frame([made_up(s, v) for s, v in ((0, 0.2), (1, 0.6))]))
    assert list(table) == ["dataset", "model", "algorithm", "batch_norm", "mean", "std", "least", "most", "n", "diverged", "versions"]
    assert table.iloc[0]["mean"] == pytest.approx(0.4) and table.iloc[0]["std"] == pytest.approx(0.4 / 2 ** .5) and table.iloc[0]["n"] == 2


@pytest.mark.parametrize("name, value", [("output", "cross_entropy"), ("dtype", "bfloat16"), ("optimiser", "sgd"), ("skip", 0.5)])
def test_a_run_older_than_a_setting_had_its_default(name, value):
    default = getattr(Experiment(), name)
    old, new, other = made_up(0, 0.2), made_up(1, 0.6, **{name: default}), made_up(2, 0.9, **{name: value})
    wanted = [Experiment(model="mlp-4", algorithm=a, seed=s) for a in ("PC", "BP") for s in range(3)]
    table = summarise(to_frame([old, new]))
    assert name not in table and table["n"].tolist() == [2] and to_frame([old])[name].unique().tolist() == [default]
    assert summarise(to_frame([old, new, other])).set_index(name)["n"].to_dict() == {default: 2, value: 1}
    assert name not in summarise(to_frame([old, new]), of=wanted), "nor has backpropagation, which does not use it, another one"


def test_a_cell_says_of_how_many_versions_it_is():
    frame = to_frame([made_up(0, commit="a"), made_up(1, commit="b"), made_up(2, commit="b")])
    assert summarise(frame)["versions"].tolist() == [2] and set(frame["commit"]) == {"a", "b"} and set(frame["version"]) == {"0.1.0"}


def test_the_projects_own_store_mixes_no_batch_and_ema():
    root = Path(__file__).resolve().parent.parent / "results"
    frame = to_frame(Store(root).runs())
    table, runs = summarise(frame), scores(frame)
    settings = [name for name in Experiment.__dataclass_fields__ if name not in ("seed",)]
    assert table["n"].sum() + table["diverged"].sum() == runs["key"].nunique()
    assert len(table) == len(runs[settings].astype(str).drop_duplicates())


def test_scores_of_many_runs_are_those_of_each_alone(tmp_path):
    grid = [Experiment(model="mlp-4", algorithm=a, seed=s, limit=64, batch_size=32, epochs=3) for a in ("PC", "BP") for s in (0, 1)]
    frame = results(grid, tmp_path, progress=False)
    alone = [scores(one.reset_index(drop=True)).iloc[0] for _, one in frame.groupby("key", sort=False)]
    assert scores(frame)["score"].tolist() == [one["score"] for one in alone]
    for (_, one), found in zip(frame.groupby("key", sort=False), alone):
        chosen = one[(one.split == "validation") & (one.metric == "top1")].value.to_numpy().argmax() + 1
        assert found["epoch"] == chosen and found["score"] == one[(one.split == "test") & (one.metric == "top1") & (one.epoch == chosen)].value.item()
        assert found["epochs_run"] == 3

"""The five verdicts on made-up runs whose truth is known; intervals against scipy and typed-out numbers."""
import math
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pc_precision.paper.profiles import by_row
from pc_precision.paper.verdicts import (CLAIMS, FAILS, HOLDS, OF_A_READING, UNDECIDED, Difference, accuracies, batchnorm_freezing,
                                         centre_nudging, conclude, difference, energy_imbalance, first_layer_share, forward_update,
                                         judge, verdict_figure, verdict_table)

TRUE = {"BP": 90, "PC": 70, "PC-CN": 75, "D": 71, "D-CN": 76, "S": 72, "S-CN": 77, "F": 85, "F-CN": 84, "D+F": 88,
        "D+F-CN": 87, "S+F": 89, "S+F-CN": 88}                # what the paper says, in ten layers
FEW = {a: TRUE[a] for a in ("BP", "PC", "PC-CN", "F", "F-CN", "D+F", "S+F", "S+F-CN")}
FIVE = (1, 2, 3, 4, 5)
FREEZING = {"PC": -3, "F": -3, "D+F": 3, "S+F": 3}
ORDERS_BELOW = {"PC": 9, "F": 7, "D+F": 4, "S+F": 2, "BP": 1}  # the first layer's energy under the output's
MODELS = {"vgg5": 1.0, "vgg10": 0.0}


def run_rows(model, algorithm, norm, seed, accuracy, orders=1.0, outcome="finished", dataset="cifar10") -> list[dict]:
    """The rows of a run of two epochs, the first with half the accuracy; layers 1..3."""
    about = dict(key=f"{dataset}{model}{algorithm}{norm}{seed}", dataset=dataset, model=model, algorithm=algorithm,
                 batch_norm=norm, seed=seed, select="test", outcome=outcome)
    rows = []
    for epoch in (1, 2):
        rows.append(about | dict(epoch=epoch, split="test", metric="top1", layer=None, value=accuracy / 100 * epoch / 2))
        rows += [about | dict(epoch=epoch, split="train", metric="energy", layer=l, value=10 ** (-orders * (3 - l) / 2))
                 for l in (1, 2, 3)]
    return rows


def made(accuracy=TRUE, freezing=FREEZING, orders=ORDERS_BELOW, seeds=range(3), spread=0.2, leave_out=(),
         diverged=()) -> pd.DataFrame:
    """A tidy frame; without the forward update VGG5 is fifteen points better than VGG10."""
    noise, rows = np.random.default_rng(1), []
    for model, shallow in MODELS.items():
        for algorithm, best in accuracy.items():
            for norm in ("none", "freeze") if algorithm in freezing else ("none",):
                for seed in seeds:
                    value = best + noise.normal(0, spread) + freezing.get(algorithm, 0) * (norm == "freeze")
                    value += 15 * shallow * ("F" not in algorithm and algorithm != "BP")
                    outcome = "diverged" if (model, algorithm, norm, seed) in diverged else "finished"
                    if (model, algorithm, norm) not in leave_out:
                        rows += run_rows(model, algorithm, norm, seed, value, orders.get(algorithm, 1), outcome)
    return pd.DataFrame(rows)


def words(frame) -> list[str]:
    return [verdict.verdict for verdict in judge(frame, FIVE)["cifar10"]]


def test_all_hold_where_all_is_true():
    assert words(made()) == [HOLDS] * 5


@pytest.mark.parametrize("claim, wrong", [
    (1, dict(orders=ORDERS_BELOW | {"PC": 1.5})),                          # less than two orders
    (1, dict(orders=ORDERS_BELOW | {"BP": 11})),                           # BP more imbalanced still
    (2, dict(accuracy=FEW | dict.fromkeys(["F", "F-CN", "D+F", "S+F", "S+F-CN"], 60))),       # it costs in VGG10
    (3, dict(orders=ORDERS_BELOW | {"S+F": 8})),
    (3, dict(orders=ORDERS_BELOW | {"D+F": 8})),
    (4, dict(freezing=FREEZING | {"PC": 3})),
    (4, dict(freezing=FREEZING | {"S+F": -3})),
    (5, dict(accuracy=FEW | {"PC-CN": 65})),      # it costs without forward update
    (5, dict(accuracy=FEW | {"F-CN": 91})),   # it adds three points with it, six and minus one
])
def test_one_fails_where_it_alone_is_false(claim, wrong):
    found = words(made(**dict(accuracy=FEW) | wrong))
    assert found.pop(claim - 1) == FAILS and FAILS not in found


def test_forward_update_that_adds_as_much_in_few_layers_is_not_said_to_hold():
    flat = made(accuracy={"PC": 50, "F": 65}, freezing={})
    five = (flat["model"] == "vgg5") & (flat["algorithm"] == "F")
    flat.loc[five & (flat["metric"] == "top1"), "value"] += 0.30
    assert forward_update(flat).verdict == FAILS                           # 15 points at ten layers, 30 at five


def test_undecided_where_seeds_disagree():
    frame = made(FEW, spread=0)
    plain = frame["algorithm"].isin(["F", "D+F", "S+F"]) & (frame["batch_norm"] == "none") & (frame["model"] == "vgg10")
    frame.loc[plain & (frame["metric"] == "top1"), "value"] -= 0.2 * frame["seed"]       # 0, 20, 40 points less
    assert words(frame) == [HOLDS, UNDECIDED, HOLDS, UNDECIDED, UNDECIDED]


@pytest.mark.parametrize("claim, gap", [(1, ("vgg5", "PC", "none")), (2, ("vgg10", "F", "none")), (3, ("vgg5", "F", "none")),
                                        (4, ("vgg10", "S+F", "freeze")), (5, ("vgg5", "F-CN", "none"))])
def test_missing_cells_are_named_and_leave_it_undecided(claim, gap):
    verdict = CLAIMS[claim](made(FEW, leave_out=[gap]))
    assert verdict.verdict == UNDECIDED and f"no runs of {' '.join(gap)}" in verdict.numbers


@pytest.mark.parametrize("claim, lost", [
    (1, ("vgg5", "PC", "none", 2)), (2, ("vgg10", "F", "none", 0)), (3, ("vgg5", "F", "none", 1)),
    (4, ("vgg10", "S+F", "freeze", 2)), (5, ("vgg5", "F-CN", "none", 0))])
def test_a_diverged_run_leaves_it_undecided_and_is_counted(claim, lost):
    verdict = CLAIMS[claim](made(FEW, diverged=[lost]))
    assert verdict.verdict == UNDECIDED
    assert "n = 2, 1 diverged" in verdict.numbers


def test_nothing_at_all_is_undecided():
    for claim in CLAIMS.values():
        for frame in (made({"BP": 90}), made({"BP": 90}).iloc[:0]):
            verdict = claim(frame)
            assert verdict.verdict == UNDECIDED and "no runs of" in verdict.numbers
    assert judge(made({"BP": 90}).iloc[:0]) == {}


def test_a_single_depth_cannot_show_more_with_depth():
    assert forward_update(made(FEW)[lambda f: f["model"] == "vgg10"]).verdict == UNDECIDED


def test_claims_use_the_algorithms_that_were_run():
    few = made(accuracy={"BP": 90, "PC": 70, "F": 85, "S+F": 89})
    assert [claim(few).verdict for claim in (forward_update, first_layer_share)] == [HOLDS] * 2
    assert "without D+F and D, S+F and S, of which there are no runs" in forward_update(few).numbers
    assert "without D+F and F, of" in first_layer_share(few).numbers
    assert batchnorm_freezing(few).verdict == centre_nudging(few).verdict == UNDECIDED


@pytest.mark.parametrize("claim, cannot_do_without", [(2, ["PC"]), (2, ["F"]), (3, ["S+F"]), (5, ["PC-CN"]), (5, ["S+F-CN"])])
def test_a_pair_that_a_claim_cannot_do_without_leaves_it_undecided_though_another_fails(claim, cannot_do_without):
    wrong = dict(accuracy=TRUE | dict.fromkeys(["D+F", "S+F", "D-CN", "S-CN"], 40), orders=ORDERS_BELOW | {"D+F": 8})
    frame = made(**wrong)
    assert CLAIMS[claim](frame).verdict == FAILS
    some = CLAIMS[claim](frame[~frame["algorithm"].isin(cannot_do_without)])
    assert some.verdict == UNDECIDED and any(name in some.numbers for name in cannot_do_without)


def test_interval_is_students_over_seeds():
    values = {"PC": [70.0, 71.0, 75.0], "F": [80.0, 84.0, 83.0]}
    runs = pd.DataFrame([dict(key=f"{a}{s}", model="vgg5", algorithm=a, norm="none", seed=s, outcome="finished", value=v,
                              error=0.01) for a, some in values.items() for s, v in enumerate(some)])
    found = difference(runs, "", [(("vgg5", "F", "none"), ("vgg5", "PC", "none"))])
    low, high = stats.t.interval(0.95, 2, loc=31 / 3, scale=stats.sem([10.0, 13.0, 8.0]))
    assert found.mean == pytest.approx(31 / 3) and found.n == 3
    assert (found.mean - found.half, found.mean + found.half) == pytest.approx((low, high))


def test_one_seed_has_the_binomial_error_of_its_test_images():
    frame = made(accuracy={"PC": 70.0, "F": 85.0}, freezing={}, seeds=[0], spread=0)
    runs = accuracies(frame[frame["model"] == "vgg10"])
    found = difference(runs, "", [(("vgg10", "F", "none"), ("vgg10", "PC", "none"))])
    error = 100 * math.sqrt((0.7 * 0.3 + 0.85 * 0.15) / 10_000)
    assert found.mean == pytest.approx(15) and found.half == pytest.approx(1.96 * error, rel=1e-3)
    assert "at least" in str(found)


def test_one_seed_never_decides_a_difference_within_that_error():
    close = made(accuracy=FEW | {"PC-CN": 70.5}, seeds=[0], spread=0)
    assert centre_nudging(close[close["model"] == "vgg10"]).verdict == UNDECIDED
    digits = made(FEW, seeds=[0], spread=0).assign(dataset="digits")              # 360 images: three points are too few
    assert UNDECIDED == batchnorm_freezing(digits).verdict
    unknown = made(FEW, seeds=[0], spread=0).assign(dataset="mine")               # nobody said how many images
    assert batchnorm_freezing(unknown).verdict == UNDECIDED and "unknown" in batchnorm_freezing(unknown).numbers


def test_seeds_that_agree_by_chance_do_not_narrow_the_interval_below_it():
    frame = made(accuracy={"PC": 70.0, "F": 70.5}, freezing={}, seeds=[0, 1], spread=0)
    assert forward_update(frame[frame["model"] == "vgg10"]).differences[0].verdict == UNDECIDED


def test_energies_that_vanish_in_float32_count_as_its_smallest_number():
    frame = made(accuracy={"BP": 90, "PC": 70}, freezing={})
    frame.loc[(frame["algorithm"] == "PC") & (frame["layer"] == 1), "value"] = 0.0
    verdict = energy_imbalance(frame)
    assert verdict.verdict == HOLDS and verdict.differences[0].mean == pytest.approx(-math.log10(2.0**-126))


def test_two_scales_at_once_are_refused():
    once = made(accuracy={"PC": 70})
    twice = pd.concat([once, once.assign(key=once["key"] + "ema")])
    for claim in CLAIMS.values():
        with pytest.raises(ValueError, match="one data set and one scale"):
            claim(twice)


def test_runs_are_counted_once_and_the_table_has_a_row_a_claim():
    frame = made(FEW, spread=0.1)
    assert forward_update(frame).runs == 2 * 2 * 3 and energy_imbalance(frame).runs == 2 * 2 * 3
    both = pd.concat([frame, frame.assign(dataset="cifar100", key=frame["key"] + "c")])
    table = verdict_table(judge(both, FIVE))
    assert len(table) == 10 and set(table["verdict"]) == {f"{HOLDS} (untuned)"}


def test_figure_shows_every_difference():
    verdicts = judge(made(FEW, leave_out=[("vgg5", "PC", "none")]), FIVE)
    fig = verdict_figure(verdicts)
    told = {word: sum(d.verdict == word for v in verdicts["cifar10"] for d in v.differences) for word in (HOLDS, FAILS, UNDECIDED)}
    assert all(f"{count} {word}" in fig.get_label() for word, count in told.items() if count)
    shown = sum(len(ax.get_yticklabels()) for ax in fig.axes)
    assert shown == sum(len(v.differences) for v in verdicts["cifar10"])
    assert sum(text.get_text() == "not run" for ax in fig.axes for text in ax.texts) > 0


def test_a_claim_holds_if_all_its_differences_do():
    up, down, open_ = Difference("", 2, 1, 3), Difference("", -2, 1, 3), Difference("", 0, 1, 3)
    assert [conclude("", some).verdict for some in ([up, up], [up, open_], [open_, down], [up, down])] == [
        HOLDS, UNDECIDED, FAILS, FAILS]
    assert Difference("", 2.5, 0.4, 3, least=2).verdict == HOLDS and Difference("", 2.5, 1, 3, least=2).verdict == UNDECIDED


# The rules of docs/verdict_rules.md, on runs whose verdict is worked out by hand

SCALE = dict(width=1 / 8, limit=10_000, batch_size=64, epochs=10)


def cells(accuracy: dict, seeds=(0, 1, 2), models=("vgg5", "vgg7", "vgg10"), **about) -> pd.DataFrame:
    """Rows of runs: accuracy is {(algorithm, model or None for all, norm): a number, or one a seed}."""
    rows = []
    for (algorithm, model, norm), values in accuracy.items():
        for one in models if model is None else [model]:
            for seed, value in zip(seeds, values if isinstance(values, (list, tuple)) else [values] * len(seeds)):
                rows += [row | about for row in run_rows(one, algorithm, norm, seed, value)]
    return pd.DataFrame(rows)


def test_the_interval_of_three_seeds_is_248_standard_deviations():
    frame = cells({("BP", None, "none"): 70, ("S+F", None, "none"): [69.0, 70.0, 71.0]}, **SCALE)
    mean = CLAIMS["T1"](frame).differences[0]
    assert mean.mean == pytest.approx(0) and mean.half == pytest.approx(4.3027 / 3 ** 0.5, rel=1e-4) == pytest.approx(2.484, rel=1e-3)
    assert mean.verdict == UNDECIDED                          # -2.48 .. 2.48 contains -2
    assert CLAIMS["T1"](frame).differences[1].verdict == HOLDS                 # and lies above -3


def test_at_the_scale_of_the_rules_a_verdict_needs_three_seeds_and_elsewhere_two():
    far = {("BP", None, "none"): 70, ("S+F", None, "none"): 70}
    two = cells(far, seeds=(0, 1), **SCALE)
    assert CLAIMS["T1"](two).verdict == UNDECIDED and "a run is lacking of seed 2" in CLAIMS["T1"](two).numbers
    assert CLAIMS["T1"](cells(far, seeds=(0, 1), **SCALE | dict(width=1 / 4))).verdict == HOLDS
    assert CLAIMS["T1"](cells(far, seeds=(0,), **SCALE | dict(width=1 / 4))).verdict == UNDECIDED
    assert CLAIMS["T1"](cells(far, **SCALE)).verdict == HOLDS
    assert CLAIMS["T1"](cells(far, models=("vgg5", "vgg10"), **SCALE)).verdict == UNDECIDED                 # the mean is over three networks


def test_one_seed_neither_holds_nor_fails_whatever_its_interval():
    for value in (90, 10):
        frame = cells({("BP", None, "none"): 50, ("S+F", None, "none"): value}, seeds=(0,))
        assert CLAIMS["T1"](frame).verdict == UNDECIDED
    assert Difference("", 50, 0.1, 1).verdict == Difference("", -50, 0.1, 1).verdict == UNDECIDED


def test_a_seed_that_lacks_a_run_leaves_it_undecided():
    frame = cells({("BP", None, "none"): 70, ("S+F", None, "none"): 70}, seeds=(0, 1, 2, 3), **SCALE)
    frame = frame[~((frame["algorithm"] == "BP") & (frame["model"] == "vgg10") & (frame["seed"] == 3))]
    assert CLAIMS["T1"](frame).verdict == UNDECIDED
    assert CLAIMS["T1"](frame[frame["seed"] < 3]).verdict == HOLDS


def test_an_undecided_difference_names_the_seeds_that_would_decide():
    wide = Difference("", 1.0, 4.97, 3, std=2.0, noise=0.1)                    # 2.1098 * 2 / 18^.5 = .9946, 2.1199 * 2 / 17^.5 = 1.0283
    assert wide.verdict == UNDECIDED and wide.seeds_needed == 18 and "18 seeds would decide" in str(wide)
    assert wide._replace(mean=0.1).seeds_needed is None and "more than 100 seeds" in str(wide._replace(mean=0.1))
    assert wide._replace(mean=3.0, least=2.0).seeds_needed == 18
    assert "would decide" not in str(Difference("", 9.0, 1, 3, std=0.4)) and "needs 3 seeds" in str(wide._replace(n=2, needs=3))
    some = wide._replace(n=2, needs=3, lacking=(2,))                           # with the third seed's runs there would be three
    assert "needs the lacking runs" in str(some) and "needs 3 seeds" in str(some._replace(n=1))


BASE = {("BP", "vgg5", "none"): 72, ("BP", "vgg7", "none"): 71, ("BP", "vgg10", "none"): 70, ("BP", "vgg10", "bn"): 71,
        ("PC", "vgg5", "none"): 71, ("PC", "vgg10", "none"): 40, ("PC-CN", "vgg5", "none"): 72, ("PC-CN", "vgg10", "none"): 50,
        ("F", "vgg5", "none"): 71, ("F", "vgg10", "none"): 60, ("D", "vgg5", "none"): 70, ("D", "vgg10", "none"): 42,
        ("D-CN", "vgg5", "none"): 70, ("D-CN", "vgg10", "none"): 45, ("S", "vgg5", "none"): 69, ("S", "vgg10", "none"): 41,
        ("S-CN", "vgg5", "none"): 69, ("S-CN", "vgg10", "none"): 44, ("D+F", "vgg5", "none"): 66, ("D+F", "vgg10", "none"): 65,
        ("D+F", "vgg10", "freeze"): 66, ("S+F", "vgg5", "none"): 72, ("S+F", "vgg7", "none"): 70, ("S+F", "vgg10", "none"): 69,
        ("S+F", "vgg10", "freeze"): 73}
TABLE_AND_FIGURE = ("T1", "T2", "T3", "T4", "T5", "F1", "F2", "F3", "F4")


def worked_out(changed: dict) -> dict[str, str]:
    frame = cells(BASE | changed)
    return {number: CLAIMS[number](frame).verdict for number in TABLE_AND_FIGURE}


def test_claims_of_table_1_and_figure_4_worked_out_by_hand():
    """BP falls by 2 points. PC by 31, 29 more; PC-CN by 22, 20 more; F by 11, 9 more; D+F by 1, 1 less."""
    assert set(worked_out({}).values()) == {HOLDS}
    by_number = {number: [round(d.mean, 6) for d in CLAIMS[number](cells(BASE)).differences] for number in TABLE_AND_FIGURE}
    assert by_number == {"T1": [pytest.approx(-2 / 3, abs=1e-5), -1], "T2": [29], "T3": [9], "T4": [2, 1], "T5": [4, 2, 7], "F1": [20], "F2": [5, -1],
                         "F3": [1], "F4": [pytest.approx((10 + 3 + 3) / 3 - 1 / 3, abs=1e-5)]}
    assert "BP less PC in vgg10: +30.0" in CLAIMS["T2"](cells(BASE)).numbers


@pytest.mark.parametrize("number, changed", [
    ("T1", {("S+F", "vgg10", "none"): 66}), ("T2", {("PC", "vgg10", "none"): 69}), ("T3", {("F", "vgg10", "none"): 69}), ("T4", {("S", "vgg10", "none"): 39}),
    ("T5", {("BP", "vgg10", "bn"): 75}), ("F1", {("PC-CN", "vgg10", "none"): 70}), ("F2", {("D+F", "vgg10", "none"): 68}),
    ("F3", {("D+F", "vgg5", "none"): 72}), ("F4", {("PC-CN", "vgg5", "none"): 91})])
def test_each_fails_where_a_number_of_its_own_is_wrong(number, changed):
    assert worked_out(changed)[number] == FAILS


def test_a_claim_about_a_reading_gets_a_verdict_for_each_and_never_the_better():
    good = cells({("BP", None, "none"): 70, ("S+F", None, "none"): 70}).assign(reading="activity")
    bad = cells({("S+F", None, "none"): 50}).assign(reading="energy", key=lambda f: f["key"] + "e")
    found = {v.claim: v.verdict for v in judge(pd.concat([good, bad]), ["T1", "T2", "T6"])["cifar10"]}
    assert found == {"T1. S+F follows BP with depth (activity)": HOLDS, "T1. S+F follows BP with depth (energy)": FAILS,
                     "T2. PC falls with depth": UNDECIDED, "T6. Both readings of S+F reach the same accuracy": FAILS}
    assert {v.claim: v.verdict for v in judge(by_row(pd.concat([good, bad])), ["T1", "T2", "T6"])["cifar10"]} == found
    alike = judge(pd.concat([good, bad.assign(value=bad["value"] * 70 / 50)]), ["T6"])["cifar10"]
    assert [v.verdict for v in alike] == [HOLDS]
    only = judge(good, ["T1"])["cifar10"]                     # the other reading has no runs, and says so
    assert [v.verdict for v in only] == [HOLDS, UNDECIDED]
    assert {1, "T2", "T3", "T6", "F1", "F3"} == set(CLAIMS) - set(OF_A_READING)


def test_a_verdict_says_untuned_if_one_of_its_cells_is(monkeypatch):
    frame = cells({("BP", None, "none"): 70, ("S+F", None, "none"): 70})
    assert verdict_table(judge(frame, ["T1"]))["verdict"].tolist() == ["holds (untuned)"]
    import importlib
    monkeypatch.setattr(importlib.import_module("pc_precision.paper.verdicts"), "untuned", lambda table: table["algorithm"] == "S+F")
    assert verdict_table(judge(frame, ["T1"]))["verdict"].tolist() == ["holds (untuned)"]
    assert verdict_table(judge(frame, ["T2"]))["verdict"].tolist() == [UNDECIDED]
    monkeypatch.setattr(importlib.import_module("pc_precision.paper.verdicts"), "untuned", lambda table: table["algorithm"] == "PC")
    assert verdict_table(judge(frame, ["T1"]))["verdict"].tolist() == ["holds"]


@pytest.mark.slow
def test_networks_of_one_depth_stand_in_one_order_whatever_the_hashes_of_their_names():
    models = ["vgg10", "vgg5", "mlp-8-8-8-8", "mlp-8-8-8-8-8-8-8-8-8", "resnet10"]
    code = f"from pc_precision.paper.figures import shallow_first; print(shallow_first({models}))"
    told = {subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONHASHSEED": str(seed)}, capture_output=True, text=True,
                           check=True).stdout for seed in (0, 1, 2)}
    assert told == {"['mlp-8-8-8-8', 'vgg5', 'mlp-8-8-8-8-8-8-8-8-8', 'resnet10', 'vgg10']\n"}

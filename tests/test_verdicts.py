"""The five verdicts on made-up runs whose truth is known; intervals against scipy and typed-out numbers."""
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from pc_precision.paper.verdicts import (CLAIMS, FAILS, HOLDS, UNDECIDED, accuracies, batchnorm_freezing, centre_nudging, conclude,
                                   difference, Difference, energy_imbalance, first_layer_share, forward_update, judge,
                                   verdict_figure, verdict_table)

TRUE = {"BP": 90, "PC": 70, "PC-CN": 75, "D": 71, "D-CN": 76, "S": 72, "S-CN": 77, "F": 85, "F-CN": 84, "D+F": 88,
        "D+F-CN": 87, "S+F": 89, "S+F-CN": 88}                # what the paper says, in ten layers
FEW = {a: TRUE[a] for a in ("BP", "PC", "PC-CN", "F", "F-CN", "D+F", "S+F")}
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
    return [verdict.verdict for verdict in judge(frame)["cifar10"]]


def test_all_hold_where_all_is_true():
    assert words(made()) == [HOLDS] * 5


@pytest.mark.parametrize("claim, wrong", [
    (1, dict(orders=ORDERS_BELOW | {"PC": 1.5})),                          # less than two orders
    (1, dict(orders=ORDERS_BELOW | {"BP": 11})),                           # BP more imbalanced still
    (2, dict(accuracy=FEW | dict.fromkeys(["F", "F-CN", "D+F", "S+F"], 60))),       # it costs in VGG10
    (3, dict(orders=ORDERS_BELOW | {"S+F": 8})),
    (3, dict(orders=ORDERS_BELOW | {"D+F": 8})),
    (4, dict(freezing=FREEZING | {"PC": 3})),
    (4, dict(freezing=FREEZING | {"S+F": -3})),
    (5, dict(accuracy=FEW | {"PC-CN": 65})),      # it costs without forward update
    (5, dict(accuracy=FEW | {"F-CN": 88})),   # it adds three points with it
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
    verdict = CLAIMS[claim - 1](made(FEW, leave_out=[gap]))
    assert verdict.verdict == UNDECIDED and f"no runs of {' '.join(gap)}" in verdict.numbers


@pytest.mark.parametrize("claim, lost", [
    (1, ("vgg5", "PC", "none", 2)), (2, ("vgg10", "F", "none", 0)), (3, ("vgg5", "F", "none", 1)),
    (4, ("vgg10", "S+F", "freeze", 2)), (5, ("vgg5", "F-CN", "none", 0))])
def test_a_diverged_run_leaves_it_undecided_and_is_counted(claim, lost):
    verdict = CLAIMS[claim - 1](made(FEW, diverged=[lost]))
    assert verdict.verdict == UNDECIDED
    assert "n = 2, 1 diverged" in verdict.numbers


def test_nothing_at_all_is_undecided():
    for claim in CLAIMS:
        for frame in (made({"BP": 90}), made({"BP": 90}).iloc[:0]):
            verdict = claim(frame)
            assert verdict.verdict == UNDECIDED and "no runs of" in verdict.numbers
    assert judge(made({"BP": 90}).iloc[:0]) == {}


def test_a_single_depth_cannot_show_more_with_depth():
    assert forward_update(made(FEW)[lambda f: f["model"] == "vgg10"]).verdict == UNDECIDED


def test_claims_use_the_algorithms_that_were_run():
    few = made(accuracy={"BP": 90, "PC": 70, "F": 85, "S+F": 89})
    assert [claim(few).verdict for claim in (forward_update, first_layer_share, batchnorm_freezing)] == [HOLDS] * 3
    assert centre_nudging(few).verdict == UNDECIDED


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
    for claim in CLAIMS:
        with pytest.raises(ValueError, match="one data set and one scale"):
            claim(twice)


def test_runs_are_counted_once_and_the_table_has_a_row_a_claim():
    frame = made(FEW, spread=0.1)
    assert forward_update(frame).runs == 2 * 2 * 3 and energy_imbalance(frame).runs == 2 * 2 * 3
    both = pd.concat([frame, frame.assign(dataset="cifar100", key=frame["key"] + "c")])
    table = verdict_table(judge(both))
    assert len(table) == 10 and set(table["verdict"]) == {HOLDS}


def test_figure_shows_every_difference():
    verdicts = judge(made(FEW, leave_out=[("vgg5", "PC", "none")]))
    fig = verdict_figure(verdicts)
    shown = sum(len(ax.get_yticklabels()) for ax in fig.axes)
    assert shown == sum(len(v.differences) for v in verdicts["cifar10"])
    assert sum(text.get_text() == "not run" for ax in fig.axes for text in ax.texts) > 0


def test_a_claim_holds_if_all_its_differences_do():
    up, down, open_ = Difference("", 2, 1, 3), Difference("", -2, 1, 3), Difference("", 0, 1, 3)
    assert [conclude("", some).verdict for some in ([up, up], [up, open_], [open_, down], [up, down])] == [
        HOLDS, UNDECIDED, FAILS, FAILS]
    assert Difference("", 2.5, 0.4, 3, least=2).verdict == HOLDS and Difference("", 2.5, 1, 3, least=2).verdict == UNDECIDED

"""The charts of the written pages say in words what they draw, and their files hold the numbers."""
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))

import charts  # noqa: E402


@pytest.fixture
def rows() -> pd.DataFrame:
    """A benchmark of two VGGs and two MLPs with numbers that a person can check."""
    times = {"BP": 1.0, "PC": 2.0, "PC dense": 4.0, "S+F": 1.8, "S+F skip": 1.1, "PCX": 10.0, "plain XLA": 0.5}
    nets = {"vgg5/8": 5, "vgg5": 5, "mlp5": 5, "mlp40": 40}
    made = [dict(net=net, layers=L, subject=name, turns=3, ratio_to_bp=ratio * (1 if name == "BP" or L == 5 else 3), share_of_product=0.25 if "/" in net else 0.5,
                 peak_mib=100 * ratio, compile_cpu_seconds=9.4, agreement=3e-16, skip_error=0.012, skip_bound=3e5, processor="a processor", threads=2, commit="abc", date="2026-01-01",
                 versions="jax 1") for net, L in nets.items() for name, ratio in times.items()]
    frame = pd.DataFrame(made)
    return frame.assign(ratio_least=frame["ratio_to_bp"] * 0.9, ratio_most=frame["ratio_to_bp"] * 1.2)


@pytest.fixture
def extra(tmp_path, monkeypatch) -> Path:
    """Where files of the site go."""
    monkeypatch.setattr(charts, "EXTRA", tmp_path)
    return tmp_path


def test_a_chart_has_its_words_and_every_mark(rows, extra):
    shown = charts.nets_chart(rows[rows["net"].str.startswith("vgg")])
    assert 'alt="Processor time' in shown and "vgg5/8: BP 1, PC 2, PC dense 4, S+F 1.8, S+F skip 1.1, PCX 10; vgg5:" in shown
    drawing = (extra / "figures" / "speed_nets.svg").read_text()
    assert all(f">{name}<" in drawing for name in ("BP", "PC dense", "S+F skip", "PCX", "vgg5/8")) and "plain XLA" not in drawing


def test_words_of_a_picture_are_escaped_and_a_wide_one_scrolls(extra):
    shown = charts.picture("one", '<svg width="500pt"/>', 'a "b" < c', "paper/one.ipynb")
    assert 'alt="a &quot;b&quot; &lt; c"' in shown and 'class="plot wide"' in shown and 'src="../figures/one.svg"' in shown
    assert 'class="plot"' in charts.picture("two", '<svg width="300pt"/>', "words", "two.md")


def test_each_sentence_gives_the_numbers_of_the_rows(rows):
    vggs, mlps = (rows[rows["net"].str.startswith(kind)] for kind in ("vgg", "mlp"))
    said = charts.claims(vggs)
    assert "PC takes 2 times the processor time" in said and "setting 1.8 times" in said and "weighs, 1.1 times" in said
    assert "PCX takes 5 times as long" in said and "at most 3e-16 of" in said and "FabricPC" not in said
    assert "takes 2 times as long as plain" in said                    # plain: half of ours
    assert "0.2 times the memory of PCX" in said and "reaches 25 %" in said and "and 50 % in" in said and "most 9 seconds" in said
    deep = charts.depth_claims(mlps)
    assert "In 40 layers, a step of dense PC costs 12 steps" in deep and "float32, costs 6:" in deep and "PCX costs 30 in 40" in deep
    assert "S+F in the authors' setting costs 5.4" in deep and "weighs, it costs 3.3," in deep
    assert "up to 1.2 %" in deep and "change of 3e+05 times" in deep


def test_a_span_names_one_number_once():
    assert charts.span(pd.Series([2.04, 2.0])) == "2" and charts.span(pd.Series([0.5, 21.0])) == "0.5 to 21"


@pytest.fixture
def tries() -> pd.DataFrame:
    """A benchmark of what was tried, with numbers that a person can check."""
    ratios = {"as it is": 1.0, "convolutions alone": 0.75, "XLA's first layer": 1.2, "pairs for 8 channels, too": 1.4, "memory goes back": 2.0, "3 seeds together": 4.0, "vectors of 512 bits": 0.9,
              "preset fast runtime": 0.95, "without YNNPACK": 1.1, "oneDNN": 1.05, "fast math": 0.99}
    frame = pd.DataFrame([dict(net="vgg5/8", subject=subject, variant=name, turns=3, ratio=ratio * more, share_of_product=0.3 / ratio, processor="a processor",
                               threads=1, commit="abc", date="2026-01-01", versions="jax 1")
                          for subject, more in (("BP", 1), ("S+F", 1.5)) for name, ratio in ratios.items() if subject == "BP" or name != "convolutions alone"])
    return frame.assign(ratio_least=frame["ratio"] * 0.9, ratio_most=frame["ratio"] * 1.2)


def test_each_sentence_on_the_cpu_gives_the_numbers_of_the_rows(tries):
    said = charts.try_claims(tries)
    assert "step reaches 30 %" in said and "take 75 % of its time and reach 40 %" in said and "by itself, a step takes 1.2 to 1.8 times" in said
    assert "8 channels in pairs, too, a step of vgg5/8 takes 1.40 to 2.10 times" in said
    assert "system, a step takes 2 to 3 times" in said and "take 4 to 6 times as long" in said and "bits 0.9 to 1.4, preset" in said


def test_the_chart_of_changes_has_its_words_and_a_line_for_each(tries, extra):
    shown = charts.tries_chart(tries)
    assert "memory goes back: vgg5/8 BP 2, vgg5/8 S+F 3;" in shown and "as it is:" not in shown
    drawing = (extra / "figures" / "speed_cpu.svg").read_text()
    assert all(f">{name}<" in drawing for name in ("oneDNN", "convolutions alone", "vgg5/8, BP", "vgg5/8, S+F"))


def test_the_page_offers_every_number(rows, tries, extra, tmp_path, monkeypatch):
    for name, frame in {"peers": rows, "cpu": tries}.items():
        frame.to_csv(tmp_path / f"{name}.csv", index=False)
        monkeypatch.setattr(charts, name.upper(), tmp_path / f"{name}.csv")
    page = charts.speed()
    assert '<a href="data/cpu.csv" download>' in page
    assert '<a href="data/peers.csv" download>' in page and "mlp40 on 2026-01-01 at commit abc on a processor with 2 threads" in page and "{" not in page
    pd.testing.assert_frame_equal(pd.read_csv(extra / "data" / "peers.csv"), rows, check_dtype=False)


@pytest.mark.slow
def test_hours_are_those_of_the_tables(extra):
    hours = charts.hours_by_device()
    shown, total = charts.costs_chart(hours), hours["paper", "counted"].xs("all", level="net")["all"]
    assert f"paper, counted: Figure 2 {total['fig2']:.2g}" in shown and "nan" not in shown
    drawing = (extra / "figures" / "costs.svg").read_text()
    assert all(f">{charts.called(name)}<" in drawing for name in total.index)

"""Eight devices train as one: the same numbers to rounding, an eighth of the batch on each."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
CASES = ["S+F, frozen, batch", "PC, scan", "PC, bn, ema", "BP, bn, batch, scan", "ePC, scan", "iPC"]


@pytest.fixture(scope="module")
def found() -> dict:
    """What tests/sharded.py prints."""
    done = subprocess.run([sys.executable, ROOT / "tests" / "sharded.py"], cwd=ROOT, capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 0, done.stderr[-3000:]
    print(done.stdout)
    return json.loads(done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_eight_devices_give_the_numbers_of_one(found, case):
    """An epoch in float64. What BatchNorm takes away has no gradient but rounding, which AdamW divides by its own size: 1e-8 there."""
    here = found[case]
    assert here["devices"] == [8, 1] and here["whole"], "the state lies on all devices, whole on each"
    assert max(here["parameters"], here["gradients"], here["info"]) < 1e-10, here
    assert max(here["idle"], here["statistics"], here["metrics"]) < 1e-8, "running means follow the idle biases"
    assert here["number idle"] == (2 if "batch" in case else 0), "one bias a convolution"
    assert here["least moved"] > 1e-6, "every other array of parameters was trained"


@pytest.mark.slow
def test_each_device_computes_an_eighth_of_the_batch(found):
    many, one = found["images"]
    assert 16 in one and 16 not in many and 2 in many, "no device sees the activities of all 16 images"


@pytest.mark.slow
def test_a_run_may_move_to_a_machine_with_one_device(found):
    moved = found["moved"]
    assert moved["devices"] == [8, 1] and moved["epochs"] == [2, 2]
    assert moved["apart"] < 1e-4, "in float32"


@pytest.mark.slow
def test_a_batch_that_cannot_be_divided_uses_one_device_and_says_so(found):
    assert found["moved"]["said"] == ["one of 8 devices is used: a batch of 12 cannot be divided evenly among them, a multiple of 8 can"]


@pytest.mark.slow
def test_a_result_tells_how_many_devices_trained_it(found):
    devices, name = found["moved"]["provenance"]
    assert devices == 8 and name.startswith("8 x ")

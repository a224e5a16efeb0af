"""Proof that the tests see: `python tests/mutants.py [--only NAME ...] [--list]`.

Every mutant is one wrong line in a copy of the library. The tests that watch it must fail, and nothing but fail: an error while
tests are collected or a copy that is not imported counts against us. The untouched copy must pass first. Prints a line a mutant;
the exit status is 1 if one is missed. All take 10 to 30 minutes on two cores (26 measured on busy ones).
"""
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """`old` becomes `new` in pc_precision/`file`; `tests`: files under tests/, each perhaps with a `-k` expression after a blank."""
    name: str
    file: str
    old: str
    new: str
    tests: str
    times: int = 1          # how often `old` must occur: a mutant that does not apply is an error, never a success


DENSE = "test_relaxation.py program"
MUTANTS = [
    # energy
    Mutant("errors with the other sign", "energy.py", "jax.tree.map(jnp.subtract, tuple(activities), tuple(predictions))",
           "jax.tree.map(jnp.subtract, tuple(predictions), tuple(activities))", "test_energy.py"),
    Mutant("no 1/2 in the energy", "energy.py", "sum(0.5 * jnp.sum(", "sum(jnp.sum(", "test_energy.py"),
    Mutant("energy summed over the batch", "energy.py", "jnp.sum(e * e) / e.shape[0]", "jnp.sum(e * e)", "test_energy.py"),
    Mutant("energy averaged over units", "energy.py", "jnp.sum(e * e) / e.shape[0]", "jnp.mean(e * e)", "test_energy.py"),
    Mutant("covariance multiplies", "energy.py", "layer_energies(eps) / covariance", "layer_energies(eps) * covariance", "test_energy.py"),
    # precision
    Mutant("front a step late", "precision.py", "(L - jnp.arange(1, L + 1))", "(L + 1 - jnp.arange(1, L + 1))", "test_precision.py"),
    Mutant("front from the wrong end", "precision.py", "(L - jnp.arange(1, L + 1))", "jnp.arange(L)", "test_precision.py"),
    Mutant("spike and base swapped", "precision.py", "== 0, self.alpha, self.base)", "== 0, self.base, self.alpha)", "test_precision.py"),
    Mutant("decay not normalised", "precision.py", "decay.sum(0) / decay", "1.0 / decay", "test_precision.py"),
    Mutant("decay normalised over layers", "precision.py", "decay.sum(0) / decay", "decay.sum(1, keepdims=True) / decay", "test_precision.py"),
    Mutant("decay starts before the error arrives", "precision.py", "jnp.where(s >= 0, jnp.exp(-self.k * s), 0.0)",
           "jnp.exp(-self.k * s)", "test_precision.py"),
    Mutant("one unreached layer too many", "precision.py", "max(1, L - T)", "max(1, L - T + 1)", "test_precision.py"),
    Mutant("nudge without sign", "precision.py", "m + beta * (target - m)", "m + abs(beta) * (target - m)", "test_precision.py"),
    # relaxation
    Mutant("pull with the other sign", "relaxation.py", "own * e - above * pull, eps[l]", "own * e + above * pull, eps[l]", DENSE),
    Mutant("pull before the front with the other sign", "relaxation.py", "lambda pull: -above * pull", "lambda pull: above * pull", DENSE),
    Mutant("own and above swapped", "relaxation.py", "own * e - above * pull, eps[l]", "above * e - own * pull, eps[l]", DENSE),
    Mutant("readings swapped", "relaxation.py", '(above if reading == "activity" else precision)',
           '(precision if reading == "activity" else above)', "test_relaxation.py one_table or program"),
    Mutant("covariance of the layer below", "relaxation.py", "jnp.roll(precision, -1, axis=1)", "jnp.roll(precision, 1, axis=1)",
           "test_relaxation.py one_table"),
    Mutant("dense ignores the precision in the activity reading", "relaxation.py", "above[t, i] * g", "g", DENSE),
    Mutant("cone a layer too narrow", "relaxation.py", "for l in range(max(1, L - 1 - t), L)", "for l in range(max(1, L - t), L)", DENSE),
    Mutant("front of the errors a layer late", "relaxation.py", "cone_errors(cone, d, max(1, L - t))",
           "cone_errors(cone, d, max(1, L - t + 1) if t else L)", DENSE),
    Mutant("last energies miss the front", "relaxation.py", "cone_errors(cone, d, max(1, L - len(own)))",
           "cone_errors(cone, d, min(L, max(1, L - len(own)) + 1))", "test_relaxation.py front or program"),
    Mutant("momentum with the other sign", "relaxation.py", "lambda v, g: momentum * v + g", "lambda v, g: g - momentum * v",
           DENSE),
    Mutant("velocity as a running mean", "relaxation.py", "lambda v, g: momentum * v + g",
           "lambda v, g: momentum * v + (1 - momentum) * g", DENSE),
    Mutant("Nesterov as heavy ball", "relaxation.py", "if nesterov else v", "if False else v", DENSE),
    Mutant("ascent", "relaxation.py", "lambda x, u: x - x_step * u", "lambda x, u: x + x_step * u", "test_relaxation.py program or falls"),
    Mutant("rates fixed", "relaxation.py", "lambda x, u: x - x_step * u", "lambda x, u: x - 0.1 * u", DENSE),
    Mutant("displacements rounded like activities", "relaxation.py",
           "            d[l], v[l] = descend(d[l], v[l], g, x_step, momentum, nesterov)\n",
           "            d[l], v[l] = descend(d[l], v[l], g, x_step, momentum, nesterov)\n"
           "            d[l] = jax.tree.map(lambda a, b: (a + b) - a, cone.initial[l], d[l])\n", "test_relaxation.py keep_their_digits"),
    Mutant("dense keeps the statistics of a frozen phase", "relaxation.py", "stats = stats if freeze else after", "stats = after",
           "test_batchnorm.py", 2),
    Mutant("dense freezes where it should not", "relaxation.py", "stats = stats if freeze else after", "stats = stats",
           "test_batchnorm.py", 2),
    Mutant("energy read before the step of the covariance", "relaxation.py", "own[t, l - 1], above[t, l - 1]",
           "own[t - 1, l - 1], above[t - 1, l - 1]", DENSE),
    # checkpoints, results, share, queue
    Mutant("files of a checkpoint not verified", "checkpoints.py", "if wanted.get(name) != found.get(name)", "if False", "test_checkpoints.py damaged"),
    Mutant("the oldest checkpoint taken", "checkpoints.py", "for path in reversed(checkpoints(folder)):\n        try:\n            return",
           "for path in checkpoints(folder):\n        try:\n            return", "test_checkpoints.py every_bit"),
    Mutant("resumed with another key", "checkpoints.py", "key=jax.random.wrap_key_data(state.key)", "key=jax.random.key(0)",
           "test_checkpoints.py three_sessions"),
    Mutant("resumed without its records", "results.py", "train(exp, data, saved.state, saved.records)", "train(exp, data, saved.state)",
           "test_checkpoints.py three_sessions"),
    Mutant("checkpoint stays after the result", "results.py", "            return checkpoints.remove()\n", "            return None\n",
           "test_checkpoints.py goes"),
    Mutant("checksum of a result not verified", "results.py", 'run.get("checksum") in (None, checksum(run))', "True", "test_faults.py damaged_bytes"),
    Mutant("contradictions merged", "share.py", "first is not None and not same_result(first[1], run)", "False", "test_queue.py two_results"),
    Mutant("second seeds before first ones", "queue.py", "place(e.seed, seeds), place(e.dataset, datasets)",
           "place(e.dataset, datasets), place(e.seed, seeds)", "test_queue.py order"),
    Mutant("a limit that never stops", "queue.py", "return not self.room(exp)", "return False", "test_queue.py limit"),
    # learning
    Mutant("forward update predicts from the final activities", "learning.py", "predictions(net, params, stats, x, relaxed.initial)",
           "predictions(net, params, stats, x, relaxed.final)", "test_learning.py front_alone or finite"),
    Mutant("pc predicts from the initial activities", "learning.py", "predictions(net, params, stats, x, relaxed.final)",
           "predictions(net, params, stats, x, relaxed.initial)", "test_learning.py finite"),
    Mutant("gradient not over beta", "learning.py", "relaxed) / relaxed.beta)", "relaxed))", "test_learning.py beta or nudge or finite"),
    Mutant("gradient over the size of beta", "learning.py", "relaxed) / relaxed.beta)", "relaxed) / abs(relaxed.beta))",
           "test_learning.py beta or nudge or finite"),
    Mutant("statistics of pc from the initial activities", "learning.py", "relaxed.final if loss is energy_loss else relaxed.initial",
           "relaxed.initial", "test_batchnorm.py whatever"),
    Mutant("statistics not updated", "learning.py", "predictions_and_stats(net, params, stats, x, activities)[1]", "stats",
           "test_batchnorm.py"),
    # layers
    Mutant("keep factors swapped", "layers.py", 'KEEP = {"batch": 0.9, "ema": 0.1}', 'KEEP = {"batch": 0.1, "ema": 0.9}', "test_batchnorm.py"),
    Mutant("batch statistics in test mode", "layers.py", 'batch if train and mode == "batch" else stats',
           'batch if mode == "batch" else stats', "test_batchnorm.py test_mode"),
    Mutant("batch mode normalises by the running statistics", "layers.py", 'batch if train and mode == "batch" else stats',
           "stats", "test_batchnorm.py closed"),
    Mutant("statistics mixed in test mode", "layers.py", "    if train:\n        axes", "    if True:\n        axes", "test_batchnorm.py test_mode"),
    Mutant("standard deviation for the variance", "layers.py", '"var": z.var(axes)', '"var": z.std(axes)', "test_batchnorm.py closed"),
    Mutant("pool dropped", "layers.py", "(max_pool2(z) if self.pool else z)", "z", "test_layers.py block_is"),
    Mutant("pool before the activation", "layers.py",
           "        z = ACTIVATIONS[self.activation](z)\n        return (max_pool2(z) if self.pool else z), stats",
           "        z = max_pool2(z) if self.pool else z\n        return ACTIVATIONS[self.activation](z), stats", "test_layers.py block_is"),
    Mutant("fan-in without the window", "layers.py", "(3, 3, x.shape[-1], self.features), 9 * x.shape[-1]",
           "(3, 3, x.shape[-1], self.features), x.shape[-1]", "test_layers.py uniform"),
    Mutant("bound twice as wide", "layers.py", "fan_in ** -0.5", "2 * fan_in ** -0.5", "test_layers.py uniform"),
    Mutant("a key for all layers", "layers.py", "jax.random.fold_in(key, number)", "key", "test_layers.py keys"),
    Mutant("predictions from the layer itself", "layers.py", "inputs = (x, *activities[:-1])", "inputs = (x, *activities[1:])",
           "test_layers.py layer_below"),
    Mutant("last padding of VGG5", "layers.py", '"128 P 256 P 512 P 512 P", (1, 1, 1, 0)', '"128 P 256 P 512 P 512 P", (1, 1, 1, 1)',
           "test_layers.py architectures"),
    Mutant("module left in training", "layers.py", "module.train() if train else module.eval()", "module.train()", "test_layers.py plain_trees"),
]


def copy(folder: Path) -> None:
    """The library and its tests, without anything else of the checkout."""
    for name in ("pc_precision", "tests"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    # the submodules are under test; what the package re-exports would import all of them every time
    (folder / "pc_precision/__init__.py").write_text("")
    (folder / "conftest.py").write_text(
        "from pathlib import Path\n\nimport pc_precision\n\n"
        "assert Path(pc_precision.__file__).parent.parent == Path(__file__).parent, 'another copy is imported'\n")
    (folder / "pytest.ini").write_text("[pytest]\npythonpath = .\n")


def mutate(folder: Path, mutant: Mutant) -> None:
    path = folder / "pc_precision" / mutant.file
    text = path.read_text()
    if text.count(mutant.old) != mutant.times:
        raise SystemExit(f"{mutant.name}: expected {mutant.times} x in {mutant.file}, found {text.count(mutant.old)}: {mutant.old!r}")
    path.write_text(text.replace(mutant.old, mutant.new))


def run(folder: Path, tests: list[str]) -> tuple[int, str]:
    """Exit status of pytest (0 passed, 1 failed) and the last lines it printed."""
    environment = os.environ | {"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests], cwd=folder,
                          env=environment, capture_output=True, text=True, check=False)
    return done.returncode, (done.stdout + done.stderr)[-2000:]


def arguments(tests: str) -> list[str]:
    file, _, expression = tests.partition(" ")
    return [f"tests/{file}", *(["-k", expression] if expression else [])]


def verdict(mutant: Mutant) -> tuple[str, bool]:
    """One line, and whether the tests caught the mutant."""
    start = time.time()
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        mutate(Path(name), mutant)
        status, output = run(Path(name), arguments(mutant.tests))
    caught = status == 1 and re.search(r"\d+ failed", output) is not None and "error" not in output.splitlines()[-1]
    word = "caught" if caught else "MISSED" if status == 0 else f"BROKEN (pytest exit {status})\n{output}\n"
    return f"{word}  {mutant.file:14} {mutant.name}  ({time.time() - start:.0f} s)", caught


def baseline(mutants: list[Mutant]) -> None:
    """Stop unless all tests that are about to be used pass on the untouched copy."""
    expressions: dict[str, set] = {}
    for mutant in mutants:
        file, _, expression = mutant.tests.partition(" ")
        expressions.setdefault(file, set()).add(expression)
    with tempfile.TemporaryDirectory() as name:
        copy(Path(name))
        for file, used in sorted(expressions.items()):
            status, output = run(Path(name), arguments(file if "" in used else f"{file} {' or '.join(sorted(used))}"))
            if status:
                raise SystemExit(f"tests/{file} must pass before anything is mutated\n{output}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="mutants whose name or file contains one of these words")
    parser.add_argument("--list", action="store_true", help="names alone")
    options = parser.parse_args()
    chosen = [m for m in MUTANTS if not options.only or any(word in f"{m.name} {m.file}" for word in options.only)]
    if not chosen:
        parser.error(f"no mutant is called {' or '.join(options.only)}; --list names them")
    if options.list:
        print("\n".join(f"{m.file:14} {m.name}" for m in chosen))
        return 0
    with tempfile.TemporaryDirectory() as name:              # all must apply, before the first minutes are spent
        for i, mutant in enumerate(chosen):
            copy(Path(name) / str(i))
            mutate(Path(name) / str(i), mutant)
    start, missed = time.time(), 0
    baseline(chosen)
    print(f"the untouched copy passes ({time.time() - start:.0f} s)", flush=True)
    with ThreadPoolExecutor(2) as pool:
        for line, caught in pool.map(verdict, chosen):
            missed += not caught
            print(line, flush=True)
    print(f"{len(chosen) - missed} caught, {missed} missed, {time.time() - start:.0f} s")
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())

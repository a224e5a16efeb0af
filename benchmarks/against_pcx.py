"""Processor time, compilation and memory of a training step: pc_precision against PCX, its rules against each other.

    python benchmarks/against_pcx.py              everything, half an hour on two idle cores; writes .md and .json
    python benchmarks/against_pcx.py --no-pcx     without PCX
    python benchmarks/against_pcx.py --nets vgg5/8 --own "" --compile "" --out ""   VGG5 at width 1/8, printed only

The first run makes PCX's environment in benchmarks/.pcx-venv from pcx-requirements.txt (half a minute). Every subject
is a process of its own (against_pcx_worker.py) with the same net, weights, batch of 128, gelu and float32, and T = L.
They take turns, one step each, and processor time of all threads is compared within a turn: other work on the machine
disturbs the ratios little. README.md, beside this file, says what the columns mean.
"""
import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
WORKER, REQUIREMENTS = HERE / "against_pcx_worker.py", HERE / "pcx-requirements.txt"
RULES = ("pc", "s+f", "bp")
OURS = (*RULES, "plain", "lax")
NAMES = {"pcx": "PCX", "pc": "PC", "s+f": "S+F", "bp": "BP", "plain": "plain, our kernels",
         "lax": "plain, XLA's kernels"}
GOALS = {  # numerator, denominator: most allowed, by net
    ("pc", "pcx"): {"vgg5/8": 1 / 4, "vgg7/8": 1 / 4, "vgg10/8": 1 / 4, "vgg5": 1 / 8},
    ("pc", "bp"): {"vgg5": 2.0, "vgg7": 2.5, "vgg10": 3.5},
    ("s+f", "pc"): dict.fromkeys(("vgg5/8", "vgg7/8", "vgg10/8", "vgg5", "vgg7", "vgg10"), 1.0),
    ("bp", "lax"): dict.fromkeys(("vgg5/8", "vgg7/8", "vgg10/8", "vgg5", "vgg7", "vgg10"), 1.0),
    ("bp", "plain"): {}}
COMPILE_SECONDS = 60


def pcx_python(folder: Path) -> str:
    "The Python of PCX's environment, which is made when it is missing or older than its requirements."
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.stat().st_mtime < REQUIREMENTS.stat().st_mtime:
        print(f"installing PCX into {folder.name}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "--requirement", REQUIREMENTS], check=True)
        stamp.touch()
    return str(python)


class Worker:
    "One subject in its process; calling it sends a command and returns the answer."

    def __init__(self, python: str, method: str, net: str, batch: int = 128, float64: bool = False):
        paths = [] if method == "pcx" else [str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = os.environ | {"JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": str(int(float64)),
                                    "PYTHONPATH": os.pathsep.join(paths)}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        self.method, self.net = method, net
        self.process = subprocess.Popen([python, WORKER, method, net, str(batch)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, env=environment)

    def __call__(self, *command: str):
        print(json.dumps(command), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.method} on {self.net} died at {command[0]!r}: see its error above")
        return json.loads(answer)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.stdin.close()
        self.process.wait()


def measure(net: str, pythons: dict[str, str], steps: int) -> dict:
    "Interleaved steps of all methods on one net, with compilation and memory."
    log(f"{net}: compiling")
    workers = [Worker(python, method, net) for method, python in pythons.items()]
    try:
        out = {w.method: w("warmup") | {"versions": w("versions"), "steps": []} for w in workers}
        for turn in range(steps):
            log(f"{net}: turn {turn + 1} of {steps}")
            for worker in workers:
                out[worker.method]["steps"].append(worker("step"))
        for worker in workers:
            out[worker.method]["memory"] = worker("peak")
            if worker.method in RULES:
                out[worker.method] |= {"recompilations": worker("change"), "gflop": worker("gflop"), "product": worker("product")}
    finally:
        for worker in workers:
            worker.__exit__()
    return out


def compile_only(net: str) -> dict:
    "Seconds to compile each rule's step of a net that is not run."
    out = {}
    for rule in RULES:
        log(f"{net}: compiling {NAMES[rule]}")
        with Worker(sys.executable, rule, net) as worker:
            out[rule] = worker("lower") | {"memory": worker("peak")}
    return out


def agreement(net: str, pythons: dict[str, str], batch: int = 16) -> dict:
    """Differences of output, activities and weight gradients after T steps, on a small batch.

    Relative to the largest number, and (gradients, a list of layers) in the 2-norm; the float32 gradients of each
    library are compared with the float64 ones, which both share.
    """
    log(f"{net}: comparing numbers")
    with tempfile.TemporaryDirectory() as folder:
        def numbers(method, float64):
            path = str(Path(folder, f"{method}{float64}.npz"))
            with Worker(pythons[method], method, net, batch, float64) as worker:
                worker("agree", path)
            return dict(np.load(path))
        double, single = ({m: numbers(m, wide) for m in ("pcx", "pc")} for wide in (True, False))
    layers = range(1, 1 + sum(key[0] == "g" for key in double["pc"]))
    out = {}
    for name, both in (("float64", double), ("float32", single)):
        out[name] = {"output": largest(both["pcx"]["output"], both["pc"]["output"]),
                     "activities": max(largest(both["pcx"][f"x{l}"], both["pc"][f"x{l}"]) for l in layers)}
    error = lambda a, b: float(np.linalg.norm(a - b) / np.linalg.norm(b))
    out["float64"]["gradients"] = [error(double["pcx"][f"g{l}"], double["pc"][f"g{l}"]) for l in layers]
    for method in ("pcx", "pc"):
        out["float32"][f"gradients {method}"] = [error(single[method][f"g{l}"], double["pc"][f"g{l}"]) for l in layers]
    return out


def largest(a: np.ndarray, b: np.ndarray) -> float:
    "Largest difference over the largest number."
    return float(np.abs(a - b).max() / np.abs(b).max())


def log(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def ratio(result: dict, top: str, bottom: str) -> tuple[float, float, float] | None:
    "Median, least and largest ratio of processor time, turn by turn."
    if top not in result or bottom not in result:
        return None
    ratios = [a["cpu"] / b["cpu"] for a, b in zip(result[top]["steps"], result[bottom]["steps"])]
    return statistics.median(ratios), min(ratios), max(ratios)


def median(result: dict, method: str) -> float:
    "Seconds of processor time of a step."
    return statistics.median(s["cpu"] for s in result[method]["steps"])


def compile_seconds(result: dict, method: str) -> tuple[float, float]:
    "Seconds that XLA worked, and processor time that the first calls took beyond a step each."
    calls = result[method]["calls"]
    return sum(call["xla"] for call in calls), sum(call["cpu"] for call in calls) - len(calls) * median(result, method)


def table(head: list[str], rows: list[list]) -> str:
    "Markdown."
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows))


def verdict(value: float, most: float | None) -> str:
    return "" if most is None else f" (goal {most:.3g}: {'met' if value <= most else 'MISSED'})"


def step_table(results: dict) -> str:
    rows = [[net, len(next(iter(r.values()))["steps"]),
             *(f"{1e3 * median(r, m):,.0f}" if m in r else "" for m in NAMES)] for net, r in results.items()]
    return table(["net", "steps", *NAMES.values()], rows)


def ratio_table(results: dict) -> str:
    rows = []
    for net, result in results.items():
        row = [net]
        for pair, goals in GOALS.items():
            found = ratio(result, *pair)
            row.append("" if found is None else
                       "{:.3f} [{:.3f}, {:.3f}]".format(*found) + verdict(found[0], goals.get(net)))
        rows.append(row)
    return table(["net", *(f"{NAMES[a]} / {NAMES[b]}" for a, b in GOALS)], rows)


def arithmetic_table(results: dict) -> str:
    "Counted arithmetic of a step over backpropagation's, and the share of the speed of a matrix product that the step reaches."
    rows = []
    for net, result in results.items():
        product = statistics.median(result[rule]["product"] for rule in RULES)
        share = lambda rule: result[rule]["gflop"] / median(result, rule) / product
        rows.append([net, f"{result['bp']['gflop']:.4g}", *(f"{result[m]['gflop'] / result['bp']['gflop']:.2f}" for m in ("pc", "s+f")),
                     f"{product:.0f}", *(f"{100 * share(rule):.0f} %" for rule in RULES)])
    return table(["net", "GFLOP of BP", "PC / BP", "S+F / BP", "GFLOP/s of a product", *(f"share, {NAMES[r]}" for r in RULES)], rows)


def compile_table(results: dict, compiled: dict) -> str:
    rows = []
    for net, result in results.items():
        for method in (m for m in NAMES if m in result):
            xla, cpu = compile_seconds(result, method)
            most = COMPILE_SECONDS if method in RULES else None
            rows.append([net, NAMES[method], sum(call["compiles"] for call in result[method]["calls"]), f"{xla:.1f}",
                         f"{cpu:.1f}{verdict(cpu, most)}", result[method].get("recompilations", "")])
    for net, result in compiled.items():
        rows += [[net, NAMES[m], 1, f"{r['xla']:.1f}", f"{r['cpu']:.1f}{verdict(r['cpu'], COMPILE_SECONDS)}", ""]
                 for m, r in result.items()]
    return table(["net", "method", "compilations", "seconds in XLA", "processor s, tracing too",
                  "more after other settings"], rows)


def memory_table(results: dict) -> str:
    methods, rows = ("pcx", *RULES), []
    for net, result in results.items():
        found = {m: result[m]["memory"] for m in methods if m in result}
        row = [net, *("{peak:,.0f} ({imported:,.0f})".format(**found[m]) if m in found else "" for m in methods)]
        value = found["pc"]["peak"] / found["pcx"]["peak"] if "pcx" in found else None
        rows.append([*row, "" if value is None else f"{value:.2f}{verdict(value, 1.0)}"])
    return table(["net", *(NAMES[m] for m in methods), "PC / PCX"], rows)


def agreement_table(agreements: dict) -> str:
    short, rows = lambda v: f"{v:.0e}", []
    for net, a in agreements.items():
        double, single = a["float64"], a["float32"]
        row = [net, *map(short, (double["output"], double["activities"], max(double["gradients"]),
                                 single["output"], single["activities"]))]
        rows.append(row + [" ".join(map(short, single[f"gradients {m}"])) for m in ("pcx", "pc")])
    return table(["net", *(f"{what}, float64" for what in ("output", "activities", "gradients")), "output, float32",
                  "activities, float32", "error of PCX's float32 gradients, layers 1..L", "error of ours"], rows)


def processor() -> str:
    "Its name, and the vector instructions it has."
    try:
        text = Path("/proc/cpuinfo").read_text()
        name = next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
        return name + "".join(f", {flag}" for flag in ("avx2", "avx512f", "amx_tile") if f" {flag} " in text)
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def provenance(results: dict) -> dict:
    "Machine, versions, commit and date."
    git = lambda *a: subprocess.run(["git", "-C", HERE, *a], capture_output=True, text=True).stdout.strip()
    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    first = next(iter(results.values()), {})
    versions = {"PCX" if method == "pcx" else "pc_precision": r["versions"] for method, r in first.items()}
    commit = git("rev-parse", "--short", "HEAD")
    return {"processor": processor(), "threads": threads, "system": f"{platform.system()} {platform.machine()}",
            "commit": commit + (" with changes" if git("status", "--porcelain", "--", "../pc_precision") else ""),
            "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"), "versions": versions,
            "load": os.getloadavg()[0]}


def report(data: dict) -> str:
    "All tables as Markdown."
    made, results = data["provenance"], data["results"]
    versions = "; ".join(f"{name}: " + ", ".join(map(" ".join, v.items())) for name, v in made["versions"].items())
    parts = ["# Speed against PCX",
             f"Printed by `python benchmarks/against_pcx.py` on {made['date']}, commit {made['commit']}. "
             f"{made['processor']}; {made['threads']} threads; {made['system']}; load at the end {made['load']:.1f}. "
             f"{versions}. Batch 128, gelu, float32, T = L; `/8` is width 1/8. README.md explains the words.",
             "## Processor time of a step, milliseconds, median", step_table(results),
             "## Ratios of processor time, turn by turn: median [least, largest]", ratio_table(results),
             "## Arithmetic: counted, and the share of the speed of a 2048x2048 product that a step reaches", arithmetic_table(results),
             "## Peak resident memory, MiB (of which after importing the library)", memory_table(results),
             "## Compilation", compile_table(results, data["compiled"])]
    if data["agreements"]:
        parts += ["## The same numbers", agreement_table(data["agreements"])]
    return "\n\n".join(parts) + "\n"


def options() -> argparse.Namespace:
    "The command line."
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    nets = lambda text: [n for n in text.split(",") if n]
    parser.add_argument("--nets", type=nets, default=["vgg5/8", "vgg7/8", "vgg10/8", "vgg5"], help="measured with PCX")
    parser.add_argument("--own", type=nets, default=["vgg7", "vgg10"], help="measured without PCX")
    parser.add_argument("--compile", type=nets, default=["vgg15"], help="compiled, not run")
    parser.add_argument("--steps", type=int, default=7, help="turns at width below 1")
    parser.add_argument("--full-steps", type=int, default=3, help="turns at full width")
    parser.add_argument("--no-pcx", action="store_true", help="leave PCX out")
    parser.add_argument("--no-agree", action="store_true", help="leave the comparison of numbers out")
    parser.add_argument("--pcx-venv", type=Path, default=HERE / ".pcx-venv", help="PCX's environment")
    parser.add_argument("--out", default=str(HERE / "against_pcx"), help='written with .md and .json; "" prints only')
    return parser.parse_args()


def save(data: dict, out: str) -> str:
    "The report so far; written, with the numbers behind it, unless `out` is empty: a stopped run keeps what it has."
    data = {"provenance": provenance(data["results"])} | data
    text = report(data)
    if out:
        Path(f"{out}.md").write_text(text)
        Path(f"{out}.json").write_text(json.dumps(data, indent=1) + "\n")
    return text


def main():
    args, ours = options(), dict.fromkeys(OURS, sys.executable)
    pythons = ours if args.no_pcx else {"pcx": pcx_python(args.pcx_venv)} | ours
    data = {"results": {}, "compiled": {}, "agreements": {}}
    for net in dict.fromkeys(args.nets + args.own):
        compared = pythons if net in args.nets else ours
        data["results"][net] = measure(net, compared, args.steps if "/" in net else args.full_steps)
        if "pcx" in compared and not args.no_agree:
            data["agreements"][net] = agreement(net, pythons, 16 if "/" in net else 4)
        save(data, args.out)
    for net in args.compile:
        data["compiled"][net] = compile_only(net)
    print(save(data, args.out))


if __name__ == "__main__":
    main()

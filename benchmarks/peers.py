"""Measure a training step of pc_precision and of its peers PCX and FabricPC.

    python benchmarks/peers.py                     all nets and subjects
    python benchmarks/peers.py --nets vgg5/8,mlp5  these nets
    python benchmarks/peers.py --subjects PC,BP    these subjects, on all nets
    python benchmarks/peers.py --turns 3           so many measured steps a subject

The rows go to peers.csv beside this file. README.md says what is measured and how.
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
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

HERE = Path(__file__).resolve().parent
WORKER, ROWS = HERE / "peer_worker.py", HERE / "peers.csv"
NETS = ("vgg5/8", "vgg7/8", "vgg10/8", "mlp5", "mlp10", "mlp20", "mlp40", "vgg5",
        "vgg7", "vgg10")
PEERS = ("PCX", "FabricPC PC", "FabricPC ePC")
OURS = ("PC", "PC dense", "ePC", "S+F", "S+F skip", "BP")
SUBJECTS = (*PEERS, *OURS, "plain", "plain XLA")
# what a peer computes, too: one of our subjects, with other settings
TWINS: dict[str, tuple[str, dict]] = {
    "PCX": ("PC", {}),
    "FabricPC PC": ("PC", {"momentum": 0.0}),
    "FabricPC ePC": ("ePC", {})}
COLUMNS = ("net", "layers", "subject", "turns", "cpu_ms", "ratio_to_bp", "ratio_least",
           "ratio_most", "gflop", "product_gflops", "share_of_product", "peak_mib",
           "imported_mib", "compilations", "xla_seconds", "compile_cpu_seconds",
           "recompilations", "agreement", "skip_error", "skip_bound", "date", "commit",
           "processor", "threads", "versions")
SHOWN = ("net", "subject", "turns", "cpu_ms", "ratio_to_bp", "share_of_product",
         "peak_mib", "compile_cpu_seconds", "agreement", "skip_error", "skip_bound")
# measured only when --subjects names them; README.md says why
LEFT_OUT = {"mlp40": ("PCX",), "vgg7": PEERS, "vgg10": PEERS}
LARGE = 3  # subjects in memory at once, beside BP, on a VGG of width 1


def log(text: str) -> None:
    "Tell the person who waits."
    print(text, file=sys.stderr, flush=True)


def python_of(subject: str) -> str:
    """The Python that runs a subject.

    A peer's environment is made when it is missing or older than its requirements.
    """
    if subject not in PEERS:
        return sys.executable
    peer = subject.split()[0].lower()
    needs, folder = HERE / f"{peer}-requirements.txt", HERE / f".{peer}-venv"
    python, stamp = folder / "bin" / "python", folder / "installed"
    if not stamp.exists() or stamp.stat().st_mtime < needs.stat().st_mtime:
        log(f"installing {folder.name}")
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "-r", needs],
                       check=True)
        stamp.touch()
    return str(python)


class Worker:
    "One subject in its process; a call sends a command and returns the answer."

    def __init__(self, subject: str, net: str, batch: int, float64: bool):
        environment = os.environ | {
            "JAX_PLATFORMS": "cpu", "JAX_ENABLE_X64": str(int(float64))}
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
        environment.pop("PYTHONPATH", None)
        if subject not in PEERS:
            paths = str(HERE.parent), os.environ.get("PYTHONPATH")
            environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        self.subject, self.net = subject, net
        self.process = subprocess.Popen(
            [python_of(subject), WORKER, subject, net, str(batch)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)

    def __call__(self, *command: Any) -> Any:
        print(json.dumps(command), file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.subject} on {self.net} died at {command[0]!r}: "
                             "see its error above")
        return json.loads(answer)


@contextmanager
def worker(subject: str, net: str, batch: int = 128,
           float64: bool = False) -> Iterator[Worker]:
    "A worker, whose process ends with the block."
    found = Worker(subject, net, batch, float64)
    try:
        yield found
    finally:
        found.process.stdin.close()
        found.process.wait()


def is_large(net: str) -> bool:
    "Whether a net is a VGG of width 1."
    return net.startswith("vgg") and "/" not in net


def groups(net: str, subjects: Sequence[str]) -> list[list[str]]:
    "The subjects that take turns with each other; BP is in every group."
    size = LARGE if is_large(net) else len(SUBJECTS)
    others = [subject for subject in subjects if subject != "BP"]
    found = [others[i:i + size] for i in range(0, len(others), size)]
    return [[*group, "BP"] for group in found or [[]]]


def measure(net: str, subjects: Sequence[str], turns: int) -> dict[str, dict]:
    "What the processes tell of each subject, all of whom take turns."
    with ExitStack() as stack:
        log(f"{net}: compiling {', '.join(subjects)}")
        workers = {name: stack.enter_context(worker(name, net)) for name in subjects}
        found = {name: {"calls": each("warmup"), "turns": []}
                 for name, each in workers.items()}
        for turn in range(turns):
            log(f"{net}: turn {turn + 1} of {turns}")
            for name, each in workers.items():
                found[name]["turns"].append(each("turn"))
        for name, each in workers.items():
            found[name] |= each("memory")
            if name in OURS:
                found[name] |= {"recompilations": each("change"),
                                "gflop": each("gflop")}
            found[name] |= {"product_gflops": each("product"),
                            "versions": each("versions")}
    return found


def activities(subject: str, net: str, **settings: Any) -> list[np.ndarray]:
    "A subject's activities after inference on sixteen inputs in float64."
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder, "activities.npz"))
        with worker(subject, net, 16, float64=True) as each:
            each("activities", path, settings)
        return list(np.load(path).values())


def agreement(peer: str, net: str) -> float:
    "The largest difference of a layer's activities, over the largest of our numbers."
    log(f"{net}: comparing {peer} with ours")
    twin, settings = TWINS[peer]
    pairs = zip(activities(peer, net), activities(twin, net, **settings), strict=True)
    return max(float(np.abs(a - b).max() / np.abs(b).max()) for a, b in pairs)


def checks(subject: str, net: str) -> dict[str, float]:
    "How well a peer agrees with ours, or what skipping changes."
    if subject in TWINS:
        return {"agreement": agreement(subject, net)}
    if subject != "S+F skip":
        return {}
    log(f"{net}: what skipping changes")
    with worker(subject, net, 16, float64=True) as each:
        return {f"skip_{name}": value for name, value in each("skipped").items()}


def summary(told: dict, bp: dict) -> dict[str, Any]:
    "The numbers of a row from what a process told, and BP's in the same turns."
    calls, turns = told["calls"], told["turns"]
    seconds, total = statistics.median(turns), sum(call["cpu"] for call in calls)
    ratios = [a / b for a, b in zip(turns, bp["turns"])]
    row = {name: told.get(name) for name in COLUMNS} | {
        "turns": len(turns), "cpu_ms": 1e3 * seconds,
        "ratio_to_bp": statistics.median(ratios), "ratio_least": min(ratios),
        "ratio_most": max(ratios),
        "compilations": sum(call["compiles"] for call in calls),
        "xla_seconds": sum(call["xla"] for call in calls),
        "compile_cpu_seconds": total - len(calls) * seconds}
    if row["gflop"] is not None:
        row["share_of_product"] = row["gflop"] / seconds / row["product_gflops"]
    return row


def processor() -> str:
    "Its name, and the vector instructions that it has."
    try:
        text = Path("/proc/cpuinfo").read_text()
        lines = (line for line in text.splitlines() if line.startswith("model name"))
        known = [f for f in ("avx2", "avx512f", "amx_tile") if f" {f} " in text]
        return ", ".join([next(lines).split(":")[1].strip(), *known])
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def provenance() -> dict[str, Any]:
    "Date, commit and machine."
    git = lambda *words: subprocess.run(
        ["git", "-C", HERE, *words], capture_output=True, text=True).stdout.strip()
    changed = git("status", "--porcelain", "--", "../pc_precision")
    known = hasattr(os, "sched_getaffinity")
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d"),
        "commit": git("rev-parse", "--short", "HEAD") + " with changes" * bool(changed),
        "processor": processor(),
        "threads": len(os.sched_getaffinity(0)) if known else os.cpu_count()}


def rows_of(net: str, subjects: Sequence[str], turns: int) -> list[dict[str, Any]]:
    "One row for each subject, measured now."
    told: dict[str, dict] = {}
    for group in groups(net, subjects):
        found = measure(net, group, turns)
        rows = {name: summary(each, found["BP"]) for name, each in found.items()}
        told = rows | told
    depth = int("".join(filter(str.isdigit, net.split("/")[0])))
    return [told[subject] | checks(subject, net) | provenance()
            | {"net": net, "layers": depth, "subject": subject}
            for subject in SUBJECTS if subject in subjects]


def cell(value: Any) -> str:
    "A value as the file holds it: four digits of a float, nothing for None."
    if value is None:
        return ""
    return f"{float(f'{value:.4g}'):g}" if isinstance(value, float) else str(value)


def keep(rows: Sequence[dict[str, Any]], path: Path = ROWS,
         columns: Sequence[str] = COLUMNS,
         order: dict[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """Put rows into a file, each in place of the one that it repeats; returns them.

    order: the columns that name a row, with their values in the order of the file.
    """
    order = order or {"net": NETS, "subject": SUBJECTS}
    frame = pd.DataFrame([{name: cell(row[name]) for name in columns} for row in rows])
    if path.exists():
        old = pd.read_csv(path, dtype=str, keep_default_na=False)
        whole = pd.concat([old, frame])
    else:
        whole = frame
    whole = whole.drop_duplicates([*order], keep="last")
    place = lambda names: lambda column: column.map(
        lambda value: names.index(value) if value in names else len(names))
    for column, names in reversed(order.items()):
        whole = whole.sort_values(column, key=place(names), kind="stable")
    partial = path.with_suffix(".partial")
    whole.to_csv(partial, index=False)
    os.replace(partial, path)
    return frame


def options() -> argparse.Namespace:
    "The command line."
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = lambda text: text.split(",")
    parser.add_argument("--nets", type=names, default=NETS, help="such as vgg5/8,mlp5")
    parser.add_argument("--subjects", type=names, help=", ".join(SUBJECTS))
    parser.add_argument("--turns", type=int, help="7; 3 on a VGG of width 1")
    asked = parser.parse_args()
    unknown = set(asked.subjects or ()) - set(SUBJECTS)
    if unknown:
        parser.error(f"unknown subjects: {', '.join(sorted(unknown))}")
    return asked


def main() -> None:
    asked = options()
    for net in asked.nets:
        turns = asked.turns or (3 if is_large(net) else 7)
        usual = [name for name in SUBJECTS if name not in LEFT_OUT.get(net, ())]
        rows = rows_of(net, asked.subjects or usual, turns)
        print(keep(rows)[list(SHOWN)].to_string(index=False), flush=True)


if __name__ == "__main__":
    main()

"""Write constraints.txt: what a fresh install of every requirement in settings.ini resolves to.

usage: python tools/pins.py python3.11 python3.12 ...   (the oldest first)

The oldest Python resolves freely; each further one takes the versions found so far and adds what only it needs, so one
file holds one version of everything.  pip resolves without installing.
"""
import json
import subprocess
import sys
import tempfile
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = """\
# One version of everything that `pip install .[dev,docs,cuda,devices]` brings, for Python 3.11 and newer.  Written by `make pins`.
# jax, flax, numpy, scipy and contourpy are the newest that still run on Python 3.11; the library works with newer ones.
# nbdev 2.4.14 is the last that reads settings.ini; execnb below 0.2, fastcore and ghapi below 2 are the last it can import.
# setuptools and wheel build the package itself (and promise, which comes as source only); uv installs it.
# jax-cuda13-* come with the extras `cuda` and `devices` alone, nvidia-* with `cuda`, libtpu with `devices`.
"""


def requirements() -> list[str]:
    """Every requirement in settings.ini, the extras' included."""
    config = ConfigParser(delimiters=["="])
    config.read(ROOT / "settings.ini", encoding="utf-8")
    lists = [value for key, value in config["DEFAULT"].items() if key == "requirements" or key.endswith("_requirements")]
    return " ".join(lists).split() + ["setuptools", "wheel", "uv"]


def resolve(python: str, pins: dict[str, str]) -> dict[str, str]:
    """Names and versions `python` would install, given `pins` (name -> version)."""
    with tempfile.TemporaryDirectory() as folder:
        venv, report, fixed = (Path(folder) / name for name in ("venv", "report.json", "fixed.txt"))
        fixed.write_text("".join(f"{name}=={version}\n" for name, version in pins.items()))
        subprocess.run([python, "-m", "venv", venv], check=True)
        subprocess.run([venv / "bin/python", "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed",
                        "--report", report, "--constraint", fixed, *requirements()], check=True)
        found = [item["metadata"] for item in json.loads(report.read_text())["install"]]
    return {item["name"].lower().replace("_", "-"): item["version"] for item in found}


def main(pythons: list[str]) -> None:
    pins: dict[str, str] = {}
    for python in pythons:
        pins |= resolve(python, pins)
    lines = [f"{name}=={pins[name]}\n" for name in sorted(pins)]
    (ROOT / "constraints.txt").write_text(HEADER + "".join(lines))
    print(f"{len(lines)} pins in constraints.txt")


if __name__ == "__main__":
    main(sys.argv[1:] or sys.exit(__doc__))

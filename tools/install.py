"""Install the package and what it needs into a virtual environment: uv does so in seconds, pip where there is no uv.

usage: python tools/install.py FOLDER EXTRAS        EXTRAS: dev or dev,docs, as in settings.ini; base: none of them

A stamp in FOLDER, installed-EXTRAS, says that all of it is there. Where an installation was broken off, the environment is
made anew. Of two at once, the second waits for the first.
"""
import fcntl
import os
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
READ = [ROOT / name for name in ("settings.ini", "setup.py", "pyproject.toml", "constraints.txt")]


def succeeds(*words, **settings) -> bool:
    """Whether a command ends well; what it says is seen."""
    return subprocess.run([str(word) for word in words], cwd=str(ROOT), check=False, **settings).returncode == 0


def is_new(stamp: Path) -> bool:
    """Whether a stamp is there, and nothing that decides what is installed has changed since."""
    return stamp.exists() and all(stamp.stat().st_mtime >= path.stat().st_mtime for path in READ)


def is_whole(folder: Path) -> bool:
    """Whether a folder holds an environment whose last installation was not broken off."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    python = folder / "bin" / "python"
    return python.exists() and not (folder / "unfinished").exists() and succeeds(python, "-m", "pip", "--version", **quiet)


def make_environment(folder: Path) -> None:
    """An empty environment in place of what is there; ends with one sentence if there can be none."""
    config = ConfigParser(delimiters=["="])
    config.read(str(ROOT / "settings.ini"), encoding="utf-8")
    oldest, here = config["DEFAULT"]["min_python"], "%d.%d" % sys.version_info[:2]
    if sys.version_info[:2] < tuple(int(part) for part in oldest.split(".")):
        sys.exit(f"Python {here} is too old, {oldest} or newer is needed: make PYTHON=python{oldest} ...")
    if not succeeds(sys.executable, "-m", "venv", "--clear", folder):
        sys.exit(f"{sys.executable} cannot make a virtual environment in {folder.name}: see its lines above")


def mirror() -> dict:
    """Environment variables that send uv where pip was told to fetch packages, because uv does not read pip's settings."""
    asked = [sys.executable, "-m", "pip", "config", "get", "global.index-url"]
    found = os.environ.get("PIP_INDEX_URL") or subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    return {"UV_DEFAULT_INDEX": found} if found else {}


def install(folder: Path, extras: str) -> None:
    """The package, editable, with its extras; ends with one sentence if it cannot be installed.

    setuptools, pinned like the rest, builds without isolation, because an isolated build fetches whatever is newest today.
    """
    python, pins = folder / "bin" / "python", ["--quiet", "--constraint", ROOT / "constraints.txt"]
    pip = [python, "-m", "pip", "install", *pins]
    package = ["--no-build-isolation", "--editable", f".[{extras}]"]
    # where a process may not keep bytecode (PYTHONDONTWRITEBYTECODE), each would compile anew what it imports, for seconds
    now = ["--compile-bytecode"] * sys.dont_write_bytecode
    uv = [folder / "bin" / "uv", "pip", "install", *now, "--python", python, *pins, *package]
    if succeeds(*pip, "setuptools", "wheel", "uv") and succeeds(*uv, env={**os.environ, **mirror(), "TMPDIR": str(folder)}):
        return
    print("uv cannot install here, so pip does: some minutes", flush=True)
    if not (succeeds(*pip, "setuptools", "wheel") and succeeds(*pip, *package)):
        sys.exit(f"nothing was installed in {folder.name}: pip says why above; it needs a network, or PIP_FIND_LINKS=FOLDER with the "
                 "packages of constraints.txt")


def main(folder: Path, extras: str) -> None:
    stamp = folder / f"installed-{extras}"
    with open(READ[0], encoding="utf-8") as lock:             # no file of its own, which somebody would have to delete
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            print(f"another process installs into {folder.name}: waiting for it", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        if is_whole(folder) and is_new(stamp):
            return
        if not is_whole(folder):
            make_environment(folder)
        print(f"installing [{extras}] into {folder.name}", flush=True)
        (folder / "unfinished").touch()
        install(folder, "" if extras == "base" else extras)
        (folder / "unfinished").unlink()
        stamp.touch()


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), sys.argv[2]) if len(sys.argv) == 3 else sys.exit(__doc__)

"""What the site keeps between two builds: values that take long to compute, and the pages that did not change."""
import contextlib
import hashlib
import json
import os
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, Iterable, NamedTuple

SETTINGS = ("JAX_", "XLA_", "MPL")                          # variables of the environment that numbers and drawings depend on


def files(folder: Path) -> list[Path]:
    """Every file under a folder, but those in hidden folders and caches: locks and checkpoints of runs under way."""
    apart = lambda parts: any(part == "__pycache__" or part.startswith(".") for part in parts)
    return sorted(path for path in folder.rglob("*") if path.is_file() and not apart(path.relative_to(folder).parts))


def digest(paths: Iterable[Path], words: Iterable[str] = ()) -> str:
    """A digest of these files and folders, their names and contents, and of words; what is missing counts as empty."""
    sha = hashlib.sha256("\n".join(words).encode())
    for path in paths:
        for file in [path] if path.is_file() else files(path):
            data = file.read_bytes()
            sha.update(f"\n{file.relative_to(path.parent).as_posix()} {len(data)}\n".encode() + data)
    return sha.hexdigest()


def surroundings() -> list[str]:
    """What runs the code: Python, the versions of all packages, and the settings of the environment."""
    versions = sorted(f"{one.name} {one.version}" for one in metadata.distributions())
    return [sys.version, *versions, *sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith(SETTINGS))]


class Kept(NamedTuple):
    """Values and the files that were written with them, kept as long as what they are computed from has the same digest.

    digest: of everything that any of the values is computed from; folder: where they are kept; pages: where files are written.
    """
    digest: str
    folder: Path
    pages: Path

    def value(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns, as JSON knows it; the files that it wrote lie under `pages` again."""
        record = self.read(name) or self.make(name, make)
        for page, text in record["files"].items():
            (self.pages / page).parent.mkdir(parents=True, exist_ok=True)
            (self.pages / page).write_text(text, encoding="utf-8")
        return record["value"]

    def read(self, name: str) -> dict[str, Any] | None:
        """The record of a value; None if there is none, or if it was computed from something else."""
        with contextlib.suppress(OSError, ValueError):
            record = json.loads((self.folder / f"{name}.json").read_text(encoding="utf-8"))
            return record if record["digest"] == self.digest else None
        return None

    def make(self, name: str, make: Callable[[], Any]) -> dict[str, Any]:
        """Compute a value and write its record, whole or not at all."""
        stamps = lambda: {path: path.stat().st_mtime_ns for path in files(self.pages)}
        before = stamps()
        value = make()
        written = [path for path, stamp in stamps().items() if before.get(path) != stamp]
        texts = {path.relative_to(self.pages).as_posix(): path.read_text(encoding="utf-8") for path in written}
        text = json.dumps({"digest": self.digest, "value": value, "files": texts}, ensure_ascii=False)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / f"{name}.part").write_text(text, encoding="utf-8")
        os.replace(self.folder / f"{name}.part", self.folder / f"{name}.json")
        return json.loads(text)


def sync(new: Path, old: Path) -> None:
    """Make the folder `old` equal to `new`. A file with equal content stays as it is, its time too; a file that `new` lacks goes."""
    old.mkdir(parents=True, exist_ok=True)
    for path in sorted(old.rglob("*"), reverse=True):       # what lies in a folder comes before the folder
        there = new / path.relative_to(old)
        if path.is_dir() and not there.is_dir():
            path.rmdir()
        elif not path.is_dir() and not there.is_file():
            path.unlink()
    for path in new.rglob("*"):
        there = old / path.relative_to(new)
        if path.is_dir():
            there.mkdir(parents=True, exist_ok=True)
        elif not there.is_file() or there.read_bytes() != path.read_bytes():
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)

"""Build the site into _docs/, or one page of it.

usage: python docs/builder.py [PAGE]    PAGE: a notebook of nbs/, index.ipynb, or a page docs/*.md

A build reads the pages that changed, and writes every page, because sidebars and links show the titles of others. It begins anew if
anything but the text of pages changed, or if the last build did not pass: Sphinx warns of a page only when it reads it.
A single page is built apart from the site. Its links lead to the pages of the last whole build.
"""
import contextlib
import difflib
import json
import multiprocessing
import shutil
import sys
from pathlib import Path

from filelock import FileLock, Timeout

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(DOCS))

from kept import Kept, digest, files, surroundings, sync  # noqa: E402

SITE, MADE = ROOT / "_docs", DOCS / "_made"
NEW, PAGES = MADE / "new", MADE / "pages"                   # as gathered now, and as Sphinx read them
BUILT = MADE / "built.json"                                 # what the last whole build was made from, if it passed
ONE = MADE / "page"                                         # the site with one page built anew
CODE = [ROOT / "settings.ini", ROOT / "pc_precision", *sorted(DOCS.glob("*.py"))]
LOOK = [ROOT / "CITATION.cff", DOCS / "_static", DOCS / "_templates", DOCS / "inventories"]
RUNS = [ROOT / "results", ROOT / "benchmarks"]
ELSEWHERE = ("myst.xref_missing", "ref.ref", "ref.eq", "ref.python", "ref.any", "ref.numref")     # what a single page cannot know of others


def sphinx(pages: Path, out: Path, *options: str) -> int:
    """Run Sphinx; 0 if there was no warning."""
    from sphinx.cmd.build import main
    return main(["-q", "-W", "--keep-going", "-b", "html", "-c", str(DOCS), str(pages), str(out), *options])


def last_build() -> dict[str, str]:
    """What the last whole build was made from; nothing if it did not pass."""
    with contextlib.suppress(OSError, ValueError):
        return json.loads(BUILT.read_text(encoding="utf-8"))
    return {}


def build(keep: Kept, look: str) -> int:
    """Build the site; 0 if it passed. look: a digest of all that is no page's text."""
    from gather import gather_all
    from pc_precision.machine import commit
    gather_all(keep)
    sync(NEW, PAGES)
    names = [path.relative_to(PAGES).as_posix() for path in files(PAGES)]
    state = {"whole": digest([], [look, *names]), "pages": digest([PAGES], [commit()[0] or ""])}
    last = last_build()
    if last == state | {"site": digest([SITE])}:
        return 0
    BUILT.unlink(missing_ok=True)
    for folder in [SITE] if last.get("whole") == state["whole"] else [SITE, MADE / "doctrees"]:
        shutil.rmtree(folder, ignore_errors=True)
    status = sphinx(PAGES, SITE, "-a", "-d", str(MADE / "doctrees"))
    if status == 0:
        BUILT.write_text(json.dumps(state | {"site": digest([SITE])}), encoding="utf-8")
    return status


def source_of(page: str) -> Path:
    """The file that a page is made from; SystemExit if there is no such page."""
    pages = [ROOT / "index.ipynb", *sorted((ROOT / "nbs").glob("*.ipynb")), *sorted(DOCS.glob("*.md"))]
    if Path(page).exists() and Path(page).resolve() in pages:
        return Path(page).resolve()
    near = difflib.get_close_matches(page, [path.relative_to(ROOT).as_posix() for path in pages], 1, cutoff=0)
    print(f"{page} is no page: PAGE is a notebook of nbs/, index.ipynb, or a page docs/*.md (did you mean {near[0]}?)", file=sys.stderr)
    sys.exit(2)


def build_one(source: Path, keep: Kept) -> int:
    """Build one page, and say which file to open; 0 if it passed."""
    from gather import gather_one
    page = gather_one(source, keep)
    shutil.rmtree(ONE, ignore_errors=True)
    settings = {"nitpicky": "0", "suppress_warnings": ",".join(ELSEWHERE), "html_extra_path": "_made/new/extra"}
    status = sphinx(NEW, ONE, str(NEW / page), "-E", "-t", "one_page", *(f"-D{name}={value}" for name, value in settings.items()))
    made = ONE / Path(page).with_suffix(".html")
    for path in files(SITE):                                # the other pages, and the search of them, are those of the last whole build
        there = ONE / path.relative_to(SITE)
        if there != made and (not there.exists() or path.suffix == ".html" or path.name == "searchindex.js"):
            there.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, there)
    print(f"open {made.relative_to(ROOT)}")
    return status


def main(page: str = "") -> int:
    """Build the site, or one page of it; 0 if it passed."""
    source = source_of(page) if page else None
    MADE.mkdir(exist_ok=True)
    try:
        with FileLock(MADE / "lock", timeout=0):            # digests come before the code: what changes meanwhile differs next time
            around = surroundings()
            keep, look = Kept(digest([*CODE, *RUNS], around), MADE / "values", NEW), digest([*CODE, *LOOK], around)
            return build_one(source, keep) if source else build(keep, look)
    except Timeout:
        print("another `make docs` is building: wait until it ends", file=sys.stderr)
        return 2


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")               # a fork of a process with JAX's threads may wait for ever
    sys.exit(main(*sys.argv[1:2]))

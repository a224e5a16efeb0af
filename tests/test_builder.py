"""A build of the site does again what changed, and nothing that it keeps can be stale."""
import json
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from filelock import FileLock

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "docs"))

import builder  # noqa: E402
import kept  # noqa: E402


def write(folder: Path, **texts: str) -> Path:
    """A folder with a file for each name; `_` in a name stands for `/`."""
    for name, text in texts.items():
        path = folder / name.replace("_", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def tree(folder: Path) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): path.read_text() for path in kept.files(folder)}


def test_an_equal_file_keeps_its_time_a_changed_one_does_not_and_what_is_not_made_goes(tmp_path):
    old, new = write(tmp_path / "old", equal="1", changed="1", gone="1", folder_gone="1"), write(tmp_path / "new", equal="1", changed="2", added_deep="3")
    for path in kept.files(old):
        os.utime(path, (1, 1))
    kept.sync(new, old)
    assert tree(old) == {"equal": "1", "changed": "2", "added/deep": "3"} and not (old / "folder").exists()
    assert (old / "equal").stat().st_mtime == 1 and (old / "changed").stat().st_mtime > 1


def test_a_file_may_become_a_folder_and_a_folder_a_file(tmp_path):
    old, new = write(tmp_path / "old", a="1", b_c="1"), write(tmp_path / "new", a_c="2", b="2")
    kept.sync(new, old)
    assert tree(old) == {"a/c": "2", "b": "2"}


def test_a_digest_sees_contents_names_and_files_that_come_or_go_but_no_run_under_way(tmp_path):
    folder = write(tmp_path / "results", a="1", b="2")
    digests = [kept.digest([folder])]
    for change in [{"a": "2"}, {"c": ""}, {"sub_a": ""}]:
        digests.append(kept.digest([write(folder, **change)]))
    (folder / "b").rename(folder / "d")
    digests += [kept.digest([folder]), kept.digest([folder], ["word"]), kept.digest([tmp_path / "missing"])]
    assert len(set(digests)) == 7
    write(folder / ".locks", a="1")
    assert kept.digest([folder]) == digests[4]


def maker(pages: Path, calls: list) -> str:
    calls.append(1)
    write(pages, figures_a="drawn")
    return "text"


def test_a_value_is_made_again_only_if_its_digest_differs_and_its_files_come_back(tmp_path):
    calls, pages = [], tmp_path / "pages"
    value = lambda digest: kept.Kept(digest, tmp_path / "values", pages).value("costs", lambda: maker(pages, calls))
    for digest, count in [("1", 1), ("1", 1), ("2", 2), ("1", 3)]:
        assert value(digest) == "text" and len(calls) == count and tree(pages) == {"figures/a": "drawn"}
        (pages / "figures" / "a").unlink()


def test_a_damaged_record_counts_as_none_and_other_pages_are_no_part_of_it(tmp_path):
    calls, pages, values = [], write(tmp_path / "pages", other="x"), tmp_path / "values"
    for text in ("", '{"dig', None):
        if text is not None:
            write(values, **{"costs.json": text})
        assert kept.Kept("1", values, pages).value("costs", lambda: maker(pages, calls)) == "text"
    assert len(calls) == 2 and json.loads((values / "costs.json").read_text())["files"] == {"figures/a": "drawn"}


@pytest.fixture
def house(tmp_path, monkeypatch) -> SimpleNamespace:
    """A build whose pages are `pages`, and whose Sphinx notes whether it has read pages before and returns `status`."""
    faked = SimpleNamespace(pages={"index.md": "1", "b.md": "1"}, status=0, kept=[])
    for name, path in {"MADE": "made", "NEW": "made/new", "PAGES": "made/pages", "BUILT": "made/built.json", "SITE": "site"}.items():
        monkeypatch.setattr(builder, name, tmp_path / path)

    def gather_all(keep):
        shutil.rmtree(builder.NEW, ignore_errors=True)
        write(builder.NEW, **faked.pages)

    def sphinx(pages, out, *options):
        faked.kept.append((builder.MADE / "doctrees" / "page").exists())
        write(builder.MADE / "doctrees", page="")
        write(out, **{"index.html": "made"})
        return faked.status
    monkeypatch.setitem(sys.modules, "gather", SimpleNamespace(gather_all=gather_all))
    monkeypatch.setattr(builder, "sphinx", sphinx)
    faked.build = lambda look="look": builder.build(None, look)
    return faked


def test_sphinx_keeps_what_it_read_only_if_the_last_build_passed_and_texts_alone_changed(house):
    house.build()
    house.pages["b.md"] = "2"
    house.build()
    assert house.kept == [False, True]
    house.pages["c.md"] = "a page more"
    house.build()
    house.build("another look")
    assert house.kept[2:] == [False, False]
    house.pages["b.md"], house.status = "broken", 1
    assert house.build("another look") == 1 and house.build("another look") == 1
    house.status = 0
    assert house.build("another look") == 0 and house.kept[4:] == [True, False, False]


def test_a_site_that_is_up_to_date_stays_and_one_that_was_touched_is_built_again(house):
    house.build()
    house.build()
    assert len(house.kept) == 1
    (builder.SITE / "index.html").unlink()
    write(builder.SITE, **{"old.html": "of a page that is gone"})
    house.build()
    assert len(house.kept) == 2 and tree(builder.SITE) == {"index.html": "made"}


def test_a_page_is_named_by_its_source_and_another_name_gets_the_nearest(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    for page, source in {"nbs/04_energy.ipynb": "nbs/04_energy.ipynb", "./docs/start.md": "docs/start.md", "nbs/index.ipynb": "index.ipynb"}.items():
        assert builder.source_of(page) == ROOT / source
    for page, near in {"nbs/04_enrgy.ipynb": "nbs/04_energy.ipynb", "04_energy": "nbs/04_energy.ipynb", "README.md": None, "docs": None}.items():
        with pytest.raises(SystemExit) as raised:
            builder.source_of(page)
        said = capsys.readouterr().err
        assert raised.value.code == 2 and said.count("\n") == 1 and f"{page} is no page" in said and (near or "did you mean") in said


def test_two_builds_at_once_get_one_sentence(house, capsys):
    builder.MADE.mkdir()
    with FileLock(builder.MADE / "lock"):
        assert builder.main() == 2
    assert capsys.readouterr().err == "another `make docs` is building: wait until it ends\n" and house.kept == []


def test_gathering_twice_gives_the_same_bytes_and_a_page_alone_knows_the_titles_of_all(tmp_path, monkeypatch):
    import charts
    import gather
    monkeypatch.setattr(gather, "PAGES", tmp_path / "new")
    monkeypatch.setattr(charts, "EXTRA", tmp_path / "new" / "extra")
    monkeypatch.setattr(gather, "card", lambda source, keep: "a card")
    made = []
    for _ in range(2):
        assert gather.gather_one(ROOT / "nbs" / "fig1.ipynb", None) == "paper/fig1.ipynb"
        made.append(tree(tmp_path / "new"))
    assert made[0]["paper/fig1.ipynb"] == made[1]["paper/fig1.ipynb"] and made[0]["extra/figures/fig1_1.svg"] and "a card" in made[0]["paper/fig1.ipynb"]
    assert {*gather.sources().values()} < {*made[0]} and all("# " in made[0][page] for page in gather.sources().values())
    assert made[0]["troubleshooting.md"] == "# Troubleshooting\n\n" and "<02_layers>" in made[0]["library/index.md"]

"""The installation: uv first, pip where there is none, an environment that was broken off is made anew, one sentence if nothing works."""
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.append(str(ROOT / "tools"))
import install  # noqa: E402


@pytest.fixture
def folder(tmp_path) -> Path:
    """What looks like a finished environment with nothing in it."""
    (tmp_path / "env" / "bin").mkdir(parents=True)
    (tmp_path / "env" / "bin" / "python").touch()
    return tmp_path / "env"


@pytest.fixture
def commands(monkeypatch) -> list:
    """The commands that are run, each as one line; those with a word of `commands.broken` fail."""
    class Commands(list):
        broken: set = set()

    ran = Commands()
    ran.broken = set()

    def succeeds(*words, **settings) -> bool:
        ran.append(" ".join(Path(word).name if os.sep in str(word) else str(word) for word in words))
        return not ran.broken & set(ran[-1].split())

    monkeypatch.setattr(install, "succeeds", succeeds)
    return ran


PIP = "python -m pip install --quiet --constraint constraints.txt"
UV = "uv pip install --python python --quiet --constraint constraints.txt --no-build-isolation --editable"


def test_uv_installs_what_the_pins_say(folder, commands, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    install.main(folder, "dev,docs")
    assert commands[-2:] == [f"{PIP} setuptools wheel uv", f"{UV} .[dev,docs]"]
    assert sorted(path.name for path in folder.iterdir()) == ["bin", "installed-dev,docs"]
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert all(any(line.startswith(f"{name}==") for line in pins) for name in ("setuptools", "wheel", "uv"))


def test_the_package_alone_is_called_base(folder, commands):
    install.main(folder, "base")
    assert commands[-1].endswith("--editable .[]") and (folder / "installed-base").exists()


def test_where_no_process_may_keep_bytecode_the_installation_compiles_it(folder, commands, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    install.main(folder, "dev")
    assert "uv pip install --compile-bytecode --python" in commands[-1]


def test_pip_installs_where_uv_cannot(folder, commands, capsys):
    commands.broken = {"uv"}
    install.main(folder, "dev")
    assert commands[-2:] == [f"{PIP} setuptools wheel", f"{PIP} --no-build-isolation --editable .[dev]"]
    assert "so pip does" in capsys.readouterr().out and (folder / "installed-dev").exists()


def test_where_nothing_can_be_installed_one_sentence_says_so_and_the_next_try_begins_anew(folder, commands):
    commands.broken = {"install"}
    with pytest.raises(SystemExit) as said:
        install.main(folder, "dev")
    assert "needs a network" in said.value.code and "\n" not in said.value.code
    assert not (folder / "installed-dev").exists() and not install.is_whole(folder)
    commands.broken = set()
    install.main(folder, "dev")
    assert any("-m venv --clear env" in command for command in commands)


def test_what_is_installed_is_not_installed_again_until_what_decides_it_changes(folder, commands, monkeypatch, tmp_path):
    install.main(folder, "dev")
    commands.clear()
    install.main(folder, "dev")
    assert not any("install" in command for command in commands)
    later = tmp_path / "constraints.txt"
    later.touch()
    os.utime(later, (later.stat().st_mtime + 9,) * 2)
    monkeypatch.setattr(install, "READ", [*install.READ, later])
    install.main(folder, "dev")
    assert commands[-1].endswith(".[dev]")


def test_an_old_python_is_told_which_one_is_needed(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "version_info", (3, 9, 2))
    with pytest.raises(SystemExit) as said:
        install.make_environment(tmp_path / "env")
    assert said.value.code == "Python 3.9 is too old, 3.11 or newer is needed: make PYTHON=python3.11 ..."


def test_a_second_installation_waits_for_the_first(folder, commands, monkeypatch):
    """It then finds the stamp of the first, and installs nothing."""
    code = f"import sys; sys.path.append({str(ROOT / 'tools')!r}); import install; from pathlib import Path\n"
    code += "install.is_whole = lambda folder: True\ninstall.install = lambda *a: print('installs')\n"
    code += f"install.main(Path({str(folder)!r}), 'dev')"
    second = []

    def begin(*given):
        second.append(subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True))
        assert "waiting for it" in second[0].stdout.readline()

    monkeypatch.setattr(install, "install", begin)
    install.main(folder, "dev")
    assert second[0].communicate(timeout=60)[0] == ""


def test_uv_fetches_from_where_pip_was_told_to(monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "https://mirror.example/simple")
    assert install.mirror() == {"UV_DEFAULT_INDEX": "https://mirror.example/simple"}


@pytest.mark.slow
def test_without_a_network_an_environment_ends_in_one_sentence(tmp_path):
    environment = os.environ | {"PIP_NO_INDEX": "1", "UV_OFFLINE": "1", "PIP_FIND_LINKS": str(tmp_path), "UV_NO_CACHE": "1"}
    done = subprocess.run([sys.executable, ROOT / "tools/install.py", tmp_path / "env", "base"], env=environment, capture_output=True, text=True)
    assert done.returncode == 1 and "nothing was installed in env" in done.stderr.splitlines()[-1]
    assert not list((tmp_path / "env").glob("installed-*"))

"""What several test files share. `make test` runs the fast tests; the markers are explained in pyproject.toml."""
import gc
import importlib.metadata
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

# Most seconds of the suite are compilation. So programs compile without optimisation, and stay in the environment's folder for the
# next time; both hold for processes that a test starts, too. `make proofs` sets XLA_FLAGS to nothing: it compiles as users do.
# XLA ends a process that gives it a flag it does not know, and flags change with its version.
if importlib.metadata.version("jaxlib").startswith("0.10."):
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false")
PROGRAMS = Path(sys.prefix) / "programs"
if sys.prefix != sys.base_prefix and os.access(sys.prefix, os.W_OK):
    PROGRAMS.mkdir(exist_ok=True)
if os.access(PROGRAMS, os.W_OK):
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(PROGRAMS))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")

# compiled programs are many objects that stay: looking for dead ones among them so often takes a fifth of the time
gc.set_threshold(200_000, 20, 100)

import jax  # noqa: E402
import pytest  # noqa: E402
from jax.experimental.compilation_cache import compilation_cache  # noqa: E402


def pytest_sessionstart(session):
    """Programs that were compiled more than a month ago go, so that the folder does not grow for ever."""
    month_ago = time.time() - 30 * 86400
    for path in PROGRAMS.glob("*") if not hasattr(session.config, "workerinput") else ():
        if path.stat().st_mtime < month_ago:
            path.unlink(missing_ok=True)


@pytest.fixture(scope="session", autouse=True)
def nothing_stays(request, tmp_path_factory):
    """Whatever the library puts into the system's temporary folder is gone when the fast tests are over.

    Of the proofs we ask no such thing, because the processes that they kill, and browsers, leave what they like.
    """
    tmp_path_factory.getbasetemp()                           # pytest's own stays where it is, and so does Ray's
    os.environ.setdefault("RAY_TMPDIR", tempfile.gettempdir())
    before, tempfile.tempdir = tempfile.gettempdir(), tempfile.mkdtemp()
    os.environ["TMPDIR"] = tempfile.tempdir
    yield
    left, tempfile.tempdir = os.listdir(tempfile.tempdir), before
    shutil.rmtree(os.environ.pop("TMPDIR"))
    proofs = any(item.get_closest_marker("slow") or item.get_closest_marker("site") for item in request.session.items)
    assert proofs or not left, f"{len(left)} files or folders stay in the temporary folder: {sorted(left)[:5]}"


@pytest.fixture
def compiled_anew():
    """The programs of one test come from the compiler, none from the folder: for what compiling itself may change."""
    def use(folder: bool) -> None:
        jax.config.update("jax_enable_compilation_cache", folder)
        compilation_cache.reset_cache()                      # it remembers whether there is one
    use(False)
    yield
    use(True)


@pytest.fixture
def x64():
    """Float64 for one test, where rounding would hide the answer; the next test finds float32 again."""
    with jax.enable_x64(True):
        yield

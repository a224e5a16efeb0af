"""What several test files share. `make test` runs everything; the markers are explained in pyproject.toml."""
import jax
import pytest


@pytest.fixture
def x64():
    """Float64 for one test, where rounding would hide the answer; the next test finds float32 again."""
    with jax.enable_x64(True):
        yield

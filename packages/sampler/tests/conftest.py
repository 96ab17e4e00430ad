import jax
import pytest


@pytest.fixture(autouse=True)
def _float64():
    """Double precision by default, so that tolerances measure the method; float32 tests say so themselves."""
    with jax.enable_x64(True):
        yield

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.fixture(scope="session")
def examples() -> Path:
    """Folder of the released examples."""
    return EXAMPLES


@pytest.fixture(scope="session")
def make() -> ModuleType:
    """The script that makes examples, for its small valid contracts."""
    spec = importlib.util.spec_from_file_location("steelyard_schemas_examples_make", EXAMPLES / "make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module

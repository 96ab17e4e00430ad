"""The fork server and the valid files, made once."""

import pytest

from .runner import Server
from .valid import make_valid
from .writers import WRITERS

make_ms, write_uvfits = WRITERS.make_ms, WRITERS.write_uvfits


@pytest.fixture(scope="session")
def scratch(tmp_path_factory):
    """The folder that holds all of it: nothing outside it may change."""
    return tmp_path_factory.mktemp("hostile")


@pytest.fixture(scope="session")
def server(scratch):
    with Server(scratch) as started:
        yield started
        print(f"commands took {started.cpu_s:.0f} s of CPU")


@pytest.fixture
def valid(scratch, make_ms, write_uvfits):
    """The folder of valid files."""
    folder = scratch / "valid"
    if not folder.exists():
        make_valid(folder, make_ms, write_uvfits)
    return folder

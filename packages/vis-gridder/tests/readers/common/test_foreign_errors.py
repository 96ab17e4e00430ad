"""Errors that a library raises while it reads: damage is called damage, and nothing else is."""

import errno
import os

import pytest
from steelyard_schemas import ContractError
from vis_gridder.readers.common.stream import damage_as_contract_error


def told(error):
    """Return what a reader says of an error, in one line."""
    with pytest.raises(ContractError) as found, damage_as_contract_error("target.ms", "Measurement Set"):
        raise error
    text = str(found.value)
    assert "\n" not in text
    assert found.value.__cause__ is error
    return text


@pytest.mark.parametrize(
    ("error", "reason", "advice"),
    [
        (PermissionError(errno.EACCES, "Permission denied", "table.f0"), "Permission denied", "permissions"),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), "Too many open files", "ulimit -n"),
        # As python-casacore 3.8 words them.
        (
            RuntimeError("RegularFileIO: error in open of file a.ms/table.dat: Permission denied"),
            "denied",
            "permissions",
        ),
        (
            RuntimeError("FiledesIO: file a.ms/table.lock could not be opened: Too many open files"),
            "open",
            "ulimit -n",
        ),
        (RuntimeError("Permanent lock on table a.ms could not be acquired (Resource busy)"), "lock", "close it"),
        (OSError(errno.EIO, os.strerror(errno.EIO)), "Input/output error", "disk"),
        (OSError(errno.ESTALE, os.strerror(errno.ESTALE)), "Stale file handle", "disk"),
        (MemoryError("Unable to allocate 12.0 TiB"), "12.0 TiB", "memory"),
    ],
)
def test_the_machine_is_not_the_file(error, reason, advice):
    text = told(error)
    assert text.startswith("target.ms: ")
    assert reason in text
    assert advice in text
    assert "damaged" not in text


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("no array in row 3"),
        ValueError("Bad\nvalue"),
        OSError("truncated in the middle of a block"),
        FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "table.f7"),
        KeyError("X"),
    ],
)
def test_broken_bytes_are_damage(error):
    assert "is a damaged Measurement Set (" in told(error)


def raised_by(module, error):
    exec("raise error", {"__name__": module, "error": error("so")})


@pytest.mark.parametrize("error", [NameError, AttributeError, ImportError])
def test_a_fault_of_the_program_is_not_put_on_the_file(error):
    with pytest.raises(error), damage_as_contract_error("target.ms", "Measurement Set"):
        raised_by("vis_gridder.readers.measurement_set.rows", error)
    with (
        pytest.raises(ContractError, match="damaged"),
        damage_as_contract_error("target.ms", "Measurement Set"),
    ):
        raised_by("astropy.io.fits", error)

"""What tests of artifacts share."""

import json

import pytest
from nuker_surrogate import load_surrogate
from steelyard_schemas import ContractError


def refused(words, function, *arguments, **keywords):
    with pytest.raises(ContractError, match=words) as error:
        function(*arguments, **keywords)
    assert str(error.value).isprintable()


def refused_to_open(folder, words):
    refused(words, load_surrogate, folder)


def part_hashes(folder):
    return json.loads((folder / "manifest.json").read_text())["files"]


def everything(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from steelyard.galaxy.stars import check_domain
from steelyard_schemas import Galaxy

README = (Path(__file__).parents[1] / "README.md").read_text()


@pytest.fixture(scope="module")
def example():
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.S)
    return tomllib.loads(text)


def test_the_galaxy_file_is_valid(example, toy_problem):
    galaxy = Galaxy.model_validate(example)
    assert galaxy.data.grid.npix == 128
    check_domain(galaxy, toy_problem.model.surrogate)


def test_the_galaxy_file_shows_every_table(example):
    tables = {name for name in Galaxy.model_fields if name not in ("kind", "schema_version", "name")}
    assert tables <= set(example)


def test_the_folder_is_as_described(finished):
    described = set(re.findall(r"^\| `([a-z.]+)` \|", README, re.M))
    assert described == {path.name for path in finished.folder.iterdir()}


def test_every_dependency_explained_is_one():
    explained = set(re.findall(r"`([a-z-]+)`", README.split("## Dependencies")[1]))
    declared = {re.match(r"[a-z-]+", requirement).group() for requirement in requires("steelyard")}
    assert explained <= declared

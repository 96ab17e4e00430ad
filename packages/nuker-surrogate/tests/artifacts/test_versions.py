import pytest
from nuker_surrogate.artifacts.publish import publish
from nuker_surrogate.artifacts.remote import fetch, published_versions

pytestmark = pytest.mark.usefixtures("cache", "shipped")


def test_versions_are_plain_digits(memory, made):
    publish(made["1.9.0"], "memory://team")
    for version in ("١.9.0", "1.9.0\n", f"1.{'9' * 5000}.0"):
        memory.store[f"/team/{version}/manifest.json"] = memory.store["/team/1.9.0/manifest.json"]
        with pytest.raises(ValueError, match="not a semantic version"):
            fetch(version, "memory://team")
    assert published_versions("memory://team") == ("1.9.0",)

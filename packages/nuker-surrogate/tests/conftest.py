import json
from pathlib import Path

import numpy as np
import pytest
from nuker_surrogate.domain import sample_box
from nuker_surrogate.evaluate import Reference, exact_reference


@pytest.fixture(scope="session")
def reference() -> Reference:
    """Two hundred laws from the box, deprojected exactly."""
    return exact_reference(sample_box(200, np.random.default_rng(42)))


@pytest.fixture
def edit_manifest():
    """Change fields of an artifact's manifest in place."""

    def edit(folder: Path, **fields: object) -> None:
        path = folder / "manifest.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | fields))

    return edit

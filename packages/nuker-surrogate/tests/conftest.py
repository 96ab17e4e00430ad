import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from nuker_surrogate.artifacts.files import save_surrogate
from nuker_surrogate.expansion.accuracy import Reference, exact_reference
from nuker_surrogate.expansion.heads import INPUTS, Weights
from nuker_surrogate.expansion.mge import sigma_grid_pc
from nuker_surrogate.expansion.radial_features import radial_features
from nuker_surrogate.law.domain import sample_box
from nuker_surrogate.training.dataset import input_standardisation


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


@pytest.fixture(scope="session", autouse=True)
def no_registry():
    """The registry of whoever runs the tests is none of their business."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("STEELYARD_SURROGATES", raising=False)
        yield


@pytest.fixture(scope="session")
def write_artifact():
    """Write an artifact of any head, its weights drawn at random rather than trained."""

    def write(folder: Path, version: str, head: str = "linear", seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        sigma = sigma_grid_pc(64)
        features = radial_features(sigma)
        hidden = () if head == "linear" else (8, 8)
        pairs = list(pairwise((len(INPUTS), *hidden, 64))) if hidden else []
        weights = Weights(
            input_standardisation(),
            tuple(rng.normal(size=pair).astype(np.float32) for pair in pairs),
            tuple(rng.normal(size=pair[1]).astype(np.float32) for pair in pairs),
            features,
            rng.normal(size=(features.n_features, 64)),
        )
        box = sample_box(2, rng)
        errors = {(quantity, 1.0): np.zeros(2) for quantity in ("circular_velocity", "surface_density")}
        save_surrogate(folder, version, weights, sigma, {"head": head, "hidden": hidden}, box, errors, ())
        return folder

    return write

"""What the fuzzer feeds: for each reader a seed, where its bytes go in a folder, and the call that reads them."""

from __future__ import annotations

import hashlib
import io
import json
import tomllib
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from .case import edit_json

__all__ = ["TARGETS", "Target"]

DEFAULTS = {"line": {"name": "CO(2-1)", "rest_frequency_hz": 230.538e9}}


class Target(NamedTuple):
    """One reader."""

    needs: tuple[str, ...]
    """Valid files and folders that are copied beside the input."""
    place: str
    """Path of the input within the folder."""
    read: Callable[[Path], object]
    """Given the folder."""
    seed: Callable[[bytes], bytes] = bytes
    """From the valid file at `place` to what is mutated."""
    wrap: Callable[[bytes], bytes] = bytes
    """From what was mutated to the content of the file."""


def _visibilities(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from vis_gridder import open_visibilities

        for source in open_visibilities(folder / name):
            for _ in source.blocks():
                pass

    return read


def _validated(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from steelyard_schemas import validate

        validate(folder / name)

    return read


def _image(folder: Path) -> None:
    from vis_gridder import is_image_cube, read_image_cube

    if is_image_cube(folder / "image.fits"):
        read_image_cube(folder / "image.fits")


def _store(folder: Path) -> None:
    # Each its own refusal: what the one refuses, the other may not.
    with suppress(ValueError):
        _validated("visibilities.zarr")(folder)
    _visibilities("visibilities.zarr")(folder)


def _sample(name: str) -> Callable[[Path], None]:
    def read(folder: Path) -> None:
        from steelyard.survey.folder import plan_jobs
        from steelyard.survey.sample import sample_rows
        from steelyard.survey.surrogates import SurrogateShelf

        list(plan_jobs(sample_rows(folder / name, DEFAULTS), folder, SurrogateShelf(folder / "shelf")))

    return read


def _plan(folder: Path) -> None:
    from steelyard.survey.folder import SurveyFolder
    from steelyard_schemas import SurveyJob, unpack

    survey = SurveyFolder(folder / "survey")
    # A plan that was made to be read: its hash is right.
    digest = hashlib.sha256(survey.plan.read_bytes()).hexdigest()
    edit_json(survey.about, lambda about: about.update(plan_sha256=digest))
    for job in survey.jobs():
        survey.job_folder(job.output)
        unpack(job.message, SurveyJob)


def _about(folder: Path) -> None:
    from steelyard.survey.folder import SurveyFolder

    survey = SurveyFolder(folder / "survey")
    str((survey.n_jobs, survey.data_folder))
    list(survey.jobs())


def _surrogate(folder: Path) -> None:
    from nuker_surrogate.artifact import load_surrogate

    _validated("surrogate")(folder)
    load_surrogate(folder / "surrogate")


def _weights(folder: Path) -> None:
    from steelyard_schemas import part_hash

    digest = part_hash(folder / "surrogate" / "weights.msgpack")
    edit_json(folder / "surrogate" / "manifest.json", lambda manifest: _of_weights(manifest, digest))
    _surrogate(folder)


def _of_weights(manifest: dict, digest: str) -> None:
    manifest["files"]["weights.msgpack"] = digest


def _training_file(folder: Path) -> None:
    from nuker_surrogate.training_file import TrainingFile

    TrainingFile(folder / "training.npz", "x")


def _member(archive: bytes) -> bytes:
    """Return the visibilities in an archive, behind which no checksum stands."""
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        return file.read("vis.npy")


def _archive(member: bytes) -> bytes:
    import numpy as np

    packed = io.BytesIO()
    plain = {"chan_freq_hz": 230e9 + 1e7 * np.arange(3), **{name: np.ones((3, 6)) for name in ("u", "v", "weight")}}
    np.savez(packed, **plain)
    with zipfile.ZipFile(packed, "a") as file:
        file.writestr("vis.npy", member)
    return packed.getvalue()


def _as_json(toml: bytes) -> bytes:
    return json.dumps(tomllib.loads(toml.decode())).encode()


def _document(name: str) -> Target:
    return Target((name,), name, _validated(name))


def _zarr(store: str, inside: str, read: Callable[[Path], object]) -> Target:
    return Target((store,), f"{store}/{inside}", read)


TARGETS = {
    "galaxy_toml": _document("toy.toml"),
    "galaxy_json": Target(("toy.toml",), "toy.json", _validated("toy.json"), _as_json),
    "job_record": _document("job_record.json"),
    "survey_job": _document("survey_job.json"),
    "training_job": _document("training_job.json"),
    "survey_csv": Target(("sample.csv",), "sample.csv", _sample("sample.csv")),
    "survey_toml": Target(("sample.toml",), "sample.toml", _sample("sample.toml")),
    "survey_parquet": Target(("sample.parquet",), "sample.parquet", _sample("sample.parquet")),
    "survey_plan": Target(("survey",), "survey/plan.msgpack", _plan),
    "survey_about": Target(("survey",), "survey/survey.json", _about),
    "manifest": Target(("surrogate",), "surrogate/manifest.json", _surrogate),
    "weights": Target(("surrogate",), "surrogate/weights.msgpack", _weights),
    "training_file": Target(("training.npz",), "training.npz", _training_file),
    "npz": Target(("target.npz",), "target.npz", _visibilities("target.npz")),
    "npz_member": Target(("target.npz",), "target.npz", _visibilities("target.npz"), _member, _archive),
    "text": Target(("target.txt",), "target.txt", _visibilities("target.txt")),
    "text_gz": Target(("target.txt.gz",), "target.txt.gz", _visibilities("target.txt.gz")),
    "image": Target(("image.fits",), "image.fits", _image),
    "uvfits": Target(("target.uvfits",), "target.uvfits", _visibilities("target.uvfits")),
    "store": _zarr("visibilities.zarr", "zarr.json", _store),
    "store_array": _zarr("visibilities.zarr", "vis/zarr.json", _store),
    "store_chunk": _zarr("visibilities.zarr", "weight/c/0/0", _store),
    "gridded": _zarr("gridded_visibilities.zarr", "zarr.json", _validated("gridded_visibilities.zarr")),
    "posterior": _zarr("posterior.zarr", "zarr.json", _validated("posterior.zarr")),
}
"""By name."""

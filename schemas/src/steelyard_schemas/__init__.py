"""Versioned data contracts of Steelyard: pydantic models, Zarr stores and msgpack messages."""

from steelyard_schemas.arrays import ArraySpec
from steelyard_schemas.contract import Contract, StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.files import pack, read_model, unpack, write_model
from steelyard_schemas.galaxy import Galaxy
from steelyard_schemas.gridded import GriddedVisibilities, Kernel, NoiseReport
from steelyard_schemas.observation import Observation
from steelyard_schemas.posterior import Posterior
from steelyard_schemas.registry import parse
from steelyard_schemas.store import Store, atomic_path, is_store, read_manifest, read_store, write_store
from steelyard_schemas.surrogate import SurrogateArtifact
from steelyard_schemas.survey import JobRecord, SurveyJob, job_identity
from steelyard_schemas.validate import file_hash, part_hash, validate
from steelyard_schemas.visibilities import Visibilities

__all__ = [
    "ArraySpec",
    "Contract",
    "ContractError",
    "Galaxy",
    "GriddedVisibilities",
    "JobRecord",
    "Kernel",
    "NoiseReport",
    "Observation",
    "Posterior",
    "Store",
    "StoreContract",
    "SurrogateArtifact",
    "SurveyJob",
    "Visibilities",
    "atomic_path",
    "file_hash",
    "is_store",
    "job_identity",
    "pack",
    "parse",
    "part_hash",
    "read_manifest",
    "read_model",
    "read_store",
    "unpack",
    "validate",
    "write_model",
    "write_store",
]

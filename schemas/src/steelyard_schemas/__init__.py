"""Versioned data contracts of Steelyard: pydantic models, Zarr stores and msgpack messages."""

from steelyard_schemas.arrays import ArraySpec
from steelyard_schemas.atomic import atomic_path, remove_whole, sweep, vacant
from steelyard_schemas.contract import Contract, StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.files import pack, read_model, unpack, write_model
from steelyard_schemas.galaxy import Galaxy
from steelyard_schemas.gridded import GriddedVisibilities, Kernel, NoiseReport
from steelyard_schemas.hashing import content_hash
from steelyard_schemas.layout import is_store, read_manifest
from steelyard_schemas.memory import machine_memory, require_memory
from steelyard_schemas.migrations import parse
from steelyard_schemas.names import MemberName, member_files, member_name, safe_member
from steelyard_schemas.npz import read_npz, write_npz
from steelyard_schemas.observation import Observation
from steelyard_schemas.posterior import Posterior
from steelyard_schemas.reading import (
    open_file,
    parse_json,
    parse_msgpack,
    read_bytes,
    read_json,
    read_msgpack,
    read_toml,
)
from steelyard_schemas.store import Store, read_store, write_store
from steelyard_schemas.stream import StoreReader, open_store, write_stream
from steelyard_schemas.surrogate import SurrogateArtifact
from steelyard_schemas.survey import JobRecord, SurveyJob, job_identity
from steelyard_schemas.terminal import GuardedCommands, error_line, is_full, one_line_errors, plain
from steelyard_schemas.training import TrainingJob, TrainingRecord
from steelyard_schemas.validate import file_hash, part_hash, part_problems, validate
from steelyard_schemas.visibilities import Visibilities
from steelyard_schemas.weights import pack_weights, read_weights

__all__ = [
    "ArraySpec",
    "Contract",
    "ContractError",
    "Galaxy",
    "GriddedVisibilities",
    "GuardedCommands",
    "JobRecord",
    "Kernel",
    "MemberName",
    "NoiseReport",
    "Observation",
    "Posterior",
    "Store",
    "StoreContract",
    "StoreReader",
    "SurrogateArtifact",
    "SurveyJob",
    "TrainingJob",
    "TrainingRecord",
    "Visibilities",
    "atomic_path",
    "content_hash",
    "error_line",
    "file_hash",
    "is_full",
    "is_store",
    "job_identity",
    "machine_memory",
    "member_files",
    "member_name",
    "one_line_errors",
    "open_file",
    "open_store",
    "pack",
    "pack_weights",
    "parse",
    "parse_json",
    "parse_msgpack",
    "part_hash",
    "part_problems",
    "plain",
    "read_bytes",
    "read_json",
    "read_manifest",
    "read_model",
    "read_msgpack",
    "read_npz",
    "read_store",
    "read_toml",
    "read_weights",
    "remove_whole",
    "require_memory",
    "safe_member",
    "sweep",
    "unpack",
    "vacant",
    "validate",
    "write_model",
    "write_npz",
    "write_store",
    "write_stream",
]

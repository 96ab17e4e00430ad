from .arrays import ArraySpec
from .atomic import atomic_path, remove_whole, sweep, vacant
from .contract import Contract, StoreContract
from .errors import ContractError
from .files import pack, read_model, unpack, write_model
from .galaxy import Galaxy
from .gridded import GriddedVisibilities, Kernel, NoiseReport
from .hashing import content_hash
from .layout import is_store, read_manifest
from .memory import machine_memory, require_memory
from .migrations import parse
from .names import MemberName, member_files, member_name, safe_member
from .npz import read_npz, write_npz
from .observation import Observation
from .posterior import Posterior
from .reading import (
    open_file,
    parse_json,
    parse_msgpack,
    read_bytes,
    read_json,
    read_msgpack,
    read_toml,
)
from .stopping import stopped_at_once
from .store import Store, read_store, write_store
from .stream import StoreReader, open_store, write_stream
from .surrogate import SurrogateArtifact
from .survey import JobRecord, SurveyJob, job_identity
from .terminal import GuardedCommands, error_line, is_full, one_line_errors, plain
from .training import TrainingJob, TrainingRecord
from .validation import file_hash, part_hash, part_problems, validate
from .visibilities import Visibilities
from .weights import pack_weights, read_weights

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
    "stopped_at_once",
    "sweep",
    "unpack",
    "vacant",
    "validate",
    "write_model",
    "write_npz",
    "write_store",
    "write_stream",
]

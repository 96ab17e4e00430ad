"""Stores larger than memory: rows are written as they arrive and read back in blocks.

Chunks are encoded and hashed in threads while the caller works on other rows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from steelyard_schemas.arrays import array_problems
from steelyard_schemas.atomic import atomic_path
from steelyard_schemas.contract import StoreContract
from steelyard_schemas.errors import ContractError
from steelyard_schemas.hashing import WORKERS, ArrayHash, combined_hash, is_sequential, sequential_hash
from steelyard_schemas.layout import add_array, by_row, chunk_rows, finish_group, open_arrays, read_manifest
from steelyard_schemas.migrations import parse

if TYPE_CHECKING:
    import zarr

__all__ = ["StoreReader", "open_store", "write_stream"]

type Blocks = Iterable[Mapping[str, np.ndarray]]

AHEAD = WORKERS
"""Maximum number of chunks of one array in flight between memory and disk, to keep all threads busy."""


class StoreReader[M: StoreContract]:
    """An open store: model and small arrays are in memory, rows are read block by block.

    Attributes:
        manifest: model, in the current version.
        small: arrays without the dimension `row`.
        n_rows: number of rows of the others.
        chunk_rows: rows per chunk on disk; blocks of this size need no copy.

    """

    def __init__(self, path: Path, raw: Mapping[str, Any], manifest: M, stored: Mapping[str, zarr.Array]) -> None:
        self.manifest = manifest
        self._path, self._raw = path, raw
        long = [spec.name for spec in manifest.array_specs() if by_row(spec)]
        self._rows = {name: stored[name] for name in long}
        self._short = {name: array for name, array in stored.items() if name not in self._rows}
        self.n_rows = next((array.shape[0] for array in self._rows.values()), 0)
        self.chunk_rows = min((array.chunks[0] for array in self._rows.values()), default=0)
        self._hashes = {name: ArrayHash() for name in self._short}
        with _threads() as pool:
            loads = {
                name: pool.submit(self._load, name, array, ..., self._hashes[name], None)
                for name, array in self._short.items()
            }
            self.small = {name: load.result() for name, load in loads.items()}

    def blocks(self, names: Sequence[str] | None = None, rows: int | None = None) -> Iterator[dict[str, np.ndarray]]:
        """Read the rows in order; following blocks are read in threads while the caller works.

        After the last block, a pass over all arrays checks the hash of the store.

        Args:
            names: names of the arrays to read; None for all that have rows.
            rows: rows per block; None for `chunk_rows`. The last block may be shorter.

        Raises:
            ContractError: a chunk cannot be read, or the content does not match its hash.

        """
        wanted = tuple(self._rows) if names is None else tuple(names)
        rows = min(rows or self.chunk_rows, self.n_rows)
        hashes = {name: ArrayHash() for name in wanted} if set(wanted) == set(self._rows) else {}
        with _threads() as pool:
            columns = [self._column(name, rows, hashes.get(name), pool) for name in wanted]
            for values in zip(*columns, strict=True):
                yield dict(zip(wanted, values, strict=True))
        if len(hashes) == len(self._rows):
            self._verify(hashes)

    def load(self) -> dict[str, np.ndarray]:
        """Return all arrays, checked against the hash."""
        arrays = {name: np.empty(array.shape, array.dtype) for name, array in self._rows.items()}
        first = 0
        for block in self.blocks():
            n = max(len(values) for values in block.values())
            for name, values in block.items():
                arrays[name][first : first + n] = values
            first += n
        return {**self.small, **arrays}

    def _column(
        self, name: str, rows: int, digest: ArrayHash | None, pool: ThreadPoolExecutor
    ) -> Iterator[np.ndarray]:
        step = self._rows[name].chunks[0]
        chunks = self._chunks(name, step, digest, pool)
        return chunks if step == rows else _cut(chunks, rows)

    def _chunks(
        self, name: str, step: int, digest: ArrayHash | None, pool: ThreadPoolExecutor
    ) -> Iterator[np.ndarray]:
        pending: deque[Future[np.ndarray]] = deque()
        for first in range(0, self.n_rows, step):
            before = pending[-1] if pending else None
            piece = slice(first, first + step)
            pending.append(pool.submit(self._load, name, self._rows[name], piece, digest, before))
            if len(pending) > AHEAD:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()

    def _load(
        self, name: str, array: zarr.Array, piece: Any, digest: ArrayHash | None, before: Future[Any] | None
    ) -> np.ndarray:
        try:
            values = np.asarray(array[piece])
        except Exception as error:  # any of the codecs may fail on a damaged chunk
            what = f"array '{name}' cannot be read ({type(error).__name__}: {error})"
            raise ContractError(self._path, what) from error
        _hash_in_turn(digest, values, before)
        return values

    def _verify(self, hashes: Mapping[str, ArrayHash]) -> None:
        expected = self.manifest.content_hash
        if is_sequential(expected):
            found = sequential_hash(self._raw, {**self._rows, **self.small})
        else:
            stored, every = {**self._short, **self._rows}, {**self._hashes, **hashes}
            found = combined_hash(self._raw, {name: every[name].line(name, array) for name, array in stored.items()})
        if found != expected:
            raise ContractError(
                self._path,
                f"content does not match its hash (found {found[:26]}..., expected {expected[:26]}...): "
                "the store was damaged or edited; write it again",
            )


def open_store[M: StoreContract](path: str | Path, expect: type[M]) -> StoreReader[M]:
    """Open a store, check its model and the shapes of its arrays, and load those without rows.

    Raises:
        ContractError: the path is not a store of this kind, or the store is newer or truncated. Damage to rows is
            only detected at the end of a pass over them.

    """
    path = Path(path)
    raw = read_manifest(path)
    manifest = parse(raw, where=path)
    if not isinstance(manifest, expect):
        wanted = expect.model_fields["kind"].default
        raise ContractError(path, f"holds '{manifest.kind}', expected '{wanted}'")
    return StoreReader(path, raw, manifest, open_arrays(path, manifest.array_specs()))


def write_stream[M: StoreContract](
    path: str | Path,
    manifest: M | Callable[[], M],
    small: Mapping[str, np.ndarray],
    n_rows: int,
    blocks: Blocks,
    *,
    overwrite: bool = False,
) -> M:
    """Write a store whose rows come block by block; return its model with `content_hash` filled in.

    Args:
        path: path of the store.
        manifest: model, or a function that returns it if parts are known only after the last row. The
            function is called before the first block, to determine the arrays, and again after the last.
        small: arrays without the dimension `row`; together they must define all other dimensions.
        n_rows: maximum number of rows.
        blocks: blocks of the arrays with rows, each of any length. They are copied, so buffers may be reused.
        overwrite: whether to replace an existing store.

    Raises:
        ContractError: the arrays violate the contract, there are more rows than announced, or `path` exists and
            `overwrite` is false. Nothing is left on disk then, nor when `blocks` raises.

    """
    path = Path(path)

    import zarr

    def describe() -> M:
        return manifest() if callable(manifest) else manifest

    specs = describe().array_specs()
    if problems := array_problems([spec for spec in specs if not by_row(spec)], small):
        raise ContractError(path, problems)
    lengths = {"row": n_rows} | {
        dim: n for spec in specs if not by_row(spec) for dim, n in zip(spec.dims, small[spec.name].shape, strict=True)
    }
    shapes = {spec: tuple(lengths[dim] for dim in spec.dims) for spec in specs}
    long = {spec: shape for spec, shape in shapes.items() if by_row(spec)}
    with atomic_path(path, overwrite=overwrite) as temporary:
        group = zarr.open_group(temporary, mode="w", zarr_format=3)
        with _threads() as pool:
            columns = {}
            for spec, shape in shapes.items():
                together = chunk_rows(long if spec in long else {spec: shape})
                columns[spec.name] = _Column(add_array(group, spec, shape, together), pool)
            for name, values in small.items():
                columns[name].push(values)
            done = 0
            for block in blocks:
                problems = array_problems(specs, {**small, **block})
                problems += [f"array '{name}' has no rows: not for a block" for name in block if name in small]
                if problems:
                    raise ContractError(path, problems)
                done += max((len(values) for values in block.values()), default=0)
                if done > n_rows:
                    raise ContractError(path, f"{done} rows came, {n_rows} were announced: announce as many or more")
                for name, values in block.items():
                    columns[name].push(values)
            for column in columns.values():
                column.finish()
        final = describe()
        if final.array_specs() != specs:
            raise ContractError(path, "the model promises other arrays after the last block than before the first")
        lines = {name: column.hash.line(name, column.array) for name, column in columns.items()}
        found = combined_hash(final.model_dump(mode="json"), lines)
        final = final.model_copy(update={"content_hash": found})
        finish_group(group, temporary, final)
    return final


class _Column:
    """Writer of one array."""

    def __init__(self, array: zarr.Array, pool: ThreadPoolExecutor) -> None:
        self.array, self.hash = array, ArrayHash()
        self._pool, self._cutter, self._rows = pool, _Cutter(array.chunks[0]), 0
        self._pending: deque[Future[None]] = deque()

    def push(self, values: np.ndarray) -> None:
        """Take the next rows."""
        for chunk in self._cutter.push(values):
            self._write(chunk)

    def finish(self) -> None:
        """Wait until all rows are on disk, and truncate the array to the rows received."""
        for chunk in self._cutter.rest():
            self._write(chunk)
        while self._pending:
            self._pending.popleft().result()
        if self._rows < self.array.shape[0]:
            self.array.resize((self._rows, *self.array.shape[1:]))

    def _write(self, chunk: np.ndarray) -> None:
        before = self._pending[-1] if self._pending else None
        self._pending.append(self._pool.submit(self._store, chunk, self._rows, before))
        self._rows += len(chunk)
        if len(self._pending) > AHEAD:
            self._pending.popleft().result()

    def _store(self, chunk: np.ndarray, first: int, before: Future[Any] | None) -> None:
        self.array[first : first + len(chunk)] = chunk
        _hash_in_turn(self.hash, chunk, before)


class _Cutter:
    """Splits arrays of any length into copies of equal length."""

    def __init__(self, rows: int) -> None:
        self._rows, self._filled = rows, 0
        self._buffer: np.ndarray | None = None

    def push(self, values: np.ndarray) -> Iterator[np.ndarray]:
        """Add rows and yield completed pieces."""
        while len(values):
            if self._buffer is None:
                self._buffer = np.empty((self._rows, *values.shape[1:]), values.dtype)
            n = min(self._rows - self._filled, len(values))
            self._buffer[self._filled : self._filled + n] = values[:n]
            values = values[n:]
            self._filled += n
            if self._filled == self._rows:
                full, self._buffer, self._filled = self._buffer, None, 0
                yield full

    def rest(self) -> Iterator[np.ndarray]:
        """Yield the remaining rows, if any."""
        if self._buffer is not None:
            yield self._buffer[: self._filled]


def _cut(parts: Iterable[np.ndarray], rows: int) -> Iterator[np.ndarray]:
    cutter = _Cutter(rows)
    for part in parts:
        yield from cutter.push(part)
    yield from cutter.rest()


def _hash_in_turn(digest: ArrayHash | None, values: np.ndarray, before: Future[Any] | None) -> None:
    """Hash a chunk after the previous one.

    Tasks start in order of submission and wait only for earlier ones, so there is no deadlock.
    """
    if before is not None:
        before.result()
    if digest is not None:
        digest.update(values)


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Yield a thread pool that cancels pending tasks when the block is left early."""
    pool = ThreadPoolExecutor(WORKERS)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)

"""One file of the region store: an Arrow IPC file of one record batch, a row an image, written whole and read as views."""

from __future__ import annotations

import mmap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.core.fingerprint import Fingerprint
from iconotext.data.coding import BLOCK, PLAIN, Quantised, Rows, Storage, TopClasses

F16: TypeAlias = NDArray[np.float16]
F32: TypeAlias = NDArray[np.float32]
I32: TypeAlias = NDArray[np.int32]
I64: TypeAlias = NDArray[np.int64]


@dataclass(frozen=True)
class ImageRegions:
    """The regions of one image; boxes in pixels of the image as the data set stores it.

    ``size`` is (width, height), ``boxes`` [R, 4], ``scores`` [R], ``features`` [R, F], ``class_probs`` [R, C] (C may be
    0), ``attributes`` [R] with -1 for none, ``attribute_scores`` [R].
    """

    image_id: str
    size: tuple[int, int]
    boxes: F32
    scores: F32
    features: F16
    class_probs: F16
    attributes: I32
    attribute_scores: F32


@dataclass(frozen=True)
class Shard:
    """The columns of one file: flat views of its ``mapped`` memory, or what is made of such views when it is read."""

    ids: list[str]
    starts: I64
    counts: I64
    sizes: I32
    flat: dict[str, Rows]
    mapped: mmap.mmap

    def rows(self) -> Iterator[ImageRegions]:
        """The images one by one."""
        for image_id, size, start, count in zip(self.ids, self.sizes.tolist(), self.starts, self.counts):
            views = {name: column[start : start + count] for name, column in self.flat.items()}
            yield ImageRegions(image_id=image_id, size=tuple(size), **views)


DTYPES: dict[str, type[np.generic]] = {
    "boxes": np.float32,
    "scores": np.float32,
    "features": np.float16,
    "class_probs": np.float16,
    "attributes": np.int32,
    "attribute_scores": np.float32,
}
"""The ragged columns, one entry a region."""

Shapes: TypeAlias = dict[str, tuple[int, ...]]


def shapes_of(fingerprint: Fingerprint) -> Shapes:
    """The shape of one region's entry in each ragged column: () for a number."""
    vectors = {"boxes": (4,), "features": (fingerprint.feature_dim,), "class_probs": (fingerprint.classes,)}
    return {name: vectors.get(name, ()) for name in DTYPES}


def encode(rows: Sequence[ImageRegions], shapes: Shapes, storage: Storage = PLAIN) -> bytes:
    """A shard as the bytes of an Arrow IPC file of one record batch; a column of width 0 is left out.

    Raises:
        DataError: an array has another shape than the fingerprint tells, or holds a number that is not finite (also one
            that float16 cannot hold).
    """
    offsets = np.cumsum([0, *(len(row.boxes) for row in rows)])
    sizes = np.array([row.size for row in rows], np.int32).reshape(-1)
    columns = {
        "image_id": pa.array([row.image_id for row in rows], pa.string()),
        "size": pa.FixedSizeListArray.from_arrays(pa.array(sizes), 2),
    }
    notes: dict[bytes, bytes] = {}
    for name, shape in shapes.items():
        if shape == (0,):
            continue
        flat = _joined(rows, name, shape, offsets)
        parts = {name: flat}
        if name == "features" and storage.features == "int8":
            coded = Quantised.of(flat)
            parts, notes = coded.columns(), coded.notes()
        elif name == "class_probs" and 0 < storage.top < shape[0]:
            parts = TopClasses.of(flat, storage.top).columns()
        for part, values in parts.items():
            entries = pa.array(values.reshape(-1))
            vectors = pa.FixedSizeListArray.from_arrays(entries, values.shape[1]) if values.ndim > 1 else entries
            columns[part] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), vectors)
    batch = pa.record_batch(columns, metadata=notes or None)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def _joined(rows: Sequence[ImageRegions], name: str, shape: tuple[int, ...], offsets: I64) -> NDArray[Any]:
    """One column of all rows, checked."""
    flat = np.empty((offsets[-1], *shape), DTYPES[name])
    for row, begin, end in zip(rows, offsets, offsets[1:]):
        values = np.asarray(getattr(row, name))
        if values.shape != (end - begin, *shape):
            raise DataError(f"image {row.image_id!r}: {name} has the shape {values.shape}, not {(end - begin, *shape)}")
        with np.errstate(over="ignore"):
            flat[begin:end] = values
        if not np.isfinite(flat[begin:end]).all():
            raise DataError(f"image {row.image_id!r}: {name} holds a number that {DTYPES[name].__name__} cannot")
    return flat


def open_shard(file: Path, shapes: Shapes, storage: Storage = PLAIN) -> Shard | str:
    """The mapped columns of a shard, or why it cannot be read."""
    if not file.is_file():
        return "the file is missing"
    try:
        with file.open("rb") as opened:
            mapped = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)
        batch = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(mapped))).get_batch(0)
        offsets = _view(batch.column("boxes").offsets).astype(np.int64)
        counts = np.diff(offsets)
        if offsets[0] != 0 or (counts < 0).any():
            return "the offsets are corrupt"
        flat = {name: _column(batch, name, shape, int(offsets[-1]), storage) for name, shape in shapes.items()}
        sizes = _view(batch.column("size").values).reshape(-1, 2).copy()
        ids: list[str] = batch.column("image_id").to_pylist()
        # What was read so far is copied; mapped, the few pages of each of many shards would add up (1 MB a shard and more).
        mapped.madvise(mmap.MADV_DONTNEED)
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        return f"the file is torn ({str(error).splitlines()[0][:120]})"
    return Shard(ids, offsets[:-1], counts, sizes, flat, mapped)


def _column(batch: pa.RecordBatch, name: str, shape: tuple[int, ...], rows: int, storage: Storage) -> Rows:
    """A ragged column of all regions of the file.

    Raises:
        ValueError: it is not what the fingerprint tells.
    """
    if shape == (0,):
        return np.empty((rows, 0), DTYPES[name])
    if name == "features" and storage.features == "int8":
        blocks = (-(-shape[0] // BLOCK),)
        parts = {
            "features": _flat(batch, "features", shape, rows, np.uint8),
            "feature_low": _flat(batch, "feature_low", blocks, rows, np.float16),
            "feature_step": _flat(batch, "feature_step", blocks, rows, np.float16),
        }
        return Quantised.read(parts, batch.schema.metadata or {})
    if name == "class_probs" and 0 < storage.top < shape[0]:
        top = (storage.top,)
        parts = {
            "class_top": _flat(batch, "class_top", top, rows, np.int32),
            "class_top_probs": _flat(batch, "class_top_probs", top, rows, np.float16),
            "class_rest": _flat(batch, "class_rest", (), rows, np.float16),
        }
        return TopClasses.read(parts, shape[0])
    return _flat(batch, name, shape, rows, DTYPES[name])


def _flat(batch: pa.RecordBatch, name: str, shape: tuple[int, ...], rows: int, dtype: type[np.generic]) -> NDArray[Any]:
    """A ragged column as one mapped array of all its regions.

    Raises:
        ValueError: it is not of this shape.
    """
    values = batch.column(name).values
    array = _view(values.values if shape else values).reshape(-1, *shape)
    if len(array) != rows or array.dtype != dtype:
        raise ValueError(f"column {name} is {array.dtype} {array.shape}, not {rows} regions of shape {shape}")
    return array


def _view(array: pa.Array) -> NDArray[Any]:
    """The numbers of an Arrow array where they lie; Arrow's own ``to_numpy`` imports pandas first, which takes half a second.

    Raises:
        ValueError: some are null.
    """
    if array.null_count:
        raise ValueError(f"{array.null_count} numbers are missing")
    whole: NDArray[Any] = np.frombuffer(array.buffers()[1] or b"", array.type.to_pandas_dtype())
    return whole[array.offset : array.offset + len(array)]

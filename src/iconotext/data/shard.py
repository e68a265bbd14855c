"""One file of the region store: an Arrow IPC file of one record batch, a row an image, written whole and read as views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.core.fingerprint import Fingerprint

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
    """The columns of one file as flat views of its mapped memory."""

    ids: list[str]
    starts: I64
    counts: I64
    sizes: I32
    flat: dict[str, NDArray[Any]]


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


def encode(rows: Sequence[ImageRegions], shapes: Shapes) -> bytes:
    """A shard as the bytes of an Arrow IPC file of one record batch; a column of width 0 is left out.

    Raises:
        DataError: an array has another shape than the fingerprint tells, or holds a number that is not finite (also one
            that float16 cannot hold).
    """
    counts = [len(row.boxes) for row in rows]
    offsets = np.cumsum([0, *counts])
    sizes = np.array([row.size for row in rows], np.int32).reshape(-1)
    columns = {
        "image_id": pa.array([row.image_id for row in rows], pa.string()),
        "size": pa.FixedSizeListArray.from_arrays(pa.array(sizes), 2),
    }
    for name, shape in shapes.items():
        flat = np.empty((offsets[-1], *shape), DTYPES[name])
        for row, begin, count in zip(rows, offsets, counts):
            values = np.asarray(getattr(row, name))
            if values.shape != (count, *shape):
                raise DataError(f"image {row.image_id!r}: {name} has the shape {values.shape}, not {(count, *shape)}")
            with np.errstate(over="ignore"):
                flat[begin : begin + count] = values
            if not np.isfinite(flat[begin : begin + count]).all():
                raise DataError(f"image {row.image_id!r}: {name} holds a number that {DTYPES[name].__name__} cannot")
        if shape != (0,):
            entries = pa.array(flat.reshape(-1))
            vectors = pa.FixedSizeListArray.from_arrays(entries, shape[0]) if shape else entries
            columns[name] = pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), vectors)
    batch = pa.record_batch(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def open_shard(file: Path, shapes: Shapes) -> Shard | str:
    """The mapped columns of a shard, or why it cannot be read."""
    if not file.is_file():
        return "the file is missing"
    try:
        batch = pa.ipc.open_file(pa.memory_map(str(file))).get_batch(0)
        offsets = batch.column("boxes").offsets.to_numpy().astype(np.int64)
        counts = np.diff(offsets)
        if offsets[0] != 0 or (counts < 0).any():
            return "the offsets are corrupt"
        flat = {name: _flat(batch, name, shape, int(offsets[-1])) for name, shape in shapes.items()}
        sizes = batch.column("size").values.to_numpy().reshape(-1, 2)
        ids: list[str] = batch.column("image_id").to_pylist()
    except (pa.ArrowException, OSError, ValueError, KeyError, IndexError) as error:
        return f"the file is torn ({str(error).splitlines()[0][:120]})"
    return Shard(ids, offsets[:-1], counts, sizes, flat)


def _flat(batch: pa.RecordBatch, name: str, shape: tuple[int, ...], rows: int) -> NDArray[Any]:
    """A ragged column as one mapped array of all its regions.

    Raises:
        ValueError: it is not what the fingerprint tells.
    """
    if shape == (0,):
        return np.empty((rows, 0), DTYPES[name])
    values = batch.column(name).values
    array: NDArray[Any] = (values.values if shape else values).to_numpy(zero_copy_only=True).reshape(-1, *shape)
    if len(array) != rows or array.dtype != DTYPES[name]:
        raise ValueError(f"column {name} is {array.dtype} {array.shape}, not {rows} regions of shape {shape}")
    return array

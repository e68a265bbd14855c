"""The features that Hugging Face's LXMERT demo makes: a dictionary an image as ``.pt`` or ``.npz``, or an Arrow stream.

``obj_ids obj_probs attr_ids attr_probs boxes normalized_boxes roi_features preds_per_image sizes``, with a batch axis
of one and rows of zeros up to the most detections; ``preds_per_image`` is the true number. ``sizes`` is the (height,
width) that the network saw, not the image's, which is the ratio of the two kinds of boxes. The Arrow stream has
``normalized_boxes`` only, under the name ``boxes``, and class numbers as floats. Source: transformers
examples/research_projects/lxmert (modeling_frcnn.py, extracting_data.py).
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.data.features.fields import numbers, require_keys, text, whole
from iconotext.data.features.record import Listed, Reading, Record, Source
from iconotext.data.features.sizes import ratio
from iconotext.data.npy import read_file, read_npz
from iconotext.data.unpickle import UnsafeData

_FIELDS = ("roi_features", "boxes", "obj_ids", "obj_probs", "attr_ids", "attr_probs", "preds_per_image")
_STREAM = b"\xff\xff\xff\xff"
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
_REFUSED = re.compile("unsupported|blocked|allowed", re.IGNORECASE)
"""What torch says of a pickle that names more than tensors need."""
_SUFFIXES = (".pt", ".npz")


def recognises(path: Path) -> bool:
    """Whether it is a folder of such dictionaries, or an Arrow stream with their columns."""
    if path.is_dir():
        first = next((file for file in sorted(path.iterdir()) if file.suffix in _SUFFIXES), None)
        if first is None:
            return False
        return first.suffix == ".pt" or "roi_features" in read_npz(first, str(first))
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == _STREAM


def open_source(path: Path, reading: Reading) -> Source:
    """The files of a folder in order of their names, or the rows of an Arrow stream.

    Raises:
        DataError: there are none, or the stream is cut short.
    """
    if path.is_file():
        return _rows(path)
    files = sorted(file for file in path.iterdir() if file.suffix in _SUFFIXES) if path.is_dir() else []
    if not files:
        raise DataError(f"{path} is neither an Arrow stream nor a folder with .pt or .npz files")

    def load(file: Path) -> Record:
        fields = _torch(file) if file.suffix == ".pt" else read_npz(file, str(file))
        try:
            require_keys(fields, (*_FIELDS, "normalized_boxes", "sizes"))
            single = {name: _first(fields[name], name) for name in (*_FIELDS, "normalized_boxes", "sizes")}
            return _record(file.stem, single)
        except DataError as error:
            raise DataError(f"{file}: {error}") from error

    return Listed(files[0].suffix.lstrip(".") + "_dict", files, load, called=lambda file: file.stem)


def _first(array: NDArray[Any], name: str) -> NDArray[Any]:
    if array.ndim < 1 or len(array) != 1:
        raise DataError(f"{name} has the shape {array.shape}: one image a file is read, not a batch")
    single: NDArray[Any] = np.asarray(array[0])
    return single


def _torch(file: Path) -> dict[str, NDArray[Any]]:
    import torch  # It takes seconds, and no other layout needs it.

    try:
        found = torch.load(io.BytesIO(read_file(file)), map_location="cpu", weights_only=True)
        return {str(name): value.numpy() for name, value in found.items()}
    except DataError:
        raise
    except Exception as error:  # A damaged file may raise anything.
        if _REFUSED.search(str(error)):
            raise UnsafeData(f"{file}: its pickle asks for more than tensors; nothing was run") from None
        raise DataError(
            f"{file}: no dictionary of tensors, or cut short or damaged ({type(error).__name__})"
        ) from error


def _rows(path: Path) -> Source:
    try:
        with pa.memory_map(str(path)) as source:
            table = pa.ipc.open_stream(source).read_all()
            source.seek(max(source.size() - len(_END), 0))
            whole_file = source.read() == _END
        missing = {"img_id", *_FIELDS} - set(table.column_names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{path} is no Arrow stream, or cut short ({error})") from error
    if not whole_file:
        raise DataError(f"{path} is cut short: the mark of the stream's end is missing")
    if missing:
        raise DataError(f"{path} has no column {', '.join(sorted(missing))}")

    def load(row: int) -> Record:
        try:
            single = table.slice(row, 1)
            single.validate(full=True)
            fields = {name: single.column(name)[0].as_py() for name in single.column_names}
            image_id = text(fields.pop("img_id"), "img_id")
            return _record(image_id, {name: np.array(value) for name, value in fields.items()}, shares_only=True)
        except (DataError, pa.ArrowException, ValueError) as error:
            raise DataError(f"{path}, row {row}: {error}") from error

    return Listed("datasets_arrow", range(table.num_rows), load, called=lambda row: f"row {row}")


def _record(image_id: str, fields: Mapping[str, NDArray[Any]], shares_only: bool = False) -> Record:
    number = whole(fields["preds_per_image"], "preds_per_image")
    if number == 0:
        raise DataError("it has no regions")
    rows = {name: array for name, array in fields.items() if name not in ("preds_per_image", "sizes")}
    short = {name: array.shape for name, array in rows.items() if array.ndim < 1 or len(array) < number}
    if short:
        raise DataError(f"preds_per_image is {number}, but there are {short}")
    rows = {name: array[:number] for name, array in rows.items()}
    shares = numbers(rows["boxes" if shares_only else "normalized_boxes"], "normalized_boxes")
    boxes = None if shares_only else numbers(rows["boxes"], "boxes")
    for array in (shares, boxes):
        if array is not None and array.shape != (number, 4):
            raise DataError(f"the boxes have the shape {array.shape}")
    extra = {"normalized_boxes": shares}
    if "sizes" in fields:
        extra["resized_hw"] = _counts(fields["sizes"], "sizes")
    return Record(
        image_id=image_id,
        features=numbers(rows["roi_features"], "roi_features"),
        boxes=boxes,
        shares=shares,
        size=None if boxes is None else ratio(boxes, shares),
        classes=_counts(rows["obj_ids"], "obj_ids"),
        class_scores=numbers(rows["obj_probs"], "obj_probs"),
        attributes=_counts(rows["attr_ids"], "attr_ids"),
        attribute_scores=numbers(rows["attr_probs"], "attr_probs"),
        extra=extra,
    )


def _counts(array: NDArray[Any], name: str) -> NDArray[np.int64]:
    """Whole numbers, also those that are stored as floats."""
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.round(array)).all()):
        raise DataError(f"{name} holds a number that is not whole")
    whole_numbers: NDArray[np.int64] = numbers(
        array.astype(np.int64) if array.dtype.kind == "f" else array, name, np.int64
    )
    return whole_numbers

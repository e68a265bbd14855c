"""From a dictionary as a file holds it to a record: the names that the field uses, and the ways it writes an array."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iconotext.core.errors import DataError
from iconotext.data.features.record import Record

_NAMES: dict[str, tuple[str, ...]] = {
    "image_id": ("feature_path", "image_id", "img_id"),
    "width": ("image_w", "img_w", "image_width"),
    "height": ("image_h", "img_h", "image_height"),
    "number": ("num_boxes",),
    "boxes": ("boxes", "bbox"),
    "features": ("features",),
    "class_probs": ("cls_prob", "classes"),
    "attribute_probs": ("attrs",),
    "classes": ("objects_id", "obj_id", "objects"),
    "class_scores": ("objects_conf", "obj_conf"),
    "attributes": ("attrs_id", "attr_id"),
    "attribute_scores": ("attrs_conf", "attr_conf"),
}
"""Ours, and what the published files call it; the first that is there counts."""

_VECTORS = ("boxes", "features", "class_probs", "attribute_probs")
_IDS = ("classes", "attributes")


def record_of(
    fields: Mapping[str, Any], image_id: str | None = None, background: bool = True, exact: bool = True
) -> Record:
    """The record that a dictionary of any of these layouts holds.

    Args:
        fields: arrays as NumPy arrays or in base64 (float32, class numbers int64); numbers as numbers or text.
        image_id: the image's id where the dictionary does not tell it.
        background: whether class 0 of its class probabilities is the background.
        exact: whether its number of boxes has to be that of the features, or may be smaller.

    Raises:
        DataError: a field is missing or cannot be read, or two contradict each other.
    """
    found = {ours: next((fields[name] for name in names if name in fields), None) for ours, names in _NAMES.items()}
    if found["features"] is None:
        raise DataError(f"there are no features, only {sorted(map(str, fields))}")
    if image_id is None:
        image_id = text(found["image_id"], "the image's id")
    number = None if found["number"] is None else whole(found["number"], "the number of boxes")
    rows = number
    if not isinstance(found["features"], str | bytes):
        rows = len(numbers(found["features"], "features"))
        if number is not None and (number > rows or (exact and number < rows)):
            raise DataError(f"the number of boxes is {number}, there are {rows} features")
    if not rows:
        raise DataError("it has no regions, or does not say how many")
    size = None
    if found["width"] is not None and found["height"] is not None:
        size = (whole(found["width"], "the width"), whole(found["height"], "the height"))
    named = (*_VECTORS, *_IDS, "class_scores", "attribute_scores")
    arrays: dict[str, Any] = {name: _column(found[name], name, rows) for name in named if found[name] is not None}
    return Record(image_id=image_id, size=size, background=background, **arrays)


def _column(value: Any, name: str, number: int) -> NDArray[Any]:
    """One array of a record, a row a region."""
    dtype: type[np.generic] = np.int64 if name in _IDS else np.float32
    array = _decoded(value, name, dtype) if isinstance(value, str | bytes) else numbers(value, name, dtype)
    width = 4 if name == "boxes" else array.size // number if name in _VECTORS else 1
    if array.size == 0 or array.size != number * width or (array.ndim > 1 and len(array) != number):
        raise DataError(f"{name} has {array.size} numbers, which is wrong for {number} regions")
    return array.reshape((number, width) if name in _VECTORS else (number,))


def _decoded(value: str | bytes, name: str, dtype: type[np.generic]) -> NDArray[Any]:
    try:
        content = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{name} is no base64 ({error})") from error
    if len(content) % np.dtype(dtype).itemsize:
        raise DataError(f"{name} has {len(content)} bytes, which are no {np.dtype(dtype).name}")
    return np.frombuffer(content, dtype)


def numbers(value: Any, name: str, dtype: type[np.generic] = np.float32) -> NDArray[Any]:
    """An array of numbers as float32 or int64, which has to hold them unchanged but for float64's last digits.

    Raises:
        DataError: it is no array, or one of something else.
    """
    kinds = "iu" if dtype is np.int64 else "fiu"
    if not isinstance(value, np.ndarray) or value.dtype.kind not in kinds:
        said = f"array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
        raise DataError(f"{name} is no array of numbers but {said}")
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(value.astype(dtype))


def text(value: Any, name: str) -> str:
    """A value as text, as an id is written: also numbers, bytes of UTF-8, and arrays of one of these.

    Raises:
        DataError: it is nothing of the kind.
    """
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{name} is no UTF-8") from error
    if isinstance(value, bool) or not isinstance(value, str | int | np.integer) or value == "":
        raise DataError(f"{name} is missing")
    return str(value)


def whole(value: Any, name: str) -> int:
    """A whole number that is not negative, also one written as text.

    Raises:
        DataError: it is no such number.
    """
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.reshape(-1)[0]
    if isinstance(value, float | np.floating) and float(value).is_integer():
        value = int(value)
    try:
        number = int(text(value, name))
    except ValueError as error:
        raise DataError(f"{name} is {text(value, name)[:40]!r}, no whole number") from error
    if not 0 <= number < 2**31:
        raise DataError(f"{name} is {number}")
    return number


def require_keys(fields: Mapping[str, Any], names: Sequence[str]) -> None:
    """Refuse a dictionary that lacks one of these entries.

    Raises:
        DataError: with what it lacks.
    """
    missing = [name for name in names if name not in fields]
    if missing:
        raise DataError(f"there is no {', '.join(missing)}; there are {sorted(map(str, fields))[:12]}")

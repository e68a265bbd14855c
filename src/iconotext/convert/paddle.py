"""Paddle's parameters: a folder with one binary file for each, called by its name.

A file is three numbers of layout (version, levels of detail, version again), the length of a description, the description
(element type and sizes, as protocol buffers write them) and the elements. Read here without Paddle; nothing in it is code.
"""

from __future__ import annotations

import math
import struct
from pathlib import Path

import torch
from torch import Tensor

from iconotext.core.errors import DataError

DTYPES = {2: torch.int32, 3: torch.int64, 4: torch.float16, 5: torch.float32, 6: torch.float64, 22: torch.bfloat16}
"""Element types by Paddle's numbers."""
HEAD = struct.Struct("<IQIi")


def read_folder(path: Path) -> dict[str, Tensor]:
    """Every parameter in a folder, by name; none where the folder holds no file of this kind.

    Raises:
        DataError: a file begins as a parameter and ends too early, or has elements of a type that is not read.
    """
    found = {}
    for file in sorted(path.iterdir()):
        if file.is_file() and _begins(file):
            try:
                found[file.name] = _tensor(file.read_bytes())
            except (IndexError, KeyError, ValueError, struct.error) as error:
                raise DataError(
                    f"{file} begins as a parameter of Paddle's, but is none or is damaged: {error}"
                ) from error
    return found


def _begins(file: Path) -> bool:
    with file.open("rb") as stream:
        return stream.read(HEAD.size - 4) == bytes(HEAD.size - 4)


def _tensor(data: bytes) -> Tensor:
    length = HEAD.unpack_from(data)[-1]
    fields = _description(data[HEAD.size : HEAD.size + length])
    sizes = [value for field, value in fields if field == 2]
    dtype = DTYPES[next(value for field, value in fields if field == 1)]
    elements = bytearray(data[HEAD.size + length :])
    if len(elements) != math.prod(sizes) * dtype.itemsize:
        raise ValueError(f"{len(elements)} bytes for {sizes} elements of {dtype}")
    return torch.frombuffer(elements, dtype=dtype).view(sizes) if elements else torch.empty(sizes, dtype=dtype)


def _description(data: bytes) -> list[tuple[int, int]]:
    """The fields of a description, (number, value); all of them are whole numbers."""
    fields, at = [], 0
    while at < len(data):
        field, value, shift = data[at] >> 3, 0, 0
        at += 1
        while True:
            value |= (data[at] & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if data[at - 1] < 0x80:
                break
        fields.append((field, value))
    return fields

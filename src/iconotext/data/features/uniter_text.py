"""UNITER's text databases: the texts of a task in word pieces, with the names of their images.

An LMDB folder of msgpack records in LZ4 frames, with JSON files beside it: ``meta.json`` (numbers of special tokens,
range of the vocabulary), ``id2len.json``, ``txt2img.json`` (an image, or two for NLVR2) and, for retrieval,
``img2txts.json``. Source: UNITER data/data.py (``TxtLmdb``, ``TxtTokLmdb``), prepro.py.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from iconotext.core.errors import DataError
from iconotext.data.features import packed
from iconotext.data.features.fields import require_keys
from iconotext.data.features.lmdb_file import Database, is_lmdb, name_of

_WORDS = ("sentence", "question", "sent", "sentence2", "caption", "text")
SCHEMA = pa.schema(
    {
        "text_id": pa.string(),
        "images": pa.list_(pa.string()),
        "text": pa.string(),
        "input_ids": pa.list_(pa.int32()),
        "record": pa.string(),
    }
)
"""The columns of a table of texts; ``record`` is everything as JSON."""


@dataclass(frozen=True)
class Text:
    """One text: ``fields`` is the record as it is stored, with ``input_ids`` without special tokens."""

    text_id: str
    input_ids: list[int]
    images: tuple[str, ...]
    fields: dict[str, Any]

    @property
    def text(self) -> str | None:
        """The words, by whatever name the task has for them."""
        return next((self.fields[name] for name in _WORDS if isinstance(self.fields.get(name), str)), None)


def recognises(path: Path) -> bool:
    """Whether it is an LMDB folder with the lists of a text database."""
    return path.is_dir() and is_lmdb(path) and all((path / f"{name}.json").is_file() for name in ("meta", "id2len"))


class TextDatabase:
    """A text database opened for reading.

    ``lengths`` are the numbers of word pieces, ``images`` and ``texts`` the two ways between texts and images, None where the
    database does not have them.

    Raises:
        DataError: there is none, or one of its files is damaged.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.meta: dict[str, Any] = _object(path / "meta.json")
        require_keys(self.meta, ("CLS", "SEP", "MASK", "v_range"))
        self.lengths: dict[str, int] = _object(path / "id2len.json")
        self.images = _optional(path / "txt2img.json")
        self.texts = _optional(path / "img2txts.json")
        self._database = Database(path)

    def __len__(self) -> int:
        return len(self.lengths)

    def __iter__(self) -> Iterator[str]:
        """The texts' ids in the order of ``lengths``."""
        return iter(self.lengths)

    def get(self, text_id: str) -> Text:
        """One text.

        Raises:
            DataError: it is not there, cannot be read, or is not as long as ``lengths`` says.
        """
        key = text_id.encode()
        where = f"{self.path}, record {name_of(key)!r}"
        fields = packed.msgpack(packed.lz4(self._database.get(key), where), where)
        ids = fields.get("input_ids") if isinstance(fields, dict) else None
        if not isinstance(ids, list) or not all(isinstance(number, int) for number in ids):
            raise DataError(f"{where}: there are no input_ids")
        if text_id in self.lengths and len(ids) != self.lengths[text_id]:
            raise DataError(f"{where}: {len(ids)} word pieces, id2len.json says {self.lengths[text_id]}")
        named = fields.get("img_fname", (self.images or {}).get(text_id, ()))
        return Text(text_id, ids, (named,) if isinstance(named, str) else tuple(named), fields)

    def framed(self, text: Text) -> list[int]:
        """A text's word pieces between [CLS] and [SEP]."""
        return [self.meta["CLS"], *text.input_ids, self.meta["SEP"]]

    def close(self) -> None:
        """Unmap the file."""
        self._database.close()


def to_table(texts: Sequence[Text]) -> pa.Table:
    """Texts as a table of ``SCHEMA``."""
    rows = [
        {
            "text_id": each.text_id,
            "images": list(each.images),
            "text": each.text,
            "input_ids": each.input_ids,
            "record": json.dumps(each.fields, ensure_ascii=False, default=repr),
        }
        for each in texts
    ]
    return pa.Table.from_pylist(rows, SCHEMA)


def _optional(path: Path) -> dict[str, Any] | None:
    return _object(path) if path.is_file() else None


def _object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is missing or no JSON ({error})") from error
    if not isinstance(value, dict):
        raise DataError(f"{path} holds no JSON object")
    return value

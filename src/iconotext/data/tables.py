"""The tables of a data set: their columns, and how a shard of one is written."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from iconotext.core.errors import DataError
from iconotext.core.files import write_bytes

IMAGE_ROWS = 32
"""Rows of a row group of the images table: what is read from the disk to see one picture."""

_S, _I, _B = pa.string(), pa.int32(), pa.bool_()
_FIELDS: dict[str, dict[str, pa.DataType]] = {
    "images": {
        "image_id": _S,
        "image": pa.struct({"bytes": pa.binary(), "path": _S}),
        "width": _I,
        "height": _I,
    },
    "texts": {"text_id": _S, "image_id": _S, "text": _S, "language": _S, "kind": _S, "matched": _B},
    "vqa": {
        "question_id": _S,
        "image_id": _S,
        "question": _S,
        "answers": pa.list_(_S),
        "kind": _S,
        "language": _S,
    },
    "statements": {
        "statement_id": _S,
        "left_image": _S,
        "right_image": _S,
        "text": _S,
        "label": _B,
        "language": _S,
    },
    "choices": {
        "choice_id": _S,
        "image_id": _S,
        "question": _S,
        "answers": pa.list_(_S),
        "answer": _I,
        "reasons": pa.list_(_S),
        "reason": _I,
        "objects": pa.list_(_I),
        "language": _S,
    },
    "expressions": {
        "expression_id": _S,
        "image_id": _S,
        "text": _S,
        "object": _I,
        "box": pa.list_(pa.float32(), 4),
        "language": _S,
    },
    "phrases": {
        "sentence_id": _S,
        "image_id": _S,
        "text": _S,
        "spans": pa.list_(pa.list_(_I, 2)),
        "entities": pa.list_(_S),
        "types": pa.list_(pa.list_(_S)),
        "boxes": pa.list_(pa.list_(pa.list_(pa.float32(), 4))),
        "language": _S,
    },
    "entailment": {
        "entailment_id": _S,
        "image_id": _S,
        "text": _S,
        "label": _S,
        "language": _S,
    },
    "gqa": {
        "question_id": _S,
        "image_id": _S,
        "question": _S,
        "answer": _S,
        "balanced": _B,
        "structural": _S,
        "semantic": _S,
        "detailed": _S,
        "group": _S,
        "steps": _I,
        "entailed": pa.list_(_S),
        "valid": pa.list_(_S),
        "plausible": pa.list_(_S),
        "language": _S,
    },
    "queries": {
        "query_id": _S,
        "query": _S,
        "image_ids": pa.list_(_S),
        "grades": pa.list_(_I),
        "titles": pa.list_(_S),
        "kind": _S,
        "language": _S,
    },
    "minimal_pairs": {
        "pair_id": _S,
        "image_id": _S,
        "kind": _S,
        "text": _S,
        "swapped": _S,
        "language": _S,
    },
    "objects": {
        "image_id": _S,
        "boxes": pa.list_(pa.list_(pa.float32())),
        "classes": pa.list_(_I),
        "colours": pa.list_(_I),
        "sizes": pa.list_(_S),
    },
}
# With this note Hugging Face `datasets` decodes the image column to pictures; other readers ignore it.
_PICTURES = {"image_id": {"dtype": "string", "_type": "Value"}, "image": {"_type": "Image"}} | {
    side: {"dtype": "int32", "_type": "Value"} for side in ("width", "height")
}
_NOTES = {"images": {"huggingface": json.dumps({"info": {"features": _PICTURES}})}}

SCHEMAS: dict[str, pa.Schema] = {
    name: pa.schema(list(fields.items()), metadata=_NOTES.get(name)) for name, fields in _FIELDS.items()
}
"""The columns of every table that this version knows."""


def write_table(path: Path, table: pa.Table) -> None:
    """Write a Parquet file atomically; the same table gives the same bytes.

    Pictures are compressed already and are read one by one, so their row groups are small and plain.
    """
    pictures = "image" in table.column_names
    sink = io.BytesIO()
    pq.write_table(
        table,
        sink,
        compression="none" if pictures else "zstd",
        use_dictionary=not pictures,
        row_group_size=IMAGE_ROWS if pictures else 65_536,
    )
    write_bytes(path, sink.getvalue())


def to_table(name: str, columns: Mapping[str, Sequence[Any]]) -> pa.Table:
    """A table of ``SCHEMAS[name]`` from plain Python columns; ``image`` takes ``{"bytes", "path"}`` dictionaries.

    Raises:
        DataError: a column is missing, unknown or of the wrong type.
    """
    schema = SCHEMAS[name]
    if set(columns) != set(schema.names):
        raise DataError(f"table {name!r} has the columns {schema.names}, not {sorted(columns)}")
    try:
        return pa.table({field.name: pa.array(columns[field.name], field.type) for field in schema}, schema)
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"table {name!r}: {error}") from error

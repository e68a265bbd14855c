"""Examples from what ``iconotext evaluate`` kept of each case, taken in the data's own order: one a picture, not the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from iconotext.core.errors import DataError
from iconotext.data.records import DataSet
from iconotext.explain.runs import Run

SHOWN = 6
"""The best pictures of a query that are shown."""

Row = Mapping[str, Any]
A = TypeVar("A")


def questions(run: Run) -> list[dict[str, Any]]:
    """Questions with what the model answered, with the picture and without; empty for a run that answers none.

    Raises:
        DataError: the file cannot be read.
    """
    rows = [row for row in _rows(run, "question_id") if row["accuracy"] == row["accuracy"] and row["answers"]]
    return [
        {
            "image_id": row["image_id"],
            "question": row["question"],
            "answer": row["answers"][0],
            "predicted": row["predicted"],
            "confidence": row["score"],
            "right": row["accuracy"] > 0,
            "without": row["blind_predicted"],
        }
        for row in one_each(rows, [row["image_id"] for row in rows])
    ]


def captions(run: Run) -> list[dict[str, Any]]:
    """Captions that the model wrote, with the picture and without, and those of people; empty for a run that writes none.

    Raises:
        DataError: the file cannot be read.
    """
    return [
        {
            "image_id": row["image_id"],
            "caption": row["predicted"],
            "rouge_l": row["accuracy"],
            "references": row["references"],
            "without": row["blind_predicted"],
        }
        for row in _rows(run, "references")
        if row["references"]
    ]


def queries(run: Run, data: DataSet | None) -> list[dict[str, Any]]:
    """Texts with the pictures that were ranked first; empty for a run that ranks none, or where the data is not there.

    Raises:
        DataError: the file cannot be read.
    """
    rows = [row for row in _rows(run, "direction") if row["direction"] == "text_to_image"]
    split = str(run.evaluation.get("split", "test"))
    if not rows or data is None or split not in data.splits:
        return []
    table = data.table("texts", split, ["text_id", "image_id"])
    owner = dict(zip(table["text_id"].to_pylist(), table["image_id"].to_pylist()))
    rows = [row for row in rows if row["query_id"] in owner]
    return [
        {
            "query": row["query"],
            "answer_image": owner[row["query_id"]],
            "ranking": list(zip(row["found"][:SHOWN], row["found_scores"][:SHOWN])),
        }
        for row in one_each(rows, [owner[row["query_id"]] for row in rows])
    ]


def _rows(run: Run, needed: str) -> list[Row]:
    """The cases of a run that saw pictures, where they have the column ``needed``."""
    file: Path = run.path / "predictions.parquet"
    if not file.is_file() or run.evaluation.get("blind"):
        return []
    try:
        table = pq.ParquetFile(file).read()
    except (OSError, pa.ArrowInvalid) as error:
        raise DataError(f"{file} cannot be read ({error}): run `iconotext evaluate` again") from error
    rows: list[Row] = table.to_pylist() if needed in table.column_names else []
    return rows


def one_each(rows: Sequence[A], units: Sequence[Any]) -> list[A]:
    """One case of each unit, such as a picture: the first of the first, the second of the second, and so on, for variety."""
    of: dict[Any, list[A]] = {}
    for row, unit in zip(rows, units):
        of.setdefault(unit, []).append(row)
    return [cases[number % len(cases)] for number, cases in enumerate(of.values())]

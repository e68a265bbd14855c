"""One row of ``predictions.parquet``, of any task: what was asked, of which pictures, what the model said, how right it was."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

GRADED = {"relevance": "NDCG@10", "captions": "ROUGE-L", "grounding": "R@1"}
"""What the value of a case is called, in the tasks where it is more than right or wrong."""

Row = Mapping[str, Any]
Box = Sequence[float]


@dataclass(frozen=True)
class Case:
    """A case as a page shows it; what a task does not have is empty. ``value`` is from 0 to 1, NaN where nobody knows."""

    text: str
    images: tuple[str, ...]
    said: str
    right: str
    value: float
    without: str
    """What the model said with the regions removed."""
    boxes: Mapping[str, Box]
    """The boxes that it meant."""
    right_boxes: Mapping[str, Box]


def read(row: Row) -> Case:
    """The case that a row tells."""
    return Case(
        text=next((str(row[name]) for name in ("question", "text", "query") if row.get(name)), ""),
        images=_images(row),
        said=_answer(row, row.get("predicted")),
        right=_right(row),
        value=1 / row["rank"] if "rank" in row else float(row["accuracy"]),
        without=_answer(row, row["blind_predicted"]) if _worded(row) and "blind_predicted" in row else "",
        boxes=_boxes(row, "predicted"),
        right_boxes=_boxes(row, "box"),
    )


def _images(row: Row) -> tuple[str, ...]:
    if "products" in row:
        return (row["predicted"],)
    own = [row[name] for name in ("image_id", "left_image", "right_image") if name in row]
    return tuple(own or [row["unit"]] * ("rank" in row))


def _worded(row: Row) -> bool:
    """Whether the model says a word, and not a rank, a box or a product."""
    return not {"rank", "box", "boxes", "products"} & set(row)


def _answer(row: Row, predicted: Any) -> str:
    """What a model said, in words."""
    if "rank" in row:
        return f"rank {row['rank']:g}"
    if "options" in row:
        return str(row["options"][predicted])
    if "phrases" in row:
        return ", ".join(row["phrases"])
    if row.get("titles"):
        return str(row["titles"][row["products"].index(predicted)])
    return ", ".join(f"{side:.0f}" for side in predicted) if isinstance(predicted, list) else str(predicted)


def _right(row: Row) -> str:
    """What would have been right, where that is a word."""
    if "options" in row:
        return "" if row["right"] is None else str(row["options"][row["right"]])
    if "products" in row:
        known = [-1.0 if grade is None else grade for grade in row["grades"]]
        return _answer(row, row["products"][known.index(max(known))])
    for name in ("answers", "references"):
        if row.get(name):
            return str(row[name][0])
    return "" if row.get("label") is None else str(row["label"])


def _boxes(row: Row, which: str) -> dict[str, Box]:
    """The boxes of a row by what they are called: one of an expression, one a phrase of a text."""
    if "box" in row:
        return {"": row[which]}
    if "phrases" not in row:
        return {}
    found = row["predicted"] if which == "predicted" else [boxes[0] if boxes else None for boxes in row["boxes"]]
    return {phrase: box for phrase, box in zip(row["phrases"], found) if box is not None}

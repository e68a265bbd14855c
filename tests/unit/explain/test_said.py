from __future__ import annotations

import math
from typing import Any

import pytest

from iconotext.explain.said import read

BOX = [1.0, 2.0, 3.0, 4.0]
ROWS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "question": (
        {
            "image_id": "p",
            "question": "what?",
            "answers": ["red", "blue"],
            "predicted": "blue",
            "blind_predicted": "green",
            "accuracy": 0.3,
        },
        {"text": "what?", "images": ("p",), "said": "blue", "right": "red", "value": 0.3, "without": "green"},
    ),
    "choice": (
        {
            "image_id": "p",
            "question": "why?",
            "options": ["a", "b"],
            "right": 1,
            "predicted": 0,
            "blind_predicted": 1,
            "accuracy": 0.0,
        },
        {"said": "a", "right": "b", "without": "b"},
    ),
    "statement": (
        {
            "left_image": "l",
            "right_image": "r",
            "text": "both",
            "label": "True",
            "predicted": "False",
            "accuracy": 0.0,
        },
        {"images": ("l", "r"), "said": "False", "right": "True", "without": ""},
    ),
    "expression": (
        {
            "image_id": "p",
            "text": "it",
            "box": BOX,
            "predicted": BOX[::-1],
            "blind_predicted": BOX,
            "accuracy": 1.0,
        },
        {"said": "4, 3, 2, 1", "boxes": {"": BOX[::-1]}, "right_boxes": {"": BOX}, "without": ""},
    ),
    "phrases": (
        {
            "image_id": "p",
            "text": "a man rides",
            "phrases": ["a man", "it"],
            "boxes": [[BOX], []],
            "predicted": [BOX, BOX],
            "accuracy": 0.5,
        },
        {"said": "a man, it", "boxes": {"a man": BOX, "it": BOX}, "right_boxes": {"a man": BOX}},
    ),
    "query": (
        {
            "query": "shoes",
            "unit": "q",
            "products": ["x", "y"],
            "titles": ["red", "blue"],
            "grades": [3.0, None],
            "predicted": "y",
            "accuracy": 0.9,
        },
        {"text": "shoes", "images": ("y",), "said": "blue", "right": "red", "value": 0.9},
    ),
    "rank": ({"query": "a car", "unit": "p", "rank": 4.0}, {"images": ("p",), "said": "rank 4", "value": 0.25}),
    "caption": (
        {"image_id": "p", "references": ["a cat"], "predicted": "a dog", "accuracy": 0.5},
        {"said": "a dog", "right": "a cat"},
    ),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_case_of_every_kind(name: str) -> None:
    row, expected = ROWS[name]
    case = read(row)
    assert {field: getattr(case, field) for field in expected} == expected


def test_what_nobody_knows_is_nan() -> None:
    case = read({"image_id": "p", "text": "so", "label": None, "predicted": "True", "accuracy": float("nan")})
    assert math.isnan(case.value)
    assert case.right == ""

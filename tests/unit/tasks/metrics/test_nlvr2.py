from __future__ import annotations

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.tasks.metrics.nlvr2 import consistent, right, sentence

LABELS = {"dev-1-0-0": "True", "dev-1-1-0": "False", "dev-1-0-1": "False"}


def test_right_in_any_case_of_letters_and_others_ignored() -> None:
    found = right(LABELS, {"dev-1-0-0": "true", "dev-1-1-0": "True", "dev-1-0-1": "false", "dev-9-0-0": "True"})
    assert found.tolist() == [1, 0, 1]


def test_a_sentence_counts_when_all_its_pairs_are_right() -> None:
    names = [sentence(identifier) for identifier in LABELS]
    assert names == ["dev-1--0", "dev-1--0", "dev-1--1"]
    assert sorted(consistent(np.array([1.0, 0.0, 1.0]), names)) == [0, 1]


def test_a_constant_is_never_consistent_where_sentences_have_both_labels() -> None:
    labels = {f"dev-{i}-{pair}-0": str(bool(pair)) for i in range(5) for pair in (0, 1)}
    found = right(labels, dict.fromkeys(labels, "True"))
    assert found.mean() == 0.5
    assert consistent(found, [sentence(name) for name in labels]).mean() == 0


def test_what_is_missing_or_misnamed_is_an_error() -> None:
    with pytest.raises(DataError, match="dev-1-0-0"):
        right(LABELS, {})
    with pytest.raises(DataError, match="identifier"):
        sentence("dev-1")

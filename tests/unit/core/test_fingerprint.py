"""Features of another detector are refused, with what differs."""

from __future__ import annotations

import dataclasses

import pytest

from iconotext.core.errors import FingerprintError
from iconotext.core.fingerprint import Fingerprint

MINE = Fingerprint("world", "ab12", "fc6", "short side 192", "rgb", "score > 0.2, 10 to 36", "float16", 256, 259, 9)


def test_equal_ones_pass() -> None:
    MINE.require(dataclasses.replace(MINE), "store")


@pytest.mark.parametrize("name", [f.name for f in dataclasses.fields(Fingerprint)])
def test_every_field_counts(name: str) -> None:
    value = getattr(MINE, name)
    other = dataclasses.replace(MINE, **{name: value + 1 if isinstance(value, int) else f"{value}?"})
    assert set(MINE.differences(other)) == {name}
    with pytest.raises(
        FingerprintError, match=rf"some/store: .*\n  {name}: expected .*, found .*\nExtract the regions again"
    ):
        MINE.require(other, "some/store")


def test_a_difference_may_be_allowed_but_not_of_widths() -> None:
    other = dataclasses.replace(MINE, weights="cd34", resize="none")
    assert MINE.require(other, "store", allowed=True) == {
        "weights": ("ab12", "cd34"),
        "resize": ("short side 192", "none"),
    }
    assert MINE.require(MINE, "store", allowed=True) == {}
    with pytest.raises(FingerprintError, match="feature_dim"):
        MINE.require(dataclasses.replace(other, feature_dim=8), "store", allowed=True)

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from iconotext.core.errors import DataError, IconotextError
from iconotext.core.fingerprint import Fingerprint
from iconotext.data.features.record import Entry, Listed, Record
from iconotext.data.features.stored import Widths, to_row
from iconotext.data.features.write import Journal, write_shards
from iconotext.data.store import RegionStore, StoreWriter
from iconotext.data.unpickle import UnsafeData

FINGERPRINT = Fingerprint("d", "w", "l", "r", "RGB", "b", "float16", 3, 0, 0)


def load(name: int) -> Record:
    """Number 4 is broken, and number 7 has the id of number 2."""
    if name == 4:
        raise DataError("number 4 is broken")
    rng = np.random.default_rng(name)
    count = 1 + name % 3
    image_id = "i2" if name == 7 else f"i{name}"
    return Record(image_id, rng.random((count, 3), np.float32), rng.random((count, 4), np.float32), size=(9, 9))


def work(store: Path, read: Callable[[int], Record] = load, strict: bool = False, about: str = "x") -> RegionStore:
    writer = StoreWriter(store, FINGERPRINT, [], [])
    journal = Journal(store, {"source": about})
    row_of = partial(to_row, widths=Widths(3, 0, 0), sizes={})
    places = list(
        write_shards(Listed("l", range(11), read), writer, journal, row_of, shard=3, strict=strict, where="x.tsv")
    )
    assert places == sorted(places)
    return writer.finish()


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_what_goes_in_and_what_does_not(tmp_path: Path) -> None:
    store = work(tmp_path / "s")
    assert store.ids == [f"i{n}" for n in (0, 1, 2, 3, 5, 6, 8, 9, 10)]
    journal = json.loads((tmp_path / "s/import.json").read_text())
    assert (journal["kept"], journal["left"]) == (9, 2)
    lines = [json.loads(line) for line in (tmp_path / "s/quarantine.jsonl").read_text().splitlines()]
    assert {line["image_id"].split()[0]: line["reason"] for line in lines} == {
        "4": "number 4 is broken",
        "7": "x.tsv, image 'i2': an image of this id was there before",
    }


class Killed(Exception):
    """The process ends here."""


@pytest.mark.parametrize("moment", range(22))
def test_killed_at_any_moment_it_goes_on_and_ends_with_the_same_bytes(
    moment: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A moment is before any image is read, before a shard is written, before it is noted, and before the end."""
    whole = content(work(tmp_path / "whole").path)
    left = iter(range(moment))
    processed: list[int] = []

    def tick() -> None:
        if next(left, None) is None:
            raise Killed

    def read(name: int) -> Record:
        tick()
        processed.append(name)
        return load(name)

    def ticking(function: Callable[..., None]) -> Callable[..., None]:
        def before(*arguments: object) -> None:
            tick()
            function(*arguments)

        return before

    with monkeypatch.context() as patch:
        patch.setattr(StoreWriter, "write_shard", ticking(StoreWriter.write_shard))
        patch.setattr(Journal, "note", ticking(Journal.note))
        patch.setattr(StoreWriter, "finish", ticking(StoreWriter.finish))
        if moment < 20:
            with pytest.raises(Killed):
                work(tmp_path / "killed", read)
        else:
            work(tmp_path / "killed", read)
    left = iter(range(100))
    work(tmp_path / "killed", read)
    assert content(tmp_path / "killed") == whole
    assert max(map(processed.count, processed)) <= 2


def test_a_torn_shard_is_made_again_alone(tmp_path: Path) -> None:
    whole = content(work(tmp_path / "s").path)
    file = tmp_path / "s/regions-00001.arrow"
    file.write_bytes(file.read_bytes()[:200])
    seen: list[int] = []

    def read(name: int) -> Record:
        seen.append(name)
        return load(name)

    work(tmp_path / "s", read)
    assert content(tmp_path / "s") == whole
    assert seen == [3, 4, 5]


def test_strict_ends_at_the_first_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="number 4"):
        work(tmp_path / "s", strict=True)
    assert work(tmp_path / "s").ids == work(tmp_path / "whole").ids


def test_what_asks_for_code_ends_it_always(tmp_path: Path) -> None:
    def read(name: int) -> Record:
        if name == 5:
            raise UnsafeData("code")
        return load(name)

    with pytest.raises(UnsafeData):
        work(tmp_path / "s", read)
    assert not (tmp_path / "s/regions-00001.arrow").exists()


def test_two_imports_do_not_mix(tmp_path: Path) -> None:
    work(tmp_path / "s")
    with pytest.raises(IconotextError, match="another import"):
        work(tmp_path / "s", about="y")


def test_a_source_that_ends_before_its_end_ends_the_import(tmp_path: Path) -> None:
    class Short(Listed[int]):
        def entries(self, start: int = 0) -> Iterator[Entry]:
            yield from (entry for entry in super().entries(start) if entry.next < 5)

    writer = StoreWriter(tmp_path / "s", FINGERPRINT, [], [])
    journal = Journal(tmp_path / "s", {})
    row_of = partial(to_row, widths=Widths(3, 0, 0), sizes={})
    assert list(write_shards(Short("l", range(11), load), writer, journal, row_of, 3, False, "x.tsv")) == [1, 2, 3, 4]

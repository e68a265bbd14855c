from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from toy_data import SPLITS, make_data, make_store, make_words

from iconotext.core.errors import DataError
from iconotext.core.seed import Draw
from iconotext.data.pair import PairTable


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> PairTable:
    folder = tmp_path_factory.mktemp("toy")
    data, store = make_data(folder / "data"), make_store(folder / "store")
    return PairTable(data, "train", make_words(data), store)


def drawn(pairs: PairTable, rate: float, replace: str, swapped: float = 0.0, epoch: int = 0):  # type: ignore[no-untyped-def]
    rows = np.arange(len(pairs))
    return rows, pairs.draw(rows, Draw(0, epoch, rows), rate, replace, swapped)


def test_rate_zero_leaves_every_pair(pairs: PairTable) -> None:
    rows, found = drawn(pairs, 0.0, "image", 1.0)
    assert found.matched.all()
    assert (found.text == rows).all()
    assert (found.image == pairs.image_of).all()


@pytest.mark.parametrize("replace", ["image", "text"])
def test_a_mismatched_pair_is_nowhere_in_the_data(pairs: PairTable, replace: str) -> None:
    said = {(pairs.image_of[row], pairs.strings[row]) for row in range(len(pairs))}
    wrong = 0
    for epoch in range(5):
        rows, found = drawn(pairs, 0.5, replace, epoch=epoch)
        for row in rows:
            together = (found.image[row], pairs.strings[found.text[row]])
            assert (together in said) == found.matched[row]
        kept = found.text if replace == "image" else found.image
        assert (kept == (rows if replace == "image" else pairs.image_of)).all()
        wrong += int((~found.matched).sum())
    assert 0.35 < wrong / (5 * len(pairs)) < 0.65


def test_swapped_rows_take_the_false_twin_and_keep_the_image(pairs: PairTable) -> None:
    _, found = drawn(pairs, 1.0, "text", 1.0)
    has_twin = pairs.swapped is not None and pairs.swapped.lengths > 0
    assert (found.swapped == has_twin).all()
    assert not found.matched[found.swapped].any()
    assert (found.image[found.swapped] == pairs.image_of[found.swapped]).all()
    tokens, own = pairs.tokens(found), pairs.texts
    assert pairs.swapped is not None
    row = int(np.flatnonzero(found.swapped)[0])
    twin = tokens.rows(np.array([row])).ids.tolist()
    assert twin == pairs.swapped.rows(np.array([row])).ids.tolist()
    assert twin != own.rows(np.array([row])).ids.tolist()


def test_a_row_is_drawn_alike_in_any_batch(pairs: PairTable) -> None:
    _, whole = drawn(pairs, 0.5, "image", 0.3)
    some = np.array([7, 3, 20])
    part = pairs.draw(some, Draw(0, 0, some), 0.5, "image", 0.3)
    assert (part.image == whole.image[some]).all()
    assert (part.matched == whole.matched[some]).all()


def test_texts_without_regions_are_left_out_and_counted(tmp_path: Path) -> None:
    data = make_data(tmp_path / "data")
    store = make_store(tmp_path / "store", {**SPLITS, "train": SPLITS["train"] - 8})
    pairs = PairTable(data, "train", make_words(data), store)
    assert pairs.left_out == 16
    assert len(pairs) == 2 * (SPLITS["train"] - 8)


def test_a_store_of_other_pictures_is_refused(tmp_path: Path) -> None:
    data, store = make_data(tmp_path / "data"), make_store(tmp_path / "store", {"validation": 3})
    with pytest.raises(DataError, match="Extract regions of this data set"):
        PairTable(data, "train", make_words(data), store)


def test_groups_of_rewritten_texts(pairs: PairTable) -> None:
    rows = np.arange(len(pairs))
    found = pairs.rewritten(rows, Draw(0, 0, rows), 1, 2)
    assert found.group == 4
    chosen = rows[::4]
    assert found.positions.reshape(-1, 4).tolist() == [[row] * 4 for row in chosen]
    assert (found.image.reshape(-1, 4) == pairs.image_of[chosen][:, None]).all()
    said = {(pairs.image_of[row], pairs.strings[row]) for row in rows}
    own, other, false, wrong = found.text.reshape(-1, 4).T
    assert (own == chosen).all()
    assert (other != own).all()
    assert (pairs.image_of[other] == pairs.image_of[own]).all()
    assert pairs.swapped is not None
    has_twin = pairs.swapped.lengths[chosen] > 0
    assert (found.swapped.reshape(-1, 4) == has_twin[:, None] * np.array([0, 0, 1, 0])).all()
    assert (false[has_twin] == chosen[has_twin]).all()
    for image, text in zip(pairs.image_of[chosen], wrong, strict=True):
        assert (image, pairs.strings[text]) not in said
    assert (found.matched.reshape(-1, 4) == [True, True, False, False]).all()
    assert len(pairs.tokens(found)) == len(found.text)


def test_a_group_is_drawn_alike_in_any_batch_and_no_batch_is_empty(pairs: PairTable) -> None:
    rows = np.arange(len(pairs))
    whole = pairs.rewritten(rows, Draw(0, 0, rows), 1, 1)
    part = pairs.rewritten(rows[3:7], Draw(0, 0, rows[3:7]), 1, 1)
    at = np.isin(whole.positions, rows[3:7])
    assert (part.text == whole.text[at]).all()
    alone = pairs.rewritten(rows[1:2], Draw(0, 0, rows[1:2]), 1, 1)
    assert alone.positions.tolist() == [1, 1, 1]


@pytest.mark.parametrize("replace", ["image", "text"])
def test_alike_partners_share_more_words_and_are_still_wrong(pairs: PairTable, replace: str) -> None:
    rows = np.arange(len(pairs))
    said = {(pairs.image_of[row], pairs.strings[row]) for row in rows}

    def shared(alike: int) -> float:
        found = pairs.draw(rows, Draw(0, 0, rows), 1.0, replace, 0.0, alike)
        assert not any(
            (found.image[row], pairs.strings[found.text[row]]) in said for row in rows if not found.matched[row]
        )
        words = [set(text.split()) for text in pairs.strings]
        own = (
            words
            if replace == "text"
            else [set().union(*(words[i] for i in np.flatnonzero(pairs.image_of == image))) for image in found.image]
        )
        return float(np.mean([len(words[found.text[row]] & own[row]) for row in rows]))

    assert shared(6) > shared(1) + 0.2


def test_only_some_images_and_no_twins(tmp_path: Path) -> None:
    data, store = make_data(tmp_path / "data"), make_store(tmp_path / "store")
    words, some = make_words(data), {"train-3", "train-5", "train-7", "validation-1"}
    pairs = PairTable(data, "train", words, store, only=some, twins=False)
    assert pairs.images == ["train-3", "train-5", "train-7"]
    assert {name.rsplit("-", 1)[0] for name in pairs.ids} == set(pairs.images)
    _, found = drawn(pairs, 1.0, "text", 1.0)
    assert pairs.swapped is None
    assert not found.swapped.any()
    assert pairs.weights is None


def test_weights_and_truth_of_the_texts(tmp_path: Path) -> None:
    """Weights are read where the data has them; whether a pair is known to be wrong never is."""
    data, store = make_data(tmp_path / "data"), make_store(tmp_path / "store")
    words, shard = make_words(data), data.shards("texts", "train")[0]
    plain = PairTable(data, "train", words, store)
    table = pq.read_table(shard)
    wrong = pa.array([i % 3 > 0 for i in range(len(table))])
    weights = pa.array([None if i == 2 else i / len(table) for i in range(len(table))], pa.float32())
    noted = table.set_column(table.column_names.index("matched"), "matched", wrong)
    pq.write_table(noted, shard)
    told = PairTable(data, "train", words, store)
    for epoch in range(3):
        (_, mine), (_, theirs) = drawn(plain, 0.5, "text", 0.3, epoch), drawn(told, 0.5, "text", 0.3, epoch)
        assert all(np.array_equal(getattr(mine, name), getattr(theirs, name)) for name in ("text", "image", "matched"))
    pq.write_table(noted.append_column("weight", weights), shard)
    found = PairTable(data, "train", words, store).weights
    assert found is not None
    assert found.tolist() == [1.0 if w is None else w for w in weights.to_pylist()]

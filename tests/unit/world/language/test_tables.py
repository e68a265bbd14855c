"""The tables of a shard: columns, ids, repeatability, noise, and what may not be said."""

from __future__ import annotations

import json

import pyarrow as pa
import pytest

from iconotext.core.errors import ConfigError
from iconotext.data.tables import SCHEMAS
from iconotext.world.language.tables import TEXTS, WITH_KIND, write_language
from iconotext.world.scene import COLOURS, Scene, held_out_combinations, load_kinds, sample_scene

SEED = 5
KINDS = tuple(i * len(load_kinds()) // 100 for i in range(100))
BANNED = held_out_combinations(SEED, KINDS)
NAMES = {"texts", "vqa", "statements", "choices", "expressions", "phrases", "queries", "minimal_pairs"}


def write(scenes: list[Scene], split: str = "train", noise: float = 0.0, languages: tuple[str, ...] = ("en", "zh")):  # type: ignore[no-untyped-def]
    return write_language(scenes, split, SEED, languages, noise, KINDS, 0, BANNED)


@pytest.fixture(scope="module")
def tables(scenes: list[Scene]) -> dict[str, pa.Table]:
    return write(scenes)


def test_columns(tables: dict[str, pa.Table]) -> None:
    assert set(tables) == NAMES
    for name, table in tables.items():
        assert table.schema.equals(TEXTS if name == "texts" else WITH_KIND.get(name, SCHEMAS[name]))
        assert table.num_rows
        assert all(column.null_count == 0 for column in table.columns)


def test_ids_are_unique_and_name_pictures(tables: dict[str, pa.Table], scenes: list[Scene]) -> None:
    images = {scene.image_id for scene in scenes}
    for table in tables.values():
        ids = table.column(0).to_pylist()
        assert len(set(ids)) == len(ids)
        for column in {"image_id", "left_image", "right_image"} & set(table.column_names):
            assert set(table[column].to_pylist()) <= images
    assert all(set(row) <= images for row in tables["queries"]["image_ids"].to_pylist())


def test_same_seed_same_tables(tables: dict[str, pa.Table], scenes: list[Scene]) -> None:
    few = scenes[:40]
    first, again = write(few), write(few)
    other = write_language(few, "train", SEED + 1, ("en", "zh"), 0.0, KINDS, 0, BANNED)
    assert all(first[name].equals(again[name]) for name in NAMES)
    assert not any(first[name].equals(other[name]) for name in NAMES)


def test_texts_of_a_picture_do_not_depend_on_its_shard(tables: dict[str, pa.Table], scenes: list[Scene]) -> None:
    alone = write(scenes[7:8])
    for name in ("texts", "vqa", "choices", "expressions", "minimal_pairs"):
        mine = [row for row in tables[name].to_pylist() if row["image_id"] == scenes[7].image_id]
        assert alone[name].to_pylist() == mine


def test_a_shard_without_pictures_is_empty() -> None:
    assert all(table.num_rows == 0 for table in write([]).values())


def test_languages(tables: dict[str, pa.Table], scenes: list[Scene]) -> None:
    for name, table in tables.items():
        chinese = table["language"].to_pylist().count("zh") / table.num_rows
        assert 0.3 < chinese < 0.7, name
    for table in write(scenes[:30], languages=("en",)).values():
        text = json.dumps(table.to_pylist(), ensure_ascii=False)
        assert text.isascii()
    with pytest.raises(ConfigError, match="tlh"):
        write(scenes[:2], languages=("en", "tlh"))


def test_swapped_captions_are_named(tables: dict[str, pa.Table]) -> None:
    rows = tables["texts"].to_pylist()
    assert all(bool(row["swapped"]) == bool(row["swap_kind"]) for row in rows)
    assert {row["swap_kind"] for row in rows} - {""} == {"colour", "object", "count", "left_right"}
    assert sum(bool(row["swapped"]) for row in rows) > 0.95 * len(rows)
    assert all(row["swapped"] != row["text"] for row in rows)


def test_no_text_names_a_held_out_combination(tables: dict[str, pa.Table]) -> None:
    said = json.dumps({name: table.to_pylist() for name, table in tables.items()})
    for kind, colour in BANNED:
        row = load_kinds()[kind]
        assert f"{colour} {row.name}" not in said
        assert f"{colour} {row.plural}" not in said
    assert any(colour in said for colour in COLOURS)


def test_noise_is_wrong_and_only_in_training(tables: dict[str, pa.Table], scenes: list[Scene]) -> None:
    rows = write(scenes, noise=0.3)["texts"].to_pylist()
    clean = tables["texts"].to_pylist()
    wrong = [row for row in rows if not row["matched"]]
    assert 0.25 < len(wrong) / len(rows) < 0.35
    assert all(row["swapped"] == "" for row in wrong)
    said = {(row["image_id"], row["text"]) for row in clean}
    somewhere = {text for _, text in said}
    assert all(row["text"] in somewhere for row in wrong)
    assert all((row["image_id"], row["text"]) in said for row in rows if row["matched"])
    assert not any((row["image_id"], row["text"]) in said for row in wrong)
    for split in ("validation", "test"):
        elsewhere = [sample_scene(SEED, split, i, KINDS, banned=BANNED) for i in range(20)]
        assert all(write(elsewhere, split=split, noise=0.3)["texts"]["matched"].to_pylist())


def test_boxes_and_links_are_those_of_the_things(tables: dict[str, pa.Table], scenes: list[Scene]) -> None:
    by_id = {scene.image_id: scene for scene in scenes}
    for row in tables["expressions"].to_pylist():
        assert row["box"] == list(by_id[row["image_id"]].things[row["object"]].box)
    for row in tables["choices"].to_pylist():
        things = [by_id[row["image_id"]].things[i] for i in row["objects"]]
        assert things
        assert len({thing.kind for thing in things}) == 1
        assert 0 <= row["answer"] < len(row["answers"]) == 4
        assert 0 <= row["reason"] < len(row["reasons"]) == 4


def test_phrases_are_those_of_the_captions_with_all_that_they_name(
    tables: dict[str, pa.Table], scenes: list[Scene]
) -> None:
    by_id, texts = {scene.image_id: scene for scene in scenes}, tables["texts"].to_pylist()
    rows = tables["phrases"].to_pylist()
    assert [(row["sentence_id"], row["text"]) for row in rows] == [(row["text_id"], row["text"]) for row in texts]
    several = 0
    for row in rows:
        scene = by_id[row["image_id"]]
        for (begin, end), entity, types, boxes in zip(row["spans"], row["entities"], row["types"], row["boxes"]):
            things = [scene.things[int(name)] for name in entity.split()]
            assert boxes == [list(thing.box) for thing in things]
            assert len({thing.kind for thing in things}) == 1
            kind, words = load_kinds()[things[0].kind], row["text"][begin:end]
            assert any(name in words for name in (kind.name, kind.plural, kind.name_zh))
            assert types == [kind.category, "several things" if len(things) > 1 else "one thing"]
            several += len(things) > 1
    assert several > 100
    noisy = write(scenes[:50], noise=0.5)
    assert noisy["phrases"].equals(write(scenes[:50])["phrases"])

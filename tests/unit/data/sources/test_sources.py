from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from iconotext.core.errors import DataError
from iconotext.data.sources import Columns, Item, read_source
from iconotext.data.sources.item import language_of

PLAIN = Columns()


def lay(folder: Path, **files: str | bytes) -> Path:
    """Write files; "__" in a name is a dot, "_in_" a slash."""
    for name, content in files.items():
        file = folder / name.replace("_in_", "/").replace("__", ".")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def seen(items: list[Item]) -> list[tuple[str, list[str], str]]:
    """Name, texts and problem's first words of each item."""
    return [(item.name, [caption.text for caption in item.texts], item.problem.split(":")[0]) for item in items]


def read(folder: Path, table: str = "", columns: Columns = PLAIN, encoding: str = "utf-8-sig") -> list[Item]:
    return read_source(folder, folder / table if table else None, columns, encoding)


def test_a_folder_with_texts_beside_the_pictures(tmp_path: Path) -> None:
    lay(
        tmp_path,
        b__jpg="",
        b__txt="\ufeffone\n\n  \ntwo\r\n",
        a_in_C__PNG="",
        a_in_C__txt="一只猫",
        lone__png="",
        orphan__txt="words",
        bad__gif="",
        bad__txt=b"\xff\xfe\xfa",
        __hidden__png="",
        readme__md="",
    )
    items = read(tmp_path)
    assert seen(items) == [
        ("b.jpg", ["one", "two"], ""),
        ("bad.gif", [], "bad.txt cannot be read"),
        ("lone.png", [], ""),
        ("a/C.PNG", ["一只猫"], ""),
        ("orphan.txt", [], "no picture beside it"),
    ]
    assert (items[3].file, items[3].image_id) == (tmp_path / "a" / "C.PNG", "a/C.PNG")


@pytest.mark.parametrize("table", ["t.csv", "t.tsv", "t.jsonl", "t.parquet"])
def test_a_table_in_every_format(tmp_path: Path, table: str) -> None:
    rows = [
        {"file": "a.jpg", "title": 'a "red" cat', "more": "soft, small", "key": "007", "set": "Val", "lang": "en"},
        {"file": "b.jpg", "title": "狗", "more": "", "key": "8", "set": "train", "lang": "zh"},
        {"file": "./a.jpg", "title": "again", "more": "", "key": "007", "set": "dev", "lang": "en"},
        {"file": "", "title": "nothing", "more": "", "key": "9", "set": "train", "lang": "en"},
        {"file": "c.jpg", "title": "c", "more": "", "key": "10", "set": "holdout", "lang": "en"},
        {"file": "b.jpg", "title": "leak", "more": "", "key": "8", "set": "test", "lang": "en"},
        {"file": "d.jpg", "title": "d", "more": "", "key": "", "set": "test", "lang": "en"},
    ]
    lay(tmp_path, e_in_f__jpg="")
    write = {
        "t.csv": lambda: "\ufeff" + quoted(rows),
        "t.tsv": lambda: "\n".join("\t".join(r) for r in [list(rows[0]), *(list(row.values()) for row in rows)]),
        "t.jsonl": lambda: "\n".join(json.dumps(row) for row in rows) + "\n\n",
    }
    if table == "t.parquet":
        pq.write_table(pa.Table.from_pylist(rows), tmp_path / table)
    else:
        (tmp_path / table).write_text(write[table](), "utf-8")
    items = read(tmp_path, table, Columns("file", ("title", "more"), "key", "set", "lang"))
    assert seen(items) == [
        ("a.jpg", ['a "red" cat', "soft, small", "again"], ""),
        ("b.jpg", ["狗"], ""),
        (items[2].name, [], "the column 'file' names no picture"),
        (
            items[3].name,
            [],
            "the split 'holdout' is none of train, training, validation, valid, val, dev, test, testing",
        ),
        (items[4].name, [], "split 'test', but 'train' in an earlier row of b.jpg"),
        (items[5].name, [], "the column 'key' holds no id"),
        ("e/f.jpg", [], ""),
    ]
    assert [item.image_id for item in items[:2]] == ["007", "8"]
    assert [item.split for item in items[:2]] == ["validation", "train"]
    assert [caption.language for caption in items[1].texts] == ["zh"]
    assert (
        items[2].name
        == f"{table} {'row 4' if table == 't.parquet' else 'line ' + ('4' if table == 't.jsonl' else '5')}"
    )


def quoted(rows: list[dict[str, str]]) -> str:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "\r\n".join(",".join('"' + cell.replace('"', '""') + '"' for cell in line) for line in lines)


def test_rows_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    lay(
        tmp_path,
        t__csv='image,text\na.jpg,one\nb.jpg,two,three\nc.jpg\nd.jpg,"two\nlines"\n',
        t__jsonl='{"image": "a.jpg", "text": ["one", null, "", "two"]}\nnonsense\n[1]\n{"text": "lost"}\n'
        '{"image": "b\\ud800.jpg", "text": "half \\ud800 a pair"}\n',
    )
    assert seen(read(tmp_path, "t.csv")) == [
        ("a.jpg", ["one"], ""),
        ("c.jpg", [], ""),
        ("d.jpg", ["two\nlines"], ""),
        ("t.csv line 3", [], "more cells than the table has columns"),
    ]
    assert seen(read(tmp_path, "t.jsonl")) == [
        ("a.jpg", ["one", "two"], ""),
        ("b?.jpg", ["half ? a pair"], ""),
        ("t.jsonl line 2", [], "not JSON"),
        ("t.jsonl line 3", [], "not a JSON object"),
        ("t.jsonl line 4", [], "the column 'image' names no picture"),
    ]


def test_coco_captions(tmp_path: Path) -> None:
    content = {
        "images": [
            {"id": 7, "file_name": "7.jpg"},
            {"id": 3, "file_name": "3.jpg"},
            {"id": 7, "file_name": "8.jpg"},
            {},
        ],
        "annotations": [
            {"image_id": 3, "id": 1, "caption": "three"},
            {"image_id": 7, "id": 2, "caption": "seven"},
            {"image_id": 3, "id": 3, "caption": "drei"},
            {"image_id": 9, "id": 4, "caption": "nine"},
            {"image_id": 3, "id": 5},
        ],
    }
    lay(tmp_path, captions__json=json.dumps(content), unlisted__jpg="")
    items = read(tmp_path, "captions.json")
    assert seen(items) == [
        ("7.jpg", ["seven"], ""),
        ("3.jpg", ["three", "drei"], ""),
        ("captions.json image 2", [], "the id 7 is listed before"),
        ("captions.json image 3", [], "no id or no file_name"),
        ("captions.json annotation 3", [], "image 9 is not listed"),
        ("captions.json annotation 4", [], "no caption"),
    ]
    assert [item.image_id for item in items[:2]] == ["7", "3"]


def test_coco_captions_as_the_published_reader_sees_them(fixtures_dir: Path) -> None:
    folder = fixtures_dir / "annotations" / "coco_captions"
    expected = json.loads((folder / "expected.json").read_text("utf-8"))["images"]
    items = read(folder, "captions_val2014.json")
    assert [(item.image_id, item.name) for item in items] == [(str(e["id"]), e["file_name"]) for e in expected]
    assert [[c.text for c in item.texts] for item in items] == [[text for _, text in e["captions"]] for e in expected]


def test_what_cannot_be_read_at_all_says_what_to_do(tmp_path: Path) -> None:
    lay(
        tmp_path,
        a__jpg="",
        t__csv="picture,caption\n",
        cut__csv='image,text\na.jpg,"never closed\n',
        gb__csv="image,text\na.jpg,一只猫在草地上\n".encode("gb18030"),
        t__xlsx="",
        broken__json="{",
        list__json="[]",
        bad__parquet="PAR1",
        t__jsonl='{"picture": "a.jpg"}\n',
    )
    for table, message in {
        "": r"no picture has a \.txt beside it \(1 pictures\)",
        "none.csv": "there is no such table",
        "t.csv": "has no column 'image', 'text'; it has 'picture', 'caption'.*--image-column",
        "t.jsonl": "has no column 'image', 'text'; it has 'picture'",
        "cut.csv": "cannot be read: unexpected end of data",
        "gb.csv": "is not utf-8-sig.*--encoding",
        "t.xlsx": r"a table ends in \.csv, \.tsv, \.jsonl, \.parquet",
        "bad.parquet": "cannot be read",
        "broken.json": "cannot be read as JSON",
        "list.json": "has no list 'images'",
    }.items():
        with pytest.raises(DataError, match=message):
            read(tmp_path, table)
    with pytest.raises(DataError, match="is no folder"):
        read(tmp_path / "nowhere")
    assert seen(read(tmp_path, "gb.csv", encoding="gb18030"))[0] == ("a.jpg", ["一只猫在草地上"], "")


@pytest.mark.parametrize(
    ("text", "language"),
    [("a cat", "en"), ("iPhone 手机壳", "zh"), ("画像の犬", "ja"), ("고양이", "ko"), ("кот", "und"), ("42", "und")],
)
def test_the_script_suggests_the_language(text: str, language: str) -> None:
    assert language_of(text) == language

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.data.records import DataSet
from iconotext.data.sources.own import KINDS, bring
from iconotext.recipes.ingest import IngestOptions, SkippedItems, run

BOX = "1|2|3|4.5"
ROWS: dict[str, dict[str, Any]] = {
    "texts": {"image": "a.png", "text": "a red shoe"},
    "vqa": {"image": "a.png", "question": "what is it?", "answer": "a shoe"},
    "statements": {"left_image": "a.png", "right_image": "b.png", "text": "both are red", "label": "true"},
    "choices": {"image": "a.png", "question": "what is it?", "answers": "a shoe|a hat", "answer": "1"},
    "expressions": {"image": "a.png", "text": "the shoe", "box": BOX},
    "entailment": {"image": "a.png", "text": "a shoe is there", "label": "Entailment"},
    "queries": {"image": "a.png", "query": "red shoes", "title": "Runner 5", "grade": "2"},
    "objects": {"image": "a.png", "box": BOX, "class": "shoe"},
}


def lay(folder: Path, **tables: str) -> Path:
    """Write tables; "__" in a name is a dot, "_to_" a hyphen."""
    folder.mkdir(exist_ok=True)
    for name, content in tables.items():
        (folder / name.replace("__", ".").replace("_to_", "-")).write_text(content, "utf-8")
    return folder


def lines(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def pictures(folder: Path, *names: str) -> Path:
    for shade, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (6, 4), (shade, 0, 0)).save(folder / name)
    return folder


def made(tmp_path: Path, **tables: str) -> DataSet:
    """The data set of some tables, of which all rows are to train on, with the pictures a and b."""
    folder = pictures(lay(tmp_path / "mine", **tables), "a.png", "b.png")
    return run(IngestOptions(folder, tmp_path / "out", format="tables", split=(1.0, 0.0, 0.0)))


def problems(tmp_path: Path, **tables: str) -> list[tuple[str, str]]:
    return bring(lay(tmp_path / "mine", **tables)).problems


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "parquet"])
def test_every_table_in_every_form(tmp_path: Path, suffix: str) -> None:
    folder = pictures(tmp_path / "mine", "a.png", "b.png")
    for table, row in ROWS.items():
        file = folder / f"{table}.{suffix}"
        if suffix == "parquet":
            pq.write_table(pa.Table.from_pylist([row]), file)
        elif suffix == "jsonl":
            file.write_text(lines(row))
        else:
            between = "," if suffix == "csv" else "\t"
            file.write_text(f"{between.join(row)}\n{between.join(row.values())}\n")
    data = run(IngestOptions(folder, tmp_path / "out", format="tables", split=(1.0, 0.0, 0.0)))
    assert set(data.tables) == {"images", *ROWS}
    found = {table: data.table(table, "train").to_pylist() for table in ROWS}
    assert {table: len(rows) for table, rows in found.items()} == dict.fromkeys(ROWS, 1)
    assert found["texts"][0]["text"] == "a red shoe"
    assert found["vqa"][0] == {
        "question_id": "0",
        "image_id": "a.png",
        "question": "what is it?",
        "answers": ["a shoe"],
        "kind": "",
        "language": "en",
    }
    assert (found["statements"][0]["right_image"], found["statements"][0]["label"]) == ("b.png", True)
    choice = found["choices"][0]
    assert (choice["answers"], choice["answer"], choice["reasons"], choice["reason"]) == (
        ["a shoe", "a hat"],
        1,
        [],
        None,
    )
    assert found["expressions"][0]["box"] == [1.0, 2.0, 3.0, 4.5]
    assert found["entailment"][0]["label"] == "entailment"
    query = found["queries"][0]
    assert (query["image_ids"], query["grades"], query["titles"]) == (["a.png"], [2], ["Runner 5"])
    assert (found["objects"][0]["boxes"], found["objects"][0]["classes"]) == ([[1.0, 2.0, 3.0, 4.5]], [0])
    assert json.loads((data.path / "classes.json").read_text())["classes"] == ["shoe"]


def test_numbers_and_lists_are_taken_as_they_would_be_written(tmp_path: Path) -> None:
    data = made(
        tmp_path,
        vqa__jsonl=lines(
            {"image": "a.png", "question": "how many?", "answer": 3, "question_id": 17, "kind": None},
            {"image": "a.png", "question": "how many?", "answers": ["3", 4.0, "", 2.5]},
            {"image": "a.png", "question": "多少?", "answers": "three| a few |"},
            {"image": "a.png", "question": "is it red?", "answer": True, "language": "de"},
            {"image": "a.png", "question": "is it new?"},
            {"image": "a\ud800.png", "question": "\ud800?"},
        ),
        texts__jsonl=lines({"image": "./a.png", "text": ["one | two", "", "three"], "language": "fr"}),
    )
    rows = data.table("vqa", "train").to_pylist()
    assert [row["answers"] for row in rows] == [["3"], ["3", "4", "2.5"], ["three", "a few"], ["true"], []]
    assert [row["question_id"] for row in rows] == ["17", "1", "2", "3", "4"]
    assert [row["language"] for row in rows] == ["en", "en", "zh", "de", "en"]
    texts = data.table("texts", "train").to_pylist()
    assert [(row["image_id"], row["text"], row["language"]) for row in texts] == [
        ("a.png", "one | two", "fr"),
        ("a.png", "three", "fr"),
    ]


def test_split_by_column_then_by_name_then_by_the_picture(tmp_path: Path) -> None:
    names = [f"{number}.png" for number in range(40)]
    folder = pictures(tmp_path / "mine", "a.png", "b.png", *names)
    drawn = "".join(f"{name},what?\n" for name in names)
    lay(
        folder,
        vqa_to_val__csv="image,question,split\na.png,one?,\na.png,two?,Train\n",
        vqa_to_latest__csv=f"image,question\na.png,three?\n{drawn}",
        statements_to_2__csv="left_image,right_image,text\n0.png,1.png,alike\n",
        expressions_to_dev__jsonl=lines({"image": "b.png", "text": "it", "box": [0, 0, 2, 2]}),
        objects__csv=f"image,box\nb.png,{BOX}\n0.png,{BOX}\nb.png,0|0|1|1\n",
    )
    data = run(IngestOptions(folder, tmp_path / "out", format="tables", split=(0.5, 0.3, 0.2)))
    where = {name: split for split in data.splits for name in data.image_ids(split)}
    assert (where["a.png"], where["b.png"]) == ("train", "validation")
    assert set(where.values()) == {"train", "validation", "test"}
    asked = {
        split: [(row["image_id"], row["question"]) for row in data.table("vqa", split).to_pylist()]
        for split in data.splits
    }
    assert ("a.png", "one?") in asked["validation"]
    assert {("a.png", "two?"), ("a.png", "three?")} <= set(asked["train"])
    for split, rows in asked.items():
        assert all(where[image] == split for image, question in rows if question == "what?")
    assert data.table("statements", where["0.png"]).num_rows == 1
    objects = {row["image_id"]: row for split in data.splits for row in data.table("objects", split).to_pylist()}
    assert (len(objects["b.png"]["boxes"]), len(objects["0.png"]["boxes"])) == (2, 1)


def test_products_of_a_query_and_products_without_a_picture(tmp_path: Path) -> None:
    head = "query_id,query,image,title,grade,kind,split\n"
    rows = (
        "q1,red shoes,a.png,Runner,3,wear,test\n,hats,b.png,,,,\nq1,red shoes,lost.png,Racer,,,\n,hats,a.png,Cap,0,,\n"
    )
    data = made(tmp_path, queries__csv=head + rows)
    found = {row["query"]: row for split in data.splits for row in data.table("queries", split).to_pylist()}
    assert data.table("queries", "test")["query_id"].to_pylist() == ["q1"]
    shoes, hats = found["red shoes"], found["hats"]
    assert (shoes["image_ids"], shoes["grades"], shoes["titles"]) == (
        ["a.png", "lost.png"],
        [3, -1],
        ["Runner", "Racer"],
    )
    assert (hats["image_ids"], hats["grades"], hats["titles"], hats["kind"]) == (
        ["b.png", "a.png"],
        [-1, 0],
        ["", "Cap"],
        "",
    )
    report = json.loads((data.path / "report.json").read_text())
    assert [item["item"] for item in report["skipped_items"]] == ["lost.png"]


@pytest.mark.parametrize(
    ("table", "change", "why"),
    [
        ("vqa", {"image": " "}, "'image' is empty"),
        ("vqa", {"question": None}, "'question' is empty"),
        ("vqa", {"answers": ["a"]}, "it has 'answer' and 'answers'"),
        ("vqa", {"answer": {"text": "a"}}, "'answer' is no text"),
        ("vqa", {"split": "tomorrow"}, "'split' is 'tomorrow', none of train"),
        ("texts", {"text": ["", " "]}, "'text' is empty"),
        ("statements", {"label": "perhaps"}, "'label' is 'perhaps', none of true, false"),
        ("statements", {"right_image": ""}, "'right_image' is empty"),
        ("choices", {"answer": 2}, "'answer' is 2, but there are 2 to choose from, counted from 0"),
        ("choices", {"answer": "a hat"}, "'answer' is 'a hat', no whole number"),
        ("choices", {"answers": "a shoe||a hat"}, "'answers' has an empty part"),
        ("choices", {"answers": ["a shoe"]}, "there is nothing to choose among"),
        ("choices", {"reason": 0}, "'reason' is 0, but there are 0"),
        ("expressions", {"box": "1|2|3"}, "'box' is '1|2|3', no box"),
        ("expressions", {"box": [3, 2, 1, 4]}, "'box' is [3, 2, 1, 4], no box"),
        ("expressions", {"box": [0, 0, float("inf"), 4]}, "'box' is"),
        ("objects", {"box": "one|two|three|four"}, "'box' is"),
        ("entailment", {"label": "maybe"}, "'label' is 'maybe', none of entailment"),
        ("queries", {"grade": 1.5}, "'grade' is '1.5', no whole number"),
        ("queries", {"grade": 10**12}, "'grade' is 1000000000000, more than a table can hold"),
        ("vqa", {"image": "a" * 300}, "'image' is too long for a file's name"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_with_the_reason(
    tmp_path: Path, table: str, change: dict[str, Any], why: str
) -> None:
    found = problems(tmp_path, **{f"{table}__jsonl": lines(ROWS[table], {**ROWS[table], **change})})
    assert [place for place, _ in found] == [f"{table}.jsonl line 2"]
    assert why in found[0][1]


def test_rows_that_are_none(tmp_path: Path) -> None:
    good = '{"image": "a.png", "question": "q?"}'
    found = problems(
        tmp_path,
        vqa_to_1__jsonl=f'{good}\n\n{{"image": \n[1]\n"x"\n',
        vqa_to_2__csv='image,question,question_id\na.png,"two\nlines",7\na.png,q,7\na.png,q,8,more\nb.png\n',
    )
    assert [(place, why.split(":")[0]) for place, why in found] == [
        ("vqa-1.jsonl line 3", "not JSON"),
        ("vqa-1.jsonl line 4", "not a JSON object"),
        ("vqa-1.jsonl line 5", "not a JSON object"),
        ("vqa-2.csv line 4", "the id '7' is there before"),
        ("vqa-2.csv line 5", "more cells than the table has columns"),
        ("vqa-2.csv line 6", "'question' is empty"),
    ]


def test_what_is_left_out_is_reported_and_refused_when_strict(tmp_path: Path) -> None:
    table = "image,question,answer\na.png,one?,yes\nlost.png,two?,no\n,three?,no\n"
    folder = pictures(lay(tmp_path / "mine", vqa__csv=table), "a.png")
    options = IngestOptions(folder, tmp_path / "out", format="tables")
    data = run(options)
    text = (data.path / "report.txt").read_text()
    assert "vqa: 1 kept, 1 without their picture" in text
    assert "vqa.csv line 3: vqa of picture lost.png" in text
    assert "vqa.csv line 4: 'image' is empty" in text
    with pytest.raises(SkippedItems, match="2 of 3 items"):
        run(IngestOptions(folder, tmp_path / "strict", format="tables", strict=True))
    assert not (tmp_path / "strict" / "dataset.json").exists()


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        (
            "vqa.csv",
            "picture,question\na.png,q\n",
            "no column 'image'; it has 'picture', 'question'. It must have image, quest",
        ),
        ("statements.jsonl", '{"image": "a.png"}\n', "no column 'left_image', 'right_image', 'text'"),
        ("vqa.csv", 'image,question\na.png,"q\n', "cannot be read"),
        ("questions.csv", "image,question\na.png,q\n", "holds no table: texts, vqa, statements"),
        ("vqa.xlsx", "", "holds no table"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, name: str, content: str, why: str) -> None:
    lay(tmp_path, **{name.replace(".", "__"): content})
    with pytest.raises(DataError, match=why):
        bring(tmp_path)


def test_one_file_and_another_encoding(tmp_path: Path) -> None:
    file = tmp_path / "vqa.csv"
    file.write_bytes("image,question\na.png,红色的鞋？\n".encode("gb18030"))
    assert bring(file, "gb18030").rows[0].values["question"] == "红色的鞋？"
    with pytest.raises(DataError, match="name its encoding with --encoding"):
        bring(file)
    with pytest.raises(DataError, match="the name tells no table"):
        bring(lay(tmp_path, notes__csv="image\n") / "notes.csv")


anything = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 10**20) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=5,
)


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), table=st.sampled_from(sorted(KINDS)))
def test_whatever_stands_in_a_cell_the_row_is_used_or_named(tmp_path: Path, data: st.DataObject, table: str) -> None:
    columns = sorted({*ROWS[table], *KINDS[table].optional, "split", "language"})
    changed = data.draw(st.dictionaries(st.sampled_from(columns), anything, max_size=4))
    (tmp_path / f"{table}.jsonl").write_text(lines(ROWS[table]) + json.dumps({**ROWS[table], **changed}) + "\n")
    corpus = bring(tmp_path)
    (tmp_path / f"{table}.jsonl").unlink()
    rows = [row.values for row in corpus.rows]
    used = sum(len(row.get("image_ids", row.get("boxes", "1"))) for row in rows)
    used += sum(len(picture.texts) for picture in corpus.pictures.values())
    assert used >= 2 - len(corpus.problems)
    assert used >= 1
    assert all(place.startswith(f"{table}.jsonl line 2") and why for place, why in corpus.problems)

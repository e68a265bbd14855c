from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from iconotext.core.errors import DataError
from iconotext.data.sources.published import (
    FORMATS,
    coco,
    conceptual,
    flickr30k,
    gqa,
    karpathy,
    nlvr2,
    refcoco,
    snli_ve,
    vcr,
    vqa,
)
from iconotext.data.sources.published.corpus import split_of
from iconotext.data.unpickle import UnsafeData

IMAGE = {"id": 1, "file_name": "1.jpg", "width": 4, "height": 3}
THING = {"id": 7, "image_id": 1, "bbox": [0, 0, 2, 2], "category_id": 5, "iscrowd": 0}
INSTANCES = {"images": [IMAGE], "categories": [{"id": 5, "name": "cat"}], "annotations": [THING]}
QUESTION = {"imageId": "p", "question": "What?", "answer": "a", "isBalanced": True}
STATEMENT = {"identifier": "dev-1-0-0", "sentence": "Two dogs.", "label": "True"}
HYPOTHESIS = {"pairID": "1.jpg#0r0e", "Flickr30K_ID": "1", "sentence2": "A dog.", "gold_label": "neutral"}
KARPATHY = {"imgid": 0, "filename": "1.jpg", "split": "train", "sentids": [0], "sentences": [{"raw": "a", "sentid": 0}]}
VCR = {
    "annot_id": "val-0",
    "img_id": "val-0",
    "img_fn": "m/0.jpg",
    "metadata_fn": "m/0.json",
    "objects": ["person", "dog"],
    "question": ["Who", [0, 1], "?"],
    "answer_choices": [[[0], "."], [[1], "."]],
    "answer_label": 1,
    "rationale_choices": [["so"], ["thus"]],
    "rationale_label": 0,
}
REF = {
    "ref_id": 0,
    "ann_id": 7,
    "image_id": 1,
    "category_id": 5,
    "file_name": "1_0.jpg",
    "split": "val",
    "sent_ids": [3],
    "sentences": [{"sent_id": 3, "raw": "The Cat", "sent": "the cat", "tokens": ["the", "cat"]}],
}


def written(file: Path, value: Any) -> Path:
    """A file of JSON, of lines of JSON, of a pickle, or of text, by its suffix."""
    if file.suffix == ".p":
        file.write_bytes(pickle.dumps(value, protocol=2))
    elif file.suffix == ".jsonl":
        file.write_text("".join(json.dumps(row) + "\n" for row in value), "utf-8")
    else:
        file.write_text(value if isinstance(value, str) else json.dumps(value), "utf-8")
    return file


def refs(file: Path) -> list[refcoco.Reference]:
    instances = coco.read_coco_instances(written(file.with_name("instances.json"), INSTANCES))
    return refcoco.read_refcoco(file, instances)


WRONG: list[tuple[Callable[[Path], object], str, Any, str]] = [
    (coco.read_coco_captions, "c.json", [], "an object"),
    (coco.read_coco_captions, "c.json", {"images": [IMAGE]}, "no 'annotations'"),
    (coco.read_coco_captions, "c.json", {"images": [IMAGE, IMAGE], "annotations": []}, "there before"),
    (
        coco.read_coco_captions,
        "c.json",
        {"images": [IMAGE], "annotations": [{"id": 1, "image_id": 2, "caption": "x"}]},
        "is 2",
    ),
    (
        coco.read_coco_captions,
        "c.json",
        {"images": [IMAGE], "annotations": [{"id": 1, "image_id": 1, "caption": 5}]},
        "a text",
    ),
    (coco.read_coco_instances, "i.json", INSTANCES | {"annotations": [THING | {"bbox": [0, 0, -1, 2]}]}, "no box"),
    (coco.read_coco_instances, "i.json", INSTANCES | {"annotations": [THING | {"bbox": [0, 0, 1]}]}, "no box"),
    (coco.read_coco_instances, "i.json", INSTANCES | {"annotations": [THING | {"bbox": [0, 0, 1, True]}]}, "no finite"),
    (
        coco.read_coco_instances,
        "i.json",
        INSTANCES | {"annotations": [THING | {"category_id": 6}]},
        "'category_id' is 6",
    ),
    (coco.read_coco_instances, "i.json", '{"images": [', "cut"),
    (karpathy.read_karpathy, "k.json", {"images": [KARPATHY | {"split": "dev"}]}, "split 'dev'"),
    (karpathy.read_karpathy, "k.json", {"images": [KARPATHY | {"sentids": [0, 1]}]}, "'sentids'"),
    (karpathy.read_karpathy, "k.json", {"images": [KARPATHY, KARPATHY]}, "there before"),
    (flickr30k.read_flickr_tokens, "t.token", "1.jpg#0\ta\n1.jpg\tb\n", "line 2"),
    (flickr30k.read_flickr_tokens, "t.token", "1.jpg#0\ta\n1.jpg#0\tb\n", "line 2"),
    (flickr30k.read_flickr_tokens, "t.token", "1.jpg#0 a\n", "line 1"),
    (flickr30k.read_flickr_lines, "t.jsonl", [{"id": "1", "img_path": "1.jpg"}], "no 'sentences'"),
    (conceptual.read_conceptual, "c.tsv", "a\thttp://x\nb\n", "line 2"),
    (conceptual.read_conceptual, "c.tsv", "a\tb\tc\n", "line 1"),
    (gqa.read_gqa, "q.json", {"1": {"question": "What?"}}, "imageId"),
    (gqa.read_gqa, "q.json", {"1": QUESTION | {"isBalanced": 1}}, "true or false"),
    (gqa.read_gqa_short, "q.json", [{"img_id": "p", "question_id": "1", "sent": "x", "label": {"a": "1"}}], "a number"),
    (nlvr2.read_nlvr2, "n.jsonl", [STATEMENT, STATEMENT], "there before"),
    (nlvr2.read_nlvr2, "n.jsonl", [STATEMENT | {"label": "maybe"}], "maybe"),
    (nlvr2.read_nlvr2, "n.jsonl", [STATEMENT | {"identifier": "dev-1"}], "form"),
    (snli_ve.read_snli_ve, "s.jsonl", [HYPOTHESIS | {"gold_label": "maybe"}], "maybe"),
    (snli_ve.read_snli_ve, "s.jsonl", [{k: v for k, v in HYPOTHESIS.items() if k != "Flickr30K_ID"}], "no picture"),
    (vcr.read_vcr, "v.jsonl", [VCR | {"answer_label": 2}], "2 to choose from"),
    (vcr.read_vcr, "v.jsonl", [VCR | {"rationale_label": -1}], "2 to choose from"),
    (vcr.read_vcr, "v.jsonl", [VCR | {"question": ["Who", [2]]}], "the 2 objects"),
    (vcr.read_vcr, "v.jsonl", [VCR | {"answer_choices": ["no list", ["x"]]}], "list of words"),
    (vcr.read_vcr_boxes, "b.json", {"names": ["dog"], "boxes": [], "width": 1, "height": 1}, "1 names with 0 boxes"),
    (vqa.read_vqa_targets, "t.p", {"labels": []}, "a list of targets"),
    (
        vqa.read_vqa_targets,
        "t.p",
        [{"question_id": 1, "image_id": 1, "labels": [1], "scores": []}],
        "1 labels with 0 scores",
    ),
    (vqa.read_vqa_answers, "t.p", ["yes", 5], "no text"),
    (refs, "r.p", [REF | {"ann_id": 8}], "'ann_id' is 8"),
    (refs, "r.p", [REF | {"image_id": 2}], "'image_id' is 2"),
    (refs, "r.p", [REF | {"sent_ids": [4]}], "'sent_ids'"),
    (refs, "r.p", [REF, REF], "there before"),
    (refs, "r.p", {"ref_id": 0}, "a list of references"),
    (
        refcoco.read_refcoco_short,
        "m.json",
        {"images": [IMAGE | {"caption": "x", "original_id": 1}], "annotations": []},
        "0 things",
    ),
]


@pytest.mark.parametrize(("read", "name", "value", "said"), WRONG)
def test_what_contradicts_itself_is_refused_and_named(
    tmp_path: Path, read: Callable[[Path], object], name: str, value: Any, said: str
) -> None:
    file = written(tmp_path / name, value)
    with pytest.raises(DataError) as caught:
        read(file)
    assert said in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("read", [coco.read_coco_captions, nlvr2.read_nlvr2, vqa.read_vqa_targets])
def test_a_file_that_is_not_there_is_named(tmp_path: Path, read: Callable[[Path], object]) -> None:
    with pytest.raises(DataError, match="gone"):
        read(tmp_path / "gone.json")


def test_a_pickle_that_asks_for_a_function_is_not_obeyed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "t.pkl"
    file.write_bytes(b"cbuiltins\nopen\n(S'executed'\nS'w'\ntR.")
    with pytest.raises(UnsafeData, match=r"t\.pkl"):
        vqa.read_vqa_targets(file)
    assert [path.name for path in tmp_path.iterdir()] == ["t.pkl"]


def test_questions_and_annotations_belong_together(tmp_path: Path) -> None:
    asked = {"questions": [{"question_id": 1, "image_id": 2, "question": "What?"}]}
    answered = {"annotations": [{"question_id": 1, "image_id": 3, "answers": [{"answer": "a"}]}]}
    questions = written(tmp_path / "v2_OpenEnded_mscoco_val2014_questions.json", asked)
    annotations = written(tmp_path / "v2_mscoco_val2014_annotations.json", answered)
    with pytest.raises(DataError, match="'image_id' is 3, but question 1 has 2"):
        vqa.read_vqa(questions, annotations)
    annotations.unlink()
    with pytest.raises(DataError, match=r"v2_mscoco_val2014_annotations\.json is not beside it"):
        FORMATS["vqa"](tmp_path)
    test = questions.rename(tmp_path / "v2_OpenEnded_mscoco_test2015_questions.json")
    (row,) = FORMATS["vqa"](tmp_path).rows
    assert (row.split, row.values["answers"], row.place) == ("test", [], f"{test}, 'questions' 0")


def test_words_of_vcr_name_objects(tmp_path: Path) -> None:
    (asked,) = vcr.read_vcr(written(tmp_path / "v.jsonl", [VCR]))
    assert vcr.as_text(asked.question, asked.objects) == "Who Casey[0] and dog[1] ?"
    assert asked.with_answers() == [("Who", (0, 1), "?", "[SEP]", (1,), ".")]
    many = ["person"] * 16
    assert vcr.as_text(((0,), (14,)), many) == "Casey[0] Casey[14]"


def test_objects_of_another_picture_are_refused(tmp_path: Path) -> None:
    (asked,) = vcr.read_vcr(written(tmp_path / "v.jsonl", [VCR]))
    boxes = {"names": ["person", "cat"], "boxes": [[0, 0, 1, 1, 1]] * 2, "width": 1, "height": 1}
    with pytest.raises(DataError, match="not those of"):
        vcr.objects_of(asked, written(tmp_path / "b.json", boxes))


def test_things_of_a_reference_are_objects_of_its_picture(tmp_path: Path) -> None:
    written(tmp_path / "instances.json", INSTANCES | {"annotations": [THING | {"id": 6, "iscrowd": 1}, THING]})
    written(tmp_path / "refs(unc).p", [REF | {"split": "testAB"}])
    corpus = FORMATS["refcoco"](tmp_path)
    rows = [(row.table, row.split, row.values.get("object")) for row in corpus.rows]
    assert rows == [("expressions", "testA", 1), ("expressions", "testB", 1), ("objects", "testA", None)]
    assert (corpus.classes, corpus.rows[0].values["box"], corpus.rows[0].values["text"]) == (
        ("cat",),
        [0, 0, 2, 2],
        "The Cat",
    )
    written(tmp_path / "refs(google).p", [])
    with pytest.raises(DataError, match="name one of them"):
        FORMATS["refcoco"](tmp_path)


def test_captions_of_one_address_come_together(tmp_path: Path) -> None:
    written(tmp_path / "Train_GCC-training.tsv", 'a dog\thttp://x\n\n"NA"\thttp://x\n')
    (picture,) = FORMATS["conceptual_captions"](tmp_path).pictures.values()
    assert [caption.text for caption in picture.texts] == ["a dog", '"NA"']
    lines = conceptual.read_conceptual(tmp_path / "Train_GCC-training.tsv")
    assert [line.counter for line in lines] == ["00000000", "00000002"]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("v2_OpenEnded_mscoco_train2014_questions.json", "train"),
        ("testdev_balanced_questions.json", "test"),
        ("captions_val2014.json", "validation"),
        ("dev.json", "validation"),
        ("test1.json", "test"),
    ],
)
def test_a_name_tells_the_split(name: str, split: str) -> None:
    assert split_of(Path(name)) == split


def test_a_name_that_tells_no_split_and_an_empty_folder_are_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="the split"):
        split_of(Path("questions.json"))
    for bring in FORMATS.values():
        with pytest.raises(DataError, match="name the folder of the annotations"):
            bring(tmp_path)


def test_choices_of_gqa_come_with_the_questions(tmp_path: Path) -> None:
    program = [{"operation": "select", "argument": "dog (1)"}, {"operation": "query", "argument": "name"}]
    written(tmp_path / "val_balanced_questions.json", {"01": QUESTION | {"semantic": program}, "02": QUESTION})
    written(tmp_path / "val_choices.json", {"01": {"valid": ["a", "b"], "plausible": ["a"]}})
    rows = [row.values for row in FORMATS["gqa"](tmp_path).rows if row.table == "gqa"]
    assert [(row["question_id"], row["steps"], row["valid"], row["plausible"]) for row in rows] == [
        ("01", 1, ["a", "b"], ["a"]),
        ("02", 0, None, None),
    ]


def test_a_question_in_two_files_is_taken_once(tmp_path: Path) -> None:
    for name in ("val_balanced_questions.json", "val_all_questions.json", "submission_all_questions.json"):
        written(tmp_path / name, {"01": QUESTION})
    assert [row.table for row in FORMATS["gqa"](tmp_path).rows] == ["vqa", "gqa"]
    (tmp_path / "vqa").mkdir()
    for name in ("test2015", "test-dev2015"):
        asked = {"questions": [{"question_id": 1, "image_id": 2, "question": "What?"}]}
        written(tmp_path / "vqa" / f"v2_OpenEnded_mscoco_{name}_questions.json", asked)
    assert len(FORMATS["vqa"](tmp_path / "vqa").rows) == 1


def test_metadata_of_vcr_may_lie_beside_the_annotations(tmp_path: Path) -> None:
    for folder in ("vcr1annots", "vcr1images/m"):
        (tmp_path / folder).mkdir(parents=True)
    written(tmp_path / "vcr1annots" / "val.jsonl", [VCR])
    with pytest.raises(DataError, match="with its boxes, is nowhere"):
        FORMATS["vcr"](tmp_path)
    boxes = {"names": ["person", "dog"], "boxes": [[0, 0, 1, 1, 1]] * 2, "width": 1, "height": 1}
    written(tmp_path / "vcr1images" / "m" / "0.json", boxes)
    corpus = FORMATS["vcr"](tmp_path)
    assert [row.table for row in corpus.rows] == ["objects", "choices"]
    assert corpus.classes == ("person", "dog")

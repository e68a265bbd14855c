"""A little data set with its regions: coloured things side by side, said in words that a small model can learn."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from iconotext.core.fingerprint import Fingerprint
from iconotext.core.seed import generator
from iconotext.data.records import SCHEMAS, DataSet, DataSetWriter, write_table
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.data.words import Words
from iconotext.models.checkpoint import Features, save
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System

THINGS = ("dog", "cat", "cup", "tree")
COLOURS = ("red", "blue", "green")
FEATURES = len(THINGS) + len(COLOURS)
PRINT = Fingerprint("toy", "none", "pool", "none", "RGB", "all", "float16", FEATURES, len(THINGS) + 1, len(COLOURS))
SPLITS = {"train": 48, "validation": 8, "test": 12}


COLUMNS = (
    ("texts", "text"),
    ("vqa", "question"),
    ("expressions", "text"),
    ("choices", "question"),
    ("statements", "text"),
)


def scene(image_id: str) -> list[tuple[int, int]]:
    """(thing, colour) of two to four different things."""
    random = generator("toy scene", image_id)
    things = random.permutation(len(THINGS))[: random.integers(2, 4)]
    return [(int(thing), int(random.integers(len(COLOURS)))) for thing in things]


def named(thing: int, colour: int) -> str:
    return f"a {COLOURS[colour]} {THINGS[thing]}"


def texts(image_id: str) -> list[tuple[str, str, str]]:
    """(text, its false twin, kind) of two captions."""
    (first, paint), (second, other) = scene(image_id)[:2]
    twin = named(first, (paint + 1) % len(COLOURS))
    return [
        (f"{named(first, paint)} and {named(second, other)}", f"{twin} and {named(second, other)}", "pair"),
        (f"there is {named(second, other)}", "", "one"),
    ]


def questions(image_id: str) -> list[tuple[str, list[str], str]]:
    """(question, answers, kind): a colour, and whether there is a thing."""
    inside = scene(image_id)
    thing, colour = inside[0]
    asked = generator("toy question", image_id).integers(len(THINGS))
    there = asked in {thing for thing, _ in inside}
    return [
        (f"what colour is the {THINGS[thing]}", [COLOURS[colour]], "colour"),
        (f"is there a {THINGS[asked]}", ["yes" if there else "no"], "exists"),
    ]


def boxes_of(image_id: str) -> list[list[float]]:
    """Where its things are, side by side."""
    return [[60.0 * i, 40.0, 60.0 * i + 50, 90.0] for i in range(len(scene(image_id)))]


def expressions(image_id: str) -> list[tuple[str, int, list[float]]]:
    """(description, which thing, its box) of each thing."""
    things = zip(scene(image_id), boxes_of(image_id))
    return [(f"the {COLOURS[paint]} {THINGS[thing]}", i, box) for i, ((thing, paint), box) in enumerate(things)]


def phrases(image_id: str) -> list[tuple[str, list[tuple[int, tuple[int, int]]]]]:
    """(caption, its phrases: which thing, where it begins and ends in letters)."""
    names = [named(thing, paint) for thing, paint in scene(image_id)[:2]]
    (pair, _, _), (one, _, _) = texts(image_id)
    found = [[(i, pair.index(name)) for i, name in enumerate(names)], [(1, one.index(names[1]))]]
    return [
        (text, [(i, (begin, begin + len(names[i]))) for i, begin in places]) for text, places in zip((pair, one), found)
    ]


def choice(image_id: str) -> tuple[str, list[str], int, list[str], int]:
    """A question on the first thing's colour, three answers, the right one, three reasons, the right one."""
    (thing, paint), (other, tint) = scene(image_id)[:2]
    names = [f"because {named(other, colour)}[1] is beside the {THINGS[thing]}[0]" for colour in range(len(COLOURS))]
    answers = [f"the {THINGS[thing]}[0] is {colour}" for colour in COLOURS]
    return f"what colour is the {THINGS[thing]}[0]", answers, paint, names, tint


def statement(left: str, right: str, number: int) -> tuple[str, bool]:
    """A statement on two images, and whether it is true."""
    thing = number % len(THINGS)
    there = [thing in {one for one, _ in scene(image)} for image in (left, right)]
    return f"both pictures show a {THINGS[thing]}", all(there)


def entailment(image_id: str) -> list[tuple[str, str]]:
    """(sentence, label): true, of another colour, of a thing that is not there."""
    (thing, paint), inside = scene(image_id)[0], {one for one, _ in scene(image_id)}
    absent = next(other for other in range(len(THINGS)) if other not in inside)
    return [
        (named(thing, paint), "entailment"),
        (named(thing, (paint + 1) % len(COLOURS)), "contradiction"),
        (named(absent, paint), "neutral"),
    ]


def queries(split: str, images: Sequence[str]) -> list[dict[str, Any]]:
    """Queries for a thing in a colour, each with twelve products: 3 for both, 1 for the thing alone, 0 for others.

    Two products of a query have no picture and a title that says it all; of the others every second has one that says nothing.
    """
    rows = []
    for number, image in enumerate(images):
        (thing, paint), products = (
            scene(image)[0],
            [images[(number + i) % len(images)] for i in range(min(10, len(images)))],
        )
        inside = [scene(product) for product in products]
        grades = [3 if (thing, paint) in things else int(thing in dict(things)) for things in inside]
        titles = ["", "there is a", "", "there is a", "", "there is a", "", "there is a", "", "there is a"][
            : len(products)
        ]
        other = (thing + 1) % len(THINGS)
        rows.append(
            {
                "query_id": f"{split}-u{number}",
                "query": f"{COLOURS[paint]} {THINGS[thing]}",
                "image_ids": [*products, f"gone-{number}-0", f"gone-{number}-1"],
                "grades": [*grades, 3, 0],
                "titles": [*titles, named(thing, paint), named(other, paint)],
                "kind": "dog" if thing == 0 else "other",
                "language": "en",
            }
        )
    return rows


def make_data(path: Path, splits: dict[str, int] = SPLITS) -> DataSet:
    """The data set, without pictures: regions are all that a model reads."""
    writer = DataSetWriter(path, "toy", {"command": "toy"}, ["en"])
    for split, count in splits.items():
        images = [f"{split}-{i}" for i in range(count)]
        said = [(f"{i}-t{n}", i, *text) for i in images for n, text in enumerate(texts(i))]
        ids, owners, true, false, kinds = zip(*said)
        rows = {"text_id": ids, "image_id": owners, "text": true, "language": ["en"] * len(ids), "kind": kinds}
        table = pa.table({**rows, "matched": [True] * len(ids), "swapped": false})
        write_table(writer.shard("texts", split, 0), table)
        asked = [(f"{i}-q{n}", i, *question) for i in images for n, question in enumerate(questions(i))]
        ids, owners, questions_, answers, kinds = zip(*asked)
        rows = {"question_id": ids, "image_id": owners, "question": questions_, "answers": answers, "kind": kinds}
        writer.write("vqa", split, 0, {**rows, "language": ["en"] * len(ids)})
        for name, rows in {"queries": queries(split, images), **tables_of(split, images)}.items():
            columns = {column: [row[column] for row in rows] for column in SCHEMAS[name].names}
            writer.write(name, split, 0, columns)
    return writer.finish()


def tables_of(split: str, images: Sequence[str]) -> dict[str, list[dict[str, Any]]]:
    """The rows of the tables of all other tasks."""
    rows: dict[str, list[dict[str, Any]]] = {}
    common = {"language": "en"}
    for number, image in enumerate(images):
        boxes, own = boxes_of(image), {"image_id": image, **common}
        nothing = {"classes": [0] * len(boxes), "colours": [0] * len(boxes), "sizes": [""] * len(boxes)}
        rows.setdefault("objects", []).append({**own, "boxes": boxes, **nothing})
        for text, thing, box in expressions(image):
            found = {"expression_id": f"{image}-e{thing}", "text": text, "object": thing, "box": box}
            rows.setdefault("expressions", []).append({**own, **found})
        for n, (text, false, kind) in enumerate(texts(image)):
            entry = {"pair_id": f"{image}-m{n}", "kind": kind, "text": text, "swapped": false}
            rows.setdefault("minimal_pairs", []).append({**own, **entry})
        for n, (text, spans) in enumerate(phrases(image)):
            meant = [(THINGS[scene(image)[thing][0]], [boxes[thing]]) for thing, _ in spans]
            entry = {"sentence_id": f"{image}-t{n}", "text": text, "spans": [span for _, span in spans]}
            entry |= {"entities": [str(thing) for thing, _ in spans], "types": [[kind] for kind, _ in meant]}
            rows.setdefault("phrases", []).append({**own, **entry, "boxes": [found for _, found in meant]})
        question, answers, answer, reasons, reason = choice(image)
        options = {"answers": answers, "answer": answer, "reasons": reasons, "reason": reason, "objects": [0]}
        rows.setdefault("choices", []).append({**own, "choice_id": f"{image}-c", "question": question, **options})
        other = images[(number + 1) % len(images)]
        text, label = statement(image, other, number)
        pair = {"statement_id": f"{split}-1-{number}-0", "left_image": image, "right_image": other}
        rows.setdefault("statements", []).append({**common, **pair, "text": text, "label": label})
        for n, (text, label) in enumerate(entailment(image)):
            entry = {"entailment_id": f"{image}-h{n}", "text": text, "label": label}
            rows.setdefault("entailment", []).append({**own, **entry})
        asked = questions(image)
        for n, (question, (answer,), kind) in enumerate(asked):
            types = {"structural": "query" if kind == "colour" else "verify", "semantic": "attr", "detailed": kind}
            entry = {"question_id": f"{image}-g{n}", "question": question, "answer": answer, "balanced": True, **types}
            entry |= {"group": None, "steps": 2, "entailed": [f"{image}-g{1 - n}"]}
            entry |= {"valid": [answer, "none of them"], "plausible": [answer]}
            rows.setdefault("gqa", []).append({**own, **entry})
    return rows


def make_store(path: Path, splits: dict[str, int] = SPLITS, fingerprint: Fingerprint = PRINT) -> RegionStore:
    """The regions of all its images."""
    writer = StoreWriter(path, fingerprint, ("background", *THINGS), COLOURS)
    writer.write_shard(
        0, [regions(f"{split}-{i}", scene(f"{split}-{i}")) for split in splits for i in range(splits[split])]
    )
    return writer.finish()


def regions(image_id: str, things: Sequence[tuple[int, int]]) -> ImageRegions:
    """A region a thing, side by side; what it is and its colour are its features, with a little noise."""
    random, count = generator("toy regions", image_id), len(things)
    thing, colour = (np.array(column) for column in zip(*things))
    left = np.arange(count) * 60.0
    features = np.hstack([np.eye(len(THINGS))[thing], np.eye(len(COLOURS))[colour]])
    return ImageRegions(
        image_id,
        (256, 192),
        np.stack([left, np.full(count, 40), left + 50, np.full(count, 90)], 1).astype(np.float32),
        np.ones(count, np.float32),
        (features + 0.05 * random.standard_normal(features.shape)).astype(np.float16),
        np.eye(len(THINGS) + 1)[thing + 1].astype(np.float16),
        colour.astype(np.int32),
        np.ones(count, np.float32),
    )


def make_words(data: DataSet) -> Words:
    """A tokenizer that knows all its words."""
    texts = [data.table(table, split, [column]) for table, column in COLUMNS for split in SPLITS]
    return Words.train([text for table in texts for text in table.column(0).to_pylist()], 200)


def save_pretrained(path: Path, page: System, words: Words, store: RegionStore) -> PretrainModel:
    """A checkpoint as pre-training leaves it, with random weights."""
    torch.manual_seed(0)
    model = PretrainModel(page, words.vocab.size, store.feature_dim, store.class_count, len(store.attribute_names))
    features = Features(store.fingerprint, tuple(store.class_names), tuple(store.attribute_names))
    save(path, model, words.tokenizer.to_str(), features, {"command": "pretrain"})
    return model.eval()

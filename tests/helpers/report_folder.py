"""A folder of runs as a demo leaves it, with invented figures: what a report is made of."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

from iconotext.core.fingerprint import Fingerprint
from iconotext.data.records import DataSet, DataSetWriter
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter

NAMES = ("background", "car", "tree", "fish", "star")
COLOURS = ("red", "green", "blue")


def write_data(folder: Path, pictures: int = 8) -> DataSet:
    """Plain pictures with two boxes each."""
    writer = DataSetWriter(
        folder, "Boxes & <pictures>", {"command": "test", "licence": "CC BY-SA 4.0, https://example.org"}, ["en"]
    )
    ids = [f"p{i}" for i in range(pictures)]
    images = [{"bytes": _picture(i), "path": f"{name}.png"} for i, name in enumerate(ids)]
    sides = {"width": [128] * pictures, "height": [96] * pictures}
    writer.write("images", "test", 0, {"image_id": ids, "image": images, **sides})
    rows = {
        "image_id": ids,
        "boxes": [[[10.0, 10.0, 60.0, 60.0], [70.0, 30.0, 120.0, 90.0]]] * pictures,
        "classes": [[0, 1]] * pictures,
        "colours": [[0, -1]] * pictures,
        "sizes": [["big", "big"]] * pictures,
    }
    writer.write("objects", "test", 0, rows)
    return writer.finish()


def _picture(index: int) -> bytes:
    picture = Image.new("RGB", (128, 96), (40 * index % 255, 120, 90))
    ImageDraw.Draw(picture).rectangle((10, 10, 60, 60), fill="red")
    held = io.BytesIO()
    picture.save(held, "PNG")
    return held.getvalue()


def write_store(folder: Path, data: DataSet, names: tuple[str, ...] = NAMES) -> RegionStore:
    """The true boxes of the test pictures as regions, and one that the detector is not sure of."""
    classes = len(names)
    fingerprint = Fingerprint("test", "none", "none", "none", "rgb", "true boxes", "float16", 4, classes, len(COLOURS))
    writer = StoreWriter(folder, fingerprint, names, COLOURS)
    rows = data.table("objects", "test").to_pylist()
    writer.write_shard(0, [_regions(row, data.image(row["image_id"]).size, classes) for row in rows])
    return writer.finish()


def _regions(row: dict[str, Any], size: tuple[int, int], classes: int) -> ImageRegions:
    boxes = np.array([*row["boxes"], [1, 1, 9, 9]], np.float32)
    count = len(boxes)
    probs = np.full((count, classes), 0.01, np.float16)
    if classes:
        probs[np.arange(count), [*(1 + np.array(row["classes"]) % (classes - 1)), 0]] = 0.9
    return ImageRegions(
        image_id=row["image_id"],
        size=size,
        boxes=boxes,
        scores=np.array([*np.linspace(0.99, 0.8, count - 1), 0.05], np.float32),
        features=np.zeros((count, 4), np.float16),
        class_probs=probs,
        attributes=np.array([*(c % len(COLOURS) if c >= 0 else -1 for c in row["colours"]), -1], np.int32),
        attribute_scores=np.full(count, 0.7, np.float32),
    )


def write_runs(root: Path, data: DataSet, store: RegionStore) -> Path:
    """A pre-trained run that was measured, and fine-tuned ones with what was left out of each."""
    about = {
        "type": "PretrainOptions",
        "data": str(data.path),
        "store": str(store.path),
        "system": "uniter",
        "split": "test",
    }
    train = {"type": "TrainConfig", "steps": 1800, "learning_rate": 1e-3, "betas": [0.9, 0.98]}
    system = {"type": "System", "name": "uniter", "title": "UNITER", "width": 128, "heads": 4}
    run = {"command": "pretrain", "options": about, "train": train, "data": data.fingerprint, "texts": 15000}
    losses = {"mlm": (5.6, 0.9, 0), "mrc_soft": (4.1, 0.5, 0), "itm": (0.7, 0.12, 900), "wra": (0.5, 0.2, 900)}
    write_run(root / "pretrain", run, _log(1800, losses, 1e-3, 1180.0), {"system": system, "task": None})
    save_file({"weight": torch.zeros(1900, 1000)}, root / "pretrain" / "model.safetensors")
    for name, value in {"vqa": 0.812, "vqa-scratch": 0.573, "vqa-blind": 0.387}.items():
        options = {"command": "finetune", "task": "vqa", "options": {"data": str(data.path)}, "train": {"steps": 600}}
        log = _log(600, {"vqa": (2.9, 1.4 - value, 0)}, 5e-4, 1420.0)
        log += [
            {"kind": "evaluate", "step": s, "accuracy": value * (1 - 0.7 ** (s / 60))} for s in range(100, 601, 100)
        ]
        write_run(root / name, options, log, {"system": system, "task": {"type": "TaskKind", "name": "vqa"}})
        blind = name.endswith("blind")
        ends = (", regions removed",) if blind else ("", ", regions removed")
        figures = [_figure(f"VQA accuracy{end}", value if blind or not end else 0.31) for end in ends]
        kinds = [
            {**_figure(f"{kind}{end}", value - 0.05 * i), "kind": kind}
            for end in ends
            for i, kind in enumerate(("exists", "colour", "count"))
        ]
        write_json(
            root / name / "evaluation.json",
            {"task": "vqa", "split": "test", "blind": blind, "figures": figures, "by_kind": kinds},
        )
    pq.write_table(pa.Table.from_pylist(_answers(data)), root / "vqa" / "predictions.parquet")
    for name, value in {"retrieval": 0.88, "retrieval-scratch": 0.41}.items():
        options = {"command": "finetune", "task": "retrieval", "options": {}, "train": {"steps": 400}}
        write_run(root / name, options, _log(400, {"retrieval": (3.1, 2 - value, 0)}, 5e-4, 380.0), {"system": system})
        names = ("text to image R@1", "text to image R@5", "image to text R@1")
        figures = [_figure(n, value - 0.03 * i) for i, n in enumerate(names)]
        write_json(root / name / "evaluation.json", {"task": "retrieval", "figures": figures, "by_kind": []})
    write_json(root / "pretrain" / "measures.json", measures(data, store))
    return root


def write_run(folder: Path, about: dict[str, Any], log: list[dict[str, Any]], config: dict[str, Any]) -> None:
    """The files of one run."""
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "run.json", {**about, "versions": {"iconotext": "0.1.0", "torch": "2.15.0"}})
    write_json(folder / "config.json", config)
    write_json(folder / "features.json", {"fingerprint": {"detector": "world", "feature_dim": 256}})
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log), "utf-8")


def write_json(file: Path, value: object) -> None:
    """JSON on disk."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(value, ensure_ascii=False), "utf-8")


def _log(steps: int, losses: dict[str, tuple[float, float, int]], rate: float, speed: float) -> list[dict[str, Any]]:
    """Lines every 10 steps; a loss falls from its first value to its second, from a step on."""
    random = np.random.default_rng(steps)
    lines: list[dict[str, Any]] = [{"kind": "note", "step": 0, "text": "precision: fp32 (as asked for)"}]
    for step in range(10, steps + 1, 10):
        now = {
            name: last + (first - last) * 0.05 ** ((step - begin) / (steps - begin)) + 0.06 * first * random.normal()
            for name, (first, last, begin) in losses.items()
            if step > begin
        }
        line = {
            "kind": "step",
            "step": step,
            "learning_rate": rate * min(step / (0.1 * steps), (steps - step) / (0.9 * steps)),
            "losses": now,
            "gradient_norm": 1.2,
            "rows_per_second": speed * (1 + 0.05 * random.normal()),
            "seconds": step * 128 / speed,
            "waiting": 0.02,
            "memory_mb": 1380,
            "tokens_per_second": 24 * speed,
        }
        lines.append(line)
    return lines


def measures(data: DataSet, store: RegionStore) -> dict[str, Any]:
    """The figures and examples of a measured run."""
    claims = [
        ("masked_object", "Masked object word, with the picture", 0.713, 0.6, "at least"),
        ("masked_object_without", "The same, regions removed", 0.031, 0.05, "at most"),
        ("masked_colour", "Masked colour word", 0.842, 0.6, "at least"),
        ("itm_random", "Matching, captions of other pictures", 0.961, 0.93, "at least"),
        ("itm_colour", "Matching, one colour swapped", 0.788, 0.8, "at least"),
        ("r1_list", "Search among 200 pictures, list captions", 0.905, 0.8, "at least"),
        ("r1_relation", "Search among 200 pictures, relation captions", 0.415, 0.5, "at least"),
        ("left_right", "Left and right swapped", 0.512, 0.5, "reported"),
    ]
    keys = ("key", "name", "value", "bar", "bar_is")
    spread = {"low": 0.032, "high": 0.029}
    return {
        "data": str(data.path),
        "store": str(store.path),
        "split": "test",
        "system": "uniter",
        "run": "pretrain",
        "claims": [
            {
                **dict(zip(keys, claim)),
                "low": max(0.0, claim[2] - spread["low"]),
                "high": claim[2] + spread["high"],
                "n": 800,
                "note": "Test pictures, fixed seed; the caption's one noun is hidden and the best guess counts.",
            }
            for claim in claims
        ],
        "examples": _examples(data),
    }


def _examples(data: DataSet) -> dict[str, Any]:
    ids = data.image_ids("test")

    def at(i: int) -> str:
        return ids[i % len(ids)]

    masked = [
        {
            "image_id": at(i),
            "text": text,
            "word": word,
            "with": [
                [word if i != 2 else "kite", 0.91],
                ["horse", 0.05],
                ["sheep", 0.02],
                ["dog", 0.01],
                ["pig", 0.004],
            ],
            "without": [["dog", 0.06], ["fish", 0.05], ["cake", 0.04], ["star", 0.04], ["caterpillar", 0.03]],
        }
        for i, (text, word) in enumerate(
            [
                ("this picture shows a [MASK] and four pandas", "microscope"),
                ("a red [MASK] to the left of a helicopter on a wooden floor", "cow"),
                ("two [MASK] on the grass", "fish"),
                ("图中木地板上有四只[MASK]和一台显微镜", "熊猫"),
            ]
        )
    ]
    queries = [
        {
            "query": query,
            "answer_image": at(3 * i + (1 if i < 3 else 40)),
            "ranking": [[at(3 * i + k), 0.98 - 0.11 * k] for k in range(6)],
        }
        for i, query in enumerate(
            ["cactus and cookie", "水面上的饼干", "microscope on a wooden floor", "three fish and a purple star"]
        )
    ]
    return {"masked_words": masked, "regions": [{"image_id": at(i)} for i in range(6)], "queries": queries}


def _answers(data: DataSet) -> list[dict[str, Any]]:
    """What a model said to two questions on each picture, every fourth wrongly."""
    asked = (
        ("how many pandas are there?", "four"),
        ("is there a <b>book</b> in the picture", "no"),
        ("有没有显微镜？", "有"),
    )
    ids = data.image_ids("test")
    cases = [(image_id, *asked[(i + k) % 3], bool(i % 4)) for i, image_id in enumerate(ids) for k in range(2)]
    return [
        {
            "question_id": f"q{i}",
            "image_id": image_id,
            "question": question,
            "answers": [answer],
            "kind": "exists",
            "language": "en",
            "predicted": answer if right else "yes",
            "score": 0.97 - 0.5 * i / len(cases),
            "accuracy": float(right),
            "blind_predicted": "two",
            "blind_score": 0.3,
            "blind_accuracy": 0.0,
        }
        for i, (image_id, question, answer, right) in enumerate(cases)
    ]


def _figure(name: str, value: float) -> dict[str, Any]:
    return {"name": name, "value": value, "low": value - 0.02, "high": value + 0.02, "n": 1500}

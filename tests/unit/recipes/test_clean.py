"""The command that finds wrong captions: by models that have not seen their pictures, after any stop, as it was told to."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from samples import tiny
from toy_data import make_data, make_store, make_words, save_pretrained

from iconotext.core.errors import ConfigError, FingerprintError, MissingPiece
from iconotext.core.seed import Draw
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore, StoreWriter
from iconotext.models.checkpoint import load
from iconotext.objectives.base import Negatives
from iconotext.objectives.itm import ITM
from iconotext.objectives.mix import Phases, Together, choose, objectives
from iconotext.objectives.mlm import MLM
from iconotext.recipes import clean
from iconotext.recipes.clean import CleanOptions, Judging, lesson, run
from iconotext.systems import SYSTEMS

SPLITS = {"train": 24, "validation": 4, "test": 4}
MATCH = ITM(negatives=Negatives(0.5, "text", swapped=0.5))
PAGE = tiny(SYSTEMS["uniter"], mix=Phases(((0.5, MLM()), (0.5, Together((MLM(), MATCH))))))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of which one text in four is another picture's, its regions but for one picture, and a model."""
    folder = tmp_path_factory.mktemp("clean")
    data, store = make_data(folder / "data", SPLITS), make_store(folder / "all", SPLITS)
    shard = data.shards("texts", "train")[0]
    texts = pq.read_table(shard).to_pydict()
    for row in range(0, len(texts["text"]), 4):
        texts["text"][row], texts["matched"][row] = texts["text"][row - 5], False
        texts["swapped"][row] = ""
    texts["language"] = ["zh" if row == 3 else "en" for row in range(len(texts["text"]))]
    pq.write_table(pa.table(texts), shard)
    writer = StoreWriter(folder / "store", store.fingerprint, store.class_names, store.attribute_names)
    writer.write_shard(0, [store.get(name) for name in store.ids if name != "train-7"])
    save_pretrained(folder / "model", PAGE, make_words(data), writer.finish())
    return folder


def options(folder: Path, out: Path, **changes: Any) -> CleanOptions:
    few = {"remove": 0.25, "steps": 2, "batch": 8, "workers": 0, "precision": "fp32", "examples": 5}
    return CleanOptions(folder / "data", folder / "model", folder / "store", out, **{**few, **changes})


def trained_on(folder: Path, place: Path, fingerprint: str) -> Path:
    """The model, with a note of the data that it was trained on."""
    place.mkdir()
    for file in (folder / "model").iterdir():
        (place / file.name).write_bytes(file.read_bytes())
    about = json.loads((place / "run.json").read_text())
    (place / "run.json").write_text(json.dumps({**about, "data": fingerprint}))
    return place


def test_what_it_writes(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, out = DataSet.open(folder / "data"), tmp_path / "out"
    assert run(options(folder, out)) == out / "report.html"
    scores = pq.read_table(out / "scores.parquet").to_pylist()
    assert len(scores) == 46, "two texts have a picture without regions"
    ordered = sorted(row["score"] for row in scores)
    removed = ordered.index(ordered[round(0.25 * 46)])
    assert sum(not row["kept"] for row in scores) == removed
    assert max(row["score"] for row in scores if not row["kept"]) <= min(row["score"] for row in scores if row["kept"])
    assert {row["fold"] for row in scores} == {0, 1}
    place = {row["text_id"]: number for number, row in enumerate(data.table("texts", "train").to_pylist())}
    assert all(row["matched"] == bool(place[row["text_id"]] % 4) for row in scores)

    cleaned = DataSet.open(out / "data")
    left = cleaned.table("texts", "train").to_pylist()
    gone = {row["text_id"] for row in scores if not row["kept"]}
    assert left == [row for row in data.table("texts", "train").to_pylist() if row["text_id"] not in gone]
    assert {"train-7-t0", "train-7-t1"} <= {row["text_id"] for row in left}
    assert cleaned.table("vqa", "train").equals(data.table("vqa", "train"))
    assert cleaned.info["made_by"]["from"]["fingerprint"] == data.fingerprint

    report = json.loads((out / "report.json").read_text())
    assert (report["scored"], report["not_scored"], report["pictures"], report["removed"]) == (46, 2, 23, removed)
    assert report["cleaned"] == cleaned.fingerprint
    assert report["truth"]["wrong"] == pytest.approx(sum(not row["matched"] for row in scores) / 46)
    precision = next(f for f in report["truth"]["figures"] if "precision" in f["name"])
    assert precision["value"] == pytest.approx(sum(not r["matched"] for r in scores if not r["kept"]) / removed)
    assert sum(report["counts"]["pairs"]) == 46
    page = (out / "report.html").read_text("utf-8")
    assert "46 pairs of 23 pictures were scored" in page
    assert "The worst pairs" in page
    assert "does not say what it was trained on" in capsys.readouterr().err


def test_no_model_has_seen_a_picture_that_it_scores(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[str, set[str]]] = []
    judged: list[tuple[str, set[str]]] = []
    whole = Judging.pairs
    known: set[str] = set()

    def pairs(judging: Judging, words: Any, images: Sequence[str]) -> Any:
        found = whole(judging, words, images)
        assert set(found.images) == set(images)
        assert found.swapped is None, "false twins would tell which captions are right"
        known.update(found.images)
        return found

    monkeypatch.setattr(Judging, "pairs", pairs)
    learn, score = clean.learn, clean.score
    monkeypatch.setattr(
        clean, "learn", lambda j, images, place: (learned.append((place.name, {*images})), learn(j, images, place))[1]
    )
    monkeypatch.setattr(
        clean,
        "score",
        lambda j, images, place, fold: (judged.append((place.name, {*images})), score(j, images, place, fold))[1],
    )
    run(options(folder, tmp_path / "out", folds=3))
    assert [name for name, _ in learned] == [name for name, _ in judged] == ["fold-0", "fold-1", "fold-2"]
    for (_, seen), (_, asked) in zip(learned, judged):
        assert not seen & asked
        assert seen | asked == known
    owner = {image: fold for fold, (_, images) in enumerate(judged) for image in images}
    for row in pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist():
        assert row["fold"] == owner[row["image_id"]]
    assert load(tmp_path / "out" / "fold-1").run["images"] == len(learned[1][1])


def test_folds_hang_on_the_ids_alone(folder: Path, tmp_path: Path) -> None:
    store, asked = RegionStore.open(folder / "all"), options(folder, tmp_path / "out")
    data = DataSet.open(folder / "data")
    parts = clean.dealt(data, asked, store)
    assert sorted(image for part in parts for image in part) == sorted(
        set(data.table("texts", "train")["image_id"].to_pylist())
    )
    fewer = clean.dealt(data, asked, RegionStore.open(folder / "store"))
    assert [[image for image in part if image != "train-7"] for part in parts] == fewer
    for folds, said in ((1, "2 or more"), (24, "Take fewer folds")):
        with pytest.raises(ConfigError, match=said):
            clean.dealt(data, dataclasses.replace(asked, folds=folds), store)


def test_after_a_stop_it_goes_on(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(options(folder, tmp_path / "whole"))
    done: list[str] = []
    losses_of, score = clean.losses_of, clean.score

    def losses(*given: Any) -> Any:
        done.append("step")
        if len(done) == 2:
            raise KeyboardInterrupt
        return losses_of(*given)

    def scored(judging: Judging, images: Sequence[str], place: Path, fold: int) -> pa.Table:
        done.append(place.name)
        if done.count("fold-1") == 1 and place.name == "fold-1":
            raise KeyboardInterrupt
        return score(judging, images, place, fold)

    monkeypatch.setattr(clean, "losses_of", losses)
    monkeypatch.setattr(clean, "score", scored)
    asked = options(folder, tmp_path / "out", save_every=1)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            run(asked)
        assert not (tmp_path / "out" / "data").exists()
    run(asked)
    assert done == ["step", "step", "step", "fold-0", "step", "step", "fold-1", "fold-1"]
    mine, theirs = (DataSet.open(tmp_path / name / "data") for name in ("out", "whole"))
    assert mine.fingerprint == theirs.fingerprint
    assert pq.read_table(tmp_path / "out" / "scores.parquet").equals(
        pq.read_table(tmp_path / "whole" / "scores.parquet")
    )


def test_cutting_elsewhere_keeps_the_scores_and_other_scores_are_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    run(options(folder, out))
    first = pq.read_table(out / "scores.parquet")
    with pytest.raises(ConfigError, match="steps: there 2, asked 3"):
        run(options(folder, out, steps=3))
    monkeypatch.delattr(clean, "train")
    run(options(folder, out, remove=0.5))
    second = pq.read_table(out / "scores.parquet")
    assert second["score"].equals(first["score"])
    ordered = sorted(first["score"].to_pylist())

    def left() -> int:
        return DataSet.open(out / "data").table("texts", "train").num_rows

    # Pairs that score as the first one that stays do stay.
    assert left() == 48 - ordered.index(ordered[23])
    run(options(folder, out, remove=None, threshold=ordered[30]))
    assert left() == 48 - ordered.index(ordered[30])


def test_weights_instead_of_removal(folder: Path, tmp_path: Path) -> None:
    run(options(folder, tmp_path / "out", weigh=True, remove=0.4))
    rows = pq.read_table(tmp_path / "out" / "scores.parquet").to_pylist()
    texts = DataSet.open(tmp_path / "out" / "data").table("texts", "train").to_pylist()
    given = {row["text_id"]: row["weight"] for row in rows}
    assert all(row["weight"] == given.get(row["text_id"], 1.0) > 0 for row in texts)
    assert len(texts) == 48 - sum(not row["kept"] for row in rows)
    assert any(0 < weight < 1 for weight in given.values())
    ordered = [row["weight"] for row in sorted(rows, key=lambda row: row["score"])]
    assert ordered == sorted(ordered)


def test_what_the_folds_begin_with(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = DataSet.open(folder / "data")
    own = trained_on(folder, tmp_path / "own", data.fingerprint)
    other = trained_on(folder, tmp_path / "other", "another")
    cases = (
        (own, {}, True, "was trained on this data: each of the 2 folds begins with new weights"),
        (other, {}, False, "was trained on other data: each of the 2 folds begins with its weights"),
        (other, {"scratch": True}, True, "As asked: each of the 2 folds begins with new weights"),
    )
    for number, (model, more, fresh, said) in enumerate(cases):
        run(
            dataclasses.replace(options(folder, tmp_path / str(number), learning_rate=0.0, seed=1, **more), model=model)
        )
        begun, folds = load(model).model.state_dict(), load(tmp_path / str(number) / "fold-0").model.state_dict()
        assert all(bool((folds[name] == tensor).all()) for name, tensor in begun.items() if "word" in name) != fresh
        assert said in " ".join(capsys.readouterr().err.split())
    asked = options(folder, tmp_path / "x", steps=None)
    store, saved = RegionStore.open(folder / "store"), load(folder / "model")
    recipe = PAGE.recipe.steps
    assert Judging(asked, data, store, saved, fresh=True).steps == recipe
    assert Judging(asked, data, store, saved, fresh=False).steps == -(-recipe // clean.SHORTER)


@pytest.mark.parametrize("name", sorted(SYSTEMS))
def test_what_a_fold_learns(name: str) -> None:
    """Hidden words, then these and matching; of the pages that can match, every size."""
    for size in ("base", "tiny"):
        mix = SYSTEMS[name].at(size).mix
        own = {o.name for o in objectives(mix)}
        if not own & set(clean.MATCHING):
            continue
        again, fresh = lesson(mix, False), lesson(mix, True)
        assert {o.name for o in objectives(again)} == own & {"mlm", *clean.MATCHING}
        assert all(o.only_matched for o in objectives(again) if isinstance(o, MLM))
        assert {o.name for o in choose(again, 0, 0, 10)} == own & {"mlm", *clean.MATCHING}
        early, late = ({o.name for o in choose(fresh, 0, index, 10)} for index in (0, 9))
        assert early == ({"mlm"} if "mlm" in own else late)
        assert late == own & {"mlm", *clean.MATCHING}


def test_what_cannot_be_done_is_refused(folder: Path, tmp_path: Path) -> None:
    for wrong, said in (
        ({"threshold": 0.0}, "give one of them"),
        ({"remove": 1.0}, "--remove 1.0"),
        ({"examples": 0}, "--examples 0"),
        ({"remove": None, "threshold": 1e9}, "no pair scores as high"),
        ({"language": "fr"}, "a fold has 0 pictures"),
    ):
        with pytest.raises(ConfigError, match=said):
            run(options(folder, tmp_path / "out", **wrong))
    data, store = DataSet.open(folder / "data"), RegionStore.open(folder / "store")
    save_pretrained(tmp_path / "mute", tiny(SYSTEMS["uniter"], mix=MLM()), make_words(data), store)
    asked = options(folder, tmp_path / "mute-out")
    with pytest.raises(MissingPiece, match="cannot score pairs"):
        run(dataclasses.replace(asked, model=tmp_path / "mute"))
    make_store(tmp_path / "strange", SPLITS, dataclasses.replace(store.fingerprint, layer="other"))
    with pytest.raises(FingerprintError, match="layer"):
        run(dataclasses.replace(asked, store=tmp_path / "strange"))


def test_scores_left_to_themselves(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the models tell mismatches, as many pairs go as are wrong; where they do not, nothing is made."""

    def score(judging: Judging, images: Sequence[str], place: Path, fold: int) -> pa.Table:
        pairs = judging.pairs(make_words(judging.data), images)
        texts = judging.data.table("texts", "train").to_pydict()
        truth = dict(zip(texts["text_id"], texts["matched"]))
        rows = [(name, pairs.images[i], fold) for name, i in zip(pairs.ids, pairs.image_of)]
        spread = [n / 100 for n in range(len(rows))]
        scores = [4.0 * truth[name] * good + s for (name, _, _), s in zip(rows, spread)]
        columns = dict(zip(("text_id", "image_id", "fold"), zip(*rows)))
        return pa.table(
            {**columns, "score": pa.array(scores, pa.float32()), "mismatched": pa.array(spread, pa.float32())}
        )

    monkeypatch.setattr(clean, "learn", lambda *_: None)
    monkeypatch.setattr(clean, "score", score)
    good = 1.0
    run(options(folder, tmp_path / "good", remove=None))
    report = json.loads((tmp_path / "good" / "report.json").read_text())
    figures = {figure["name"].split(" (")[-1]: figure["value"] for figure in report["truth"]["figures"]}
    assert figures["AUC)"] == 1.0
    assert report["estimated_share"] == pytest.approx(report["truth"]["wrong"], abs=0.1)
    assert figures["recall)"] == pytest.approx(1.0, abs=0.2)
    good = 0.0
    with pytest.raises(ConfigError, match="Train longer"):
        run(options(folder, tmp_path / "bad", remove=None))
    assert not (tmp_path / "bad" / "data").exists()


@pytest.mark.parametrize("name", ["vilbert", "unimo", "dual_encoder"])
def test_systems_that_score_in_other_ways(folder: Path, tmp_path: Path, name: str) -> None:
    data, store = DataSet.open(folder / "data"), RegionStore.open(folder / "store")
    save_pretrained(tmp_path / "model", SYSTEMS[name].at("tiny"), make_words(data), store)
    asked = options(folder, tmp_path / "out", steps=1)
    run(dataclasses.replace(asked, model=tmp_path / "model"))
    assert json.loads((tmp_path / "out" / "report.json").read_text())["scored"] == 46


def test_known_mismatches_are_pairs_that_the_data_does_not_have(folder: Path, tmp_path: Path) -> None:
    data, store = DataSet.open(folder / "data"), RegionStore.open(folder / "store")
    asked = options(folder, tmp_path / "out")
    parts = clean.dealt(data, asked, store)
    pairs = Judging(asked, data, store, load(folder / "model"), True).pairs(make_words(data), parts[0])
    rows = pa.array(range(len(pairs))).to_numpy()
    drawn = pairs.draw(rows, Draw(0, 0, rows), 1.0, "image", 0.0)
    said = {(pairs.image_of[row], pairs.strings[row]) for row in rows}
    assert not drawn.matched.any()
    assert all((image, pairs.strings[row]) not in said for row, image in zip(rows, drawn.image))

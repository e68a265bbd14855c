"""What ``iconotext clean`` makes of the scores: where to cut, the cleaned data set, the figures and the page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from rich.console import Console

import iconotext
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.files import write_bytes, write_json
from iconotext.data.derive import derive
from iconotext.data.records import DataSet, write_table
from iconotext.explain.cleaning import page, story
from iconotext.explain.pictures import Pictures
from iconotext.tasks.metrics.intervals import Figure, figure, resampled
from iconotext.tasks.metrics.mismatch import belief, mismatched_share
from iconotext.tasks.metrics.relevance import auc

SHARES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5)
"""The shares of which the report says what would be removed."""
MOST = 0.9
"""The estimated share from which the scores say nothing."""
PARTS = 40
"""Bars of a histogram."""
BORDER = 12
"""Pairs that the report shows on each side of the threshold."""


@dataclass(frozen=True)
class Cut:
    """Which pairs go: a share, those below a threshold, or (neither) as many as seem mismatched. ``weigh`` keeps the doubtful.

    Raises:
        ConfigError: both are given, or the share is none.
    """

    remove: float | None = None
    threshold: float | None = None
    weigh: bool = False

    def __post_init__(self) -> None:
        if self.remove is not None and self.threshold is not None:
            raise ConfigError("--remove and --threshold both say where to cut: give one of them.")
        if self.remove is not None and not 0 < self.remove < 1:
            raise ConfigError(f"--remove {self.remove}: it is a share, between 0 and 1.")


@dataclass(frozen=True)
class Scored:
    """The scores of the pairs of a split: ``table`` has a row for each that has a picture with regions."""

    data: DataSet
    split: str
    table: pa.Table

    @cached_property
    def scores(self) -> NDArray[np.float64]:
        """The score [N] of each pair."""
        return np.asarray(self.table["score"], np.float64)

    @cached_property
    def known(self) -> NDArray[np.float64]:
        """The scores [K] of the known mismatches.

        Raises:
            DataError: there are none.
        """
        found = np.asarray(self.table["mismatched"].drop_null(), np.float64)
        if not len(found):
            raise DataError(
                f"{self.data.path}: every text stands with every picture, so that nothing shows a mismatch."
            )
        return found

    @cached_property
    def units(self) -> NDArray[np.int64]:
        """The number [N] of each pair's picture."""
        return np.unique(np.asarray(self.table["image_id"]), return_inverse=True)[1]

    @cached_property
    def right(self) -> NDArray[np.bool_] | None:
        """Whether each pair [N] belongs together, where the data knows that some do not."""
        texts = self.data.table("texts", self.split, ["text_id", "matched"])
        truth = dict(zip(texts["text_id"].to_pylist(), texts["matched"].to_pylist()))
        found = np.array([truth[name] is not False for name in self.table["text_id"].to_pylist()])
        return None if found.all() else found


@dataclass(frozen=True)
class Choice:
    """What becomes of the pairs: ``weights`` [N] say how often pre-training sees each, 0 that it goes.

    ``estimated`` is the share that seems to be mismatched, ``share`` the one that was cut by.
    """

    estimated: float
    share: float
    threshold: float
    weights: NDArray[np.float64]

    @property
    def kept(self) -> NDArray[np.bool_]:
        """The pairs [N] that stay."""
        return self.weights > 0


def choose(scored: Scored, cut: Cut) -> Choice:
    """Where to cut.

    Raises:
        ConfigError: it was left to the scores, and they tell pairs from mismatches too badly; or nothing would stay.
    """
    scores, estimated = scored.scores, mismatched_share(scored.scores, scored.known)
    if cut.threshold is not None:
        threshold = cut.threshold
    else:
        if cut.remove is None and estimated > MOST:
            raise ConfigError(
                f"{estimated:.0%} of the pairs score like pairs put together at random, so that the models have hardly learned "
                "to tell them. Train longer (--steps), or say --remove SHARE."
            )
        gone = round((estimated if cut.remove is None else cut.remove) * len(scores))
        threshold = float(np.sort(scores)[min(gone, len(scores) - 1)])
    share = float((scores < threshold).mean())
    weights = belief(scores, scored.known, share) if cut.weigh else (scores >= threshold).astype(np.float64)
    if not weights.any():
        raise ConfigError(f"--threshold {cut.threshold}: no pair scores as high; the highest is {scores.max():.3g}.")
    return Choice(estimated, share, threshold, weights)


def write(scored: Scored, cut: Cut, out: Path, about: Mapping[str, Any], examples: int) -> Path:
    """Writes the data set, the scores, the figures and the page; returns the path of the page."""
    choice = choose(scored, cut)
    right = scored.right
    columns = {"weight": choice.weights.astype(np.float32), "kept": choice.kept}
    table = scored.table
    for name, values in (columns if right is None else {**columns, "matched": right}).items():
        table = table.append_column(name, pa.array(values))
    write_table(out / "scores.parquet", table)
    cleaned = data_set(scored, cut, choice, out / "data", about)
    figures = figures_of(scored, cut, choice) | {"made_with": dict(about), "cleaned": cleaned.fingerprint}
    write_json(out / "report.json", figures)
    pictures = Pictures(scored.data, None)
    shown = {"worst": listed(scored, choice, np.argsort(scored.scores, kind="stable")[:examples])}
    shown |= {"gone": border(scored, choice, removed=True), "stay": border(scored, choice, removed=False)}
    write_bytes(out / "report.html", page(figures, shown, pictures, pictures.licence).encode())
    say(figures, out)
    return out / "report.html"


def data_set(scored: Scored, cut: Cut, choice: Choice, out: Path, about: Mapping[str, Any]) -> DataSet:
    """The data set without the pairs that go; with a column ``weight`` where they are weighed.

    Texts that were not scored stay as they are.
    """
    given = dict(zip(scored.table["text_id"].to_pylist(), choice.weights.tolist()))

    def change(texts: pa.Table) -> pa.Table:
        weights = np.array([given.get(name, 1.0) for name in texts["text_id"].to_pylist()])
        if cut.weigh:
            before = texts["weight"].to_pylist() if "weight" in texts.column_names else [1.0] * len(texts)
            often = pa.array([w * (1.0 if b is None else b) for w, b in zip(weights.tolist(), before)], pa.float32())
            texts = texts.drop_columns(["weight"]) if "weight" in texts.column_names else texts
            texts = texts.append_column("weight", often)
        return texts.filter(pa.array(weights > 0))

    made = scored.data.info.get("made_by", {})
    made_by = {
        "command": "clean",
        "options": {**asdict(cut), "threshold": choice.threshold, "scores": dict(about)},
        "version": iconotext.__version__,
        "from": {"fingerprint": scored.data.fingerprint, "made_by": made},
        **({"licence": made["licence"]} if "licence" in made else {}),
    }
    return derive(scored.data, out, made_by, "texts", scored.split, change)


def figures_of(scored: Scored, cut: Cut, choice: Choice) -> dict[str, Any]:
    """All that the page says in numbers, as JSON values."""
    scores, known, right = scored.scores, scored.known, scored.right
    folds = scored.table["fold"].to_numpy()
    every = np.concatenate([scores, known])
    edges = np.linspace(every.min(), every.max(), PARTS + 1)
    others = ~np.isnan(scored.table["mismatched"].to_numpy(zero_copy_only=False))
    groups = {"pairs": scores, "mismatched": known}
    groups |= {} if right is None else {"right": scores[right], "wrong": scores[~right]}
    return {
        "format": "iconotext-cleaning/1",
        "data": scored.data.info["name"],
        "split": scored.split,
        "scored": len(scores),
        "not_scored": scored.data.table("texts", scored.split, ["text_id"]).num_rows - len(scores),
        "pictures": int(scored.units.max()) + 1,
        "estimated_share": choice.estimated,
        "asked": asdict(cut),
        "share": choice.share,
        "threshold": choice.threshold,
        "removed": int((~choice.kept).sum()),
        "mean_weight": float(choice.weights.mean()),
        "edges": edges.tolist(),
        "counts": {name: np.histogram(values, edges)[0].tolist() for name, values in groups.items()},
        "folds": [
            {
                "fold": int(fold),
                "pairs": int((folds == fold).sum()),
                "pictures": len(np.unique(scored.units[folds == fold])),
                "told_apart": told_apart(scored, (folds == fold) & others),
                **({} if right is None else {"auc": _auc(scores[folds == fold], right[folds == fold])}),
            }
            for fold in np.unique(folds)
        ],
        "shares": [share_of(scored, share) for share in SHARES],
        "truth": None if right is None else truth_of(scored, choice, right),
    }


def told_apart(scored: Scored, rows: NDArray[np.bool_]) -> float:
    """How often a text scores higher with its own picture than with the other."""
    other = scored.table["mismatched"].to_numpy(zero_copy_only=False)
    return float((scored.scores[rows] > other[rows]).mean()) if rows.any() else 0.0


def share_of(scored: Scored, share: float) -> dict[str, float]:
    """What removing a share would remove."""
    order = np.argsort(scored.scores, kind="stable")
    gone = order[: round(share * len(order))]
    found = {"share": share, "removed": len(gone), "threshold": float(scored.scores[order[len(gone)]])}
    right = scored.right
    if right is not None and len(gone):
        wrong = ~right[gone]
        found |= {"precision": float(wrong.mean()), "recall": float(wrong.sum() / (~right).sum())}
    return found


def truth_of(scored: Scored, choice: Choice, right: NDArray[np.bool_]) -> dict[str, Any]:
    """What the cut is worth, where the data knows what is wrong."""
    units, gone = scored.units, ~choice.kept
    rows = np.split(np.argsort(units, kind="stable"), np.cumsum(np.bincount(units))[:-1])

    def area(chosen: NDArray[np.int64]) -> float:
        drawn = np.concatenate([rows[unit] for unit in chosen])
        return _auc(scored.scores[drawn], right[drawn])

    # A resample of a little data set may hold nothing wrong, or nothing else.
    low, high = np.nanpercentile(resampled(area, len(rows), 0, "auc"), [2.5, 97.5])
    whole = Figure(
        "a right pair scores above a wrong one (AUC)", area(np.arange(len(rows))), float(low), float(high), len(right)
    )
    parts = (
        ("removed pairs that are wrong (precision)", ~right, gone),
        ("wrong pairs that are removed (recall)", gone, ~right),
        ("right pairs that are removed", gone, right),
        ("kept pairs that are wrong", ~right, ~gone),
    )
    found = [whole, *(figure(name, what[of].astype(float), units[of]) for name, what, of in parts)]
    return {
        "wrong": float((~right).mean()),
        "figures": [asdict(entry) for entry in found],
        "weights": {"right": float(choice.weights[right].mean()), "wrong": float(choice.weights[~right].mean())},
    }


def _auc(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    return auc(scores, right.astype(np.int64))


def border(scored: Scored, choice: Choice, removed: bool) -> list[dict[str, Any]]:
    """The pairs next to the threshold on one side, the nearest first."""
    order, at = np.argsort(scored.scores, kind="stable"), int((scored.scores < choice.threshold).sum())
    return listed(scored, choice, order[max(0, at - BORDER) : at][::-1] if removed else order[at : at + BORDER])


def listed(scored: Scored, choice: Choice, rows: NDArray[np.int64]) -> list[dict[str, Any]]:
    """Some pairs as the page shows them."""
    texts = scored.data.table("texts", scored.split, ["text_id", "text"])
    said = dict(zip(texts["text_id"].to_pylist(), texts["text"].to_pylist()))
    found = scored.table.take(rows).select(["text_id", "image_id", "score"]).to_pylist()
    right = scored.right
    return [
        {**entry, "text": said[entry["text_id"]], "weight": float(choice.weights[row])}
        | ({} if right is None else {"right": bool(right[row])})
        for row, entry in zip(rows.tolist(), found)
    ]


def say(figures: Mapping[str, Any], out: Path) -> None:
    """Print what was found."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(story(figures))
    for entry in (figures["truth"] or {"figures": ()})["figures"]:
        console.print(f"  {entry['name']}  {entry['value']:.1%}  ({entry['low']:.1%} - {entry['high']:.1%})")
    console.print(f"Written to {out / 'data'}, scores.parquet, report.html and report.json")

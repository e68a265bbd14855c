"""How relevant products are to a search query: their order by graded labels, from title and picture (table ``queries``).

A product goes by its picture's id; ``titles``, where not null, give each product a text, in the order of ``image_ids``.
A product whose picture has no regions in the store is read by its title alone: it is scored, never dropped. Grades begin at 0
for none; one that is null or negative is not known. ``kind`` sorts the queries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from iconotext.core.batch import Loss
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.seed import Draw, scramble, uniform
from iconotext.data.collate import Seating
from iconotext.data.store import PackedRegions, RegionStore
from iconotext.models.system import System
from iconotext.models.task import TaskKind, second_segment
from iconotext.tasks.base import Examples, Measure, Rows, Said, Source, TaskBatch, lists
from iconotext.tasks.choices import seated
from iconotext.tasks.metrics.relevance import auc, ndcg, reciprocal_rank

Form = Literal["listwise", "pairwise", "pointwise"]
DEPTHS = (5, 10)
"""The k of NDCG; the last one is what a query's order is judged by."""


@dataclass(frozen=True)
class Relevance:
    """A score of each product, read after its query.

    Head: one number a pair, that of image-text matching to begin with. Group: ``products`` of one query's, drawn anew in every
    epoch, one of the best grade and one below it among them; each [CLS] query [SEP] title [SEP] with the product's regions.
    Loss, a mean over the queries: "listwise": cross entropy between the grades as shares and the softmax of the scores, which
    bounds NDCG (Bruch et al., ICTIR 2019). "pairwise": softplus of the lower grade's score minus the higher one's, mean over
    such pairs (RankNet: Burges et al., ICML 2005). "pointwise": binary cross entropy with the grade's share of the highest.
    Where the segment after the words' is the regions', titles are in a new one that begins as the words' own.
    """

    name: ClassVar[str] = "relevance"
    table: ClassVar[str] = "queries"
    form: Form = "listwise"
    segments: tuple[int, ...] = ()
    products: int = 8

    @property
    def kind(self) -> TaskKind:
        """A score head."""
        return TaskKind(self.name, "score", form=self.form, segments=self.segments)

    def loss(self, scores: Float[Tensor, "E K"], micro: TaskBatch) -> Loss:
        """The loss of the queries."""
        each = LOSSES[self.form](scores.float(), micro.targets)
        return Loss(each.sum(), each.new_tensor(float(len(each))))

    def examples(self, source: Source, split: str, training: bool) -> Listed:
        """The queries of a split; those to train on have products of more than one grade."""
        rows = source.read(self.table, split)
        return Listed(source, rows, self.products if training else 0)


@dataclass(frozen=True)
class RelevanceOptions:
    """Fine-tune a pre-trained model to order products by how relevant they are to a query."""

    loss: Form = "listwise"
    """listwise: the products of a query against each other; pairwise: any two of them; pointwise: each on its own."""
    products: int = 8
    """Products of a query that are read at a time in training."""

    def task(self, source: Source, split: str, page: System) -> Relevance:
        """The task with segments as the page has them."""
        if self.products < 2:
            raise ConfigError(f"--products {self.products}: an order needs at least 2 products of a query at a time.")
        own = (0,) if second_segment(page) == 2 else ()
        return Relevance(self.loss, own, self.products)


def listwise(scores: Float[Tensor, "E K"], grades: Float[Tensor, "E K"]) -> Float[Tensor, "E"]:
    """Cross entropy between shares of the grades and the softmax of the scores; a grade below 0 is no product at all."""
    gone, gains = grades < 0, grades.clamp(min=0)
    shares = scores.masked_fill(gone, -torch.inf).log_softmax(1).masked_fill(gone, 0.0)
    return -(gains * shares).sum(1) / gains.sum(1).clamp(min=1e-12)


def pairwise(scores: Float[Tensor, "E K"], grades: Float[Tensor, "E K"]) -> Float[Tensor, "E"]:
    """Mean softplus of the lower minus the higher graded score; a grade below 0 is no product at all."""
    better = (grades[:, :, None] > grades[:, None, :]) & (grades >= 0)[:, None, :]
    missed = nn.functional.softplus(scores[:, None, :] - scores[:, :, None])
    return (missed * better).sum((1, 2)) / better.sum((1, 2)).clamp(min=1)


def pointwise(scores: Float[Tensor, "E K"], grades: Float[Tensor, "E K"]) -> Float[Tensor, "E"]:
    """Mean binary cross entropy with the grade as it is, from 0 to 1; a grade below 0 is no product at all."""
    there = grades >= 0
    each = nn.functional.binary_cross_entropy_with_logits(scores, grades.clamp(min=0), reduction="none")
    return (each * there).sum(1) / there.sum(1).clamp(min=1)


LOSSES = {"listwise": listwise, "pairwise": pairwise, "pointwise": pointwise}


class Listed(Examples):
    """Queries with their products: all of them, padded to the longest list, or with ``drawn`` so many of each at a time."""

    figure = f"relevance NDCG@{DEPTHS[-1]}"

    def __init__(self, source: Source, rows: list[dict[str, Any]], drawn: int) -> None:
        self.store, self.drawn = source.store, drawn
        sold = [_products(row) for row in rows]
        if drawn:
            sold = [[product for product in found if product[2] >= 0] for found in sold]
        kept = [i for i, found in enumerate(sold) if len({grade for _, _, grade in found}) > bool(drawn)]
        every = [product for i in kept for product in sold[i]]
        self.rows, self.products = [rows[i] for i in kept], [name for name, _, _ in every]
        self.grades = np.array([grade for _, _, grade in every], np.float64)
        self.pictured = np.array([name in self.store for name in self.products], np.bool_)
        if not self.pictured.any():
            raise DataError(
                f"{source.data.path}: none of {len(rows)} queries has "
                + ("products of two grades and " if drawn else "")
                + f"a product with regions in {self.store.path}. Extract regions of this data set, or name the right store."
            )
        self.begin = np.cumsum([0, *(len(sold[i]) for i in kept)])
        self.group = drawn or int(np.diff(self.begin).max())
        self.highest = max(1.0, float(self.grades.max()))
        self.least = int(np.ceil(self.highest / 2))
        # One more of each, which is empty: what pads a list.
        self.queries = source.words.encode([*(row["query"] for row in self.rows), ""])
        titles = [title for _, title, _ in every]
        self.titles = source.words.encode([*titles, ""]) if any(titles) else None
        self.separator = source.words.vocab.separator
        self.units = [row["query_id"] for row in self.rows]
        self.kinds = [row.get("kind") or "" for row in self.rows]
        self._regions = np.zeros(len(every), np.int64)
        there = [name for name, seen in zip(self.products, self.pictured) if seen]
        self._regions[self.pictured] = self.store.counts[self.store.rows(there)]

    def __len__(self) -> int:
        return len(self.rows)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of each query with its products; of drawn ones as many as are to be expected."""
        counts = np.diff(self.begin)
        words = self.queries.lengths[:-1].repeat(counts)
        if self.titles is not None:
            words = words + 1 + self.titles.lengths[:-1]
        each = np.minimum(words, max_words) + 2 + np.minimum(self._regions, max_regions)
        total = np.add.reduceat(each, self.begin[:-1])
        expected: Rows = np.ceil(total / counts * np.minimum(counts, self.group)).astype(np.int64)
        return expected

    def pictures(self) -> list[list[str]]:
        """The products of each query."""
        return [self.products[begin:end] for begin, end in zip(self.begin, self.begin[1:])]

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The queries with products, and the grade of each as a share of the highest [n, K]; -1 where there is none."""
        keys = draw.keys("products")
        chosen = np.full((len(rows), self.group), len(self.products))
        for i, row in enumerate(rows.tolist()):
            found = self._lot(row, keys[i]) if self.drawn else np.arange(self.begin[row], self.begin[row + 1])
            chosen[i, : len(found)] = found
        flat = chosen.ravel()
        empty = flat == len(self.products)
        queries = self.queries.rows(np.where(empty, len(self.rows), rows.repeat(self.group)))
        titles = None if self.titles is None else self.titles.rows(flat)
        regions = gathered(self.store, ["" if none else self.products[i] for i, none in zip(flat.tolist(), empty)])
        batch = seated(seats, queries, titles, regions, draw.positions.repeat(self.group), self.group, self.separator)
        grades = np.append(self.grades, -1.0)[chosen]
        shares = np.where(grades < 0, -1.0, grades / self.highest)
        return TaskBatch(Relevance.name, batch, torch.from_numpy(shares.astype(np.float32)))

    def _lot(self, row: int, key: np.uint64) -> NDArray[np.int64]:
        """Some products of a query: one of the best, one that is not, and others."""
        own = np.arange(self.begin[row], self.begin[row + 1])
        order = own[np.argsort(uniform(key ^ scramble(own.astype(np.uint64))), kind="stable")]
        best = self.grades[order] == self.grades[order].max()
        first, second = int(best.argmax()), int((~best).argmax())
        return np.concatenate([order[[first, second]], np.delete(order, [first, second])])[: self.group]

    def said(self, rows: Rows, scores: Float[Tensor, "n K"]) -> Said:
        """The best product, the scores of all, and how right their order is: NDCG."""
        each = [self._own(row, found) for row, found in zip(rows.tolist(), scores.double().numpy())]
        best = [self.products[self.begin[row] + int(found.argmax())] for row, found in zip(rows, each)]
        return {
            "predicted": np.array(best, object),
            "score": np.array([found.max() for found in each]),
            "scores": lists([found.tolist() for found in each]),
            "accuracy": self._figures(partial(ndcg, k=DEPTHS[-1]), dict(zip(rows.tolist(), each))),
        }

    def _own(self, row: int, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores[: self.begin[row + 1] - self.begin[row]]

    def _figures(
        self,
        measure: Callable[[NDArray[np.float64], NDArray[np.float64]], float],
        scores: dict[int, NDArray[np.float64]],
        within: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float64]:
        """A figure of each query, over its products whose grade is known, or only those ``within``."""
        counted = self.grades >= 0 if within is None else (self.grades >= 0) & within
        out = []
        for row, found in scores.items():
            part = slice(self.begin[row], self.begin[row + 1])
            keep = counted[part]
            out.append(measure(found[keep], self.grades[part][keep]) if keep.any() else np.nan)
        return np.array(out, np.float64)

    def columns(self) -> dict[str, Any]:
        """The queries with their products."""
        parts = [slice(begin, end) for begin, end in zip(self.begin, self.begin[1:])]
        return {
            "query_id": self.units,
            "query": [row["query"] for row in self.rows],
            "products": [self.products[part] for part in parts],
            "titles": pa.array([row.get("titles") for row in self.rows], pa.list_(pa.string())),
            "grades": [self.grades[part].tolist() for part in parts],
            "pictured": [self.pictured[part].tolist() for part in parts],
            "kind": self.kinds,
            "language": [row["language"] for row in self.rows],
        }

    def measures(self, said: Said) -> list[Measure]:
        """NDCG, AUC and MRR of the queries; NDCG among products with and without a picture; order by grade, of products.

        AUC and MRR count products as relevant from half of the highest grade on. A product's order is the share of its query's
        products of other grades that stand on the right side of it; ties count half.
        """
        scores = {row: np.array(found, np.float64) for row, found in enumerate(said["scores"])}
        deep = partial(ndcg, k=DEPTHS[-1])
        found = {f"NDCG@{k}": self._figures(partial(ndcg, k=k), scores) for k in DEPTHS}
        found["AUC"] = self._figures(partial(auc, least=self.least), scores)
        found["MRR"] = self._figures(partial(reciprocal_rank, least=self.least), scores)
        if not self.pictured.all():
            found[f"NDCG@{DEPTHS[-1]} among products with a picture"] = self._figures(deep, scores, self.pictured)
            found[f"NDCG@{DEPTHS[-1]} among products without a picture"] = self._figures(deep, scores, ~self.pictured)
        measures = [Measure(f"relevance {name}", values, self.units, self.kinds) for name, values in found.items()]
        queries = [self.units[row] for row in np.arange(len(self)).repeat(np.diff(self.begin))]
        grades = ["" if grade < 0 else f"grade {grade:g}" for grade in self.grades]
        parts = [(scores[row], self.grades[self.begin[row] : self.begin[row + 1]]) for row in range(len(self))]
        return [
            *measures,
            Measure("relevance order", np.concatenate([order(*part) for part in parts]), queries, grades),
        ]

    def about(self) -> dict[str, Any]:
        """What there is to order, and what the figures count."""
        return {
            "products": len(self.products),
            "without_picture": int((~self.pictured).sum()),
            "gain": "linear",
            "relevant_from_grade": self.least,
            "ties": "expected rank",
        }

    def summary(self) -> str:
        """How many queries and products there are."""
        missing = int((~self.pictured).sum())
        return f"{len(self):,} queries with {len(self.products):,} products, {missing:,} of these without a picture"

    def submission(self, predictions: pa.Table) -> tuple[str, str]:
        """A run as trec_eval takes it: a line a product, the best of each query first."""
        lines = []
        for name, products, scores in zip(*(predictions[c].to_pylist() for c in ("query_id", "products", "scores"))):
            ranked = sorted(zip(scores, products), key=lambda pair: -pair[0])
            lines += [f"{name} Q0 {product} {rank} {s} iconotext\n" for rank, (s, product) in enumerate(ranked, 1)]
        return "relevance.trec", "".join(lines)


def gathered(store: RegionStore, ids: Sequence[str]) -> PackedRegions:
    """The regions of images, none of those that are not in the store."""
    there = np.array([name in store for name in ids], np.bool_)
    return among(store.gather([name for name, seen in zip(ids, there) if seen]), there)


def among(regions: PackedRegions, there: NDArray[np.bool_]) -> PackedRegions:
    """The regions of images, with rows that have none where ``there`` [B] is False."""
    counts, sizes = np.zeros(len(there), np.int64), np.ones((len(there), 2), np.int32)
    counts[there], sizes[there] = np.diff(regions.offsets), regions.sizes
    offsets = np.concatenate([[0], counts.cumsum()]).astype(np.int64)
    arrays = {name: getattr(regions, name) for name in ("boxes", "scores", "features", "class_probs")}
    arrays |= {name: getattr(regions, name) for name in ("attributes", "attribute_scores")}
    return PackedRegions(**arrays, sizes=sizes, offsets=offsets)


def order(scores: Float[np.ndarray, "N"], grades: Float[np.ndarray, "N"]) -> Float[np.ndarray, "N"]:
    """For each product the share of those of another grade that stand on its right side; NaN without any."""
    wanted = np.sign(grades[:, None] - grades) * ((grades >= 0) & (grades[:, None] >= 0))
    found = (1 + wanted * np.sign(scores[:, None] - scores)) / 2
    counts = (wanted != 0).sum(1)
    total = (found * (wanted != 0)).sum(1)
    return np.where(counts > 0, total / np.maximum(counts, 1), np.nan)


def _products(row: dict[str, Any]) -> list[tuple[str, str, float]]:
    """(id, title, grade) of the products of a query; a grade that is not known is -1."""
    names, grades, titles = row["image_ids"], row["grades"], row.get("titles") or [None] * len(row["image_ids"])
    if not len(names) == len(grades) == len(titles):
        raise DataError(
            f"query {row['query_id']!r} has {len(names)} image_ids, {len(grades)} grades and {len(titles)} titles: give as "
            "many of each."
        )
    known = [-1.0 if grade is None or grade < 0 else float(grade) for grade in grades]
    return [(name or "", title or "", grade) for name, title, grade in zip(names, titles, known)]

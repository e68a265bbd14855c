"""``iconotext measure``: what a pre-trained model has learned, on a split of the built-in world.

The world knows the truth of its pictures, so each claim has a number of cases, a figure and a 95 % interval. It writes
RUN/measures.json, from which the report is made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import Progress
from tyro.conf import Positional

from iconotext.core.files import write_json
from iconotext.core.seed import Draw, generator
from iconotext.data.pair import PairTable
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import TokenTable
from iconotext.recipes.scoring import Scorer
from iconotext.tasks.metrics.intervals import wilson
from iconotext.tasks.retrieval import scoring
from iconotext.train.dist import world
from iconotext.world.language.words import name
from iconotext.world.scene import COLOURS, load_kinds

BARS: dict[str, tuple[str, float | None, Literal["at least", "at most", "reported"]]] = {
    "masked_object": ("Masked object word, with the picture", 0.60, "at least"),
    "masked_object_blind": ("Masked object word, regions removed", 0.05, "at most"),
    "masked_colour": ("Masked colour word, with the picture", 0.60, "at least"),
    "masked_colour_blind": ("Masked colour word, regions removed", None, "reported"),
    "itm_random": ("Matched or not: another picture's caption", 0.93, "at least"),
    "itm_colour": ("Matched or not: one colour swapped", 0.80, "at least"),
    "itm_object": ("Matched or not: one object swapped", None, "reported"),
    "itm_count": ("Matched or not: a number swapped", None, "reported"),
    "itm_left_right": ("Matched or not: left and right swapped", None, "reported"),
    "pair_left_right": ("True sentence preferred to its left/right swap", None, "reported"),
    "recall_list": ("Text to image, R@1, list captions", 0.80, "at least"),
    "recall_relation": ("Text to image, R@1, relation captions", 0.50, "at least"),
}
"""Each claim's name, its bar and what the bar means, in the order of the report."""

LEFT_OUT = (
    "masked words, because the model was trained without masked language modelling (mlm).",
    "matching and search, because nothing in the model scores a pair: it was trained without image-text matching (itm).",
    "matched or not, because the model was trained without image-text matching (itm); its scores only rank pairs.",
)
"""What is said of the claims that a model has no head for."""


@dataclass(frozen=True)
class MeasureOptions:
    """Measure what a pre-trained model has learned, on a split of the built-in world."""

    run: Positional[Path]
    """The pre-trained model's folder."""
    data: Path
    """The world."""
    store: Path
    """Its regions."""
    split: str = "test"
    """The split to measure on."""
    cases: int = 1000
    """Most cases a claim."""
    pictures: int = 200
    """Pictures to search among."""
    seed: int = 0
    """Which cases are drawn."""


@dataclass(frozen=True)
class Claim:
    """One figure with its 95 % interval, over ``n`` cases."""

    key: str
    name: str
    value: float
    low: float
    high: float
    n: int
    bar: float | None
    bar_is: str
    note: str


def claim(key: str, right: Sequence[bool] | NDArray[np.bool_], note: str) -> Claim:
    """The share of ``right`` cases, with Wilson's interval."""
    title, bar, kind = BARS[key]
    n, hits = len(right), int(np.sum(right))
    low, high = wilson(hits, n)
    return Claim(key, title, hits / max(n, 1), low, high, n, bar, kind, note)


def run(options: MeasureOptions) -> Path:
    """Measures and writes ``measures.json``; returns its path."""
    data, store = DataSet.open(options.data), RegionStore.open(options.store)
    scorer = Scorer.open(options.run, store, world().device)
    english = PairTable(data, options.split, scorer.words, store, language="en")
    claims: list[Claim] = []
    examples: dict[str, Any] = {}
    fills, ranks = "mlm" in scorer.pretrained.heads, scoring(scorer.pretrained) is not None
    parts: list[tuple[str, Callable[[], list[Claim]]]] = []
    if fills:
        parts.append(("masked objects", lambda: masked(scorer, english, options, "object", examples)))
        parts.append(("masked colours", lambda: masked(scorer, english, options, "colour", examples)))
    if scorer.judges:
        parts.append(("random pairs", lambda: random_pairs(scorer, english, options)))
    if ranks:
        parts.append(("swapped words", lambda: swapped_words(scorer, data, options)))
        parts.append(("search", lambda: searches(scorer, english, options, examples)))
    missing = [said for there, said in zip((fills, ranks, scorer.judges or not ranks), LEFT_OUT) if not there]
    for said in missing:
        Console(stderr=True).print(f"Left out: {said}", soft_wrap=True, highlight=False)
    with Progress() as bar:
        task = bar.add_task("measure", total=len(parts))
        for title, part in parts:
            bar.update(task, description=f"measure {title}")
            claims += part()
            bar.advance(task)
    examples["regions"] = [{"image_id": image} for image in english.images[:6]]
    order = list(BARS)
    claims.sort(key=lambda found: order.index(found.key))
    out = options.run / "measures.json"
    write_json(
        out,
        {
            "data": str(options.data),
            "store": str(options.store),
            "split": options.split,
            "system": scorer.saved.model.system.name,
            "run": str(options.run),
            "claims": [asdict(found) for found in claims],
            "left_out": missing,
            "examples": examples,
        },
    )
    return out


def maskable(scorer: Scorer, data_kinds: Sequence[int], what: str) -> dict[tuple[int, ...], str]:
    """The token sequences of the words that may be hidden: names of objects (one and many), or colours."""
    if what == "colour":
        said = list(COLOURS)
    else:
        said = [name(kind, "en", plural) for kind in data_kinds for plural in (False, True)]
    table = scorer.words.encode(said)
    cuts = zip(table.offsets[:-1], table.offsets[1:])
    return {tuple(table.ids[a:b].tolist()): word for word, (a, b) in zip(said, cuts)}


def _places(tokens: list[int], words: dict[tuple[int, ...], str], longest: int) -> Iterator[tuple[int, int]]:
    """Where a word of ``words`` stands, longest first, without overlap."""
    at = 0
    while at < len(tokens):
        for length in range(min(longest, len(tokens) - at), 0, -1):
            if tuple(tokens[at : at + length]) in words:
                yield at, length
                at += length - 1
                break
        at += 1


def masked(
    scorer: Scorer, pairs: PairTable, options: MeasureOptions, what: str, examples: dict[str, Any]
) -> list[Claim]:
    """Hides one object word (in list captions) or one colour word a caption; right when every piece is guessed."""
    words = maskable(scorer, range(len(load_kinds())), what)
    longest = max(map(len, words))
    draw = generator(options.seed, "measure", what)
    rows: list[int] = []
    spans: list[tuple[int, int]] = []
    for row in draw.permutation(len(pairs)).tolist():
        if what == "object" and pairs.kinds[row] != "list":
            continue
        begin, end = pairs.texts.offsets[row : row + 2]
        end = min(end, begin + scorer.seats.max_words)  # what the model does not read it cannot guess
        found = list(_places(pairs.texts.ids[begin:end].tolist(), words, longest))
        if found and len(rows) < options.cases:
            rows.append(row)
            spans.append(found[int(draw.integers(len(found)))])
    hidden = pairs.texts.rows(np.array(rows))
    truth = []
    for i, (at, length) in enumerate(spans):
        place = slice(int(hidden.offsets[i]) + at, int(hidden.offsets[i]) + at + length)
        truth.append(hidden.ids[place].copy())
        hidden.ids[place] = scorer.words.vocab.mask
    images = [pairs.images[pairs.image_of[row]] for row in rows]
    with_picture = scorer.words_at_masks(hidden, images)
    without = scorer.words_at_masks(hidden, images, blind=True)
    note = (
        "One object word of each list caption is hidden (all pieces, if it has several)."
        if what == "object"
        else "One colour word of each caption is hidden."
    )
    if what == "object":
        examples["masked_words"] = [
            {
                "image_id": images[i],
                "text": scorer.words.decode(hidden.ids[hidden.offsets[i] : hidden.offsets[i + 1]].tolist()),
                "word": scorer.words.decode(truth[i].tolist()),
                "with": _top(scorer, with_picture[i][0]),
                "without": _top(scorer, without[i][0]),
            }
            for i in [i for i in range(len(rows)) if len(truth[i]) == 1][:6]
        ]
    return [
        claim(f"masked_{what}", _all_right(with_picture, truth), note),
        claim(f"masked_{what}_blind", _all_right(without, truth), note + " The same model sees no regions."),
    ]


def _all_right(guesses: list[torch.Tensor], truth: list[NDArray[np.int32]]) -> list[bool]:
    return [bool((guess.argmax(-1).numpy() == word).all()) for guess, word in zip(guesses, truth)]


def _top(scorer: Scorer, log_probs: torch.Tensor) -> list[tuple[str, float]]:
    values, ids = log_probs.exp().topk(5)
    return [(scorer.words.token(int(i)), round(float(v), 4)) for v, i in zip(values, ids)]


def random_pairs(scorer: Scorer, pairs: PairTable, options: MeasureOptions) -> list[Claim]:
    """Half of the captions with another picture; right when the more probable side is the true one."""
    rows = generator(options.seed, "measure", "pairs").permutation(len(pairs))[: options.cases].astype(np.int64)
    drawn = pairs.draw(rows, Draw(options.seed, 0, np.arange(len(rows))), 0.5, "image", 0.0)
    odds = scorer.match(pairs.tokens(drawn), [pairs.images[i] for i in drawn.image]).numpy()
    note = "Half of the captions stand with another picture, drawn at random."
    return [claim("itm_random", (odds > 0) == drawn.matched, note)]


def swapped_words(scorer: Scorer, data: DataSet, options: MeasureOptions) -> list[Claim]:
    """Each caption as it is and with one word made false: both judged alone where the model does, and one against the other."""
    table = data.table("minimal_pairs", options.split)
    rows = [row for row in table.to_pylist() if row["language"] == "en" and row["image_id"] in scorer.store]
    claims = []
    for kind in ("colour", "object", "count", "left_right") if scorer.judges else ("left_right",):
        some = [row for row in rows if row["kind"] == kind][: options.cases]
        images = [row["image_id"] for row in some]
        true, false = (scorer.match(scorer.words.encode([r[c] for r in some]), images) for c in ("text", "swapped"))
        if scorer.judges:
            judged = torch.cat([true > 0, false <= 0]).numpy()
            claims.append(claim(f"itm_{kind}", judged, "Each caption is judged as it is and with one word made false."))
        if kind == "left_right":
            note = "Which of the two sentences the model finds more probable; chance is 50 %."
            claims.append(claim("pair_left_right", (true > false).numpy(), note))
    return claims


def searches(scorer: Scorer, pairs: PairTable, options: MeasureOptions, examples: dict[str, Any]) -> list[Claim]:
    """One caption a picture, scored with every picture; right when its own comes first (a tie is not right)."""
    images = pairs.images[: options.pictures]
    claims = []
    for kind in ("list", "relation"):
        first: dict[int, int] = {}
        for row in range(len(pairs)):
            if pairs.kinds[row] == kind and pairs.image_of[row] < len(images):
                first.setdefault(int(pairs.image_of[row]), row)
        rows, own = np.array(list(first.values())), np.array(list(first))
        odds = _all_pairs(scorer, pairs.texts.rows(rows), images)
        others = np.where(np.arange(len(images))[None] == own[:, None], -np.inf, odds).max(1)
        note = f"{len(rows)} captions, each scored with {len(images)} pictures."
        claims.append(claim(f"recall_{kind}", odds[np.arange(len(rows)), own] > others, note))
        if kind == "list":
            examples["queries"] = [
                {
                    "query": pairs.strings[int(rows[i])],
                    "answer_image": images[int(own[i])],
                    "ranking": [(images[j], round(float(odds[i, j]), 3)) for j in np.argsort(-odds[i])[:6]],
                }
                for i in range(min(5, len(rows)))
            ]
    return claims


def _all_pairs(scorer: Scorer, texts: TokenTable, images: Sequence[str]) -> NDArray[np.float32]:
    """The score [texts, images] of every pair."""
    rows = np.repeat(np.arange(len(texts)), len(images))
    odds = scorer.match(texts.rows(rows), list(images) * len(texts))
    return odds.numpy().reshape(len(texts), len(images))

"""What a system's page says, in words: made from the page alone, so it cannot say anything else."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from iconotext.explain.systems.forms import seen
from iconotext.models.system import System
from iconotext.nn.schedule import (
    Attend,
    FeedForward,
    Schedule,
    co_layer,
    cross_layer,
    joint_layer,
    region_layer,
    text_layer,
    twin_layer,
)
from iconotext.nn.terms import RegionEmbedding, TextEmbedding
from iconotext.objectives.base import Objective
from iconotext.objectives.mix import Mix, OneAtATime, Phases, Together, objectives

LAYERS = {
    "joint": joint_layer(),
    "text": text_layer(),
    "region": region_layer(),
    "twin": twin_layer(),
    "co": co_layer(),
    "cross": cross_layer(),
}


def said(value: Any) -> str:
    """A value of a page in words: what it is, and every setting that is not as usual, such as ``location (box5, norm)``."""
    if isinstance(value, tuple):
        return ", ".join(said(item) for item in value)
    if isinstance(value, float):
        return f"{value:.3g}"
    if not dataclasses.is_dataclass(value):
        return f"{value:,}" if isinstance(value, int) else str(value).replace("_", " ")
    inside = settings(value)
    return f"{called(value)} ({', '.join(inside)})" if inside else called(value)


def called(value: Any) -> str:
    """What a value of a page is: the name of its class in words, or an objective's name."""
    if isinstance(value, str):
        return value
    if isinstance(value, Objective):
        return title(value)
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", type(value).__name__).lower()


def settings(value: Any, leave: Sequence[str] = ("label",)) -> list[str]:
    """The settings of a dataclass that are not as usual, each in words; a label is part of an objective's name."""
    found = []
    for field in dataclasses.fields(value):
        given = getattr(value, field.name)
        if given == field.default or given is None or field.name in leave:
            continue
        name = field.name.replace("_", " ")
        if isinstance(given, bool):
            found.append(name if given else f"not {name}")
        elif field.name == "kind":
            found.append(said(given))
        elif dataclasses.is_dataclass(given):
            found.append(f"{name}: {', '.join(settings(given)) or 'as usual'}")
        else:
            found.append(f"{name} {said(given)}")
    return found


def title(objective: Objective) -> str:
    """An objective's name as it is written: MLM, MRC soft, contrastive."""
    first, _, rest = objective.name.partition("_")
    return f"{first.upper() if len(first) <= 4 else first} {rest.replace('_', ' ')}".strip()


def objective_names(mix: Mix) -> list[str]:
    """The objectives of a mix, as they are written."""
    return [title(objective) for objective in objectives(mix)]


def mixture(mix: Mix) -> str:
    """How objectives combine, such as ``one a batch: 2 x MLM, 1 x (ITM with WRA)``."""
    if isinstance(mix, Together):
        return " with ".join(f"({mixture(p)})" if isinstance(p, OneAtATime) else mixture(p) for p in mix.parts)
    if isinstance(mix, OneAtATime):
        texts = ((share, f"({mixture(p)})" if isinstance(p, Together) else mixture(p)) for share, p in mix.parts)
        return "one a batch: " + ", ".join(f"{share:g} x {text}" for share, text in texts)
    if isinstance(mix, Phases):
        return "; then ".join(f"{share:g} of the run {mixture(part)}" for share, part in mix.parts)
    return title(mix)


def manner(mix: Mix) -> str:
    """In a word or two, how objectives combine."""
    if isinstance(mix, Together):
        return "all together"
    if isinstance(mix, OneAtATime):
        nested = any(isinstance(part, Together) for _, part in mix.parts)
        return "one group a batch" if nested else "one a batch"
    return "in phases" if isinstance(mix, Phases) else "alone"


def layers(schedule: Schedule) -> str:
    """A schedule as it is written with its helpers, such as ``6 text + 6 (co + twin)``."""
    return " + ".join(
        f"{times} ({' + '.join(map(name_of, unit))})" if len(unit) > 1 else f"{times} {name_of(unit[0])}"
        for times, unit in blocks(schedule)
    )


def blocks(schedule: Schedule) -> list[tuple[int, tuple[Schedule, ...]]]:
    """The schedule as units of one or two layers and how often each is repeated."""
    found, rest = [], list(cut(schedule))
    while rest:
        names = [name_of(layer) for layer in rest]
        size, times = max(((size, repeats(names, size)) for size in (1, 2)), key=lambda unit: unit[0] * unit[1])
        found.append((times, tuple(rest[:size])))
        rest = rest[size * times :]
    return found


def cut(schedule: Schedule) -> Iterator[Schedule]:
    """The layers: each ends with its feed-forward sublayer."""
    begin = 0
    for end, sublayer in enumerate(schedule, 1):
        if isinstance(sublayer, FeedForward):
            yield schedule[begin:end]
            begin = end


def name_of(layer: Schedule) -> str:
    """The helper that makes the layer, whatever its widths."""
    known = next((name for name, made in LAYERS.items() if made == tuple(map(_plain, layer))), None)
    return known or ", ".join(reading(s) for s in layer if isinstance(s, Attend)) or "feed-forward"


def _plain(sublayer: Attend | FeedForward) -> Attend | FeedForward:
    if isinstance(sublayer, Attend):
        return replace(sublayer, width=None, heads=None, region_width=None, region_heads=None)
    return replace(sublayer, hidden=None, region_hidden=None)


def reading(layer: Attend) -> str:
    """What each stream reads, such as ``text reads region``."""
    streams = " and ".join(f"{stream} reads {'+'.join(layer.reads(stream))}" for stream in layer.streams)
    return f"{streams}, tied" if layer.tied else streams


def repeats(names: Sequence[str], size: int) -> int:
    """How often the first ``size`` names follow each other; 1 for a unit that is not repeated, 0 for one of equal names."""
    unit = list(names[:size])
    if size > 1 and len(set(unit)) == 1:
        return 0
    return next(n for n in range(1, len(names) + 1) if list(names[n * size : (n + 1) * size]) != unit)


def cited(paper: str) -> str:
    """A paper by its authors and where it appeared, without its title, where it is one paper alone."""
    authors, _, rest = paper.partition(", ")
    one = re.fullmatch(r"[A-Z]\w+ (et al\.|and [A-Z]\w+)", authors) and "et al." not in rest
    return f"{authors}, {rest.rpartition(', ')[2]}" if one else paper


def lines(page: System) -> Iterator[tuple[str, str]]:
    """The page as (what, in words)."""
    yield "streams", page.streams
    yield "words", said(page.text.terms)
    yield "regions", "; ".join(filter(None, (said(page.region.terms), *settings(page.region, ("terms",))))) or "none"
    yield "schedule", layers(page.schedule)
    yield "attention", seen(page)
    yield "pooled", said(page.pool)
    yield "layout", ", ".join(settings(page.layout)) or "as usual"
    yield "objectives", "; ".join(map(said, objectives(page.mix)))
    yield "mix", mixture(page.mix)
    yield from plain_lines(page)
    yield "sizes", ", ".join(("base", *page.sizes))


def plain_lines(page: System) -> Iterator[tuple[str, str]]:
    """Sizes, norms and the recipe: what every system has."""
    recipe = page.recipe
    yield "widths", widths(page)
    yield "norms", f"{'after' if page.norm == 'post' else 'before'} each sublayer, eps {page.eps:g}"
    yield "start", f"normal {page.init:g}" if page.init else "normal, one over the square root of the input width"
    yield "dropout", f"{page.dropout:g}, of attention {page.attention_dropout:g}"
    yield (
        "recipe",
        f"{recipe.steps:,} steps of {recipe.batch:,} pairs, learning rate {recipe.learning_rate:g} after {recipe.warmup:,} "
        f"steps of warm-up, then {recipe.schedule}; weight decay {recipe.weight_decay:g}, betas {recipe.betas}, "
        f"clipped at {recipe.clip:g}",
    )


def widths(page: System) -> str:
    """Widths, heads and feed-forward widths of the streams."""
    text = f"{page.width} ({page.heads} heads, feed-forward {page.hidden})"
    region = f"{page.region_width} ({page.region_heads} heads, feed-forward {page.region_hidden})"
    return text if text == region else f"text {text}, region {region}"


def drawn(page: System) -> str:
    """The streams side by side, from what they are made of at the top to the pooled pair at the bottom."""
    rows: list[tuple[str, str, str]] = [
        ("", "words", "regions"),
        ("", _terms(page.text), _terms(page.region)),
        ("", "│", "│"),
    ]
    for times, unit in blocks(page.schedule):
        sublayers = [(name_of(layer), s) for layer in unit for s in layer if isinstance(s, Attend)]
        for number, (name, attend) in enumerate(sublayers):
            mark = f"{times} x" if number == 0 else ""
            last = number + 1 == len(sublayers) or sublayers[number + 1][0] != name
            cells = [_cell(attend, stream, last) for stream in ("text", "region")]
            rows.append((mark, *cells))  # type: ignore[arg-type]
        rows.append(("", "│", "│"))
    if not page.region.terms:
        rows = [(mark, text, "") for mark, text, _ in rows]
    rows.append(("", said(page.pool), ""))
    marks, texts = (max(len(row[column]) for row in rows[:-1]) for column in (0, 1))
    return "\n".join(f"{m.rjust(marks)}  {t.ljust(texts)}  {r}".rstrip() for m, t, r in rows)


def _terms(embedding: TextEmbedding | RegionEmbedding) -> str:
    return " + ".join(f"{called(t)} ({said(t.kind)})" if hasattr(t, "kind") else called(t) for t in embedding.terms)


def _cell(attend: Attend, stream: str, last: bool) -> str:
    reads = attend.text if stream == "text" else attend.region
    if not reads:
        return "│"
    tied = " (tied)" if attend.tied else ""
    return f"■ reads {'+'.join(reads)}{tied}{', feed-forward' if last else ''}"

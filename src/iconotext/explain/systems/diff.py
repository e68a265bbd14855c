"""How two systems differ, in words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from iconotext.explain.systems.forms import heads, seen
from iconotext.explain.systems.words import called, layers, mixture, plain_lines, said, settings
from iconotext.models.system import System
from iconotext.objectives.mix import objectives

WHOLE = ("streams", "schedule", "attention", "fine-tuning")
"""Parts that are one thing, not several."""


def things(page: System) -> dict[str, tuple[Any, ...]]:
    """What a page is made of, part by part: values that another page has or has not."""
    return {
        "streams": (page.streams,),
        "words": page.text.terms,
        "regions": (*page.region.terms, *settings(page.region, ("terms",))),
        "schedule": (layers(page.schedule),),
        "pooled": (page.pool,),
        "layout": tuple(settings(page.layout)),
        "objectives": objectives(page.mix),
        "attention": (seen(page),),
        "fine-tuning": tuple(f"{task}, {head}" for task, head in heads(page)),
    }


def own(page: System, others: Sequence[System]) -> list[tuple[str, str]]:
    """(part, thing) for all that no other system has: a thing, or a setting of a thing that others have as well."""
    theirs: dict[str, set[str]] = {}
    for other in others:
        if other.name != page.name:
            for part, values in things(other).items():
                theirs.setdefault(part, set()).update(atom for value in values for atom in atoms(value))
    found = []
    for part, values in things(page).items():
        known = theirs.get(part, set())
        for value in values:
            first, *rest = atoms(value)
            new = [said(value)] if first not in known else [atom for atom in rest if atom not in known]
            found += [(part, atom) for atom in new]
    return found


def atoms(value: Any) -> list[str]:
    """What a value is, then each of its settings that is not as usual."""
    if isinstance(value, str):
        return [value]
    return [called(value), *(f"{called(value)}, {setting}" for setting in settings(value))]


def differences(one: System, other: System) -> Iterator[tuple[str, str]]:
    """(part, how they differ) for all that the two pages say differently; nothing for equal pages."""
    mine, theirs = things(one), things(other)
    yield from _unlike(one, other, {"streams": one.streams}, {"streams": other.streams})
    for part in (part for part in mine if part not in WHOLE):
        told = "; ".join(_apart(one.title, mine[part], other.title, theirs[part]))
        if told:
            yield part, told
    whole, others = (
        {
            "schedule": layers(page.schedule),
            "attention": seen(page),
            "mix": mixture(page.mix),
            **dict(plain_lines(page)),
            **dict(heads(page)),
        }
        for page in (one, other)
    )
    yield from _unlike(one, other, whole, others)


def _unlike(
    one: System, other: System, mine: Mapping[str, str], theirs: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Parts that are one text each, where the texts differ."""
    for part in {**mine, **theirs}:
        text, against = mine.get(part, "none"), theirs.get(part, "none")
        if text != against:
            yield part, f"{one.title}: {text}; {other.title}: {against}"


def _apart(one: str, mine: Sequence[Any], other: str, theirs: Sequence[Any]) -> Iterator[str]:
    """What only one has, what only the other has, and the settings in which what both have differs."""
    ours, others = ({called(value): value for value in values} for values in (mine, theirs))
    for name, values, against in ((one, ours, others), (other, others, ours)):
        only = [said(value) for key, value in values.items() if key not in against]
        if only:
            yield f"only {name}: {', '.join(only)}"
    for key in (key for key in ours if key in others):
        pair = (atoms(ours[key])[1:], atoms(others[key])[1:])
        if pair[0] != pair[1]:
            left, right = (
                ", ".join(atom.removeprefix(f"{key}, ") for atom in these if atom not in those) or "as usual"
                for these, those in (pair, pair[::-1])
            )
            yield f"{key}: {one} {left}, {other} {right}"

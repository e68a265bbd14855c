"""What was claimed of a model and what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from iconotext.core.errors import DataError
from iconotext.explain.figures import span
from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import interval, share
from iconotext.explain.page import Section, wide
from iconotext.explain.runs import Run
from iconotext.explain.tasks import measured

SIGNS = {"at least": "≥", "at most": "≤"}


@dataclass(frozen=True)
class Claim:
    """A figure with its 95 % interval and the bar it was measured against."""

    key: str
    name: str
    bar: float | None
    bar_is: str
    note: str
    value: float = 0.0
    low: float = 0.0
    high: float = 1.0
    n: int = 0

    @property
    def met(self) -> bool | None:
        """Whether the value reaches the bar; None where it is only reported."""
        if self.bar is None or self.bar_is not in SIGNS:
            return None
        return self.value >= self.bar if self.bar_is == "at least" else self.value <= self.bar

    @property
    def close(self) -> bool:
        """Whether another sample might have told otherwise: the bar lies within the interval."""
        return self.met is not None and self.bar is not None and self.low < self.bar < self.high


TASK_CLAIMS: tuple[tuple[str, str, str, Claim], ...] = (
    (
        "vqa",
        "",
        "VQA accuracy",
        Claim(
            key="vqa",
            name="Questions answered right",
            bar=0.75,
            bar_is="at least",
            note="Fine-tuned for questions; every question on the pictures counts.",
        ),
    ),
    (
        "vqa",
        "blind",
        "VQA accuracy",
        Claim(
            key="vqa_blind",
            name="Questions answered right from the words alone",
            bar=0.45,
            bar_is="at most",
            note="Fine-tuned and asked without any regions: how far the questions give their answers away.",
        ),
    ),
)
"""What is claimed of fine-tuned runs on the built-in world: task, what the run lacks, the name of its figure, the claim."""


def claims_of(runs: Sequence[Run]) -> list[tuple[Run, Claim]]:
    """Every claim with the run that it was measured on.

    The claims on fine-tuned runs hold for the built-in world alone, so they stand only beside others that were measured there.

    Raises:
        DataError: an entry is incomplete.
    """
    found = [(run, claim) for run in runs for claim in _measured(run)]
    if not found:
        return []
    tuned = [
        (run, replace(claim, **{name: figure[name] for name in ("value", "low", "high", "n")}))
        for task, lacks, name, claim in TASK_CLAIMS
        for run in runs
        if (run.task, run.variant) == (task, lacks) and (figure := measured(run).get(name))
    ]
    return [*found, *tuned]


def _measured(run: Run) -> list[Claim]:
    try:
        return [
            Claim(
                key=str(entry["key"]),
                name=str(entry["name"]),
                value=float(entry["value"]),
                low=float(entry["low"]),
                high=float(entry["high"]),
                n=int(entry["n"]),
                bar=None if entry.get("bar") is None else float(entry["bar"]),
                bar_is=str(entry["bar_is"]),
                note=str(entry.get("note", "")),
            )
            for entry in run.measures.get("claims", [])
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(
            f"{run.path / 'measures.json'}: a claim is incomplete ({error!r}); measure the run again"
        ) from error


def verdict(claims: Sequence[Claim]) -> tuple[int, int]:
    """How many claims are met, of how many that have a bar."""
    judged = [claim.met for claim in claims if claim.met is not None]
    return sum(judged), len(judged)


def section(runs: Sequence[Run]) -> Section:
    """The table of claims, one for each system."""
    found: dict[str, list[Claim]] = {}
    for run, claim in claims_of(runs):
        found.setdefault(run.title, []).append(claim)
    lead = (
        "Each figure was measured on pictures that the model never trained on. The dot is the figure, the band its 95 % "
        "interval, the upright stroke the bar it had to reach; “narrowly” means that the bar lies inside the interval."
    )
    body = []
    for title, claims in found.items():
        body += [el("h3", title)] if len(found) > 1 else []
        body.append(wide(_table(claims)))
    return Section("claims", "What it can do", lead, tuple(body), "" if body else "measures")


def _table(claims: Sequence[Claim]) -> Html:
    heads = ("Claim", "Measured", "95 % interval", "Bar", "Verdict")
    head = el("thead", el("tr", [el("th", text, scope="col") for text in heads]))
    return el("table", head, el("tbody", [_row(claim) for claim in claims]), class_="claims")


def _row(claim: Claim) -> Html:
    cases = el("span", f" of {claim.n:,} cases", class_="soft")
    sign = SIGNS.get(claim.bar_is, "")
    bar = f"{sign} {share(claim.bar, 0)}".strip() if claim.bar is not None else "–"
    return el(
        "tr",
        el("th", words(claim.name), el("span", words(claim.note), class_="note") if claim.note else None, scope="row"),
        el("td", share(claim.value), class_="value"),
        el("td", span(claim.value, claim.low, claim.high, claim.bar), interval(claim.low, claim.high), cases),
        el("td", el("span", "Bar ", class_="small-only"), bar, class_="bar-cell"),
        el("td", mark(claim)),
    )


def mark(claim: Claim) -> Html:
    """The verdict as a sign and a word."""
    if claim.met is None:
        return el("span", "reported", class_="mark-word")
    word = ("✓ met" if claim.met else "✗ missed") + (", narrowly" if claim.close else "")
    return el("span", word, class_="mark-word yes" if claim.met else "mark-word no")

"""Who sees whom, and the head that each task gets: what a page says beyond its trunk, in words."""

from __future__ import annotations

from collections.abc import Iterator

from iconotext.heads.answer import AnswerHeadKind
from iconotext.heads.tasks import TaskHead
from iconotext.models.system import System
from iconotext.nn.schedule import Attend
from iconotext.objectives.mix import Mix, OneAtATime, Phases, Together

PATTERNS = {
    "full": "every token sees all that its stream reads",
    "seq2seq": "words see the image and the words before them, the image sees itself",
}
"""The patterns of attention that an objective may ask for."""
OPTIONS = {"softmax": "a share among the options", "sigmoid": "a yes or no of each option"}
REGIONS = {
    "softmax": "a share among the regions",
    "sigmoid": "a yes or no of each region, by how well it covers the thing",
}
IMAGES = {
    "pair": "the text with each image in a row of its own, the two pooled pairs side by side",
    "triplet": "both images in one row",
    "attention": "the text with each image in a row of its own, which attend to each other",
}
PHRASES = {
    "attention": "all phrases of a sentence at once, by attention from the last word of each to the regions",
    "alone": "each phrase without its sentence, as an expression",
}
ANSWERS = {
    "transform": "linear, GELU, norm, linear",
    "plain": "linear, ReLU, linear",
    "weight_norm": "weight-normed linear, ReLU, dropout, weight-normed linear",
}
READS = {"pooled": "the pooled pair", "two pooled": "two pooled pairs", "text": "each word", "region": "each region"}
ASKED = {"pooled": "the pooled pair", "first two": "the product of the first two words"}


def seen(page: System) -> str:
    """The patterns of attention, with their share of the batches where there are several, and the gates of the schedule."""
    shares = patterns(page.mix)
    if len(shares) == 1:
        text = PATTERNS[next(iter(shares))]
    else:
        text = "; ".join(f"{share:.3g} of the batches: {PATTERNS[name]}" for name, share in shares.items())
    gated = any(isinstance(layer, Attend) and layer.gate for layer in page.schedule)
    return f"{text}; regions are read through a gate that the words open" if gated else text


def patterns(mix: Mix, share: float = 1.0) -> dict[str, float]:
    """The share of each pattern of attention among the batches of a mix; the parts of one batch have one pattern."""
    found: dict[str, float] = {}
    if isinstance(mix, Together):
        several = [patterns(part, share) for part in mix.parts]
        return next((one for one in several if one.keys() != {"full"}), several[0])
    if isinstance(mix, OneAtATime | Phases):
        total = sum(weight for weight, _ in mix.parts)
        for weight, part in mix.parts:
            for name, each in patterns(part, share * weight / total).items():
                found[name] = found.get(name, 0.0) + each
        return found
    return {getattr(mix, "pattern", "full"): share}


def heads(page: System) -> Iterator[tuple[str, str]]:
    """(task, its head) for each kind of task; questions alone for a system that reads no regions.

    "together" are the heads of a model that does several tasks at once.
    """
    form = page.downstream
    yield "questions", _answer(page.answer)
    if page.region.terms:
        yield "choices", f"{OPTIONS[form.options]}{_layer(form.option_hidden)}"
        yield "expressions", f"{REGIONS[form.regions]}{_layer(form.region_hidden)}"
        images = _layer(form.images_hidden) if form.images == "pair" else ""
        yield "statements", f"{IMAGES[form.images]}{images}"
        yield "entailment", f"three classes{_layer(form.class_hidden)}"
        yield "phrases", PHRASES[form.phrases]
    if page.tasks:
        yield "together", "; ".join(map(_together, page.tasks))


def _answer(head: AnswerHeadKind) -> str:
    return f"{ANSWERS[head.kind]}, from {ASKED[head.reads]}{_layer(head.hidden)}"


def _together(head: TaskHead) -> str:
    return f"{head.name.replace('_', ' ')} from {READS[head.reads]}{_layer(head.hidden).replace(';', ',')}"


def _layer(hidden: float) -> str:
    """The width of what lies between, as a multiple of what is read."""
    times = "as wide" if hidden == 1 else f"{hidden:g} times as wide"
    return f"; a hidden layer {times}" if hidden else ""

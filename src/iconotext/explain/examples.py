"""What the model does, on pictures: masked words, regions, questions, queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from iconotext.explain.figures import bars
from iconotext.explain.html import Html, el, words
from iconotext.explain.numbers import share
from iconotext.explain.page import Section, wide
from iconotext.explain.pictures import Pictures, Region

Example = Mapping[str, Any]
MASK = "[MASK]"
LEAST = 0.2
"""Regions below this score are counted, not drawn."""


def masked_words(examples: Sequence[Example], pictures: Pictures) -> Section:
    """The hidden word's five best guesses, with the picture and without."""
    cards = [
        el(
            "article",
            pictures.show(str(example["image_id"]), 320),
            el(
                "p",
                sentence(str(example["text"])),
                el("span", " hidden: ", words(str(example["word"])), class_="soft truth"),
                class_="sentence",
            ),
            el("div", el("h4", "with the picture"), _bars(example, "with"), class_="guess"),
            el("div", el("h4", "without"), _bars(example, "without"), class_="guess pale"),
            class_="masked",
        )
        for example in examples
    ]
    lead = (
        "One word of the caption is hidden. The same model guesses it twice: with the regions of the picture, and with the "
        "regions taken away. The right word carries a tick."
    )
    return Section("words", "The hidden word", lead, (wide(cards),), "" if cards else "measures")


def regions(examples: Sequence[Example], pictures: Pictures) -> Section:
    """Pictures with the regions that the model reads."""
    cards = []
    for example in examples:
        picture, shown, others = pictures.with_regions(str(example["image_id"]), 512, LEAST)
        if shown:
            rest = f"and {others} below {share(LEAST, 0)}" if others else None
            key = el("ul", [_region(region) for region in shown], el("li", rest, class_="soft") if rest else None)
            cards.append(el("figure", picture, el("figcaption", key), class_="regions"))
    lead = (
        "The model sees no pixels: it reads where each box lies that the detector found, and a vector that describes what is "
        "in it. The detector’s own label, its attribute and how sure it is stand below."
    )
    return Section("regions", "The regions it reads", lead, (wide(cards, class_="cards"),), "" if cards else "measures")


def questions(examples: Sequence[Example], pictures: Pictures) -> Section:
    """Questions that were answered rightly, and questions that were not."""
    right = [_question(example, pictures) for example in examples if example["right"]]
    wrong = [_question(example, pictures) for example in examples if not example["right"]]
    body = [
        part
        for title, cards in (("Answered right", right), ("Answered wrong", wrong))
        if cards
        for part in (el("h3", title), wide(cards, class_="cards small"))
    ]
    lead = "Each answer stands with the model’s confidence in it, and with what the model answers when the regions are removed."
    return Section("questions", "Questions", lead, tuple(body), "" if body else "questions")


def captions(examples: Sequence[Example], pictures: Pictures) -> Section:
    """What was written on pictures, good and bad."""
    cards = [_captioned(example, pictures) for example in examples]
    lead = (
        "The model wrote a caption of each picture, one word after the other. Beside it is how much of it stands, in order, in "
        "the captions of people (ROUGE-L), and below it what the model writes when the regions are removed."
    )
    return Section("captions", "Captions", lead, (wide(cards, class_="cards small"),))


def queries(examples: Sequence[Example], pictures: Pictures) -> Section:
    """A text and the pictures that fit it best, in the model's order."""
    blocks = [_query(example, pictures) for example in examples]
    lead = (
        "Each text was compared with every picture of a collection. The best ones follow in order, with the model’s score; the "
        "right one is framed."
    )
    return Section("queries", "Search", lead, (wide(blocks),), "" if blocks else "measures")


def sentence(text: str) -> Html:
    """A text with its hidden word as a gap."""
    parts: list[object] = []
    for index, part in enumerate(text.split(MASK)):
        parts += [el("span", "?", class_="gap")] if index else []
        parts.append(words(part))
    return el("span", parts)


def _bars(example: Example, which: str) -> Html:
    guesses: Iterable[Sequence[Any]] = example[which]
    return bars([(str(word), float(probability)) for word, probability in guesses], str(example["word"]), which)


def _region(region: Region) -> Html:
    label = f"{region.attribute} {region.label}".strip() or "region"
    return el("li", words(label), el("span", f" {share(region.score, 0)}", class_="soft"))


def _question(example: Example, pictures: Pictures) -> Html:
    right = bool(example["right"])
    answer, predicted = str(example["answer"]), str(example["predicted"])
    lines = [
        el("p", words(str(example["question"])), class_="question"),
        el(
            "p",
            el("span", "✓ " if right else "✗ ", class_="yes" if right else "no"),
            el("b", words(predicted)),
            el("span", f" {share(float(example['confidence']), 0)} sure", class_="soft"),
        ),
        None if right else el("p", "right would be ", el("b", words(answer))),
        el("p", "without the picture: ", words(str(example["without"])), class_="soft"),
    ]
    about = f"picture to the question: {example['question']}"
    return el("article", pictures.show(str(example["image_id"]), 256, about), lines, class_="card")


def _captioned(example: Example, pictures: Pictures) -> Html:
    likeness = el("span", f" {share(float(example['rouge_l']), 0)}", class_="soft")
    lines = [
        el("p", el("b", words(str(example["caption"]))), likeness),
        el("p", "people: ", words("; ".join(example["references"]))),
        el("p", "without the picture: ", words(str(example["without"])), class_="soft"),
    ]
    return el("article", pictures.show(str(example["image_id"]), 256), lines, class_="card")


def _query(example: Example, pictures: Pictures) -> Html:
    answer = str(example["answer_image"])
    ranking = [(str(image_id), float(score)) for image_id, score in example["ranking"]]
    found = [image_id for image_id, _ in ranking]
    items = []
    for place, (image_id, score) in enumerate(ranking, 1):
        right = image_id == answer
        tick = el("b", " ✓ right", class_="yes") if right else None
        note = el("span", f"{place}. ", el("span", f"{score:.3g}", class_="soft"), tick)
        items.append(el("li", pictures.show(image_id, 192), note, class_="hit" if right else None))
    if answer not in found:
        note = el("span", "the right one, not among these", class_="no")
        items.append(el("li", pictures.show(answer, 192), note, class_="hit missed"))
    return el("article", el("p", words(str(example["query"])), class_="sentence"), el("ol", items, class_="ranking"))

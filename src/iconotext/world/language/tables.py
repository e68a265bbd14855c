"""The tables of texts of one shard of the world."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from typing import Any

import pyarrow as pa

from iconotext.core.errors import ConfigError
from iconotext.data.tables import SCHEMAS
from iconotext.world.language.captions import Caption, captions
from iconotext.world.language.choices import choice
from iconotext.world.language.expressions import descriptions
from iconotext.world.language.lot import Lot
from iconotext.world.language.minimal_pairs import minimal_pairs
from iconotext.world.language.queries import graded, query
from iconotext.world.language.questions import questions
from iconotext.world.language.statements import by_kind, judged
from iconotext.world.language.truth import Phrase, Picture, Repertoire
from iconotext.world.language.words import LANGUAGES
from iconotext.world.scene import Combination, Scene, load_kinds

QUERY_EVERY = 4
"""Pictures to a query."""

_NOISE_TRIALS = 10

_Row = tuple[Any, ...]

TEXTS = pa.schema(
    [
        *((name, pa.string()) for name in ("text_id", "image_id", "text", "language", "kind")),
        ("matched", pa.bool_()),
        ("swapped", pa.string()),
        ("swap_kind", pa.string()),
    ]
)
"""The texts of the world have two columns more than others: the caption with one swap that makes it false, and which swap
that is; both are empty where there is none."""

WITH_KIND = {
    name: SCHEMAS[name].append(pa.field("kind", pa.string())) for name in ("statements", "choices", "expressions")
}
"""These tables of the world have a column more than others: what a statement, a question or a description is about."""


def write_language(
    scenes: Sequence[Scene],
    split: str,
    seed: int,
    languages: Sequence[str],
    noise: float,
    kinds: Sequence[int],
    shard: int,
    banned: Collection[Combination] = (),
) -> dict[str, pa.Table]:
    """The tables of one shard: texts, vqa, statements, choices, expressions, phrases, queries, minimal_pairs.

    Each text is in one of the languages, drawn evenly. ``noise`` is the share of training captions that are replaced by the
    caption of another picture (``matched`` is false); other splits have none. ``kinds`` are those of the world, and
    ``banned`` the kinds in a colour that no picture of this split shows: false texts do not name them either.

    Raises:
        ConfigError: a language is unknown.
    """
    unknown = sorted(set(languages) - set(LANGUAGES))
    if unknown or not languages:
        raise ConfigError(f"languages {list(languages)}: name some of {', '.join(LANGUAGES)}")
    writer = _Writer(scenes, split, seed, languages, Repertoire(kinds, banned))
    said = [captions(picture, languages, writer.lot("captions", picture)) for picture in writer.pictures]
    rows: dict[str, Iterator[_Row]] = {
        "vqa": writer.each("vqa", writer.vqa),
        "statements": writer.statements(shard),
        "choices": writer.each("choices", writer.choices),
        "expressions": writer.each("expressions", writer.expressions),
        "phrases": writer.phrases(said),
        "queries": writer.queries(shard),
        "minimal_pairs": writer.minimal_pairs(said),
    }
    texts = _table(TEXTS, writer.texts(said, noise if split == "train" else 0.0))
    return {"texts": texts} | {name: _table(WITH_KIND.get(name, SCHEMAS[name]), found) for name, found in rows.items()}


def _table(schema: pa.Schema, rows: Iterator[_Row]) -> pa.Table:
    columns = list(zip(*rows)) or [()] * len(schema)
    return pa.table([pa.array(column, field.type) for column, field in zip(columns, schema)], schema=schema)


def _types(phrase: Phrase, count: int) -> tuple[str, str]:
    """What a phrase names, and whether it is one thing or more."""
    return load_kinds()[phrase.kind].category, "one thing" if count == 1 else "several things"


class _Writer:
    """The rows of the tables of one shard, in the order of their schemas' columns."""

    def __init__(
        self, scenes: Sequence[Scene], split: str, seed: int, languages: Sequence[str], repertoire: Repertoire
    ) -> None:
        self.pictures = [Picture(scene) for scene in scenes]
        self.split, self.seed, self.languages, self.repertoire = split, seed, languages, repertoire
        self.showing = by_kind(self.pictures)

    def lot(self, purpose: str, picture: Picture) -> Lot:
        """The draws of one picture for one table."""
        return Lot(self.seed, purpose, self.split, picture.scene.image_id)

    def style(self, lot: Lot) -> tuple[str, int]:
        """A language and the number of a wording."""
        return lot.pick(self.languages), lot.below(1 << 16)

    def each(self, purpose: str, rows: Callable[[Picture, Lot], Iterator[_Row]]) -> Iterator[_Row]:
        """The rows of all pictures."""
        for picture in self.pictures:
            yield from rows(picture, self.lot(purpose, picture))

    def texts(self, said: Sequence[Sequence[Caption]], noise: float) -> Iterator[_Row]:
        for picture, mine in zip(self.pictures, said):
            lot, image = self.lot("texts", picture), picture.scene.image_id
            for number, caption in enumerate(mine):
                row = (f"{image}-t{number}", image)
                wrong = self._wrong(picture, said, lot) if noise and lot.chance(noise) else None
                if wrong:
                    yield (*row, wrong.text, wrong.language, wrong.kind, False, "", "")
                    continue
                what, swapped = caption.any_swap(picture, self.repertoire, lot) or ("", None)
                words = (caption.text, caption.language, caption.kind)
                yield (*row, *words, True, swapped.text if swapped else "", what)

    def _wrong(self, picture: Picture, said: Sequence[Sequence[Caption]], lot: Lot) -> Caption | None:
        """The caption of another picture that names something which this one does not have."""
        for _ in range(_NOISE_TRIALS):
            caption = lot.pick(lot.pick(said))
            claim = caption.claim
            clear = not any(phrase.kind in picture.unclear for phrase in claim.phrases)
            if clear and any(not picture.members(phrase) for phrase in claim.phrases):
                return caption
        return None

    def vqa(self, picture: Picture, lot: Lot) -> Iterator[_Row]:
        image = picture.scene.image_id
        for number, asked in enumerate(questions(picture, self.repertoire, lot)):
            language, style = self.style(lot)
            answers = [asked.answer_text(language)]
            yield f"{image}-q{number}", image, asked.text(language, style), answers, asked.kind, language

    def statements(self, shard: int) -> Iterator[_Row]:
        images = [picture.scene.image_id for picture in self.pictures]
        for place, picture in enumerate(self.pictures):
            lot = self.lot("statements", picture)
            language, style = self.style(lot)
            for number, found in enumerate(judged(place, self.pictures, self.showing, lot)):
                text = found.statement.text(language, style)
                name = f"{self.split}-{shard:05d}-s{2 * place + number}"
                yield name, images[found.left], images[found.right], text, found.label, language, found.statement.form

    def choices(self, picture: Picture, lot: Lot) -> Iterator[_Row]:
        found, image = choice(picture, self.repertoire, lot), picture.scene.image_id
        if found:
            language, style = self.style(lot)
            question, answers = found.question.text(language, style), found.answer_texts(language)
            reasons, links = found.reason_texts(language, style), list(picture.members(found.question.phrase))
            right = (answers, found.answer, reasons, found.reason)
            yield f"{image}-c0", image, question, *right, links, language, found.question.kind

    def expressions(self, picture: Picture, lot: Lot) -> Iterator[_Row]:
        image = picture.scene.image_id
        for number, (thing, description) in enumerate(descriptions(picture, lot)):
            language, style = self.style(lot)
            text, box = description.text(language, style), list(picture.scene.things[thing].box)
            yield f"{image}-e{number}", image, text, thing, box, language, description.about

    def phrases(self, said: Sequence[Sequence[Caption]]) -> Iterator[_Row]:
        """The true captions, each phrase with the boxes of all the things that it names."""
        for picture, mine in zip(self.pictures, said):
            image = picture.scene.image_id
            for number, caption in enumerate(mine):
                things = [picture.members(phrase) for phrase in caption.claim.phrases]
                types = [_types(phrase, len(members)) for phrase, members in zip(caption.claim.phrases, things)]
                boxes = [[picture.scene.things[thing].box for thing in members] for members in things]
                names = [" ".join(map(str, members)) for members in things]
                yield f"{image}-t{number}", image, caption.text, caption.spans, names, types, boxes, caption.language

    def queries(self, shard: int) -> Iterator[_Row]:
        for number, picture in enumerate(self.pictures[::QUERY_EVERY]):
            lot = self.lot("queries", picture)
            language, style = self.style(lot)
            asked = query(picture, lot)
            places, grades = zip(*graded(asked, self.pictures, self.showing, lot))
            images = [self.pictures[place].scene.image_id for place in places]
            name = f"{self.split}-{shard:05d}-u{number}"
            yield name, asked.text(language, style), images, list(grades), [], asked.asks, language

    def minimal_pairs(self, said: Sequence[Sequence[Caption]]) -> Iterator[_Row]:
        for picture, mine in zip(self.pictures, said):
            lot, image = self.lot("minimal_pairs", picture), picture.scene.image_id
            pairs = minimal_pairs(picture, mine, self.repertoire, self.languages, lot)
            for number, (what, true, false) in enumerate(pairs):
                yield f"{image}-m{number}", image, what, true.text, false.text, true.language

"""What a data set and its regions can teach: a page's objectives, less those that nothing here can score."""

from __future__ import annotations

import dataclasses

from rich.console import Console

from iconotext.core.errors import DataError
from iconotext.data.asked import AskedTexts
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.models.system import System
from iconotext.objectives.base import Objective
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import objectives, replaced, without
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.tasks.vqa import Asked
from iconotext.train.dist import world


def without_labels(page: System, store: RegionStore) -> System:
    """The page itself, or where the regions have no classes or attributes, without guessing those.

    A page that would lose its only guess of regions has their features guessed in place of classes.
    """
    known = {"attribute": bool(store.attribute_names), "hard": bool(store.class_count), "soft": bool(store.class_count)}
    unknown = [o for o in objectives(page.mix) if isinstance(o, MRC) and not known[o.label]]
    if not unknown:
        return page
    mix, said = page.mix, f"Regions without labels for {', '.join(o.name for o in unknown)}: "
    classes = [o for o in unknown if o.label != "attribute"]
    if classes and not any(isinstance(o, MRFR) for o in objectives(mix)):
        name, like = classes[0].name, classes[0]
        features = MRFR(masks=like.masks, only_matched=like.only_matched, weight=like.weight)
        mix = replaced(mix, lambda objective: features if objective.name == name else objective)
        said += "hidden regions' features are regressed (mrfr) in place of their classes."
    else:
        said += "left out."
    gone = {o.name for o in unknown}
    return _changed(dataclasses.replace(page, mix=without(mix, lambda objective: objective.name in gone)), said)


def with_questions(
    page: System, data: DataSet, split: str, store: RegionStore, language: str = ""
) -> tuple[System, AskedTexts]:
    """For a page that answers questions in pre-training: the page with the data's answers, and the questions.

    The answers are the most frequent ones, as many as the page says at most. Without questions the page does without.
    """
    if not any(isinstance(o, IQA) for o in objectives(page.mix)):
        return page, AskedTexts()
    try:
        asked = Asked.read(data, split, store, language).answered()
        names = asked.vocabulary(minimum=1)
    except DataError as error:
        said = f"Image question answering (iqa) is left out: {error}"
        return _changed(
            dataclasses.replace(page, mix=without(page.mix, lambda objective: isinstance(objective, IQA))), said
        ), AskedTexts()

    def known(objective: Objective) -> Objective:
        if not isinstance(objective, IQA):
            return objective
        kept = names[: objective.count]
        return dataclasses.replace(objective, count=len(kept), names=kept)

    page = dataclasses.replace(page, mix=replaced(page.mix, known))
    kept = next(o.names for o in objectives(page.mix) if isinstance(o, IQA))
    number = {name: i for i, name in enumerate(kept)}
    scores = [{number[a]: s for a, s in asked.targets(row, number).items()} for row in range(len(asked))]
    return page, AskedTexts(asked.ids, asked.images, asked.questions, asked.kinds, scores)


def _changed(page: System, said: str) -> System:
    """The page with one more departure, told to the user."""
    Console(stderr=True, quiet=not world().main).print(said, soft_wrap=True)
    return dataclasses.replace(page, departures=(*page.departures, said))

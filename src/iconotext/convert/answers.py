"""The answers that a published head stands for: the files that lie beside checkpoints, not in them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from iconotext.core.errors import ConfigError, DataError
from iconotext.data.sources.published.vqa import read_vqa_answers
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.objectives.base import Objective
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import replaced

ANSWERING = ("vqa", "gqa")
"""The heads of tasks that answer questions."""


def read_answers(path: Path) -> tuple[str, ...]:
    """The answers of a file, in the order of a head's scores.

    ``.pkl``: a ``*_label2ans`` of bottom-up attention (12-in-1, UNITER), read without running it. ``.json``: a list of texts, a
    list of ``{"ans": text}`` (LXMERT's ``all_ans.json``), or numbers by text (``*_ans2label.json``). Else: one a line.

    Raises:
        DataError: it is none of these.
    """
    if path.suffix == ".pkl":
        return read_vqa_answers(path)
    try:
        text = path.read_text("utf-8")
        content: Any = json.loads(text) if path.suffix == ".json" else text.splitlines()
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}.") from error
    if isinstance(content, dict) and sorted(map(str, content.values())) == sorted(map(str, range(len(content)))):
        content = sorted(content, key=lambda answer: int(content[answer]))
    if isinstance(content, list):
        texts: list[Any] = [entry.get("ans") if isinstance(entry, dict) else entry for entry in content]
        if texts and all(isinstance(text, str) for text in texts):
            return tuple(texts)
    raise DataError(f"{path} is no list of answers: expected texts, entries with 'ans', or the number of each text.")


def named(model: PretrainModel, files: Sequence[Path]) -> System:
    """The model's page with the answers of the files at the heads that have as many scores.

    Raises:
        ConfigError: no head, or more than one, has as many scores as a file has answers.
    """
    asked = model.objectives.get(IQA.name)
    sizes: dict[str, int] = {asked.name: asked.count} if isinstance(asked, IQA) else {}
    sizes |= {name: model.shape["tasks"][name] for name in ANSWERING if name in model.tasks}
    found: dict[str, tuple[str, ...]] = {}
    for path in files:
        answers = read_answers(path)
        fitting = [name for name, size in sizes.items() if size == len(answers)]
        if len(fitting) != 1:
            heads = ", ".join(f"{name} has {size:,}" for name, size in sizes.items()) or "no head answers questions"
            raise ConfigError(f"{path} has {len(answers):,} answers; of the checkpoint's heads: {heads}.")
        found[fitting[0]] = answers

    def stated(objective: Objective) -> Any:
        is_asked = isinstance(objective, IQA) and objective.name in found
        return dataclasses.replace(objective, names=found[objective.name]) if is_asked else objective  # type: ignore[type-var]

    page = model.system
    tasks = tuple(dataclasses.replace(form, answers=found.get(form.name, ())) for form in page.tasks)
    return dataclasses.replace(page, mix=replaced(page.mix, stated), tasks=tasks)

"""Which picture belongs to a text, and which text to a picture: a score of the pair, learned against wrong pairs."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from iconotext.core.batch import Encoded, Loss
from iconotext.core.errors import ConfigError
from iconotext.core.seed import Draw, derive
from iconotext.data.collate import Seating
from iconotext.data.pair import Drawn, PairTable
from iconotext.heads.match import MatchHead
from iconotext.heads.towers import Towers
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.models.task import TaskKind, TaskModel
from iconotext.models.trunk import device_of
from iconotext.objectives.itm import ITM
from iconotext.tasks.base import Examples, Rows, Said, Source, TaskBatch

T = TypeVar("T")


@dataclass(frozen=True)
class Retrieval:
    """The true pair against wrong ones.

    Head: one score from the pooled pair. Group: the true pair first, then the wrong ones.
    Loss: mean over the groups. "triplet": max(0, margin + wrong - true) on the sigmoid of the scores, mean over the wrong pairs
    (UNITER). "softmax": cross entropy of the true pair in its group (ViLBERT, with one random image, one random text and one
    hard text). "circle": the circle loss on the scores themselves, mean of the one against other images and the one against
    other texts (UNIMO). A wrong pair that by chance is true (``Batch.matched``) is left out.
    ``negatives`` and ``hard`` are as in ``Groups``.
    """

    name: ClassVar[str] = "retrieval"
    table: ClassVar[str] = "texts"
    form: Literal["triplet", "softmax", "circle"] = "triplet"
    margin: float = 0.2
    negatives: int = 1
    hard: int = 0

    @property
    def kind(self) -> TaskKind:
        """A score head."""
        return TaskKind(self.name, "score")

    def loss(self, scores: Float[Tensor, "E K"], micro: TaskBatch) -> Loss:
        """The loss summed over the groups."""
        grouped = scores.float()
        wrong = ~micro.batch.matched.view(grouped.shape)[:, 1:]
        if self.form == "triplet":
            chance = grouped.sigmoid()
            missed = (self.margin + chance[:, 1:] - chance[:, :1]).clamp(min=0) * wrong
            each = missed.sum(1) / wrong.sum(1).clamp(min=1)
        elif self.form == "circle":
            images_and_texts = (part.tensor_split([self.negatives], 1) for part in (grouped[:, 1:], wrong))
            sides = [side for side in zip(*images_and_texts, strict=True) if side[0].shape[1]]
            losses = torch.stack([circle(grouped[:, 0], side, counted, self.margin) for side, counted in sides]).sum(0)
            each = losses / torch.stack([counted.any(1) for _, counted in sides]).sum(0).clamp(min=1)
        else:
            left = torch.cat([grouped[:, :1], grouped[:, 1:].masked_fill(~wrong, -torch.inf)], 1)
            each = left.logsumexp(1) - left[:, 0]
        return Loss(each.sum(), each.new_tensor(float(micro.examples)))

    def examples(self, source: Source, split: str, training: bool) -> Groups:
        """The texts of a split in groups."""
        pairs = PairTable(source.data, split, source.words, source.store, source.language)
        return Groups(pairs, self.negatives, self.hard)


def circle(
    true: Float[Tensor, "E"], wrong: Float[Tensor, "E W"], counted: Bool[Tensor, "E W"], margin: float
) -> Float[Tensor, "E"]:
    """The circle loss of scores that are to reach 1 and 0 (Sun et al., CVPR 2020), as UNIMO's code has it with scale 1.

    log(1 + exp(p) * sum of exp(n)): p pulls a true score up, n pushes a wrong one down, each the harder the farther it is from
    where it is to be.
    """
    pull, push = (1 + margin - true).clamp(min=0).detach(), (wrong + margin).clamp(min=0).detach()
    up, down = pull * (1 - margin - true), push * (wrong - margin)
    return nn.functional.softplus(up + down.masked_fill(~counted, -1e4).logsumexp(1))


@dataclass(frozen=True)
class RetrievalOptions:
    """Fine-tune a pre-trained model to tell the picture of a text from others, and the text of a picture."""

    loss: Literal["softmax", "triplet", "circle"] = "softmax"
    """softmax: cross entropy over the group, as ViLBERT; triplet: a margin of 0.2 between sigmoids, as UNITER; circle: the
    circle loss with a margin of 0.2, as UNIMO."""
    negatives: int = 1
    """Other pictures, and as many other texts, that each true pair is told from."""
    hard: int = 1
    """Texts with one word made false that it is told from as well (other texts where the data has none)."""

    def task(self, source: Source, split: str, page: System) -> Retrieval:
        """The task, which is the same for every page."""
        return Retrieval(self.loss, negatives=self.negatives, hard=self.hard)


class Groups(Examples):
    """The examples of retrieval: each text with its image, then wrong pairs, drawn anew in every epoch.

    The wrong pairs of a text are ``negatives`` other images with it, ``negatives`` other texts with its image, and ``hard``
    times the text with one word made false, where the data has that; elsewhere one more text.
    """

    figure = "true pair first in its group"

    def __init__(self, pairs: PairTable, negatives: int = 1, hard: int = 0) -> None:
        if negatives < 0 or hard < 0 or negatives + hard == 0:
            raise ConfigError(
                f"retrieval needs wrong pairs: --negatives {negatives} --hard {hard} give none; set one to 1 or more."
            )
        self.pairs = pairs
        self._wrong = (*(("image", 0.0),) * negatives, *(("text", 0.0),) * negatives, *(("text", 1.0),) * hard)
        self.group = 1 + len(self._wrong)
        self.units, self.kinds = [pairs.images[i] for i in pairs.image_of], pairs.kinds

    def __len__(self) -> int:
        return len(self.pairs)

    def lengths(self, max_words: int, max_regions: int) -> Rows:
        """Tokens of the true pair, times the pairs of a group."""
        return self.group * self.pairs.lengths(max_words, max_regions)

    def batch(self, rows: Rows, draw: Draw, seats: Seating) -> TaskBatch:
        """The groups, pair by pair; nothing to compare with but ``Batch.matched``."""
        drawn = self._draw(rows, draw)
        regions = self.pairs.store.gather([self.pairs.images[i] for i in drawn.image])
        positions = np.repeat(draw.positions, self.group)
        batch = seats.batch(self.pairs.tokens(drawn), regions, drawn.matched, positions, self.group)
        return TaskBatch(Retrieval.name, batch, torch.zeros(len(rows), 0))

    def _draw(self, rows: Rows, draw: Draw) -> Drawn:
        true = self.pairs.draw(rows, draw, 0.0, "image", 0.0)
        parts = [true]
        for number, (replace, swapped) in enumerate(self._wrong):
            own = dataclasses.replace(draw, seed=derive(draw.seed, "wrong pair", number))
            parts.append(self.pairs.draw(rows, own, 1.0, replace, swapped))
        names = ("text", "image", "matched", "swapped", "positions")
        columns = {name: np.stack([getattr(part, name) for part in parts], 1).ravel() for name in names}
        return Drawn(**columns, group=self.group)

    def said(self, rows: Rows, scores: Float[Tensor, "n K"]) -> Said:
        """Which pair of its group scores highest; the first is the true one."""
        best, chosen = scores.max(1)
        return {"predicted": chosen.numpy(), "score": best.numpy(), "accuracy": (chosen == 0).double().numpy()}

    def columns(self) -> dict[str, Any]:
        """The texts with their images."""
        return {"text_id": self.pairs.ids, "image_id": self.units, "text": self.pairs.strings, "kind": self.kinds}

    def about(self) -> dict[str, Any]:
        """The pairs of a group."""
        return {"group": self.group}

    def summary(self) -> str:
        """How many texts and pictures there are."""
        return f"{len(self):,} texts of {len(self.pairs.images):,} pictures, each in a group of {self.group} pairs"


def matching(model: PretrainModel) -> nn.Linear | None:
    """The score that a pre-trained model has already, None without any.

    From image-text matching the matched logit minus the other; from the contrast of rewritten texts its own (UNIMO).
    """
    if "cmcl" in model.heads:
        score = model.heads["cmcl"]
        assert isinstance(score, nn.Linear)
        return score
    objective = model.objectives.get("itm")
    if not isinstance(objective, ITM):
        return None
    head = model.heads[objective.name]
    assert isinstance(head, MatchHead)
    linear = nn.Linear(head.linear.in_features, 1, device=head.linear.weight.device)
    yes, no = objective.matched, 1 - objective.matched
    with torch.no_grad():
        linear.weight.copy_((head.linear.weight[yes] - head.linear.weight[no])[None])
        linear.bias.copy_((head.linear.bias[yes] - head.linear.bias[no])[None])
    return linear


def scoring(model: PretrainModel | TaskModel) -> Callable[[Encoded], Tensor] | None:
    """How well the text and the image of each encoded row fit, in float32; None when the model cannot say.

    Log odds from image-text matching. What a fine-tuned model, the contrast of rewritten texts and a dual encoder (the cosine
    of its two vectors) give is for ranking only.
    """
    head, device = model.head if isinstance(model, TaskModel) else matching(model), device_of(model.trunk).type
    if head is None and isinstance(model, PretrainModel) and "contrastive" in model.heads:
        towers = model.heads["contrastive"]
        assert isinstance(towers, Towers)
        return partial(_in_float32, device, towers.pairs)
    if not isinstance(head, nn.Linear):
        return None
    return lambda encoded: _in_float32(device, head, model.trunk.pool(encoded).float())[:, 0]


def _in_float32(device: str, function: Callable[[T], Tensor], states: T) -> Tensor:
    """``function`` without autocast: in bf16 neighbours in a ranking would have equal scores."""
    with torch.autocast(device, enabled=False):
        return function(states)

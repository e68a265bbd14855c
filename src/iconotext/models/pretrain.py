"""A trunk with one head for each objective."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from torch import Tensor, nn

from iconotext.core.batch import Batch, Encoded, Loss
from iconotext.heads.pool import pooled_width
from iconotext.heads.tasks import TaskHead, TaskScores
from iconotext.models.system import System
from iconotext.models.trunk import Trunk, dims_of
from iconotext.nn.init import initialise
from iconotext.objectives.base import Corrupted, View
from iconotext.objectives.mix import objectives


class PretrainModel(nn.Module):
    """A system with the heads of all its objectives; ``classes`` and ``attributes`` are the detector's label counts.

    ``shared`` is what several heads use together. ``tasks`` says how many scores the head of a task gives, for those of the
    page's that the model has.
    """

    def __init__(
        self,
        system: System,
        vocabulary: int,
        feature_dim: int,
        classes: int,
        attributes: int = 0,
        recompute: bool = False,
        tasks: Mapping[str, int] | None = None,
    ) -> None:
        super().__init__()
        self.system = system
        self.shape: dict[str, Any] = {
            "vocabulary": vocabulary,
            "feature_dim": feature_dim,
            "classes": classes,
            "attributes": attributes,
        }
        self.trunk = Trunk(system, vocabulary, feature_dim, recompute, classes)
        context = self.trunk.head_context(classes, attributes)
        self.objectives = {o.name: o for o in objectives(system.mix)}
        self.heads = nn.ModuleDict({name: o.head(context) for name, o in self.objectives.items()})
        self.shared = context.shared
        initialise(self.heads, system.init)
        initialise(self.shared, system.init)
        self.forms = {form.name: form for form in system.tasks if form.name in (tasks or {})}
        self.tasks = nn.ModuleDict({name: self._task(form, (tasks or {})[name]) for name, form in self.forms.items()})
        initialise(self.tasks, system.init)
        if tasks:
            self.shape["tasks"] = dict(tasks)

    def _task(self, form: TaskHead, outputs: int) -> TaskScores:
        system = self.system
        widths = {"text": system.width, "region": system.region_width}
        width = widths.get(form.reads, pooled_width(system.pool, dims_of(system)))
        return TaskScores(form, width, outputs, system.dropout, system.eps)

    def scores(self, task: str, view: View) -> Tensor:
        """What the head of ``task`` says [Q, A]: of each row, of each two rows, of each word or of each region.

        Raises:
            KeyError: the model has no such head; ``tasks`` names those that it has.
        """
        reads = self.forms[task].reads
        states = view.encoded.text if reads == "text" else view.encoded.region if reads == "region" else view.pooled()
        return self.tasks[task](states)  # type: ignore[no-any-return]

    def view(self, batch: Batch) -> View:
        """The encoded batch, with the pooled rows made when a loss first asks for them."""
        encoded = self.trunk(batch)
        return View(encoded, cache(lambda: self.trunk.pool(encoded)), batch)

    def forward(self, corrupted: Corrupted) -> dict[str, Loss]:
        """The loss of each objective in the batch; one that has nothing to score gives zero over zero."""
        view = self.view(corrupted.batch)
        losses = {}
        for name, targets in corrupted.targets.items():
            if targets.count:
                losses[name] = self.objectives[name].loss(self.heads[name], view, targets)
            else:
                zero = view.encoded.text.new_zeros(())
                losses[name] = Loss(zero, zero)
        return losses

    def encode(self, batch: Batch) -> tuple[Encoded, Tensor]:
        """The last states and the pooled rows."""
        encoded: Encoded = self.trunk(batch)
        return encoded, self.trunk.pool(encoded)

"""A trunk with one head for each objective."""

from __future__ import annotations

from functools import cache

from torch import Tensor, nn

from iconotext.core.batch import Batch, Encoded, Loss
from iconotext.models.system import System
from iconotext.models.trunk import Trunk
from iconotext.nn.init import initialise
from iconotext.objectives.base import Corrupted, View
from iconotext.objectives.mix import objectives


class PretrainModel(nn.Module):
    """A system with the heads of all its objectives; ``classes`` and ``attributes`` are the detector's label counts."""

    def __init__(
        self,
        system: System,
        vocabulary: int,
        feature_dim: int,
        classes: int,
        attributes: int = 0,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        self.system = system
        self.shape = {
            "vocabulary": vocabulary,
            "feature_dim": feature_dim,
            "classes": classes,
            "attributes": attributes,
        }
        self.trunk = Trunk(system, vocabulary, feature_dim, recompute)
        context = self.trunk.head_context(classes, attributes)
        self.objectives = {o.name: o for o in objectives(system.mix)}
        self.heads = nn.ModuleDict({name: o.head(context) for name, o in self.objectives.items()})
        initialise(self.heads, system.init)

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

"""Word-region alignment: words are pulled towards the regions that they can be moved to cheaply."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from iconotext.core.batch import Batch, Loss
from iconotext.core.seed import Draw
from iconotext.core.vocab import Vocab
from iconotext.objectives.base import HeadContext, Negatives, Targets, View, scored
from iconotext.objectives.transport import transport_distance


@dataclass(frozen=True)
class WRA:
    """Optimal transport between the last states of words and regions (UNITER; Chen et al., ECCV 2020).

    Corrupts: nothing; it rides on the pairs of image-text matching.
    Scores: every row that has words and regions.
    Loss: (distances of matched pairs - distances of mismatched pairs) / rows, as in UNITER's code: mismatched pairs are
        pushed apart. Computed in float32 whatever the precision of the model. UNITER's ``weight`` is 0.1.
    """

    name: ClassVar[str] = "wra"
    negatives: ClassVar[Negatives | None] = None
    beta: float = 0.5
    iterations: int = 50
    weight: float = 0.1

    def corrupt(self, batch: Batch, clean: Batch, draw: Draw, vocab: Vocab) -> tuple[Batch, Targets]:
        """The batch as it is; +1 for matched rows, -1 for mismatched ones."""
        both = (batch.text.offsets.diff() > 0) & (batch.region.offsets.diff() > 0)
        rows = both.nonzero()[:, 0]
        sign = torch.where(clean.matched, 1.0, -1.0)[rows]
        return batch, Targets(rows, sign, float(rows.numel()))

    def head(self, context: HeadContext) -> nn.Module:
        """None: the states themselves are compared."""
        return nn.Identity()

    def loss(self, head: nn.Module, view: View, targets: Targets) -> Loss:
        """Signed sum of the transport distances."""
        encoded = view.encoded
        with torch.autocast(encoded.text.device.type, enabled=False):
            text, words = _padded(encoded.text.float(), encoded.text_offsets, targets.positions)
            region, regions = _padded(encoded.region.float(), encoded.region_offsets, targets.positions)
            distance = transport_distance(text, region, words, regions, self.beta, self.iterations)
            return scored((distance * targets.values).sum(), targets)


def _padded(packed: Tensor, offsets: Tensor, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The chosen rows as a rectangle [P, L, D] and where it is filled [P, L]."""
    lengths = offsets.diff()[rows]
    longest = int(lengths.max()) if rows.numel() else 0
    within = torch.arange(longest, device=packed.device)[None]
    filled = within < lengths[:, None]
    index = (offsets[:-1][rows][:, None] + within).clamp(max=max(packed.shape[0] - 1, 0))
    return packed[index] * filled[..., None], filled

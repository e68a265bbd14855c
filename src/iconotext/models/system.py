"""A system is a page of data: what it reads, its schedule, its objectives, its sizes. No tensors, no subclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from iconotext.core.errors import ConfigError
from iconotext.heads.answer import AnswerHeadKind
from iconotext.heads.pool import Pool
from iconotext.heads.tasks import Downstream, TaskHead
from iconotext.nn.schedule import BOTH, TEXT, Schedule, separable
from iconotext.nn.terms import RegionEmbedding, TextEmbedding
from iconotext.objectives.mix import Mix


@dataclass(frozen=True)
class Layout:
    """How a pair becomes two streams: special tokens are [CLS] words [SEP].

    ``whole_image`` puts a token of the whole image before the regions (mean feature, the full box). ``region_segment`` is
    the segment id of regions, ``max_words`` and ``max_regions`` cut longer inputs. With 2 ``sentences`` a pre-training row has
    two texts of its image, [CLS] words [SEP] words [SEP] in segments 0 and 1; where texts are mismatched, the second is.
    ``end_token`` puts [END] after the regions (VL-BERT). ``image_first`` is [CLS] regions [SEP] words [SEP]: the words begin
    in segment 1 at the place after ``max_regions``, whatever the number of regions (Unified VLP).
    With ``link_whole`` [CLS] names the whole image (B2T2).
    """

    whole_image: Literal["none", "mean"] = "none"
    region_segment: int = 0
    max_words: int = 60
    max_regions: int = 100
    sentences: Literal[1, 2] = 1
    end_token: bool = False
    image_first: bool = False
    link_whole: bool = False


@dataclass(frozen=True)
class Recipe:
    """How the paper trained it; what ``iconotext pretrain`` takes where the user says nothing.

    ``batch`` is in pairs, ``warmup`` in steps, ``schedule`` what follows it.
    """

    steps: int
    batch: int
    learning_rate: float
    warmup: int
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    clip: float = 1.0


@dataclass(frozen=True)
class System:
    """One published system (or one of the user's own); ``sizes`` names changes to it, such as "tiny" or "large".

    Widths, heads and feed-forward widths (``hidden``) are by stream, BERT-base's where a page does not say; ``init`` 0 means
    one over the square root of the input width. ``tasks`` are the heads of a model that does several tasks at once,
    ``downstream`` says how it is fine-tuned for one. ``departures`` says in words where this page differs from the paper or
    its code.
    """

    name: str
    title: str
    paper: str
    text: TextEmbedding
    region: RegionEmbedding
    schedule: Schedule
    pool: Pool
    mix: Mix
    answer: AnswerHeadKind
    layout: Layout
    recipe: Recipe
    width: int = 768
    heads: int = 12
    hidden: int = 3072
    region_width: int = 768
    region_heads: int = 12
    region_hidden: int = 3072
    norm: Literal["post", "pre"] = "post"
    last_norm: Literal["each", "one"] = "each"
    eps: float = 1e-12
    dropout: float = 0.1
    attention_dropout: float = 0.1
    init: float = 0.02
    tasks: tuple[TaskHead, ...] = ()
    downstream: Downstream = Downstream()
    departures: tuple[str, ...] = ()
    sizes: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def separable(self) -> bool:
        """Whether each side can be encoded alone, so that vectors can be cached and searched."""
        return bool(self.region.terms) and not self.text.carries and separable(self.schedule)

    @property
    def streams(self) -> str:
        """ "text only", "single-stream", "dual-stream" or "dual encoder", from the region embedding and the schedule."""
        if not self.region.terms:
            return "text only"
        if self.separable:
            return "dual encoder"
        joint = all(layer.streams == TEXT or (layer.tied and layer.streams == BOTH) for layer in self.schedule)
        return "single-stream" if joint else "dual-stream"

    def at(self, size: str) -> System:
        """This system in another size: the same page with the changes of ``sizes[size]``; its departures add to the page's."""
        if size == "base":
            return self
        if size not in self.sizes:
            raise ConfigError(f"{self.title} has no size {size!r}; it has: base, {', '.join(self.sizes)}.")
        changes = dict(self.sizes[size])
        departures = self.departures + tuple(changes.pop("departures", ()))
        return dataclasses.replace(self, **changes, departures=departures)

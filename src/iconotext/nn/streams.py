"""The vectors of both streams on their way through the encoder, as two tensors or as one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from iconotext.nn.schedule import Stream


@dataclass(frozen=True)
class Dims:
    """The sizes of the streams and what every layer shares.

    ``width``, ``heads`` and ``hidden`` (of the feed-forward) by stream; ``norm`` "post" is BERT's, "pre" puts the layer norm
    before each sublayer and one at the end, for each stream its own, or with ``last_norm`` "one" the same for both (ViLT).
    """

    width: dict[Stream, int]
    heads: dict[Stream, int]
    hidden: dict[Stream, int]
    dropout: float = 0.1
    attention_dropout: float = 0.1
    eps: float = 1e-12
    norm: Literal["post", "pre"] = "post"
    last_norm: Literal["each", "one"] = "each"

    @property
    def equal(self) -> bool:
        """Whether both streams have the same sizes, so that tied sublayers can run them as one."""
        return all(sizes["text"] == sizes["region"] for sizes in (self.width, self.heads, self.hidden))


class Streams:
    """Text [N, Dt] and region [M, Dr] vectors; ``joint`` is both as one [N+M, D], made only when a sublayer wants it so.

    Consecutive tied sublayers hand the joint tensor on, so that a single-stream encoder concatenates once.
    """

    def __init__(
        self, parts: dict[Stream, Tensor], joint: Tensor | None = None, split: tuple[int, int] = (0, 0)
    ) -> None:
        self._parts = parts
        self._joint = joint
        self._split = split

    @classmethod
    def of(cls, text: Float[Tensor, "N Dt"], region: Float[Tensor, "M Dr"]) -> Streams:
        """Two separate streams."""
        return cls({"text": text, "region": region}, split=(text.shape[0], region.shape[0]))

    def __getitem__(self, stream: Stream) -> Tensor:
        if self._joint is not None and not self._parts:
            text, region = torch.split(self._joint, list(self._split))
            self._parts = {"text": text, "region": region}
        return self._parts[stream]

    @property
    def joint(self) -> Float[Tensor, "NM D"]:
        """Both streams as one packed tensor: all text, then all regions."""
        if self._joint is None:
            self._joint = torch.cat([self._parts["text"], self._parts["region"]])
        return self._joint

    def with_joint(self, joint: Float[Tensor, "NM D"]) -> Streams:
        """The same rows with new joint vectors."""
        return Streams({}, joint, self._split)

    def replace(self, changed: dict[Stream, Tensor]) -> Streams:
        """The same rows with new vectors for some streams."""
        parts = {stream: changed[stream] if stream in changed else self[stream] for stream in ("text", "region")}
        return Streams(parts, split=self._split)  # type: ignore[arg-type]

"""The feed-forward sublayer: up, GELU, down, residual and norm, on real tokens."""

from __future__ import annotations

from jaxtyping import Float
from torch import Tensor, nn

from iconotext.core.errors import ConfigError
from iconotext.nn.dropout import Dropout
from iconotext.nn.schedule import BOTH, FeedForward, Stream
from iconotext.nn.streams import Dims, Streams


class FeedForwardSublayer(nn.Module):
    """One ``FeedForward`` of a schedule; tied streams of one width run as one."""

    def __init__(self, layer: FeedForward, dims: Dims) -> None:
        super().__init__()
        if layer.tied and not dims.equal:
            raise ConfigError("A tied feed-forward needs streams of one width; give both the same width and hidden.")
        self.streams = layer.streams
        self.one = layer.tied and layer.streams == BOTH
        self.order = dims.norm
        owners: tuple[Stream, ...] = ("text",) if self.one else layer.streams
        hidden = {s: layer.size(s) or dims.hidden[s] for s in owners}
        self.up = nn.ModuleDict({s: nn.Linear(dims.width[s], hidden[s]) for s in owners})
        self.down = nn.ModuleDict({s: nn.Linear(hidden[s], dims.width[s]) for s in owners})
        self.norm = nn.ModuleDict({s: nn.LayerNorm(dims.width[s], eps=dims.eps) for s in owners})
        self.drop = Dropout(dims.dropout)

    def forward(self, streams: Streams) -> Streams:
        if self.one:
            return streams.with_joint(self._run("text", streams.joint))
        return streams.replace({s: self._run(s, streams[s]) for s in self.streams})

    def _run(self, stream: Stream, x: Float[Tensor, "N D"]) -> Float[Tensor, "N D"]:
        if x.shape[0] == 0:
            return x
        inside = self.norm[stream](x) if self.order == "pre" else x
        y = x + self.drop(self.down[stream](nn.functional.gelu(self.up[stream](inside))))
        return y if self.order == "pre" else self.norm[stream](y)  # type: ignore[no-any-return]

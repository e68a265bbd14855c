"""The encoder and the losses written out plainly: padded tensors, one row, one head at a time, no trick.

Takes the weights of a model and nothing of its computation. What lies in padded slots is rubbish on purpose.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from iconotext.core.batch import Batch
from iconotext.heads.pool import Product
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import Trunk, dims_of
from iconotext.nn.attention import Attention
from iconotext.nn.feed_forward import FeedForwardSublayer
from iconotext.nn.schedule import Attend, FeedForward, Stream
from iconotext.nn.streams import Dims
from iconotext.objectives.base import Corrupted, Targets


@dataclass
class Padded:
    """Both streams [B, L, D], which slots are real [B, L], and where in the sentence they are (-1 for regions)."""

    states: dict[Stream, Tensor]
    filled: dict[Stream, Tensor]
    order: dict[Stream, Tensor]
    pattern: str


def pad(packed: Tensor, offsets: Tensor, rubbish: float) -> Tensor:
    """Packed tokens as [B, L, ...]."""
    lengths = offsets.diff().tolist()
    longest = max(lengths) + 1  # even the longest row is padded
    out = packed.new_full((len(lengths), longest, *packed.shape[1:]), rubbish)
    for row, (begin, length) in enumerate(zip(offsets.tolist(), lengths)):
        out[row, :length] = packed[begin : begin + length]
    return out


def linear(layer: nn.Module, x: Tensor) -> Tensor:
    return x @ layer.weight.T + layer.bias


def norm(layer: nn.Module, x: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.pow(2).mean(-1, keepdim=True) + layer.eps).sqrt() * layer.weight + layer.bias


def gelu(x: Tensor) -> Tensor:
    return 0.5 * x * (1 + torch.erf(x / math.sqrt(2)))


def embed(trunk: Trunk, batch: Batch) -> Padded:
    text, region = batch.text, batch.region
    states: dict[Stream, Tensor] = {}
    parts = []
    for name, ids in (("word", text.ids), ("position", text.position), ("segment", text.segment)):
        if name in trunk.text.tables:
            parts.append(trunk.text.tables[name].weight[pad(ids, text.offsets, 1)])
    states["text"] = norm(trunk.text.norm, sum(parts))

    features = pad(region.features, region.offsets, 9.0)
    masked = pad(region.masked, region.offsets, False)[..., None]
    stand_in = trunk.region.mask_vector if trunk.region.learned else torch.zeros(features.shape[-1])
    parts = []
    for name, values in (
        ("feature", torch.where(masked, stand_in, features)),
        ("location", pad(region.location, region.offsets, 3.0)),
    ):
        part = linear(trunk.region.linear[name], values)
        parts.append(norm(trunk.region.norms[name], part) if name in trunk.region.norms else part)
    if any(type(term).__name__ == "Segment" for term in trunk.system.region.terms):
        parts.append(trunk.text.tables["segment"].weight[pad(region.segment, region.offsets, 0)])
    states["region"] = norm(trunk.region.norm, sum(parts))

    filled: dict[Stream, Tensor] = {
        "text": pad(torch.ones_like(text.special), text.offsets, False),
        "region": pad(torch.ones_like(region.whole), region.offsets, False),
    }
    order: dict[Stream, Tensor] = {
        "text": pad(text.position, text.offsets, -1),
        "region": torch.full(filled["region"].shape, -1),
    }
    return Padded(states, filled, order, batch.pattern)


def attend(module: Attention, layer: Attend, dims: Dims, x: Padded) -> None:
    new = dict(x.states)
    rows = next(iter(x.states.values())).shape[0]
    for stream in layer.streams:
        reads = layer.reads(stream)
        width, heads = layer.width or dims.width[stream], layer.heads or dims.heads[stream]
        own: Stream = "text" if layer.tied else stream
        out = []
        for row in range(rows):
            mine = x.states[stream][row]
            inputs = {s: x.states[s][row] for s in {*reads, stream}}
            if dims.norm == "pre":
                inputs = {s: norm(module.norm["text" if layer.tied else s], value) for s, value in inputs.items()}
            project = module.project[own]
            q = inputs[stream] @ project.weight[:width].T + project.bias[:width]
            keys, values = [], []
            for s in reads:
                project = module.project["text" if layer.tied else s]
                keys.append(inputs[s] @ project.weight[-2 * width : -width].T + project.bias[-2 * width : -width])
                values.append(inputs[s] @ project.weight[-width:].T + project.bias[-width:])
            k, v = torch.cat(keys), torch.cat(values)
            allowed = torch.cat([x.filled[s][row] for s in reads])[None].expand(len(q), -1)
            if x.pattern == "seq2seq":
                allowed = allowed & (torch.cat([x.order[s][row] for s in reads]) <= x.order[stream][row][:, None])
            size = width // heads
            contexts = []
            for head in range(heads):
                at = slice(head * size, (head + 1) * size)
                scores = (q[:, at] @ k[:, at].T / math.sqrt(size)).masked_fill(~allowed, -1e30)
                contexts.append(scores.softmax(-1) @ v[:, at])
            y = mine + linear(module.output[own], torch.cat(contexts, -1))
            y = norm(module.norm[own], y) if dims.norm == "post" else y
            out.append(torch.where(allowed.any(-1, keepdim=True), y, mine))
        new[stream] = torch.stack(out)
    x.states = new


def feed_forward(module: FeedForwardSublayer, layer: FeedForward, dims: Dims, x: Padded) -> None:
    for stream in layer.streams:
        own = "text" if layer.tied else stream
        mine = x.states[stream]
        inside = norm(module.norm[own], mine) if dims.norm == "pre" else mine
        y = mine + linear(module.down[own], gelu(linear(module.up[own], inside)))
        x.states[stream] = norm(module.norm[own], y) if dims.norm == "post" else y


def encode(trunk: Trunk, batch: Batch) -> Padded:
    """The states after the last layer."""
    x = embed(trunk, batch)
    dims = dims_of(trunk.system)
    for layer, module in zip(trunk.system.schedule, trunk.encoder.sublayers, strict=True):
        if isinstance(layer, Attend):
            assert isinstance(module, Attention)
            attend(module, layer, dims, x)
        else:
            assert isinstance(module, FeedForwardSublayer)
            feed_forward(module, layer, dims, x)
    if dims.norm == "pre":
        x.states = {s: norm(trunk.encoder.last[s], value) for s, value in x.states.items()}
    return x


def pool(trunk: Trunk, x: Padded) -> Tensor:
    """First token of each row, through the pooler's maps."""
    firsts = {s: torch.where(x.filled[s][:, :1], x.states[s][:, 0], 0.0) for s in x.states}
    text = linear(trunk.pooler.text, firsts["text"])
    if not isinstance(trunk.system.pool, Product):
        return text.tanh() if trunk.pooler.tanh else text.relu()
    region = linear(trunk.pooler.region, firsts["region"]).relu()
    return text.relu() * torch.where(x.filled["region"].any(1, keepdim=True), region, 1.0)


def labels(targets: Targets, offsets: Tensor) -> Tensor:
    """Labels of all slots [B, L], -100 where nothing is scored."""
    packed = torch.full((int(offsets[-1]),), -100)
    packed[targets.positions] = targets.values
    return pad(packed, offsets, -100)


def distance(words: Tensor, regions: Tensor, beta: float, iterations: int) -> Tensor:
    """Optimal transport of one pair by the proximal point method, as the paper writes it."""
    words, regions = F.normalize(words, dim=-1), F.normalize(regions, dim=-1)
    cost = 1 - regions @ words.T
    m, n = cost.shape
    plan, sigma = torch.ones(m, n), torch.full((n,), 1 / n)
    kernel = torch.exp(-cost.detach() / beta)
    for _ in range(iterations):
        q = kernel * plan
        delta = 1 / (m * (q @ sigma))
        sigma = 1 / (n * (q.T @ delta))
        plan = delta[:, None] * q * sigma[None]
    return (cost * plan).sum()


def losses(model: PretrainModel, corrupted: Corrupted) -> dict[str, Tensor]:
    """The mean loss of every objective that scores something, over padded tensors with a label or a mark in every slot."""
    batch = corrupted.batch
    x = encode(model.trunk, batch)
    text, region = batch.text.offsets, batch.region.offsets
    found: dict[str, Tensor] = {}
    for name, targets in corrupted.targets.items():
        if not targets.count:
            continue
        head = model.heads[name]
        if name == "mlm":
            scores = head(x.states["text"].flatten(0, 1))
            found[name] = F.cross_entropy(scores, labels(targets, text).flatten())
        elif name == "mrc_hard":
            scores = head(x.states["region"].flatten(0, 1))
            found[name] = F.cross_entropy(scores, labels(targets, region).flatten())
        elif name in ("mrfr", "mrc_soft"):
            guess = head(x.states["region"].flatten(0, 1))
            marked = torch.zeros(int(region[-1]), dtype=torch.bool)
            marked[targets.positions] = True
            wanted = torch.zeros(int(region[-1]), guess.shape[-1])
            wanted[targets.positions] = targets.values
            scored, wanted = pad(marked, region, False).flatten(), pad(wanted, region, 5.0).flatten(0, 1)
            if name == "mrfr":
                found[name] = ((guess - wanted) ** 2)[scored].mean()
            else:
                divergence = (wanted * (wanted.log() - guess.log_softmax(-1))).sum(-1)[scored]
                found[name] = divergence.sum() / targets.count
        elif name == "itm":
            found[name] = F.cross_entropy(head(pool(model.trunk, x)), targets.values)
        elif name == "wra":
            objective = model.objectives["wra"]
            each = [
                sign
                * distance(
                    x.states["text"][row][x.filled["text"][row]],
                    x.states["region"][row][x.filled["region"][row]],
                    objective.beta,
                    objective.iterations,
                )
                for row, sign in zip(targets.positions.tolist(), targets.values.tolist())
            ]
            found[name] = torch.stack(each).mean()
    return found

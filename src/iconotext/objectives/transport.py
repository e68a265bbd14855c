"""Optimal transport between the words and the regions of a pair, by the IPOT iteration.

The proximal point method of Xie et al. (UAI 2020), with the constants of UNITER's code (model/ot.py).
"""

from __future__ import annotations

import torch
from jaxtyping import Bool, Float
from torch import Tensor


def cosine_cost(
    text: Float[Tensor, "B T D"], region: Float[Tensor, "B R D"], eps: float = 1e-5
) -> Float[Tensor, "B T R"]:
    """1 - cosine of every word with every region; norms below ``eps`` are raised to it."""
    text = torch.nn.functional.normalize(text, dim=-1, eps=eps)
    region = torch.nn.functional.normalize(region, dim=-1, eps=eps)
    return 1 - text @ region.transpose(1, 2)


@torch.no_grad()
def transport_plan(
    cost: Float[Tensor, "B T R"],
    words: Bool[Tensor, "B T"],
    regions: Bool[Tensor, "B R"],
    beta: float = 0.5,
    iterations: int = 50,
) -> Float[Tensor, "B R T"]:
    """The plan that moves equal weights on the real words to equal weights on the real regions, without gradient.

    ``words`` and ``regions`` are True at real tokens; the plan is 0 elsewhere.
    """
    pair = (regions[:, :, None] & words[:, None, :]).to(cost.dtype)
    kernel = torch.exp(-cost.transpose(1, 2) / beta) * pair
    many_words = words.sum(1, dtype=cost.dtype)[:, None]
    many_regions = regions.sum(1, dtype=cost.dtype)[:, None]
    sigma = words.to(cost.dtype) / many_words.clamp(min=1)
    plan = pair
    for _ in range(iterations):
        q = kernel * plan
        delta = regions / (many_regions * (q @ sigma[:, :, None])[:, :, 0]).masked_fill(~regions, 1.0)
        sigma = words / (many_words * (delta[:, None, :] @ q)[:, 0]).masked_fill(~words, 1.0)
        plan = delta[:, :, None] * q * sigma[:, None, :]
    return plan


@torch.compiler.disable  # type: ignore[untyped-decorator]  # a compiler would unroll the iterations, for minutes
def transport_distance(
    text: Float[Tensor, "B T D"],
    region: Float[Tensor, "B R D"],
    words: Bool[Tensor, "B T"],
    regions: Bool[Tensor, "B R"],
    beta: float = 0.5,
    iterations: int = 50,
) -> Float[Tensor, "B"]:
    """What moving the words onto the regions costs, at the plan of least cost; the gradient flows through the cost only."""
    pair = words[:, :, None] & regions[:, None, :]
    cost = cosine_cost(text.float(), region.float()).masked_fill(~pair, 0.0)
    plan = transport_plan(cost.detach(), words, regions, beta, iterations)
    return (cost * plan.transpose(1, 2)).sum((1, 2))

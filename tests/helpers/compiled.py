"""A script: a small model compiled and not, over batches of several shapes; says by how much losses and gradients differ.

A process of its own, because the shape checks of the tests would be compiled as well, which takes minutes.
"""

from __future__ import annotations

import sys

import torch
from samples import UNITER, VOCAB, batch_of, model_of, tiny
from torch import Tensor

from iconotext.core.seed import Draw
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.schedule import joint_layer
from iconotext.objectives.base import Corrupted
from iconotext.objectives.itm import ITM
from iconotext.objectives.mix import Together, corrupt, objectives
from iconotext.objectives.mlm import MLM

SHAPES = (((4, 1, 6), (3, 5, 1)), ((5, 2), (2, 6)))


def run(model: PretrainModel, cases: list[Corrupted]) -> list[Tensor]:
    found = []
    for case in cases:
        model.zero_grad()
        total = sum((loss.mean for loss in model(case).values()), torch.zeros(()))
        total.backward()
        found += [total.detach(), *(p.grad.clone() for p in model.parameters() if p.grad is not None)]
    return found


def main(backend: str) -> None:
    torch.set_num_threads(1)
    page = tiny(UNITER, schedule=joint_layer(), mix=Together((ITM(), MLM(rate=0.4))))
    model, cases = model_of(page), []
    for words, counts in SHAPES:
        batch = batch_of(page, words, counts)
        cases.append(corrupt(objectives(page.mix), batch, Draw(0, 0, batch.position.numpy()), VOCAB))
    plain = run(model, cases)
    model.compile(dynamic=True, backend=backend)
    compiled = run(model, cases)
    assert len(plain) == len(compiled)
    print(max(float((one - other).abs().max()) for one, other in zip(plain, compiled)))


if __name__ == "__main__":
    main(sys.argv[1])

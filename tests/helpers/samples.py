"""Small batches, small systems, and models in which every weight matters."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from iconotext.core.batch import Batch, Region, Text, offsets_of, row_of
from iconotext.core.vocab import Vocab
from iconotext.heads.pool import Product
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.nn.location import encode_location
from iconotext.nn.schedule import co_layer, joint_layer, text_layer, twin_layer
from iconotext.objectives.base import Negatives
from iconotext.objectives.itm import ITM
from iconotext.objectives.masking import RegionMasks
from iconotext.objectives.mix import Mix, Together
from iconotext.objectives.mlm import MLM
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.wra import WRA
from iconotext.systems.uniter import UNITER
from iconotext.systems.vilbert import VILBERT

VOCAB = Vocab(size=48, pad=0, unknown=1, begin=2, separator=3, mask=4, first=5)
FEATURES = 6
CLASSES = 5


def texts(words: Sequence[int], seed: int = 0) -> Text:
    """[CLS], so many pieces, [SEP]; nothing at all where the number is 0. Words have one to three pieces."""
    random = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([n + 2 if n else 0 for n in words])
    offsets = offsets_of(lengths)
    within = torch.arange(int(offsets[-1])) - offsets[:-1][row_of(offsets)]
    special = (within == 0) | (within == lengths[row_of(offsets)] - 1)
    ids = torch.randint(VOCAB.first, VOCAB.size, within.shape, generator=random)
    ids = torch.where(within == 0, VOCAB.begin, torch.where(special, VOCAB.separator, ids))
    begins = special | special.roll(1) | (torch.rand(within.shape, generator=random) < 0.5)
    return Text(
        ids=ids,
        position=within,
        segment=torch.zeros_like(within),
        word=begins.long().cumsum(0),
        special=special,
        link=torch.full_like(within, -1),
        offsets=offsets,
    )


def regions(counts: Sequence[int], page: System, seed: int = 0) -> Region:
    """So many regions a row, the whole-image token before them where the page has one; 0 is a row with none at all."""
    random = torch.Generator().manual_seed(seed + 1)
    extra = int(page.layout.whole_image != "none")
    offsets = offsets_of(torch.tensor([n + extra if n else 0 for n in counts]))
    row = row_of(offsets)
    many = row.numel()
    sizes = torch.randint(100, 400, (len(counts), 2), generator=random)[row].float()
    corners = torch.rand(many, 2, 2, generator=random).sort(1).values.flatten(1)
    boxes = corners * sizes.repeat(1, 2)
    features = torch.randn(many, FEATURES, generator=random)
    probs = torch.randn(many, CLASSES, generator=random).softmax(-1)
    whole = torch.zeros(many, dtype=torch.bool)
    if extra:
        whole[offsets[:-1][offsets.diff() > 0]] = True
        boxes[whole] = torch.cat([torch.zeros(int(whole.sum()), 2), sizes[whole]], 1)
        for index in whole.nonzero()[:, 0].tolist():
            end = int(offsets[int(row[index]) + 1])
            features[index] = features[index + 1 : end].mean(0)
    return Region(
        features=features,
        boxes=boxes,
        location=encode_location(page.region.location, boxes, sizes),
        segment=torch.full((many,), page.layout.region_segment),
        class_probs=probs,
        attributes=torch.full((many,), -1),
        masked=torch.zeros(many, dtype=torch.bool),
        whole=whole,
        offsets=offsets,
    )


def batch_of(page: System, words: Sequence[int], counts: Sequence[int], seed: int = 0, pattern: str = "full") -> Batch:
    """Row i has ``words[i]`` words and ``counts[i]`` regions; every third pair does not match."""
    rows = torch.arange(len(words))
    return Batch(texts(words, seed), regions(counts, page, seed), rows % 3 != 1, 7 * rows + seed, pattern)


def select(batch: Batch, rows: Sequence[int]) -> Batch:
    """Some rows of a batch in the order given."""

    def taken(part: Any) -> Any:
        index = [torch.arange(int(part.offsets[r]), int(part.offsets[r + 1])) for r in rows]
        names = [f.name for f in dataclasses.fields(part) if f.name != "offsets"]
        chosen = {n: getattr(part, n)[torch.cat(index)] for n in names if getattr(part, n) is not None}
        return type(part)(**chosen, offsets=offsets_of(torch.tensor([len(i) for i in index])))

    order = torch.tensor(rows)
    return dataclasses.replace(
        batch,
        text=taken(batch.text),
        region=taken(batch.region),
        matched=batch.matched[order],
        position=batch.position[order],
        answers=batch.answers[order],
        phrases=batch.phrases[order],
    )


def tokens(part: Text | Region, row: int) -> slice:
    """Where a row's tokens lie."""
    return slice(int(part.offsets[row]), int(part.offsets[row + 1]))


MASKS = RegionMasks(rate=0.4)
EVERYTHING = Together(
    (ITM(Negatives(), dropout=True), MLM(rate=0.4), MRFR(MASKS), MRC("soft", MASKS), MRC("hard", MASKS))
)


def tiny(page: System, mix: Mix = EVERYTHING, **changes: Any) -> System:
    """A page with its own structure in sizes of tens."""
    if page.name == "vilbert":
        changes = {
            "schedule": text_layer() + 2 * (co_layer(width=24, heads=3) + twin_layer()),
            "pool": Product(20),
            "mix": mix,
            "width": 16,
            "heads": 2,
            "hidden": 24,
            "region_width": 12,
            "region_heads": 3,
            "region_hidden": 20,
            **changes,
        }
    else:
        changes = {
            "schedule": 2 * joint_layer(),
            "mix": Together((mix, WRA())),
            "width": 16,
            "heads": 2,
            "hidden": 24,
            "region_width": 16,
            "region_heads": 2,
            "region_hidden": 24,
            **changes,
        }
    return dataclasses.replace(page, **changes)


PAGES = {page.name: page for page in (tiny(UNITER), tiny(VILBERT))}


def model_of(page: System, seed: int = 0, recompute: bool = False) -> PretrainModel:
    """A model in evaluation mode; no bias is 0 and no norm is 1, so a swapped or dropped weight shows."""
    torch.manual_seed(seed)
    model = PretrainModel(page, VOCAB.size, FEATURES, CLASSES, recompute=recompute)
    shake(model)
    return model.eval()


def shake(module: nn.Module) -> None:
    """Adds noise to every parameter."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter), alpha=0.2)


def tensors(value: Any, path: str = "") -> dict[str, Tensor]:
    """Every tensor in dataclasses and dicts, at any depth, by its path."""
    if isinstance(value, Tensor):
        return {path: value}
    found: dict[str, Tensor] = {}
    if dataclasses.is_dataclass(value):
        for field in dataclasses.fields(value):
            found |= tensors(getattr(value, field.name), f"{path}.{field.name}")
    elif isinstance(value, dict):
        for key, item in value.items():
            found |= tensors(item, f"{path}.{key}")
    return found


def equal(one: Any, other: Any) -> bool:
    """Whether two values hold the same tensors, bit for bit."""
    mine, theirs = tensors(one), tensors(other)
    return mine.keys() == theirs.keys() and all(torch.equal(mine[name], theirs[name]) for name in mine)

"""UNITER's own code on weights that a formula fills: the values that it gives."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from iconotext.convert import RELEASES, convert
from iconotext.convert.uniter import rules, sizes, system
from iconotext.core.batch import Batch, Region, Text
from iconotext.models.pretrain import PretrainModel
from iconotext.objectives.base import Targets
from iconotext.objectives.mrc import MRC
from iconotext.systems.uniter import UNITER

CONFIG = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 20,
    "type_vocab_size": 2,
}
SIZES = {"vocabulary": 50, "feature_dim": 8, "classes": 5}


def filled(key: str, shape: tuple[int, ...]) -> Tensor:
    """The fill of the recorded values: a sine whose phase comes from the key."""
    phase = sum(map(ord, key)) % 97
    count = math.prod(shape)
    values = 0.1 * torch.sin(0.1 * torch.arange(1, count + 1, dtype=torch.float64) + phase)
    if key.endswith("net.2.weight") or (key.endswith("weight") and ("LayerNorm" in key or "_layer_norm" in key)):
        values = values + 1
    return values.float().view(shape)


def state() -> dict[str, Tensor]:
    page = system(CONFIG)
    own = PretrainModel(page, **SIZES).state_dict()
    found = {}
    for rule in rules(page):
        shape = (2, 8) if rule.row is not None else tuple(rule.place(own[rule.target]).shape)
        found[rule.source] = filled(rule.source, shape)
    found["cls.predictions.decoder.weight"] = found["uniter.embeddings.word_embeddings.weight"]
    found["feat_regress.weight"] = found["uniter.img_embeddings.img_linear.weight"]
    return found


def model_of() -> PretrainModel:
    model, report = convert(RELEASES["uniter"], CONFIG, state())
    assert report.unfilled == ()
    assert set(report.left) == {"cls.predictions.decoder.weight", "feat_regress.weight"}
    return model.eval()


def batch_of(masked: tuple[int, ...] = ()) -> Batch:
    ids = torch.tensor([1, 5, 6, 7, 2, 1, 8, 2])
    real = torch.tensor([0, 1, 3, 4, 5])  # the first picture's third region is padding
    zeros, hidden = torch.zeros(8).long(), torch.zeros(5, dtype=torch.bool)
    hidden[list(masked)] = True
    features = (0.3 * torch.arange(48.0)).cos().view(6, 8)[real]
    return Batch(
        text=Text(
            ids, torch.tensor([0, 1, 2, 3, 4, 0, 1, 2]), zeros, zeros, zeros > 0, zeros - 1, torch.tensor([0, 5, 8])
        ),
        region=Region(
            features=features.masked_fill(hidden[:, None], 0.0),
            boxes=torch.zeros(5, 4),
            location=(0.2 * torch.arange(42.0)).sin().abs().view(6, 7)[real],
            segment=torch.ones(5).long(),
            class_probs=torch.zeros(5, 5),
            attributes=torch.full((5,), -1),
            masked=hidden,
            whole=torch.zeros(5, dtype=torch.bool),
            offsets=torch.tensor([0, 2, 5]),
        ),
        matched=torch.tensor([True, False]),
        position=torch.arange(2),
    )


def near(found: Tensor | float, expected: Any) -> None:
    torch.testing.assert_close(torch.as_tensor(found), torch.tensor(expected), rtol=0, atol=2e-6)


@torch.no_grad()
def test_last_states() -> None:
    encoded = model_of().trunk(batch_of())
    near(encoded.text[0, :4], [-1.999174, -0.855900, -0.372110, 0.210784])
    near(encoded.region[4, :4], [0.421737, 0.153202, -0.717127, -0.917562])


@torch.no_grad()
def test_words() -> None:
    model = model_of()
    view, mlm = model.view(batch_of()), model.objectives["mlm"]
    for position, word, expected in ((2, 9, 3.668367), (6, 4, 3.920032)):
        targets = Targets(torch.tensor([position]), torch.tensor([word]), 1.0)
        near(mlm.loss(model.heads["mlm"], view, targets).mean, expected)


@torch.no_grad()
def test_regions() -> None:
    model, masked = model_of(), (1, 2)
    view, positions = model.view(batch_of(masked)), torch.tensor(masked)
    features = Targets(positions, batch_of().region.features[positions], 16.0)
    near(model.objectives["mrfr"].loss(model.heads["mrfr"], view, features).mean, 0.350125)
    probs = torch.tensor([[0.1, 0.2, 0.3, 0.2, 0.2], [0.5, 0.1, 0.1, 0.2, 0.1]])
    head = model.heads["mrc_soft"]
    near(model.objectives["mrc_soft"].loss(head, view, Targets(positions, probs, 10.0)).mean, 0.035333)
    hard = Targets(positions, probs[:, 1:].argmax(1) + 1, 2.0)
    near(MRC("hard").loss(head, view, hard).mean, 1.664304)


@torch.no_grad()
def test_matching_and_transport() -> None:
    model = model_of()
    view = model.view(batch_of())
    for row, (label, entropy, distance) in enumerate(((1, 0.716812, 0.806970), (0, 0.670025, 0.794754))):
        logits = model.heads["itm"](view.pooled())[row : row + 1]
        near(torch.nn.functional.cross_entropy(logits, torch.tensor([label])), entropy)
        one = Targets(torch.tensor([row]), torch.ones(1), 1.0)
        near(model.objectives["wra"].loss(model.heads["wra"], view, one).sum, distance)


def test_the_published_config_is_the_page() -> None:
    base = {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072}
    assert system(base | {"max_position_embeddings": 512, "type_vocab_size": 2}) == UNITER
    large = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16, "intermediate_size": 4096}
    assert system(large | {"max_position_embeddings": 512, "type_vocab_size": 2}) == UNITER.at("large")
    assert sizes(state()) == SIZES

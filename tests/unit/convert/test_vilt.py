"""ViLT as the class of transformers computes it, in and out."""

from __future__ import annotations

import dataclasses
from functools import cache

import pytest
import torch
from samples import shake
from torch import Tensor
from transformers import ViltConfig, ViltForMaskedLM, ViltModel

from iconotext.convert import RELEASES, convert, recognise
from iconotext.convert.export import export
from iconotext.core.batch import Batch, Region, Text, offsets_of, row_of
from iconotext.core.errors import ConfigError, DataError
from iconotext.models.pretrain import PretrainModel
from iconotext.models.trunk import count_parameters
from iconotext.nn.location import encode_location
from iconotext.objectives.base import Targets
from iconotext.systems.vilt import VILT

RELEASE = RELEASES["vilt_hf"]
PATCH = 4
SMALL = ViltConfig(
    vocab_size=40,
    hidden_size=24,
    num_hidden_layers=3,
    num_attention_heads=4,
    intermediate_size=40,
    image_size=5 * PATCH,
    patch_size=PATCH,
    max_position_embeddings=12,
    layer_norm_eps=1e-5,
)


@cache
def theirs() -> ViltForMaskedLM:
    torch.manual_seed(0)
    model = ViltForMaskedLM(SMALL).eval()
    shake(model)
    return model


def ours() -> PretrainModel:
    model, carried = convert(RELEASE, SMALL.to_dict(), theirs().state_dict())
    assert all(name.startswith("heads.itm") for name in carried.unfilled)
    return model.eval()


def inputs(words: list[int], grids: list[tuple[int, int]]) -> dict[str, Tensor]:
    """Texts and pictures of so many words and (rows, columns) of patches, padded."""
    torch.manual_seed(1)
    high, wide = (max(side) * PATCH for side in zip(*grids, strict=True))
    pixel_mask = torch.zeros(len(grids), high, wide, dtype=torch.long)
    for mask, (rows, columns) in zip(pixel_mask, grids, strict=True):
        mask[: rows * PATCH, : columns * PATCH] = 1
    attention_mask = (torch.arange(max(words))[None] < torch.tensor(words)[:, None]).long()
    return {
        "input_ids": torch.randint(1, 40, attention_mask.shape),
        "token_type_ids": torch.randint(0, 2, attention_mask.shape),
        "attention_mask": attention_mask,
        "pixel_values": torch.randn(len(grids), 3, high, wide) * pixel_mask[:, None],
        "pixel_mask": pixel_mask,
    }


def batch_of(x: dict[str, Tensor], grids: list[tuple[int, int]]) -> Batch:
    """The same, packed: the pixels of a patch are the feature of a region."""
    words = x["attention_mask"].bool()
    position = torch.arange(words.shape[1]).expand_as(words)
    features, boxes, sizes = [], [], []
    for pixels, (rows, columns) in zip(x["pixel_values"], grids, strict=True):
        high, wide = rows * PATCH, columns * PATCH
        patches = torch.nn.functional.unfold(pixels[None, :, :high, :wide], PATCH, stride=PATCH)[0].t()
        features += [torch.zeros(1, patches.shape[1]), patches]
        corner = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)).flip(1) * PATCH
        boxes += [torch.tensor([[0, 0, wide, high]]), torch.cat([corner, corner + PATCH], 1)]
        sizes += [torch.tensor([[wide, high]])] * (1 + len(corner))
    counts = torch.tensor([1 + rows * columns for rows, columns in grids])
    many, offsets = int(counts.sum()), offsets_of(counts)
    whole = torch.zeros(many, dtype=torch.bool)
    whole[offsets[:-1]] = True
    box = torch.cat(boxes).float()
    region = Region(
        features=torch.cat(features),
        boxes=box,
        location=encode_location("slide", box, torch.cat(sizes).float()),
        segment=torch.ones(many, dtype=torch.long),
        class_probs=torch.zeros(many, 0),
        attributes=torch.full((many,), -1),
        masked=torch.zeros(many, dtype=torch.bool),
        whole=whole,
        offsets=offsets,
    )
    count = int(words.sum())
    text = Text(
        ids=x["input_ids"][words],
        position=position[words],
        segment=x["token_type_ids"][words],
        word=torch.arange(count),
        special=torch.zeros(count, dtype=torch.bool),
        link=torch.full((count,), -1),
        offsets=offsets_of(words.sum(1)),
    )
    return Batch(text, region, torch.ones(len(grids), dtype=torch.bool), torch.arange(len(grids)))


@pytest.mark.parametrize(
    "grids",
    [[(5, 5), (5, 5)], [(3, 7), (3, 7)], [(2, 6), (4, 3)], [(1, 4), (1, 4)]],
    ids=["table", "wide", "two", "row"],
)
@torch.no_grad()
def test_states_and_scores_are_theirs(grids: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> None:
    # They shuffle the patches, which changes no result but the order of the states.
    monkeypatch.setattr(torch, "multinomial", lambda weights, count, **_: torch.arange(int(count)) % len(weights))
    x = inputs([7, 4], grids)
    batch, model = batch_of(x, grids), ours()
    found = theirs()(**x, output_hidden_states=True)
    full = theirs().vilt(**x)
    length = x["attention_mask"].shape[1]
    words = x["attention_mask"].bool()
    # Where they fill up a row of patches they do so after those of the picture.
    patches = torch.arange(full.last_hidden_state.shape[1] - length) < batch.region.offsets.diff()[:, None]
    near = {"rtol": 0, "atol": 2e-5}
    layers: list[Tensor] = []
    encoded = model.trunk(batch, lambda index, s: layers.append(torch.cat([s["text"], s["region"]])))
    embedded = model.trunk.embed(batch)
    layers = [torch.cat([embedded["text"], embedded["region"]]), *layers[1::2]]
    assert len(layers) == len(found.hidden_states)
    for mine, state in zip(layers, found.hidden_states, strict=True):
        torch.testing.assert_close(mine, torch.cat([state[:, :length][words], state[:, length:][patches]]), **near)
    torch.testing.assert_close(encoded.text, full.last_hidden_state[:, :length][words], **near)
    torch.testing.assert_close(encoded.region, full.last_hidden_state[:, length:][patches], **near)
    torch.testing.assert_close(model.trunk.pool(encoded), full.pooler_output, **near)
    torch.testing.assert_close(model.heads["mlm"](encoded.text), found.logits[words], **near)


def test_loss_and_gradients_are_theirs() -> None:
    grids = [(4, 6), (4, 6)]
    x, model = inputs([6, 6], grids), ours()
    batch = batch_of(x, grids)
    positions = torch.tensor([1, 4, 9])
    labels = torch.full((12,), -100)
    labels[positions] = torch.tensor([7, 30, 2])
    expected = theirs()(**x, labels=labels.view(2, 6)).loss
    theirs().zero_grad()
    expected.backward()
    targets = Targets(positions, labels[positions], 3.0)
    loss = model.objectives["mlm"].loss(model.heads["mlm"], model.view(batch), targets).mean
    loss.backward()
    torch.testing.assert_close(loss, expected, rtol=0, atol=2e-5)
    parameters, gradients = dict(model.named_parameters()), dict(theirs().named_parameters())
    for rule in RELEASE.rules(model.system):
        gradient = gradients[rule.source].grad
        if gradient is not None:
            mine = rule.place(parameters[rule.target].grad)
            torch.testing.assert_close(mine, rule.take(gradient), rtol=0, atol=2e-5, msg=rule.source)


def test_there_and_back_is_bit_equal_and_loads_without_a_gap() -> None:
    model = ours()
    config, state = export(model, RELEASE)
    again = ViltForMaskedLM(ViltConfig.from_dict(config))
    missing, unexpected = again.load_state_dict(state, strict=False)
    assert unexpected == []
    assert set(missing) <= {"mlm_score.decoder.weight"}
    for name, tensor in again.state_dict().items():
        assert torch.equal(tensor, theirs().state_dict()[name]), name
    back, _ = convert(RELEASE, config, again.state_dict())
    for name, tensor in back.state_dict().items():
        if not name.startswith("heads.itm"):
            assert torch.equal(tensor, model.state_dict()[name]), name
    assert recognise(RELEASES.values(), again.state_dict(), config) is RELEASE


def test_an_encoder_alone_is_taken() -> None:
    torch.manual_seed(0)
    state = ViltModel(SMALL).state_dict()
    model, carried = convert(RELEASE, SMALL.to_dict(), state)
    assert all(name.startswith("heads.") for name in carried.unfilled)
    assert count_parameters(model.trunk) == sum(tensor.numel() for tensor in state.values())


def test_the_published_config_is_the_page() -> None:
    assert RELEASE.system(ViltConfig().to_dict()) == VILT
    assert RELEASE.system(RELEASE.published) == VILT
    with torch.device("meta"):
        base = ViltForMaskedLM(ViltConfig())
        assert count_parameters(PretrainModel(VILT, 30522, 3072, 0)) == count_parameters(base) + 2 * 768 + 2


@pytest.mark.parametrize(("key", "value"), [("qkv_bias", False), ("num_channels", 1), ("hidden_act", "relu")])
def test_what_a_page_cannot_say_is_refused(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"{key} is {value!r}"):
        RELEASE.system(SMALL.to_dict() | {key: value})


def test_a_grid_that_is_not_square_is_not_written() -> None:
    model = PretrainModel(dataclasses.replace(VILT.at("tiny")), 40, 3 * PATCH**2, 0)
    with pytest.raises(ConfigError, match="square"):
        export(model, RELEASE)


def test_patches_of_another_shape_are_refused() -> None:
    name = "vilt.embeddings.patch_embeddings.projection.weight"
    state = dict(theirs().state_dict())
    with pytest.raises(DataError, match=name.replace(".", r"\.")):
        convert(RELEASE, SMALL.to_dict(), state | {name: state[name].transpose(0, 1).contiguous()})


def test_rows_of_the_batch_are_whole() -> None:
    grids = [(2, 6), (4, 3)]
    batch = batch_of(inputs([7, 4], grids), grids)
    assert torch.bincount(row_of(batch.region.offsets)).tolist() == [13, 13]

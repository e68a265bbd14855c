"""ViLBERT's configs as schedules, and every tensor's place."""

from __future__ import annotations

import pytest
import torch

from iconotext.convert.vilbert import rules, schedule, system
from iconotext.models.pretrain import PretrainModel
from iconotext.nn.schedule import Schedule, co_layer, region_layer, text_layer, twin_layer
from iconotext.systems.vilbert import VILBERT

BASE = {
    "hidden_size": 768,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
    "v_hidden_size": 1024,
    "v_num_hidden_layers": 6,
    "v_num_attention_heads": 8,
    "v_intermediate_size": 1024,
    "bi_hidden_size": 1024,
    "bi_num_attention_heads": 8,
    "v_biattention_id": [0, 1, 2, 3, 4, 5],
    "t_biattention_id": [6, 7, 8, 9, 10, 11],
}
CO = co_layer(1024, 8)


def test_the_published_config_is_the_page() -> None:
    assert system(BASE) == VILBERT


@pytest.mark.parametrize(
    ("text", "region", "texts", "regions", "expected"),
    [
        ([10, 11], [0, 1], 12, 2, 10 * text_layer() + CO + twin_layer() + CO + twin_layer()),
        ([0], [0], 2, 2, CO + 2 * twin_layer()),
        (
            [2, 3],
            [1, 4],
            4,
            4,
            text_layer() + twin_layer() + CO + 2 * region_layer() + twin_layer() + CO + text_layer(),
        ),
        ([1], [3], 1, 3, 2 * region_layer() + twin_layer() + CO),
    ],
    ids=["published with 2 connections", "at once", "uneven", "more regions"],
)
def test_lists_of_layers_become_a_schedule(
    text: list[int], region: list[int], texts: int, regions: int, expected: Schedule
) -> None:
    config = BASE | {"t_biattention_id": text, "v_biattention_id": region}
    assert schedule(config | {"num_hidden_layers": texts, "v_num_hidden_layers": regions}) == expected


def test_every_tensor_of_ours_has_a_rule_and_no_place_is_filled_twice() -> None:
    config = BASE | {
        "t_biattention_id": [2, 3],
        "v_biattention_id": [1, 4],
        "num_hidden_layers": 4,
        "v_num_hidden_layers": 4,
    }
    page = system(config)
    with torch.device("meta"):
        own = set(PretrainModel(page, 100, 64, 10).state_dict())
    found = rules(page)
    assert {rule.target for rule in found} == own
    places = [(rule.target, rule.part) for rule in found]
    assert len(places) == len(set(places))
    sources = [rule.source for rule in found]
    assert len(sources) == len(set(sources))
    for stem, count in (("layer", 4), ("v_layer", 4), ("c_layer", 2)):
        numbers = {s.split(".")[3] for s in sources if s.startswith(f"bert.encoder.{stem}.")}
        assert numbers == set(map(str, range(count)))

"""Unified VLP's published checkpoints (LuoweiZhou/VLP, pytorch_pretrained_bert/modeling.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.rules import Release, Rule, bert_layer, both, text_embedding, vocabulary_head
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, joint_layer
from iconotext.nn.terms import Feature, Position, RegionEmbedding, Segment, TextEmbedding, Word
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import Mix, OneAtATime, Together
from iconotext.objectives.region_matching import RegionMatching
from iconotext.systems.vlp import LOCATION, UNDERSTAND, VLP, WRITE


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that VLP's JSON config states; ``fc7_dim`` is the width between the maps of a feature."""
    width, heads, hidden = config["hidden_size"], config["num_attention_heads"], config["intermediate_size"]
    feature = Feature(relu=True, hidden=config.get("fc7_dim", 2048), masked="absent")
    return dataclasses.replace(
        VLP,
        text=TextEmbedding(
            (Word(), Position(config["max_position_embeddings"]), Segment(config["type_vocab_size"])),
        ),
        region=RegionEmbedding((feature, LOCATION, Segment(shared=True)), shared_norm=True),
        schedule=config["num_hidden_layers"] * joint_layer(),
        mix=_mix(config),
        width=width,
        heads=heads,
        hidden=hidden,
        region_width=width,
        region_heads=heads,
        region_hidden=hidden,
    )


def _mix(config: Mapping[str, Any]) -> Mix:
    """Captions, in the forms that the config asks for; beside them regions that are matched, or answers in their place."""
    forms = {
        "projections": max(1, config.get("relax_projection", 0)),
        "smoothing": config.get("label_smoothing") or 0.0,
    }
    write, understand = dataclasses.replace(WRITE, **forms), dataclasses.replace(UNDERSTAND, **forms)
    if config.get("tasks") == "vqa2":
        answers = IQA(config.get("num_answers", 3129), form=VLP.answer, measure="binary")
        return Together((understand, answers))
    words = OneAtATime(((3, write), (1, understand)))
    return Together((words, RegionMatching())) if config.get("vis_mask_prob", 0.0) else words


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the pre-training class goes."""
    layers = [i for i, layer in enumerate(page.schedule) if isinstance(layer, Attend)]
    return [
        *text_embedding("bert.embeddings"),
        *both("vis_embed.0", "trunk.region.linear.feature.0"),
        *both("vis_embed.2", "trunk.region.linear.feature.2"),
        *both("vis_pe_embed.0", "trunk.region.linear.location.0"),
        *(rule for n, i in enumerate(layers) for rule in bert_layer(f"bert.encoder.layer.{n}", i, "text")),
        *both("bert.pooler.dense", "trunk.pooler.text"),
        *vocabulary_head("cls.predictions"),
        *both("ans_classifier.0", "heads.iqa.layers.0"),
        *both("ans_classifier.2", "heads.iqa.layers.2"),
    ]


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary, feature width and classes (what the map of boxes takes beside 6 numbers), read off the tensors."""
    return {
        "vocabulary": state["bert.embeddings.word_embeddings.weight"].shape[0],
        "feature_dim": state["vis_embed.0.weight"].shape[1],
        "classes": state["vis_pe_embed.0.weight"].shape[1] - 6,
    }


RELEASE = Release(
    name="vlp",
    source="LuoweiZhou/VLP",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped={
        "ans_classifier.": "the head of a task",
        "cls.seq_relationship.": "never used by the original's losses",
    },
    ties={"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"},
    published={
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "type_vocab_size": 6,
        "relax_projection": 0,
        "fc7_dim": 2048,
    },
)

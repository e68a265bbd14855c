"""ViLBERT's published checkpoints (jiasenlu/vilbert_beta, vilbert/vilbert.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from torch import Tensor

from iconotext.convert.rules import Release, Rule, bert_layer, both, stacked, text_embedding, vocabulary_head
from iconotext.heads.pool import Product
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, Schedule, co_layer, region_layer, text_layer, twin_layer
from iconotext.nn.terms import Position, Segment, TextEmbedding, Word
from iconotext.systems.vilbert import VILBERT


def schedule(config: Mapping[str, Any]) -> Schedule:
    """The order in which ViLBERT's code runs its three lists of layers.

    Before connection k run the vision layers up to ``v_biattention_id[k]`` and the text layers up to
    ``t_biattention_id[k]``; after the last one, the rest. Layers of both streams between two connections do not see each
    other, so as many as possible run as twins.
    """
    found: list[Schedule] = []
    for texts, regions in stages(config):
        twins = min(texts, regions)
        found.append((texts - twins) * text_layer() + (regions - twins) * region_layer() + twins * twin_layer())
    return connected(config, found)


def stages(config: Mapping[str, Any]) -> list[tuple[int, int]]:
    """How many text and vision layers run before each connection, and after the last."""
    stops = [(0, 0), *zip(config["t_biattention_id"], config["v_biattention_id"], strict=True)]
    stops.append((config["num_hidden_layers"], config["v_num_hidden_layers"]))
    return [(text - begun, region - before) for (begun, before), (text, region) in pairwise(stops)]


def connected(config: Mapping[str, Any], parts: Sequence[Schedule]) -> Schedule:
    """The parts of a schedule with a connection between each two."""
    connect = co_layer(config["bi_hidden_size"], config["bi_num_attention_heads"])
    return parts[0] + tuple(layer for part in parts[1:] for layer in connect + part)


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that ViLBERT's JSON config states."""
    return dataclasses.replace(
        VILBERT,
        text=TextEmbedding(
            (Word(), Position(config["max_position_embeddings"]), Segment(config["type_vocab_size"])),
        ),
        schedule=schedule(config),
        pool=Product(config["bi_hidden_size"]),
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        hidden=config["intermediate_size"],
        region_width=config["v_hidden_size"],
        region_heads=config["v_num_attention_heads"],
        region_hidden=config["v_intermediate_size"],
    )


def _connection(source: str, index: int) -> list[Rule]:
    """One connection layer; "1" is the vision side and "2" the text side of the original's names."""
    attend, forward = f"trunk.encoder.sublayers.{index}", f"trunk.encoder.sublayers.{index + 1}"
    found: list[Rule] = []
    for stream, number, letter in (("region", 1, "v"), ("text", 2, "t")):
        found += [
            *stacked(
                [f"{source}.biattention.{n}{number}" for n in ("query", "key", "value")], f"{attend}.project.{stream}"
            ),
            *both(f"{source}.biOutput.dense{number}", f"{attend}.output.{stream}"),
            *both(f"{source}.biOutput.LayerNorm{number}", f"{attend}.norm.{stream}"),
            *both(f"{source}.{letter}_intermediate.dense", f"{forward}.up.{stream}"),
            *both(f"{source}.{letter}_output.dense", f"{forward}.down.{stream}"),
            *both(f"{source}.{letter}_output.LayerNorm", f"{forward}.norm.{stream}"),
        ]
    return found


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the pre-training class goes."""
    found = [
        *text_embedding("bert.embeddings"),
        *both("bert.v_embeddings.image_embeddings", "trunk.region.linear.feature"),
        *both("bert.v_embeddings.image_location_embeddings", "trunk.region.linear.location"),
        *both("bert.v_embeddings.LayerNorm", "trunk.region.norm"),
    ]
    text = region = connection = 0
    for index, layer in enumerate(page.schedule):
        if not isinstance(layer, Attend):
            continue
        if "region" in layer.text:
            found += _connection(f"bert.encoder.c_layer.{connection}", index)
            connection += 1
            continue
        if layer.text:
            found += bert_layer(f"bert.encoder.layer.{text}", index, "text")
            text += 1
        if layer.region:
            found += bert_layer(f"bert.encoder.v_layer.{region}", index, "region")
            region += 1
    return [
        *found,
        *both("bert.t_pooler.dense", "trunk.pooler.text"),
        *both("bert.v_pooler.dense", "trunk.pooler.region"),
        *vocabulary_head("cls.predictions"),
        *both("cls.bi_seq_relationship", "heads.itm.linear"),
        *both("cls.imagePredictions.transform.dense", "heads.mrc_soft.transform.linear"),
        *both("cls.imagePredictions.transform.LayerNorm", "heads.mrc_soft.transform.norm"),
        *both("cls.imagePredictions.decoder", "heads.mrc_soft.decoder"),
    ]


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary, feature width and classes, read off the tensors."""
    return {
        "vocabulary": state["bert.embeddings.word_embeddings.weight"].shape[0],
        "feature_dim": state["bert.v_embeddings.image_embeddings.weight"].shape[1],
        "classes": state["cls.imagePredictions.decoder.weight"].shape[0],
    }


RELEASE = Release(
    name="vilbert_beta",
    source="jiasenlu/vilbert_beta",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped={
        "biOutput.q_dense": "never used by the original's forward pass",
        **dict.fromkeys(
            ("vil_prediction.main.", "vil_logit.", "vision_logit.", "linguisic_logit."), "the head of a task"
        ),
    },
    ties={"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"},
    published={
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
    },
)

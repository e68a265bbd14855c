"""UNITER's published checkpoints (ChenRocks/UNITER, model/pretrain.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.rules import Release, Rule, bert_layer, both, text_embedding, vocabulary_head
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, joint_layer
from iconotext.nn.terms import Position, Segment, TextEmbedding, Word
from iconotext.systems.uniter import UNITER


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that UNITER's JSON config states."""
    width, heads, hidden = config["hidden_size"], config["num_attention_heads"], config["intermediate_size"]
    return dataclasses.replace(
        UNITER,
        text=TextEmbedding(
            (Word(), Position(config["max_position_embeddings"]), Segment(config["type_vocab_size"])),
        ),
        schedule=config["num_hidden_layers"] * joint_layer(),
        width=width,
        heads=heads,
        hidden=hidden,
        region_width=width,
        region_heads=heads,
        region_hidden=hidden,
    )


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the pre-training class goes."""
    region = "uniter.img_embeddings"
    layers = [i for i, layer in enumerate(page.schedule) if isinstance(layer, Attend)]
    return [
        *text_embedding("uniter.embeddings"),
        *both(f"{region}.img_linear", "trunk.region.linear.feature"),
        *both(f"{region}.pos_linear", "trunk.region.linear.location"),
        *both(f"{region}.img_layer_norm", "trunk.region.norms.feature"),
        *both(f"{region}.pos_layer_norm", "trunk.region.norms.location"),
        *both(f"{region}.LayerNorm", "trunk.region.norm"),
        Rule(f"{region}.mask_embedding.weight", "trunk.region.mask_vector", row=1),
        *(rule for n, i in enumerate(layers) for rule in bert_layer(f"uniter.encoder.layer.{n}", i, "text")),
        *both("uniter.pooler.dense", "trunk.pooler.text"),
        *vocabulary_head("cls.predictions"),
        Rule("feat_regress.bias", "heads.mrfr.bias"),
        *both("feat_regress.net.0", "heads.mrfr.transform.linear"),
        *both("feat_regress.net.2", "heads.mrfr.transform.norm"),
        *both("region_classifier.net.0", "heads.mrc_soft.transform.linear"),
        *both("region_classifier.net.2", "heads.mrc_soft.transform.norm"),
        *both("region_classifier.net.3", "heads.mrc_soft.decoder"),
        *both("itm_output", "heads.itm.linear"),
    ]


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary, feature width and classes, read off the tensors."""
    return {
        "vocabulary": state["uniter.embeddings.word_embeddings.weight"].shape[0],
        "feature_dim": state["uniter.img_embeddings.img_linear.weight"].shape[1],
        "classes": state["region_classifier.net.3.weight"].shape[0],
    }


RELEASE = Release(
    name="uniter",
    source="ChenRocks/UNITER",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped=dict.fromkeys(
        (
            "vqa_output.",
            "nlvr2_output.",
            "vcr_output.",
            "re_output.",
            "rank_output.",
            "attn1.",
            "attn2.",
            "attn_pool.",
            "fc.0.",
        ),
        "the head of a task",
    ),
    ties={
        "cls.predictions.decoder.weight": "uniter.embeddings.word_embeddings.weight",
        "feat_regress.weight": "uniter.img_embeddings.img_linear.weight",
    },
    published={
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
    },
)

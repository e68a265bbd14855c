"""UNIMO's parameters (PaddlePaddle/Research, NLP/UNIMO/src/model): Paddle's names, one a file or all in one mapping."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.rules import Release, Rule
from iconotext.core.errors import ConfigError
from iconotext.heads.pool import Product
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, joint_layer
from iconotext.nn.terms import Position, TextEmbedding, Word
from iconotext.systems.unimo import UNIMO


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that UNIMO's JSON config states; the feed-forward is four times as wide whatever it says.

    Raises:
        ConfigError: for an activation other than the exact GELU.
    """
    if config.get("hidden_act", "gelu") != "gelu":
        raise ConfigError(f"The config's hidden_act is {config['hidden_act']!r}; only 'gelu' is known here.")
    width, heads = config["hidden_size"], config["num_attention_heads"]
    return dataclasses.replace(
        UNIMO,
        text=TextEmbedding((Word(), Position(config["max_position_embeddings"], first=2))),
        schedule=config["num_hidden_layers"] * joint_layer(),
        pool=Product(width),
        width=width,
        heads=heads,
        hidden=4 * width,
        region_width=width,
        region_heads=heads,
        region_hidden=4 * width,
    )


def _fc(source: str, target: str, part: int = 0, of: int = 1) -> list[Rule]:
    """A linear map, which Paddle keeps as [in, out]."""
    return [
        Rule(f"{source}.w_0", f"{target}.weight", part, of, form="transposed"),
        Rule(f"{source}.b_0", f"{target}.bias", part, of),
    ]


def _norm(source: str, target: str) -> list[Rule]:
    return [
        Rule(f"{source}_layer_norm_scale", f"{target}.weight"),
        Rule(f"{source}_layer_norm_bias", f"{target}.bias"),
    ]


def _layer(source: str, index: int) -> list[Rule]:
    attend, forward = f"trunk.encoder.sublayers.{index}", f"trunk.encoder.sublayers.{index + 1}"
    projections = [
        rule
        for part, name in enumerate(("query", "key", "value"))
        for rule in _fc(f"{source}_multi_head_att_{name}_fc", f"{attend}.project.text", part, 3)
    ]
    return [
        *projections,
        *_fc(f"{source}_multi_head_att_output_fc", f"{attend}.output.text"),
        *_norm(f"{source}_post_att", f"{attend}.norm.text"),
        *_fc(f"{source}_ffn_fc_0", f"{forward}.up.text"),
        *_fc(f"{source}_ffn_fc_1", f"{forward}.down.text"),
        *_norm(f"{source}_post_ffn", f"{forward}.norm.text"),
    ]


def rules(page: System) -> Sequence[Rule]:
    """Where each parameter of the published graphs goes: the encoder, the word head, the score of a pair."""
    layers = [i for i, layer in enumerate(page.schedule) if isinstance(layer, Attend)]
    return [
        Rule("word_embedding", "trunk.text.tables.word.weight"),
        Rule("pos_embedding", "trunk.text.tables.position.weight"),
        *_norm("pre_encoder", "trunk.text.norm"),
        *_fc("image_emb", "trunk.region.linear.feature"),
        *_fc("image_loc", "trunk.region.linear.location"),
        *_norm("v_pre_encoder", "trunk.region.norm"),
        *(rule for n, i in enumerate(layers) for rule in _layer(f"encoder_layer_{n}", i)),
        *_fc("pooled_fc_text", "trunk.pooler.text"),
        *_fc("pooled_fc_image", "trunk.pooler.region"),
        *_fc("mask_lm_trans_fc", "heads.mlm.transform.linear"),
        *_norm("mask_lm_trans", "heads.mlm.transform.norm"),
        Rule("mask_lm_out_fc.b_0", "heads.mlm.bias"),
        *_fc("match_fc", "heads.cmcl"),
    ]


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary and feature width, read off the tensors; no file of UNIMO's holds a head for classes."""
    return {
        "vocabulary": state["word_embedding"].shape[0],
        "feature_dim": state["image_emb.w_0"].shape[0],
        "classes": 1601,
    }


RELEASE = Release(
    name="unimo",
    source="PaddlePaddle/Research, NLP/UNIMO",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped={
        "sent_embedding": "never used by the original's forward pass",
        "cls_out_": "the head of a fine-tuned classifier",
        "_moment": "the optimizer's",
        "_pow_acc_": "the optimizer's",
    },
    optional=("trunk.pooler.",),
    published={
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "max_position_embeddings": 514,
    },
)

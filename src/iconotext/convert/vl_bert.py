"""VL-BERT's published checkpoints (jackroos/VL-BERT, pretrain/modules and common/visual_linguistic_bert.py)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.rules import Release, Rule, bert_layer, both, vocabulary_head
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, joint_layer
from iconotext.nn.terms import (
    AfterWords,
    Appearance,
    Gain,
    ImageToken,
    Position,
    RegionEmbedding,
    Segment,
    TextEmbedding,
    WholeImage,
    Word,
)
from iconotext.objectives.alone import TextAlone
from iconotext.objectives.base import Negatives
from iconotext.objectives.itm import ITM
from iconotext.objectives.mix import Mix, OneAtATime, Together
from iconotext.systems.vl_bert import REGIONS, VL_BERT, WORDS

SPECIAL_WORDS = 1000
"""The first ids of a frozen word table, which learn all the same."""


def system(config: Mapping[str, Any]) -> System:
    """The page in the form that the NETWORK part of VL-BERT's YAML config states; MODULE is the name of its class."""
    bert = config["VLBERT"]
    width, visual = bert["hidden_size"], bert["visual_size"]
    look = None if visual == width else visual
    gain: Gain = "norm" if bert["visual_ln"] else "scale"
    alone = "Multitask" in config.get("MODULE", "")
    few = config.get("num_special_words", bert.get("num_special_words", SPECIAL_WORDS))
    words = Word(end=True, learned=few if bert.get("word_embedding_frozen", False) else None)
    position = Position(bert["max_position_embeddings"], first=bert.get("position_padding_idx", -1) + 1)
    carried = WholeImage(look, gain, bert.get("visual_scale_text_init", 0.0), alone)
    appearance = Appearance(
        "sincos", config.get("coordinate_dim", 256), look, gain, bert.get("visual_scale_object_init", 0.0)
    )
    return dataclasses.replace(
        VL_BERT,
        text=TextEmbedding((words, position, Segment(bert["type_vocab_size"]), carried)),
        region=RegionEmbedding((appearance, ImageToken(), AfterWords(), Segment(shared=True)), shared_norm=True),
        schedule=bert["num_hidden_layers"] * joint_layer(),
        mix=_mix(config, alone),
        width=width,
        heads=bert["num_attention_heads"],
        hidden=bert["intermediate_size"],
        region_width=width,
        region_heads=bert["num_attention_heads"],
        region_hidden=bert["intermediate_size"],
    )


def _mix(config: Mapping[str, Any], alone: bool) -> Mix:
    """The objectives whose losses the config asks for, and how each is averaged."""
    words, regions = WORDS, REGIONS
    if config.get("MLM_LOSS_NORM_IN_BATCH_FIRST", False):
        words = dataclasses.replace(words, per="row")
    if config.get("MVRC_LOSS_NORM_IN_BATCH_FIRST", False):
        regions = dataclasses.replace(regions, per="row")
    matching = ITM(negatives=Negatives(0.5, "text"), matched=1)
    asked = (("WITH_MLM_LOSS", words), ("WITH_MVRC_LOSS", regions), ("WITH_REL_LOSS", matching))
    pairs = Together(tuple(part for key, part in asked if config.get(key, key == "WITH_MLM_LOSS")))
    return OneAtATime(((1, pairs), (1, TextAlone(words)))) if alone else pairs


def _taken(name: str, target: str) -> list[Rule]:
    """How one stream takes the visual feature: a map where the widths differ, and a norm or a number."""
    return [
        *both(f"vlbert.visual_1x1_{name}", f"{target}.linear"),
        *both(f"vlbert.visual_ln_{name}", f"{target}.norm"),
        Rule(f"vlbert.visual_scale_{name}", f"{target}.scale"),
    ]


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the pre-training module goes."""
    layers = [i for i, layer in enumerate(page.schedule) if isinstance(layer, Attend)]
    tables = {"word": "word_embeddings", "position": "position_embeddings", "segment": "token_type_embeddings"}
    return [
        *(Rule(f"vlbert.{theirs}.weight", f"trunk.text.tables.{ours}.weight") for ours, theirs in tables.items()),
        Rule("vlbert.special_word_embeddings.weight", "trunk.text.learned.weight"),
        Rule("vlbert.end_embedding.weight", "trunk.text.end.weight"),
        *both("vlbert.embedding_LayerNorm", "trunk.text.norm"),
        *_taken("text", "trunk.text.looks.take"),
        *_taken("object", "trunk.region.take"),
        Rule("aux_text_visual_embedding.weight", "trunk.text.looks.alone.weight"),
        *both("image_feature_extractor.obj_downsample.1", "trunk.region.appearance.linear"),
        Rule("object_mask_visual_embedding.weight", "trunk.region.appearance.hidden"),
        Rule("object_mask_word_embedding.weight", "trunk.region.hidden.weight"),
        Rule("object_linguistic_embeddings.weight", "trunk.region.image.weight"),
        *(rule for n, i in enumerate(layers) for rule in bert_layer(f"vlbert.encoder.layer.{n}", i, "text")),
        *both("vlbert.pooler.dense", "trunk.pooler.text"),
        *vocabulary_head("vlbert.mlm_head.predictions"),
        *both("vlbert.mvrc_head.transform.dense", "heads.mrc_soft.transform.linear"),
        *both("vlbert.mvrc_head.region_cls_pred", "heads.mrc_soft.decoder"),
        *both("vlbert.relationsip_head.caption_image_relationship", "heads.itm.linear"),
    ]


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary, feature width and classes (0 without their head), read off the tensors."""
    classes = "vlbert.mvrc_head.region_cls_pred.weight"
    return {
        "vocabulary": state["vlbert.word_embeddings.weight"].shape[0],
        "feature_dim": state["object_mask_visual_embedding.weight"].shape[1],
        "classes": state[classes].shape[0] if classes in state else 0,
    }


RELEASE = Release(
    name="vl_bert",
    source="jackroos/VL-BERT",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped={
        **dict.fromkeys(
            (f"image_feature_extractor.{part}" for part in ("backbone.", "roi_head_feature_extractor.", "head.")),
            "the detector, which reads pixels",
        ),
        **dict.fromkeys(("final_mlp.", "cnn_loss_reg."), "the head of a task"),
    },
    ties={"vlbert.mlm_head.predictions.decoder.weight": "vlbert.word_embeddings.weight"},
    optional=("trunk.pooler.", "trunk.text.looks.alone."),
    published={
        "MODULE": "ResNetVLBERTForPretrainingMultitask",
        "IMAGE_FINAL_DIM": 768,
        "WITH_MVRC_LOSS": True,
        "WITH_REL_LOSS": False,
        "VLBERT": {
            "with_pooler": False,
            "visual_size": 768,
            "visual_ln": True,
            "hidden_size": 768,
            "num_hidden_layers": 12,
            "num_attention_heads": 12,
            "intermediate_size": 3072,
            "max_position_embeddings": 512,
            "type_vocab_size": 3,
            "word_embedding_frozen": False,
            "position_padding_idx": -1,
        },
    },
)

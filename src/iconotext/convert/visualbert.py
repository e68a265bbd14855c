"""VisualBERT's checkpoints: the original's (uclanlp/visualbert) and those of Hugging Face transformers, which are also written.

Index 1 of the matching head means "belongs together", as the original trained it. The documentation of transformers says 0,
but the checkpoints that are published there are the original's.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from torch import Tensor

from iconotext.convert.configs import bert_config, bert_sizes
from iconotext.convert.rules import Release, Rule, bert_layer, both, text_embedding, vocabulary_head
from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.nn.schedule import TEXT, Attend, Schedule, joint_layer, text_layer
from iconotext.nn.terms import Feature, LinkedPosition, Position, Segment
from iconotext.objectives.itm import ITM
from iconotext.objectives.mix import objectives
from iconotext.systems.visualbert import VISUALBERT


@dataclasses.dataclass(frozen=True)
class Names:
    """What the two layouts call differently."""

    trunk: str
    segment: str
    position: str
    feature: str


ORIGINAL = Names("bert", "token_type_embeddings_visual", "position_embeddings_visual", "projection")
TRANSFORMERS = Names("visual_bert", "visual_token_type_embeddings", "visual_position_embeddings", "visual_projection")


def schedule(config: Mapping[str, Any]) -> Schedule:
    """Joint layers; with ``bypass_transformer`` the text alone runs through them, and one more joins the regions."""
    layers: int = config["num_hidden_layers"]
    return layers * text_layer() + joint_layer() if config.get("bypass_transformer") else layers * joint_layer()


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that the config states; with the head "nlvr" the match is about a statement, and alone.

    Raises:
        ConfigError: for another head than "pretraining" or "nlvr".
    """
    head = config.get("training_head_type", "pretraining")
    if head not in ("pretraining", "nlvr"):
        raise ConfigError(
            f"VisualBERT's head {head!r} has no counterpart here: give 'pretraining' as training_head_type, which takes the "
            "encoder and leaves the head."
        )
    segments, positions = config["type_vocab_size"], config["max_position_embeddings"]
    terms = (Feature(), Position(positions), Segment(segments), LinkedPosition())
    return dataclasses.replace(
        VISUALBERT,
        region=dataclasses.replace(VISUALBERT.region, terms=terms),
        schedule=schedule(config),
        mix=VISUALBERT.mix if head == "pretraining" else ITM(matched=1, dropout=True),
        **bert_sizes(config),
    )


def transformers_system(config: Mapping[str, Any]) -> System:
    """As ``system``, with regions in segment 1, which transformers takes where nothing is said."""
    page = system(config)
    return dataclasses.replace(page, layout=dataclasses.replace(page.layout, region_segment=1))


def rules(page: System, names: Names) -> Sequence[Rule]:
    """Where each tensor of the pre-training class goes."""
    layers = [i for i, layer in enumerate(page.schedule) if isinstance(layer, Attend)]
    places = {i: f"encoder.layer.{n}" for n, i in enumerate(layers)}
    first = page.schedule[0]
    if isinstance(first, Attend) and first.read == TEXT:
        places[layers[-1]] = "additional_layer"
    embeddings = f"{names.trunk}.embeddings"
    return [
        *text_embedding(embeddings),
        *both(f"{embeddings}.{names.feature}", "trunk.region.linear.feature"),
        Rule(f"{embeddings}.{names.position}.weight", "trunk.region.linear.position.weight"),
        Rule(f"{embeddings}.{names.segment}.weight", "trunk.region.linear.segment.weight"),
        *(rule for i, place in places.items() for rule in bert_layer(f"{names.trunk}.{place}", i, "text")),
        *both(f"{names.trunk}.pooler.dense", "trunk.pooler.text"),
        *_heads(page),
    ]


def _heads(page: System) -> Sequence[Rule]:
    if {objective.name for objective in objectives(page.mix)} == {"itm"}:
        return both("classifier", "heads.itm.linear")
    return [*vocabulary_head("cls.predictions"), *both("cls.seq_relationship", "heads.itm.linear")]


def sizes(state: Mapping[str, Tensor], names: Names) -> dict[str, int]:
    """Vocabulary and feature width, read off the tensors; there is no classifier of regions."""
    embeddings = f"{names.trunk}.embeddings"
    return {
        "vocabulary": state[f"{embeddings}.word_embeddings.weight"].shape[0],
        "feature_dim": state[f"{embeddings}.{names.feature}.weight"].shape[1],
        "classes": 0,
    }


def config(page: System, shape: Mapping[str, int]) -> dict[str, Any]:
    """The ``config.json`` of the transformers class."""
    return {
        "architectures": ["VisualBertForPreTraining"],
        "model_type": "visual_bert",
        "visual_embedding_dim": shape["feature_dim"],
        **bert_config(page, shape["vocabulary"]),
    }


RELEASE = Release(
    name="visualbert",
    source="uclanlp/visualbert",
    system=system,
    rules=partial(rules, names=ORIGINAL),
    sizes=partial(sizes, names=ORIGINAL),
    renamed={"bert.bert.": "bert.", "bert.cls.": "cls.", "bert.classifier.": "classifier."},
    ties={"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"},
    dropped={
        "classifier.": "the head of a task",
        "flickr_attention.": "the head of a task",
        "detector.": "makes the regions, which are given here",
    },
    published=bert_config(VISUALBERT, 30522),
)
TRANSFORMERS_RELEASE = Release(
    name="visualbert_hf",
    source="huggingface/transformers, VisualBertForPreTraining",
    system=transformers_system,
    rules=partial(rules, names=TRANSFORMERS),
    sizes=partial(sizes, names=TRANSFORMERS),
    dropped={
        "embeddings.position_ids": "the numbers 0, 1, 2 ..., not a weight",
        "cls.weight": "the head of a task",
        "cls.bias": "the head of a task",
        "attention.query.": "the head of a task",
        "attention.key.": "the head of a task",
        "attention.value.": "the head of a task",
    },
    renamed={
        "embeddings.": "visual_bert.embeddings.",
        "encoder.": "visual_bert.encoder.",
        "pooler.": "visual_bert.pooler.",
    },
    ties={
        "cls.predictions.decoder.weight": "visual_bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    optional=("trunk.pooler.",),
    published=bert_config(VISUALBERT, 30522),
    config=config,
)

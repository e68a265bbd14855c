"""BERT's checkpoints as Hugging Face transformers names them (BertForPreTraining); read and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.configs import bert_config, bert_sizes
from iconotext.convert.rules import Release, Rule, bert_layer, both, text_embedding, vocabulary_head
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, text_layer
from iconotext.systems.bert import BERT


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that the config states."""
    return dataclasses.replace(BERT, schedule=config["num_hidden_layers"] * text_layer(), **bert_sizes(config))


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the pre-training class goes."""
    layers = [i for i, layer in enumerate(page.schedule) if isinstance(layer, Attend)]
    return [
        *text_embedding("bert.embeddings"),
        *(rule for n, i in enumerate(layers) for rule in bert_layer(f"bert.encoder.layer.{n}", i, "text")),
        *both("bert.pooler.dense", "trunk.pooler.text"),
        *vocabulary_head("cls.predictions"),
        *both("cls.seq_relationship", "heads.nsp.linear"),
    ]


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary, read off the word table; there are no regions."""
    return {"vocabulary": state["bert.embeddings.word_embeddings.weight"].shape[0], "feature_dim": 0, "classes": 0}


def config(page: System, shape: Mapping[str, int]) -> dict[str, Any]:
    """The ``config.json`` of the transformers class."""
    return {"architectures": ["BertForPreTraining"], "model_type": "bert", **bert_config(page, shape["vocabulary"])}


RELEASE = Release(
    name="bert_hf",
    source="huggingface/transformers, BertForPreTraining",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped={
        "embeddings.position_ids": "the numbers 0, 1, 2 ..., not a weight",
        "classifier.": "the head of a task",
        "qa_outputs.": "the head of a task",
    },
    renamed={"embeddings.": "bert.embeddings.", "encoder.": "bert.encoder.", "pooler.": "bert.pooler."},
    ties={
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    optional=("trunk.pooler.",),
    published=bert_config(BERT, 30522),
    config=config,
)

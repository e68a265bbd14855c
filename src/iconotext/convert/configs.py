"""The config that BERT and its single-stream descendants share, from transformers' names to a page and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.nn.schedule import Attend
from iconotext.nn.terms import Position, Segment, TextEmbedding, Word


def bert_sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """The changes to a single-stream page that a BERT config asks for, its schedule aside.

    Raises:
        ConfigError: for an activation other than the exact GELU, or positions other than absolute ones.
    """
    unlike = {"hidden_act": "gelu", "position_embedding_type": "absolute"}
    for key, known in unlike.items():
        if config.get(key, known) != known:
            raise ConfigError(f"The config's {key} is {config[key]!r}; only {known!r} is known here.")
    width, heads, hidden = config["hidden_size"], config["num_attention_heads"], config["intermediate_size"]
    return {
        "text": TextEmbedding(
            (Word(), Position(config["max_position_embeddings"]), Segment(config["type_vocab_size"])),
        ),
        "width": width,
        "heads": heads,
        "hidden": hidden,
        "region_width": width,
        "region_heads": heads,
        "region_hidden": hidden,
        "eps": config.get("layer_norm_eps", 1e-12),
        "dropout": config.get("hidden_dropout_prob", 0.1),
        "attention_dropout": config.get("attention_probs_dropout_prob", 0.1),
    }


def bert_config(page: System, vocabulary: int) -> dict[str, Any]:
    """The config of a single-stream page under transformers' names, its class aside."""
    sizes = {type(term): term.size for term in page.text.terms if isinstance(term, Position | Segment)}
    return {
        "vocab_size": vocabulary,
        "hidden_size": page.width,
        "num_hidden_layers": sum(isinstance(layer, Attend) for layer in page.schedule),
        "num_attention_heads": page.heads,
        "intermediate_size": page.hidden,
        "hidden_act": "gelu",
        "hidden_dropout_prob": page.dropout,
        "attention_probs_dropout_prob": page.attention_dropout,
        "max_position_embeddings": sizes.get(Position, 0),
        "type_vocab_size": sizes.get(Segment, 0),
        "initializer_range": page.init or 0.02,
        "layer_norm_eps": page.eps,
        "pad_token_id": 0,
    }

"""ViLT's checkpoints as Hugging Face transformers names them (ViltForMaskedLM); read and written."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.configs import bert_config, bert_sizes
from iconotext.convert.rules import Release, Rule, both, stacked, text_embedding
from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, joint_layer
from iconotext.nn.terms import Feature, GridPosition, Modality, RegionEmbedding, TextEmbedding
from iconotext.systems.vilt import VILT

KNOWN = {"qkv_bias": True, "num_channels": 3}
"""What the config may say otherwise and a page cannot."""


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that the config states."""
    for key, known in KNOWN.items():
        if config.get(key, known) != known:
            raise ConfigError(f"The config's {key} is {config[key]!r}; only {known!r} is known here.")
    changes, modality = bert_sizes(config), Modality(config["modality_type_vocab_size"])
    side = config["image_size"] // config["patch_size"]
    return dataclasses.replace(
        VILT,
        **changes
        | {
            "text": TextEmbedding((*changes["text"].terms, modality)),
            "region": RegionEmbedding((Feature(whole="learned"), GridPosition(side, side), modality), norm=False),
            "schedule": config["num_hidden_layers"] * joint_layer(),
        },
    )


def _layer(source: str, index: int) -> list[Rule]:
    attend, forward = f"trunk.encoder.sublayers.{index}", f"trunk.encoder.sublayers.{index + 1}"
    projections = [f"{source}.attention.attention.{name}" for name in ("query", "key", "value")]
    return [
        *both(f"{source}.layernorm_before", f"{attend}.norm.text"),
        *stacked(projections, f"{attend}.project.text"),
        *both(f"{source}.attention.output.dense", f"{attend}.output.text"),
        *both(f"{source}.layernorm_after", f"{forward}.norm.text"),
        *both(f"{source}.intermediate.dense", f"{forward}.up.text"),
        *both(f"{source}.output.dense", f"{forward}.down.text"),
    ]


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the class for masked words goes."""
    embeddings = "vilt.embeddings"
    layers = [i for i, layer in enumerate(page.schedule) if isinstance(layer, Attend)]
    return [
        *text_embedding(f"{embeddings}.text_embeddings"),
        Rule(f"{embeddings}.token_type_embeddings.weight", "trunk.text.tables.modality.weight"),
        Rule(f"{embeddings}.cls_token", "trunk.region.whole.weight", form="one"),
        Rule(f"{embeddings}.position_embeddings", "trunk.region.grid.table.weight", form="one"),
        Rule(f"{embeddings}.patch_embeddings.projection.weight", "trunk.region.linear.feature.weight", form="patches"),
        Rule(f"{embeddings}.patch_embeddings.projection.bias", "trunk.region.linear.feature.bias"),
        *(rule for n, i in enumerate(layers) for rule in _layer(f"vilt.encoder.layer.{n}", i)),
        *both("vilt.layernorm", "trunk.encoder.last.text"),
        *both("vilt.pooler.dense", "trunk.pooler.text"),
        Rule("mlm_score.decoder.bias", "heads.mlm.bias"),
        *both("mlm_score.transform.dense", "heads.mlm.transform.linear"),
        *both("mlm_score.transform.LayerNorm", "heads.mlm.transform.norm"),
    ]


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary and the numbers of a patch, read off the tensors; patches have no classes."""
    return {
        "vocabulary": state["vilt.embeddings.text_embeddings.word_embeddings.weight"].shape[0],
        "feature_dim": math.prod(state["vilt.embeddings.patch_embeddings.projection.weight"].shape[1:]),
        "classes": 0,
    }


def config(page: System, shape: Mapping[str, int]) -> dict[str, Any]:
    """The ``config.json`` of the transformers class.

    Raises:
        ConfigError: the grid or the patches are not square, or regions are no patches at all.
    """
    grid = next((term for term in page.region.terms if isinstance(term, GridPosition)), None)
    modality = next((term for term in page.text.terms if isinstance(term, Modality)), None)
    side = math.isqrt(shape["feature_dim"] // 3)
    if grid is None or modality is None or grid.rows != grid.columns or 3 * side**2 != shape["feature_dim"]:
        raise ConfigError(
            f"transformers' ViLT reads square patches on a square grid; this {page.title} has regions of "
            f"{shape['feature_dim']} numbers, {grid}. Train it on `iconotext extract --detector patches` with as many "
            "rows as columns."
        )
    return {
        "architectures": ["ViltForMaskedLM"],
        "model_type": "vilt",
        **bert_config(page, shape["vocabulary"]),
        "image_size": grid.rows * side,
        "patch_size": side,
        "num_channels": 3,
        "qkv_bias": True,
        "modality_type_vocab_size": modality.size,
        "max_image_length": -1,
        "tie_word_embeddings": True,
    }


RELEASE = Release(
    name="vilt_hf",
    source="huggingface/transformers, ViltForMaskedLM",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped={
        "position_ids": "the numbers 0, 1, 2 ..., not a weight",
        "classifier.": "the head of a fine-tuned model",
        "rank_output.": "the head of a fine-tuned model",
    },
    renamed={f"{part}.": f"vilt.{part}." for part in ("embeddings", "encoder", "layernorm", "pooler")},
    ties={
        "mlm_score.decoder.weight": "vilt.embeddings.text_embeddings.word_embeddings.weight",
        "mlm_score.bias": "mlm_score.decoder.bias",
    },
    optional=("trunk.pooler.",),
    published=config(VILT, {"vocabulary": 30522, "feature_dim": 3 * 32**2}),
    config=config,
)

"""VOLTA's published checkpoints (e-bug/volta, BertForVLPreTraining): one list of rules for every network of its grammar."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.rules import Release, Rule, both, stacked, text_embedding, vocabulary_head
from iconotext.convert.volta_config import PAGES, TARGETS, published, system
from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.nn import terms
from iconotext.nn.schedule import Attend, Sublayer
from iconotext.objectives.mix import objectives
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.nce import RegionNCE


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the pre-training class goes; those of shared sublayers are there twice."""
    found = [*text_embedding("bert.embeddings"), *REGIONS[_kind(page.region)]]
    for number, layer in enumerate(page.schedule):
        found += _sublayer(f"bert.encoder.layer.{number}", f"trunk.encoder.sublayers.{number}", layer)
    found += both("bert.t_pooler.dense", "trunk.pooler.text")
    found += both("bert.v_pooler.dense", "trunk.pooler.region")
    found += vocabulary_head("cls.predictions")
    found += both("cls.bi_seq_relationship", "heads.itm.linear")
    scored = [o for o in objectives(page.mix) if isinstance(o, MRC | MRFR | RegionNCE)]
    for objective in scored:
        decoder, head = f"cls.imagePredictions.decoder_dict.{_target(objective)}", f"heads.{objective.name}"
        bias = "decoder.bias" if isinstance(objective, MRC) else "bias"
        found += [Rule(f"{decoder}.weight", f"{head}.decoder.weight"), Rule(f"{decoder}.bias", f"{head}.{bias}")]
    step = "shared.region" if len(scored) > 1 else f"heads.{scored[0].name}.transform"
    found += both("cls.imagePredictions.transform.dense", f"{step}.linear")
    return [*found, *both("cls.imagePredictions.transform.LayerNorm", f"{step}.norm")]


def _target(objective: MRC | MRFR | RegionNCE) -> str:
    """The number of the visual target that an objective is."""
    plain = dataclasses.replace(objective, weight=1.0, shared=False)
    if isinstance(plain, MRC):
        plain = dataclasses.replace(plain, norm=True)
    return next(target for target, known in TARGETS.items() if known == plain)


def _sublayer(source: str, target: str, layer: Sublayer) -> list[Rule]:
    found: list[Rule] = []
    for stream in layer.streams:
        v, owner = "" if stream == "text" else "v_", "text" if layer.tied else stream
        if isinstance(layer, Attend):
            projected = [f"{source}.attention_self.{v}{name}" for name in ("query", "key", "value")]
            found += stacked(projected, f"{target}.project.{owner}")
            found += both(f"{source}.attention_output.{v}dense", f"{target}.output.{owner}")
            found += both(f"{source}.attention_output.{v}LayerNorm", f"{target}.norm.{owner}")
        else:
            found += both(f"{source}.intermediate.{v}dense", f"{target}.up.{owner}")
            found += both(f"{source}.output.{v}dense", f"{target}.down.{owner}")
            found += both(f"{source}.output.{v}LayerNorm", f"{target}.norm.{owner}")
    return found


def _kind(region: terms.RegionEmbedding) -> str:
    """The ``image_embeddings`` of VOLTA that a region embedding is."""
    kinds = {type(term) for term in region.terms}
    if terms.Appearance in kinds:
        return "vl-bert"
    if region.shared_norm:
        return "visualbert"
    if region.mean:
        return "lxmert"
    return "uniter" if terms.Segment in kinds else "vilbert"


def _mapped(source: str) -> list[Rule]:
    """The maps of features and locations."""
    found = both(f"{source}.image_embeddings", "trunk.region.linear.feature")
    return found + both(f"{source}.image_location_embeddings", "trunk.region.linear.location")


REGIONS: dict[str, list[Rule]] = {
    "vilbert": [*_mapped("bert.v_embeddings"), *both("bert.v_embeddings.LayerNorm", "trunk.region.norm")],
    "lxmert": [
        *_mapped("bert.v_embeddings"),
        *both("bert.v_embeddings.ImgLayerNorm", "trunk.region.norms.feature"),
        *both("bert.v_embeddings.LocLayerNorm", "trunk.region.norms.location"),
    ],
    "uniter": [
        *_mapped("bert.embeddings"),
        *both("bert.embeddings.image_layer_norm", "trunk.region.norms.feature"),
        *both("bert.embeddings.image_location_layer_norm", "trunk.region.norms.location"),
        *both("bert.embeddings.v_LayerNorm", "trunk.region.norm"),
        Rule("bert.embeddings.image_token_type_embeddings.weight", "trunk.text.tables.segment.weight"),
    ],
    "visualbert": [
        *both("bert.embeddings.projection", "trunk.region.linear.feature"),
        Rule("bert.embeddings.position_embeddings_visual.weight", "trunk.region.linear.position.weight"),
        Rule("bert.embeddings.token_type_embeddings_visual.weight", "trunk.region.linear.segment.weight"),
    ],
    "vl-bert": [
        *both("bert.embeddings.obj_downsample.1", "trunk.region.appearance.linear"),
        Rule("bert.embeddings.object_mask_visual_embedding.weight", "trunk.region.appearance.hidden"),
        Rule("bert.embeddings.object_linguistic_embeddings.weight", "trunk.region.image.weight"),
        Rule("bert.embeddings.object_mask_word_embedding.weight", "trunk.region.hidden.weight"),
        Rule("bert.embeddings.end_embedding.weight", "trunk.region.end.weight"),
        *both("bert.embeddings.visual_ln_object", "trunk.region.take.norm"),
        *both("bert.embeddings.visual_ln_text", "trunk.text.looks.take.norm"),
    ],
}
"""Where the region embedding of each ``image_embeddings`` goes."""
FEATURES = {
    "bert.v_embeddings.image_embeddings": 1,
    "bert.embeddings.image_embeddings": 1,
    "bert.embeddings.projection": 1,
    "bert.embeddings.obj_downsample.1": 2,
}
"""What reads features, one of them in each network, and how many times a feature's width: VL-BERT's locations are as wide."""


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary, feature width, classes (without a background for target 3) and attributes, read off the tensors."""

    def rows(target: str) -> int:
        decoder = f"cls.imagePredictions.decoder_dict.{target}"
        there = any(key.startswith(f"{decoder}.") for key in state)
        return state[f"{decoder}.weight"].shape[0] if there else 0

    first = next(iter(FEATURES))
    feature = next((name for name in FEATURES if any(key.startswith(f"{name}.") for key in state)), first)
    return {
        "vocabulary": state["bert.embeddings.word_embeddings.weight"].shape[0],
        "feature_dim": state[f"{feature}.weight"].shape[1] // FEATURES[feature],
        "classes": rows("0") or rows("6") or rows("3") + 1,
        "attributes": rows("4"),
    }


def _release(kind: str, page: System) -> Release:
    def only(config: Mapping[str, Any]) -> System:
        if config["image_embeddings"] != kind:
            raise ConfigError(f"VOLTA's config has image_embeddings {config['image_embeddings']!r}, not {kind!r}.")
        return system(config)

    return Release(
        name=f"volta/{page.name}",
        source="e-bug/volta",
        system=only,
        rules=rules,
        sizes=sizes,
        dropped={"clfs_dict.": "the head of a task"},
        ties={"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"},
        optional=("shared.",),
        published=published(kind),
    )


RELEASES = tuple(_release(kind, page) for kind, page in PAGES.items())

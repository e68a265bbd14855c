"""LXMERT's checkpoints: as published (airsplay/lxmert, LXRTPretraining), and as transformers names them, read and written."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert.rules import Release, Rule, bert_layer, both, stacked, text_embedding, vocabulary_head
from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, Schedule, cross_layer, region_layer, text_layer, twin_layer
from iconotext.nn.terms import Position, Segment, TextEmbedding, Word
from iconotext.objectives.base import Objective
from iconotext.objectives.iqa import IQA
from iconotext.objectives.mix import Together, objectives
from iconotext.systems.lxmert import LXMERT

VISUAL = {"obj": "mrc_hard", "attr": "mrc_attribute", "feat": "mrfr"}
TASKS = {"task_mask_lm": "mlm", "task_matched": "itm", "task_qa": "iqa"}


def _schedule(texts: int, regions: int, crossings: int) -> Schedule:
    """Layers of one stream do not see the other, so as many as possible run as twins."""
    twins = min(texts, regions)
    alone = (texts - twins) * text_layer() + (regions - twins) * region_layer()
    return twins * twin_layer() + alone + crossings * cross_layer()


def _page(config: Mapping[str, Any], schedule: Schedule, wanted: set[str], answers: int, weight: float) -> System:
    """The page in the size that a config states; ``wanted`` are its objectives, ``weight`` that of the region losses.

    Raises:
        ConfigError: for an activation other than the exact GELU, or boxes of other than four numbers.
    """
    for key, known in {"hidden_act": "gelu", "visual_pos_dim": 4}.items():
        if config.get(key, known) != known:
            raise ConfigError(f"The config's {key} is {config[key]!r}; only {known!r} is known here.")

    def stated(objective: Objective) -> Objective:
        if isinstance(objective, IQA):
            return dataclasses.replace(objective, count=answers)
        changes = {"weight": weight} if objective.name in VISUAL.values() else {}
        return dataclasses.replace(objective, **changes)  # type: ignore[type-var]

    width, heads, hidden = config["hidden_size"], config["num_attention_heads"], config["intermediate_size"]
    positions, segments = config["max_position_embeddings"], config["type_vocab_size"]
    return dataclasses.replace(
        LXMERT,
        text=TextEmbedding((Word(), Position(positions, fixed=True), Segment(segments, fixed=True))),
        schedule=schedule,
        mix=Together(tuple(stated(o) for o in objectives(LXMERT.mix) if o.name in wanted)),
        width=width,
        heads=heads,
        hidden=hidden,
        region_width=width,
        region_heads=heads,
        region_hidden=hidden,
        dropout=config.get("hidden_dropout_prob", 0.1),
        attention_dropout=config.get("attention_probs_dropout_prob", 0.1),
    )


def _wanted(config: Mapping[str, Any], visual: Sequence[str]) -> set[str]:
    """The names of the objectives that a config asks for; all where it says nothing."""
    tasks = {name for flag, name in TASKS.items() if config.get(flag, True)}
    return tasks | ({VISUAL[loss] for loss in visual} if config.get("task_obj_predict", True) else set())


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that LXMERT's options state."""
    layers = _schedule(config["llayers"], config["rlayers"], config["xlayers"])
    visual = config.get("visual_losses", "obj,attr,feat").split(",")
    return _page(config, layers, _wanted(config, visual), config["num_answers"], 1 / 0.15)


def hf_system(config: Mapping[str, Any]) -> System:
    """The page in the size that a transformers config states."""
    layers = _schedule(config["l_layers"], config["r_layers"], config["x_layers"])
    visual = [loss for loss in VISUAL if config.get(f"visual_{loss}_loss", True)]
    weight = config.get("visual_loss_normalizer", 6.67)
    return _page(config, layers, _wanted(config, visual), config["num_qa_labels"], weight)


def _crossing(source: str, index: int) -> list[Rule]:
    """One cross layer: the shared attention, the self-attention of each stream, and their feed-forwards."""
    cross, own, forward = (f"trunk.encoder.sublayers.{index + n}" for n in range(3))
    shared, names = f"{source}.visual_attention", ("query", "key", "value")
    found = [
        *stacked([f"{shared}.att.{name}" for name in names], f"{cross}.project.text"),
        *both(f"{shared}.output.dense", f"{cross}.output.text"),
        *both(f"{shared}.output.LayerNorm", f"{cross}.norm.text"),
    ]
    for stream, letters in (("text", "lang"), ("region", "visn")):
        found += [
            *stacked([f"{source}.{letters}_self_att.self.{name}" for name in names], f"{own}.project.{stream}"),
            *both(f"{source}.{letters}_self_att.output.dense", f"{own}.output.{stream}"),
            *both(f"{source}.{letters}_self_att.output.LayerNorm", f"{own}.norm.{stream}"),
            *both(f"{source}.{letters}_inter.dense", f"{forward}.up.{stream}"),
            *both(f"{source}.{letters}_output.dense", f"{forward}.down.{stream}"),
            *both(f"{source}.{letters}_output.LayerNorm", f"{forward}.norm.{stream}"),
        ]
    return found


def _layers(source: str, schedule: Schedule) -> list[Rule]:
    found: list[Rule] = []
    text = region = crossing = index = 0
    while index < len(schedule):
        layer = schedule[index]
        assert isinstance(layer, Attend)
        if layer.tied:
            found += _crossing(f"{source}.x_layers.{crossing}", index)
            crossing, index = crossing + 1, index + 3
            continue
        if layer.text:
            found += bert_layer(f"{source}.layer.{text}", index, "text")
            text += 1
        if layer.region:
            found += bert_layer(f"{source}.r_layers.{region}", index, "region")
            region += 1
        index += 2
    return found


def _heads(present: set[str]) -> list[Rule]:
    """The region heads, which share their hidden step, and the answer head, as far as they are there."""
    found = []
    for theirs, ours in VISUAL.items():
        decoder = f"obj_predict_head.decoder_dict.{theirs}"
        if ours in present and ours == "mrfr":
            found += [
                Rule(f"{decoder}.weight", "heads.mrfr.decoder.weight"),
                Rule(f"{decoder}.bias", "heads.mrfr.bias"),
            ]
        elif ours in present:
            found += both(decoder, f"heads.{ours}.decoder")
    if found:
        found += both("obj_predict_head.transform.dense", "shared.region.linear")
        found += both("obj_predict_head.transform.LayerNorm", "shared.region.norm")
    if "iqa" in present:
        found += both("answer_head.logit_fc.0", "heads.iqa.layers.0.linear")
        found += both("answer_head.logit_fc.2", "heads.iqa.layers.0.norm")
        found += both("answer_head.logit_fc.3", "heads.iqa.layers.1")
    return found


def _rules(source: str, page: System) -> Sequence[Rule]:
    regions = f"{source}.encoder.visn_fc"
    return [
        *text_embedding(f"{source}.embeddings"),
        *both(f"{regions}.visn_fc", "trunk.region.linear.feature"),
        *both(f"{regions}.visn_layer_norm", "trunk.region.norms.feature"),
        *both(f"{regions}.box_fc", "trunk.region.linear.location"),
        *both(f"{regions}.box_layer_norm", "trunk.region.norms.location"),
        *_layers(f"{source}.encoder", page.schedule),
        *both(f"{source}.pooler.dense", "trunk.pooler.text"),
        *vocabulary_head("cls.predictions"),
        *both("cls.seq_relationship", "heads.itm.linear"),
        *_heads({o.name for o in objectives(page.mix)}),
    ]


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of the original's pre-training class goes."""
    return _rules("bert", page)


def hf_rules(page: System) -> Sequence[Rule]:
    """Where each tensor of transformers' pre-training class goes."""
    return _rules("lxmert", page)


def _sizes(source: str, state: Mapping[str, Tensor]) -> dict[str, int]:
    """Vocabulary, feature width, classes (with a background, for which there is no score) and attributes."""
    scores = {name: f"obj_predict_head.decoder_dict.{name}.weight" for name in ("obj", "attr")}
    many = {name: state[key].shape[0] if key in state else 1 for name, key in scores.items()}
    return {
        "vocabulary": state[f"{source}.embeddings.word_embeddings.weight"].shape[0],
        "feature_dim": state[f"{source}.encoder.visn_fc.visn_fc.weight"].shape[1],
        "classes": many["obj"] + 1,
        "attributes": many["attr"],
    }


def sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The sizes of an original checkpoint, read off the tensors."""
    return _sizes("bert", state)


def hf_sizes(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The sizes of a transformers checkpoint, read off the tensors."""
    return _sizes("lxmert", state)


def config(page: System, shape: Mapping[str, int]) -> dict[str, Any]:
    """The ``config.json`` of the transformers class."""
    named = {o.name: o for o in objectives(page.mix)}
    table = {type(term): term for term in page.text.terms}
    position, segment = table.get(Position), table.get(Segment)
    attends = [layer for layer in page.schedule if isinstance(layer, Attend)]
    crossings = sum(layer.tied for layer in attends)
    question = named.get("iqa")
    return {
        "architectures": ["LxmertForPreTraining"],
        "model_type": "lxmert",
        "vocab_size": shape["vocabulary"],
        "hidden_size": page.width,
        "num_attention_heads": page.heads,
        "intermediate_size": page.hidden,
        "hidden_act": "gelu",
        "hidden_dropout_prob": page.dropout,
        "attention_probs_dropout_prob": page.attention_dropout,
        "max_position_embeddings": position.size if isinstance(position, Position) else 0,
        "type_vocab_size": segment.size if isinstance(segment, Segment) else 0,
        "initializer_range": page.init or 0.02,
        "l_layers": sum(layer.text == ("text",) for layer in attends) - crossings,
        "r_layers": sum(layer.region == ("region",) for layer in attends) - crossings,
        "x_layers": crossings,
        "visual_feat_dim": shape["feature_dim"],
        "visual_pos_dim": 4,
        "num_qa_labels": question.count if isinstance(question, IQA) else 0,
        "num_object_labels": max(shape["classes"] - 1, 0),
        "num_attr_labels": shape["attributes"],
        "visual_loss_normalizer": next((named[name].weight for name in VISUAL.values() if name in named), 6.67),
        **{flag: name in named for flag, name in TASKS.items()},
        "task_obj_predict": any(name in named for name in VISUAL.values()),
        **{f"visual_{loss}_loss": name in named for loss, name in VISUAL.items()},
    }


SIZE = {
    "vocab_size": 30522,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "type_vocab_size": 2,
}
RELEASE = Release(
    name="lxmert",
    source="airsplay/lxmert",
    system=system,
    rules=rules,
    sizes=sizes,
    renamed={"lxrt_encoder.model.": "", "logit_fc.": "answer_head.logit_fc."},  # fine-tuned for a task
    ties={"cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight"},
    optional=("shared.", "trunk.pooler."),
    published=SIZE | {"llayers": 9, "xlayers": 5, "rlayers": 5, "num_answers": 9500},
)
HF = Release(
    name="lxmert_hf",
    source="huggingface/transformers, LxmertForPreTraining",
    system=hf_system,
    rules=hf_rules,
    sizes=hf_sizes,
    renamed={"embeddings.": "lxmert.embeddings.", "encoder.": "lxmert.encoder.", "pooler.": "lxmert.pooler."},
    ties={"cls.predictions.decoder.weight": "lxmert.embeddings.word_embeddings.weight"},
    optional=("shared.", "trunk.pooler."),
    published=SIZE | {"l_layers": 9, "x_layers": 5, "r_layers": 5, "num_qa_labels": 9500},
    config=config,
)

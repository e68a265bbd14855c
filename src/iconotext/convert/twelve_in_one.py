"""12-in-1's published checkpoints (facebookresearch/vilbert-multi-task, vilbert/vilbert.py).

Both classes have one layout: ``BertForMultiModalPreTraining`` and ``VILBertForVLTasks``, which adds the heads of the tasks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from iconotext.convert import vilbert
from iconotext.convert.rules import Release, Rule, both, stacked
from iconotext.heads.pool import Product, Sum
from iconotext.models.system import System
from iconotext.nn.schedule import REGION, Attend, FeedForward, Schedule, text_layer
from iconotext.nn.terms import TaskToken, TextEmbedding
from iconotext.objectives.base import Objective
from iconotext.objectives.mix import objectives, replaced
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.nce import RegionNCE
from iconotext.systems.twelve_in_one import MASKS, TWELVE_IN_ONE

TASKS = {
    "vqa": "vil_prediction.logit_fc",
    "gqa": "vil_prediction_gqa.logit_fc",
    "two_images": "vil_binary_prediction.logit_fc",
    "entailment": "vil_tri_prediction",
    "match": "vil_logit",
    "region": "vision_logit",
    "word": "linguisic_logit",
}
"""Our names of the tasks' heads, and theirs."""
REGIONS: tuple[Objective, ...] = (
    MRC("soft", masks=MASKS, per="region", only_matched=True),
    MRFR(masks=MASKS, tied=False, only_matched=True),
    RegionNCE(masks=MASKS, only_matched=True),
)
"""The objective on regions, by ``visual_target``."""
SIZES = ("schedule", "width", "heads", "hidden", "region_width", "region_heads", "region_hidden")
"""What the JSON config states as ViLBERT's does."""


def system(config: Mapping[str, Any]) -> System:
    """The page in the size that the JSON config states.

    Beside ViLBERT's keys: ``visual_target``, ``fusion_method``, ``task_specific_tokens`` (options of the original's scripts,
    which not every config states: without it the model has the tokens' table, filled where the file has one).
    """
    like = vilbert.system(config)
    if config.get("dynamic_attention", False):
        like = dataclasses.replace(like, schedule=gated(config))
    tokens = (TaskToken(20),) if config.get("task_specific_tokens", True) else ()
    pool = Sum if config.get("fusion_method", "mul") == "sum" else Product
    region = REGIONS[config.get("visual_target", 0)]
    return dataclasses.replace(
        TWELVE_IN_ONE,
        text=TextEmbedding(like.text.terms + tokens),
        mix=replaced(TWELVE_IN_ONE.mix, lambda objective: region if isinstance(objective, MRC) else objective),
        pool=pool(config["bi_hidden_size"]),
        **{name: getattr(like, name) for name in SIZES},
    )


def gated(config: Mapping[str, Any]) -> Schedule:
    """The schedule with ``dynamic_attention``, an option that no published model has: region layers look at the words.

    Between two connections they come after the text layers, at the end before them.
    """
    region = (Attend(region=REGION, gate=True), FeedForward(REGION))
    *between, (texts, regions) = vilbert.stages(config)
    parts = [before * text_layer() + after * region for before, after in between]
    return vilbert.connected(config, [*parts, regions * region + texts * text_layer()])


def rules(page: System) -> Sequence[Rule]:
    """Where each tensor of both classes goes."""
    region = next(o.name for o in objectives(page.mix) if isinstance(o, MRC | MRFR | RegionNCE))
    found = [
        dataclasses.replace(rule, target=rule.target.replace("heads.mrc_soft", f"heads.{region}"))
        for rule in vilbert.rules(page)
        if rule.source != "cls.imagePredictions.decoder.bias"
    ]
    bias = "decoder.bias" if region == "mrc_soft" else "bias"
    found.append(Rule("cls.imagePredictions.decoder.bias", f"heads.{region}.{bias}"))
    found.append(Rule("bert.embeddings.task_embeddings.weight", "trunk.text.tables.task.weight"))
    gates = [index for index, layer in enumerate(page.schedule) if isinstance(layer, Attend) and layer.gate]
    for number, index in enumerate(gates):
        source = f"bert.encoder.v_layer.{number}.attention.self"
        found += stacked([f"{source}.dyLinear_q", f"{source}.dyLinear_k"], f"trunk.encoder.sublayers.{index}.gate")
    for form in page.tasks:
        source, target = TASKS[form.name], f"tasks.{form.name}.scores"
        if form.hidden:
            found += both(f"{source}.0", f"{target}.layers.0.linear")
            found += both(f"{source}.2", f"{target}.layers.0.norm")
            found += both(f"{source}.3", f"{target}.layers.1")
        else:
            found += both(source, target)
    return found


def sizes(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """As ViLBERT's, and the scores of each task's head that the file has."""
    present = {name: source for name, source in TASKS.items() if any(key.startswith(f"{source}.") for key in state)}
    last = {name: f"{source}.3" if source.endswith("logit_fc") else source for name, source in present.items()}
    tasks = {name: state[f"{key}.bias"].shape[0] for name, key in last.items()}
    return {**vilbert.sizes(state), "tasks": tasks}


RELEASE = Release(
    name="vilbert_multitask",
    source="facebookresearch/vilbert-multi-task",
    system=system,
    rules=rules,
    sizes=sizes,
    dropped={"biOutput.q_dense": "never used by the original's forward pass"},
    ties=vilbert.RELEASE.ties,
    optional=("trunk.text.tables.task",),
    marks=("visual_target", "task_specific_tokens", "dynamic_attention"),
    published=vilbert.RELEASE.published,
)

"""A text start: the words' side of a system begins with a language model's weights (BERT, RoBERTa, XLM-R, MiniLM)."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from iconotext.convert.carry import modern_names
from iconotext.convert.read import Source
from iconotext.convert.rules import Rule, bert_layer, both, vocabulary_head
from iconotext.core.errors import ConfigError, DataError
from iconotext.models.pretrain import PretrainModel
from iconotext.models.system import System
from iconotext.nn.schedule import Attend, FeedForward, Schedule
from iconotext.nn.terms import Position

WORDS = "embeddings.word_embeddings.weight"
ROWS = {
    WORDS: "trunk.text.tables.word.weight",
    "embeddings.position_embeddings.weight": "trunk.text.tables.position.weight",
    "embeddings.token_type_embeddings.weight": "trunk.text.tables.segment.weight",
    "cls.predictions.bias": "heads.mlm.bias",
    "lm_head.bias": "heads.mlm.bias",
}
"""Tables, of which the first rows are taken where ours has fewer, and all where it has more."""
FASTEST = 1e-4
"""BERT's own learning rate: a faster one, as small models from scratch want it, would undo what its weights know."""
KNOWN = {
    "position_ids": "the numbers 0, 1, 2 ..., not a weight",
    "decoder.weight": "the word table again",
    "decoder.bias": "the head's bias again",
}


@dataclass(frozen=True)
class TextWeights:
    """A language model's tensors, without the name that it was kept under, and its sizes.

    ``first`` is the row of its position table that stands for the first word (RoBERTa: 2).
    """

    state: Mapping[str, Tensor]
    width: int
    heads: int
    hidden: int
    eps: float
    layers: int
    first: int

    @property
    def vocabulary(self) -> int:
        """Rows of the word table."""
        return self.state[WORDS].shape[0]


@dataclass(frozen=True)
class TextStart:
    """What was taken of a language model, and what was not, with the reason."""

    taken: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)


def text_weights(source: Source) -> TextWeights:
    """The language model in a source that ``convert.read`` has read.

    Raises:
        ConfigError: there is no config beside it, or it is of another kind than BERT.
        DataError: it has no word table, or no layers named as BERT's.
    """
    named = modern_names(source.state)
    prefix = next((name.removesuffix(WORDS) for name in named if name.endswith(WORDS)), None)
    if prefix is None:
        raise DataError(f"{source.path} is no BERT-like model: it has no {WORDS}.")
    state = {name.removeprefix(prefix): tensor for name, tensor in named.items()}
    layers = 0
    while f"encoder.layer.{layers}.attention.self.query.weight" in state:
        layers += 1
    config = Stated(source)
    if not layers:
        raise DataError(f"{source.path} is no BERT-like model: it has no encoder.layer.0.attention.self.query.weight.")
    if config.get("hidden_act", "gelu") != "gelu":
        raise ConfigError(f"{source.path} was trained with {config['hidden_act']}; the systems here compute gelu.")
    roberta = "roberta" in str(config.get("model_type", prefix))
    return TextWeights(
        state,
        width=state[WORDS].shape[1],
        heads=config["num_attention_heads"],
        hidden=state["encoder.layer.0.intermediate.dense.weight"].shape[0],
        eps=config.get("layer_norm_eps", 1e-12),
        layers=layers,
        first=config.get("pad_token_id", 1) + 1 if roberta else 0,
    )


class Stated(dict[str, Any]):
    """The config beside a source; without one its number of heads is not known."""

    def __init__(self, source: Source) -> None:
        super().__init__(source.config or {})
        self.path = source.path

    def __missing__(self, key: str) -> Any:
        raise ConfigError(f"{self.path}: lay its config.json beside it; it states {key!r}, which tensors do not.")


def sized(page: System, weights: TextWeights) -> System:
    """The page with the sizes of the language model; a region stream as wide as the words stays as wide as the words.

    Layers are as many as before. Norms stand after the sublayers, as they did when the weights were learned, and the learning
    rate is BERT's at most.
    """
    changes: dict[str, Any] = {"width": weights.width, "heads": weights.heads, "hidden": weights.hidden}
    if all(getattr(page, name) == getattr(page, f"region_{name}") for name in changes):
        changes |= {f"region_{name}": value for name, value in changes.items()}
    changes |= {"eps": weights.eps, "norm": "post"}
    said = [f"{name.replace('_', ' ')} {value}" for name, value in changes.items() if getattr(page, name) != value]
    if page.recipe.learning_rate > FASTEST:
        changes["recipe"] = dataclasses.replace(page.recipe, learning_rate=FASTEST)
        said.append(f"learning rate {FASTEST:g}")
    if not said:
        return page
    departure = f"As the language model that the words begin with: {', '.join(said)}."
    return dataclasses.replace(page, **changes, departures=(*page.departures, departure))


def text_layers(schedule: Schedule) -> list[int]:
    """Where, in a schedule, the words read words (and perhaps regions) and a feed-forward sublayer of theirs follows."""
    return [
        index
        for index, (layer, after) in enumerate(pairwise(schedule))
        if isinstance(layer, Attend)
        and "text" in layer.text
        and isinstance(after, FeedForward)
        and "text" in after.streams
    ]


def start(model: PretrainModel, weights: TextWeights) -> TextStart:
    """Fills the words' side of ``model``: tables, layers by position, pooler, head; the rest stays at its own start.

    A tensor of another shape than its place is left, and a layer of which one tensor is left is left as a whole.
    """
    own = model.state_dict()
    taken: dict[str, str] = {}
    left: dict[str, str] = {}
    for group in _groups(model.system, weights):
        rules = [rule for rule in group if rule.source in weights.state and rule.target in own]
        unfit = [rule for rule in rules if weights.state[rule.source].shape != rule.place(own[rule.target]).shape]
        for rule in rules:
            if unfit:
                needs = tuple(unfit[0].place(own[unfit[0].target]).shape)
                left[rule.source] = f"{unfit[0].target} needs {needs}"
            else:
                with torch.no_grad():
                    rule.place(own[rule.target]).copy_(weights.state[rule.source])
                taken[rule.source] = rule.target
    ours = next((term.first for term in model.system.text.terms if isinstance(term, Position)), 0)
    for name, target in ROWS.items():
        if name in weights.state and target in own:
            skip, after = (weights.first, ours) if "position" in name else (0, 0)
            taken[name] = _rows(weights.state[name][skip:], own[target][after:], target)
    model.trunk.copy_text_tables()
    for name in weights.state.keys() - taken.keys() - left.keys():
        left[name] = _why(name, weights, len(text_layers(model.system.schedule)))
    order = list(weights.state)
    return TextStart(*(dict(sorted(found.items(), key=lambda item: order.index(item[0]))) for found in (taken, left)))


def _groups(page: System, weights: TextWeights) -> list[Sequence[Rule]]:
    """Rules that are followed together or not at all."""
    head = [rule for rule in vocabulary_head("cls.predictions") if rule.target != "heads.mlm.bias"]
    roberta = [
        *both("lm_head.dense", "heads.mlm.transform.linear"),
        *both("lm_head.layer_norm", "heads.mlm.transform.norm"),
    ]
    layers = zip(range(weights.layers), text_layers(page.schedule))
    return [
        both("embeddings.LayerNorm", "trunk.text.norm"),
        *(bert_layer(f"encoder.layer.{number}", index, "text") for number, index in layers),
        both("pooler.dense", "trunk.pooler.text"),
        head,
        roberta,
    ]


def _rows(theirs: Tensor, ours: Tensor, target: str) -> str:
    """Copies the rows that both have; says where they went."""
    if theirs.shape[1:] != ours.shape[1:]:
        raise DataError(f"{target} needs rows of {tuple(ours.shape[1:])}, not {tuple(theirs.shape[1:])}.")
    count = min(len(theirs), len(ours))
    with torch.no_grad():
        ours[:count].copy_(theirs[:count])
    return target if len(theirs) == len(ours) else f"{target}, {count} of {len(ours)} rows"


def _why(name: str, weights: TextWeights, layers: int) -> str:
    known = next((why for ending, why in KNOWN.items() if name.endswith(ending)), None)
    if known is None and name.startswith("encoder.layer."):
        return f"the system has {layers} layers of words, the language model {weights.layers}"
    return known or "no place in this system"

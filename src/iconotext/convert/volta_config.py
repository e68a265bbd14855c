"""VOLTA's configs as pages: any network that its grammar of sublayers describes (e-bug/volta, volta/config.py).

A config numbers the sublayers of a network and lists which of them do what. Our schedule has a sublayer for each number, in
the same order, so one function reads every config.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from iconotext.core.errors import ConfigError
from iconotext.heads.pool import FirstToken, Pool, Product, Sum
from iconotext.models.controlled import MASKS, MATCH, WORDS
from iconotext.models.system import System
from iconotext.nn import terms
from iconotext.nn.schedule import Attend, FeedForward, Schedule, Stream, Sublayer
from iconotext.objectives.base import Objective
from iconotext.objectives.mix import Together
from iconotext.objectives.mrc import MRC
from iconotext.objectives.mrfr import MRFR
from iconotext.objectives.nce import RegionNCE
from iconotext.systems.ctrl_lxmert import CTRL_LXMERT
from iconotext.systems.ctrl_uniter import CTRL_UNITER
from iconotext.systems.ctrl_vilbert import CTRL_VILBERT
from iconotext.systems.ctrl_visualbert import CTRL_VISUALBERT
from iconotext.systems.ctrl_vlbert import CTRL_VLBERT

PAGES = {
    "vilbert": CTRL_VILBERT,
    "lxmert": CTRL_LXMERT,
    "uniter": CTRL_UNITER,
    "visualbert": CTRL_VISUALBERT,
    "vl-bert": CTRL_VLBERT,
}
"""The page of each ``image_embeddings``."""
KNOWN: dict[str, tuple[object, ...]] = {
    "model": ("bert",),
    "image_embeddings": tuple(PAGES),
    "hidden_act": ("gelu",),
    "v_hidden_act": ("gelu",),
    "fusion_method": ("mul", "sum", "text"),
    "fusion_act": ("relu", "tanh"),
    "add_global_imgfeat": (None, "first"),
    "layer_norm_eps": (1e-12,),
    "num_locs": (4, 5, 7),
    "itm_dim": (2,),
    "qa_task_weight": (0,),
}
"""The values that are known here of settings that have others."""
TARGETS: dict[str, MRC | MRFR | RegionNCE] = {
    "0": MRC("soft", MASKS, only_matched=True),
    "1": MRFR(MASKS, tied=False, only_matched=True),
    "2": RegionNCE(MASKS, across=89, inside=38, only_matched=True),
    "3": MRC("hard", MASKS, background_scored=False, confidence=True, only_matched=True),
    "4": MRC("attribute", MASKS, confidence=True, only_matched=True),
    "5": MRFR(MASKS, tied=False, error="smooth", only_matched=True),
    "6": MRC("hard", MASKS, background_first=False, only_matched=True),
}
"""The objective of each visual target; their features are those of the clean regions, VOLTA's are the hidden ones'."""
LISTS = ("tt_attn", "tv_attn", "vt_attn", "vv_attn", "t_ff", "v_ff")
READS: dict[Stream, dict[Stream, str]] = {
    "text": {"text": "tt_attn", "region": "tv_attn"},
    "region": {"text": "vt_attn", "region": "vv_attn"},
}
"""The list of sublayers in which a stream reads another."""
FORWARDS: dict[Stream, str] = {"text": "t_ff", "region": "v_ff"}
"""The list of a stream's feed-forward sublayers."""


def schedule(config: Mapping[str, Any]) -> Schedule:
    """The network that a config describes: sublayer n of ours is number n of VOLTA's.

    Raises:
        ConfigError: a number is missing, or names an attention and a feed-forward.
    """
    lists = {name: set(config[f"{name}_sublayers"]) for name in LISTS}
    attends, forwards = (
        lists["tt_attn"] | lists["tv_attn"] | lists["vt_attn"] | lists["vv_attn"],
        lists["t_ff"] | lists["v_ff"],
    )
    count = len(attends | forwards)
    if attends & forwards or attends | forwards != set(range(count)):
        raise ConfigError(
            f"VOLTA's config should number its sublayers 0 to {count - 1}, each attention or feed-forward."
        )
    shared = set(config.get("shared_sublayers", ()))
    return tuple((_attend if n in attends else _forward)(config, lists, n, n in shared) for n in range(count))


def _own(config: Mapping[str, Any], key: str, stream: Stream, number: int, default: str) -> tuple[int, int]:
    """A size that a stream has in a sublayer, and the one that it has elsewhere."""
    prefix = "" if stream == "text" else "v_"
    usual = config[f"{prefix}{default}"]
    return config.get(f"sublayer2{prefix}{key}", {}).get(str(number), usual), usual


def _attend(config: Mapping[str, Any], lists: Mapping[str, set[int]], number: int, shared: bool) -> Sublayer:
    reads = {s: tuple(r for r, name in read.items() if number in lists[name]) for s, read in READS.items()}
    streams = [s for s, read in reads.items() if read]
    widths = [_own(config, "attn_hidden_size", s, number, "hidden_size") for s in streams]
    heads = [_own(config, "num_attention_heads", s, number, "num_attention_heads") for s in streams]
    layer = Attend(reads["text"], reads["region"], tied=shared and len(streams) == 2)
    if all(here == usual for here, usual in widths + heads):
        return layer
    layer = dataclasses.replace(layer, width=widths[0][0], heads=heads[0][0])
    if (widths[0][0], heads[0][0]) == (widths[-1][0], heads[-1][0]):
        return layer
    return dataclasses.replace(layer, region_width=widths[-1][0], region_heads=heads[-1][0])


def _forward(config: Mapping[str, Any], lists: Mapping[str, set[int]], number: int, shared: bool) -> Sublayer:
    streams = tuple(s for s, name in FORWARDS.items() if number in lists[name])
    hidden = [_own(config, "intermediate_size", s, number, "intermediate_size") for s in streams]
    layer = FeedForward(streams, tied=shared and len(streams) == 2)
    if all(here == usual for here, usual in hidden):
        return layer
    layer = dataclasses.replace(layer, hidden=hidden[0][0])
    return layer if hidden[0][0] == hidden[-1][0] else dataclasses.replace(layer, region_hidden=hidden[-1][0])


def system(config: Mapping[str, Any]) -> System:
    """The network that a config describes, as a page.

    Raises:
        ConfigError: the config asks for something that is not known here; the message names it.
    """
    for key, values in KNOWN.items():
        if config.get(key, values[0]) not in values:
            listed = ", ".join(map(repr, values))
            raise ConfigError(f"VOLTA's config has {key} {config[key]!r}; known here: {listed}.")
    page = PAGES[config["image_embeddings"]]
    wanted = {target: weight for target, weight in config["visual_target_weights"].items() if weight > 0}
    if not wanted or wanted.keys() - TARGETS.keys():
        raise ConfigError(
            f"VOLTA's config has the visual targets {[*wanted]}; known here: {', '.join(TARGETS)}, one at least."
        )
    text, region = _embeddings(config, "6" in wanted)
    whole: Literal["none", "mean"] = "mean" if config.get("add_global_imgfeat") else "none"
    return dataclasses.replace(
        page,
        text=text,
        region=region,
        schedule=schedule(config),
        pool=_pool(config),
        mix=Together((WORDS, *(_regions(t, w, len(wanted) > 1, config) for t, w in wanted.items()), MATCH)),
        layout=dataclasses.replace(page.layout, whole_image=whole),
        width=config["hidden_size"],
        heads=config["num_attention_heads"],
        hidden=config["intermediate_size"],
        region_width=config["v_hidden_size"],
        region_heads=config["v_num_attention_heads"],
        region_hidden=config["v_intermediate_size"],
        dropout=config.get("hidden_dropout_prob", 0.1),
        attention_dropout=config.get("attention_probs_dropout_prob", 0.1),
    )


def _regions(target: str, weight: float, shared: bool, config: Mapping[str, Any]) -> Objective:
    objective = dataclasses.replace(TARGETS[target], weight=weight, shared=shared)
    if config.get("image_head_ln", True):
        return objective
    if shared or not isinstance(objective, MRC):
        raise ConfigError("VOLTA's config has image_head_ln false; known here with one visual target that is a class.")
    return dataclasses.replace(objective, norm=False)


def _pool(config: Mapping[str, Any]) -> Pool:
    activation = config.get("fusion_act", "relu")
    if config["fusion_method"] == "text":
        return FirstToken(activation, config["pooler_size"])
    return (Sum if config["fusion_method"] == "sum" else Product)(config["pooler_size"], activation)


def _embeddings(config: Mapping[str, Any], hidden_word: bool) -> tuple[terms.TextEmbedding, terms.RegionEmbedding]:
    """The embeddings of the page with the sizes of the config."""
    page = PAGES[config["image_embeddings"]]
    positions, segments = config["max_position_embeddings"], config["type_vocab_size"]
    boxes: dict[int, terms.LocationKind] = {4: "box4", 5: "box5", 7: "box7"}

    def stated(term: Any) -> Any:
        if isinstance(term, terms.Position):
            return dataclasses.replace(term, size=positions)
        if isinstance(term, terms.Segment) and not term.shared:
            return dataclasses.replace(term, size=segments)
        if isinstance(term, terms.Location):
            return dataclasses.replace(term, kind=boxes[config.get("num_locs", 5)])
        if isinstance(term, terms.Appearance):
            return dataclasses.replace(term, sines=config["v_coordinate_embeddings_dim"])
        if isinstance(term, terms.ImageToken):
            return dataclasses.replace(term, hidden=hidden_word)
        return term

    text, region = page.text, page.region
    return (
        dataclasses.replace(text, terms=tuple(map(stated, text.terms))),
        dataclasses.replace(region, terms=tuple(map(stated, region.terms))),
    )


def published(kind: str) -> dict[str, Any]:
    """The config of a controlled version, in VOLTA's words."""
    page = PAGES[kind]
    lists = {
        f"{name}_sublayers": [n for n, layer in enumerate(page.schedule) if name in _lists(layer)] for name in LISTS
    }
    segments = next(term.size for term in page.text.terms if isinstance(term, terms.Segment))
    sizes = {"hidden_size": page.width, "num_attention_heads": page.heads, "intermediate_size": page.hidden}
    return {
        **lists,
        **sizes,
        **{f"v_{name}": size for name, size in sizes.items()},
        "shared_sublayers": [n for n, layer in enumerate(page.schedule) if layer.tied],
        "image_embeddings": kind,
        "max_position_embeddings": 512,
        "type_vocab_size": segments,
        "num_locs": 5,
        "v_coordinate_embeddings_dim": 256,
        "add_global_imgfeat": "first",
        "visual_target_weights": {"0": 1.0},
        "image_head_ln": kind != "vl-bert",
        "fusion_method": "mul",
        "pooler_size": 1024,
    }


def _lists(layer: Sublayer) -> set[str]:
    """The lists of a config in which a sublayer stands."""
    if isinstance(layer, Attend):
        return {READS[stream][read] for stream in layer.streams for read in layer.reads(stream)}
    return {FORWARDS[stream] for stream in layer.streams}

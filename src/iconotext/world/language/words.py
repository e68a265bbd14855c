"""The words of the world in English and Chinese: nouns with number and measure word, colours, sizes, grounds, relations.

English is lower case without a final full stop. A colour word stands right before its noun in both languages.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from iconotext.world.scene import load_kinds

LANGUAGES = ("en", "zh")

OPPOSITE = {"left": "right", "right": "left", "above": "below", "below": "above"}

NUMBERS = {
    "en": ("no", "one", "two", "three", "four", "five", "six", "seven", "eight"),
    "zh": ("零", "一", "两", "三", "四", "五", "六", "七", "八"),
}

COLOUR_ZH = {
    "red": "红色",
    "yellow": "黄色",
    "green": "绿色",
    "blue": "蓝色",
    "purple": "紫色",
    "pink": "粉色",
    "brown": "棕色",
    "white": "白色",
}

SIZE_ZH = {"small": "小的", "big": "大的"}

GROUND_ZH = {
    "grass": "草地",
    "water": "水面",
    "sand": "沙地",
    "wood": "木地板",
    "snow": "雪地",
    "stone": "石板地",
}

PLACES: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "grass": ("on the grass", "on grass"),
        "water": ("on the water", "in the water"),
        "sand": ("on the sand", "on sand"),
        "wood": ("on the wood", "on a wooden floor"),
        "snow": ("on the snow", "in the snow"),
        "stone": ("on the stone", "on a stone floor"),
    },
    "zh": {
        "grass": ("草地上", "草坪上"),
        "water": ("水面上", "水上"),
        "sand": ("沙地上", "沙滩上"),
        "wood": ("木地板上", "木板上"),
        "snow": ("雪地上", "雪地里"),
        "stone": ("石板地上", "石头地面上"),
    },
}
"""Where things are, for each ground."""

RELATIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "en": {
        "left": ("left of", "to the left of"),
        "right": ("right of", "to the right of"),
        "above": ("above",),
        "below": ("below",),
    },
    "zh": {
        "left": ("左边", "左侧"),
        "right": ("右边", "右侧"),
        "above": ("上方", "上面"),
        "below": ("下方", "下面"),
    },
}

# A kind and others that are called by its name as well, in one of the languages (a race car is a car, 公共汽车 is a 汽车).
_ALSO_CALLED = {
    "tree": ("pine tree", "palm tree"),
    "car": ("race car", "van", "bus", "ambulance", "fire truck"),
    "airplane": ("helicopter",),
    "fish": ("shark", "whale", "jellyfish"),
    "shrimp": ("lobster",),
    "bear": ("panda", "koala", "teddy bear"),
    "monkey": ("gorilla",),
    "cap": ("graduation cap",),
    "phone": ("telephone",),
    "house": ("hut",),
    "bread loaf": ("baguette", "croissant"),
    "cake": ("cupcake",),
    "candy": ("lollipop",),
    "sneaker": ("roller skate",),
    "box": ("toolbox",),
    "football": ("soccer ball",),
    "train": ("tram",),
    "purse": ("money bag",),
    "teacup": ("bubble tea",),
}


@cache
def ambiguous_beside(kind: int) -> frozenset[int]:
    """The kinds whose names would be ambiguous in a picture that shows ``kind``."""
    names = {other.name: other.index for other in load_kinds()}
    mine = load_kinds()[kind].name
    return frozenset(names[broad] for broad, narrow in _ALSO_CALLED.items() if mine in narrow)


def name(kind: int, language: str, plural: bool = False) -> str:
    """The noun of a kind; Chinese has one form."""
    row = load_kinds()[kind]
    if language == "zh":
        return row.name_zh
    return row.plural if plural else row.name


@cache
def noun(kind: int, colour: str, language: str, plural: bool = False) -> str:
    """The noun with its colour if one is said: "red cars", 红色的汽车."""
    bare = name(kind, language, plural)
    if not colour:
        return bare
    return f"{COLOUR_ZH[colour]}的{bare}" if language == "zh" else f"{colour} {bare}"


@cache
def short(kind: int, colour: str, language: str, plural: bool = False) -> str:
    """As ``noun``, but without 的 in Chinese, for places where another 的 follows or came before: 红色汽车."""
    return noun(kind, colour, language, plural).replace("色的", "色", 1)


@cache
def some(kind: int, colour: str, count: int, language: str) -> str:
    """So many things: "a red car", "two dogs", 一辆红色的汽车, 两只狗. With the count 0 at least one: "a dog", 狗."""
    if language == "zh":
        measured = NUMBERS["zh"][count] + load_kinds()[kind].measure_zh if count else ""
        return measured + noun(kind, colour, "zh")
    if count > 1:
        return f"{NUMBERS['en'][count]} {noun(kind, colour, 'en', True)}"
    singular = noun(kind, colour, "en")
    return f"{'an' if singular[0] in 'aeiou' else 'a'} {singular}"


@cache
def exactly(kind: int, colour: str, count: int, language: str) -> str:
    """As ``some``, but one thing is said with its number: "one dog"."""
    if language == "en" and count == 1:
        return f"one {noun(kind, colour, 'en')}"
    return some(kind, colour, count, language)


@cache
def the(kind: int, colour: str, count: int, language: str) -> str:
    """What both know of: "the red car", "the dogs", 红色汽车."""
    if language == "zh":
        return short(kind, colour, "zh")
    return f"the {noun(kind, colour, 'en', count > 1)}"


def listed(parts: Sequence[str], language: str) -> str:
    """The parts as one list: "a, b and c", a、b和c."""
    comma, last = (", ", " and ") if language == "en" else ("、", "和")
    return last.join([*([comma.join(parts[:-1])] if len(parts) > 1 else []), parts[-1]])


def of_style(options: Sequence[str], style: int) -> str:
    """The paraphrase that a style number stands for."""
    return options[style % len(options)]

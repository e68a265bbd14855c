"""The truth of a picture: which things are where, in which colour and size, and how such scenes are drawn by lot."""

from __future__ import annotations

import csv
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files

import numpy as np

from iconotext.core.seed import derive, generator

COLOURS = ("red", "yellow", "green", "blue", "purple", "pink", "brown", "white")
SIZES = ("small", "big")
GROUNDS = ("grass", "water", "sand", "wood", "snow", "stone")
TILTS = (-12, 0, 12)
"""The angles, in degrees clockwise, at which a drawing may stand."""

_WIDTH, _HEIGHT, _MARGIN = 256, 192, 3
_LONG_SIDE = {"small": (36, 48), "big": (66, 82)}
_MAX_OVERLAP = 0.12
_MAX_ALIKE = 5
_COUNTS = np.repeat(np.arange(2, 9), (1, 2, 3, 4, 3, 2, 1))

Combination = tuple[int, str]
"""A kind (its index in the class list) in a colour."""


@dataclass(frozen=True)
class Kind:
    """One row of the class list: a drawing of OpenMoji and its words.

    ``fills`` are the main fills that recolouring replaces, ``aspects`` width over height of the drawing at each of
    ``TILTS``. ``default_colour`` is what the drawing looks like when it is not recoloured.
    """

    index: int
    code_point: str
    name: str
    plural: str
    name_zh: str
    measure_zh: str
    category: str
    recolourable: bool
    default_colour: str
    fills: tuple[str, ...] = ()
    aspects: tuple[float, ...] = (1.0,) * len(TILTS)


@dataclass(frozen=True)
class Thing:
    """One drawing in a scene.

    ``colour`` is one of ``COLOURS``, or "" for a kind that keeps its own colours, which no text mentions; ``box`` is
    its tight rectangle x1, y1, x2, y2 in pixels; ``tilt`` numbers ``TILTS``, before the drawing is mirrored.
    """

    kind: int
    colour: str
    size: str
    box: tuple[float, float, float, float]
    group: int
    tilt: int = 1
    mirrored: bool = False


@dataclass(frozen=True)
class Scene:
    """The things of one picture in the order in which they are drawn; things of one group share kind and colour."""

    image_id: str
    ground: str
    things: tuple[Thing, ...]
    width: int = _WIDTH
    height: int = _HEIGHT

    @cached_property
    def groups(self) -> tuple[tuple[int, ...], ...]:
        """The indices of the things of each group."""
        members: dict[int, list[int]] = {}
        for index, thing in enumerate(self.things):
            members.setdefault(thing.group, []).append(index)
        return tuple(tuple(members[group]) for group in sorted(members))

    def centre(self, item: int | Sequence[int]) -> tuple[float, float]:
        """The centre of a thing (its index), or the mean centre of several (such as a member of ``groups``)."""
        boxes = [self.things[i].box for i in ([item] if isinstance(item, int) else item)]
        x = sum(box[0] + box[2] for box in boxes) / (2 * len(boxes))
        y = sum(box[1] + box[3] for box in boxes) / (2 * len(boxes))
        return x, y

    def relation(self, a: int | Sequence[int], b: int | Sequence[int]) -> str | None:
        """Where ``a`` is as seen from ``b``: "left", "right", "above", "below"; None where it cannot be said clearly.

        It is said when the centres differ by more than 40 px on one axis and 1.5 times the difference on the other.
        """
        (ax, ay), (bx, by) = self.centre(a), self.centre(b)
        across, down = ax - bx, ay - by
        if abs(across) > max(40.0, 1.5 * abs(down)):
            return "left" if across < 0 else "right"
        if abs(down) > max(40.0, 1.5 * abs(across)):
            return "above" if down < 0 else "below"
        return None


@cache
def load_kinds() -> tuple[Kind, ...]:
    """The class list that the package ships; a kind's place in it is its class everywhere."""
    text = files("iconotext.world").joinpath("classes.tsv").read_text(encoding="utf-8")
    return tuple(
        Kind(
            index=index,
            code_point=row["codepoint"],
            name=row["name_en"],
            plural=row["plural_en"],
            name_zh=row["name_zh"],
            measure_zh=row["measure_zh"],
            category=row["category"],
            recolourable=row["recolour"] == "yes",
            default_colour=row["default_colour"],
            fills=tuple(row["main_fill"].split("+")) if row["main_fill"] else (),
            aspects=tuple(float(aspect) for aspect in row["aspects"].split()),
        )
        for index, row in enumerate(csv.DictReader(text.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE))
    )


def held_out_combinations(seed: int, kinds: Sequence[int]) -> frozenset[Combination]:
    """One colour of each recolourable kind, which only the split ``test_unseen`` shows."""
    every = load_kinds()
    return frozenset(
        (kind, COLOURS[derive(seed, "held-out", kind) % len(COLOURS)]) for kind in kinds if every[kind].recolourable
    )


def sample_scene(
    seed: int,
    split: str,
    index: int,
    kinds: Sequence[int],
    *,
    banned: Collection[Combination] = (),
    wanted: Collection[Combination] = (),
) -> Scene:
    """The scene number ``index`` of a split: the same for the same arguments, whatever was drawn before.

    ``banned`` combinations never occur. With ``wanted`` ones, the first group is one of them, and half of the other
    groups that have a wanted colour take it.
    """
    rng = generator(seed, "scene", split, index)
    while True:
        groups = _draw_groups(rng, kinds, banned, sorted(wanted))
        things = _place(rng, groups)
        if things is not None:
            break
    ground = GROUNDS[int(rng.random() * len(GROUNDS))]
    return Scene(image_id=f"{split}-{index:06d}", ground=ground, things=things)


def _draw_groups(
    rng: np.random.Generator, kinds: Sequence[int], banned: Collection[Combination], wanted: Sequence[Combination]
) -> list[tuple[Combination, list[str]]]:
    """What is in the scene: for each group its kind and colour, and the size of each member."""
    total = int(_COUNTS[int(rng.random() * len(_COUNTS))])
    fewest = -(-total // _MAX_ALIKE)
    number = min(total, max(fewest, 2 + int(rng.random() * 3)))
    big_share = 0.45 if total < 7 else 0.3
    groups: list[tuple[Combination, list[str]]] = []
    for count in _partition(rng, total, number):
        chosen = [combination for combination, _ in groups]
        combination = _draw_combination(rng, kinds, chosen, banned, wanted)
        sizes = [SIZES[int(rng.random() < big_share)] for _ in range(count)]
        if rng.random() < 0.6:
            sizes = sizes[:1] * count
        groups.append((combination, sizes))
    return groups


def _partition(rng: np.random.Generator, total: int, number: int) -> list[int]:
    """``total`` as a sum of ``number`` parts of 1-5, every such sum equally likely."""
    while True:
        cuts = sorted((rng.permutation(total - 1)[: number - 1] + 1).tolist())
        parts = [end - start for start, end in zip([0, *cuts], [*cuts, total])]
        if max(parts) <= _MAX_ALIKE:
            return parts


def _draw_combination(
    rng: np.random.Generator,
    kinds: Sequence[int],
    chosen: Sequence[Combination],
    banned: Collection[Combination],
    wanted: Sequence[Combination],
) -> Combination:
    """A kind and colour that the scene does not have yet; now and then a chosen kind again in another colour."""
    every = load_kinds()
    if wanted and not chosen:
        return wanted[int(rng.random() * len(wanted))]
    wanted_colour = dict(wanted)
    again = bool(chosen) and rng.random() < 0.2
    while True:
        kind = chosen[-1][0] if again else kinds[int(rng.random() * len(kinds))]
        again = False
        colour = COLOURS[int(rng.random() * len(COLOURS))] if every[kind].recolourable else ""
        if kind in wanted_colour and rng.random() < 0.5:
            colour = wanted_colour[kind]
        if (kind, colour) not in banned and (kind, colour) not in chosen:
            return kind, colour


def _place(rng: np.random.Generator, groups: Sequence[tuple[Combination, list[str]]]) -> tuple[Thing, ...] | None:
    """The groups with a box for each member, members near each other if there is room; None where they do not fit."""
    things: list[Thing] = []
    for group, ((kind, colour), sizes) in enumerate(groups):
        first: tuple[float, float] | None = None
        for size in sizes:
            tilt = int(rng.random() * len(TILTS))
            low, high = _LONG_SIDE[size]
            width, height = extent(load_kinds()[kind].aspects[tilt], low + int(rng.random() * (high - low + 1)))
            box = _free_box(rng, width, height, first, [thing.box for thing in things])
            if box is None:
                return None
            first = first or ((box[0] + box[2]) / 2, (box[1] + box[3]) / 2)
            things.append(Thing(kind, colour, size, box, group, tilt, bool(rng.random() < 0.5)))
    return tuple(things)


def extent(aspect: float, side: int) -> tuple[int, int]:
    """Width and height in whole pixels of a drawing of this aspect whose longer side is given."""
    return (side, max(1, round(side / aspect))) if aspect >= 1 else (max(1, round(side * aspect)), side)


def _free_box(
    rng: np.random.Generator,
    width: int,
    height: int,
    near: tuple[float, float] | None,
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float] | None:
    """A place that covers less than 12 % of any taken box and is covered less, by up to 40 trials, or None."""
    most_x, most_y = _WIDTH - _MARGIN - width, _HEIGHT - _MARGIN - height
    for trial in range(40):
        if near is not None and trial < 16:
            x = round(near[0] - width / 2 + (rng.random() - 0.5) * 200)
            y = round(near[1] - height / 2 + (rng.random() - 0.5) * 150)
            if not (_MARGIN <= x <= most_x and _MARGIN <= y <= most_y):
                continue
        else:
            x = _MARGIN + int(rng.random() * (most_x - _MARGIN + 1))
            y = _MARGIN + int(rng.random() * (most_y - _MARGIN + 1))
        box = (float(x), float(y), float(x + width), float(y + height))
        if all(_overlap(box, other) < _MAX_OVERLAP for other in taken):
            return box
    return None


def _overlap(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> float:
    """The share of the smaller box that the other covers."""
    common = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    if not common:
        return 0.0
    return common / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))

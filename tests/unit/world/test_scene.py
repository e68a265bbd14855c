"""Scenes: what may occur, where things may stand, and that a scene depends on its coordinates only."""

from itertools import combinations

import numpy as np
import pytest

from iconotext.world.scene import (
    COLOURS,
    GROUNDS,
    SIZES,
    Scene,
    Thing,
    held_out_combinations,
    load_kinds,
    sample_scene,
)

KINDS = range(258)
SCENES = [sample_scene(3, "train", index, KINDS) for index in range(300)]


def share_of_smaller(a, b):
    across = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    down = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return across * down / min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))


def test_class_list():
    kinds = load_kinds()
    assert len(kinds) == 258
    assert [kind.index for kind in kinds] == list(range(258))
    assert len({kind.name for kind in kinds}) == len({kind.name_zh for kind in kinds}) == 258
    assert all(kind.plural and kind.measure_zh and len(kind.aspects) == 3 for kind in kinds)
    assert all(kind.fills for kind in kinds if kind.recolourable)
    assert "orange" not in COLOURS


def test_scene_is_a_function_of_its_coordinates():
    assert [sample_scene(3, "train", index, KINDS) for index in (7, 2)] == [SCENES[7], SCENES[2]]
    assert sample_scene(4, "train", 7, KINDS).things != SCENES[7].things
    assert sample_scene(3, "test", 7, KINDS).things != SCENES[7].things


def test_numbers_sizes_and_room():
    for scene in SCENES:
        assert 2 <= len(scene.things) <= 8
        assert 2 <= len(scene.groups) <= 4
        assert all(1 <= len(group) <= 5 for group in scene.groups)
        assert scene.ground in GROUNDS
        for thing in scene.things:
            x1, y1, x2, y2 = thing.box
            assert 0 <= x1 < x2 <= scene.width
            assert 0 <= y1 < y2 <= scene.height
            low, high = {"small": (36, 48), "big": (66, 82)}[thing.size]
            assert low <= max(x2 - x1, y2 - y1) <= high
        for a, b in combinations(scene.things, 2):
            assert share_of_smaller(a.box, b.box) < 0.12


def test_groups_differ_and_are_alike_within():
    for scene in SCENES:
        combos = []
        for group in scene.groups:
            (combo,) = {(scene.things[i].kind, scene.things[i].colour) for i in group}
            combos.append(combo)
        assert len(set(combos)) == len(combos)
        assert all((colour in COLOURS) == load_kinds()[kind].recolourable for kind, colour in combos)


def test_everything_occurs_about_equally_often():
    things = [thing for scene in SCENES for thing in scene.things]
    assert 4.3 < len(things) / len(SCENES) < 5.5
    assert {thing.size for thing in things} == set(SIZES)
    assert {scene.ground for scene in SCENES} == set(GROUNDS)
    groups = [scene.things[group[0]].colour for scene in SCENES for group in scene.groups]
    counts = np.array([groups.count(colour) for colour in COLOURS])
    assert counts.min() > 0.5 * counts.mean()


def test_banned_never_and_wanted_always_occur():
    kinds = range(0, 258, 3)
    held_out = held_out_combinations(3, kinds)
    assert len(held_out) == sum(load_kinds()[kind].recolourable for kind in kinds)
    for index in range(200):
        seen = sample_scene(3, "train", index, kinds, banned=held_out)
        unseen = sample_scene(3, "test_unseen", index, kinds, wanted=held_out)
        assert not {(thing.kind, thing.colour) for thing in seen.things} & held_out
        assert {(thing.kind, thing.colour) for thing in unseen.things} & held_out


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ((0, 0), (41, 0), "left"),
        ((100, 20), (40, 0), "right"),
        ((0, 0), (20, 60), "above"),
        ((10, 90), (0, 30), "below"),
        ((0, 0), (40, 0), None),
        ((0, 0), (60, 45), None),
    ],
)
def test_relation_is_said_only_when_clear(a, b, said):
    def thing(x, y, group):
        return Thing(0, "", "small", (float(x), float(y), x + 10.0, y + 10.0), group)

    scene = Scene("one", "grass", (thing(*a, 0), thing(*b, 1)))
    assert scene.relation(0, 1) == said
    assert scene.relation(scene.groups[0], scene.groups[1]) == said
    opposite = {"left": "right", "right": "left", "above": "below", "below": "above", None: None}
    assert scene.relation(1, 0) == opposite[said]


def test_relation_of_groups_is_that_of_their_mean_centres():
    boxes = [(0.0, 0.0), (20.0, 90.0), (160.0, 50.0)]
    things = tuple(Thing(i, "", "small", (x, y, x + 10, y + 10), i // 2) for i, (x, y) in enumerate(boxes))
    scene = Scene("one", "grass", things)
    assert scene.groups == ((0, 1), (2,))
    assert scene.centre((0, 1)) == (15.0, 50.0)
    assert scene.relation((0, 1), 2) == "left"

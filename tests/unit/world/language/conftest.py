"""Scenes of a small world, and the truth about them told again, straight from the boxes."""

from __future__ import annotations

import pytest

from iconotext.world.language.truth import Picture, Repertoire
from iconotext.world.scene import Scene, held_out_combinations, load_kinds, sample_scene

SEED = 5
KINDS = tuple(i * len(load_kinds()) // 100 for i in range(100))
BANNED = held_out_combinations(SEED, KINDS)


class Truth:
    """What is true of a scene, without the code that writes the texts."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene

    def those(self, kind: int, colour: str = "", size: str = "") -> list[int]:
        """The things of a kind, colour and size; "" allows any."""
        things = enumerate(self.scene.things)
        return [i for i, t in things if t.kind == kind and colour in ("", t.colour) and size in ("", t.size)]

    def middle(self, thing: int) -> tuple[float, float]:
        x1, y1, x2, y2 = self.scene.things[thing].box
        return (x1 + x2) / 2, (y1 + y2) / 2

    def stands(self, a: int, relation: str, b: int) -> bool:
        """Whether thing a is left of, right of, above or below thing b: clearly, as the world defines it."""
        (ax, ay), (bx, by) = self.middle(a), self.middle(b)
        if relation in ("above", "below"):
            (ax, ay), (bx, by) = (ay, ax), (by, bx)
        step = bx - ax if relation in ("left", "above") else ax - bx
        return step > 40 and step > 1.5 * abs(ay - by)

    def on_side(self, a: int, relation: str, b: int) -> bool:
        """Whether a person could think that thing a is on that side of thing b, however little."""
        (ax, ay), (bx, by) = self.middle(a), self.middle(b)
        away = {"left": bx - ax, "right": ax - bx, "above": by - ay, "below": ay - by}
        others = [r for r in away if r != relation and self.stands(a, r, b)]
        return away[relation] > 0 and not others

    def has(self, phrase: object) -> bool:
        """Whether there are as many things as a phrase says, or any where it gives no number."""
        count = len(self.those(phrase.kind, phrase.colour))  # type: ignore[attr-defined]
        wanted = phrase.count  # type: ignore[attr-defined]
        return count == wanted if wanted else count > 0

    def holds(self, claim: object) -> bool:
        """Whether a claim is true."""
        phrases, relation = claim.phrases, claim.relation  # type: ignore[attr-defined]
        if claim.ground and claim.ground != self.scene.ground:  # type: ignore[attr-defined]
            return False
        if not all(self.has(phrase) for phrase in phrases):
            return False
        if not relation:
            return True
        first, second = (self.those(p.kind, p.colour) for p in phrases[:2])
        return all(self.stands(a, relation, b) for a in first for b in second)


@pytest.fixture(scope="session")
def scenes() -> list[Scene]:
    return [sample_scene(SEED, "train", i, KINDS, banned=BANNED) for i in range(250)]


@pytest.fixture(scope="session")
def pictures(scenes: list[Scene]) -> list[Picture]:
    return [Picture(scene) for scene in scenes]


@pytest.fixture(scope="session")
def truths(scenes: list[Scene]) -> list[Truth]:
    return [Truth(scene) for scene in scenes]


@pytest.fixture(scope="session")
def repertoire() -> Repertoire:
    return Repertoire(KINDS, BANNED)

"""Drawings: recolouring, tight rectangles, the cache."""

import numpy as np
import pytest

from iconotext.world.scene import COLOURS, TILTS, extent, load_kinds
from iconotext.world.sprites import PALETTE, SIDE, Sprites, colours_of, recolour, tight_box

BY_NAME = {kind.name: kind for kind in load_kinds()}


@pytest.fixture(scope="module")
def sprites(tmp_path_factory):
    return Sprites(tmp_path_factory.mktemp("drawings"))


def most_common(image):
    pixels = np.asarray(image.convert("RGBA")).reshape(-1, 4)
    solid = pixels[(pixels[:, 3] == 255) & (pixels[:, :3].max(1) > 60)]
    values, counts = np.unique(solid[:, :3], axis=0, return_counts=True)
    return "#" + "".join(f"{channel:02x}" for channel in values[counts.argmax()])


def test_recolour_takes_the_main_fill_and_its_shades():
    svg = '<path fill="#ea5a47"/><path fill="#d22f27" stroke="#000"/><path style="fill: #92d3f5"/><path fill="#fff"/>'
    blue = recolour(svg, ("#ea5a47",), "#0000ff")
    assert '<path fill="#0000ff"/>' in blue
    assert "#d22f27" not in blue
    assert all(kept in blue for kept in ('stroke="#000"', "fill: #92d3f5", 'fill="#fff"'))


def test_grey_drawings_are_recoloured_with_their_near_greys():
    svg = '<path fill="#d0cfce"/><path fill="#9b9b9a"/><path fill="#3f3f3f"/><path fill="#ffffff"/>'
    red = recolour(svg, ("#d0cfce",), "#ff0000")
    assert 'fill="#ff0000"' in red
    assert "#9b9b9a" not in red
    assert "#3f3f3f" in red
    assert "#ffffff" in red


@pytest.mark.parametrize("name", ["car", "t-shirt", "star", "candy", "door"])
@pytest.mark.parametrize("colour", COLOURS)
def test_a_thing_has_its_colour(sprites, name, colour):
    assert most_common(sprites.get(BY_NAME[name].index, colour, 1)) == PALETTE[colour]


def test_a_thing_of_its_own_colours_has_one_drawing(sprites):
    cow = BY_NAME["cow"]
    assert colours_of(cow) == ("",)
    with pytest.raises(ValueError, match="not in tuple"):
        sprites.get(cow.index, "red", 1)


def test_drawings_fill_their_rectangle_as_the_class_list_says(sprites):
    for kind in load_kinds()[::12]:
        for tilt in range(len(TILTS)):
            image = sprites.get(kind.index, colours_of(kind)[-1], tilt)
            assert image.size == extent(kind.aspects[tilt], SIDE)
            assert max(image.size) == SIDE
            x1, y1, x2, y2 = tight_box(image)
            assert x1 <= 1
            assert y1 <= 1
            assert x2 >= image.width - 1
            assert y2 >= image.height - 1


def test_aspects_are_those_of_the_drawings():
    from iconotext.world import sprites as module

    for kind in load_kinds()[5::23]:
        svg, _ = module._drawing(kind)
        for tilt, aspect in enumerate(kind.aspects):
            x1, y1, x2, y2 = tight_box(module._canvas(module._BODY.search(svg).group(1), TILTS[tilt]))
            assert (x2 - x1) / (y2 - y1) == pytest.approx(aspect, rel=0.02)


def test_cache_is_read_again_and_complete(tmp_path, monkeypatch):
    star = BY_NAME["star"].index
    first = Sprites(tmp_path).get(star, "red", 0)
    (file,) = tmp_path.iterdir()
    assert file.name.startswith("2B50-")
    monkeypatch.setattr("iconotext.world.sprites._render", None)
    assert Sprites(tmp_path).get(star, "red", 0).tobytes() == first.tobytes()


def test_a_cache_that_cannot_be_written_costs_time_only(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    assert Sprites(blocked / "cache").get(BY_NAME["star"].index, "red", 0).size


def test_cache_folder_follows_the_environment(monkeypatch, tmp_path):
    from iconotext.world.sprites import cache_folder

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "iconotext" / "world"

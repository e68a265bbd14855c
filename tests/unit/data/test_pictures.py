from __future__ import annotations

import io
import subprocess
import sys
import threading

import numpy as np
import pytest
from PIL import Image

from iconotext.core.errors import DataError
from iconotext.data import pictures
from iconotext.data.pictures import MAX_PIXELS, as_array, decode, normalise, room_for

RED, WHITE = (255, 0, 0), (255, 255, 255)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)  # type: ignore[arg-type]
    return out.getvalue()


def halves(mode: str, left: object, right: object) -> Image.Image:
    """A 8×4 picture, left half one colour, right half another."""
    image = Image.new(mode, (8, 4), left)  # type: ignore[arg-type]
    image.paste(right, (4, 0, 8, 4))  # type: ignore[arg-type]
    return image


def ends(data: bytes) -> tuple[object, object]:
    image = decode(data)
    assert image.mode == "RGB"
    return image.getpixel((0, 0)), image.getpixel((image.width - 1, image.height - 1))


def palette(left: int, right: int) -> Image.Image:
    image = halves("P", left, right)
    image.putpalette([255, 0, 0, 0, 0, 255, 0, 255, 0])
    return image


SIXTEEN = Image.fromarray(np.array([[0, 0x7FFF], [0x8000, 0xFFFF]], np.uint16))


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (encoded(halves("RGB", RED, WHITE), "PNG"), (RED, WHITE)),
        (encoded(halves("RGB", RED, WHITE), "BMP"), (RED, WHITE)),
        (encoded(halves("RGB", RED, WHITE), "TIFF"), (RED, WHITE)),
        (encoded(halves("RGB", RED, WHITE), "WEBP", lossless=True), (RED, WHITE)),
        (encoded(halves("RGBA", (255, 0, 0, 255), (0, 0, 0, 0)), "PNG"), (RED, WHITE)),
        (encoded(halves("RGBA", (255, 0, 0, 255), (0, 0, 0, 128)), "PNG"), (RED, (127, 127, 127))),
        (encoded(halves("LA", (9, 255), (9, 0)), "PNG"), ((9, 9, 9), WHITE)),
        (encoded(halves("L", 0, 200), "PNG"), ((0, 0, 0), (200, 200, 200))),
        (encoded(halves("L", 0, 200), "PNG", transparency=200), ((0, 0, 0), WHITE)),
        (encoded(halves("RGB", RED, (1, 2, 3)), "PNG", transparency=(1, 2, 3)), (RED, WHITE)),
        (encoded(halves("1", 0, 1), "PNG"), ((0, 0, 0), WHITE)),
        (encoded(palette(0, 1), "PNG"), (RED, (0, 0, 255))),
        (encoded(palette(0, 1), "PNG", transparency=1), (RED, WHITE)),
        (encoded(palette(0, 1), "PNG", transparency=b"\xff\x00\xff"), (RED, WHITE)),
        (encoded(palette(0, 1), "GIF", transparency=1), (RED, WHITE)),
        (encoded(SIXTEEN, "PNG"), ((0, 0, 0), WHITE)),
        (encoded(SIXTEEN, "TIFF"), ((0, 0, 0), WHITE)),
        (encoded(SIXTEEN, "PNG", transparency=0), (WHITE, WHITE)),
        (encoded(Image.fromarray(np.array([[-3, 70000]], np.int32)), "TIFF"), ((0, 0, 0), WHITE)),
        (encoded(Image.fromarray(np.array([[0.5, 2.5]], np.float32)), "TIFF"), ((0, 0, 0), WHITE)),
        (encoded(halves("CMYK", (0, 255, 255, 0), (0, 0, 0, 0)), "TIFF"), (RED, WHITE)),
        (b"P5 2 1 65535\n\x00\x00\xff\xff", ((0, 0, 0), WHITE)),
    ],
    ids=lambda value: "",
)
def test_every_mode_ends_as_rgb(data: bytes, expected: tuple[object, object]) -> None:
    assert ends(data) == expected


def test_sixteen_bits_keep_the_high_byte() -> None:
    assert np.asarray(decode(encoded(SIXTEEN, "PNG")))[..., 0].tolist() == [[0, 0x7F], [0x80, 0xFF]]


def test_cmyk_jpeg_is_red() -> None:
    left, _ = ends(encoded(halves("CMYK", (0, 255, 255, 0), (0, 0, 0, 0)), "JPEG", quality=100))
    assert np.abs(np.subtract(left, RED)).max() < 8


def test_lab_is_converted_through_its_white_point() -> None:
    black_and_white = ends(encoded(halves("LAB", (0, 128, 128), (255, 128, 128)), "TIFF"))
    assert np.abs(np.subtract(black_and_white, ((0, 0, 0), WHITE))).max() < 2


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    upright = np.zeros((16, 32, 3), np.uint8)
    upright[:8, :16] = 255  # The corner at the top left is white.
    undo = {1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1]}
    turned = {5: lambda a: a, 6: lambda a: a[::-1], 7: lambda a: a[::-1, ::-1], 8: lambda a: a[:, ::-1]}
    stored = undo[orientation](upright) if orientation < 5 else turned[orientation](upright).swapaxes(0, 1)
    if orientation in (6, 8):  # 6 is shown turned by 90° clockwise, so it is stored turned the other way.
        stored = np.rot90(upright, 1 if orientation == 6 else -1)
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = encoded(Image.fromarray(np.ascontiguousarray(stored)), "JPEG", quality=95, exif=exif)
    image = np.asarray(decode(data)).astype(int)
    assert image.shape == upright.shape
    assert np.abs(image - upright).mean() < 3
    assert normalise(data, 100).change == ("" if orientation == 1 else "converted")
    assert normalise(data, 4).given == decode(data).size


def test_broken_exif_is_no_rotation() -> None:
    data = encoded(Image.new("RGB", (8, 4)), "JPEG", exif=b"Exif\x00\x00MM\x00\x2a\xff\xff\xff\xff")
    assert decode(data).size == (8, 4)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.5, 0.9])
def test_a_cut_file_is_an_error(kind: str, share: float) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(DataError, match=r"not a picture|cannot be decoded"):
        decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", b"\x89PNG\r\n\x1a\n"]
)
def test_what_is_no_picture_is_an_error(data: bytes) -> None:
    with pytest.raises(DataError):
        decode(data)


def test_a_large_picture_is_read_without_a_warning() -> None:
    script = (
        "import io; from PIL import Image; from iconotext.data.pictures import decode; out = io.BytesIO();"
        "Image.new('1', (12_000, 8_000)).save(out, 'PNG'); print(decode(out.getvalue(), max_side=60).size)"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, check=True)
    assert (run.stdout, run.stderr) == ("(60, 40)\n", "")


def test_a_picture_beyond_the_limit_is_refused() -> None:
    header = f"P4 {MAX_PIXELS // 1000 + 1} 1000\n".encode()
    with pytest.raises(DataError, match="exceed the limit"):
        decode(header)


def test_scaling_keeps_the_aspect_and_no_side_vanishes() -> None:
    assert decode(encoded(Image.new("RGB", (6000, 40)), "JPEG"), 1333).size == (1333, 9)
    assert decode(encoded(Image.new("RGB", (2000, 1)), "PNG"), 100).size == (100, 1)
    assert decode(encoded(Image.new("RGB", (30, 20)), "PNG"), 100).size == (30, 20)


def test_plain_bytes_are_kept_and_others_encoded_again() -> None:
    jpeg, png = (encoded(halves("RGB", RED, WHITE), kind) for kind in ("JPEG", "PNG"))
    for data, suffix in ((jpeg, ".jpg"), (png, ".png")):
        stored = normalise(data, 100)
        assert (stored.data, stored.suffix, stored.change) == (data, suffix, "")
        assert (stored.width, stored.height) == (8, 4)
    grey = normalise(encoded(halves("L", 0, 200), "JPEG"), 100)
    assert (grey.suffix, grey.change, Image.open(io.BytesIO(grey.data)).mode) == (".jpg", "converted", "RGB")
    alpha = normalise(encoded(halves("RGBA", (255, 0, 0, 255), (0, 0, 0, 0)), "PNG"), 100)
    assert (alpha.suffix, alpha.change, ends(alpha.data)) == (".png", "converted", (RED, WHITE))
    small = normalise(png, 4)
    assert (small.change, small.width, small.height, decode(small.data).size) == ("scaled", 4, 2, (4, 2))
    assert normalise(encoded(halves("RGB", RED, WHITE), "WEBP"), 100).suffix == ".jpg"


def test_stored_bytes_do_not_change_again() -> None:
    for source in (encoded(palette(0, 1), "GIF"), encoded(SIXTEEN, "TIFF"), encoded(halves("L", 3, 200), "JPEG")):
        once = normalise(source, 5)
        assert normalise(once.data, 5).data == once.data


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "LA", "I;16", "F", "CMYK", "L"])
def test_strips_do_not_show(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(1)
    deep = {"I;16": random.integers(0, 65536, (37, 23)).astype(np.uint16), "F": random.random((37, 23), np.float32)}
    noise = Image.fromarray(random.integers(0, 256, (37, 23, 4), np.uint8), "RGBA")
    image = Image.fromarray(deep[mode]) if mode in deep else noise.quantize() if mode == "P" else noise.convert(mode)
    more = {"transparency": 3} if mode == "P" else {}
    data = encoded(image, "TIFF" if mode in ("F", "CMYK") else "PNG", **more)
    whole = decode(data)
    monkeypatch.setattr(pictures, "STRIP", 100)
    assert np.array_equal(np.asarray(decode(data)), np.asarray(whole))
    assert np.array_equal(as_array(whole), np.asarray(whole))


def test_large_pictures_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pictures, "MAX_PIXELS", 100)
    small, large = (encoded(Image.new("L", (side, side)), "PNG") for side in (5, 9))
    beyond = encoded(Image.new("L", (20, 20)), "PNG")
    done: list[str] = []

    def work(data: bytes, name: str) -> threading.Thread:
        def run() -> None:
            with room_for(data):
                done.append(name)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    with room_for(large):
        waiting = [work(large, "large"), work(small, "small")]
        with room_for(b"none"), room_for(encoded(Image.new("L", (4, 4)), "PNG")):
            pass
        assert done == []
    for thread in waiting:
        thread.join()
    assert sorted(done) == ["large", "small"]
    with room_for(beyond):
        pass

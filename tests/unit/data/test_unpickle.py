from __future__ import annotations

import io
import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.data.unpickle import ALLOWED, UnsafeData, loads

TRACE = "pickle_was_executed"


class Call:
    """Pickles as the call of a function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.what = (function, arguments)

    def __reduce__(self) -> Any:
        return self.what


class State:
    """Pickles as the call of a function whose result then gets a state."""

    def __init__(self, function: Any, arguments: tuple[Any, ...], state: Any) -> None:
        self.what = (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.what


def named(module: str, name: str, *arguments: bytes) -> bytes:
    """A pickle that calls a function by name with text arguments, written by hand."""
    parts = b"".join(b"V" + argument + b"\n" for argument in arguments)
    return b"c" + module.encode() + b"\n" + name.encode() + b"\n(" + parts + b"tR."


def object_array(content: Any) -> bytes:
    array = np.empty(1, object)
    array[0] = content
    return pickle.dumps({"features": array})


def persistent() -> bytes:
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream)
    pickler.persistent_id = lambda value: "elsewhere" if value == "here" else None  # type: ignore[method-assign]
    pickler.dump(["here"])
    return stream.getvalue()


RECONSTRUCT = np.empty(0).__reduce__()[0]
FORGED = np.dtype("O").__reduce__()[2]

ATTACKS: dict[str, bytes] = {
    "a file is opened": pickle.dumps(Call(open, TRACE, "w")),
    "Python 2 opens a file": named("__builtin__", "open", TRACE.encode(), b"w"),
    "a command is run": named("os", "system", f"touch {TRACE}".encode()),
    "text is evaluated": pickle.dumps(Call(eval, f"open('{TRACE}', 'w')")),
    "deep in a proper record": pickle.dumps({"image_id": "1", "boxes": [np.zeros(3), Call(open, TRACE, "w")]}),
    "in an array of objects": object_array(Call(open, TRACE, "w")),
    "NumPy writes a file": named("numpy", "savetxt", TRACE.encode(), b"1"),
    "NumPy maps a file": named("numpy", "memmap", TRACE.encode(), b"uint8", b"w+"),
    "NumPy loads a pickle": named("numpy", "load", b"x.npy"),
    "NumPy's tests run text": named(
        "numpy.testing._private.utils", "runstring", f"open('{TRACE}', 'w')".encode(), b"{}"
    ),
    "NumPy's f2py runs text": named("numpy.f2py.crackfortran", "myeval", f"open('{TRACE}', 'w')".encode()),
    "NumPy's own array of strings": named("numpy", "char.array", b"x"),
    "an attribute behind a dot": b"\x80\x04\x8c\x05numpy\x8c\x0bndarray.dump\x93.",
    "ndarray as a function": pickle.dumps(Call(np.ndarray, (4,))),
    "another kind of array": pickle.dumps(Call(RECONSTRUCT, np.memmap, (0,), b"b")),
    "a codec that does more": b"c_codecs\nencode\n(Vx\nVrot13\ntR.",
    "an array of fields": pickle.dumps(np.zeros(2, [("x", "f4")])),
    "a dtype with forged flags": pickle.dumps(State(np.dtype, ("f8",), (3, "<", None, ("x",), None, -1, -1, 63))),
    "addresses as objects": pickle.dumps(
        State(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("O"), False, b"\x01" * 8))
    ),
    "numbers made of objects": pickle.dumps(
        State(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (1,), np.dtype("f8"), False, ["x"]))
    ),
    "a class as a value": b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93.",
    "what lies outside": persistent(),
    "the registry of extensions": b"\x80\x02\x82\x01.",
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=list(ATTACKS))
def test_what_asks_for_code_is_refused_and_leaves_no_trace(
    attack: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match="record 7"):
        loads(attack, "record 7")
    assert list(tmp_path.iterdir()) == []


def test_the_message_names_what_was_asked_for() -> None:
    with pytest.raises(UnsafeData, match=r"feats\.lmdb.*builtins\.open.*nothing was run"):
        loads(named("builtins", "open", TRACE.encode(), b"w"), "feats.lmdb")


def test_the_list_of_what_is_allowed() -> None:
    cores = {f"numpy.{core}.multiarray.{name}" for core in ("core", "_core") for name in ("_reconstruct", "scalar")}
    others = {
        "numpy.ndarray",
        "numpy.dtype",
        "numpy._core.numeric._frombuffer",
        "collections.OrderedDict",
        "_codecs.encode",
    }
    assert cores | others == ALLOWED


def test_one_pickle_leaves_nothing_for_the_next() -> None:
    """What a name stands for can be given attributes by a pickle; the next one gets it fresh."""
    poison = b"\x80\x04\x8c\x05numpy\x8c\x05dtype\x93N}\x8c\x0c__defaults__)s\x86b."
    with pytest.raises(DataError):
        loads(poison, "x")
    assert loads(pickle.dumps(np.arange(3)), "y").tolist() == [0, 1, 2]


RECORD = {
    "image_id": "naïve",
    "num_boxes": 2,
    "boxes": np.arange(8, dtype=np.float32).reshape(2, 4),
    "wide": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "big": np.arange(3, dtype=">f4"),
    "half": np.float16(0.5),
    "width": np.int64(640),
    "yes": np.bool_(True),
    "name": np.str_("a"),
    "text": np.array(["ab", "c"]),
    "raw": b"\x00\xff",
    "nothing": None,
    "turned": np.arange(24).reshape(2, 3, 4).transpose(2, 0, 1),
    "nested": OrderedDict(a=[1, (2.5, {"b": np.zeros((1, 4))})]),
}


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_sound_record_comes_back(protocol: int) -> None:
    found = loads(pickle.dumps(RECORD, protocol=protocol), "x")
    assert list(found) == list(RECORD)
    np.testing.assert_equal(found, RECORD | {"nested": dict(RECORD["nested"])})
    assert found["boxes"].dtype == np.float32


def test_the_names_of_old_numpy() -> None:
    old = pickle.dumps(RECORD, protocol=2).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core.multiarray" in old
    np.testing.assert_array_equal(loads(old, "x")["boxes"], RECORD["boxes"])


def test_objects_of_one_length_stay_apart() -> None:
    array = np.empty(2, object)
    array[0], array[1] = [1, 2], [3, 4]
    assert loads(pickle.dumps(array), "x").tolist() == [[1, 2], [3, 4]]


def test_text_of_python_2() -> None:
    """Keys become text; values stay bytes, for a file may mean either."""
    written = b"(dp1\nS'na\\xc3\\xafve'\np2\nI0\nsS'b'\nS'\\xff'\ns."
    assert loads(written, "x") == {"naïve": 0, "b": b"\xff"}


def test_a_part_that_occurs_often_is_looked_at_once() -> None:
    deep: list[Any] = []
    for _ in range(60):
        deep = [deep, deep]
    assert loads(pickle.dumps(deep), "x")[0][0][0] is not None


def test_what_contains_itself_is_refused() -> None:
    ring: list[Any] = []
    ring.append(ring)
    with pytest.raises(UnsafeData, match="contains itself"):
        loads(pickle.dumps(ring), "x")


@pytest.mark.parametrize("cut", [0, 1, 10, 40, -40, -1])
def test_a_cut_pickle_is_an_error(cut: int) -> None:
    whole = pickle.dumps({"boxes": np.zeros((3, 4), np.float32)})
    with pytest.raises(DataError, match="record 7"):
        loads(whole[:cut], "record 7")


def test_an_array_with_too_few_bytes_is_an_error() -> None:
    whole = pickle.dumps(State(RECONSTRUCT, (np.ndarray, (0,), b"b"), (1, (9,), np.dtype("f4"), False, b"\x00" * 8)))
    with pytest.raises(DataError):
        loads(whole, "x")

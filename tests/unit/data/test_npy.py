from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from iconotext.core.errors import DataError
from iconotext.data import npy
from iconotext.data.npy import read_file, read_npy, read_npz
from iconotext.data.unpickle import UnsafeData


def saved(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def with_header(header: bytes, content: bytes = b"") -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + content


@pytest.mark.parametrize(
    "array", [np.arange(6.0).reshape(2, 3), np.asfortranarray(np.ones((3, 2), np.float16)), np.array(3)]
)
def test_plain_arrays(array: np.ndarray) -> None:
    np.testing.assert_array_equal(read_npy(saved(array), "x"), array, strict=True)


def test_an_array_of_objects_goes_through_the_restricted_unpickler() -> None:
    inside = {"bbox": np.ones((2, 4), np.float32), "num_boxes": 2}
    found = read_npy(saved(np.array(inside)), "x")
    assert found.shape == ()
    np.testing.assert_equal(found[()], inside)


HEADERS = {
    "code": b"open('trace', 'w')",
    "code in the shape": b"{'descr': '<f4', 'fortran_order': False, 'shape': (open('trace', 'w'),)}",
    "no dictionary": b"[1, 2]",
    "nonsense": b"\xff\xfe\x00",
    "too deep": b"(" * 5000,
    "a shape below zero": b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1,)}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=list(HEADERS))
def test_a_header_is_never_run(header: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(DataError, match=r"x\.npy"):
        read_npy(with_header(header), "x.npy")
    assert list(tmp_path.iterdir()) == []


def test_objects_that_ask_for_code_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"
    attack = with_header(header, b"cbuiltins\nopen\n(Vtrace\nVw\ntR.")
    with pytest.raises(UnsafeData, match=r"builtins\.open"):
        read_npy(attack, "x.npy")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("features.npy", attack)
    archive.seek(0)
    with pytest.raises(UnsafeData, match="features"):
        read_npz(archive, "x.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_pickle_of_another_shape_than_the_header_says() -> None:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (2,)}"
    with pytest.raises(DataError, match="no array of shape"):
        read_npy(with_header(header, pickle.dumps([1, 2])), "x.npy")


@pytest.mark.parametrize("cut", [0, 5, 20, -1, -30])
def test_a_cut_file_is_an_error(cut: int) -> None:
    with pytest.raises(DataError, match=r"x\.npy"):
        read_npy(saved(np.zeros((4, 4)))[:cut], "x.npy")


def test_a_lie_about_the_size_takes_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="promised"):
        read_npy(
            with_header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (10**15,)}".replace(b"10**15", b"9" * 15)),
            "x",
        )
    archive = io.BytesIO()
    np.savez_compressed(archive, features=np.zeros(1000))
    archive.seek(0)
    monkeypatch.setattr(npy, "LARGEST", 1000)
    with pytest.raises(DataError, match="in one record"):
        read_npz(archive, "x.npz")


def test_archives(tmp_path: Path) -> None:
    file = tmp_path / "x.npz"
    np.savez(file, features=np.ones(3), flag=np.bool_(True))
    found = read_npz(file, "x")
    assert found["features"].tolist() == [1, 1, 1]
    assert found["flag"].shape == ()
    file.write_bytes(file.read_bytes()[:-30])
    with pytest.raises(DataError, match="cut short or damaged"):
        read_npz(file, "x")
    with pytest.raises(DataError, match="cannot be read"):
        read_file(tmp_path / "none")

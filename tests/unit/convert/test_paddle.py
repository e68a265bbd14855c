"""Files that Paddle wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from iconotext.convert.paddle import read_folder
from iconotext.convert.read import read
from iconotext.core.errors import DataError

# Written by paddlepaddle 3.3.1: a matrix [3, 5] of n / 7 and a vector [5] of n.
MATRIX = bytes.fromhex(
    "0000000000000000000000000000000006000000080510031005000000002549123e2549923eb76ddb3e2549123f6edb363f"
    "b76d5b3f0000803f2549923f4992a43f6edbb63f9224c93fb76ddb3fdbb6ed3f00000040"
)
VECTOR = bytes.fromhex("000000000000000000000000000000000400000008051005000000000000803f000000400000404000008040")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "enc_fc.w_0").write_bytes(MATRIX)
    (tmp_path / "enc_fc.b_0").write_bytes(VECTOR)
    (tmp_path / "README").write_text("what a person put beside them")
    return tmp_path


def test_a_folder_of_parameters(folder: Path) -> None:
    found = read(folder).state
    assert list(found) == ["enc_fc.b_0", "enc_fc.w_0"]
    assert torch.equal(found["enc_fc.w_0"], torch.arange(15.0).view(3, 5) / 7)
    assert torch.equal(found["enc_fc.b_0"], torch.arange(5.0))


def test_sizes_above_one_byte(tmp_path: Path) -> None:
    head, description = VECTOR[:16], bytes([0x08, 0x03, 0x10, 0xAC, 0x02])
    values = torch.arange(300)
    (tmp_path / "ids").write_bytes(
        head + len(description).to_bytes(4, "little") + description + values.numpy().tobytes()
    )
    assert torch.equal(read_folder(tmp_path)["ids"], values)


@pytest.mark.parametrize("data", [MATRIX[:-1], MATRIX[:22], MATRIX[:17], MATRIX.replace(b"\x08\x05", b"\x08\x63", 1)])
def test_a_torn_or_strange_file_is_named(folder: Path, data: bytes) -> None:
    (folder / "enc_fc.w_0").write_bytes(data)
    with pytest.raises(DataError, match=r"enc_fc\.w_0 begins as a parameter"):
        read_folder(folder)


def test_other_folders_hold_none(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"PK" + bytes(40))
    assert read_folder(tmp_path) == {}

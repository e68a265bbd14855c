"""Small files of features, written as the programs of the field write them."""

from __future__ import annotations

import base64
import json
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import h5py
import lmdb
import lz4.frame
import msgpack
import numpy as np

WIDTH = 4


def array(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random(shape, np.float32)


def text(values: np.ndarray) -> str:
    return base64.b64encode(values.tobytes()).decode()


def tsv_line(image_id: str, count: int = 2, **other: str) -> str:
    """A line of bottom-up attention's six columns."""
    cells = {
        "image_id": image_id,
        "image_w": "640",
        "image_h": "480",
        "num_boxes": str(count),
        "boxes": text(array(count, 4) * 100),
        "features": text(array(count, WIDTH)),
    }
    return "\t".join((cells | other).values()) + "\r\n"


def write_lmdb(folder: Path, records: Mapping[bytes, bytes]) -> Path:
    with lmdb.open(str(folder), map_size=1 << 24) as environment, environment.begin(write=True) as transaction:
        for key, value in records.items():
            transaction.put(key, value)
    (folder / "lock.mdb").unlink()
    return folder


def vilbert(image_id: str, count: int = 2) -> dict[str, Any]:
    sizes = {"image_id": image_id, "image_h": 480, "image_w": 640, "num_boxes": count}
    return sizes | {"boxes": array(count, 4) * 100, "features": array(count, WIDTH)}


def write_vilbert(folder: Path, ids: Sequence[str]) -> Path:
    records = {image_id.encode(): pickle.dumps(vilbert(image_id)) for image_id in ids}
    return write_lmdb(folder, records | {b"keys": pickle.dumps([image_id.encode() for image_id in ids])})


def packed(values: np.ndarray) -> dict[bytes, Any]:
    """As msgpack_numpy writes an array."""
    return {b"nd": True, b"type": values.dtype.str, b"kind": b"", b"shape": values.shape, b"data": values.tobytes()}


def uniter(count: int, sure: Sequence[float]) -> bytes:
    fields = {"features": array(count, WIDTH), "norm_bb": array(count, 6), "soft_labels": array(count, 3)}
    arrays = {name: packed(values.astype(np.float16)) for name, values in fields.items()}
    return msgpack.packb(arrays | {"conf": packed(np.array(sure, np.float16))}, use_bin_type=True)


def write_uniter(folder: Path, records: Mapping[str, bytes]) -> Path:
    keys = json.dumps(list(records)).encode()
    folder.parent.mkdir(parents=True, exist_ok=True)
    return write_lmdb(folder, {name.encode(): value for name, value in records.items()} | {b"__keys__": keys})


def write_butd_h5(folder: Path, index: object, images: int = 2) -> Path:
    size = np.array([640, 480, 640, 480], np.float32)
    shares = array(images, 3, 6)
    with h5py.File(folder / "train36.hdf5", "w") as file:
        file["image_features"] = array(images, 3, WIDTH)
        file["image_bb"] = shares[..., :4] * size
        file["spatial_features"] = shares
    (folder / "train36_imgid2idx.pkl").write_bytes(pickle.dumps(index, protocol=0))
    return folder


def vlbert(count: int = 2) -> str:
    sizes = {"image_id": 7, "image_h": 480, "image_w": 640, "num_boxes": count}
    return json.dumps(sizes | {"boxes": text(array(count, 4)), "features": text(array(count, WIDTH))})


def write_text_database(folder: Path, texts: Mapping[str, str], broken: Sequence[str] = ()) -> Path:
    """UNITER's texts, and some whose frame is cut."""
    records = {
        name: lz4.frame.compress(
            msgpack.packb({"sentence": words, "input_ids": [3, 4], "img_fname": f"{name}.npz"}, use_bin_type=True)
        )
        for name, words in texts.items()
    }
    records |= {name: lz4.frame.compress(b"text")[:-6] for name in broken}
    write_lmdb(folder, {name.encode(): record for name, record in records.items()})
    (folder / "meta.json").write_text(json.dumps({"CLS": 1, "SEP": 2, "MASK": 5, "v_range": [3, 9]}))
    (folder / "id2len.json").write_text(json.dumps(dict.fromkeys(records, 2)))
    return folder

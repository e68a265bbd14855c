"""The LMDB files of ViLBERT, 12-in-1, VOLTA and MMF, which hold one pickled or packed image a record.

Records are dictionaries (rows of a CSV with all values text; arrays; arrays in base64) or, in the files that tensorpack
wrote for Conceptual Captions, lists of eight. The image's id is the one inside the record, for keys may be counters or
shortened ids. MMF and what VOLTA made of MMF's files cut the background off their class probabilities. Sources:
vilbert_beta and vilbert-multi-task ``_image_features_reader.py``, VOLTA's ``_image_features_reader.py`` and converters,
MMF ``feature_readers.py``, tensorpack's ``LMDBSerializer``.
"""

from __future__ import annotations

from pathlib import Path

from iconotext.core.errors import DataError
from iconotext.data.features.fields import record_of
from iconotext.data.features.lmdb_file import Database, is_lmdb, name_of
from iconotext.data.features.record import Listed, Reading, Record, Source

_LIST = ("features", "cls_prob", "boxes", "num_boxes", "image_h", "image_w", "image_id", "caption")


def recognises(path: Path) -> bool:
    """Whether there is an LMDB environment."""
    return is_lmdb(path)


def open_source(path: Path, reading: Reading) -> Source:
    """The records in the order of the environment's list of keys.

    Raises:
        UnsafeData: the list of keys asks for code.
        DataError: it is no LMDB environment, or a cut one.
    """
    database = Database(path)

    def read(key: bytes) -> Record:
        value = database.value(key)
        try:
            if isinstance(value, list | tuple) and len(value) == len(_LIST):
                value = dict(zip(_LIST, value))
            if not isinstance(value, dict):
                raise DataError(f"the record is a {type(value).__name__}, no dictionary of arrays")
            from_mmf = "feature_path" in value
            return record_of(value, background=not from_mmf, exact=not from_mmf)
        except DataError as error:
            raise DataError(f"{path}, record {name_of(key)!r}: {error}") from error

    try:
        return Listed("lmdb", database.keys(), read, database.close, called=name_of)
    except DataError:
        database.close()
        raise

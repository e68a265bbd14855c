from __future__ import annotations

from pathlib import Path

import pytest
import report_folder as made

from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    return made.write_data(tmp_path_factory.mktemp("data") / "boxes")


@pytest.fixture(scope="session")
def store(data: DataSet, tmp_path_factory: pytest.TempPathFactory) -> RegionStore:
    return made.write_store(tmp_path_factory.mktemp("store") / "regions", data)


@pytest.fixture(scope="session")
def folder(data: DataSet, store: RegionStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write_runs(tmp_path_factory.mktemp("demo"), data, store)

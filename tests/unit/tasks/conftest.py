from __future__ import annotations

from dataclasses import dataclass

import pytest
from toy_data import make_data, make_store, make_words

from iconotext.data.collate import Seating
from iconotext.data.records import DataSet
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.system import System
from iconotext.recipes.material import seating


@dataclass(frozen=True)
class Toy:
    """The little data set, its regions and its words."""

    data: DataSet
    store: RegionStore
    words: Words

    def seats(self, page: System) -> Seating:
        """How a page wants its pairs."""
        return seating(page, self.words.vocab)


@pytest.fixture(scope="session")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Toy:
    folder = tmp_path_factory.mktemp("toy")
    data = make_data(folder / "data")
    return Toy(data, make_store(folder / "store"), make_words(data))

"""A shard that was begun: what is found stays on the disk batch by batch, so that a run that is stopped loses a batch only."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from iconotext.data.shard import ImageRegions, Shapes, encode, open_shard


class Begun:
    """The batches of a shard that has not been written yet, in a folder of the store; ``rows`` and ``refused`` are in them.

    A batch counts once its file of rows is there, which comes after its reasons and is renamed into place. Nothing waits for
    the disk: a file that a power failure tore is found again instead.
    """

    def __init__(self, store: Path, index: int, shapes: Shapes) -> None:
        self._folder, self._shapes = store / f".begun-{index:05d}", shapes
        self.rows: dict[str, ImageRegions] = {}
        self.refused: dict[str, str] = {}
        files = sorted(self._folder.glob("*.arrow"))
        self._next = int(files[-1].stem) + 1 if files else 0
        for file in files:
            shard, reasons = open_shard(file, shapes), _reasons(file)
            if not isinstance(shard, str) and reasons is not None:
                self.rows.update((row.image_id, row) for row in shard.rows())
                self.refused.update(reasons)

    def left(self, ids: Sequence[str]) -> list[str]:
        """Those images of which nothing is known yet."""
        return [image_id for image_id in ids if image_id not in self.rows and image_id not in self.refused]

    def add(self, rows: Sequence[ImageRegions], refused: Mapping[str, str]) -> None:
        """Keep a batch: the regions of its images, and the reason for each that has none."""
        file = self._folder / f"{self._next:05d}.arrow"
        self._folder.mkdir(parents=True, exist_ok=True)
        file.with_suffix(".json").write_text(json.dumps(dict(refused)), encoding="utf-8")
        aside = file.with_name(f".{file.name}.part")
        aside.write_bytes(encode(rows, self._shapes))
        aside.replace(file)
        self._next += 1
        self.rows.update((row.image_id, row) for row in rows)
        self.refused.update(refused)

    def remove(self) -> None:
        """The shard is written: nothing of it is kept, neither on the disk nor in memory."""
        self.rows, self.refused = {}, {}
        shutil.rmtree(self._folder, ignore_errors=True)


def _reasons(file: Path) -> dict[str, str] | None:
    """Why images of a batch have no regions; None where that is not known."""
    try:
        reasons: dict[str, str] = json.loads(file.with_suffix(".json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return reasons


def remove_begun(store: Path) -> None:
    """The store is finished: what a kill left beside whole shards goes."""
    for folder in store.glob(".begun-*"):
        shutil.rmtree(folder, ignore_errors=True)

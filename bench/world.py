"""How many pictures of the world one core makes a second, and where the time goes.

    python bench/world.py [--pictures 1000]

One thread, CPU seconds, drawings in the cache, the kinds of size base, all tables, both languages. The goal is 300 whole
pictures a second. Reached on one of two shared cores of an AMD EPYC: 420 (370 with four other programs running), of
2.4 ms a picture 1.4 for drawing and JPEG, 0.9 for the language, 0.1 for the scene.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from iconotext.data.records import DataSetWriter
from iconotext.world.draw import draw, encode
from iconotext.world.sprites import Sprites
from iconotext.world.write import WORLD_SIZES, Plan, language_tables, prepare_kind, write_shard


def timed(name: str, pictures: int, work: Callable[[], Any]) -> Any:
    """Do the work and print its time in CPU seconds of this thread."""
    start = time.thread_time()
    result = work()
    seconds = time.thread_time() - start
    print(f"{name:<28} {1e3 * seconds / pictures:7.2f} ms a picture {pictures / seconds:9.0f} a second", flush=True)
    return result


def main() -> None:
    """Measure the parts, then whole shards as they are written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pictures", type=int, default=1000)
    asked = parser.parse_args().pictures
    plan = Plan(WORLD_SIZES["base"], 0, ("en", "zh"), 0.0)
    count = -(-asked // plan.size.shard)
    places = [("train", shard) for shard in range(count)]
    pictures = count * plan.size.shard
    for kind in plan.kinds:
        prepare_kind(kind)
    sprites = Sprites()
    draw(plan.scenes("train", 0)[0], 0, sprites)

    shards = timed("scenes", pictures, lambda: [plan.scenes(*place) for place in places])
    scenes = [scene for shard in shards for scene in shard]
    timed("drawing", pictures, lambda: [draw(scene, 0, sprites).size for scene in scenes])
    timed("drawing and JPEG", pictures, lambda: [encode(draw(scene, 0, sprites)) for scene in scenes])
    timed("language", pictures, lambda: [language_tables(plan, shards[i], *places[i]) for i in range(count)])
    with tempfile.TemporaryDirectory() as folder:
        writer = DataSetWriter(Path(folder) / "world", "bench", {}, plan.languages)
        timed("whole shards, written", pictures, lambda: [write_shard(writer, plan, place) for place in places])


if __name__ == "__main__":
    main()

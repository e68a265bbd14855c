"""Images that cannot be used, with the reason of each: a line of JSON an image."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path


def read_reasons(files: Sequence[Path]) -> dict[str, str]:
    """Image → reason from several files, the last word holds; a file that is not there is empty."""
    lines = [line for file in files if file.is_file() for line in file.read_text("utf-8").splitlines()]
    entries = map(json.loads, lines)
    return {entry["image_id"]: entry["reason"] for entry in entries}


def as_lines(reasons: Mapping[str, str]) -> bytes:
    """The content of a file."""
    rows = ({"image_id": image_id, "reason": reasons[image_id]} for image_id in sorted(reasons))
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()

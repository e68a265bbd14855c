"""The tutorial as it stands: every command of docs/start/tutorial.md in a folder of its own, with its output and its time.

    python bench/tutorial.py [--folder tutorial]

Needs easy-vqa (extra `tutorial`). What is in the folder already is not made again: a stopped run goes on.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shlex
import subprocess
import sys
import time
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / "docs" / "start" / "tutorial.md"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("tutorial"))
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    text = PAGE.read_text("utf-8")
    (folder / "tables.py").write_text("".join(re.findall(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[:1]))
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    for line in (line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()):
        call(folder, shlex.split(line))


def call(folder: Path, words: list[str]) -> None:
    """Run a line as a user of this Python would; pip is left out, for what it installs is there."""
    known = {"python": [sys.executable], "iconotext": [sys.executable, "-m", "iconotext"]}
    if words[0] not in known:
        return
    print("$", shlex.join(words), flush=True)
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run([*known[words[0]], *words[1:]], cwd=folder, env={**os.environ, "COLUMNS": "128"})
    after, seconds = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - begin
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"  {seconds:.0f} s, of these {used:.0f} s at work on a core\n", flush=True)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()

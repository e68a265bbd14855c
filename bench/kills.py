"""Kills the long commands with SIGKILL at random moments, starts them again, and compares with an uninterrupted run.

    python bench/kills.py [--times 10] [--only world ingest extract import-features pretrain finetune] [--folder DIR] [--seed 0]

Data commands must leave the same bytes in every file, training commands the same losses at every logged step and the same
weights. A kill falls at a moment drawn uniformly from the duration of the uninterrupted run. Prints a line a kill; exits
with 1 at the first difference.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from iconotext.core.seed import generator

STEPS = ["--steps", "60", "--batch", "16", "--precision", "fp32", "--save-every", "5", "--log-every", "1"]


def commands(base: Path, out: Path) -> dict[str, list[str]]:
    """Each command with its output in ``out``; what it reads lies in ``base``."""
    world, store = str(base / "world"), str(base / "extract")
    trained = ["--data", world, "--store", store, "--out", str(out), *STEPS, "--warmup", "10"]
    return {
        "world": ["world", str(out), "--size", "tiny", "--languages", "en"],
        "ingest": ["ingest", str(base / "folder"), str(out)],
        "extract": ["extract", world, str(out), "--detector", "grid", "--batch", "8"],
        "import-features": ["import-features", str(base / "features.tsv"), str(out), "--shard", "16"],
        "pretrain": ["pretrain", "--system", "vilbert", "--size", "tiny", "--workers", "1", *trained],
        "finetune": ["finetune", "vqa", "--from", str(base / "pretrain"), *trained],
    }


def pictures(base: Path) -> None:
    """A folder of pictures with a text beside each, for ingest."""
    from iconotext.data.records import DataSet

    data, folder = DataSet.open(base / "world"), base / "folder"
    folder.mkdir(exist_ok=True)
    texts = data.table("texts", "train").to_pylist()
    said: dict[str, list[str]] = {}
    for row in texts:
        said.setdefault(row["image_id"], []).append(row["text"])
    for image, lines in said.items():
        (folder / f"{image}.jpg").write_bytes(data.image_bytes(image))
        (folder / f"{image}.txt").write_text("\n".join(lines), encoding="utf-8")


def features(base: Path) -> None:
    """A file of region features as bottom-up attention writes it, with a broken line, for import-features."""
    draw = generator("kill", "features")
    with (base / "features.tsv").open("w", encoding="utf-8") as file:
        for number in range(2000):
            boxes, vectors = draw.random((36, 4), np.float32), draw.random((36, 256), np.float32)
            arrays = [base64.b64encode(array.tobytes()).decode() for array in (boxes, vectors)]
            file.write(
                "\t".join([f"image-{number}", "640", "480" if number != 777 else "none", "36", *arrays]) + "\r\n"
            )


def start(arguments: list[str]) -> subprocess.Popen[bytes]:
    """The command in its own process group, silent."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-m", "iconotext", *arguments], start_new_session=True, **quiet)  # type: ignore[call-overload, no-any-return]


def whole(arguments: list[str]) -> float:
    """Runs the command to its end; returns its duration."""
    begin = time.monotonic()
    process = start(arguments)
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{errors.decode()[-3000:]}")
    return time.monotonic() - begin


def content(name: str, out: Path) -> dict[str, str]:
    """What must be equal: the files' hashes, or the losses of each step and the weights."""
    hashes = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
    if name not in ("pretrain", "finetune"):
        return hashes
    steps = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = {str(line["step"]): json.dumps(line["losses"]) for line in steps if line["kind"] == "step"}
    return {**losses, "weights": hashes["model.safetensors"], "tokenizer": hashes["tokenizer.json"]}


def check(name: str, base: Path, times: int, seed: int) -> None:
    """One uninterrupted run, kept for the commands that follow, and ``times`` killed ones."""
    kept = base / name
    duration = whole(commands(base, kept)[name])
    expected = content(name, kept)
    print(f"{name}: {duration:.1f} s uninterrupted, {len(expected)} things to compare", flush=True)
    for number in range(times):
        out = base / f"{name}-killed"
        shutil.rmtree(out, ignore_errors=True)
        moment = float(generator(seed, "kill", name, number).random()) * duration
        process = start(commands(base, out)[name])
        time.sleep(moment)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        whole(commands(base, out)[name])
        found = content(name, out)
        different = sorted(k for k in expected.keys() | found.keys() if expected.get(k) != found.get(k))
        print(
            f"  killed after {moment:5.1f} s: {'equal' if not different else f'DIFFERENT: {different[:5]}'}", flush=True
        )
        if different:
            sys.exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--only", nargs="+", default=list(commands(Path(), Path())))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    base = args.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    base.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        if name == "ingest":
            pictures(base)
        if name == "import-features":
            features(base)
        check(name, base, args.times, args.seed)
    if args.folder is None:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()

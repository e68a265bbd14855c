"""Kills the long commands with SIGKILL at random moments, starts them again, and compares with an uninterrupted run.

    python bench/kills.py [--times 10] [--folder DIR] [--seed 0]
                          [--only world ingest extract import-features pretrain finetune multi]

Data commands must leave the same bytes in every file, training commands the same losses at every logged step and the same
weights. A kill falls at a moment drawn uniformly from the duration of the uninterrupted run. Prints a line a kill; exits
with 1 at the first difference.

extract and import-features are killed --times times more, now one run again and again, each time once it is at work: the
places are drawn at random, one from every other of twice as many parts of the pictures. At every kill, of both kinds, no file
of the store may be torn, and in the end no picture may have been worked on more than twice. (A kill loses the batch that is at
work. Only who kills a run twice within one batch, which takes a fraction of a second here, has its pictures worked on three
times.)
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
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from iconotext.core.fingerprint import Fingerprint
from iconotext.core.seed import generator
from iconotext.data.coding import Storage
from iconotext.data.shard import open_shard, shapes_of

TRACED = ("extract", "import-features")
"""Commands that write a region store; which pictures they work on is noted."""
NEEDS = {
    "ingest": ("world",),
    "extract": ("world",),
    "pretrain": ("world", "extract"),
    "finetune": ("world", "extract", "pretrain"),
    "multi": ("world", "extract", "pretrain"),
}
"""Commands whose output another command reads."""
LOOKS = ["--evaluate-every", "4", "--evaluate-on", "20"]
"""Often enough that tasks stop and go."""
STEPS = ["--steps", "60", "--batch", "16", "--precision", "fp32", "--save-every", "5", "--log-every", "1"]


def commands(base: Path, out: Path) -> dict[str, list[str]]:
    """Each command with its output in ``out``; what it reads lies in ``base``."""
    world, store = str(base / "world"), str(base / "extract")
    trained = ["--data", world, "--store", store, "--out", str(out), *STEPS, "--warmup", "10"]
    return {
        "world": ["world", str(out), "--size", "tiny", "--languages", "en"],
        "ingest": ["ingest", str(base / "folder"), str(out)],
        "extract": ["extract", world, str(out), "--detector", "grid", "--batch", "8", "--workers", "1"],
        "import-features": ["import-features", str(base / "features.tsv"), str(out), "--shard", "16"],
        "pretrain": ["pretrain", "--system", "vilbert", "--size", "tiny", "--workers", "1", *trained],
        "finetune": ["finetune", "vqa", "--from", str(base / "pretrain"), *trained],
        "multi": ["finetune", "multi", "vqa", "expressions", "--from", str(base / "pretrain"), *trained, *LOOKS],
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


def traced(trace: Path, arguments: list[str]) -> None:
    """The command line in this process; each picture's name is written to ``trace`` when work on it begins."""
    from iconotext.cli.main import call
    from iconotext.data.features import write
    from iconotext.data.features.record import Entry

    handle = os.open(trace, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def note(*names: str) -> None:
        os.write(handle, "".join(f"{name}\n" for name in names).encode())

    if arguments[0] == "extract":
        from iconotext.recipes.extraction import Pictures

        regions = Pictures.regions
        Pictures.regions = lambda self, detector, ids: note(*ids) or regions(self, detector, ids)  # type: ignore[method-assign, func-returns-value]
    row = write._row

    def noted(entry: Entry, *more: Any) -> Any:
        note(entry.name)
        return row(entry, *more)

    write._row = noted
    sys.exit(call(arguments))


def start(arguments: list[str], trace: Path | None = None) -> subprocess.Popen[bytes]:
    """The command in its own process group, silent."""
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    command = (
        [sys.executable, "-m", "iconotext"] if trace is None else [sys.executable, __file__, "--trace", str(trace)]
    )
    return subprocess.Popen([*command, *arguments], start_new_session=True, **quiet)  # type: ignore[call-overload, no-any-return]


def whole(arguments: list[str], trace: Path | None = None) -> float:
    """Runs the command to its end; returns its duration."""
    begin = time.monotonic()
    process = start(arguments, trace)
    _, errors = process.communicate()
    if process.returncode:
        sys.exit(f"{' '.join(arguments)} failed:\n{errors.decode()[-3000:]}")
    return time.monotonic() - begin


def kill(process: subprocess.Popen[bytes]) -> None:
    """Ends it and what it started, at once."""
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def torn(store: Path) -> list[str]:
    """Files of a region store that are there and not whole."""
    if not (store / "store.json").is_file():
        return [file.name for file in store.glob("regions-*")]
    about = json.loads((store / "store.json").read_text("utf-8"))
    shapes, storage = shapes_of(Fingerprint(**about["fingerprint"])), Storage(**about.get("storage", {}))
    return [file.name for file in store.glob("regions-*") if isinstance(open_shard(file, shapes, storage), str)]


def most(trace: Path) -> tuple[int, int]:
    """How many pictures were worked on, and how often the one that was most often."""
    times = Counter(trace.read_text("utf-8").splitlines()) if trace.is_file() else Counter()
    return len(times), max(times.values(), default=0)


def content(name: str, out: Path) -> dict[str, str]:
    """What must be equal: the files' hashes, or the losses of each step and the weights."""
    hashes = {
        str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(out.rglob("*"))
        if path.is_file()
    }
    if name not in ("pretrain", "finetune", "multi"):
        return hashes
    steps = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = {str(line["step"]): json.dumps(line["losses"]) for line in steps if line["kind"] == "step"}
    return {**losses, "weights": hashes["model.safetensors"], "tokenizer": hashes["tokenizer.json"]}


def compare(name: str, expected: dict[str, str], out: Path, trace: Path, told: str) -> None:
    """Prints how a run ended that was killed; ends the script where it is not as it has to be."""
    found = content(name, out)
    wrong = [f"{k} differs" for k in sorted(expected.keys() | found.keys()) if expected.get(k) != found.get(k)][:5]
    if name in TRACED:
        pictures, times = most(trace)
        told += f", of {pictures} pictures none more than {times} times"
        wrong += [f"a picture {times} times"] if times > 2 else []
    print(f"  {told}: {'; '.join(wrong) or 'equal'}", flush=True)
    if wrong:
        sys.exit(1)


def check(name: str, base: Path, times: int, seed: int) -> None:
    """One uninterrupted run, kept for the commands that follow, and ``times`` killed ones."""
    kept, out, trace = base / name, base / f"{name}-killed", base / f"{name}.trace"
    watched = trace if name in TRACED else None
    duration = whole(commands(base, kept)[name])
    expected = content(name, kept)
    print(f"{name}: {duration:.1f} s uninterrupted, {len(expected)} things to compare", flush=True)
    for number in range(times):
        shutil.rmtree(out, ignore_errors=True)
        trace.unlink(missing_ok=True)
        moment = float(generator(seed, "kill", name, number).random()) * duration
        process = start(commands(base, out)[name], watched)
        time.sleep(moment)
        kill(process)
        if watched and torn(out):
            sys.exit(f"killed after {moment:.1f} s: torn {torn(out)}")
        whole(commands(base, out)[name], watched)
        compare(name, expected, out, trace, f"killed after {moment:5.1f} s")


def check_in_a_row(name: str, base: Path, times: int, seed: int) -> None:
    """One run, killed ``times`` times while it is at work."""
    out, trace = base / f"{name}-row", base / f"{name}-row.trace"
    expected = content(name, base / name)
    whole(commands(base, out)[name], trace)
    pictures, _ = most(trace)
    shutil.rmtree(out)
    trace.unlink()
    apart = pictures / (2 * times)
    places = [1 + int((2 * i + u) * apart) for i, u in enumerate(generator(seed, "row", name).random(times).tolist())]
    for place in places:
        process = start(commands(base, out)[name], trace)
        while most(trace)[0] < place and process.poll() is None:
            time.sleep(0.005)
        kill(process)
        if torn(out):
            sys.exit(f"killed at picture {most(trace)[0]}: torn {torn(out)}")
    whole(commands(base, out)[name], trace)
    compare(name, expected, out, trace, f"killed in a row at pictures {', '.join(map(str, places))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--only", nargs="+", default=list(commands(Path(), Path())))
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    if sys.argv[1:2] == ["--trace"]:
        traced(Path(sys.argv[2]), sys.argv[3:])
    args = parser.parse_args()
    base = args.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    base.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        for other in NEEDS.get(name, ()):
            if not (base / other).is_dir():
                whole(commands(base, base / other)[other])
        if name == "ingest":
            pictures(base)
        if name == "import-features":
            features(base)
        check(name, base, args.times, args.seed)
        if name in TRACED:
            check_in_a_row(name, base, args.times, args.seed)
    if args.folder is None:
        shutil.rmtree(base)


if __name__ == "__main__":
    main()

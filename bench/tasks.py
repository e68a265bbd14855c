"""Every task on the built-in world: pre-trained, from scratch, and trained on the words or the picture alone.

    python bench/tasks.py [--folder tasks] [--systems uniter vilbert] [--tasks vqa ...] [--seeds 3] [--size small] [--write]

Draws the world, finds its regions and pre-trains each system once; then fine-tunes and evaluates each task by the settings
below. What is done already in the folder is not done again, so the same command goes on after a stop. ``--seeds`` vary
fine-tuning (its new weights and its order), not the pre-trained run. ``--write`` writes docs/how/task-figures.md.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from statistics import mean, stdev

from iconotext.core.machine import machine

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "how" / "task-figures.md"
PRETRAIN = ("--steps", "3800", "--save-every", "1000")
WIDE = "wide.json"
"""The figures of a longer evaluation."""
STUDENT = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}
"""Half the width of a 95 % interval in standard errors, for so many seeds (Student's t)."""
STARTS = {
    "pre-trained": (),
    "from scratch": ("--scratch",),
    "text only": ("--blind", "text"),
    "picture only": ("--blind", "picture"),
}
"""How a run begins and what it sees. Models that see one side begin with the pre-trained weights as well."""

TEXT = """\
# What the tasks reach on the built-in world

Tiny systems, the small world's test split. Every model that is not from scratch began with the same pre-trained run of its
system; those that see one side only began with it as well, and were trained and measured so. A task that begins with another
one does so in every column: from scratch, with that task's run from scratch. Seeds of fine-tuning: {seeds}; means over several
have 95 % intervals (Student's t over seeds); "(of 2)" where fewer were run. `bar` is what a model that works should reach.
Longer runs, and runs that begin with another task, reach more, among them ViLBERT's questions (.862 after 2,400 steps that
begin with expressions) and choices (Q→A .813 after those), which need longer to learn to count:
[foils, and what teaches left and right](tasks.md#foils-and-what-teaches-left-and-right).

{figures}

| task | begins with | steps | examples a step | flags of `finetune` | of `evaluate` |
|---|---|---|---|---|---|
{settings}

Made by `python bench/tasks.py --seeds {seeds} --write` on {machine}. How a task is trained and measured: [tasks](tasks.md).
"""


REPEATED = ("pre-trained", "from scratch")
"""Those that are run with every seed."""


@dataclass(frozen=True)
class Setting:
    """How a task is fine-tuned, and the figures that are told of it, each with chance and with what it should reach."""

    steps: int
    batch: int
    figures: dict[str, tuple[str, str]]
    after: str = ""
    """The task whose run, made in the same way, it begins with; else it begins with the pre-trained one."""
    flags: tuple[str, ...] = ()
    evaluate: tuple[str, ...] = ()
    wide: tuple[str, ...] = ()
    """Another evaluation, longer, of the first run alone; its figures are told as ``wide_figures``."""
    wide_figures: dict[str, tuple[str, str]] = field(default_factory=dict)


SETTINGS = {
    "vqa": Setting(1200, 64, {"VQA accuracy": (".25", ".80")}),
    "statements": Setting(700, 32, {"statements, accuracy": (".50", ".75")}),
    "choices": Setting(
        800,
        32,
        {"choices Q→A": (".25", ".70"), "choices QA→R": (".25", "")},
        after="vqa",
        flags=(
            "--learning-rate",
            "5e-4",
        ),  # With the system's own, counting is forgotten first and learned by heart after.
    ),
    "expressions": Setting(400, 64, {"referring expressions, IoU 0.5": (".18", ".80")}),
    "retrieval": Setting(
        60,
        64,
        {"text to image R@1": (".01", "")},
        evaluate=("--kind", "list", "--pictures", "100"),
        wide=("--kind", "list", "--pictures", "500"),
        wide_figures={"text to image R@1": (".002", ".60")},
    ),
    "foils": Setting(600, 64, {"foils, true sentence first": (".50", "")}),
    "relevance": Setting(200, 32, {"relevance NDCG@10": (".19", ".85")}),
}


@dataclass(frozen=True)
class Job:
    """One run of fine-tuning, with its evaluation."""

    system: str
    task: str
    start: str
    seed: int

    def folder(self, base: Path) -> Path:
        """Where it lies."""
        return base / self.system / self.task / f"{self.start.replace(' ', '-')}-{self.seed}"

    def commands(self, base: Path) -> Iterator[tuple[Path, list[str]]]:
        """What makes it, each with the file that tells that it is done."""
        setting, out = SETTINGS[self.task], self.folder(base)
        known = ["--data", str(base / "world"), "--store", str(base / "regions")]
        start, flags = base / self.system / "pretrain", STARTS[self.start]
        if setting.after:
            start = replace(self, task=setting.after).folder(base)
            flags = tuple(flag for flag in flags if flag != "--scratch")
        tune = ["finetune", self.task, "--from", str(start), *known, "--out", str(out), "--evaluate-on", "0", *flags]
        tune += ["--steps", str(setting.steps), "--batch", str(setting.batch), "--seed", str(self.seed), *setting.flags]
        yield out / "model.safetensors", tune
        if setting.wide and self.first:
            yield out / WIDE, ["evaluate", str(out), *known, *setting.wide]
        yield out / "evaluation.json", ["evaluate", str(out), *known, *setting.evaluate]

    @property
    def first(self) -> bool:
        """Whether it is the one that begins with the pre-trained run, of the first seed."""
        return self.seed == 0 and self.start == "pre-trained"


def run(made: Path, words: Sequence[str]) -> None:
    """One command of the program, unless what it makes is there."""
    if made.exists():
        return
    print("iconotext", *words, flush=True)
    made.parent.mkdir(parents=True, exist_ok=True)
    log = made.parent / f"{words[0]}.txt"
    with log.open("w", encoding="utf-8") as out:
        code = subprocess.run(
            [sys.executable, "-m", "iconotext", *words], stdout=out, stderr=subprocess.STDOUT
        ).returncode
    if code:
        raise SystemExit(f"that failed; see {log}")
    if made.name == WIDE:
        (made.parent / "evaluation.json").rename(made)


def prepare(base: Path, size: str, systems: Sequence[str]) -> None:
    """The world, its regions, and each system pre-trained on them."""
    world, regions = str(base / "world"), str(base / "regions")
    run(base / "world" / "dataset.json", ["world", world, "--size", size, "--languages", "en"])
    if not (base / "regions.done").exists():
        run(base / "regions.done", ["extract", world, regions, "--min", "2"])
        (base / "regions.done").touch()
    known = ["--data", world, "--store", regions]
    for system in systems:
        out = base / system / "pretrain"
        command = ["pretrain", "--system", system, "--size", "tiny", *known, "--out", str(out), *PRETRAIN]
        run(out / "model.safetensors", command)
        run(out / "measures.json", ["measure", str(out), *known])


def jobs(systems: Sequence[str], tasks: Sequence[str], seeds: int) -> list[Job]:
    """All runs, those first that tell most: each task once in every way, then the other seeds."""
    first = [Job(system, task, start, 0) for start in STARTS for system in systems for task in tasks]
    more = [
        Job(system, task, start, seed)
        for seed in range(1, seeds)
        for system in systems
        for start in REPEATED
        for task in tasks
    ]
    return first + more


def found(base: Path, job: Job, figure: str, file: str = "evaluation.json") -> float | None:
    """A figure of a run, where it is there. A blind model's figure has a suffix in its name."""
    try:
        told = json.loads((job.folder(base) / file).read_text("utf-8"))
    except FileNotFoundError:
        return None
    values = [row["value"] for row in told["figures"] if row["name"].startswith(figure)]
    return float(values[0]) if values else None


def cell(values: Sequence[float], seeds: int = 1) -> str:
    """The mean, with its interval where there is more than one seed, and how many there are where some are missing."""
    if not values:
        return ""
    told = f"{mean(values):.3f}".lstrip("0")
    if len(values) > 1:
        told += f" ± {STUDENT[len(values)] * stdev(values) / len(values) ** 0.5:.3f}".replace(" 0.", " .")
    return told if len(values) == seeds else f"{told} (of {len(values)})"


def table(base: Path, systems: Sequence[str], tasks: Sequence[str], seeds: int) -> list[str]:
    """The table in Markdown."""
    lines = [
        "| system | figure | chance | bar | " + " | ".join(STARTS) + " |",
        "|---|---|---|---|" + "---|" * len(STARTS),
    ]
    for system in systems:
        for task in tasks:
            setting = SETTINGS[task]
            for figure, (chance, bar) in setting.figures.items():
                cells = [f"`{system}`", figure + told_of(setting.evaluate), chance, bar]
                for start in STARTS:
                    values = [found(base, Job(system, task, start, seed), figure) for seed in range(seeds)]
                    known = [value for value in values if value is not None]
                    cells.append(cell(known, seeds if start in REPEATED else 1))
                if any(cells[4:]):
                    lines.append("| " + " | ".join(cells) + " |")
            for figure, (chance, bar) in setting.wide_figures.items():
                value = found(base, Job(system, task, "pre-trained", 0), figure, WIDE)
                if value is not None:
                    told = figure + told_of(setting.wide)
                    lines.append(f"| `{system}` | {told} | {chance} | {bar} | {cell([value])} | | | |")
    return lines


def told_of(evaluate: Sequence[str]) -> str:
    """What a search is among, where there is one."""
    kind = f", {evaluate[evaluate.index('--kind') + 1]} captions" if "--kind" in evaluate else ""
    return f" of {evaluate[evaluate.index('--pictures') + 1]}{kind}" if "--pictures" in evaluate else ""


def page(base: Path, systems: Sequence[str], tasks: Sequence[str], seeds: int) -> str:
    """The page that ``--write`` writes."""
    settings = []
    for task, each in SETTINGS.items():
        cells = [
            task,
            each.after or "pre-training",
            each.steps,
            each.batch,
            *map(" ".join, (each.flags, each.evaluate)),
        ]
        settings += [f"| {' | '.join(map(str, cells))} |"] if task in tasks else []
    figures = "\n".join(table(base, systems, tasks, seeds))
    return TEXT.format(figures=figures, settings="\n".join(settings), seeds=seeds, machine=machine())


def main() -> None:
    """Runs what is missing, then prints or writes the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path("tasks"))
    parser.add_argument("--systems", nargs="+", default=["uniter", "vilbert"])
    parser.add_argument("--tasks", nargs="+", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--size", default="small", help="of the world")
    parser.add_argument("--only-table", action="store_true", help="of what is there")
    parser.add_argument("--write", action="store_true", help=f"write {PAGE.name}")
    chosen = parser.parse_args()
    if not chosen.only_table:
        prepare(chosen.folder, chosen.size, chosen.systems)
        for job in jobs(chosen.systems, chosen.tasks, chosen.seeds):
            for made, words in job.commands(chosen.folder):
                run(made, words)
    text = page(chosen.folder, chosen.systems, chosen.tasks, chosen.seeds)
    print(text)
    if chosen.write:
        PAGE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""``iconotext ingest``: your own pictures with texts, in any common form, to a data set."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from tyro.conf import Positional

import iconotext
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.files import write_bytes, write_json
from iconotext.core.machine import available_cores
from iconotext.data.ingest import REASONS, Journal, Rules, discard, journals, write_shards
from iconotext.data.listed import Sorted, items_of, languages, write_rows
from iconotext.data.records import SPLITS, DataSet, DataSetWriter
from iconotext.data.sources import Columns, Item, own, read_source, writable
from iconotext.data.sources.published import FORMATS, Corpus
from iconotext.recipes.bars import bar

OWN = "tables"
"""The format of a folder with tables of one's own."""


class SkippedItems(DataError):
    """Some items cannot be used, and ``--strict`` was asked for; the program ends with 1."""

    exit_code = 1


@dataclass(frozen=True)
class IngestOptions:
    """Make a data set of your own pictures and texts.

    SOURCE is the folder of the pictures. The texts come from a .txt beside each picture (a line is a text), from a table
    named with --table (CSV, TSV, JSONL, Parquet: a row is a text), or from COCO captions (--table FILE.json).

    With --format SOURCE is the folder of a published corpus's annotations (VQA, GQA, RefCOCO, ...), or one file of them; with
    --format tables it is that of tables of your own: questions in vqa.csv, captions in texts.csv, and so on. The pictures are
    looked for in --images.

    What cannot be used (corrupt, missing, duplicate, without text) is skipped, and listed in OUT/report.txt.
    """

    source: Positional[Path]
    """Folder of the pictures, or, with --format, of the annotations."""
    out: Positional[Path]
    """Folder of the data set. A run that was interrupted goes on where it stopped."""
    table: Path | None = None
    """Table with the texts: .csv, .tsv, .jsonl, .parquet, or COCO captions .json. Its paths start from SOURCE."""
    image_column: str = "image"
    """Column with the path of the picture."""
    text_column: tuple[str, ...] = ("text",)
    """Column with the text; name several if a row has several texts."""
    id_column: str = ""
    """Column with the picture's id; without it the path is the id."""
    split_column: str = ""
    """Column that says train, validation or test; without it --split decides."""
    language_column: str = ""
    """Column with the language of the text."""
    format: Literal[(OWN, *FORMATS)] | None = None  # type: ignore[valid-type]
    """A published corpus whose files SOURCE holds, with their published names; tables for tables of your own."""
    images: Path | None = None
    """Folder of the pictures that these name, at any depth; SOURCE if left out."""
    language: str = "auto"
    """Language of the texts (en, zh, ...); auto tells it from the script: zh, ja, ko, en for Latin letters, else und."""
    split: tuple[float, float, float] = (0.9, 0.05, 0.05)
    """Shares of train, validation and test. Where a picture goes depends on its id only, so it never moves."""
    max_side: int = 1333
    """Larger pictures are scaled down to this longest side in pixels, the most that detectors commonly look at."""
    encoding: str = "utf-8-sig"
    """Encoding of the tables or of the .txt files, such as gb18030."""
    strict: bool = False
    """Make no data set if anything would be skipped: list it and end with 1."""
    shard: int = 500
    """Pictures that are written at a time."""
    workers: int = 0
    """Threads that decode pictures; 0 takes one a core."""


def run(options: IngestOptions) -> DataSet:
    """Write the data set and its report, with a progress bar, and return it.

    Raises:
        ConfigError: an option is out of range.
        DataError: the source cannot be read, no picture can be used, or the folder holds something else.
        SkippedItems: ``strict`` was asked for and an item cannot be used; the report is written, the data set is not.
    """
    _check(options)
    console = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)
    console.print(f"reading {options.table or options.source}")
    corpus = _corpus(options)
    items = _items(options, corpus)
    writer = DataSetWriter(options.out, options.source.resolve().name, _made_by(options, items, corpus), [])
    if not writer.finished:
        _write_with_bar(writer, items, options)
        report = _report(journals(writer), len(items))
        rows = Sorted.of(corpus.rows, {image for shard in journals(writer) for image in shard.kept})
        if options.format:
            report |= rows.report()
            report["languages"] = sorted({*report["languages"], *languages(rows.kept, _rules(options))})
        write_json(options.out / "report.json", report)
        write_bytes(options.out / "report.txt", _as_text(report).encode())
        if report["images"] and not (options.strict and report["skipped"]):
            scaled = {image: scale for shard in journals(writer) for image, scale in shard.scaled.items()}
            write_rows(writer, rows.kept, _rules(options), scaled)
            writer.languages = report["languages"]
            if corpus.classes:
                write_json(options.out / "classes.json", {"classes": list(corpus.classes), "colours": []})
    report = json.loads((options.out / "report.json").read_text("utf-8"))
    message = f"{report['skipped']} of {report['items']} items cannot be used: see {options.out}/report.txt"
    strict = options.strict and report["skipped"] > 0
    if strict or not report["images"]:
        if not writer.finished:
            discard(writer)
        raise SkippedItems(message) if strict else DataError(message)
    data = writer.finish()
    console.print((options.out / "report.txt").read_text("utf-8").split("\n\n")[0])
    console.print(f"The data set is {options.out}; report.txt in it lists what was skipped.")
    return data


def _check(options: IngestOptions) -> None:
    if options.images and not options.format:
        raise ConfigError("--images belongs to --format; without it SOURCE is the folder of the pictures")
    if options.table and options.format:
        raise ConfigError(f"--table and --format {options.format}: the annotations are in SOURCE; leave out --table")
    if min(options.split) < 0 or abs(sum(options.split) - 1) > 1e-6:
        raise ConfigError(f"--split {options.split}: name three shares that add up to 1, such as 0.9 0.05 0.05")
    bounds = {"--max-side": (options.max_side, 1), "--shard": (options.shard, 1), "--workers": (options.workers, 0)}
    for flag, (value, least) in bounds.items():
        if value < least:
            raise ConfigError(f"{flag} {value}: name at least {least}")


def _corpus(options: IngestOptions) -> Corpus:
    if options.format == OWN:
        return own.bring(options.source, options.encoding)
    return FORMATS[options.format](options.source) if options.format else Corpus()


def _items(options: IngestOptions, corpus: Corpus) -> list[Item]:
    if not options.format:
        return read_source(options.source, options.table, _columns(options), options.encoding)
    folder = options.images or (options.source if options.source.is_dir() else options.source.parent)
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder: name the folder of the pictures with --images")
    return [writable(item) for item in items_of(corpus, folder)]


def _columns(options: IngestOptions) -> Columns:
    return Columns(
        options.image_column, options.text_column, options.id_column, options.split_column, options.language_column
    )


def _rules(options: IngestOptions) -> Rules:
    return Rules(options.split, options.language, options.max_side, options.shard, listed=options.format is not None)


def _made_by(options: IngestOptions, items: Sequence[Item], corpus: Corpus) -> dict[str, Any]:
    """Everything that decides the content: the options, and a digest of the source's entries and the sizes of its files."""
    digest = hashlib.sha256()
    for item in items:
        size = item.file.stat().st_size if item.file.is_file() else -1
        entry = (item.name, item.image_id, item.texts, item.split, item.problem, size)
        digest.update(ascii(entry).encode())
    for row in corpus.rows:
        digest.update(ascii((row.table, row.split, row.images, row.values)).encode())
    told = {
        "source": str(options.source.resolve()),
        "format": options.format or "",
        "images": str(options.images.resolve()) if options.images else "",
        "table": str(options.table.resolve()) if options.table else "",
        "columns": asdict(_columns(options)),
        "encoding": options.encoding,
        **asdict(_rules(options)),
    }
    return {"command": "ingest", "options": told, "version": iconotext.__version__, "input": digest.hexdigest()}


def _report(shards: Sequence[Journal], items: int) -> dict[str, Any]:
    """What was kept, what was skipped and why, as ``report.json`` has it."""
    changes: Counter[str] = sum((Counter(shard.changes) for shard in shards), Counter())
    images: Counter[str] = sum((Counter(shard.images) for shard in shards), Counter())
    skipped = [asdict(item) for shard in shards for item in shard.skipped]
    reasons = Counter(item["reason"] for item in skipped)
    return {
        "items": items,
        "images": images.total(),
        "texts": sum(shard.texts for shard in shards),
        "languages": sorted({language for shard in shards for language in shard.languages}),
        "splits": {split: images[split] for split in SPLITS if images[split]},
        "stored": {"as given": changes[""], "converted": changes["converted"], "scaled": changes["scaled"]},
        "skipped": len(skipped),
        "reasons": {reason: reasons[reason] for reason in REASONS},
        "skipped_items": [item for reason in REASONS for item in skipped if item["reason"] == reason],
    }


def _as_text(report: dict[str, Any]) -> str:
    """The report for a person: a summary, an empty line, then every skipped item under its reason."""
    stored = ", ".join(f"{count} {how}" for how, count in report["stored"].items())
    splits = ", ".join(f"{split} {count}" for split, count in report["splits"].items())
    reasons = ", ".join(f"{reason} {count}" for reason, count in report["reasons"].items() if count)
    lines = [
        f"{report['items']} items: {report['images']} pictures with {report['texts']} texts kept, {report['skipped']} skipped",
        f"pictures: {stored}",
        f"splits: {splits}",
        f"languages: {', '.join(report['languages'])}",
        f"skipped: {reasons or 'nothing'}",
        *(
            f"{table}: {counts['kept']} kept, {counts['without picture']} without their picture"
            for table, counts in report.get("rows", {}).items()
        ),
    ]
    for reason, explained in REASONS.items():
        items = [item for item in report["skipped_items"] if item["reason"] == reason]
        if items:
            lines += ["", f"{reason} ({explained}):", *(f"  {item['item']}: {item['detail']}" for item in items)]
    dropped = report.get("rows_without_picture", [])
    if dropped:
        lines += ["", "without picture (annotations that are left out):"]
        lines += [f"  {row['place']}: {row['table']} of picture {row['image_id']}" for row in dropped]
    return "\n".join([*lines, ""])


def _write_with_bar(writer: DataSetWriter, items: Sequence[Item], options: IngestOptions) -> None:
    workers = options.workers or available_cores()
    with bar("pictures") as progress:
        task = progress.add_task("ingest", total=len(items))
        for count in write_shards(writer, items, _rules(options), workers):
            progress.advance(task, count)

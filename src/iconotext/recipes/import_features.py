"""``iconotext import-features``: region features that others extracted, in any common layout, to a region store."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pyarrow.parquet as pq
from rich.console import Console
from tyro.conf import Positional

from iconotext.core.errors import ConfigError, DataError
from iconotext.core.files import write_json
from iconotext.core.fingerprint import Fingerprint
from iconotext.data.features import TEXTS, Reading, Record, Size, Source, format_of, open_features
from iconotext.data.features.stored import Widths, to_row, widths_of
from iconotext.data.features.uniter_text import SCHEMA, Text, TextDatabase, to_table
from iconotext.data.features.write import Journal, write_shards
from iconotext.data.records import DataSet
from iconotext.data.store import ImageRegions, RegionStore, StoreWriter
from iconotext.data.unpickle import UnsafeData
from iconotext.recipes.bars import bar

_MEGABYTE = 1 << 20
_TEXTS_AT_A_TIME = 20_000
_CONSOLE = Console(stderr=True, highlight=False, markup=False, soft_wrap=True)

Format: TypeAlias = Literal[
    "auto", "butd_tsv", "butd_h5", "vlp_h5", "volta", "uniter_imgdb", "vilbert_lmdb", "mmf_lmdb", "hf_lxmert", "uniter_npz",
    "mmf_npy", "vlbert", "uniter_txtdb",
]  # fmt: skip


@dataclass(frozen=True)
class ImportOptions:
    """Make a region store of features that others extracted.

    SOURCE is a file or a folder: TSV of bottom-up attention, LXMERT, ViLBERT or VOLTA; LMDB of ViLBERT, 12-in-1, VOLTA,
    MMF or UNITER; HDF5 of bottom-up-attention-vqa, VOLTA or Unified VLP; .npy of MMF; .npz of UNITER; zips of VL-BERT;
    .pt, .npz or Arrow of Hugging Face's LXMERT. It is read as a stream; nothing in it is ever run.

    A text database of UNITER becomes a table of its texts, STORE/texts.parquet.

    Images that cannot be used are left out, counted, and named with the reason in STORE/quarantine.jsonl. A run that was
    interrupted goes on where it stopped.
    """

    source: Positional[Path]
    """The file or folder with the features."""
    store: Positional[Path]
    """Folder of the region store."""
    format: Format = "auto"
    """Layout of the source; auto tells it from the content."""
    sizes: Path | None = None
    """Where image sizes are for formats that store none: a data set, or a JSON file {id: [width, height]}. Without it an image
    counts as 1 x 1 and boxes are shares of it."""
    boxes: Path | None = None
    """File of the boxes, for .npy files of Unified VLP."""
    root: Path | None = None
    """Folder that VL-BERT's annotation starts from; None takes the one it lies in."""
    classes: int = 1600
    """Classes without the background, where the source has only their numbers; 0 leaves them out."""
    attributes: int = 400
    """Attributes, where the source has only their numbers; 0 leaves them out."""
    feature_dim: int = 0
    """Numbers of a feature; images with another number cannot be used. 0 takes that of the first image."""
    class_names: Path | None = None
    """File with the name of a class a line, without the background, such as objects_vocab.txt."""
    attribute_names: Path | None = None
    """File with the name of an attribute a line, such as attributes_vocab.txt."""
    rename: tuple[str, str] | None = None
    """A regular expression and what takes its place in every id, such as '^COCO_val2014_0*' ''."""
    threshold: float = 0.2
    """Confidence from which a region counts (UNITER)."""
    min: int = 10
    """Fewest regions of an image (UNITER)."""
    max: int = 100
    """Most regions of an image (UNITER)."""
    number: int | None = None
    """Regions of every image, where UNITER's folder has a database with a fixed number beside others."""
    compressed: bool = False
    """Take the compressed database, where UNITER's folder has both."""
    detector: str = ""
    """Name of the detector, for the fingerprint: features of the same one have to get the same; empty takes the format's."""
    weights: str = "unknown"
    """SHA-256 of the detector's weights, for the fingerprint, and so on below."""
    layer: str = "unknown"
    """Layer that the features come from."""
    resize: str = "unknown"
    """Rule that brought pictures to the detector's size."""
    colour_order: str = "unknown"
    """RGB or BGR."""
    box_rule: str = "unknown"
    """Rule that selected the boxes."""
    strict: bool = False
    """Stop at the first image that cannot be used."""
    shard: int = 256
    """Images that are written at a time."""


def run(options: ImportOptions) -> None:
    """Write the store, or the rest of it, with a progress bar; of a text database the table of texts."""
    kind = format_of(options.source) if options.format == "auto" else options.format
    if kind == TEXTS:
        import_texts(options)
    else:
        import_regions(options)


def import_texts(options: ImportOptions) -> Path:
    """Write the texts of UNITER's text database to ``texts.parquet``, whole or not at all.

    Raises:
        DataError: there is none, it is damaged, or with ``strict`` a text of it is.
    """
    file, left = options.store / "texts.parquet", {}
    with closing(TextDatabase(options.source)) as database, bar("texts") as progress:
        options.store.mkdir(parents=True, exist_ok=True)
        aside = file.with_name(".texts.parquet.part")
        with pq.ParquetWriter(aside, SCHEMA, compression="zstd") as table:
            texts: list[Text] = []
            for text_id in progress.track(database, len(database), description="import"):
                try:
                    texts.append(database.get(text_id))
                except DataError as error:
                    if options.strict:
                        raise
                    left[text_id] = str(error)
                if len(texts) == _TEXTS_AT_A_TIME:
                    table.write_table(to_table(texts))
                    texts = []
            table.write_table(to_table(texts))
    if len(left) == len(database):
        raise DataError(
            f"{options.source}: none of its {len(left)} texts can be used; the first: {next(iter(left.values()), '')}"
        )
    write_json(options.store / "quarantine.json", left)
    aside.replace(file)
    _CONSOLE.print(f"{file}: {len(database) - len(left)} texts went in, {len(left)} did not")
    return file


def import_regions(options: ImportOptions) -> RegionStore:
    """Write the store, or the rest of it, with a progress bar, and open it.

    Raises:
        DataError: the source cannot be read, none of it can be used, something in it with ``strict``, or the store's
            folder holds something else.
        UnsafeData: the source asks for code to be run.
        FingerprintError: the folder holds regions that were made in another way.
        ConfigError: an option is out of range, or the format needs one more.
    """
    if min(options.classes, options.attributes, options.feature_dim) < 0 or options.shard < 1:
        raise ConfigError(
            "import-features: --classes, --attributes and --feature-dim are at least 0, --shard is at least 1"
        )
    kind = format_of(options.source) if options.format == "auto" else options.format
    reading = Reading(**{each.name: getattr(options, each.name) for each in fields(Reading)})
    sizes = _sizes(options.sizes)
    with closing(open_features(options.source, kind, reading)) as source:
        widths, row_of = _conversion(source, options, sizes)
        classes = ["background", *_names(options.class_names, "class", widths.classes - 1)] if widths.classes else []
        attributes = _names(options.attribute_names, "attribute", widths.attributes)
        writer = StoreWriter(options.store, _fingerprint(options, kind, widths), classes, attributes)
        journal = Journal(options.store, _about(options, kind, source, sizes))
        where = str(options.source)
        _write_with_bar(source, write_shards(source, writer, journal, row_of, options.shard, options.strict, where))
        store = writer.finish()
    _report(store, journal)
    return store


def _conversion(
    source: Source, options: ImportOptions, sizes: Mapping[str, Size]
) -> tuple[Widths, Callable[[Record], ImageRegions]]:
    """The widths that the first usable record of the source sets, and what makes rows of records.

    Raises:
        UnsafeData: a record before it asks for code.
        DataError: there is none, or with ``strict`` the first cannot be used.
    """
    count, reason = 0, ""
    for entry in source.entries():
        count += 1
        try:
            record = entry.read()
            widths = widths_of(record, options.classes, options.attributes)
            widths = replace(widths, features=options.feature_dim or widths.features)
            row_of = partial(_row, widths=widths, sizes=sizes, rename=options.rename)
            row_of(record)
        except UnsafeData:
            raise
        except DataError as error:
            if options.strict:
                raise
            reason = reason or f"; the first: {error}"
        else:
            return widths, row_of
    raise DataError(f"{options.source}: none of its {count} images can be used{reason}")


def _row(record: Record, widths: Widths, sizes: Mapping[str, Size], rename: tuple[str, str] | None) -> ImageRegions:
    row = to_row(record, widths, sizes)
    if rename is None:
        return row
    try:
        name = re.sub(rename[0], rename[1], row.image_id)
    except re.error as error:
        raise ConfigError(f"--rename {rename[0]!r} {rename[1]!r}: {error}") from error
    if not name:
        raise DataError(f"--rename leaves nothing of the id {row.image_id!r}")
    return replace(row, image_id=name)


def _write_with_bar(source: Source, places: Iterable[int]) -> None:
    scale, unit = (_MEGABYTE, "MB") if source.unit == "bytes" else (1, "pictures")
    with bar(unit) as progress:
        task = progress.add_task("import", total=-(-source.total // scale))
        for place in places:
            progress.update(task, completed=-(-place // scale))


def _report(store: RegionStore, journal: Journal) -> None:
    """What a person is told at the end."""
    mean = store.counts.mean() if len(store) else 0.0
    _CONSOLE.print(f"{store.path}: {journal.kept} images went in with {mean:.1f} regions each, {journal.left} did not")
    if journal.left:
        _CONSOLE.print(f"Their names and the reasons are in {store.path / 'quarantine.jsonl'}")


def _fingerprint(options: ImportOptions, kind: str, widths: Widths) -> Fingerprint:
    return Fingerprint(
        detector=options.detector or f"imported {kind}",
        weights=options.weights,
        layer=options.layer,
        resize=options.resize,
        colour_order=options.colour_order,
        boxes=options.box_rule,
        dtype="float16",
        feature_dim=widths.features,
        classes=widths.classes,
        attributes=widths.attributes,
    )


def _about(options: ImportOptions, kind: str, source: Source, sizes: Mapping[str, Size]) -> dict[str, Any]:
    """Everything that decides the content beside the fingerprint."""
    told = (options.rename, options.threshold, options.min, options.max, options.number, sorted(sizes.items()))
    return {
        "source": options.source.resolve().name,
        "format": kind,
        "layout": source.layout,
        source.unit: source.total,
        "shard": options.shard,
        "options": hashlib.sha256(json.dumps(told).encode()).hexdigest(),
    }


def _names(file: Path | None, what: str, number: int) -> list[str]:
    """The names in a file, one a line, of which the first before a comma counts, or numbers in their place."""
    if file is None or number < 1:
        return [f"{what} {index}" for index in range(number)]
    try:
        names = [line.split(",")[0].strip() for line in file.read_text("utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read ({error})") from error
    if len(names) != number:
        raise ConfigError(f"{file} has {len(names)} names, the features have {number}")
    return names


def _sizes(path: Path | None) -> dict[str, Size]:
    """Image sizes by id, of a data set or of a JSON file."""
    if path is None:
        return {}
    if path.is_dir():
        data = DataSet.open(path)
        tables = [data.table("images", split, ["image_id", "width", "height"]).to_pylist() for split in data.splits]
        return {row["image_id"]: (row["width"], row["height"]) for rows in tables for row in rows}
    try:
        found = json.loads(path.read_text("utf-8"))
        return {str(image_id): (int(width), int(height)) for image_id, (width, height) in found.items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"--sizes {path} is no JSON of {{id: [width, height]}} ({error})") from error

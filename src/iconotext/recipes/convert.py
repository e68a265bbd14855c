"""``iconotext convert``: published checkpoints to ours, and ours to Hugging Face's."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import torch
from rich.console import Console
from safetensors.torch import save_file
from tyro.conf import Positional, arg

from iconotext.convert import RELEASES, Release, convert, recognise
from iconotext.convert.answers import named
from iconotext.convert.carry import modern_names
from iconotext.convert.export import export, remaining
from iconotext.convert.read import Source, read, read_config
from iconotext.core.config import to_data
from iconotext.core.errors import ConfigError, DataError
from iconotext.core.files import write_json
from iconotext.core.fingerprint import Fingerprint
from iconotext.data.store import RegionStore
from iconotext.data.words import Words
from iconotext.models.checkpoint import Features, load, save
from iconotext.models.pretrain import PretrainModel
from iconotext.recipes.tensors import show

ALIASES = {"vilbert": "vilbert_beta", "12in1": "vilbert_multitask"}
"""Shorter names of releases."""


@dataclass(frozen=True)
class ConvertOptions:
    """Make a published checkpoint one of ours, which loads without running what a file holds, trains on and is measured;
    or, with `--to`, write one of ours as Hugging Face transformers loads it.

    Prints what was mapped, what is new and what was left. A tensor without a place is an error.
    """

    source: Positional[Path]
    """A file (.safetensors, .bin, .pth, .pt), a folder in Hugging Face's form, or with `--to` a run of ours."""
    out: Positional[Path]
    """The folder to write; it must not hold anything yet."""
    release: Annotated[str, arg(name="from")] = "auto"
    """What published it; auto tells by the names and shapes of its tensors."""
    to: str = ""
    """Write a run of ours in this form."""
    config: Path | None = None
    """The JSON config that it was trained with; None takes config.json beside it, else the published base size."""
    tokenizer: Path | None = None
    """Its tokenizer.json or vocab.txt; None takes the one beside it."""
    answers: tuple[Path, ...] = ()
    """What the scores of its heads for questions stand for: all_ans.json, trainval_label2ans.pkl, or an answer a line; each
    belongs to the head with as many scores. Fine-tuning begins with what is known of the same answers."""
    store: Path | None = None
    """The region store with the features that it was trained on; their fingerprint is kept with the model."""


def run(options: ConvertOptions) -> None:
    """Converts and prints what became of every tensor."""
    console = Console(highlight=False, soft_wrap=True)
    if options.to:
        write_out(options, console)
    else:
        take_in(options, console)


def take_in(options: ConvertOptions, console: Console) -> None:
    """A published checkpoint to a run's folder.

    Raises:
        ConfigError: the release is unknown or cannot be told, or the config does not say enough.
        DataError: a tensor does not fit; the message names it.
    """
    source = read(options.source)
    config = read_config(options.config) if options.config is not None else source.config
    candidates = releases(options.release)
    release = candidates[0] if len(candidates) == 1 else recognise(candidates, source.state, config)
    if config is None and not release.published:
        raise ConfigError(f"{release.name}: give the config that {options.source} was trained with (--config FILE).")
    torch.manual_seed(0)  # heads that the checkpoint lacks begin the same each time
    model, carried = convert(release, release.published if config is None else config, source.state)
    model.system = named(model, options.answers)
    tokenizer = tokenizer_of(options, source, model)
    features = features_of(options, release, model)
    about = {"command": "convert", "release": release.name, "options": to_data(options), "new": carried.unfilled}
    with atomically(options.out) as folder:
        save(folder, model, tokenizer, features, about)
    console.print(f"[bold]{options.source}[/bold], {release.name}: {model.system.title}\n")
    state = modern_names(source.state, release.renamed)
    targets = {rule.source: rule.target for rule in release.rules(model.system)}
    own = model.state_dict()
    show(console, "mapped", [(name, state.get(name, own[targets[name]]), targets[name]) for name in carried.taken])
    show(console, "new", [(name, own[name], "as a new model begins") for name in carried.unfilled])
    show(console, "left", [(name, state[name], reason) for name, reason in carried.left.items()])
    if not tokenizer:
        console.print("It has no tokenizer yet: convert again with --tokenizer before texts are read.")
    if options.store is None and features.fingerprint.feature_dim:
        console.print(
            "Whose region features it reads is not known yet: convert again with --store to train or measure it."
        )
    console.print(f"Written to {options.out}.")


def write_out(options: ConvertOptions, console: Console) -> None:
    """A run's model in another library's form.

    Raises:
        ConfigError: there is no such form, or it cannot hold this model.
    """
    release = releases(options.to)[0] if options.to != "auto" else None
    if release is None or release.config is None:
        writable = ", ".join(shown(r) for r in RELEASES.values() if r.config is not None)
        raise ConfigError(f"Nothing is written as {options.to!r}; there are: {writable}.")
    saved = load(options.source)
    if not isinstance(saved.model, PretrainModel):
        raise ConfigError(f"{options.source} is fine-tuned for {saved.task}; convert the pre-trained run.")
    config, state = export(saved.model, release)
    with atomically(options.out) as folder:
        write_json(folder / "config.json", config)
        if (saved.path / "tokenizer.json").is_file():
            shutil.copyfile(saved.path / "tokenizer.json", folder / "tokenizer.json")
        save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    own = saved.model.state_dict()
    sources = {rule.source: rule.target for rule in release.rules(saved.model.system)}
    console.print(f"[bold]{options.source}[/bold] as {release.source}\n")
    show(console, "mapped", [(sources[name], tensor, name) for name, tensor in state.items()])
    show(console, "left", [(name, own[name], "has no place there") for name in remaining(saved.model, release)])
    console.print(f"Written to {options.out}.")


def releases(name: str) -> list[Release]:
    """The releases that a name may mean.

    Raises:
        ConfigError: there is none.
    """
    plain = ALIASES.get(name, name.replace("-", "_"))
    found = [r for r in RELEASES.values() if plain == "auto" or r.name == plain or r.name.startswith(f"{plain}/")]
    if not found:
        known = ", ".join(("auto", *ALIASES, *map(shown, RELEASES.values())))
        raise ConfigError(f"There is no release {name!r}; there are: {known}.")
    return found


def shown(release: Release) -> str:
    """A release's name as it is typed."""
    return release.name.replace("_", "-")


def tokenizer_of(options: ConvertOptions, source: Source, model: PretrainModel) -> str:
    """The tokenizer as JSON, or nothing where none is known.

    Raises:
        DataError: it has more words than the model.
    """
    path = options.tokenizer or source.tokenizer
    if path is None:
        return ""
    words = Words.load(path)
    if words.vocab.size > model.shape["vocabulary"]:
        raise DataError(
            f"{path} has {words.vocab.size:,} words, the checkpoint {model.shape['vocabulary']:,}: "
            "name the tokenizer that it was trained with (--tokenizer)."
        )
    return words.tokenizer.to_str()


def features_of(options: ConvertOptions, release: Release, model: PretrainModel) -> Features:
    """What is known of the region features: the store's fingerprint, or only how wide they are.

    Raises:
        DataError: the store's features are not as wide as those that the checkpoint reads.
    """
    shape = model.shape
    if options.store is None:
        unknown = f"that of {release.source}"
        widths = (shape["feature_dim"], shape["classes"], shape["attributes"])
        return Features(Fingerprint(unknown, *("unknown",) * 6, *widths))
    store = RegionStore.open(options.store)
    if store.feature_dim != shape["feature_dim"]:
        raise DataError(
            f"{options.store} has features of {store.feature_dim} numbers, the checkpoint reads {shape['feature_dim']}."
        )
    return Features(store.fingerprint, tuple(store.class_names), tuple(store.attribute_names))


@contextmanager
def atomically(out: Path) -> Iterator[Path]:
    """A folder to write in, which becomes ``out`` when all is written, and is gone when something fails.

    Raises:
        ConfigError: ``out`` holds something.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out} holds something already; name a new folder.")
    aside = out.with_name(f".{out.name}.{os.getpid()}")
    aside.mkdir(parents=True)
    try:
        yield aside
        os.replace(aside, out)
    finally:
        shutil.rmtree(aside, ignore_errors=True)

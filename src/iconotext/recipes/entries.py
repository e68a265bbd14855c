"""The tasks of a run that does several: their names, or a file with a table for each."""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from iconotext.core.errors import ConfigError
from iconotext.models.multitask import token_of
from iconotext.models.system import System
from iconotext.nn.terms import TaskToken
from iconotext.tasks.base import TaskOptions
from iconotext.tasks.table import TASKS

T = TypeVar("T")


@dataclass(frozen=True)
class Entry:
    """A task of the run. ``task`` is its kind, ``weight`` multiplies its loss, ``token`` numbers its task token."""

    name: str
    task: str
    options: TaskOptions
    data: Path
    store: Path
    batch: int
    split: str
    language: str
    weight: float = 1.0
    token: int | None = None


@dataclass(frozen=True)
class Own:
    """What a table may say beside the task's own options; None takes what the command line says."""

    task: str = ""
    data: Path | None = None
    store: Path | None = None
    batch: int | None = None
    split: str | None = None
    language: str | None = None
    weight: float = 1.0
    token: int | None = None


def entries_of(tasks: Sequence[str], data: Path, store: Path, batch: int, split: str, language: str) -> list[Entry]:
    """The tasks that ``tasks`` names, or that the one TOML file in it tells of; the rest holds for all that say no other.

    A table of the file goes by the task's name, or by any name with a ``task`` in it. It holds ``Own`` and the flags of
    `iconotext finetune TASK` for that task, with _ for -.

    Raises:
        ConfigError: a task or a setting is unknown or no such value, or a task is named twice.
    """
    told = _read(Path(tasks[0])) if len(tasks) == 1 and tasks[0].endswith(".toml") else {name: {} for name in tasks}
    if len(told) < len(tasks) or not told:
        raise ConfigError(f"Name tasks, each once, or one .toml file with a table for each; given: {' '.join(tasks)}.")
    given = {"data": data, "store": store, "batch": batch, "split": split, "language": language}
    return [_entry(name, table, given) for name, table in told.items()]


def _read(file: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{file} cannot be read as TOML: {error}") from error


def _entry(name: str, table: object, given: Mapping[str, Any]) -> Entry:
    if not isinstance(table, dict):
        raise ConfigError(f"{name} = {table!r} is in no table: every task has one, such as [vqa].")
    names = {field.name for field in dataclasses.fields(Own)}
    own = _filled(Own, {key: value for key, value in table.items() if key in names}, name)
    task = own.task or name
    if task not in TASKS:
        raise ConfigError(
            f"There is no task {task!r}; there are: {', '.join(TASKS)}. A table of another name says `task`."
        )
    options = _filled(TASKS[task].options, {key: value for key, value in table.items() if key not in names}, name)
    said = {key: value for key, value in dataclasses.asdict(own).items() if value is not None}
    return Entry(**{**given, **said, "name": name, "task": task, "options": options})


def _filled(cls: type[T], told: Mapping[str, Any], place: str) -> T:
    """A dataclass of options with values from a file."""
    hints = get_type_hints(cls)
    for key, value in told.items():
        if key not in hints:
            known = ", ".join(sorted({*hints, *get_type_hints(Own)}))
            raise ConfigError(f"{place} has no setting {key!r}; it has: {known}.")
        if not _fits(value, hints[key]):
            raise ConfigError(f"{place}: {key} = {value!r} is no value for it ({hints[key]}).")
    return cls(**{key: _made(value, hints[key]) for key, value in told.items()})


def _made(value: Any, hint: object) -> Any:
    """A value of TOML as one of the type that it fits."""
    return float(value) if hint is float else Path(value) if Path in get_args(hint) else value


def _fits(value: object, hint: Any) -> bool:
    """Whether a value of TOML is one of a type: a class, a ``Literal`` or a union."""
    if get_origin(hint) is Literal:
        return value in get_args(hint)
    if get_args(hint):
        return any(_fits(value, part) for part in get_args(hint))
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, int | float if hint is float else str if hint is Path else hint)


def tokens_of(page: System, entries: Sequence[Entry]) -> dict[str, int]:
    """The number of each task's token, where the page has such tokens.

    It is what the task says, or what the page has for its name, or else the first that nobody has; when none is left, that
    of its kind.

    Raises:
        ConfigError: there is no token of a number.
    """
    size = sum(term.size for term in page.text.terms if isinstance(term, TaskToken))
    if not size:
        return {}
    wrong = [entry.name for entry in entries if entry.token is not None and not 0 <= entry.token < size]
    if wrong:
        raise ConfigError(f"{', '.join(wrong)}: {page.title} has the task tokens 0 to {size - 1}.")
    names = [name for term in page.text.terms if isinstance(term, TaskToken) for name, _ in term.tasks]
    taken = {token_of(page, name) for name in names} | {entry.token for entry in entries}
    free = iter([number for number in range(size) if number not in taken])
    found: dict[str, int] = {}
    for entry in entries:
        own = token_of(page, entry.name) if entry.token is None else entry.token
        found[entry.name] = next(free, token_of(page, entry.task) or 0) if own is None else own
    return found

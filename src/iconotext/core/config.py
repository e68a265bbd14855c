"""Frozen dataclasses to JSON and back: a config is the record of an experiment.

Every value carries its class name, so a system, a schedule or a mix of objectives is read back as what it was. Only classes
in the table that the reader passes can be made: reading a config never runs anything else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from iconotext.core.errors import ConfigError


def to_data(value: Any) -> Any:
    """Plain JSON data of a dataclass, tuple, mapping or scalar."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {f.name: to_data(getattr(value, f.name)) for f in dataclasses.fields(value) if f.init}
        return {"type": type(value).__name__, **fields}
    if isinstance(value, tuple | list):
        return [to_data(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): to_data(item) for key, item in value.items()}
    if isinstance(value, Path):
        return str(value)
    if value is None or isinstance(value, str | int | float | bool):
        return value
    raise ConfigError(f"A config holds plain values only, not {type(value).__name__}: {value!r}.")


def from_data(data: Any, classes: Mapping[str, type]) -> Any:
    """The value that ``to_data`` was given; lists become tuples.

    Raises:
        ConfigError: for a class that is not in ``classes``, a field that the class does not have, or one that it misses.
    """
    if isinstance(data, list):
        return tuple(from_data(item, classes) for item in data)
    if isinstance(data, dict) and "type" in data:
        name = data["type"]
        if name not in classes:
            raise ConfigError(f"The config names an unknown type {name!r}; known: {', '.join(sorted(classes))}.")
        fields = dataclasses.fields(classes[name])
        known = {f.name for f in fields}
        unknown = sorted(set(data) - known - {"type"})
        if unknown:
            raise ConfigError(
                f"{name} has no setting {', '.join(map(repr, unknown))}; it has: {', '.join(sorted(known))}."
            )
        needed = {f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING}
        missing = sorted(needed - set(data))
        if missing:
            raise ConfigError(f"{name} needs a setting {', '.join(map(repr, missing))}.")
        return classes[name](**{key: from_data(item, classes) for key, item in data.items() if key != "type"})
    if isinstance(data, dict):
        return {key: from_data(item, classes) for key, item in data.items()}
    return data

"""What a user names on the command line: a system of the table, or something of their own as MODULE:NAME."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from iconotext.core.errors import ConfigError
from iconotext.models.system import System
from iconotext.systems import SYSTEMS


def imported(name: str, example: str) -> Any:
    """What stands in a module of the user's.

    Raises:
        ConfigError: there is no such module, or nothing of that name in it.
    """
    module, _, inside = name.partition(":")
    try:
        return getattr(import_module(module), inside)
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(
            f"{name}: give MODULE:NAME, such as {example} ({error}). A module is found where Python looks (PYTHONPATH)."
        ) from error


def page_of(name: str, size: str) -> System:
    """A system's page in a size: one of the table, or the user's own as MODULE:NAME.

    Raises:
        ConfigError: there is none, or it has no such size.
    """
    if ":" in name:
        page = imported(name, "mysystems.page:PAGE")
        if not isinstance(page, System):
            raise ConfigError(f"{name} is a {type(page).__name__}, not a System.")
        return page.at(size)
    if name not in SYSTEMS:
        raise ConfigError(f"There is no system {name!r}; there are: {', '.join(SYSTEMS)}; your own is MODULE:NAME.")
    return SYSTEMS[name].at(size)

"""What a verb of the command line is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Command:
    """A verb and the recipe behind it.

    ``options`` and ``run`` are names in ``iconotext.recipes.<recipe>``: a frozen dataclass whose fields are the flags (or a
    table of such, in which ``of`` is the one), and the function that takes it. The summary is a sentence for the overview; the
    dataclass's docstring explains the verb.
    """

    words: str
    summary: str
    recipe: str
    examples: tuple[str, ...]
    options: str
    run: str = "run"
    of: str = ""

    def load(self) -> tuple[type[Any], Callable[[Any], object]]:
        """The options' dataclass and the function; this is where torch is imported, so only for a verb that was called."""
        recipe = import_module(f"iconotext.recipes.{self.recipe}")
        options = getattr(recipe, self.options)
        return options[self.of] if self.of else options, getattr(recipe, self.run)

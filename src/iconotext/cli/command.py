"""What a verb of the command line is."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Any


@dataclass(frozen=True)
class Command:
    """A verb and the recipe behind it.

    ``options`` and ``run`` are names in ``iconotext.recipes.<recipe>``: a frozen dataclass whose fields are the flags (or a
    table of such, in which ``of`` is the one), and the function that takes it. The summary is a sentence for the overview; the
    dataclass's docstring explains the verb.

    ``flags`` is the module of the options where that is another than the recipe: one that imports no PyTorch, whose ``require``
    says what is missing before the recipe is imported.
    """

    words: str
    summary: str
    recipe: str
    examples: tuple[str, ...]
    options: str
    run: str = "run"
    of: str = ""
    flags: str = ""

    def load(self) -> type[Any]:
        """The options' dataclass."""
        options = getattr(import_module(f"iconotext.recipes.{self.flags or self.recipe}"), self.options)
        found: type[Any] = options[self.of] if self.of else options
        return found

    def call(self, options: Any) -> None:
        """Do it; this is where PyTorch is imported at last, so only for a verb that was called and has what it needs."""
        if self.flags:
            import_module(f"iconotext.recipes.{self.flags}").require(options)
        getattr(import_module(f"iconotext.recipes.{self.recipe}"), self.run)(options)

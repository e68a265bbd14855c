"""Iconotext pre-trains, compares, fine-tunes, distils and serves multimodal BERTs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from iconotext.recipes.use import load

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def __getattr__(name: str) -> Any:
    """``iconotext.load``, imported when it is first asked for, so that ``import iconotext`` stays light."""
    if name == "load":
        from iconotext.recipes.use import load

        return load
    raise AttributeError(f"module 'iconotext' has no attribute {name!r}")

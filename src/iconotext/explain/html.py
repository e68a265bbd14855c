"""Markup that cannot be broken by its content: whatever is not ``Html`` already is escaped when it is put in."""

from __future__ import annotations

import html
from collections.abc import Iterable

VOID = frozenset({"br", "hr", "img", "meta"})
_HAN = ("⺀", "鿿")


class Html(str):
    """Text that is markup."""

    __slots__ = ()


def el(name: str, /, *children: object, **attributes: object) -> Html:
    """An element: children are markup, text (escaped), numbers, nothing (None), or iterables of these.

    Attributes are escaped; one that is None is left out, ``class_`` means ``class`` and ``_`` within a name ``-``.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in VOID:
        return Html(f"<{name}{written}>")
    return Html(f"<{name}{written}>{join(children)}</{name}>")


def join(children: Iterable[object]) -> Html:
    """Children one after the other, what is not markup escaped."""
    return Html("".join(_markup(child) for child in children))


def words(text: str, **attributes: object) -> Html:
    """A text of the data; Chinese is marked as such, so that a browser takes the right glyphs."""
    chinese = any(_HAN[0] <= letter <= _HAN[1] for letter in text)
    return el("span", text, lang="zh" if chinese else None, **attributes)


def _markup(child: object) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child
    if isinstance(child, Iterable) and not isinstance(child, str | bytes):
        return join(child)
    return html.escape(str(child))

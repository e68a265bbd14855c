from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from iconotext.explain.html import Html, el, join, words


class Reader(HTMLParser):
    """What a browser would find."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: dict[str, str | None] = {}
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.update(attrs)

    def handle_data(self, data: str) -> None:
        self.text += data


# A carriage return and NUL are no text in HTML: a reader turns them into something else.
TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\x00"))


@given(TEXT, TEXT)
def test_whatever_the_text_the_page_is_what_was_built(text: str, value: str) -> None:
    reader = Reader()
    reader.feed(el("p", text, title=value))
    reader.close()
    assert reader.tags == ["p"]
    assert reader.text == text
    assert reader.attributes == {"title": value}


def test_markup_stays_markup_and_nothing_stays_nothing() -> None:
    inner = el("b", "a < b")
    assert el("p", inner, None, [" ", 3]) == "<p><b>a &lt; b</b> 3</p>"
    assert join(["<i>", Html("<i>")]) == "&lt;i&gt;<i>"


def test_attributes() -> None:
    assert el("img", class_="x", data_label='"', alt=None) == '<img class="x" data-label="&quot;">'


def test_chinese_is_marked() -> None:
    assert 'lang="zh"' in words("熊猫")
    assert "lang" not in words("panda")

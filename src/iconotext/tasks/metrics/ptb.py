"""Captions divided into words as the COCO caption evaluation does it: Penn Treebank tokens in lower case without punctuation.

The original is the PTBTokenizer of Stanford CoreNLP 3.4.1, a Java program. These are its rules as far as captions need them;
the longest match wins, the first of equal ones. Its oddities are kept: a letter with a full stop is an abbreviation, brackets
become words (-lrb-), the pound sign becomes "#", a run of "!" or "?" stays, characters beyond U+FFFF vanish.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Iterator
from functools import cache, lru_cache

_REMOVED = frozenset({"''", "'", "``", "`", ".", "?", "!", ",", ":", "-", "--", "...", ";"})
"""Tokens that the evaluation takes out."""

# fmt: off
_SINGLE = {
    "(": "-lrb-", ")": "-rrb-", "[": "-lsb-", "]": "-rsb-", "{": "-lcb-", "}": "-rcb-",
    "£": "#", "€": "$", "¢": "cents", "¼": "1/4", "½": "1/2", "¾": "3/4", "⅓": "1/3", "⅔": "2/3",
    **dict.fromkeys("\"'`‘’“”«»‹›", "'"), **dict.fromkeys("–—‐‑…", "-"),
}
_ENTITIES = {"amp": "&", "quot": "''", "lt": "<", "gt": ">", "apos": "'"}
# fmt: on

_ABBREVIATIONS = """
adm al ala apr ariz assn atty attys aug ave bancorp bhd bldg blvd brig bros calif capt cmdr co col colo comdr conn corp cos cpl
ct dak dec dept det dr drs esq est etc ext feb fla fri ft ga gen gov govs hon inc ind intl jan jr jul jun kan kans ky lieut lt
ltd maj mar md messrs mich minn mo mon mont mr mrs ms mt neb nev nov oct okla penn pfc plc pres prof profs pvt rd rep reps rev
sen sens sep sept seq sgt spc sq sr st ste supt supts sys tel tenn thu thurs tue tues univ va vs vt wed wis wisc wyo
Az Ark Del Ill La Mass Miss Ore Pa Tex Wash
"""
"""In any case; the last line only so."""

_BEFORE_NUMBERS = "art|ca|figs?|nos?|pp?"
_SPLIT = {"cannot": 3, "gonna": 3, "gotta": 3, "lemme": 3, "gimme": 3, "wanna": 3, "more'n": 4, "'tis": 2, "'twas": 2}

_PLAIN = re.compile(r"[a-zA-Z]+(?!\S)")
"""A word that no rule has anything to say of, which most are."""

_Rule = tuple[re.Pattern[str], Callable[[str], list[str]]]


@lru_cache(maxsize=1 << 16)
def tokenise(text: str) -> str:
    """The tokens of a text with single spaces between them."""
    clean = re.sub("[\u00ad\ufe00-\ufe0f]", "", text)
    return " ".join(token for token in _tokens(clean) if token not in _REMOVED)


def _tokens(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        if text[place].isspace():
            place += 1
            continue
        plain = _PLAIN.match(text, place)
        if plain and plain[0].lower() not in _SPLIT:
            yield plain[0].lower()
            place = plain.end()
            continue
        matches = ((rule.match(text, place), action) for rule, action in _rules())
        found = [(match.end(), action) for match, action in matches if match]
        end = max((end for end, _ in found), default=place + 1)
        action = next((action for reached, action in found if reached == end), _one)
        yield from (token.lower() for token in action(text[place:end]))
        place = end


def _one(char: str) -> list[str]:
    """A character that no rule knows: a symbol, or nothing."""
    kept = ord(char) <= 0xFFFF and unicodedata.category(char)[0] not in "CZ"
    return [_SINGLE.get(char, char)] if kept else []


def _as_is(token: str) -> list[str]:
    return [token]


def _joined(token: str) -> list[str]:
    """With brackets by name, and spaces that do not divide."""
    named = re.sub(r"[()\[\]{}]", lambda match: _SINGLE[match[0]], token)
    return [re.sub(r"\s", "\xa0", named)]


def _without(token: str) -> list[str]:
    """A token of punctuation, which goes."""
    return []


@cache
def _rules() -> tuple[_Rule, ...]:
    """What a token may be, and what becomes of it."""
    letter = _class("LM")
    end = f"(?!{letter})"
    apostrophe = "['’]"
    word = f"{letter}(?:{letter}|\\d)*"
    lower, proper = _ABBREVIATIONS.strip().rsplit("\n", 1)
    abbreviation = f"(?:(?i:{'|'.join(lower.split())})|{'|'.join(proper.split())})\\."
    rules: list[tuple[str, Callable[[str], list[str]]]] = [
        (f"&(?:{'|'.join(_ENTITIES)});", lambda token: [_ENTITIES[token[1:-1]]]),
        (f"(?i:{'|'.join(_SPLIT)})(?!{letter}|\\d)", _split),
        (f"{letter}+?(?i:n{apostrophe}t)(?![a-zA-Z])", _negation),
        (f"{apostrophe}(?i:s|m|d|re|ve|ll)(?![a-zA-Z])", lambda token: ["'" + token[1:]]),
        (f"{apostrophe}[2-9]0s|(?i:{apostrophe}(?:em|cause|till?)|c{apostrophe}mon|o{apostrophe}clock){end}", _as_is),
        (f"{apostrophe}n{apostrophe}|{apostrophe}n{end}|(?i:ol|dunkin|somethin|[ldj]){apostrophe}", _as_is),
        (f"(?i:y){apostrophe}(?={letter})|(?i:n{apostrophe}t){end}", _as_is),
        (
            f"(?:[a-hk-xzA-HK-XZ]|{letter}+[aeiouyAEIOUY](?={apostrophe}[aeiouAEIOUY])){apostrophe}{letter}{{2,}}",
            _as_is,
        ),
        (f"[dDoOlL]{apostrophe}{word}|{letter}+[aeiouyAEIOUY]{apostrophe}[aeiouAEIOUY]{letter}*", _as_is),
        (f"{word}(?:[.!?]{word})*|\\d+{word}", _as_is),
        (r"[a-zA-Z0-9]+(?:_[a-zA-Z0-9]+)+|_+", _as_is),
        (f"(?:{letter}|\\d)(?:{letter}|[\\d.,])*(?:[-‐‑](?:{letter}|\\d)+)+", _as_is),
        (r"[a-zA-Z0-9]+(?:-[a-zA-Z]+){0,2}(?:/[a-zA-Z0-9]+(?:-[a-zA-Z]+){0,2}){1,2}", _as_is),
        (r"[-+]?(?:\d+(?:[.,:]\d+)*|(?:[.,:]\d+)+)", _as_is),
        (r"(?:\d{1,4}[- ])?\d{1,4}/\d{1,4}|\d{1,2}/\d{1,2}/\d{2,4}|\(\d{3}\)[- ]?\d{3}[- ]\d{4}", _joined),
        (r"[a-zA-Z](?:\.[a-zA-Z])*\.|(?:Ph|Ed)\.D\.", _as_is),
        (f"{abbreviation}|(?i:{_BEFORE_NUMBERS})\\.(?=\\s*\\d)", _as_is),
        (r"[A-Z]+(?:&[A-Z]+)+|[cC](?:\+\+|#)|(?:US|HK|[AC])\$", _as_is),
        (f"#{letter}+|@{letter}(?:{letter}|[\\d_])*", _as_is),
        (
            r"https?://[^\s<>]*[^\s.,!?;:'\")]|www\.\S+\.\S*[^\s.,!?;:'\")]|[\w.+-]+@[a-zA-Z0-9]+(?:\.[a-zA-Z]+)*",
            _as_is,
        ),
        (r"</?[a-zA-Z][^<>\n]*>", _joined),
        (f"[<>]?[:;=][-o*']?[()DPdpO\\\\{{@|\\[\\]]{end}|\\^_\\^", _joined),
        (r"[!?]{2,}|-{5,}", _as_is),
        (r"\.{2,}|-{2,4}|''|``|\. \. \.", _without),
    ]
    return tuple((re.compile(pattern), action) for pattern, action in rules)


def _split(token: str) -> list[str]:
    place = _SPLIT[token.lower()]
    return [token[:place], token[place:]]


def _negation(token: str) -> list[str]:
    return [token[:-3], token[-3] + "'t"]


def _class(categories: str) -> str:
    """A class of the characters up to U+FFFF whose category begins with one of these letters."""
    chars = [i for i in range(min(sys.maxunicode, 0xFFFF)) if unicodedata.category(chr(i))[0] in categories]
    starts = [i for i, before in zip(chars, [-2, *chars]) if i != before + 1]
    ends = [i for i, after in zip(chars, [*chars[1:], -2]) if i != after - 1]
    return "[" + "".join(f"{re.escape(chr(a))}-{re.escape(chr(b))}" for a, b in zip(starts, ends)) + "]"

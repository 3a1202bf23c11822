"""How names become words to search, and typed text a query: one folding for both sides.

Letters lose their marks and case; Chinese and Japanese text, which has no spaces, becomes pairs of neighbours.
"""

import re
import unicodedata
from itertools import pairwise
from typing import Final

__all__ = ["query_of", "words_of"]

QUERY_WORDS_MAX: Final = 8

_WORD: Final = re.compile(r"[^\W_]+")
_UNSPACED: Final = re.compile(r"([\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]+)")
# Letters that Unicode does not take apart into a base and a mark.
_SPECIAL: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "æ": "ae", "œ": "oe", "\u0131": "i", "þ": "th", "ð": "d"}
)


def words_of(text: str) -> str:
    """The words of a name, folded and separated by spaces, as the index keeps them."""
    if text.isascii():
        return " ".join(_WORD.findall(text.lower()))
    words: list[str] = []
    for part in _parts(text):
        if _UNSPACED.match(part):
            words += [*map("".join, pairwise(part)), part[-1]]
        else:
            words.append(part)
    return " ".join(words)


def query_of(typed: str) -> str:
    """The FTS5 query for typed text: every word may be unfinished, all must be there; empty when there is no word."""
    words: list[str] = []
    for part in _parts(typed):
        if _UNSPACED.match(part) and len(part) > 1:
            words += map("".join, pairwise(part))
        else:
            words.append(part)
    return " ".join(f'"{word}"*' for word in words[:QUERY_WORDS_MAX])


def _parts(text: str) -> list[str]:
    """Folded words; an unspaced run is a word of its own."""
    return [part for word in _WORD.findall(_fold(text)) for part in _UNSPACED.split(word) if part]


def _fold(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).casefold().translate(_SPECIAL)

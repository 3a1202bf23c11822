"""The JSON texts within a body as they were sent: numbers with all their digits, texts with their escapes.

It reads only what the strict decoder took before, and so checks nothing.
"""

import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import Final

__all__ = ["JsonTexts"]

_SPACE: Final = re.compile(r"[ \t\n\r]*")
_TEXT_OR_SPACE: Final = re.compile(r'("[^"\\]*(?:\\.[^"\\]*)*")|[ \t\n\r]+')
_read: Final = json.JSONDecoder().raw_decode


class JsonTexts:
    """The texts in one body, which holds an object or a list."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def member(self, index: int | None, key: str) -> bytes:
        """The value of `key` in the object that element `index` of the list is; None is for the body's own object.

        Without the space between tokens, so that it is one line.
        """
        at = _after_space(self._text, 0) if index is None else self._elements[index]
        for start in _starts(self._text, at):
            name, end = _read(self._text, start)
            if name == key:
                begin = _after_space(self._text, _after_space(self._text, end) + 1)
                _, end = _read(self._text, begin)
                return _TEXT_OR_SPACE.sub(_without_space, self._text[begin:end]).encode()
        raise KeyError(key)

    @cached_property
    def _text(self) -> str:
        return self._body.decode()

    @cached_property
    def _elements(self) -> list[int]:
        return list(_starts(self._text, _after_space(self._text, 0)))


def _starts(text: str, at: int) -> Iterator[int]:
    """Where the elements of a list begin, or the keys of an object; `at` is its bracket."""
    at = _after_space(text, at + 1)
    while text[at] not in "]}":
        yield at
        _, at = _read(text, at)
        at = _after_space(text, at)
        if text[at] == ":":
            _, at = _read(text, _after_space(text, at + 1))
            at = _after_space(text, at)
        if text[at] == ",":
            at = _after_space(text, at + 1)


def _without_space(found: re.Match[str]) -> str:
    return found[1] or ""


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    assert found is not None
    return found.end()

"""Where each key of a TOML text stands, which tomllib does not tell. It judges nothing: tomllib does that."""

import re
import tomllib
from bisect import bisect_left
from contextlib import suppress
from typing import Final

__all__ = ["KeyPath", "key_lines", "key_places", "line_of"]

KeyPath = tuple[str | int, ...]
"""Keys and list indexes from the root, such as `("rules", 0, "name")`."""

NESTING_MAX: Final = 50

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_KEY_PART = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_DOT = re.compile(r"[ \t]*\.[ \t]*")
_EQUALS = re.compile(r"[ \t]*=[ \t]*")
_SCALAR = re.compile(
    r'''"""(?:\\.|[^\\])*?"{3,5}         # multi-line strings may end in quotes of their own
      |\'{3}.*?\'{3,5}
      |"(?:[^"\\\n]|\\.)*"
      |'[^'\n]*'
      |[^,\[\]{}\n#"']+''',
    re.VERBOSE | re.DOTALL,
)


def key_places(text: str) -> list[tuple[KeyPath, int]]:
    """Every key with its line (from 1), in the text's order; of broken TOML, as far as it can be read."""
    scanner = _Scanner(text)
    with suppress(_LostError):  # tomllib says what is wrong there
        scanner.document()
    return scanner.places


def key_lines(text: str) -> dict[KeyPath, int]:
    """The line where each key stands first."""
    lines: dict[KeyPath, int] = {}
    for path, line in key_places(text):
        lines.setdefault(path, line)
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int | None:
    """The line of a key, or of the nearest table around it when the key itself is not written."""
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return lines[path[:length]]
    return None


class _LostError(Exception):
    """The text does not go on as TOML does."""


class _Scanner:
    """One pass over the text; `at` is the next character."""

    def __init__(self, text: str) -> None:
        self.places: list[tuple[KeyPath, int]] = []
        self._text = text
        self._at = 0
        self._ends = [found.start() for found in re.finditer("\n", text)]
        self._tables: dict[KeyPath, int] = {}  # how many [[tables]] of a name there were so far

    def document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._starts("["):
                table = self._header()
            else:
                self._pair(table, NESTING_MAX)
            self._skip(_BLANK)

    def _header(self) -> KeyPath:
        is_list = self._starts("[[")
        start = self._at
        self._at += 2 if is_list else 1
        parts = self._key()
        path: KeyPath = ()
        for depth, part in enumerate(parts, 1):
            path = (*path, part)
            if is_list and depth == len(parts):
                self._tables[path] = self._tables.get(path, 0) + 1
            self._note(path, start)
            if path in self._tables:
                path = (*path, self._tables[path] - 1)
                self._note(path, start)
        self._expect("]]" if is_list else "]")
        return path

    def _pair(self, table: KeyPath, levels: int) -> None:
        start = self._at
        parts = self._key()
        for length in range(1, len(parts) + 1):
            self._note((*table, *parts[:length]), start)
        self._skip(_EQUALS)
        self._value((*table, *parts), levels)

    def _value(self, path: KeyPath, levels: int) -> None:
        if not levels:
            raise _LostError
        if self._starts("["):
            self._list(path, levels - 1)
        elif self._starts("{"):
            self._inline_table(path, levels - 1)
        else:
            self._skip(_SCALAR)

    def _list(self, path: KeyPath, levels: int) -> None:
        index = 0
        self._expect("[")
        while not self._starts("]"):
            self._note((*path, index), self._at)
            self._value((*path, index), levels)
            self._comma()
            index += 1
        self._expect("]")

    def _inline_table(self, path: KeyPath, levels: int) -> None:
        self._expect("{")
        while not self._starts("}"):
            self._pair(path, levels)
            self._comma()
        self._expect("}")

    def _comma(self) -> None:
        self._skip(_BLANK)
        if self._starts(","):
            self._expect(",")

    def _key(self) -> list[str]:
        self._skip(_BLANK)
        parts = [_plain(self._skip(_KEY_PART))]
        while _DOT.match(self._text, self._at):
            self._skip(_DOT)
            parts.append(_plain(self._skip(_KEY_PART)))
        return parts

    def _note(self, path: KeyPath, at: int) -> None:
        self.places.append((path, bisect_left(self._ends, at) + 1))

    def _starts(self, mark: str) -> bool:
        return self._text.startswith(mark, self._at)

    def _expect(self, mark: str) -> None:
        self._skip(_BLANK)
        if not self._starts(mark):
            raise _LostError
        self._at += len(mark)
        self._skip(_BLANK)

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _LostError
        self._at = found.end()
        return found.group()


def _plain(part: str) -> str:
    """A key's name without its quotes and escapes."""
    if part[0] not in "\"'":
        return part
    try:
        return str(tomllib.loads(f"key = {part}")["key"])
    except tomllib.TOMLDecodeError:
        raise _LostError from None

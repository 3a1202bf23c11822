"""Text of events as it may reach a terminal: what a till sent must not move its cursor or hide what stands there."""

import re
from typing import Final

__all__ = ["escaped", "json_for_terminals", "printable"]

# Beyond ASCII a terminal may act upon C1 controls, and hides or turns around text at the others. JSON's own escapes
# take care of C0.
_ACTING: Final = re.compile("[\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")


def printable(text: str) -> str:
    """The text without control characters and anything else that does not print."""
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def escaped(text: str) -> str:
    """The text with everything that does not print as its escape, as Python writes it."""
    return text if text.isprintable() else "".join(map(_shown, text))


def json_for_terminals(text: str) -> str:
    """The same JSON document with acting characters escaped, which can only stand inside its strings."""
    return _ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _shown(character: str) -> str:
    return character if character.isprintable() else character.encode("unicode_escape").decode("ascii")

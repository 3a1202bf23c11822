"""The kiosk's sentences in its languages, from the gettext catalogues (`.po`) themselves: nothing goes stale."""

import ast
import struct
from collections.abc import Iterator, Mapping
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from typing import Final

__all__ = ["LANGUAGES", "Words", "compile_catalogue", "read_catalogue"]

LANGUAGES: Final[Mapping[str, str]] = {"en": "English", "es": "Español", "ro": "Română"}
"""The languages there are, each by its own name; English is what the sources say."""

_MO_MAGIC: Final = 0x950412DE
_MO_HEADER: Final = struct.Struct("<7I")


class Words:
    """One language: sentences, counted sentences and its decimal sign."""

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._catalogue: NullTranslations = NullTranslations()
        if language != "en":
            text = (files("kiosk") / "locale" / f"{language}.po").read_text(encoding="utf-8")
            self._catalogue = GNUTranslations(BytesIO(compile_catalogue(dict(read_catalogue(text)))))

    def text(self, message: str, **values: str) -> str:
        """A sentence with its `{name}`s filled in."""
        return self._catalogue.gettext(message).format(**values)

    def count(self, one: str, many: str, number: int, **values: str) -> str:
        """A sentence about `{number}` things, in the plural form of the language."""
        return self._catalogue.ngettext(one, many, number).format(number=self.number(str(number)), **values)

    def number(self, decimal: str) -> str:
        """A decimal string as it is written here."""
        return decimal if self.language == "en" else decimal.replace(".", ",")


def read_catalogue(text: str) -> Iterator[tuple[str, str]]:
    """Message and translation pairs of a `.po` text; plural forms are joined by NUL, as `.mo` files have them."""
    for entry in text.split("\n\n"):
        fields: dict[str, str] = {}
        field = ""
        for line in entry.splitlines():
            if line.startswith("#"):
                continue
            name, _, quoted = line.partition(" ")
            if not line.startswith('"'):
                field, fields[name] = name, ""
            fields[field] += ast.literal_eval(line if line.startswith('"') else quoted)
        if "msgid" not in fields:
            continue
        if "msgid_plural" in fields:
            forms = [fields[name] for name in sorted(fields) if name.startswith("msgstr[")]
            yield f"{fields['msgid']}\0{fields['msgid_plural']}", "\0".join(forms)
        else:
            yield fields["msgid"], fields["msgstr"]


def compile_catalogue(messages: Mapping[str, str]) -> bytes:
    """The `.mo` form of a catalogue (gettext manual, 10.3): two tables of lengths and offsets, sorted by message."""
    pairs = sorted((message.encode(), translation.encode()) for message, translation in messages.items())
    count = len(pairs)
    originals_at = _MO_HEADER.size
    translations_at = originals_at + 8 * count
    offset = translations_at + 8 * count
    tables: list[bytes] = []
    strings = b""
    for column in (0, 1):
        for pair in pairs:
            tables.append(struct.pack("<2I", len(pair[column]), offset + len(strings)))
            strings += pair[column] + b"\0"
    header = _MO_HEADER.pack(_MO_MAGIC, 0, count, originals_at, translations_at, 0, 0)
    return header + b"".join(tables) + strings

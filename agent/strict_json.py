"""The strict pre-pass: JSON in, plain values out, with everything refused that JSON parsers quietly accept.

Refused: other encodings than UTF-8, duplicate keys (the last would win), NaN and infinities, integers of more than
18 digits, NUL and lone surrogates, deep nesting, oversize bodies and strings, too many values, and card data
(`agent.card_guard`). It knows no event types. No text of a refusal repeats what looks like card data.
"""

import json
from collections import Counter
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from agent.card_guard import DIGITS_MIN, card_data_in, is_card_key
from agent.errors import EventRefused, Problem

__all__ = ["parse_strictly"]

DEPTH_MAX: Final = 32
STRING_CHARS_MAX: Final = 65_536
INTEGER_DIGITS_MAX: Final = 18  # fits a signed 64-bit integer everywhere downstream
CARD_NUMBER_MIN: Final = 10 ** (DIGITS_MIN - 1)  # below it, a number has too few digits for a card
CONTAINERS_MAX: Final = 100_000  # an empty one takes 80 bytes of memory for 3 of text
VALUES_MAX: Final = 500_000
SHORT_CHARS: Final = 40  # of a key that is worth remembering

_NO_CARD_DATA: Final = "no card data: it must never reach this device"


class _Refused(Exception):
    """One problem on its way up; each level that it passes adds its step to the path.

    The parser's hooks know no path: they put it in place of the value, where the walk finds it.
    """

    def __init__(self, problem: str, expected: str = "") -> None:
        super().__init__(problem)
        self.steps: list[str] = []
        self.problem = problem
        self.expected = expected


def parse_strictly(body: bytes, *, bytes_max: int) -> Any:
    """The value of a JSON text (RFC 8259, I-JSON of RFC 7493 in its main points).

    Raises:
        EventRefused: with the path of the first offence, such as `[2].data.total`.
    """
    if len(body) > bytes_max:
        raise EventRefused(Problem("", f"{len(body):,} bytes", f"at most {bytes_max:,} bytes in one call"))
    _check_counts(body)
    try:
        value = json.loads(
            body.decode("utf-8"),  # json would take UTF-16 and -32 as well
            object_pairs_hook=_unique_keys,
            parse_constant=_refuse_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
        _walk(value, "", DEPTH_MAX)
    except _Refused as refused:
        raise EventRefused(
            Problem("".join(reversed(refused.steps)).removeprefix("."), refused.problem, refused.expected)
        ) from None
    except RecursionError:
        raise EventRefused(Problem("", "nested too deeply", f"at most {DEPTH_MAX} levels")) from None
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise EventRefused(Problem("", f"not JSON: {error.msg} at {where}", "a JSON object or array")) from None
    except UnicodeDecodeError as error:
        raise EventRefused(Problem("", f"not UTF-8 at byte {error.start}", "JSON in UTF-8")) from None
    return value


def _check_counts(body: bytes) -> None:
    """By the marks that stand for them, before any memory is taken; those within texts count as well."""
    containers, values = body.count(b"[") + body.count(b"{"), body.count(b",")
    if containers > CONTAINERS_MAX:
        raise EventRefused(Problem("", f"{containers:,} objects and lists", f"at most {CONTAINERS_MAX:,} in one call"))
    if values > VALUES_MAX:
        raise EventRefused(Problem("", f"more than {values:,} values", f"at most {VALUES_MAX:,} in one call"))


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any] | _Refused:
    value = dict(pairs)
    if len(value) == len(pairs):
        return value
    twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
    shown = "a key" if card_data_in("", twice) else f"key {twice[:40]!r}"
    return _Refused(f"{shown} appears twice in one object", "each key once")


def _refuse_constant(name: str) -> _Refused:
    return _Refused(f"{name} is not a JSON number", "a finite number")


def _bounded_int(text: str) -> int | _Refused:
    digits = len(text.removeprefix("-"))
    if digits > INTEGER_DIGITS_MAX:
        return _Refused(f"an integer of {digits} digits", f"at most {INTEGER_DIGITS_MAX} digits, else a string")
    return int(text)


def _finite_float(text: str) -> float | _Refused:
    value = float(text)
    if not isfinite(value):
        return _Refused("a number beyond the range of a double", "a finite number")
    if abs(value) >= CARD_NUMBER_MIN and (card_data_in("", text) or card_data_in("", f"{abs(value):.0f}")):
        return _Refused("what looks like a payment card number", _NO_CARD_DATA)
    return value


def _walk(value: Any, key: str, levels: int) -> None:
    kind = type(value)
    if kind is str:
        _check_string(value, key)
    elif kind is dict:
        _check_depth(levels)
        for name, item in value.items():
            if len(name) > SHORT_CHARS or not _is_plain_key(name):
                _check_key(name)
            if type(item) is str and len(item) < DIGITS_MIN and item.isascii() and "\x00" not in item:
                continue  # as _check_string would find; most values are such texts
            try:
                _walk(item, name, levels - 1)
            except _Refused as refused:
                refused.steps.append(f".{name[:60]}")
                raise
    elif kind is list:
        _check_depth(levels)
        for index, item in enumerate(value):
            try:
                _walk(item, key, levels - 1)
            except _Refused as refused:
                refused.steps.append(f"[{index}]")
                raise
    elif kind is _Refused:
        raise value
    elif kind is int and abs(value) >= CARD_NUMBER_MIN and card_data_in("", str(abs(value))):
        raise _Refused("what looks like a payment card number", _NO_CARD_DATA)


def _check_depth(levels: int) -> None:
    if not levels:
        raise _Refused("nested too deeply", f"at most {DEPTH_MAX} levels")


@lru_cache(4096)
def _is_plain_key(name: str) -> bool:
    """Whether nothing is wrong with a short key; the same few keys come again and again."""
    return name.isascii() and name.isidentifier() and not is_card_key(name) and not card_data_in("", name)


def _check_key(name: str) -> None:
    """Keys are texts as well. Only a key of card data is named in the path: any other might be what is wrong."""
    if is_card_key(name):
        refused = _Refused("a field for payment card data", _NO_CARD_DATA)
        refused.steps.append(f".{name[:60]}")
        raise refused
    try:
        _check_string(name, "")
    except _Refused as refused:
        refused.problem = f"a key with {refused.problem}"
        raise


def _check_string(text: str, key: str) -> None:
    if "\x00" in text:
        raise _Refused("a NUL character", "text without control characters")
    if text.isascii():
        if len(text) < DIGITS_MIN:
            return
    else:
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Refused("a lone surrogate", "valid Unicode") from None
    if len(text) > STRING_CHARS_MAX:
        raise _Refused(f"a string of {len(text):,} characters", f"at most {STRING_CHARS_MAX:,}")
    if card_data_in(key, text):
        raise _Refused("what looks like a payment card number", _NO_CARD_DATA)

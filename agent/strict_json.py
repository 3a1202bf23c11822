"""The strict pre-pass: JSON in, plain values out, with everything refused that JSON parsers quietly accept.

Refused: duplicate keys (the last would win), NaN and infinities, numbers of more than 18 digits, NUL and lone
surrogates, deep nesting, oversize bodies and strings, and card data (`agent.card_guard`). It knows no event types.
"""

import json
from typing import Any, Final, NoReturn

from agent.card_guard import card_data_in, is_card_key
from agent.errors import EventRefused, Problem

__all__ = ["parse_strictly"]

DEPTH_MAX: Final = 32
STRING_CHARS_MAX: Final = 65_536
INTEGER_DIGITS_MAX: Final = 18  # fits a signed 64-bit integer everywhere downstream


class _Refused(Exception):
    """One problem on its way up; each level that it passes adds its step to the path."""

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
    try:
        value = json.loads(
            body,
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


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Refused(f"key {key[:40]!r} appears twice in one object", "each key once")
            seen.add(key)
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise _Refused(f"{name} is not a JSON number", "a finite number")


def _bounded_int(text: str) -> int:
    if len(text) > INTEGER_DIGITS_MAX:
        raise _Refused(f"an integer of {len(text)} digits", f"at most {INTEGER_DIGITS_MAX} digits, else a string")
    return int(text)


def _finite_float(text: str) -> float:
    value = float(text)
    if value - value != 0.0:
        raise _Refused("a number beyond the range of a double", "a finite number")
    return value


def _walk(value: Any, key: str, levels: int) -> None:
    kind = type(value)
    if kind is str:
        _check_string(value, key)
    elif kind is dict:
        if not levels:
            raise _Refused("nested too deeply", f"at most {DEPTH_MAX} levels")
        for name, item in value.items():
            try:
                _check_key(name)
                _walk(item, name, levels - 1)
            except _Refused as refused:
                refused.steps.append(f".{name[:60]}")
                raise
    elif kind is list:
        if not levels:
            raise _Refused("nested too deeply", f"at most {DEPTH_MAX} levels")
        for index, item in enumerate(value):
            try:
                _walk(item, key, levels - 1)
            except _Refused as refused:
                refused.steps.append(f"[{index}]")
                raise
    elif kind is int and value > 10**12 and card_data_in(key, str(value)):
        raise _Refused("looks like a payment card number", "no card data: it must never reach this device")


def _check_key(name: str) -> None:
    if is_card_key(name):
        raise _Refused("a field for payment card data", "no card data: it must never reach this device")
    _check_string(name, "")


def _check_string(text: str, key: str) -> None:
    if len(text) > STRING_CHARS_MAX:
        raise _Refused(f"a string of {len(text):,} characters", f"at most {STRING_CHARS_MAX:,}")
    if "\x00" in text:
        raise _Refused("a NUL character", "text without control characters")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise _Refused("a lone surrogate", "valid Unicode") from None
    if card_data_in(key, text):
        raise _Refused("looks like a payment card number", "no card data: it must never reach this device")

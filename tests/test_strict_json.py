"""What JSON parsers quietly accept is refused, with the path of the offence and without repeating card data."""

import json
import tracemalloc
from contextlib import suppress
from time import process_time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.errors import EventRefused
from agent.strict_json import parse_strictly
from tests.examples import GTIN, PAN, SSCC


def parse(body: bytes | str) -> Any:
    return parse_strictly(body if isinstance(body, bytes) else body.encode(), bytes_max=1_000_000)


def problem_of(body: bytes | str) -> tuple[str, str]:
    with pytest.raises(EventRefused) as refused:
        parse(body)
    (problem,) = refused.value.problems
    assert problem.expected
    return problem.path, problem.problem


@pytest.mark.case("D1")
@pytest.mark.parametrize(
    ("body", "path", "problem"),
    [
        ("", "", "not JSON"),
        ("{", "", "not JSON"),
        ('{"a": 1} {"b": 2}', "", "not JSON: Extra data at line 1 column 10"),
        ('{"a": 1,}', "", "not JSON"),
        ("{'a': 1}", "", "not JSON"),
        ('"a\nb"', "", "not JSON: Invalid control character"),
        ('[{"a": {"b": 1, "c": 2, "b": 1}}]', "[0].a", "key 'b' appears twice"),
        ('[{"a": NaN}]', "[0].a", "NaN is not a JSON number"),
        ("[1, -Infinity]", "[1]", "-Infinity is not a JSON number"),
        ('{"a": [1e999]}', "a[0]", "beyond the range of a double"),
        ('{"a": -1e999}', "a", "beyond the range of a double"),
        ('{"a": ' + "1" * 300 + "}", "a", "an integer of 300 digits"),
        ('{"a": -' + "1" * 19 + "}", "a", "an integer of 19 digits"),
        ('{"a": "x\\u0000y"}', "a", "a NUL character"),
        ('{"a\\u0000": 1}', "", "a key with a NUL character"),
        ('[{"a": "\\ud800"}]', "[0].a", "a lone surrogate"),
        ('{"\\udfff": 1}', "", "a key with a lone surrogate"),
        ('{"a": "' + "x" * 65_537 + '"}', "a", "a string of 65,537 characters"),
        ('{"' + "k" * 65_537 + '": 1}', "", "a key with a string of 65,537 characters"),
        ("[" * 10_000 + "]" * 10_000, "", "nested too deeply"),
        ('{"a":' * 10_000 + "1" + "}" * 10_000, "", "nested too deeply"),
        ("[" * 33 + "]" * 33, "[0]" * 32, "nested too deeply"),
        ('{"a":' * 33 + "1" + "}" * 33, ".".join("a" * 32), "nested too deeply"),
        (b'{"a": "\xff"}', "", "not UTF-8 at byte 7"),
        (b'{"a": "\xed\xa0\x80"}', "", "not UTF-8 at byte 7"),
        ('{"a": 1}'.encode("utf-16"), "", "not UTF-8 at byte 0"),
        ('{"a": 1}'.encode("utf-16-le"), "", "not JSON"),
        ('\ufeff{"a": 1}', "", "not JSON: Unexpected UTF-8 BOM"),
    ],
    ids=lambda value: None if len(value) > 40 else repr(value),
)
def test_what_is_not_strict_json_is_refused_with_its_path(body: bytes | str, path: str, problem: str) -> None:
    found = problem_of(body)
    assert found[0] == path
    assert problem in found[1]


@pytest.mark.case("D1")
def test_a_body_beyond_the_limit_is_refused_unread() -> None:
    with pytest.raises(EventRefused, match="5,000,000 bytes; expected at most 4,194,304 bytes in one call"):
        parse_strictly(b"x" * 5_000_000, bytes_max=4_194_304)


LARGEST = 4_194_304
FULL_OF = {
    "empty lists": b"[" + b"[]," * 1_398_000 + b"0]",
    "empty objects": b"[" + b"{}," * 1_398_000 + b"0]",
    "lists in lists": b"[" + b"[[[]]]," * 599_000 + b"0]",
    "open lists": b"[" * LARGEST,
    "numbers": b"[" + b"1.5," * 1_048_000 + b"0]",
    "short texts": b"[" + b'"ab",' * 838_000 + b"0]",
    "keys": b"{" + b",".join(b'"k%d":0' % number for number in range(320_000)) + b"}",
    "the same key": b"{" + b",".join([b'"k":0'] * 690_000) + b"}",
    "one integer": b"1" * LARGEST,
    "one float": b"1." + b"1" * (LARGEST - 2),
    "one exponent": b"1e" + b"9" * (LARGEST - 2),
    "one text": b'"' + b"x" * (LARGEST - 2) + b'"',
    "what nearly is a card number": b"[" + b",".join([b'"' + b"4111 " * 13_000 + b'"'] * 64) + b"]",
    "characters that stand for many": b"[" + b",".join([b'"' + "\ufdfa".encode() * 21_800 + b'"'] * 60) + b"]",
}
"""Bodies of the largest size, each of which once cost much memory or time."""
MEMORY_BYTES_MAX = 80_000_000
PROCESSOR_S_MAX = 15.0  # the worst took 3 s


@pytest.mark.case("D1")
@pytest.mark.parametrize("what", FULL_OF)
def test_the_memory_and_the_time_that_a_body_takes_are_bounded(what: str) -> None:
    assert len(FULL_OF[what]) <= LARGEST
    began_s = process_time()
    with suppress(EventRefused):
        parse_strictly(FULL_OF[what], bytes_max=LARGEST)
    assert process_time() - began_s < PROCESSOR_S_MAX
    if what in ("what nearly is a card number", "characters that stand for many"):
        return  # counting their memory would take a minute
    tracemalloc.start()
    try:
        with suppress(EventRefused):
            parse_strictly(FULL_OF[what], bytes_max=LARGEST)
        assert tracemalloc.get_traced_memory()[1] < MEMORY_BYTES_MAX
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("body", "path"),
    [
        (f'{{"note": "{PAN}"}}', "note"),
        ('{"note": "paid with 4111 1111 1111 1111"}', "note"),
        ('[{"data": {"items": [{"note": "4111-1111-1111-1111"}]}}]', "[0].data.items[0].note"),
        (f'{{"basket_id": {PAN}}}', "basket_id"),
        (f'{{"basket_id": -{PAN}}}', "basket_id"),
        (f'{{"basket_id": {PAN}.0}}', "basket_id"),
        ('{"basket_id": 4.111111111111111e15}', "basket_id"),
        (f'{{"{PAN}": 1}}', ""),
        (f'{{"note {PAN}": 1}}', ""),
        (f'{{"a": {{"{PAN}": 1, "{PAN}": 2}}}}', "a"),
        (f'{{"gtin": "{PAN}"}}', "gtin"),
        (f'{{"gtin": ["{PAN}"]}}', "gtin[0]"),
        (f'{{"gtin": {PAN}}}', "gtin"),
        ('{"x": "%B4111111111111111^DOE/JANE^2712"}', "x"),
        ('{"x": ";4111111111111111=2712101"}', "x"),
    ],
)
def test_card_numbers_are_refused_and_never_repeated(body: str, path: str) -> None:
    with pytest.raises(EventRefused) as refused:
        parse(body)
    assert refused.value.problems[0].path == path
    assert "1111" not in str(refused.value)
    assert "1111" not in repr(refused.value)


@pytest.mark.parametrize("key", ["cvv", "CVC", "pan", "cardNumber", "track2", "Card-Security-Code"])
def test_fields_of_card_data_are_refused_whatever_they_hold(key: str) -> None:
    assert problem_of(f'[{{"a": {{"{key}": null}}}}]') == (f"[0].a.{key}", "a field for payment card data")


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(10**18) + 1,
        10**18 - 1,
        12345678901234,  # 14 digits that no issuer has
        0.1,
        1e300,
        "",
        "\u20ac \U0001f34c",
        "x" * 65_536,
        [],
        {},
        {"gtin": GTIN, "sscc": SSCC, "Pr\u00e4mie 2": [1, {"a b": "c"}]},
    ],
)
def test_everything_else_comes_through_unchanged(value: object) -> None:
    assert parse(json.dumps(value)) == value


def test_nesting_up_to_the_limit_is_fine() -> None:
    assert parse("[" * 32 + "]" * 32)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_any_json_is_parsed_or_refused(value: object) -> None:
    text = json.dumps(value)
    try:
        assert parse(text) == value
    except EventRefused as refused:
        assert refused.problems  # noqa: PT017 - either answer is right


@given(st.binary(max_size=200))
def test_any_bytes_are_parsed_or_refused(body: bytes) -> None:
    try:
        parse(body)
    except EventRefused as refused:
        assert refused.problems  # noqa: PT017 - either answer is right

"""The texts within a JSON body: found in any layout, unchanged but for the space between tokens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.json_texts import JsonTexts

SPACES = st.text(" \t\r\n", max_size=3)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3)
)


def spaced(value: Any, draw: st.DrawFn) -> str:  # Any: JSON
    """A JSON text with space wherever it may stand."""
    if isinstance(value, dict):
        members = [f"{spaced(key, draw)}:{spaced(item, draw)}" for key, item in value.items()]
        text = "{" + (",".join(members) or draw(SPACES)) + "}"
    elif isinstance(value, list):
        text = "[" + (",".join(spaced(item, draw) for item in value) or draw(SPACES)) + "]"
    else:
        text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    return draw(SPACES) + text + draw(SPACES)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[list[Any], str]:
    """Elements of which some have the member `data`, and the list of them as a text."""
    elements = draw(st.lists(VALUES | st.fixed_dictionaries({"a": VALUES, "data": VALUES, "z": VALUES}), max_size=4))
    return elements, spaced(elements, draw)


@given(bodies())
def test_the_text_of_a_member_is_found_beside_elements_of_any_kind(given: tuple[list[Any], str]) -> None:
    elements, text = given
    try:
        texts = JsonTexts(text.encode())
    except UnicodeEncodeError:  # a lone surrogate, which the strict decoder refuses
        return
    for index, element in enumerate(elements):
        if isinstance(element, dict) and "data" in element:
            found = texts.member(index, "data")
            assert json.loads(found) == element["data"]
            assert b"\n" not in found
            assert len(found) <= len(json.dumps(element["data"], separators=(",", ":")))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('{"data":1}', "1"),
        (' \n{ "x" : [ 1 , {} ] , "data"\t:\r { "a b" : " c  d ", "e": [ ] } } ', '{"a b":" c  d ","e":[]}'),
        ('{"d\\u0061ta": "\\u00e4 \\" \\\\"}', '"\\u00e4 \\" \\\\"'),
        ('{"x": {"data": 2}, "data": 1.50}', "1.50"),
    ],
)
def test_the_text_of_the_bodys_own_object(body: str, text: str) -> None:
    assert JsonTexts(body.encode()).member(None, "data") == text.encode()


def test_a_member_that_is_not_there_is_told() -> None:
    with pytest.raises(KeyError):
        JsonTexts(b"{}").member(None, "data")

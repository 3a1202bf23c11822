"""Every key of a TOML text is found in its line, and a broken text breaks nothing."""

import json
import tomllib
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.toml_positions import KeyPath, key_lines, key_places, line_of

TEXT = '''# a comment = 1
log_level = "info"
a.b = 1
"q\\u0041 x".'y z' = [ 1, # [c]
 [2, {k = "}", m=[ {n=1},
 {n=2} ]} ],
 """x " "" \\""" y"""", ]

[ site ]   # id = 2
id = 'x # ]'
time = 1979-05-27 07:32:00 # k
[[rules]]
name = """
[fake]
q = 1
"""
[rules.when]
x = 1
[[rules]]
name = \'\'\'
z=\'\'\'
[[rules.sub]]
k = {a.b = 1}
'''


def paths_of(value: Any, path: KeyPath = ()) -> set[KeyPath]:  # Any: TOML
    """Every key and list index in a parsed document."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return {found for key, item in items for found in ({(*path, key)} | paths_of(item, (*path, key)))}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("log_level",), 2),
        (("a",), 3),
        (("a", "b"), 3),
        (("qA x", "y z"), 4),
        (("qA x", "y z", 1), 5),
        (("qA x", "y z", 1, 1, "m", 1, "n"), 6),
        (("qA x", "y z", 2), 7),
        (("site",), 9),
        (("site", "id"), 10),
        (("site", "time"), 11),
        (("rules",), 12),
        (("rules", 0, "name"), 13),
        (("rules", 0, "when", "x"), 18),
        (("rules", 1), 19),
        (("rules", 1, "name"), 20),
        (("rules", 1, "sub", 0, "k", "a", "b"), 23),
    ],
)
def test_keys_are_found_where_they_stand(path: KeyPath, line: int) -> None:
    assert key_lines(TEXT)[path] == line
    assert key_lines(TEXT.replace("\n", "\r\n"))[path] == line


def test_nothing_else_is_taken_for_a_key() -> None:
    assert set(key_lines(TEXT)) == paths_of(tomllib.loads(TEXT))


def test_a_key_that_is_not_written_is_told_by_the_table_around_it() -> None:
    lines = key_lines("[link]\nport = 1\n")
    assert line_of(lines, ("link", "tls")) == 1
    assert line_of(lines, ("link", "port", "x")) == 2
    assert line_of(lines, ("site", "id")) is None
    assert line_of(lines, ()) is None


def test_a_key_written_twice_has_two_places_and_its_first_line() -> None:
    text = "[link]\nport = 1\nport = 2\n"
    assert [line for path, line in key_places(text) if path == ("link", "port")] == [2, 3]
    assert key_lines(text)["link", "port"] == 2


@pytest.mark.parametrize(
    "text",
    ["[", "[a", "[a]]", "a", "a.", "a =", "a = [1", "a = {b = 1", 'a = "', "= 1", "[a.]", "]", '"\\q" = 1', "a = \x00"],
)
def test_broken_toml_is_read_as_far_as_it_goes(text: str) -> None:
    assert key_lines(f"first = 1\n{text}")["first",] == 1


def test_nesting_is_followed_only_so_deep() -> None:
    assert len(key_lines("a = " + "[" * 5_000)) <= 52


names = st.text("abc", min_size=1, max_size=2) | st.text(max_size=3)
scalars = (
    st.booleans()
    | st.integers(-9, 99)
    | st.text(max_size=5)
    | st.sampled_from(["[x]", "a = 1", "# no", "'", '"', "}", "]]"])
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=6
)


def written(value: Any) -> str:  # Any: TOML
    """A value as TOML writes it within a line."""
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key_of(key)} = {written(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return "[\n" + ",  # ]\n ".join(map(written, value)) + "\n]"
    return key_of(value) if isinstance(value, str) else json.dumps(value)


def key_of(text: str) -> str:
    return json.dumps(text).replace("\x7f", "\\u007f")


tables = st.dictionaries(names, values, max_size=4)


@given(tables, st.dictionaries(names, tables, max_size=3), st.lists(tables, max_size=3))
@example({"a": {"b": [1, {"c": 2}]}}, {}, [{}, {"d": "\n"}])
def test_the_keys_found_are_those_that_tomllib_reads(
    top: dict[str, object], sections: dict[str, dict[str, object]], rules: list[dict[str, object]]
) -> None:
    lines = [f"{key_of(key)} = {written(value)}" for key, value in top.items()]
    for header, table in (
        *((f"[{key_of('s ' + name)}]", table) for name, table in sections.items()),
        *(("[[ \t'the rules' ]]  # one", table) for table in rules),
    ):
        lines += [header, *(f"  {key_of(key)}={written(value)}" for key, value in table.items())]
    text = "\n".join(lines)
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        key_lines(text)  # a lone surrogate, for example
    else:
        assert set(key_lines(text)) == paths_of(document)


@given(st.text("[]{}=\"'\n#ab.1,\\ ", max_size=60))
def test_any_text_is_scanned_to_an_end(text: str) -> None:
    lines = key_lines(text)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert set(lines) == paths_of(document)

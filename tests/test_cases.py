"""docs/cases.md tells the truth: each test that it names exists and has that case, and none is left out."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.sources import ROOT

DOCUMENT: Final = ROOT / "docs" / "cases.md"
ROW: Final = re.compile(r"\| (?P<case>[A-Z][0-9]+) \| (?P<rule>[^|]+) \| (?P<proof>[^|]+) \|")
TEST: Final = re.compile(r"`(tests/[\w/]+\.py)(?:::(\w+))?`")
NOT_YET: Final = re.compile(r"not yet: \w+")


class Marked(NamedTuple):
    """One test that says which case it proves."""

    case: str
    path: str
    name: str


def cases_of(node: ast.expr) -> Iterator[str]:
    """The ids within a decorator, or within what `pytestmark` is set to."""
    for call in ast.walk(node):
        match call:
            case ast.Call(func=ast.Attribute(attr="case"), args=[ast.Constant(value=str(case))]):
                yield case


def marked_tests(path: Path) -> Iterator[Marked]:
    """The tests of a file that have a case, by themselves or by their file."""
    relative = path.relative_to(ROOT).as_posix()
    source = path.read_text(encoding="utf-8")
    if "mark.case(" not in source:
        return
    module = ast.parse(source)
    of_all = [
        case
        for node in module.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"
        for case in cases_of(node.value)
    ]
    for node in ast.walk(module):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            own = [case for decorator in node.decorator_list for case in cases_of(decorator)]
            yield from (Marked(case, relative, node.name) for case in [*of_all, *own])


MARKED: Final = {marked for path in (ROOT / "tests").rglob("test_*.py") for marked in marked_tests(path)}
ROWS: Final = {row["case"]: row["proof"] for row in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))}


def named_tests(case: str) -> set[Marked]:
    """The tests that a row names; a file stands for all of that case in it."""
    found: set[Marked] = set()
    for path, name in TEST.findall(ROWS[case]):
        tests = {
            marked for marked in MARKED if marked.path == path and marked.case == case and name in ("", marked.name)
        }
        assert tests, f"docs/cases.md, {case}: {path}{name and f'::{name}'} is no test with that case"
        found |= tests
    return found


def test_each_case_is_proved_by_tests_that_exist_or_is_said_to_be_open() -> None:
    for case, proof in ROWS.items():
        assert named_tests(case) or NOT_YET.search(proof), f"docs/cases.md, {case}: neither a test nor `not yet: …`"


def test_each_test_that_has_a_case_is_in_its_row() -> None:
    for case in sorted({marked.case for marked in MARKED}):
        assert case in ROWS, f"docs/cases.md has no row for {case}"
        missing = {marked for marked in MARKED if marked.case == case} - named_tests(case)
        assert not missing, f"docs/cases.md, {case}: these tests are not named: {missing}"


def test_each_case_has_one_row() -> None:
    rows = [row["case"] for row in ROW.finditer(DOCUMENT.read_text(encoding="utf-8"))]
    assert len(rows) == len(set(rows)) >= 30

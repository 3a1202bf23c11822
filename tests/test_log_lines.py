"""The agent's own output: JSON with a stable code for machines, a plain line for a person at a terminal."""

import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from agent.clock import ShopClock
from agent.log_lines import log_event, set_up_logging

CLOCK = ShopClock(datetime(2026, 3, 6, 10, 42, tzinfo=UTC), 0.0, 0.0)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_a_line_is_one_json_object_with_its_code_and_fields() -> None:
    set_up_logging("info", CLOCK, output := io.StringIO())
    log_event(logging.getLogger("agent.x"), logging.WARNING, "log.epoch", "a new epoch\nbegins", epoch="e-1")
    assert json.loads(output.getvalue()) == {
        "at": "2026-03-06T10:42:00.000Z",
        "level": "warning",
        "event": "log.epoch",
        "message": "a new epoch\nbegins",
        "epoch": "e-1",
    }
    assert output.getvalue().count("\n") == 1


def test_a_librarys_line_has_the_name_of_its_logger_as_code() -> None:
    set_up_logging("info", CLOCK, output := io.StringIO())
    logging.getLogger("aiohttp.server").error("broken pipe")
    assert json.loads(output.getvalue())["event"] == "aiohttp.server.log"


def test_a_fault_keeps_its_traceback_within_the_line() -> None:
    set_up_logging("info", CLOCK, output := io.StringIO())
    try:
        int("boom")
    except ValueError:
        logging.getLogger("agent").exception("it broke")
    assert "ValueError: invalid literal" in json.loads(output.getvalue())["traceback"]


def test_a_person_at_a_terminal_reads_plain_lines() -> None:
    set_up_logging("info", CLOCK, output := Terminal())
    log_event(logging.getLogger("agent"), logging.INFO, "agent.ready", "ready", pid=7)
    assert output.getvalue() == "10:42:00 info    ready  (pid=7)\n"


def test_what_is_below_the_level_is_not_said() -> None:
    set_up_logging("error", CLOCK, output := io.StringIO())
    log_event(logging.getLogger("agent"), logging.INFO, "agent.ready", "ready")
    assert not output.getvalue()

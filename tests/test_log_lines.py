"""The agent's own output: JSON with a stable code for machines, a plain line for a person at a terminal."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from agent.clock import Clock, ShopClock
from agent.log_lines import KINDS_MAX, SAME_LINE_INTERVAL_S, SAME_LINES_MAX, log_event, set_up_logging

CLOCK = ShopClock(datetime(2026, 3, 6, 10, 42, tzinfo=UTC), 0.0, 0.0)
AGENT = logging.getLogger("agent.x")


class SettableClock:
    """Its monotonic reading stands where a test sets it."""

    at_s = 0.0

    def monotonic_s(self) -> float:
        return self.at_s

    def wall(self) -> datetime:
        return CLOCK.wall()


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


class Output:
    """A file that logging goes to until it is read."""

    def __init__(self, file: Path, level: str = "info", clock: Clock = CLOCK) -> None:
        self._file = file
        self._descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._handler = set_up_logging(level, clock, self._descriptor)

    def text(self) -> str:
        self._handler.close()
        os.close(self._descriptor)
        return self._file.read_text()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text().splitlines()]


@contextmanager
def terminal() -> Iterator[tuple[int, int]]:
    ours, theirs = os.openpty()
    try:
        yield ours, theirs
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_line_is_one_json_object_with_its_code_and_fields(tmp_path: Path) -> None:
    output = Output(tmp_path / "log")
    log_event(AGENT, logging.WARNING, "log.epoch", "a new epoch\nbegins", epoch="e-1")
    assert output.lines() == [
        {
            "at": "2026-03-06T10:42:00.000Z",
            "level": "warning",
            "event": "log.epoch",
            "message": "a new epoch\nbegins",
            "epoch": "e-1",
        }
    ]


def test_a_librarys_line_has_the_name_of_its_logger_as_code(tmp_path: Path) -> None:
    output = Output(tmp_path / "log")
    logging.getLogger("aiohttp.server").error("broken pipe")
    assert output.lines()[0]["event"] == "aiohttp.server.log"


def test_a_fault_keeps_its_traceback_within_the_line(tmp_path: Path) -> None:
    output = Output(tmp_path / "log")
    try:
        int("boom")
    except ValueError:
        logging.getLogger("agent").exception("it broke")
    (line,) = output.lines()
    assert "ValueError: invalid literal" in line["traceback"]


def test_a_person_at_a_terminal_reads_plain_lines() -> None:
    with terminal() as (ours, theirs):
        handler = set_up_logging("info", CLOCK, theirs)
        log_event(AGENT, logging.INFO, "agent.ready", "ready", pid=7)
        handler.close()
        assert os.read(ours, 1_000) == b"10:42:00 info    ready  (pid=7)\r\n"


@pytest.mark.case("D7")
def test_a_text_from_outside_can_neither_forge_a_line_nor_steer_a_terminal(tmp_path: Path) -> None:
    hostile = "tea\x1b[2J\x07\r\n10:42:00 error   forged\u202e\u2028\x9b31m"
    output = Output(tmp_path / "log")
    log_event(AGENT, logging.WARNING, "pack.refused", hostile, name=hostile)
    text = output.text()
    assert text.isascii()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()
    assert json.loads(text)["message"] == hostile
    with terminal() as (ours, theirs):
        handler = set_up_logging("info", CLOCK, theirs)
        log_event(AGENT, logging.WARNING, "pack.refused", hostile, name=hostile)
        handler.close()
        shown = os.read(ours, 4_000).decode()
    assert shown.endswith("\r\n")
    assert shown.removesuffix("\r\n").isprintable()


def test_what_is_below_the_level_is_not_said(tmp_path: Path) -> None:
    output = Output(tmp_path / "log", level="error")
    log_event(AGENT, logging.INFO, "agent.ready", "ready")
    assert not output.text()


@pytest.mark.case("P7")
def test_a_fault_in_a_loop_is_told_a_few_times_and_then_once_a_minute_with_the_number_left_out(tmp_path: Path) -> None:
    clock = SettableClock()
    output = Output(tmp_path / "log", clock=clock)
    for _ in range(1_000):
        log_event(AGENT, logging.ERROR, "log.append_failed", "not stored")
    log_event(AGENT, logging.ERROR, "log.prune_failed", "another fault is heard at once")
    clock.at_s += SAME_LINE_INTERVAL_S
    for _ in range(1_000):
        log_event(AGENT, logging.ERROR, "log.append_failed", "not stored")
    lines = output.lines()
    assert [line["event"] for line in lines] == [
        *["log.append_failed"] * SAME_LINES_MAX,
        "log.prune_failed",
        "log.append_failed",
    ]
    assert lines[-1]["same_lines_left_out"] == 1_000 - SAME_LINES_MAX


@pytest.mark.case("P7")
def test_any_number_of_kinds_of_lines_takes_bounded_memory(tmp_path: Path) -> None:
    output = Output(tmp_path / "log")
    for number in range(10 * KINDS_MAX):
        AGENT.error("fault %s" + str(number), "x" * 50_000)
    (repeats,) = logging.getLogger().handlers[0].filters
    assert len(repeats._kinds) == KINDS_MAX  # type: ignore[union-attr]  # our own filter
    assert max(map(len, output.text().splitlines())) < 5_000


@pytest.mark.case("P7")
def test_a_line_that_cannot_be_made_is_counted_and_stops_nobody(tmp_path: Path) -> None:
    class Broken:
        def __str__(self) -> str:
            raise RuntimeError("cannot be shown")

    output = Output(tmp_path / "log")
    AGENT.error("shown: %s", Broken())
    AGENT.error("the next one")
    first, second = output.lines()
    assert (first["event"], first["lines"]) == ("log_lines.dropped", 1)
    assert second["message"] == "the next one"

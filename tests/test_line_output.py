"""Log lines on their way out: whoever logs never waits, memory is bounded, and what was dropped is told."""

import fcntl
import os
import re
import select
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from agent.line_output import CLOSE_TIMEOUT_S, QUEUE_BYTES_MAX, LineOutput

LINE: Final = b"x" * 99 + b"\n"
LINES: Final = 50_000  # 5 MB


def word(dropped: int) -> bytes:
    return b"dropped %d\n" % dropped


@contextmanager
def pipe() -> Iterator[tuple[int, int]]:
    """Both ends of a pipe, each still open unless a test closed it."""
    ends = os.pipe()
    try:
        yield ends
    finally:
        for end in ends:
            with suppress(OSError):
                os.close(end)


def read_until(descriptor: int, pattern: bytes) -> bytes:
    """All that comes until `pattern` is in it, for ten seconds at most."""
    text, deadline_s = b"", monotonic() + 10
    while not re.search(pattern, text):
        assert select.select([descriptor], [], [], deadline_s - monotonic())[0], text[-500:]
        text += os.read(descriptor, 1_048_576)
    return text


def test_lines_come_out_in_order_and_whole() -> None:
    with pipe() as (reader, writer):
        output = LineOutput(writer, word)
        for number in range(500):
            output.put(b"%d\n" % number)
        output.close()
        assert read_until(reader, b"499\n").split() == [b"%d" % number for number in range(500)]


@pytest.mark.case("P7")
@pytest.mark.parametrize("flags", [0, os.O_NONBLOCK])
def test_a_pipe_that_nobody_reads_holds_nobody_up_and_what_was_dropped_is_told_once_somebody_does(flags: int) -> None:
    with pipe() as (reader, writer):
        fcntl.fcntl(writer, fcntl.F_SETFL, flags)
        output = LineOutput(writer, word)
        began_s = monotonic()
        for _ in range(LINES):
            output.put(LINE)
        assert monotonic() - began_s < 5, "a write that waits would wait for ever"
        assert output._queued_bytes <= QUEUE_BYTES_MAX
        text = read_until(reader, rb"dropped \d+\n")
        output.put(b"the end\n")
        text += read_until(reader, rb"the end\n")
        output.close()
    dropped = sum(map(int, re.findall(rb"dropped (\d+)", text)))
    assert text.count(LINE) + dropped == LINES
    assert dropped


@pytest.mark.case("P7")
def test_it_ends_in_a_second_though_nobody_reads() -> None:
    with pipe() as (_, writer):
        output = LineOutput(writer, word)
        for _ in range(LINES):
            output.put(LINE)
        began_s = monotonic()
        output.close()
        assert monotonic() - began_s < 2 * CLOSE_TIMEOUT_S + 1
        assert not output._thread.is_alive(), "it would write to whatever has the descriptor next"


@pytest.mark.case("P7")
def test_a_reader_that_has_gone_is_survived() -> None:
    with pipe() as (reader, writer):
        os.close(reader)
        output = LineOutput(writer, word)
        for _ in range(LINES):
            output.put(LINE)
        assert output._queued_bytes <= QUEUE_BYTES_MAX
        output.close()
        assert not output._thread.is_alive()


@pytest.mark.case("P7")
def test_after_a_full_disk_it_goes_on_with_a_line_of_its_own_and_tells_what_is_missing(tmp_path: Path) -> None:
    target = tmp_path / "log"
    descriptor = os.open("/dev/full", os.O_WRONLY)
    output = LineOutput(descriptor, word)
    for _ in range(3):
        output.put(LINE)
    deadline_s = monotonic() + 10
    while not output._dropped:
        assert monotonic() < deadline_s
    file = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(file, descriptor)  # as when somebody made room
    output.put(b"the end\n")
    output.close()
    os.close(file)
    os.close(descriptor)
    text = target.read_bytes()
    dropped = sum(map(int, re.findall(rb"dropped (\d+)", text)))
    assert dropped >= 1
    assert dropped + text.count(LINE) == 3
    assert text.endswith(b"the end\n")


@pytest.mark.case("P7")
def test_a_line_that_was_torn_does_not_spoil_the_next_one(tmp_path: Path) -> None:
    with pipe() as (reader, writer):
        output = LineOutput(writer, word)
        output._torn = True  # as after a disk that took only the first half
        output.put(b"whole\n")
        output.close()
        assert read_until(reader, b"whole\n") == b"\nwhole\n"

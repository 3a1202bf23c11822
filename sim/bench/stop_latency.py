"""From the call of stop() to the last octet of STOP behind a line of 115200 baud, with a full queue before it."""

import os
import select
import struct
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final

from agent.clock import Clock
from firmware_bridge import (
    NO_TIME_LIMIT,
    Bridge,
    CommandRefused,
    LinkUp,
    Move,
    Refusal,
    StopAcknowledged,
    StopReason,
    now_us,
)
from firmware_bridge._framing import encode
from sim.bench.bench_processes import BenchFailed, FarEndProcess, busy_threads
from sim.bench.figure import Effort, Figure, quantile, time
from sim.bench.topology import OpenBridge, in_process, own_process
from sim.line import SerialLine

__all__ = ["stop_latency", "stop_latency_own_process"]

PART: Final = 0.999
OPENING_S_MAX: Final = 10.0
LOOK_S: Final = 0.002
PAUSE_MS_MAX: Final = 15
ABORT: Final = b"\x7d\x7e"
STOP_FRAME: Final = struct.Struct("<BBBHB")
FLAG_OCTETS: Final = 0x7E7E7E7E  # each is two on the line


def stop_latency(effort: Effort, clock: Clock) -> Figure:
    """In the process of the busy thread."""
    return _figure("stop_latency", effort, clock, in_process)


def stop_latency_own_process(effort: Effort, clock: Clock) -> Figure:
    """With the bridge in a process of its own, and the busy thread in the core's."""
    return _figure("stop_latency_own_process", effort, clock, own_process)


def _figure(name: str, effort: Effort, clock: Clock, open_bridge: OpenBridge) -> Figure:
    with _far_line() as (far_end, port), open_bridge(port) as bridge, busy_threads(1):
        found = _Stops(bridge, far_end, clock).times_ms(effort.stops)
        waited_ms = bridge.statistics().stop_wait_us_max / 1000
    with busy_threads(1):
        bare = _bare_times_ms(effort.stops)
    note = (
        f"p99.9; median {median(found):.2f}, worst {max(found):.2f}, of it in the bridge's thread at most "
        f"{waited_ms:.2f}; ceiling: STOP written to an idle line by hand, median {median(bare):.2f}, worst "
        f"{max(bare):.2f}; both with 1 busy thread, {len(found)} stops"
    )
    return time(name, quantile(found, PART), "ms", quantile(bare, PART), note)


@contextmanager
def _far_line(*far_end_arguments: str) -> Iterator[tuple[FarEndProcess, str]]:
    """The far end and the near end's port of a line with the pace of its baud rate."""
    with TemporaryDirectory(prefix="storeforward-bench-") as folder, ExitStack() as stack:
        far_end = stack.enter_context(FarEndProcess("stops", 0, *far_end_arguments))
        line = stack.enter_context(SerialLine(Path(folder, "line"), Path(far_end.port)))
        yield far_end, str(line.bridge)


def _bare_times_ms(count: int) -> list[float]:
    """What the model of the line and the machine take for themselves."""
    with _far_line("opened") as (far_end, port):
        line = os.open(port, os.O_RDWR | os.O_NOCTTY)
        try:
            return [_bare_time_ms(line, number, far_end) for number in range(1, count + 1)]
        finally:
            os.close(line)


def _bare_time_ms(line: int, number: int, far_end: FarEndProcess) -> float:
    asked_us = now_us()
    os.write(line, ABORT + encode(STOP_FRAME.pack(0x7B, 0x03, 0xE1, number, StopReason.TEST)))
    complete_us: int = far_end.value()[1]
    return (complete_us - asked_us) / 1000


class _Stops:
    """A core that keeps the bridge's queue full and stops at moments of no pattern."""

    def __init__(self, bridge: Bridge, far_end: FarEndProcess, clock: Clock) -> None:
        self._bridge = bridge
        self._far_end = far_end
        self._clock = clock
        self._random = Random(20)  # noqa: S311 - the same moments in every run
        self._commands = 0
        self._acknowledged = 0
        self._is_up = False

    def times_ms(self, count: int) -> list[float]:
        self._until(lambda: self._is_up)
        return [self._time_ms() for _ in range(count)]

    def _time_ms(self) -> float:
        self._fill()
        pause_ends_us = now_us() + self._random.randint(0, PAUSE_MS_MAX * 1000)
        self._until(lambda: now_us() >= pause_ends_us)
        self._fill()
        asked_us = now_us()
        number = self._bridge.stop(StopReason.TEST)
        complete_us: int = self._far_end.value()[1]
        self._until(lambda: self._acknowledged == number)
        return (complete_us - asked_us) / 1000

    def _fill(self) -> None:
        """Until one is refused: all that the bridge holds wait."""
        while True:
            self._commands += 1
            try:
                self._bridge.submit(_longest(self._commands))
            except CommandRefused as refused:
                if refused.refusal is Refusal.QUEUE_FULL:
                    return
                self._is_up = False  # the machine held one side up for so long that the link was lost
                self._until(lambda: self._is_up)

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline_s = self._clock.monotonic_s() + OPENING_S_MAX
        while not condition():
            if self._clock.monotonic_s() > deadline_s:
                raise BenchFailed("the line did not open, or a stop was not acknowledged")
            self._bridge.feed()
            select.select([self._bridge.fileno()], [], [], LOOK_S)
            for event in self._bridge.events():
                if isinstance(event, LinkUp):
                    self._is_up = True
                elif isinstance(event, StopAcknowledged):
                    self._acknowledged = event.stop


def _longest(number: int) -> Move:
    """A command that is as long on the line as they get."""
    place = {"node": FLAG_OCTETS, "x_mm": FLAG_OCTETS, "y_mm": FLAG_OCTETS, "theta_mrad": 0x7E7E, "speed_mm_s": 0x7E7E}
    return Move(command_id=number, ttl_ms=NO_TIME_LIMIT, **place)

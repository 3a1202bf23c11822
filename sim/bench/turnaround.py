"""How long an I frame waits for its RR while Python threads of the same process are busy, beside a Python reader."""

import os
import select
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import median
from threading import Event, Thread
from typing import Final

from firmware_bridge import Bridge
from firmware_bridge._framing import Decoder, encode
from sim.bench.bench_processes import FarEndProcess, busy_threads
from sim.bench.figure import Effort, Figure, quantile, time
from sim.bench.topology import OpenBridge, in_process, own_process

__all__ = ["ack_turnaround", "ack_turnaround_own_process"]

READ_OCTETS_MAX: Final = 4096
LOOK_S: Final = 0.05
NUMBERS: Final = 128
PART: Final = 0.99


def ack_turnaround(effort: Effort, busy: int) -> Figure:
    """In the process of the busy threads."""
    return _figure(f"ack_turnaround_busy{busy}", effort.turnarounds, busy, in_process)


def ack_turnaround_own_process(effort: Effort) -> Figure:
    """With the bridge in a process of its own, and one busy thread in the core's."""
    return _figure("ack_turnaround_own_process", effort.turnarounds, 1, own_process)


def _figure(name: str, count: int, busy: int, open_bridge: OpenBridge) -> Figure:
    far_end = FarEndProcess("acks", count)
    with far_end, open_bridge(far_end.port) as bridge, _read_events(bridge), busy_threads(busy):
        ours = _milliseconds(far_end.value())
    with FarEndProcess("acks", count, "opened") as far_end, _python_reader(far_end.port), busy_threads(busy):
        python = _milliseconds(far_end.value())
    note = (
        f"p99 {quantile(ours, PART):.3f}, worst {max(ours):.3f}; ceiling: a Python thread that reads and answers, "
        f"p99 {quantile(python, PART):.3f}, worst {max(python):.3f}; {busy} busy threads, {count} frames"
    )
    return time(name, median(ours), "ms", median(python), note)


@contextmanager
def _read_events(bridge: Bridge) -> Iterator[None]:
    """Reads events in a thread, as a core does; unread ones would make the vehicle wait."""

    def read() -> None:
        while not over.is_set():
            if select.select([bridge.fileno()], [], [], LOOK_S)[0]:
                bridge.events()

    over = Event()
    with _thread(read, over):
        yield


@contextmanager
def _python_reader(port: str) -> Iterator[None]:
    """The usual way: a thread that blocks in read(2), and answers each I frame by RR. Its codec is ours, in C."""
    descriptor = os.open(port, os.O_RDWR | os.O_NOCTTY)

    def answer() -> None:
        decoder = Decoder()
        while not over.is_set():
            if not select.select([descriptor], [], [], LOOK_S)[0]:
                continue
            for frame in decoder.feed(os.read(descriptor, READ_OCTETS_MAX)):
                if frame[0] == 0x05 and not frame[1] & 1:
                    received = ((frame[1] >> 1) + 1) % NUMBERS
                    os.write(descriptor, encode(bytes((0x05, 0x01, received << 1))))

    over = Event()
    try:
        with _thread(answer, over):
            yield
    finally:
        os.close(descriptor)


@contextmanager
def _thread(work: Callable[[], None], over: Event) -> Iterator[None]:
    thread = Thread(target=work, name="bench reader")
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _milliseconds(times_us: list[int]) -> list[float]:
    return [time_us / 1000 for time_us in times_us]

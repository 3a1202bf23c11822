"""The line model as a process between two ptys: pace, flush, unplug, and a vehicle at its far end."""

import fcntl
import os
import select
import time
import tty
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from sim.line import Faults, SerialLine, SerialLineFailed
from sim.vehicle import Vehicle
from tests.sim.firmware.wire import Decoder, encode, unnumbered

DEADLINE_S = 20.0
TCFLSH, TCOFLUSH = 0x540B, 1  # ioctl_tty(2): tcflush(3)
BAUD = 115_200
OCTETS_PER_S = BAUD / 10


def raw(path: Path | str) -> int:
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    tty.setraw(port)
    return port


def until(condition: Callable[[], object]) -> None:
    deadline_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.005)


def read(port: int, count: int) -> bytes:
    octets = b""
    deadline_s = time.monotonic() + DEADLINE_S
    while len(octets) < count:
        assert time.monotonic() < deadline_s
        if select.select([port], [], [], 0.1)[0]:
            octets += os.read(port, count - len(octets))
    return octets


@pytest.fixture
def ends() -> Iterator[tuple[int, int]]:
    """The vehicle's pty, in the test's hands: master and slave."""
    master, slave = os.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    yield master, slave
    os.close(master)
    os.close(slave)


@pytest.fixture
def far(ends: tuple[int, int]) -> int:
    return ends[0]


@pytest.fixture
def line(ends: tuple[int, int], tmp_path: Path) -> Iterator[SerialLine]:
    with SerialLine(tmp_path / "port", Path(os.ttyname(ends[1])), baud=BAUD, seed=3) as line:
        yield line


@pytest.fixture
def port(line: SerialLine) -> Iterator[int]:
    port = raw(line.bridge)
    yield port
    os.close(port)


def test_octets_come_through_at_the_pace_of_the_baud_rate(far: int, port: int) -> None:
    octets = bytes(index % 251 for index in range(4000))
    began_s = time.monotonic()
    os.write(port, octets)
    assert read(far, len(octets)) == octets
    passed_s = time.monotonic() - began_s
    # Never early; how late is the machine's affair: the pace itself is exact in test_wire.
    assert passed_s >= 0.99 * len(octets) / OCTETS_PER_S


def test_both_ways_at_once(far: int, port: int) -> None:
    os.write(port, b"down" * 100)
    os.write(far, b"up" * 100)
    assert read(far, 400) == b"down" * 100
    assert read(port, 200) == b"up" * 100


def test_a_flush_takes_back_what_was_not_sent_and_what_follows_arrives(far: int, port: int, line: SerialLine) -> None:
    os.write(port, b"x" * 4000)
    first = read(far, 1)
    fcntl.ioctl(port, TCFLSH, TCOFLUSH)
    os.write(port, b"stop")
    seen = first
    while not seen.endswith(b"stop"):
        seen += read(far, 1)
    assert len(seen) < 4004
    assert line.counts()["flushed"] == 4004 - len(seen)


def test_faults_come_and_go_on_command(far: int, port: int, line: SerialLine) -> None:
    line.fail(to_vehicle=Faults(bit_errors=0.2))
    os.write(port, bytes(200))
    assert read(far, 200) != bytes(200)
    assert line.counts()["faults"] > 0
    line.fail()
    os.write(port, bytes(200))
    assert read(far, 200) == bytes(200)


def test_an_unplugged_line_hangs_up_and_comes_back_as_a_new_one(far: int, port: int, line: SerialLine) -> None:
    line.unplug()
    poll = select.poll()
    poll.register(port)
    until(lambda: any(event & select.POLLHUP for _, event in poll.poll(0)))
    assert not line.bridge.is_symlink()
    line.replug()
    again = raw(line.bridge)
    os.write(again, b"again")
    assert read(far, 5) == b"again"
    os.close(again)


def test_a_cut_line_is_silent_and_stays_open(far: int, port: int, line: SerialLine) -> None:
    line.cut()
    os.write(port, b"lost")
    until(lambda: line.counts()["to_vehicle"] == 4)
    line.join()
    os.write(port, b"heard")
    assert read(far, 5) == b"heard"


def test_a_stall_holds_everything_for_its_time(far: int, port: int, line: SerialLine) -> None:
    began_s = time.monotonic()
    line.stall(200)
    os.write(port, b"late")
    assert read(far, 4) == b"late"
    assert time.monotonic() - began_s >= 0.2


def test_what_it_does_not_understand_is_refused(line: SerialLine) -> None:
    with pytest.raises(SerialLineFailed, match="no such command"):
        line._do({"do": "explode"})
    assert line.counts()["faults"] == 0


def test_a_line_that_does_not_run_says_so(tmp_path: Path) -> None:
    with pytest.raises(SerialLineFailed, match="start it first"):
        SerialLine(tmp_path / "port", tmp_path / "none").unplug()


def test_a_vehicle_that_comes_back_is_heard_again(tmp_path: Path) -> None:
    vehicle = Vehicle(tmp_path / "vehicle")
    with SerialLine(tmp_path / "port", vehicle.line, latency_ms=1) as line:
        port = raw(line.bridge)
        for _ in range(2):
            vehicle.start()
            decoder = Decoder(cut=True)
            os.write(port, encode(unnumbered(0xF3, b"there?")))
            until(partial(_answered, port, decoder))
            vehicle.kill()
        os.close(port)


def _answered(port: int, decoder: Decoder) -> bool:
    os.write(port, encode(unnumbered(0xF3, b"there?")))
    octets = os.read(port, 4096) if select.select([port], [], [], 0.05)[0] else b""
    return any(frame.info == b"there?" for frame in decoder.feed(octets))

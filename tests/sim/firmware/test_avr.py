"""The same firmware as an image for an ATmega1284P: it fits, and it speaks through a simulated UART at 115200 baud."""

import json
import os
import re
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pytest

from sim.firmware import Product, build
from tests.sim.firmware.pty_bridge import DEADLINE_S, STARTED, Wire
from tests.sim.firmware.wire import Frame, encode, unnumbered

RAM_OCTETS = 16 * 1024
FLASH_OCTETS = 128 * 1024
STATUS = 0xC0
FRAMES, FRAMES_SOAKED = 100, 1_000
SHORT, LONGEST = bytes(range(38)), bytes(range(128, 256))
"""Information of TEST frames, without an octet that is escaped."""
ABOVE_WIRE_MAX = 0.35
"""Of the time on the wire, what a round trip may take more, by the board's clock. The firmware's own work and our
turn-around are in it: 20 to 27 % on a busy machine."""


class Board:
    """The simulated board as a process."""

    def __init__(self, folder: Path) -> None:
        self.line = folder / "line"
        self._truth = folder / "truth"
        words = [build(Product.AVR_BOARD), build(Product.AVR_IMAGE), self.line, self._truth]
        self.child = subprocess.Popen(words, stdout=subprocess.PIPE)
        assert self.child.stdout is not None
        while not (said := self.child.stdout.readline()).startswith(b"ready "):
            assert said, "the board ended"

    def seen(self, what: str) -> list[dict[str, int]]:
        lines = map(json.loads, self._truth.read_text(encoding="ascii").splitlines())
        return [line for line in lines if line["what"] == what]


@pytest.fixture
def board(tmp_path: Path) -> Iterator[Board]:
    board = Board(tmp_path)
    yield board
    board.child.send_signal(signal.SIGTERM)
    assert board.child.wait(DEADLINE_S) == 0
    assert board.child.stdout is not None
    board.child.stdout.close()


@pytest.fixture
def wire(board: Board) -> Iterator[Wire]:
    wire = Wire(board.line)
    yield wire
    os.close(wire.port)


def test_the_image_fits_and_leaves_most_of_the_memory_to_the_stack() -> None:
    said = subprocess.run(["avr-size", build(Product.AVR_IMAGE)], capture_output=True, check=True, text=True).stdout
    text, data, bss = map(int, re.findall(r"\d+", said.splitlines()[1])[:3])
    assert text + data < FLASH_OCTETS / 4
    assert data + bss < RAM_OCTETS / 4


def wire_s(info: bytes) -> float:
    """A TEST frame there and back."""
    return 2 * len(encode(unnumbered(0xF3, info))) * 10 / 115_200


@dataclass
class Trips:
    """How long frames took there and back, by our clock, and how long all of them took by the board's own."""

    each_s: list[float]
    mean_by_board_s: float


def trips(wire: Wire, info: bytes, frames: int) -> Trips:
    """Every frame is answered by its own octets, and the next one follows the answer."""
    wire.beats = False
    wire.until(lambda: wire.frames)
    each_s: list[float] = []
    told: list[tuple[int, int]] = []
    for number in range(frames):
        own = struct.pack("<H", number) + info[2:]
        wire.frames.clear()
        began_s = time.monotonic()
        wire.send(unnumbered(0xF3, own))
        wire.until(lambda own=own: any(frame.info == own for frame in wire.frames))  # type: ignore[misc]  # the loop's
        each_s.append(time.monotonic() - began_s)
        told += [(number, uptime_ms(frame)) for frame in wire.frames if frame.lane == 2 and frame.info[0] == STATUS]
    (first, from_ms), (last, until_ms) = told[0], told[-1]
    return Trips(each_s, (until_ms - from_ms) / 1000 / max(1, last - first))


def uptime_ms(status: Frame) -> int:
    return int.from_bytes(status.info[1:5], "little")


def test_every_frame_is_answered_and_none_faster_than_the_wire(wire: Wire) -> None:
    assert min(trips(wire, SHORT, FRAMES).each_s) > 0.9 * wire_s(SHORT)


@pytest.mark.soak
@pytest.mark.parametrize("info", [SHORT, LONGEST], ids=["short", "longest"])
def test_a_thousand_frames_all_come_back_about_as_fast_as_the_wire(wire: Wire, info: bytes) -> None:
    """By the board's clock: a busy machine simulates it slower than real, and says nothing by its own."""
    found, on_wire_s = trips(wire, info, FRAMES_SOAKED), wire_s(info)
    assert found.mean_by_board_s < (1 + ABOVE_WIRE_MAX) * on_wire_s, f"median by our clock: {median(found.each_s)} s"


def test_the_image_picks_once_stops_and_boots_latched_again(board: Board, wire: Wire) -> None:
    wire.until(lambda: wire.frames)
    assert wire.open()[0xF0, 0x12] == b"AVR-1"
    wire.complete(2, struct.pack("<IHH", 12, 0, 100))
    move = wire.complete(1, struct.pack("<IiihH", 1, 100_000, 0, -32768, 0), wanted=STARTED)
    wire.send(unnumbered(0x03, struct.pack("<BHB", 0xE1, 1, 1), lane=30))
    wire.until(lambda: wire.outcomes(move) == [1, 2, 4])
    wire.until(lambda: len(board.seen("move_end")) == len(board.seen("move_begin")))
    os.kill(board.child.pid, signal.SIGUSR1)
    wire.until(lambda: len(board.seen("boot")) == 2)
    assert [boot["cause"] for boot in board.seen("boot")] == [1, 3]
    assert wire.open(epoch=2)[0xF0, 0x13] == struct.pack(">I", 2)
    assert len(board.seen("pick")) == 1

"""The same firmware as an image for an ATmega1284P: it fits, and it speaks through a simulated UART at 115200 baud."""

import json
import os
import re
import signal
import struct
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sim.firmware import Product, build
from tests.sim.firmware.pty_bridge import DEADLINE_S, STARTED, Wire
from tests.sim.firmware.wire import encode, unnumbered

RAM_OCTETS = 16 * 1024
FLASH_OCTETS = 128 * 1024
FRAMES = 100
INFO = bytes(range(38))
WIRE_S = 2 * len(encode(unnumbered(0xF3, INFO))) * 10 / 115_200
"""A frame of 46 octets there and back."""


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


def test_every_frame_is_answered_and_none_faster_than_the_wire(wire: Wire) -> None:
    wire.beats = False
    wire.until(lambda: wire.frames)
    trips_s = []
    for number in range(FRAMES):
        info = bytes([number]) + INFO[1:]
        began_s = time.monotonic()
        wire.send(unnumbered(0xF3, info))
        wire.until(lambda info=info: any(frame.info == info for frame in wire.frames))  # type: ignore[misc]  # the loop's
        trips_s.append(time.monotonic() - began_s)
    assert min(trips_s) > 0.9 * WIRE_S


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

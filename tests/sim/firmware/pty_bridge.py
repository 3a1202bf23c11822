"""A small bridge on a real pty, for firmware that runs as a process or on a simulated board."""

import os
import select
import struct
import time
from collections.abc import Callable
from pathlib import Path

from tests.sim.firmware.wire import (
    Decoder,
    Frame,
    Result,
    command_body,
    encode,
    information,
    supervisory,
    unnumbered,
    xid_information,
    xid_parameters,
)

__all__ = ["DEADLINE_S", "FAILED", "STARTED", "Wire"]

DEADLINE_S = 20.0
BEAT_S = 0.05
TRIES_MAX = 10
STARTED, DONE, FAILED = 2, 3, 4
HEARTBEAT, RESET_ACK = 0xE0, 0xE4


class Wire:
    """Keeps the lease up while it waits, and acknowledges results."""

    def __init__(self, path: Path) -> None:
        self.port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        self.frames: list[Frame] = []
        self.results: list[Result] = []
        self.v_s = 0
        self.v_r = 0
        self.epoch = 0
        self.last_id = 0
        self.beats = True
        self._beaten_at_s = 0.0
        self._decoder = Decoder(cut=True)

    def send(self, frame: bytes) -> None:
        os.write(self.port, encode(frame))

    def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s
            self._pump()

    def open(self, epoch: int = 1) -> dict[tuple[int, int], bytes]:
        """Opens the link and releases the latch; returns what the vehicle says of itself."""
        self.frames.clear()
        self.send(unnumbered(0xBF, xid_information(epoch=epoch)))
        self.until(lambda: self.answers(0xBF))
        said = xid_parameters(self.answers(0xBF)[-1].info)
        self.send(unnumbered(0x7F))
        self.until(lambda: self.answers(0x73))
        self.v_s = self.v_r = 0
        self.epoch = epoch
        self.release()
        return said

    def release(self) -> None:
        """Resets the latch; again, when the lease had ended meanwhile."""
        while not self._reset_latch():
            pass

    def complete(self, code: int, body: bytes, wanted: int = DONE) -> int:
        """Sends a command until one comes as far as wanted: a busy machine keeps us from keeping the lease up."""
        for _ in range(TRIES_MAX):
            self.last_id += 1
            command_id = self.last_id
            self.command(code, command_id, self.epoch, body)
            self.until(lambda command_id=command_id: {wanted, FAILED} & {*self.outcomes(command_id)})  # type: ignore[misc]  # bound here
            if wanted in self.outcomes(command_id):
                return command_id
            self.release()
        raise AssertionError(f"{TRIES_MAX} times the lease was not kept up")

    def answers(self, control: int) -> list[Frame]:
        return [frame for frame in self.frames if frame.control == bytes([control])]

    def command(self, code: int, command_id: int, epoch: int, body: bytes = b"") -> None:
        number, self.v_s = self.v_s, (self.v_s + 1) % 128
        self.send(information(number, self.v_r, command_body(code, command_id, epoch, 65535, body)))

    def outcomes(self, command_id: int) -> list[int]:
        return [result.outcome for result in self.results if result.id == command_id]

    def _reset_latch(self) -> bool:
        before = len(self.frames)
        self._beat()
        self.until(lambda: self._stop_lane(HEARTBEAT, before))
        latch = self._stop_lane(HEARTBEAT, before)[-1].info[5:7]
        self._beat()
        self.send(unnumbered(0x03, b"\xe3" + latch, lane=30))
        self.until(lambda: self._stop_lane(RESET_ACK, before))
        return self._stop_lane(RESET_ACK, before)[-1].info[3] == 0

    def _stop_lane(self, code: int, first: int) -> list[Frame]:
        return [frame for frame in self.frames[first:] if frame.lane == 30 and frame.info[0] == code]

    def _beat(self) -> None:
        self._beaten_at_s = time.monotonic()
        self.send(unnumbered(0x03, struct.pack("<BHHHB", 0xE0, 1, 250, 0, 0), lane=30))

    def _pump(self) -> None:
        if self.beats and time.monotonic() - self._beaten_at_s >= BEAT_S:
            self._beat()
        if not select.select([self.port], [], [], BEAT_S / 5)[0]:
            return
        for frame in self._decoder.feed(os.read(self.port, 4096)):
            self.frames.append(frame)
            if frame.lane == 1 and not frame.control[0] & 1 and frame.control[0] >> 1 == self.v_r:
                self.results.append(Result.read(frame.info))
                self.v_r = (self.v_r + 1) % 128
                self.send(supervisory(0x01, self.v_r))

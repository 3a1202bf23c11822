"""`python -m sim.bench.far_end WHAT`: a vehicle reduced to what a benchmark times, in a process of its own.

`acks` sends I frames and times each RR; `stops` says when each STOP was complete. The first line on stdout is the pty
to open, each further line a JSON value.
"""

import json
import os
import select
import struct
import sys
import tty
from random import Random
from typing import Final

from firmware_bridge import now_us
from firmware_bridge._framing import Decoder, encode
from firmware_bridge.messages import TABLE_HASH

__all__ = ["FarEnd", "main"]

XID, XID_ANSWER = b"\x03\xbf", b"\x03\xbf"
SABME, UA = b"\x03\x7f", b"\x03\x73"
BRIDGE_SUPERVISORY, BRIDGE_INFORMATION = 0x05, 0x07
RESULT: Final = struct.Struct("<BIHBBB")
HEARTBEAT: Final = b"\x79\x03\xe0" + struct.pack("<HHHB", 1, 0, 1, 0)
STOP: Final = b"\x7b\x03\xe1"
HEARTBEAT_US: Final = 50_000
ANSWER_US_MAX: Final = 5_000_000
GAP_US: Final = (2_000, 6_000)
WARM_UP: Final = 20
"""First answers that do not count: the other side has just begun."""

NUMBERS: Final = 128
READ_OCTETS_MAX: Final = 4096


class FarEnd:
    """The vehicle's side of the link on a pty of its own: answers the opening and acknowledges commands."""

    def __init__(self) -> None:
        self._port, self._bridge_side = os.openpty()
        tty.setraw(self._bridge_side)
        self.path: Final = os.ttyname(self._bridge_side)
        self._decoder = Decoder()
        self._received = 0
        self._beat_us = 0
        self.is_open = False
        self.openings = 0
        self.acknowledged = -1

    def send(self, content: bytes) -> None:
        """One frame, at once."""
        os.write(self._port, encode(content))

    def take(self, until_us: int) -> list[tuple[int, int]]:
        """Serve the line until something came or the time is over; the stops that are complete: number and time."""
        left_us = max(until_us - now_us(), 0)
        if self.is_open and now_us() >= self._beat_us:
            self._beat_us = now_us() + HEARTBEAT_US
            self.send(HEARTBEAT)
        if not select.select([self._port], [], [], min(left_us, HEARTBEAT_US) / 1e6)[0]:
            return []
        octets = os.read(self._port, READ_OCTETS_MAX)
        at_us = now_us()
        numbers = map(self._frame, self._decoder.feed(octets))
        return [(number, at_us) for number in numbers if number]

    def _frame(self, frame: bytes) -> int:
        """Answers one frame; the number of a stop, else 0."""
        if frame[:2] == XID:
            self.send(XID_ANSWER + _identity())
        elif frame[:2] == SABME:
            self._received = 0
            self.is_open = False
            self.acknowledged = -1
            self.openings += 1
            self.send(UA)
        elif frame[:3] == STOP:
            self.send(b"\x79\x03\xe2" + frame[3:5] + b"\x01\x00")
            return int.from_bytes(frame[3:5], "little")
        elif frame[0] == BRIDGE_INFORMATION and frame[1] & 1:  # a poll: the opening is over
            self.is_open = True
            self.send(bytes((BRIDGE_INFORMATION, 1, self._received << 1 | 1)))
        elif frame[0] == BRIDGE_INFORMATION:
            self._information(frame[1] >> 1)
        elif frame[0] == BRIDGE_SUPERVISORY and frame[1] == 1:
            self.acknowledged = frame[2] >> 1
        return 0

    def _information(self, number: int) -> None:
        if number == self._received:
            self._received = (self._received + 1) % NUMBERS
        self.send(bytes((BRIDGE_INFORMATION, 1, self._received << 1)))


def _identity() -> bytes:
    """XID information (PROTOCOL.md, section 4)."""
    link = bytes.fromhex("06020400 080108")
    ours = b"\x00\x03SF1" + bytes.fromhex("01020100 0204") + TABLE_HASH.to_bytes(4, "big")
    ours += bytes.fromhex("1004 00140190 1304 00000001 140101 1504 00000000 1603 000100")
    groups = ((0x80, link), (0xF0, ours))
    return b"\x82" + b"".join(bytes((group,)) + struct.pack(">H", len(text)) + text for group, text in groups)


def _acks(far_end: FarEnd, count: int) -> None:
    """The time from each I frame to its RR, in microseconds, as one list."""
    random = Random(1)  # noqa: S311 - the same gaps in every run
    found: list[int] = []
    number, opening = 0, far_end.openings
    while len(found) < count + WARM_UP:
        content = bytes((BRIDGE_SUPERVISORY, number << 1, 0)) + RESULT.pack(0x80, 1, 1, 1, 0, 0)
        number = (number + 1) % NUMBERS
        sent_us = now_us()
        far_end.send(content)
        while far_end.acknowledged != number and far_end.openings == opening:
            far_end.take(sent_us + ANSWER_US_MAX)
            if now_us() > sent_us + ANSWER_US_MAX:
                raise SystemExit(f"no RR within {ANSWER_US_MAX / 1e6:.0f} s: is nobody at the line?")
        if far_end.openings == opening:
            found.append(now_us() - sent_us)
        else:  # the machine held one of us up for so long that the bridge began anew: counts start at zero
            _await_opening(far_end)
            number, opening = 0, far_end.openings
        gap_ends_us = now_us() + random.randint(*GAP_US)
        while now_us() < gap_ends_us:
            far_end.take(gap_ends_us)
    _say(found[WARM_UP:])


def _await_opening(far_end: FarEnd) -> None:
    while not far_end.is_open:
        far_end.take(now_us() + HEARTBEAT_US)


def _stops(far_end: FarEnd) -> None:
    """Each stop's number and when it was complete, as it happens, until it is ended."""
    last = 0
    while True:
        for number, at_us in far_end.take(now_us() + HEARTBEAT_US):
            if number != last:
                last = number
                _say([number, at_us])


def _say(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def main(what: str, count: int, *, opened: bool) -> None:
    """`acks COUNT`, with `opened` against a reader that knows no opening; or `stops`."""
    far_end = FarEnd()
    _say(far_end.path)
    far_end.is_open = opened
    _await_opening(far_end)
    if what == "acks":
        _acks(far_end, count)
    else:
        _stops(far_end)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), opened="opened" in sys.argv)

"""The firmware as a shared library, and a small bridge beside it, in a time that only the test moves."""

import ctypes
import struct
from functools import cache
from typing import Final, NamedTuple

from sim.firmware import Product, build
from tests.sim.firmware.wire import (
    Decoder,
    Frame,
    Result,
    Status,
    command_body,
    encode,
    information,
    supervisory,
    unnumbered,
    xid_information,
    xid_parameters,
)

__all__ = ["Bridge", "Seen"]

MOVE, PICK, DROP, PAUSE, RESUME, CANCEL, QUERY = range(1, 8)
SEEN: Final = ("boot", "latched", "released", "standstill", "move_begin", "move_end", "pick", "drop")
FOREVER_MS: Final = 65535
START_MS: Final = 0xFFFF_F000  # the firmware's clock wraps after four seconds


@cache
def library() -> ctypes.CDLL:
    return ctypes.CDLL(str(build(Product.LIBRARY)))


class Seen(NamedTuple):
    at_ms: int
    what: str
    first: int
    second: int


class Bridge:
    """Feeds the firmware and reads it; acknowledges what it sends, and keeps the lease up, unless told not to."""

    def __init__(self, *, boot_count: int = 1, reset_cause: int = 1, serial: bytes = b"AGV-7") -> None:
        self.at_ms = 0
        self.frames: list[Frame] = []
        self.results: list[Result] = []
        self.seen: list[Seen] = []
        self.acknowledges = True
        self.lease_ms: int | None = None
        self.v_s = 0
        self.v_r = 0
        self.epoch = 0
        self._beats = 0
        self._serial: Final = serial
        self._library: Final = library()
        self._octets: Final = ctypes.create_string_buffer(32768)
        self.reset(boot_count, reset_cause, keep_body=False)

    def reset(self, boot_count: int, reset_cause: int = 3, *, keep_body: bool = True) -> None:
        """The controller starts (again)."""
        self._decoder = Decoder()
        self._library.library_boot(self._serial, boot_count, reset_cause, int(keep_body), self._now())
        self._library.library_run(self._now())
        self._collect()

    # What goes out

    def line(self, octets: bytes) -> None:
        """Octets as they are on the line."""
        self._library.library_receive(octets, len(octets), self._now())
        self._collect()

    def send(self, *frames: bytes) -> list[Frame]:
        """Frames, one after the other; returns what the firmware answers at once, without its heartbeats."""
        before = len(self.frames)
        for frame in frames:
            self.line(encode(frame))
        return [frame for frame in self.frames[before:] if frame.lane != 2 and frame.info[:1] != b"\xe0"]

    def run(self, duration_ms: int) -> None:
        """Lets time pass, by the millisecond."""
        for _ in range(duration_ms):
            self.at_ms += 1
            if self.lease_ms is not None and self.at_ms % 50 == 0:
                self.beat(self.lease_ms)
            self._library.library_run(self._now())
            self._collect()

    def beat(self, lease_ms: int) -> None:
        self._beats += 1
        self.send(self.stop_lane(struct.pack("<BHHHB", 0xE0, self._beats, lease_ms, 0, 0)))

    def stop(self, number: int, reason: int = 1) -> list[Frame]:
        return self.send(self.stop_lane(struct.pack("<BHB", 0xE1, number, reason)))

    def reset_latch(self, number: int) -> list[Frame]:
        return self.send(self.stop_lane(struct.pack("<BH", 0xE3, number)))

    @staticmethod
    def stop_lane(info: bytes) -> bytes:
        return unnumbered(0x03, info, lane=30)

    def open(self, epoch: int = 1, window: int = 8) -> None:
        """XID and SABME, as section 4 has them."""
        self.send(unnumbered(0xBF, xid_information(epoch=epoch, window=window)))
        (answer,) = self.send(unnumbered(0x7F))
        assert answer.control == b"\x73"
        self.v_s = self.v_r = 0
        self.epoch = epoch

    def release(self) -> None:
        """A lease that is kept up, and a RESET of the present latch."""
        self.lease_ms = 250
        self.beat(250)
        (answer,) = self.reset_latch(self.latch()[0])
        assert answer.info[0] == 0xE4
        assert answer.info[3] == 0

    def ready(self, epoch: int = 1) -> "Bridge":
        """Open and released."""
        self.open(epoch)
        self.release()
        return self

    def command(
        self, code: int, command_id: int, body: bytes = b"", *, ttl_ms: int = FOREVER_MS, epoch: int | None = None
    ) -> list[Result]:
        """Sends a command in order; returns the results that came at once."""
        before = len(self.results)
        info = command_body(code, command_id, self.epoch if epoch is None else epoch, ttl_ms, body)
        number, self.v_s = self.v_s, (self.v_s + 1) % 128
        self.send(information(number, self.v_r, info))
        return self.results[before:]

    def move(
        self, command_id: int, x_mm: int, y_mm: int = 0, *, theta_mrad: int = -32768, **options: int
    ) -> list[Result]:
        body = struct.pack("<IiihH", options.pop("node", 1), x_mm, y_mm, theta_mrad, options.pop("speed_mm_s", 0))
        return self.command(MOVE, command_id, body, **options)

    def pick(self, command_id: int, *, station: int = 9, duration_ms: int = 1000) -> list[Result]:
        return self.command(PICK, command_id, struct.pack("<IHH", station, 0, duration_ms))

    def drop(self, command_id: int, *, station: int = 9, duration_ms: int = 1000) -> list[Result]:
        return self.command(DROP, command_id, struct.pack("<IHH", station, 0, duration_ms))

    def query(self, command_id: int, about: int) -> list[Result]:
        return self.command(QUERY, command_id, struct.pack("<I", about))

    # What came back

    def outcomes(self, command_id: int) -> list[tuple[int, int]]:
        """Outcome and reason of each result for an id."""
        return [(result.outcome, result.reason) for result in self.results if result.id == command_id]

    def introduction(self) -> dict[tuple[int, int], bytes]:
        """The parameters of a fresh XID response."""
        (answer,) = self.send(unnumbered(0xBF, xid_information(epoch=self.epoch or 1)))
        return xid_parameters(answer.info)

    def latch(self) -> tuple[int, int]:
        """Latch number and cause, from XID."""
        value = self.introduction()[0xF0, 0x16]
        return int.from_bytes(value[:2], "big"), value[2]

    def status(self) -> Status:
        """The last one sent."""
        return [Status.read(frame.info) for frame in self.frames if frame.info[:1] == b"\xc0"][-1]

    def happened(self, what: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.what == what]

    def counts(self) -> dict[str, int]:
        """What the receiver counted."""
        numbers = (ctypes.c_uint32 * 6)()
        self._library.library_counts(numbers)
        return dict(zip(("frames", "runts", "giants", "damaged", "aborted", "unknown"), numbers, strict=True))

    def driven(self) -> tuple[int, int]:
        """The set points in force."""
        numbers = (ctypes.c_int16 * 2)()
        self._library.library_driven(numbers)
        return numbers[0], numbers[1]

    def break_down(self, faults: int) -> None:
        self._library.library_break(faults)

    def give_room(self, octets: int) -> None:
        """How many octets the vehicle's transmitter takes."""
        self._library.library_give_room(octets)

    def _now(self) -> int:
        return (START_MS + self.at_ms) & 0xFFFF_FFFF

    def _collect(self) -> None:
        event = (ctypes.c_uint32 * 3)()
        while self._library.library_seen(event):
            self.seen.append(Seen(self.at_ms, SEEN[event[0]], event[1], event[2]))
        count = self._library.library_sent(self._octets, len(self._octets))
        for frame in self._decoder.feed(ctypes.string_at(self._octets, count)):
            self.frames.append(frame)
            if frame.lane == 1 and not frame.control[0] & 1:
                self._take_result(frame)

    def _take_result(self, frame: Frame) -> None:
        if not self.acknowledges or frame.control[0] >> 1 != self.v_r:
            return
        self.v_r = (self.v_r + 1) % 128
        self.results.append(Result.read(frame.info))
        self.line(encode(supervisory(0x01, self.v_r)))

"""Owns `python -m firmware_bridge ping`: identity by XID, then TEST frames there and back; opens no link."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from firmware_bridge._framing import Decoder, encode
from firmware_bridge._line import now_us
from firmware_bridge._station import Station
from firmware_bridge.errors import NoAnswer, WrongVersion
from firmware_bridge.events import Identity, LinkRefused
from firmware_bridge.messages import TABLE_HASH, RawEvent, event_of, identity_of
from firmware_bridge.tty import Tty

__all__ = ["Answers", "identify", "ping"]

XID_RESPONSE: Final = b"\x03\xbf"
TEST_COMMAND: Final = b"\x03\xf3"
TRIES: Final = 5
TRY_US: Final = 300_000
ANSWER_US: Final = 1_000_000
INFORMATION_MAX: Final = 128
NUMBER_OCTETS: Final = 2


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back: `sent` frames, and the round trip of each answered one in microseconds, sorted."""

    sent: int
    round_trips_us: tuple[int, ...]

    @property
    def median_us(self) -> float:
        """Half were faster."""
        return median(self.round_trips_us)

    @property
    def p99_us(self) -> int:
        """99 of 100 were at least this fast."""
        return self.round_trips_us[min(len(self.round_trips_us) * 99 // 100, len(self.round_trips_us) - 1)]


def identify(tty: Tty, port: str, baud: int) -> Identity:
    """Who is at the other end; raises NoAnswer or WrongVersion."""
    decoder, octets_seen = Decoder(), 0
    for _ in range(TRIES):
        station = Station(table=TABLE_HASH, baud=baud)
        station.port_opened(now_us())
        asked, _flush = station.poll(now_us())
        tty.write(asked)
        for octets in _read_until(tty, now_us() + TRY_US):
            octets_seen += len(octets)
            for frame in decoder.feed(octets):
                station.receive(encode(frame), now_us())
                _refuse_other_versions(station, port, baud)
                if frame.startswith(XID_RESPONSE) and identity_of(frame[2:]).boot_count:
                    return identity_of(frame[2:])
    raise NoAnswer(_no_answer(port, baud, octets_seen, decoder.frames))


def ping(tty: Tty, *, count: int, octets: int) -> Answers:
    """`count` TEST frames with `octets` of information, one after the other; one without answer in 1 s is lost."""
    decoder = Decoder()
    found = []
    for number in range(count):
        information = (number.to_bytes(NUMBER_OCTETS, "big") * INFORMATION_MAX)[:octets]
        frame = TEST_COMMAND + information
        sent_us = now_us()
        tty.write(encode(frame))
        for came in _read_until(tty, sent_us + ANSWER_US):
            if frame in decoder.feed(came):
                found.append(now_us() - sent_us)
                break
    return Answers(count, tuple(sorted(found)))


def _read_until(tty: Tty, end_us: int) -> Iterator[bytes]:
    while (left_us := end_us - now_us()) > 0:
        if octets := tty.read(left_us / 1e6):
            yield octets


def _refuse_other_versions(station: Station, port: str, baud: int) -> None:
    for raw in station.events():
        event = event_of(RawEvent(*raw), port, baud)
        if isinstance(event, LinkRefused):
            raise WrongVersion(f"{port}: {event.why}")


def _no_answer(port: str, baud: int, octets: int, frames: int) -> str:
    if frames:
        return f"{port}: {frames} frames came, but no answer to XID: does this firmware speak this protocol?"
    if octets:
        return f"{port}: {octets} octets came, none of them a frame: is the vehicle set to {baud} baud?"
    return f"{port}: no answer at {baud} baud: is the vehicle switched on, and are RX and TX crossed?"

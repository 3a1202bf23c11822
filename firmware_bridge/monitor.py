"""Owns `python -m firmware_bridge monitor`: shows frames and events in plain words; never feeds a lease."""

from collections.abc import Callable
from typing import Final

from firmware_bridge._framing import Decoder
from firmware_bridge._line import now_us
from firmware_bridge._station import Station
from firmware_bridge.frame_text import frame_text
from firmware_bridge.messages import TABLE_HASH, RawEvent, event_of
from firmware_bridge.tty import Tty

__all__ = ["Monitor"]

WAIT_US_MAX: Final = 100_000
TO_VEHICLE: Final = "->"
FROM_VEHICLE: Final = "<-"
TOLD: Final = "--"


class Monitor:
    """One line watched, with an open link or, if it only listens, without sending an octet.

    Without a heartbeat of ours the vehicle has no lease, so it does not move because someone watches.
    """

    def __init__(self, tty: Tty, port: str, baud: int, *, listens: bool, show: Callable[[str], None]) -> None:
        self._tty = tty
        self._port = port
        self._baud = baud
        self._listens = listens
        self._show = show
        self._station = Station(table=TABLE_HASH, baud=baud, epoch=now_us() // 1000 % 65535 + 1)
        self._decoder = Decoder()
        self._began_us = now_us()
        self._damaged = 0

    def run(self, for_us: int | None) -> None:
        """Watch for so long, or for ever."""
        self._station.port_opened(now_us())
        while for_us is None or now_us() < self._began_us + for_us:
            self._take(self._tty.read(self._wait_us() / 1e6))
            if not self._listens:
                self._send(self._station.poll(now_us())[0])
            self._tell()

    def _wait_us(self) -> int:
        if self._listens:
            return WAIT_US_MAX
        return min(self._station.deadline_us() - now_us(), WAIT_US_MAX)

    def _take(self, octets: bytes) -> None:
        for frame in self._decoder.feed(octets):
            self._line(FROM_VEHICLE, frame_text(frame))
        damaged = sum((self._decoder.damaged, self._decoder.runts, self._decoder.giants))
        if damaged != self._damaged:
            self._line(TOLD, f"{damaged - self._damaged} damaged frames, {damaged} so far")
            self._damaged = damaged
        if not self._listens:
            self._station.receive(octets, now_us())

    def _send(self, octets: bytes) -> None:
        if octets:
            self._tty.write(octets)
            for frame in Decoder().feed(octets):
                self._line(TO_VEHICLE, frame_text(frame))

    def _tell(self) -> None:
        for raw in self._station.events():
            self._line(TOLD, str(event_of(RawEvent(*raw), self._port, self._baud)))

    def _line(self, direction: str, text: str) -> None:
        self._show(f"{(now_us() - self._began_us) / 1e6:10.4f} {direction} {text}")

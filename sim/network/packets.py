"""Where MQTT packets begin and end in a stream of bytes, without holding any back (MQTT 5, 2.1)."""

from enum import IntEnum
from typing import Final, NamedTuple

__all__ = ["PacketFramer", "PacketType", "Piece"]

_LENGTH_OCTETS_MAX: Final = 4
_ENDLESS: Final = 1 << 62


class PacketType(IntEnum):
    """The control packets that faults aim at (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    SUBSCRIBE = 8
    SUBACK = 9
    PINGREQ = 12
    DISCONNECT = 14


class Piece(NamedTuple):
    """A part of one packet: `offset` octets of it came before, and `ends` says whether it is the last."""

    packet: int
    octets: bytes
    offset: int
    ends: bool


class PacketFramer:
    """Cuts one direction of a connection into pieces of packets; what is no MQTT becomes one packet without an end."""

    def __init__(self) -> None:
        self._begin()

    def feed(self, octets: bytes) -> list[Piece]:
        """The pieces that make up the octets, in order."""
        pieces = []
        at = 0
        while at < len(octets):
            begin = at
            while self._left is None and at < len(octets):
                self._header(octets[at], at - begin + self._offset)
                at += 1
            if self._left is not None:
                taken = min(self._left, len(octets) - at)
                at += taken
                self._left -= taken
            ends = self._left == 0
            pieces.append(Piece(self._packet, octets[begin:at], self._offset, ends))
            self._offset += at - begin
            if ends:
                self._begin()
        return pieces

    def _begin(self) -> None:
        self._packet = 0
        self._offset = 0
        self._length = 0
        self._left: int | None = None
        """Octets to come; None within the fixed header."""

    def _header(self, octet: int, index: int) -> None:
        if index == 0:
            self._packet = octet >> 4
            return
        self._length |= (octet & 0x7F) << 7 * (index - 1)  # 1.5.5, variable byte integer
        if octet < 0x80:
            self._left = self._length
        elif index == _LENGTH_OCTETS_MAX:
            self._left = _ENDLESS

"""What a line does to MQTT packets on purpose: to PUBACKs by chance, and once to a packet that was chosen.

Pure: randomness is passed in. It sees packets only in plaintext; TLS hides them from it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import NamedTuple

from sim.network.packets import PacketFramer, PacketType, Piece

__all__ = ["Meddler", "PacketFaults", "Parcel", "PubackFaults", "Then", "Trap"]


@dataclass(frozen=True, slots=True)
class PubackFaults:
    """Which part of the PUBACKs never comes, comes `late_s` later than what follows it, or comes twice."""

    lost: float = 0.0
    late: float = 0.0
    doubled: float = 0.0
    late_s: float = 0.1

    def __post_init__(self) -> None:
        if min(self.lost, self.late, self.doubled, self.late_s) < 0 or self.lost + self.late + self.doubled > 1:
            raise ValueError(f"{self}: expected parts of at most 1 together, and no negative number")


class Then(StrEnum):
    """What happens at a trap."""

    RESET = "reset"  # both ends get a RST
    SILENCE = "silence"  # nothing passes any more on this connection, and nobody is told
    NO_ANSWER = "no_answer"  # the same, but only on the way back
    FLIP = "flip"  # the lowest bit of the octet arrives wrong


@dataclass(frozen=True, slots=True)
class Trap:
    """At the `nth` packet of a type from now on, after `octets` of it (None: all), something happens once."""

    packet: PacketType
    then: Then
    nth: int = 1
    octets: int | None = None


class Parcel(NamedTuple):
    """Octets that travel together; `late_s` longer than what is sent after them."""

    octets: bytes
    late_s: float = 0.0


class PacketFaults:
    """The faults of one direction of a line, for all its connections, and how often each struck."""

    def __init__(self) -> None:
        self.pubacks = PubackFaults()
        self.pubacks_lost = 0
        self.pubacks_late = 0
        self.pubacks_doubled = 0
        self.sprung = 0
        """Traps that something ran into."""
        self._trap: Trap | None = None
        self._until_trap = 0

    def set_trap(self, trap: Trap) -> None:
        """Replaces the trap that was there."""
        self._trap, self._until_trap = trap, trap.nth

    @property
    def idle(self) -> bool:
        """Whether every packet passes as it is."""
        return self._trap is None and self.pubacks == PubackFaults()

    def trap_for(self, piece: Piece) -> Trap | None:
        """The trap, if this piece runs into it; from then on there is none."""
        trap = self._trap
        if trap is None or piece.packet != trap.packet:
            return None
        self._until_trap -= piece.offset == 0
        if self._until_trap > 0:
            return None
        reached = piece.ends if trap.octets is None else piece.ends or piece.offset + len(piece.octets) > trap.octets
        if not reached:
            return None
        self._trap = None
        self.sprung += 1
        return trap

    def puback(self, octets: bytes, random: Random) -> Iterator[Parcel]:
        """What becomes of one PUBACK."""
        faults, chance = self.pubacks, random.random()
        if chance < faults.lost:
            self.pubacks_lost += 1
        elif chance < faults.lost + faults.late:
            self.pubacks_late += 1
            yield Parcel(octets, faults.late_s)
        elif chance < faults.lost + faults.late + faults.doubled:
            self.pubacks_doubled += 1
            yield Parcel(octets * 2)
        else:
            yield Parcel(octets)


class Meddler:
    """Does one direction's faults to one connection's bytes."""

    def __init__(self, faults: PacketFaults, random: Random) -> None:
        self._faults = faults
        self._random = random
        self._framer = PacketFramer()
        self._puback = b""

    def pass_on(self, octets: bytes) -> Iterator[Parcel | Then]:
        """What arrives of these octets, and what happens in between."""
        pieces = self._framer.feed(octets)
        if self._faults.idle and not self._puback:
            yield Parcel(octets)
            return
        for piece in pieces:
            if trap := self._faults.trap_for(piece):
                yield from _spring(trap, piece)
            elif piece.packet == PacketType.PUBACK and (self._puback or piece.offset == 0):
                yield from self._collect(piece)
            else:
                yield Parcel(piece.octets)

    def _collect(self, piece: Piece) -> Iterator[Parcel]:
        self._puback += piece.octets
        if piece.ends:
            whole, self._puback = self._puback, b""
            yield from self._faults.puback(whole, self._random)


def _spring(trap: Trap, piece: Piece) -> Iterator[Parcel | Then]:
    size = len(piece.octets)
    at = size if trap.octets is None else min(size, max(0, trap.octets - piece.offset))
    if trap.then is Then.FLIP:
        at = min(at, size - 1)
        yield Parcel(piece.octets[:at] + bytes([piece.octets[at] ^ 1]) + piece.octets[at + 1 :])
        return
    if at:
        yield Parcel(piece.octets[:at])
    yield trap.then
    if at < size:
        yield Parcel(piece.octets[at:])

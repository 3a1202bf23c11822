"""Owns what a vehicle can be told: one frozen value per command and its octets (PROTOCOL.md, section 8)."""

import struct
from dataclasses import dataclass
from typing import ClassVar, Final

__all__ = ["NO_TIME_LIMIT", "Cancel", "Command", "Drop", "Move", "Pause", "Pick", "Query", "Resume"]

NO_TIME_LIMIT: Final = 65535
"""As `ttl_ms`: the command may wait as long as it has to."""

IDS_MAX: Final = 0xFFFF_FFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """Base: `command_id` 1..2^32-1 rises and is never used twice for a vehicle; `ttl_ms` 0..65535 until it starts."""

    CODE: ClassVar[int]
    LAYOUT: ClassVar[struct.Struct] = struct.Struct("<")

    command_id: int
    ttl_ms: int

    def __post_init__(self) -> None:
        """Refuse what the wire cannot carry: ValueError names the command and what was expected."""
        if not 1 <= self.command_id <= IDS_MAX:
            raise ValueError(f"command_id {self.command_id}: expected 1..{IDS_MAX}")
        if not 0 <= self.ttl_ms <= NO_TIME_LIMIT:
            raise ValueError(f"ttl_ms {self.ttl_ms}: expected 0..{NO_TIME_LIMIT}, {NO_TIME_LIMIT} for no limit")
        try:
            self.body()
        except struct.error as error:
            raise ValueError(f"{self}: a field does not fit its place on the wire: {error}") from error

    def fields(self) -> tuple[int, ...]:
        """What stands behind the header, in the order of the message table."""
        return ()

    def body(self) -> bytes:
        """The fields as octets."""
        return self.LAYOUT.pack(*self.fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class Move(Command):
    """Straight to a point of the vehicle's map: mm; heading in mrad or None for any; mm/s, 0 for the vehicle's own."""

    CODE = 0x01
    LAYOUT = struct.Struct("<IiihH")
    ANY_HEADING: ClassVar[int] = -32768

    node: int
    x_mm: int
    y_mm: int
    theta_mrad: int | None = None
    speed_mm_s: int = 0

    def fields(self) -> tuple[int, ...]:
        """As in the message table."""
        theta_mrad = self.ANY_HEADING if self.theta_mrad is None else self.theta_mrad
        return (self.node, self.x_mm, self.y_mm, theta_mrad, self.speed_mm_s)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load(Command):
    LAYOUT = struct.Struct("<IHH")

    station: int
    height_mm: int = 0
    duration_ms: int = 0

    def fields(self) -> tuple[int, ...]:
        return (self.station, self.height_mm, self.duration_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick(_Load):
    """Take the load at a station: height in mm, `duration_ms` 0 for the vehicle's own."""

    CODE = 0x02


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(_Load):
    """Put the load down at a station: height in mm, `duration_ms` 0 for the vehicle's own."""

    CODE = 0x03


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Command):
    """Stand still and keep what was to be done."""

    CODE = 0x04


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Command):
    """Go on after a Pause."""

    CODE = 0x05


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancel(Command):
    """Stand still and forget what runs and waits."""

    CODE = 0x06


@dataclass(frozen=True, slots=True, kw_only=True)
class Query(Command):
    """Ask what became of the command `about`; the answering Result has its id."""

    CODE = 0x07
    LAYOUT = struct.Struct("<I")

    about: int

    def fields(self) -> tuple[int, ...]:
        """As in the message table."""
        return (self.about,)

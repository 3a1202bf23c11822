"""Owns what the bridge reports: one frozen value per event. Times are microseconds of CLOCK_MONOTONIC."""

from dataclasses import dataclass
from enum import IntEnum, IntFlag, StrEnum

__all__ = [
    "Event",
    "Faults",
    "Identity",
    "LatchCause",
    "Latched",
    "LinkDown",
    "LinkRefused",
    "LinkUp",
    "NotSent",
    "NotSentReason",
    "Notice",
    "Outcome",
    "PortLost",
    "PortOpened",
    "Reason",
    "ReleaseFailed",
    "Released",
    "ResetCause",
    "Result",
    "Status",
    "StatusFlags",
    "StopAcknowledged",
    "StopReason",
]


class Outcome(IntEnum):
    """What became of a command (PROTOCOL.md, section 6)."""

    UNKNOWN = 0
    ACCEPTED = 1
    STARTED = 2
    DONE = 3
    FAILED = 4
    DUPLICATE = 5
    EXPIRED = 6


class Reason(IntEnum):
    """Why a command failed (PROTOCOL.md, section 6); OTHER: one this version does not know."""

    NONE = 0
    LATCHED = 1
    STOPPED = 2
    CANCELLED = 3
    QUEUE_FULL = 4
    STALE = 5
    FORGOTTEN = 6
    UNSUPPORTED = 7
    IMPOSSIBLE = 8
    FAULT = 9
    PAUSED = 10
    OTHER = 255


class LatchCause(IntEnum):
    """What latched the vehicle (PROTOCOL.md, section 7); OTHER: one this version does not know."""

    RELEASED = 0
    BOOT = 1
    STOP = 2
    LEASE = 3
    FAULT = 4
    OTHER = 255


class ResetCause(IntEnum):
    """Why the vehicle's controller started last (PROTOCOL.md, section 4)."""

    NOT_KNOWN = 0
    POWER = 1
    PIN = 2
    WATCHDOG = 3
    SOFTWARE = 4


class StopReason(IntEnum):
    """Who wants the stop (PROTOCOL.md, section 8)."""

    PERSON = 1
    ORDER = 2
    BRIDGE = 3
    TEST = 4


class StatusFlags(IntFlag):
    """Bits of Status.flags."""

    MOVING = 1
    LOADED = 2
    PAUSED = 4
    CHARGING = 8
    LATCHED = 16
    LEASE_RUNNING = 32
    LINK_OPEN = 64


class Faults(IntFlag):
    """Bits of Status.faults."""

    DRIVE = 1
    LIFT = 2
    POSITION_LOST = 4
    BATTERY = 8


class NotSentReason(StrEnum):
    """Why a command never went to the line; the value is the sentence."""

    EXPIRED = "its time to live ended while it waited in the bridge"
    LINK_CLOSED = "the link closed before it was sent"


@dataclass(frozen=True, slots=True)
class Identity:
    """What the vehicle says of itself when a link opens; lease bounds in ms, `last_command` 0 for none."""

    firmware: str
    vehicle: str
    protocol: tuple[int, int]
    boot_count: int
    reset_cause: ResetCause
    last_command: int
    latch: int
    latch_cause: LatchCause
    lease_min_ms: int
    lease_max_ms: int
    window: int


@dataclass(frozen=True, slots=True)
class Event:
    """Base: when the bridge saw it."""

    at_us: int


@dataclass(frozen=True, slots=True)
class PortOpened(Event):
    """The serial port is open and ours alone."""

    port: str


@dataclass(frozen=True, slots=True)
class PortLost(Event):
    """The serial port cannot be opened, or went away; the bridge keeps trying. Said once per reason."""

    port: str
    why: str


@dataclass(frozen=True, slots=True)
class LinkUp(Event):
    """Commands are taken from here on. Now ask by Query for each command without a final outcome."""

    epoch: int
    identity: Identity


@dataclass(frozen=True, slots=True)
class LinkRefused(Event):
    """The vehicle speaks another version: no command is sent; telemetry, heartbeat and stop go on."""

    why: str


@dataclass(frozen=True, slots=True)
class LinkDown(Event):
    """No command is taken until the next LinkUp. What was sent may have been done: ask, never repeat."""

    epoch: int
    why: str


@dataclass(frozen=True, slots=True)
class Result(Event):
    """The vehicle's word on a command; `prior` belongs to DUPLICATE."""

    command_id: int
    epoch: int
    outcome: Outcome
    reason: Reason
    prior: Outcome


@dataclass(frozen=True, slots=True)
class NotSent(Event):
    """A command that was taken but never went to the line: it was not and will not be done."""

    command_id: int
    why: NotSentReason


@dataclass(frozen=True, slots=True)
class Status(Event):
    """The vehicle's state; only the latest one is kept. mm, mrad, mm/s, mrad/s, permille."""

    uptime_ms: int
    x_mm: int
    y_mm: int
    theta_mrad: int
    speed_mm_s: int
    turn_mrad_s: int
    charge_permille: int
    flags: StatusFlags
    faults: Faults
    command: int
    node: int
    picks: int
    drops: int


@dataclass(frozen=True, slots=True)
class Latched(Event):
    """The vehicle stands and stays so until a person releases this latch number."""

    latch: int
    cause: LatchCause


@dataclass(frozen=True, slots=True)
class Released(Event):
    """The latch is open: motion needs a new command."""

    latch: int


@dataclass(frozen=True, slots=True)
class ReleaseFailed(Event):
    """A release that did not release: why, and the latch it asked for."""

    asked: int
    why: str


@dataclass(frozen=True, slots=True)
class StopAcknowledged(Event):
    """The vehicle commanded standstill for this stop number and latched."""

    stop: int
    latch: int


@dataclass(frozen=True, slots=True)
class Notice(Event):
    """A line of text from the vehicle; control characters are replaced."""

    text: str

"""Owns the message table of the wire (PROTOCOL.md, section 8): its hash, and raw events made into values."""

import struct
from collections.abc import Callable, Iterator
from enum import IntEnum
from typing import Final, NamedTuple, TypeVar

from firmware_bridge._framing import fcs
from firmware_bridge.events import (
    Event,
    Faults,
    Identity,
    LatchCause,
    Latched,
    LinkDown,
    LinkRefused,
    LinkUp,
    Notice,
    NotSent,
    NotSentReason,
    Outcome,
    PortLost,
    PortOpened,
    Reason,
    Released,
    ReleaseFailed,
    ResetCause,
    Result,
    Status,
    StatusFlags,
    StopAcknowledged,
)
from firmware_bridge.port import port_problem

__all__ = ["MESSAGES", "PROTOCOL", "TABLE_HASH", "RawEvent", "event_of", "identity_of", "printable"]

PROTOCOL: Final = (1, 0)
"""Major and minor of PROTOCOL.md as the compiled station sends them."""

MESSAGES: Final = """\
01 MOVE node:u32 x_mm:i32 y_mm:i32 theta_mrad:i16 speed_mm_s:u16
02 PICK station:u32 height_mm:u16 duration_ms:u16
03 DROP station:u32 height_mm:u16 duration_ms:u16
04 PAUSE
05 RESUME
06 CANCEL
07 QUERY command:u32
80 RESULT id:u32 epoch:u16 outcome:u8 reason:u8 prior:u8
C0 STATUS uptime_ms:u32 x_mm:i32 y_mm:i32 theta_mrad:i16 speed_mm_s:i16 turn_mrad_s:i16 charge_permille:u16 \
flags:u16 faults:u16 command:u32 node:u32 picks:u32 drops:u32
C1 NOTICE text:ascii
E0 HEARTBEAT counter:u16 lease_ms:u16 latch:u16 cause:u8
E1 STOP stop:u16 reason:u8
E2 STOP_ACK stop:u16 latch:u16
E3 RESET latch:u16
E4 RESET_ACK latch:u16 cause:u8
"""
"""The lines that the hash is taken over."""

TABLE_HASH: Final = fcs(MESSAGES.encode("ascii"))
"""What both sides compare before a command is sent."""

RESULT: Final = struct.Struct("<xIHBBB")
STATUS: Final = struct.Struct("<xIiihhhHHHIIII")
LINK_DOWN_WHY: Final = (
    "the port went away",
    "the vehicle closed the link",
    "the vehicle acknowledged nothing five times in a row",
    "the vehicle acknowledged what was not sent",
    "nothing was heard from the vehicle for half a second",
    "the vehicle lost its side of the link",
    "the bridge was closed",
)
LINK_REFUSED_TODO: Final = "update the older of the two; until then no command is sent"

Member = TypeVar("Member", bound=IntEnum)


class RawEvent(NamedTuple):
    """An event as the compiled station gives it; the meaning of the numbers stands in _queues.pxd."""

    kind: int
    at_us: int
    small: int
    number: int
    wide: int
    octets: bytes


def event_of(raw: RawEvent, port: str, baud: int) -> Event:
    """The event in full."""
    return _READERS[raw.kind](raw, port, baud)


def identity_of(information: bytes) -> Identity:
    """What a vehicle's XID says; parameters that are missing or of another size read as zero or empty."""
    found = dict(_parameters(information))
    return Identity(
        firmware=printable(found.get(0x11, b"")),
        vehicle=printable(found.get(0x12, b"")),
        protocol=_pair(found, 0x01, 1),
        boot_count=_number(found, 0x13),
        reset_cause=_known(ResetCause, _number(found, 0x14), ResetCause.NOT_KNOWN),
        last_command=_number(found, 0x15),
        latch=_number(found, 0x16) >> 8,
        latch_cause=_known(LatchCause, _number(found, 0x16) & 0xFF, LatchCause.OTHER),
        lease_min_ms=_pair(found, 0x10, 2)[0],
        lease_max_ms=_pair(found, 0x10, 2)[1],
        window=_number(found, -0x08),
    )


def printable(octets: bytes) -> str:
    """The vehicle's text as it may stand in a log: ASCII without control characters."""
    return "".join(chr(octet) if 0x20 <= octet < 0x7F else "?" for octet in octets)


def _parameters(information: bytes) -> Iterator[tuple[int, bytes]]:
    """Parameters of group F0 by their number, those of group 80 by their negative one."""
    at = 1
    while at + 3 <= len(information):
        group, length = information[at], int.from_bytes(information[at + 1 : at + 3], "big")
        at, end = at + 3, min(at + 3 + length, len(information))
        while at + 2 <= end:
            name, size = information[at], information[at + 1]
            yield (name if group == 0xF0 else -name), information[at + 2 : min(at + 2 + size, end)]
            at += 2 + size
        at = end


def _number(found: dict[int, bytes], name: int) -> int:
    return int.from_bytes(found.get(name, b""), "big")


def _pair(found: dict[int, bytes], name: int, size: int) -> tuple[int, int]:
    octets = found.get(name, b"")
    return int.from_bytes(octets[:size], "big"), int.from_bytes(octets[size : 2 * size], "big")


def _known(members: type[Member], value: int, otherwise: Member) -> Member:
    """The member with this value; a newer minor version may have others."""
    try:
        return members(value)
    except ValueError:
        return otherwise


def _port_opened(raw: RawEvent, port: str, baud: int) -> Event:
    del baud
    return PortOpened(raw.at_us, port)


def _port_lost(raw: RawEvent, port: str, baud: int) -> Event:
    return PortLost(raw.at_us, port, port_problem(port, baud, raw.small, raw.wide))


def _link_up(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    return LinkUp(raw.at_us, raw.number, identity_of(raw.octets))


def _link_refused(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    found = dict(_parameters(raw.octets))
    ours, theirs = ".".join(map(str, PROTOCOL)), ".".join(map(str, _pair(found, 0x01, 1)))
    table, octets = _number(found, 0x02), _number(found, -0x06) // 8
    why = (
        "",
        f"the vehicle speaks protocol {theirs}, this bridge {ours}: {LINK_REFUSED_TODO}",
        f"the vehicle's message table is {table:08X}, this bridge's {TABLE_HASH:08X}: {LINK_REFUSED_TODO}",
        f"the vehicle takes {octets} octets of information, but commands need 32: update its firmware",
    )
    return LinkRefused(raw.at_us, why[raw.small])


def _link_down(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    return LinkDown(raw.at_us, raw.number, LINK_DOWN_WHY[raw.small])


def _result(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    command_id, epoch, outcome, reason, prior = RESULT.unpack_from(raw.octets)
    return Result(
        raw.at_us,
        command_id,
        epoch,
        _known(Outcome, outcome, Outcome.UNKNOWN),
        _known(Reason, reason, Reason.OTHER),
        _known(Outcome, prior, Outcome.UNKNOWN),
    )


def _not_sent(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    return NotSent(raw.at_us, raw.wide, NotSentReason.LINK_CLOSED if raw.small else NotSentReason.EXPIRED)


def _status(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    uptime, x, y, theta, speed, turn, charge, flags, faults, command, node, picks, drops = STATUS.unpack_from(
        raw.octets
    )
    numbers = (uptime, x, y, theta, speed, turn, charge)
    return Status(raw.at_us, *numbers, StatusFlags(flags), Faults(faults), command, node, picks, drops)


def _latched(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    return Latched(raw.at_us, raw.number, _known(LatchCause, raw.small, LatchCause.OTHER))


def _released(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    return Released(raw.at_us, raw.number)


def _release_failed(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    if raw.wide:
        cause = _known(LatchCause, raw.small, LatchCause.OTHER).name
        why = (
            f"the vehicle is still latched: latch {raw.wide}, cause {cause}; a running lease and no open stop is needed"
        )
    else:
        why = "the vehicle did not answer"
    return ReleaseFailed(raw.at_us, raw.number, why)


def _stop_acknowledged(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    return StopAcknowledged(raw.at_us, raw.number, raw.wide)


def _notice(raw: RawEvent, port: str, baud: int) -> Event:
    del port, baud
    return Notice(raw.at_us, printable(raw.octets[1:]))


# In the order of EventKind in _queues.pxd.
_READERS: Final[tuple[Callable[[RawEvent, str, int], Event], ...]] = (
    _port_opened,
    _port_lost,
    _link_up,
    _link_refused,
    _link_down,
    _result,
    _not_sent,
    _status,
    _latched,
    _released,
    _release_failed,
    _stop_acknowledged,
    _notice,
)

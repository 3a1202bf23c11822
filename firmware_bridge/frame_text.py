"""Owns how a frame reads in plain words; knows the wire (PROTOCOL.md), not the link's state."""

import struct
from collections.abc import Callable, Mapping
from enum import IntEnum
from typing import Final

from firmware_bridge.events import Faults, LatchCause, Outcome, Reason, StatusFlags, StopReason
from firmware_bridge.messages import STATUS, identity_of, printable

__all__ = ["frame_text"]

UNNUMBERED: Final = {0x6F: "SABME", 0x63: "UA", 0x43: "DISC", 0x0F: "DM", 0xAF: "XID", 0xE3: "TEST", 0x03: "UI"}
SUPERVISORY: Final = {0x01: "RR", 0x05: "RNR", 0x09: "REJ"}
POLL_FINAL: Final = 0x10
COMMANDS: Final = {1: "MOVE", 2: "PICK", 3: "DROP", 4: "PAUSE", 5: "RESUME", 6: "CANCEL", 7: "QUERY"}
LANES: Final = {0: "link", 1: "commands", 2: "telemetry", 30: "stop"}


def frame_text(content: bytes) -> str:
    """Address, control and information (2..131 octets) in words; what is not defined is shown as octets."""
    lane, control = content[0] >> 2, content[1]
    where = LANES.get(lane, f"lane {lane}")
    try:
        if lane == 1:
            return f"{where}: {_sequenced(content)}"
        name = UNNUMBERED.get(control & ~POLL_FINAL, f"control {control:02X}")
        if name == "UI":
            return f"{where}: {_message(content[2:])}"
        return f"{where}: {name}{_poll_final(bool(control & POLL_FINAL))}{_link_information(name, content[2:])}"
    except (IndexError, struct.error):
        return f"{where}: not understood: {content.hex(' ')}"


def _poll_final(is_set: object) -> str:
    return " P/F" if is_set else ""


def _link_information(name: str, information: bytes) -> str:
    if name == "TEST":
        return f", {len(information)} octets"
    if name != "XID" or not information:
        return f", {information.hex(' ')}" if information else ""
    who = identity_of(information)
    said = f", protocol {who.protocol[0]}.{who.protocol[1]}"
    if not who.firmware:
        return said
    return (
        f"{said}, vehicle {who.vehicle}, firmware {who.firmware}, boot {who.boot_count} by {who.reset_cause.name}, "
        f"last command {who.last_command}, latch {who.latch} {who.latch_cause.name}"
    )


def _sequenced(content: bytes) -> str:
    control, number = content[1], content[2]
    received = f"expects {number >> 1}{_poll_final(number & 1)}"
    if control & 1:
        return f"{SUPERVISORY.get(control, f'control {control:02X}')} {received}"
    return f"I {control >> 1}, {received}: {_message(content[3:])}"


def _message(message: bytes) -> str:
    code = message[0]
    if code in COMMANDS:
        command, epoch, ttl_ms = struct.unpack_from("<xIHH", message)
        limit = "no time limit" if ttl_ms == 0xFFFF else f"{ttl_ms} ms left"
        return f"{COMMANDS[code]} {command}, epoch {epoch}, {limit}, {_body(code, message[9:])}".removesuffix(", ")
    return _READERS.get(code, _unknown)(message)


def _body(code: int, body: bytes) -> str:
    if code == 1:
        node, x, y, theta, speed = struct.unpack_from("<IiihH", body)
        heading = "any heading" if theta == -32768 else f"{theta} mrad"
        return f"to node {node} at {x}, {y} mm, {heading}, {speed or 'own'} mm/s"
    if code in {2, 3}:
        station, height, duration = struct.unpack_from("<IHH", body)
        return f"at station {station}, height {height} mm, {duration or 'own'} ms"
    return f"about {struct.unpack_from('<I', body)[0]}" if code == 7 else ""


def _name(members: type[IntEnum], value: int) -> str:
    return members(value).name if value in set(members) else str(value)


def _unknown(message: bytes) -> str:
    return f"message {message.hex(' ')}"


def _result(message: bytes) -> str:
    command, epoch, outcome, reason, prior = struct.unpack_from("<xIHBBB", message)
    said = f"RESULT {command}, epoch {epoch}: {_name(Outcome, outcome)}"
    said += f" {_name(Reason, reason)}" if reason else ""
    return said + (f", was {_name(Outcome, prior)}" if prior else "")


def _status(message: bytes) -> str:
    uptime, x, y, theta, speed, turn, charge, flags, faults, command, node, picks, drops = STATUS.unpack_from(message)
    words = "+".join(flag.name or "" for flag in StatusFlags(flags)) or "still"
    broken = "+".join(fault.name or "" for fault in Faults(faults)) or "none"
    return (
        f"STATUS up {uptime} ms, at {x}, {y} mm, {theta} mrad, {speed} mm/s, {turn} mrad/s, charge {charge / 10} %, "
        f"{words}, faults {broken}, command {command}, node {node}, picks {picks}, drops {drops}"
    )


def _notice(message: bytes) -> str:
    return f"NOTICE {printable(message[1:])}"


def _heartbeat(message: bytes) -> str:
    counter, lease_ms, latch, cause = struct.unpack_from("<xHHHB", message)
    return f"HEARTBEAT {counter}, lease {lease_ms} ms, latch {latch} {_name(LatchCause, cause)}"


def _stop(message: bytes) -> str:
    number, reason = struct.unpack_from("<xHB", message)
    return f"STOP {number}, {_name(StopReason, reason)}"


def _stop_ack(message: bytes) -> str:
    number, latch = struct.unpack_from("<xHH", message)
    return f"STOP_ACK {number}, latch {latch}"


def _reset(message: bytes) -> str:
    return f"RESET latch {struct.unpack_from('<xH', message)[0]}"


def _reset_ack(message: bytes) -> str:
    latch, cause = struct.unpack_from("<xHB", message)
    return f"RESET_ACK latch {latch} {_name(LatchCause, cause)}"


_READERS: Final[Mapping[int, Callable[[bytes], str]]] = {
    0x80: _result,
    0xC0: _status,
    0xC1: _notice,
    0xE0: _heartbeat,
    0xE1: _stop,
    0xE2: _stop_ack,
    0xE3: _reset,
    0xE4: _reset_ack,
}

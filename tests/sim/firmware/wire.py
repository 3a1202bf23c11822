"""A peer's view of the wire, written from PROTOCOL.md alone: frames, XID, messages."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from zlib import crc32

__all__ = [
    "FLAG",
    "Decoder",
    "Frame",
    "Result",
    "Status",
    "command_body",
    "encode",
    "information",
    "supervisory",
    "unnumbered",
    "xid_information",
    "xid_parameters",
]

FLAG = b"\x7e"
TABLE_HASH = 0x04344AD8  # test_opening computes it from the document


def encode(octets: bytes) -> bytes:
    """Address, control and information as they go to the line (section 1)."""
    body = octets + struct.pack("<I", crc32(octets))
    return FLAG + body.replace(b"\x7d", b"\x7d\x5d").replace(b"\x7e", b"\x7d\x5e") + FLAG


@dataclass(frozen=True, slots=True)
class Frame:
    """What came between two flags, checked."""

    lane: int
    sense: int
    control: bytes
    info: bytes


class Decoder:
    """Octets in, good frames out; a bad one is an error, for the firmware sends none, unless `cut` by a reset."""

    def __init__(self, *, cut: bool = False) -> None:
        self._cut = cut
        self._rest = b""

    def feed(self, octets: bytes) -> Iterator[Frame]:
        *whole, self._rest = (self._rest + octets).split(FLAG)
        for part in filter(None, whole):
            body = part.replace(b"\x7d\x5e", b"\x7e").replace(b"\x7d\x5d", b"\x7d")
            good = 6 <= len(body) <= 135 and struct.unpack("<I", body[-4:]) == (crc32(body[:-4]),)
            assert good or self._cut
            if good:
                assert b"\x7d" not in part.replace(b"\x7d\x5e", b"").replace(b"\x7d\x5d", b"")
                yield _frame(body[:-4])


def _frame(octets: bytes) -> Frame:
    assert octets[0] & 1
    size = 1 if octets[1] & 3 == 3 else 2
    return Frame(octets[0] >> 2, octets[0] >> 1 & 1, octets[1 : 1 + size], octets[1 + size :])


def unnumbered(control: int, info: bytes = b"", *, lane: int = 0, sense: int = 1) -> bytes:
    """A U frame; the bridge's commands carry C/R 1, its responses 0."""
    return bytes([lane << 2 | sense << 1 | 1, control]) + info


def information(n_s: int, n_r: int, info: bytes, *, poll: bool = False) -> bytes:
    """An I frame of the bridge."""
    return bytes([1 << 2 | 1 << 1 | 1, n_s << 1, n_r << 1 | poll]) + info


def supervisory(kind: int, n_r: int, *, poll: bool = False, final: bool = False) -> bytes:
    """RR (01), RNR (05) or REJ (09) of the bridge: a command when it polls, else a response."""
    return bytes([1 << 2 | poll << 1 | 1, kind, n_r << 1 | (poll or final)])


def xid_information(
    *, epoch: int | None = 1, window: int = 8, major: int = 1, minor: int = 0, table: int = TABLE_HASH
) -> bytes:
    """What a bridge says of itself (section 4)."""
    link = b"\x06\x02" + (8 * 128).to_bytes(2, "big") + b"\x08\x01" + bytes([window])
    ours = b"\x00\x03SF1" + bytes([1, 2, major, minor]) + b"\x02\x04" + table.to_bytes(4, "big")
    if epoch is not None:
        ours += b"\x03\x02" + epoch.to_bytes(2, "big")
    return b"\x82" + _group(0x80, link) + _group(0xF0, ours)


def _group(name: int, parameters: bytes) -> bytes:
    return bytes([name]) + len(parameters).to_bytes(2, "big") + parameters


def xid_parameters(info: bytes) -> dict[tuple[int, int], bytes]:
    """Values by (group, PI)."""
    assert info[0] == 0x82
    found = {}
    rest = info[1:]
    while rest:
        group, length = rest[0], int.from_bytes(rest[1:3], "big")
        parameters, rest = rest[3 : 3 + length], rest[3 + length :]
        while parameters:
            name, size = parameters[0], parameters[1]
            found[group, name] = parameters[2 : 2 + size]
            parameters = parameters[2 + size :]
    return found


def command_body(code: int, command_id: int, epoch: int, ttl_ms: int, body: bytes) -> bytes:
    """A command with its header (section 6)."""
    return struct.pack("<BIHH", code, command_id, epoch, ttl_ms) + body


@dataclass(frozen=True, slots=True)
class Result:
    """RESULT, 80."""

    id: int
    epoch: int
    outcome: int
    reason: int
    prior: int

    @classmethod
    def read(cls, info: bytes) -> "Result":
        code, *fields = struct.unpack("<BIHBBB", info)
        assert code == 0x80
        return cls(*fields)


@dataclass(frozen=True, slots=True)
class Status:
    """STATUS, C0."""

    uptime_ms: int
    x_mm: int
    y_mm: int
    theta_mrad: int
    speed_mm_s: int
    turn_mrad_s: int
    charge_permille: int
    flags: int
    faults: int
    command: int
    node: int
    picks: int
    drops: int

    @classmethod
    def read(cls, info: bytes) -> "Status":
        code, *fields = struct.unpack("<BIiihhhHHHIIII", info)
        assert code == 0xC0
        return cls(*fields)

"""MQTT 5 reason codes by name (OASIS MQTT 5.0, table 2-6), and which of them mean what to us."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

__all__ = [
    "BREAKS_CONNECTION",
    "DELIVERED",
    "KEEP_ALIVE_TIMEOUT",
    "NO_MATCHING_SUBSCRIBERS",
    "OF_ONE_EVENT",
    "OF_THE_PAYLOAD",
    "OF_THE_TOPIC",
    "PACKET_TOO_LARGE",
    "PARKING",
    "PAYLOAD_FORMAT_INVALID",
    "QUOTA",
    "SESSION_TAKEN_OVER",
    "UNSUPPORTED_VERSION",
    "reason_name",
]

NO_MATCHING_SUBSCRIBERS: Final = 0x10
DELIVERED: Final = frozenset({0x00, NO_MATCHING_SUBSCRIBERS})
"""PUBACK codes that let a cursor move. 0x10 is the broker's word that it took the message and nobody listens."""
QUOTA: Final = frozenset({0x89, 0x93, 0x96, 0x97, 0x9F})
"""The broker asks for less: slow down the whole connection, and do not come back at once."""
PACKET_TOO_LARGE: Final = 0x95
PAYLOAD_FORMAT_INVALID: Final = 0x99
BREAKS_CONNECTION: Final = 0x00
"""Stands for a reason where there was none: the peer ended the connection each time a batch was sent."""
PARKING: Final = frozenset({0x87, 0x90, PACKET_TOO_LARGE, PAYLOAD_FORMAT_INVALID})
"""PUBACK codes after which trying the same again and again is of no use."""
OF_ONE_EVENT: Final = frozenset({PACKET_TOO_LARGE, PAYLOAD_FORMAT_INVALID})
"""Those of them that one event of a batch may be to blame for."""
OF_THE_TOPIC: Final = PARKING - OF_ONE_EVENT
"""And those that may hold for everything that is sent there."""
OF_THE_PAYLOAD: Final = frozenset({0x00, 0x80, 0x81, 0x82, 0x83, 0x90, PACKET_TOO_LARGE, PAYLOAD_FORMAT_INVALID})
"""Reasons for which a broker ends a connection that may lie in what was sent; 0x00: it gave none."""

UNSUPPORTED_VERSION: Final = 0x84
KEEP_ALIVE_TIMEOUT: Final = 0x8D
SESSION_TAKEN_OVER: Final = 0x8E

_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0x00: "success",
        0x04: "disconnect with will message",
        0x10: "no matching subscribers",
        0x80: "unspecified error",
        0x81: "malformed packet",
        0x82: "protocol error",
        0x83: "implementation specific error",
        0x84: "unsupported protocol version",
        0x85: "client identifier not valid",
        0x86: "bad user name or password",
        0x87: "not authorized",
        0x88: "server unavailable",
        0x89: "server busy",
        0x8A: "banned",
        0x8B: "server shutting down",
        0x8C: "bad authentication method",
        0x8D: "keep alive timeout",
        0x8E: "session taken over: another client uses this client id",
        0x8F: "topic filter invalid",
        0x90: "topic name invalid",
        0x91: "packet identifier in use",
        0x92: "packet identifier not found",
        0x93: "receive maximum exceeded",
        0x94: "topic alias invalid",
        0x95: "packet too large",
        0x96: "message rate too high",
        0x97: "quota exceeded",
        0x98: "administrative action",
        0x99: "payload format invalid",
        0x9A: "retain not supported",
        0x9B: "QoS not supported",
        0x9C: "use another server",
        0x9D: "server moved",
        0x9E: "shared subscriptions not supported",
        0x9F: "connection rate exceeded",
        0xA0: "maximum connect time",
        0xA1: "subscription identifiers not supported",
        0xA2: "wildcard subscriptions not supported",
    }
)


def reason_name(code: int) -> str:
    """A reason code for people, such as `0x87 not authorized`."""
    return f"0x{code:02X} {_NAMES.get(code, 'unknown reason')}"

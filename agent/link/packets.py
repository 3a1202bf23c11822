"""What goes over a connection, as plain values: login, will, messages, answers, and what the broker allows."""

from dataclasses import dataclass, field
from typing import Final

__all__ = ["CONTENT_ENCODING", "Login", "Message", "PubAck", "ServerLimits", "Will", "packet_overhead_bytes"]

CONTENT_ENCODING: Final = "content-encoding"
"""The user property (MQTT 5, 3.3.2.3.7) that names how a payload is compressed, as in HTTP (RFC 9110, 8.4)."""
PROTOCOL_BYTES_MAX: Final = 268_435_455 + 5  # MQTT 5, 2.1.4: the largest remaining length, and its fixed header


@dataclass(frozen=True, slots=True)
class Login:
    """User name and password, as MQTT has them."""

    username: str
    password: str | None = None


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker publishes for us, retained, when the connection breaks."""

    topic: str
    payload: bytes


@dataclass(frozen=True, slots=True)
class ServerLimits:
    """What the broker's CONNACK allows (MQTT 5, 3.2.2.3), or the protocol's defaults."""

    receive_maximum: int = 65_535
    packet_bytes_max: int = PROTOCOL_BYTES_MAX
    client_id: str = ""
    """Assigned by the broker; empty when it took ours."""


@dataclass(frozen=True, slots=True)
class PubAck:
    """The broker's answer to a publish with QoS 1: an MQTT 5 reason code, refusals from 0x80 on.

    With MQTT 3.1.1 always 0, also for what the broker throws away.
    """

    mid: int
    code: int


@dataclass(frozen=True, slots=True)
class Message:
    """An incoming message. With QoS 1 the broker waits for `MqttConnection.acknowledge`."""

    topic: str
    payload: bytes
    retained: bool
    mid: int = field(default=0, compare=False)
    """Of one connection; 0 with QoS 0."""


def packet_overhead_bytes(topic: str, content_type: str = "", content_encoding: str = "") -> int:
    """What a PUBLISH packet takes beside its payload, at most."""
    encoding = 1 + 2 + len(CONTENT_ENCODING) + 2 + len(content_encoding.encode()) if content_encoding else 0
    return 1 + 4 + 2 + len(topic.encode()) + 2 + 4 + 3 + len(content_type.encode()) + encoding

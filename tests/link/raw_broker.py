"""A broker in a test's own words: it answers CONNECT, and then says what the test wants."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from agent.link.protocol_choice import MqttVersion
from tests.link.peers import connack, read_packet

__all__ = ["CONNACK_3", "Talk", "accepted", "broker_that", "length_of", "message"]

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

CONNACK_3: Final = b"\x20\x02\x00\x00"
"""How MQTT 3.1.1 accepts a connection (3.2)."""


def broker_that(answer: bytes, then: Talk | None = None) -> Talk:
    """A server that reads CONNECT, answers with some bytes, and then plays on or reads until the end."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(answer)
        await writer.drain()
        if then:
            await then(reader, writer)
        while await reader.read(1_000):
            pass

    return script


def accepted(version: MqttVersion) -> bytes:
    """The CONNACK that accepts a connection."""
    return connack() if version is MqttVersion.V5 else CONNACK_3


def message(
    topic: bytes, payload: bytes, *, version: MqttVersion = MqttVersion.V5, mid: int = 0, flags: int = 0
) -> bytes:
    """A PUBLISH packet (3.3), with QoS 1 when there is a mid, and no properties."""
    body = len(topic).to_bytes(2, "big") + topic
    body += mid.to_bytes(2, "big") if mid else b""
    body += (b"\x00" if version is MqttVersion.V5 else b"") + payload
    return bytes([0x30 | (0x02 if mid else 0) | flags]) + length_of(len(body)) + body


def length_of(size: int) -> bytes:
    """A remaining length (2.2.3)."""
    found = b""
    while True:
        size, digit = divmod(size, 128)
        found += bytes([digit | (0x80 if size else 0)])
        if not size:
            return found

"""Whether a broker that does not take MQTT 5 takes MQTT 3.1.1: one CONNECT, asked by the doctor and by nobody else."""

import asyncio
import socket
from contextlib import closing
from typing import Final

from agent.link.dial import Endpoint, dial
from agent.link.errors import BrokerUnreachable

__all__ = ["takes_mqtt_3"]

# MQTT 3.1.1, 3.1: CONNECT, 16 bytes follow; "MQTT", level 4, clean session, keep-alive 30 s, client id "look".
_CONNECT: Final = b"\x10\x10\x00\x04MQTT\x04\x02\x00\x1e\x00\x04look"
_CONNACK_BYTES: Final = 4  # 3.2: 0x20, 2, flags, return code
_VERSION_REFUSED: Final = 1


async def takes_mqtt_3(endpoint: Endpoint, timeout_s: float) -> bool:
    """True when it answers with a CONNACK of that version, also with one that refuses this client."""
    try:
        sock = await dial(endpoint, timeout_s)
    except BrokerUnreachable:
        return False
    answer = await asyncio.to_thread(_ask, sock, timeout_s)
    return answer[:2] == b"\x20\x02" and len(answer) == _CONNACK_BYTES and answer[3] != _VERSION_REFUSED


def _ask(sock: socket.socket, timeout_s: float) -> bytes:
    with closing(sock):
        sock.settimeout(timeout_s)
        try:
            sock.sendall(_CONNECT)
            return sock.recv(_CONNACK_BYTES)
        except OSError:
            return b""

"""paho on a socket that is connected already, behind a gate: what a broker may not send ends the connection.

paho has no limit on what it takes in, keeps QoS 2 messages for ever and believes answers to questions that nobody
asked. The gate looks at each packet's first bytes before paho gets more of it.
"""

import socket
import ssl
from typing import Final

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes

from agent.errors import PeerError
from agent.link.protocol_choice import MqttVersion
from agent.link.tls_alert import alert_words

__all__ = ["SocketClient", "TooLarge", "Unacceptable"]

HEAD_BYTES: Final = 512  # of a packet that is too large: enough for any topic of ours
TOPIC_SHOWN_MAX: Final = 200

_PROTOCOLS: Final = {MqttVersion.V5: MQTTProtocolVersion.MQTTv5, MqttVersion.V3: MQTTProtocolVersion.MQTTv311}
_FROM_A_BROKER: Final = {
    PacketTypes.PUBACK,
    PacketTypes.SUBACK,
    PacketTypes.PINGRESP,
    PacketTypes.DISCONNECT,
}
"""Beside CONNACK and PUBLISH: we neither unsubscribe nor publish with QoS 2, and authenticate in CONNECT."""


class Unacceptable(PeerError):
    """A packet that a broker may not send here; the text says what it did."""


class TooLarge(Unacceptable):
    """A message beyond what we take; `topic` is its topic where that could be read."""

    def __init__(self, size_bytes: int, bytes_max: int, topic: str) -> None:
        where = f" on {topic}" if topic else ""
        super().__init__(f"sent {size_bytes:,} bytes in one packet{where}; at most {bytes_max:,} are taken")
        self.topic = topic


class SocketClient(Client):
    """One connection's client: its own `connect` would block the event loop, so it gets a socket."""

    def __init__(self, sock: socket.socket, client_id: str, version: MqttVersion, receive_bytes_max: int) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=_PROTOCOLS[version],
            clean_session=True if version is MqttVersion.V3 else None,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        self.sock: Final = sock
        self.alert = ""
        """With what TLS alert the broker ended the connection: paho only says that it is lost."""
        self._receive_bytes_max = receive_bytes_max
        self._accepted = False

    def hang_up(self) -> None:
        """Closes the socket without a word, unregistering it first."""
        self._sock_close()

    def ping_every(self, seconds: int) -> None:
        """A broker may ask for more pings, not for fewer: without them nobody notices a line that is dead."""
        self._keepalive = min(self._keepalive, seconds) if self._keepalive else seconds

    def _create_socket(self) -> socket.socket:
        return self.sock

    def _sock_recv(self, bufsize: int) -> bytes:
        """Asked for 1 byte at a time while paho reads a header, then for all the rest of a packet."""
        too_large = bufsize > self._receive_bytes_max
        try:
            received = super()._sock_recv(HEAD_BYTES if too_large else bufsize)
        except ssl.SSLError as error:
            # With TLS 1.3 a broker judges our certificate when the handshake is over for us already.
            self.alert = alert_words(error)
            raise
        if too_large:
            raise TooLarge(bufsize, self._receive_bytes_max, self._topic_of(received))
        return received

    def _topic_of(self, head: bytes) -> str:
        """The topic of the packet that begins so (MQTT 3.3.2.1); empty when it is no PUBLISH, or more is needed."""
        length = int.from_bytes(head[:2], "big")
        if self._in_packet["command"] >> 4 != PacketTypes.PUBLISH or len(head) < 2 + length:
            return ""
        return head[2 : 2 + length].decode(errors="replace")[:TOPIC_SHOWN_MAX]

    def _packet_handle(self) -> MQTTErrorCode:
        kind, flags = self._in_packet["command"] >> 4, self._in_packet["command"] & 0x0F
        name = PacketTypes.Names[kind].upper()
        if not self._accepted and kind != PacketTypes.CONNACK:
            raise Unacceptable(f"sent {name} before CONNACK")
        if kind == PacketTypes.PUBLISH:
            if flags & 0x06 > 0x02:
                raise Unacceptable("sent a message with QoS 2, though we subscribe with QoS 1 at most")
        elif flags:
            raise Unacceptable(f"sent {name} with the flags {flags:#x}; expected none")
        elif kind == PacketTypes.CONNACK:
            if self._accepted:
                raise Unacceptable("sent a second CONNACK")
            self._accepted = True
        elif kind not in _FROM_A_BROKER:
            raise Unacceptable(f"sent {name}, which nobody asked for")
        return super()._packet_handle()

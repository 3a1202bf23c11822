"""One MQTT 5 connection, from CONNECT to its end, driven by the event loop: no threads, no second life.

Each connection is a fresh paho client with a clean start. paho would re-send its own store after a reconnect, so it
never reconnects: whoever owns the messages decides what to send again on the next connection.
"""

import asyncio
import logging
import os
import socket
import ssl
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.link.dial import Endpoint, dial
from agent.link.errors import BrokerRefused, BrokerUnreachable, ConnectionLost, SubscriptionRefused
from agent.link.reasons import reason_name
from agent.log_lines import log_event

__all__ = ["Login", "Message", "MqttConnection", "PubAck", "ServerLimits", "Will", "packet_overhead_bytes"]

PROTOCOL_BYTES_MAX: Final = 268_435_455 + 5  # MQTT 5, 2.1.4: the largest remaining length, and its fixed header
RECEIVE_BYTES_MAX: Final = 1_048_576  # told to the broker as Maximum Packet Size
EVENTS_WAITING_MAX: Final = 1_000  # beyond it we stop reading until they are taken
CHORES_INTERVAL_S: Final = 1.0  # keep-alive bookkeeping; keep_alive is 5 s at least
DISCONNECT_TIMEOUT_S: Final = 2.0

_log = logging.getLogger(__name__)


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
    """The broker's answer to a publish with QoS 1: an MQTT 5 reason code, refusals from 0x80 on."""

    mid: int
    code: int


@dataclass(frozen=True, slots=True)
class Message:
    """An incoming message."""

    topic: str
    payload: bytes
    retained: bool


def packet_overhead_bytes(topic: str, content_type: str = "") -> int:
    """What a PUBLISH packet takes beside its payload, at most."""
    return 1 + 4 + 2 + len(topic.encode()) + 2 + 4 + 3 + len(content_type.encode())


class MqttConnection:
    """`async with` connects or raises; `async for` gives answers and messages and raises `ConnectionLost` at the end.

    Leaving the block normally says goodbye to the broker; leaving it by an exception lets the will speak.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client_id: str,
        keepalive_s: int = 30,
        connect_timeout_s: float = 10.0,
        login: Login | None = None,
        will: Will | None = None,
        receive_bytes_max: int = RECEIVE_BYTES_MAX,
    ) -> None:
        self.endpoint: Final = endpoint
        self.limits = ServerLimits()
        self._client_id = client_id
        self._keepalive_s = keepalive_s
        self._connect_timeout_s = connect_timeout_s
        self._login = login
        self._will = will
        self._receive_bytes_max = receive_bytes_max
        self._client: _SocketClient | None = None
        self._accepted: asyncio.Future[ServerLimits] | None = None
        self._subscriptions: dict[int, asyncio.Future[int]] = {}
        self._waiting: deque[PubAck | Message] = deque()
        self._arrived = asyncio.Event()
        self._lost: ConnectionLost | None = None
        self._reading = False
        self._chores: asyncio.TimerHandle | None = None

    async def __aenter__(self) -> Self:
        """Connects, within `connect_timeout_s`.

        Raises:
            LinkMisconfigured: plaintext to another machine.
            BrokerUnreachable: no connection, or no CONNACK.
            BrokerRefused: the broker's CONNACK says no.
        """
        assert self._client is None, "a connection is used once"
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._connect_timeout_s
        sock = await dial(self.endpoint, self._connect_timeout_s)
        try:
            self._accepted = loop.create_future()
            self._start(sock)
            async with asyncio.timeout_at(until_s):
                self.limits = await self._accepted
        except TimeoutError:
            self._close()
            raise BrokerUnreachable(
                f"{self.endpoint} took the connection but did not answer within {self._connect_timeout_s:g} s:"
                " is this an MQTT broker?"
            ) from None
        except BaseException:
            self._close()
            sock.close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                await self.disconnect()
        finally:
            self._close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> PubAck | Message:
        while not self._waiting:
            if self._lost:
                raise self._lost
            self._arrived.clear()
            await self._arrived.wait()
        event = self._waiting.popleft()
        if not self._reading and len(self._waiting) < EVENTS_WAITING_MAX // 2:
            self._read_on()
        return event

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False, content_type: str = "") -> int:
        """Hands a message over and returns its id; with QoS 1 a `PubAck` with that id follows.

        The caller keeps within `limits`: nothing here counts what is in flight.

        Raises:
            ConnectionLost: there is no connection any more.
        """
        client = self._alive()
        info = client.publish(topic, payload, qos, retain, _publish_properties(content_type) if content_type else None)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionLost(f"cannot publish to {self.endpoint}: {info.rc.name}")
        return info.mid

    async def subscribe(self, topic_filter: str, *, qos: int = 1) -> None:
        """Listens to a topic filter; returns when the broker has granted it.

        Raises:
            SubscriptionRefused: the broker does not allow it.
            ConnectionLost: there is no connection any more.
        """
        rc, mid = self._alive().subscribe(topic_filter, qos)
        if rc != MQTTErrorCode.MQTT_ERR_SUCCESS or mid is None:
            raise ConnectionLost(f"cannot subscribe at {self.endpoint}: {rc.name}")
        granted = asyncio.get_running_loop().create_future()
        self._subscriptions[mid] = granted
        try:
            code = await granted
        finally:
            del self._subscriptions[mid]
        if code >= 0x80:
            raise SubscriptionRefused(topic_filter, code)

    async def disconnect(self) -> None:
        """Says goodbye after everything handed over before, and waits for the broker to hang up. Bounded by 2 s.

        The broker then forgets the will. A socket that is closed while the broker's words lie unread in it would be
        reset, and the goodbye lost.
        """
        if self._client is None or self._lost:
            return
        self._stop_reading()
        held = socket.socket(fileno=os.dup(self._client.sock.fileno()))  # paho closes its own with the last byte
        held.setblocking(False)
        self._client.disconnect()
        try:
            async with asyncio.timeout(DISCONNECT_TIMEOUT_S):
                while await asyncio.get_running_loop().sock_recv(held, RECEIVE_BYTES_MAX):
                    pass
        except OSError as error:  # TimeoutError among them
            self._end(ConnectionLost(f"{self.endpoint} did not take the goodbye: {str(error) or 'not in time'}"))
        finally:
            held.close()

    # --- paho's side ---------------------------------------------------------------------------------------

    def _start(self, sock: socket.socket) -> None:
        client = _SocketClient(sock, self._client_id)
        self._client = client
        client.max_inflight_messages = 0  # no second window inside ours
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_publish = self._on_publish
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write
        client.on_socket_close = self._on_socket_close
        if self._login:
            client.username_pw_set(self._login.username, self._login.password)
        if self._will:
            client.will_set(self._will.topic, self._will.payload, qos=1, retain=True)
        self._read_on(sock)
        client.connect(
            self.endpoint.host,
            self.endpoint.port,
            self._keepalive_s,
            clean_start=True,
            properties=_properties(PacketTypes.CONNECT, MaximumPacketSize=self._receive_bytes_max),
        )
        self._do_chores()

    def _on_connect(
        self, _client: Client, _userdata: Any, _flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:  # Any here and below: paho's callback signatures
        assert self._accepted is not None
        if self._accepted.done():
            return
        if reason.is_failure:
            self._accepted.set_exception(BrokerRefused(str(self.endpoint), reason.value))
            return
        said = vars(properties) if properties else {}  # paho keeps what the broker sent as attributes
        self._accepted.set_result(
            ServerLimits(
                receive_maximum=said.get("ReceiveMaximum", self.limits.receive_maximum),
                packet_bytes_max=said.get("MaximumPacketSize", self.limits.packet_bytes_max),
                client_id=said.get("AssignedClientIdentifier", self.limits.client_id),
            )
        )

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            why = reason_name(reason.value) if reason.value else "without a reason"
            self._end(ConnectionLost(f"{self.endpoint} ended the connection: {why}", reason.value))
        elif reason.value == 0x8D:
            self._end(ConnectionLost(f"{self.endpoint} has not answered for {self._keepalive_s} s: network down?"))
        elif reason.value == 0x82:
            self._end(ConnectionLost(f"{self.endpoint} sent something that is not MQTT 5"))
        else:
            self._end(ConnectionLost(f"connection to {self.endpoint} lost"))

    def _on_publish(
        self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Properties
    ) -> None:
        self._waiting.append(PubAck(mid, reason.value))
        self._arrived.set()

    def _on_subscribe(
        self, _client: Client, _userdata: Any, mid: int, reasons: list[ReasonCode], _properties: Properties
    ) -> None:
        granted = self._subscriptions.get(mid)
        if granted and not granted.done():
            granted.set_result(max(reason.value for reason in reasons))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            text = f"a message from {self.endpoint} has a topic that is not UTF-8: ignored"
            log_event(_log, logging.WARNING, "link.message_ignored", text)
            return
        self._waiting.append(Message(topic, bytes(message.payload), message.retain))
        self._arrived.set()
        if len(self._waiting) >= EVENTS_WAITING_MAX:
            self._stop_reading()

    def _on_register_write(self, client: Client, _userdata: Any, sock: Any) -> None:
        asyncio.get_running_loop().add_writer(sock.fileno(), self._guard, client.loop_write)

    def _on_unregister_write(self, _client: Client, _userdata: Any, sock: Any) -> None:
        asyncio.get_running_loop().remove_writer(sock.fileno())

    def _on_socket_close(self, _client: Client, _userdata: Any, sock: Any) -> None:
        self._stop_reading()
        with suppress(OSError):  # it may be broken already
            sock.shutdown(socket.SHUT_WR)  # so that a broker that waits for our end hears it while we wait for its own
        if self._chores:
            self._chores.cancel()

    # --- the loop's side -----------------------------------------------------------------------------------

    def _read_on(self, sock: socket.socket | None = None) -> None:
        sock = sock or (self._client.sock if self._client and not self._lost else None)
        if sock:
            self._reading = True
            asyncio.get_running_loop().add_reader(sock.fileno(), self._guard, self._read)

    def _stop_reading(self) -> None:
        if self._reading and self._client:
            self._reading = False
            asyncio.get_running_loop().remove_reader(self._client.sock.fileno())

    def _read(self) -> None:
        assert self._client is not None
        sock = self._client.sock
        self._client.loop_read()
        # What TLS has decrypted already will not make the socket readable again.
        while isinstance(sock, ssl.SSLSocket) and self._reading and sock.fileno() >= 0 and sock.pending():
            self._client.loop_read()

    def _do_chores(self) -> None:
        if self._client and not self._lost:
            self._guard(self._client.loop_misc)
            self._chores = asyncio.get_running_loop().call_later(CHORES_INTERVAL_S, self._do_chores)

    def _guard(self, step: Any) -> None:  # Any: paho's loop functions and ours
        """The outermost edge of what the event loop calls: whatever a broker's bytes do to paho ends the connection."""
        try:
            step()
        except Exception as error:  # noqa: BLE001 - raised again from `__anext__` and `subscribe`, as the cause
            lost = ConnectionLost(f"{self.endpoint} sent something that is not MQTT 5: {type(error).__name__}")
            lost.__cause__ = error
            self._close(lost)

    def _alive(self) -> "_SocketClient":
        if self._lost:
            raise self._lost
        assert self._client is not None
        return self._client

    def _end(self, lost: ConnectionLost) -> None:
        if self._lost:
            return
        self._lost = lost
        if self._accepted and not self._accepted.done():
            self._accepted.set_exception(BrokerUnreachable(f"{lost}, before CONNACK: is this an MQTT 5 broker?"))
        for granted in self._subscriptions.values():
            if not granted.done():
                granted.set_exception(lost)
        self._arrived.set()

    def _close(self, lost: ConnectionLost | None = None) -> None:
        self._stop_reading()
        if self._client:
            self._client.hang_up()
        self._end(lost or ConnectionLost(f"connection to {self.endpoint} closed"))


class _SocketClient(Client):
    """paho on a socket that is connected already: its own `connect` would block the event loop."""

    def __init__(self, sock: socket.socket, client_id: str) -> None:
        super().__init__(
            CallbackAPIVersion.VERSION2, client_id, protocol=MQTTProtocolVersion.MQTTv5, reconnect_on_failure=False
        )
        self.sock: Final = sock

    def _create_socket(self) -> socket.socket:
        return self.sock

    def hang_up(self) -> None:
        """Closes the socket without a word, unregistering it first."""
        self._sock_close()


@lru_cache(maxsize=16)
def _publish_properties(content_type: str) -> Properties:
    return _properties(PacketTypes.PUBLISH, ContentType=content_type)


def _properties(packet_type: int, **values: str | int) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]  # paho left its __init__ unannotated
    for name, value in values.items():
        setattr(properties, name, value)
    return properties

"""One MQTT connection, from CONNECT to its end, driven by the event loop: no threads, no second life.

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
from functools import lru_cache
from types import TracebackType
from typing import Any, Final, Self

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from agent.link.dial import Endpoint, dial
from agent.link.errors import (
    BrokerRefused,
    BrokerUnreachable,
    ConnectionLost,
    ConnectUnanswered,
    EndedByUs,
    MessageTooLarge,
    SubscriptionRefused,
)
from agent.link.packets import CONTENT_ENCODING, Login, Message, PubAck, ServerLimits, Will, packet_overhead_bytes
from agent.link.protocol_choice import MqttVersion
from agent.link.reasons import KEEP_ALIVE_TIMEOUT, reason_name
from agent.link.socket_client import SocketClient, TooLarge, Unacceptable
from agent.log_lines import log_event

__all__ = ["Login", "Message", "MqttConnection", "PubAck", "ServerLimits", "Will", "packet_overhead_bytes"]

RECEIVE_BYTES_MAX: Final = 1_048_576  # told to an MQTT 5 broker as Maximum Packet Size; a larger packet is not read
EVENTS_WAITING_MAX: Final = 1_000  # beyond it we stop reading until they are taken
BYTES_WAITING_MAX: Final = 4 * RECEIVE_BYTES_MAX  # the same for their payloads
CHORES_INTERVAL_S: Final = 1.0  # keep-alive bookkeeping; keep_alive is 5 s at least
DISCONNECT_TIMEOUT_S: Final = 2.0

_log = logging.getLogger(__name__)


class MqttConnection:
    """`async with` connects or raises; `async for` gives answers and messages and raises `ConnectionLost` at the end.

    Leaving the block normally says goodbye to the broker; leaving it by an exception lets the will speak.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        client_id: str,
        version: MqttVersion = MqttVersion.V5,
        keepalive_s: int = 30,
        connect_timeout_s: float = 10.0,
        login: Login | None = None,
        will: Will | None = None,
        receive_bytes_max: int = RECEIVE_BYTES_MAX,
    ) -> None:
        self.endpoint: Final = endpoint
        self.version: Final = version
        self.limits = ServerLimits()
        self._client_id = client_id
        self._keepalive_s = keepalive_s
        self._connect_timeout_s = connect_timeout_s
        self._login = login
        self._will = will
        self._receive_bytes_max = receive_bytes_max
        self._client: SocketClient | None = None
        self._accepted: asyncio.Future[ServerLimits] | None = None
        self._subscriptions: dict[int, asyncio.Future[int]] = {}
        self._waiting: deque[PubAck | Message] = deque()
        self._waiting_bytes = 0
        self._owed: deque[int] = deque()
        """Messages that the broker wants acknowledged, in the order in which it has to hear it."""
        self._done: set[int] = set()
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
        if isinstance(event, Message):
            self._waiting_bytes -= len(event.payload)
        if not self._reading and len(self._waiting) < EVENTS_WAITING_MAX // 2 and not self._is_full():
            self._read_on()
        return event

    def publish(
        self,
        topic: str,
        payload: bytes,
        *,
        qos: int = 1,
        retain: bool = False,
        content_type: str = "",
        content_encoding: str = "",
    ) -> int:
        """Hands a message over and returns its id; with QoS 1 a `PubAck` with that id follows.

        MQTT 3.1.1 carries no content type, and no encoding, which MQTT 5 has as a user property. The caller keeps
        within `limits`: nothing here counts what is in flight.

        Raises:
            ConnectionLost: there is no connection any more.
        """
        client = self._alive()
        with_type = content_type and self.version is MqttVersion.V5
        properties = _publish_properties(content_type, content_encoding) if with_type else None
        info = client.publish(topic, payload, qos, retain, properties)
        if info.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise ConnectionLost(f"cannot publish to {self.endpoint}: {info.rc.name}")
        return info.mid

    def acknowledge(self, message: Message) -> None:
        """Says that a message is where it has to be; until then the broker keeps it. Harmless once this has ended.

        The broker hears it in the order of the messages (MQTT 5, 4.6): one that is not done holds up the later ones.
        """
        if self._lost or self._client is None or message.mid not in self._owed:
            return
        self._done.add(message.mid)
        while self._owed and self._owed[0] in self._done:
            mid = self._owed.popleft()
            self._done.remove(mid)
            self._client.ack(mid, 1)

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
        client = SocketClient(sock, self._client_id, self.version, self._receive_bytes_max)
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
        host, port = self.endpoint.host, self.endpoint.port
        if self.version is MqttVersion.V5:
            properties = _properties(PacketTypes.CONNECT, MaximumPacketSize=self._receive_bytes_max)
            client.connect(host, port, self._keepalive_s, clean_start=True, properties=properties)
        else:
            client.connect(host, port, self._keepalive_s)
        self._do_chores()

    def _on_connect(
        self, client: Client, _userdata: Any, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:  # Any here and below: paho's callback signatures
        assert self._accepted is not None
        assert isinstance(client, SocketClient)
        if self._accepted.done():
            return
        if reason.is_failure:
            self._accepted.set_exception(BrokerRefused(str(self.endpoint), reason.value, self.version))
            return
        if flags.session_present:
            raise Unacceptable("says that it kept a session, though we asked for a new one")
        said = vars(properties) if properties else {}  # paho keeps what the broker sent as attributes
        if said.get("MaximumQoS", 1) == 0:
            raise Unacceptable("takes no publish with QoS 1: nothing could be acknowledged")
        client.ping_every(self._keepalive_s)
        limits = ServerLimits(
            receive_maximum=said.get("ReceiveMaximum", self.limits.receive_maximum),
            packet_bytes_max=said.get("MaximumPacketSize", self.limits.packet_bytes_max),
            client_id=said.get("AssignedClientIdentifier", self.limits.client_id),
        )
        self._accepted.set_result(limits)

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        if flags.is_disconnect_packet_from_server:
            why = reason_name(reason.value) if reason.value else "without a reason"
            self._end(ConnectionLost(f"{self.endpoint} ended the connection: {why}", reason.value))
        elif reason.value == KEEP_ALIVE_TIMEOUT:
            silent = f"{self.endpoint} has not answered for {self._keepalive_s} s: network down?"
            self._end(ConnectionLost(silent, reason.value))
        elif reason.value == 0x82:
            self._end(ConnectionLost(f"{self.endpoint} sent something that is not MQTT {self.version}"))
        elif self._client and (words := self._client.alert):
            self._end(ConnectionLost(f"{self.endpoint} {words}"))
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
        if granted is None or granted.done():
            return
        if len(reasons) != 1:
            raise Unacceptable(f"answered one subscription with {len(reasons)} results")
        granted.set_result(reasons[0].value)

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        mid = message.mid if message.qos else 0
        if message.qos and not mid:
            raise Unacceptable("sent a message with QoS 1 without a packet identifier")
        if mid in self._owed:
            if message.dup:
                return  # sent again before we could acknowledge it
            raise Unacceptable(f"used the packet identifier {mid} for two messages at a time")
        try:
            topic = message.topic
        except UnicodeDecodeError:
            text = f"a message from {self.endpoint} has a topic that is not UTF-8: ignored"
            log_event(_log, logging.WARNING, "link.message_ignored", text)
            topic = ""
        found = Message(topic, bytes(message.payload), message.retain, mid)
        if mid:
            self._owed.append(mid)
        if not topic:
            self.acknowledge(found)
            return
        self._waiting.append(found)
        self._waiting_bytes += len(found.payload)
        self._arrived.set()
        if self._is_full():
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

    def _is_full(self) -> bool:
        return len(self._waiting) >= EVENTS_WAITING_MAX or self._waiting_bytes >= BYTES_WAITING_MAX

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
        lost: ConnectionLost
        try:
            step()
        except TooLarge as large:
            lost = MessageTooLarge(f"{self.endpoint} {large}: connection dropped", large.topic)
        except Unacceptable as unacceptable:
            lost = EndedByUs(f"{self.endpoint} {unacceptable}: connection dropped")
        except Exception as error:  # noqa: BLE001 - raised again from `__anext__` and `subscribe`, as the cause
            what = f"{self.endpoint} sent something that is not MQTT {self.version}: {type(error).__name__}"
            lost = ConnectionLost(what)
            lost.__cause__ = error
        else:
            return
        self._close(lost)

    def _alive(self) -> "SocketClient":
        if self._lost:
            raise self._lost
        assert self._client is not None
        return self._client

    def _end(self, lost: ConnectionLost) -> None:
        if self._lost:
            return
        self._lost = lost
        if self._accepted and not self._accepted.done():
            alert = self._client.alert if self._client else ""
            kind = BrokerUnreachable if alert else ConnectUnanswered  # another MQTT does not help against an alert
            self._accepted.set_exception(kind(f"{lost}{'' if alert else self._doubt()}"))
        for granted in self._subscriptions.values():
            if not granted.done():
                granted.set_exception(lost)
        self._arrived.set()

    def _doubt(self) -> str:
        """What to ask when the connection ended before it was accepted, unless we know."""
        if isinstance(self._lost, EndedByUs):
            return ""
        certificate = ", and does it take this device's certificate" if self.endpoint.tls else ""
        return f", before CONNACK: is this an MQTT {self.version} broker{certificate}?"

    def _close(self, lost: ConnectionLost | None = None) -> None:
        self._stop_reading()
        if self._client:
            self._client.hang_up()
        self._end(lost or ConnectionLost(f"connection to {self.endpoint} closed"))


@lru_cache(maxsize=16)
def _publish_properties(content_type: str, content_encoding: str) -> Properties:
    if not content_encoding:
        return _properties(PacketTypes.PUBLISH, ContentType=content_type)
    encoded = [(CONTENT_ENCODING, content_encoding)]
    return _properties(PacketTypes.PUBLISH, ContentType=content_type, UserProperty=encoded)


def _properties(packet_type: int, **values: str | int | list[tuple[str, str]]) -> Properties:
    properties = Properties(packet_type)  # type: ignore[no-untyped-call]  # paho left its __init__ unannotated
    for name, value in values.items():
        setattr(properties, name, value)
    return properties

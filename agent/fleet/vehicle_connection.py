"""One vehicle's MQTT connection to fleet control: its will, its ONLINE and OFFLINE, and back again whenever it breaks.

What is published while there is no connection is dropped: the connection's first words after a break are a fresh
state. A mission knows nothing of this connection and goes on without it (2.1: 6.2).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from random import Random
from typing import Final

from agent.clock import Clock
from agent.errors import StoreforwardError
from agent.fleet.codec import encode_connection
from agent.fleet.header import HeaderCounters
from agent.fleet.topics import FleetTopic
from agent.fleet.vehicle_state import ConnectionState
from agent.link import Backoff, BrokerAccess, ConnectionLost, Message, MqttConnection, ProtocolChoice, Will
from agent.log_lines import log_event
from agent.settings import LinkSettings
from agent.topics import DeviceName

__all__ = ["ConnectionStatus", "VehicleConnection"]

KEEPALIVE_S: Final = 15  # 2.1: 6.14
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 1.5  # fleet control shall see the vehicle again within 2 s of the broker
STABLE_AFTER_S: Final = 10.0  # a connection that lasted this long begins the back-off anew
LISTENS_TO: Final = (FleetTopic.ORDER, FleetTopic.INSTANT_ACTIONS)
RETAINED: Final = frozenset({FleetTopic.CONNECTION, FleetTopic.FACTSHEET})  # 2.1: 6.2, table of topics

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ConnectionStatus:
    """Whether fleet control can be reached, since when, and why not."""

    online: bool
    since: datetime
    reason: str


class VehicleConnection:
    """Connects for ever. `greet` is called after each ONLINE, `heard` for each order and instant action message."""

    def __init__(
        self,
        counters: HeaderCounters,
        settings: LinkSettings,
        device: DeviceName,
        *,
        clock: Clock,
        random: Random,
        greet: Callable[[], None],
        heard: Callable[[FleetTopic, bytes], None],
    ) -> None:
        self._counters = counters
        self._vehicle = counters.vehicle
        # What its topics begin with, so nobody else has it; brokers refuse a slash in a client id.
        self._client_id = "@".join(reversed(self._vehicle.topic(FleetTopic.CONNECTION).split("/")[:-1]))
        self._settings = settings
        self._access = BrokerAccess(settings, device)
        self._protocol = ProtocolChoice(settings.protocol)
        self._clock = clock
        self._greet = greet
        self._heard = heard
        self._backoff = Backoff(BACKOFF_MIN_S, BACKOFF_MAX_S, random)
        self._connection: MqttConnection | None = None
        self._status = ConnectionStatus(online=False, since=clock.wall(), reason="not connected yet")

    @property
    def status(self) -> ConnectionStatus:
        """How it stands now."""
        return self._status

    def publish(self, topic: FleetTopic, payload: bytes) -> bool:
        """Hand a message over with the QoS and retain flag of its topic; whether there was a connection to take it."""
        if self._connection is None:
            return False
        qos = 1 if topic is FleetTopic.CONNECTION else 0
        try:
            self._connection.publish(self._vehicle.topic(topic), payload, qos=qos, retain=topic in RETAINED)
        except ConnectionLost:  # whoever reads the connection hears of it, too
            return False
        return True

    async def run(self) -> None:
        """Works until cancelled; then says OFFLINE and goodbye, within 2 s."""
        if not self._settings.enabled:
            self._become(online=False, reason="link.enabled is false: no fleet control is connected to")
            await asyncio.Event().wait()
        while True:
            began_s = self._clock.monotonic_s()
            try:
                await self._use_connection()
            except StoreforwardError as failure:
                self._protocol.failed(failure, self._clock.monotonic_s())
                self._become(online=False, reason=str(failure))
            finally:
                self._connection = None
            if self._clock.monotonic_s() - began_s >= STABLE_AFTER_S:
                self._backoff.reset()
            await asyncio.sleep(self._backoff.next_s())

    async def _use_connection(self) -> None:
        connection = MqttConnection(
            self._access.endpoint(),
            client_id=self._client_id,
            version=self._protocol.version(self._clock.monotonic_s()),
            keepalive_s=KEEPALIVE_S,
            connect_timeout_s=self._settings.connect_timeout_s,
            login=self._access.login(),
            will=Will(self._vehicle.topic(FleetTopic.CONNECTION), self._word(ConnectionState.BROKEN)),
        )
        async with connection:
            self._protocol.connected()
            try:
                for topic in LISTENS_TO:  # before ONLINE: whoever reads that may send an order at once
                    await connection.subscribe(self._vehicle.topic(topic), qos=0)
                self._connection = connection
                self._say(ConnectionState.ONLINE)
                self._become(online=True, reason="")
                self._greet()
                async for event in connection:
                    if isinstance(event, Message):
                        self._take(event)
                        connection.acknowledge(event)  # should the broker have sent it with QoS 1
            except asyncio.CancelledError:
                self._become(online=False, reason="stopped")
                self._connection = connection
                self._say(ConnectionState.OFFLINE)
                await connection.disconnect()
                raise

    def _take(self, message: Message) -> None:
        topic = self._vehicle.topic_of(message.topic)
        if topic is None or topic not in LISTENS_TO:
            return
        if message.retained:  # 2.1: 6.2 has them unretained; nothing moves because a connection came back
            text = f"a retained {topic} message on {message.topic} is old news and was ignored: publish it unretained"
            log_event(_log, logging.WARNING, "fleet.retained_ignored", text)
            return
        self._heard(topic, message.payload)

    def _say(self, state: ConnectionState) -> None:
        self.publish(FleetTopic.CONNECTION, self._word(state))

    def _word(self, state: ConnectionState) -> bytes:
        return encode_connection(self._counters, state, self._clock.wall())

    def _become(self, *, online: bool, reason: str) -> None:
        if (online, reason) == (self._status.online, self._status.reason):
            return
        since = self._status.since if online == self._status.online else self._clock.wall()
        self._status = ConnectionStatus(online, since, reason)
        name = self._vehicle.topic(FleetTopic.CONNECTION)
        level = logging.INFO if online or not self._settings.enabled or reason == "stopped" else logging.WARNING
        text = f"fleet control {'reached' if online else 'out of reach'} as {name}: {reason or self._settings.host}"
        log_event(_log, level, "fleet.connection", text, online=online)

"""Fleet control on a broker: subscribes to its vehicles, publishes what is due, and tells what became of errands."""

import asyncio
import logging
from typing import Final

import aiomqtt

from agent.clock import Clock
from sim.cloud.connection import mqtt_client
from sim.fleet_control.control import ErrandReport, FleetControl, MessageUnreadable
from sim.fleet_control.plan import Errand

__all__ = ["OrderIssuer"]

CLIENT_ID: Final = "storeforward-fleet-control"
TICK_S: Final = 0.1
RECONNECT_WAIT_S: Final = 0.25

logger = logging.getLogger(__name__)


class OrderIssuer:
    """One fleet control at one broker; `run` it as a task."""

    def __init__(
        self, control: FleetControl, host: str, port: int, clock: Clock, *, client_id: str = CLIENT_ID
    ) -> None:
        self.control: Final = control
        self.connected = asyncio.Event()
        """Set while subscribed."""
        self._host = host
        self._port = port
        self._clock = clock
        self._client_id = client_id
        self._due = asyncio.Event()
        self._news = asyncio.Condition()

    async def run(self) -> None:
        """Serves until cancelled, over any number of connections."""
        while True:
            try:
                await self._serve()
            except* aiomqtt.MqttError as errors:
                logger.info("broker %s:%d: %s; trying again", self._host, self._port, errors.exceptions[0])
                await asyncio.sleep(RECONNECT_WAIT_S)
            finally:
                self.connected.clear()

    def request(self, errand: Errand) -> None:
        """As `FleetControl.request`, and has the order sent at once."""
        self.control.request(errand)
        self._due.set()

    def cancel(self, errand_id: str) -> None:
        """As `FleetControl.cancel`, and has the vehicle told at once."""
        self.control.cancel(errand_id)
        self._due.set()

    async def settled(self, errand_id: str) -> ErrandReport:
        """What became of an errand in the end, as soon as that is known."""
        async with self._news:
            await self._news.wait_for(lambda: self.control.report(errand_id).progress.final)
        return self.control.report(errand_id)

    async def _serve(self) -> None:
        async with mqtt_client(self._host, self._port, self._client_id) as client:
            self.control.lose_sight()
            await client.subscribe([(topic, 1) for topic in self.control.topics])
            self.connected.set()
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._listen(client), name="vehicles")
                tasks.create_task(self._publish(client), name="orders")

    async def _listen(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            try:
                self.control.received(
                    str(message.topic), message.payload if isinstance(message.payload, bytes) else b""
                )
            except MessageUnreadable as unreadable:
                logger.warning("%s", unreadable)
            self._due.set()

    async def _publish(self, client: aiomqtt.Client) -> None:
        while True:
            self._due.clear()
            for outgoing in self.control.due(self._clock.monotonic_s(), self._clock.wall()):
                await client.publish(outgoing.topic, outgoing.payload, qos=0)
            async with self._news:
                self._news.notify_all()
            try:
                async with asyncio.timeout(TICK_S):
                    await self._due.wait()
            except TimeoutError:
                pass

"""Fleet control for tests: hears all of one vehicle's topics, and sends it orders and instant actions."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Self

import aiomqtt

from agent.clock import SystemClock
from agent.fleet.header import HeaderCounters
from agent.fleet.topics import FleetTopic, VehicleIdentity

__all__ = ["Heard", "Master"]

Json = Any  # Any: JSON


@dataclass(frozen=True)
class Heard:
    """One message of the vehicle, by the last level of its topic."""

    topic: str
    payload: bytes
    retained: bool
    qos: int

    @property
    def body(self) -> Json:
        return json.loads(self.payload)


@dataclass
class Master:
    """One fleet control."""

    vehicle: VehicleIdentity
    client: aiomqtt.Client
    heard: list[Heard] = field(default_factory=list)
    headers: HeaderCounters = field(init=False)

    def __post_init__(self) -> None:
        self.headers = HeaderCounters(self.vehicle)

    def of(self, topic: FleetTopic) -> list[Heard]:
        return [each for each in self.heard if each.topic == topic]

    @property
    def words(self) -> list[str]:
        """What the `connection` topic said."""
        return [each.body["connectionState"] for each in self.of(FleetTopic.CONNECTION)]

    @property
    def states(self) -> list[Json]:
        return [each.body for each in self.of(FleetTopic.STATE)]

    async def order(self, order: Json) -> None:
        await self.send(FleetTopic.ORDER, order)

    async def act(self, action_id: str, action_type: str) -> None:
        """One instant action."""
        action = {"actionId": action_id, "actionType": action_type, "blockingType": "NONE", "actionParameters": []}
        await self.send(FleetTopic.INSTANT_ACTIONS, {"actions": [action]})

    async def send(self, topic: FleetTopic, body: Json) -> None:
        header = self.headers.header(topic, SystemClock().wall())
        await self.send_raw(topic, json.dumps(header | body).encode())

    async def send_raw(self, topic: FleetTopic, payload: bytes, *, retain: bool = False) -> None:
        """QoS 1, so that it is over when this returns."""
        await self.client.publish(self.vehicle.topic(topic), payload, qos=1, retain=retain)

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            topic = message.topic.value.rpartition("/")[2]
            self.heard.append(Heard(topic, message.payload, bool(message.retain), message.qos))

    @classmethod
    @asynccontextmanager
    async def listening(cls, port: int, vehicle: VehicleIdentity) -> AsyncIterator[Self]:
        async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as client:
            master = cls(vehicle, client)
            everything = vehicle.topic(FleetTopic.STATE).rpartition("/")[0] + "/#"
            await client.subscribe(everything, qos=1)
            task = asyncio.create_task(master.listen())
            try:
                yield master
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

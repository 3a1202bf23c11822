"""A device for the link's tests: a real log, a real link, and what its cloud side hears."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final, Self

import aiomqtt

from agent.clock import IdFactory, SystemClock
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.link import Link
from agent.link.compression import MAGIC, decompressed
from agent.log import CLOUD, START, EventLog, Place, StoredEvent
from agent.settings import LinkSettings, LogSettings
from agent.topics import Channel, DeviceName
from tests.examples import EXAMPLES
from tests.link.peers import until

NAME: Final = DeviceName("store-1", "box-1")
QUICK: Final = {"backoff_min_s": 0.02, "backoff_max_s": 0.2, "connect_interval_s": 0, "receipt_wait_s": 0.2}
SALE, SCAN, STOCK, SENSOR = "pos.sale.v1", "pos.scan.v1", "stock.level.v1", "environment.v1"


@dataclass
class Device:
    """One running device."""

    log: EventLog
    link: Link
    running: asyncio.Task[None]
    decoder: EventDecoder

    async def append(self, type_name: str, count: int = 1, **changes: Any) -> None:  # Any: fields of an event
        """Stores events of a type, in commits of up to 50."""
        event = {"type": type_name, "data": EXAMPLES[type_name] | changes}
        while count > 0:
            body = json.dumps([event] * min(count, 50)).encode()
            await self.log.append(self.decoder.decode(body, "till"))
            count -= 50

    def waiting(self) -> int:
        return self.log.waiting(CLOUD)

    async def delivered(self) -> None:
        """Returns when the log knows that the broker has everything."""
        await until(lambda: self.log.waiting(CLOUD) == 0)

    async def stop(self) -> None:
        self.running.cancel()
        async with asyncio.timeout(10):
            await asyncio.wait([self.running])
        assert self.running.cancelled()

    def stored(self, stream: Stream, after: Place = START) -> list[StoredEvent]:
        found: list[StoredEvent] = []
        while some := self.log.read(
            stream, found[-1].place if found else after, events_max=1_000, bytes_max=100_000_000
        ):
            found += some
        return found

    def receipt(self, stream: Stream, upto: int, **changes: Any) -> dict[str, Any]:  # Any: a JSON object
        """What a ledger says that has this stream of the current epoch up to a sequence."""
        number = self.log.epoch_number(self.log.epoch)
        assert number is not None
        last_id = self.log.id_at(stream, Place(number, upto)) if upto else ""
        receipt = {"stream": stream, "epoch": self.log.epoch, "upto": upto, "last_id": last_id or "unknown"}
        return receipt | {"missing": [], "conflicts": 0} | changes


@asynccontextmanager
async def device(folder: Path, port: int, **changes: Any) -> AsyncIterator[Device]:  # Any: link settings by name
    """A device whose link runs, with its log in `folder/log`; `inbox` and `random` may be among the changes."""
    inbox, random = changes.pop("inbox", None), changes.pop("random", None) or Random()
    clock = SystemClock()
    new_id = IdFactory(clock.wall, Random())
    log = EventLog.open(folder / "log", LogSettings(), clock=clock, new_id=new_id)
    try:
        decoder = EventDecoder(Origin(NAME), wall=clock.wall, new_id=new_id)
        link = Link(
            log,
            NAME,
            LinkSettings(port=port, **(QUICK | changes)),
            decoder=decoder,
            clock=clock,
            random=random,
            new_id=new_id,
            version="1.2.3",
            inbox=inbox,
        )
        one = Device(log, link, asyncio.create_task(link.run(), name="link"), decoder)
        try:
            yield one
        finally:
            if not one.running.done():
                await one.stop()
    finally:
        await log.close()


@dataclass
class Cloud:
    """A subscriber: batches by stream as they came, and states."""

    client: aiomqtt.Client
    batches: dict[str, list[bytes]] = field(default_factory=dict)
    content_types: set[str] = field(default_factory=set)
    encodings: list[str] = field(default_factory=list)
    """Of each batch, by its first octets; where MQTT 5 brought its name, that has to be the same."""
    states: list[dict[str, Any]] = field(default_factory=list)  # Any: JSON objects

    def events(self, stream: Stream) -> list[dict[str, Any]]:  # Any: JSON objects
        return [event for batch in self.batches.get(stream, []) for event in json.loads(batch)]

    def sequences(self, stream: Stream) -> list[int]:
        return [int(event["sequence"]) for event in self.events(stream)]

    async def heard(self, stream: Stream, events: int) -> None:
        """Returns when at least so many events of a stream have come."""
        await until(lambda: len(self.sequences(stream)) >= events)

    def statuses(self) -> list[str]:
        return [state["status"] for state in self.states]

    async def tell(self, *receipts: dict[str, Any], days: Any = (), complete: bool = False) -> None:  # Any: JSON
        """Publishes receipts as the ledger would."""
        document = {"complete": complete, "receipts": receipts, "days": list(days)}
        await self.tell_raw(json.dumps(document).encode())

    async def tell_raw(self, payload: bytes) -> None:
        await self.client.publish(NAME.topic(Channel.RECEIPTS), payload, qos=1, retain=True)

    async def listen(self) -> None:
        async for message in self.client.messages:
            assert isinstance(message.payload, bytes)
            if message.topic.value == NAME.topic(Channel.STATE):
                self.states.append(json.loads(message.payload))
            else:
                found = vars(message.properties) if message.properties else {}  # MQTT 5 has them
                self._take(message.topic.value.rpartition("/")[2], message.payload, found)

    def _take(self, stream: str, payload: bytes, properties: dict[str, Any]) -> None:  # Any: MQTT properties
        encoding = "zstd" if payload.startswith(MAGIC) else ""
        self.content_types.add(properties.get("ContentType", ""))
        if "ContentType" in properties:
            assert dict(properties.get("UserProperty", [])) == ({"content-encoding": "zstd"} if encoding else {})
        self.encodings.append(encoding)
        self.batches.setdefault(stream, []).append(decompressed(payload) if encoding else payload)

    @classmethod
    @asynccontextmanager
    async def listening(cls, port: int, *, mqtt_5: bool = True) -> AsyncIterator[Self]:
        protocol = aiomqtt.ProtocolVersion.V5 if mqtt_5 else aiomqtt.ProtocolVersion.V311
        async with aiomqtt.Client("127.0.0.1", port, protocol=protocol, identifier="cloud") as client:
            cloud = cls(client)
            await client.subscribe([(NAME.topic(Channel.STATE), 1), ("sf/v1/+/+/evt/#", 1)])
            task = asyncio.create_task(cloud.listen())
            try:
                yield cloud
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

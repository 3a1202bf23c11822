"""One structured CloudEvent a publish, for readers of the MQTT binding; the cloud twin reads both."""

import json
from pathlib import Path
from typing import get_args

import pytest

from agent.event_types import Stream
from sim.broker import BrokerKind, running_broker
from tests.link.device import NAME, SALE, SENSOR, STOCK, Cloud, device
from tests.link.ledger_world import in_ledger, twin
from tests.link.peers import until

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)


@pytest.mark.parametrize("kind", KINDS)
async def test_without_batching_each_publish_is_one_structured_event(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port, batching="off") as one,
    ):
        await one.append(SALE, 30)
        await one.append(SENSOR, 30)
        await one.delivered()
        await until(lambda: all(len(cloud.batches.get(stream, [])) == 30 for stream in ("sales", "sensor")))
        bodies = [event.body for event in one.stored(Stream.SALES)]
        assert cloud.batches["sales"] == bodies
        assert cloud.content_types == {"application/cloudevents+json"}
        event = json.loads(bodies[0])
        assert event["specversion"] == "1.0"
        assert event["source"].startswith(f"/{NAME.site}/{NAME.device}/")


@pytest.mark.parametrize("batching", ["on", "off"])
async def test_the_cloud_reads_both_forms(batching: str, tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        twin(tmp_path, broker.port) as ledger,
        device(tmp_path, broker.port, batching=batching) as one,
    ):
        await one.append(SALE, 50)
        await one.append(STOCK, 50)
        await one.delivered()
        await until(lambda: in_ledger(ledger, Stream.SALES) == in_ledger(ledger, Stream.STOCK) == 50)
        assert one.link.status().acknowledged == 100
        assert one.link.status().redelivered == 0

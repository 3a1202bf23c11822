"""A log, a link and a ledger over a real broker: what was given up and declared is no loss to any of them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.device_events import EventsShed
from agent.event_types import Stream
from agent.link import StreamReceipt
from agent.producers import AGENT_PRODUCER
from sim.broker import Broker, running_broker
from sim.cloud.books import Book
from sim.cloud.holes import Gap
from sim.cloud.ledger import Ledger
from sim.cloud.twin import CloudTwin
from tests.link.device import NAME, SENSOR, Device, device
from tests.link.peers import until
from tests.log.world import raw


@asynccontextmanager
async def running_twin(broker: Broker, folder: Path) -> AsyncIterator[Ledger]:
    with closing(Ledger.open(folder / "ledger.sqlite", SystemClock())) as ledger:
        running = asyncio.create_task(CloudTwin(ledger, broker.host, broker.port).run())
        try:
            yield ledger
        finally:
            running.cancel()
            await asyncio.wait([running])


async def shed(one: Device, first: int, last: int) -> None:
    """Takes readings from the log and leaves a tombstone."""
    with raw(one.log) as connection:
        connection.execute("DELETE FROM event_sensor WHERE place & 255 BETWEEN ? AND ?", (first, last))
    tombstone = EventsShed(
        stream=Stream.SENSOR,
        epoch=one.log.epoch,
        first_sequence=first,
        last_sequence=last,
        count=last - first + 1,
        reason="storage_pressure",
    )
    await one.log.append([one.decoder.make(tombstone, AGENT_PRODUCER)])


def readings(ledger: Ledger) -> Book | None:
    books = ledger.books(f"{NAME.site}/{NAME.device}")
    return next((book for book in books if book.key.stream == Stream.SENSOR), None)


def has(ledger: Ledger, *, upto: int, given_up: int) -> bool:
    book = readings(ledger)
    if book is None:
        return False
    return (book.holes.upto, book.holes.count(Gap.SHED), book.holes.count(Gap.MISSING)) == (upto, given_up, 0)


async def test_what_was_shed_is_neither_sent_for_again_nor_called_a_loss(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, running_twin(broker, tmp_path) as ledger:
        async with device(tmp_path, 1, enabled=False) as one:
            await one.append(SENSOR, 10)
            await shed(one, 1, 3)
            await shed(one, 8, 9)
            epoch = one.log.epoch
        async with device(tmp_path, broker.port) as one:
            await until(lambda: has(ledger, upto=10, given_up=5))
            await one.delivered()
            await until(lambda: (heard := one.link.receipts()) is not None and _told(heard.receipts) == (10, 5))
        async with device(tmp_path, broker.port) as one:  # it compares with what it hears on connect
            await one.append(SENSOR)
            await until(lambda: has(ledger, upto=11, given_up=5))
            assert one.log.epoch == epoch
    assert not [message for message in caplog.messages if "lacks" in message or "lost" in message]


def _told(receipts: list[StreamReceipt]) -> tuple[int, int] | None:
    return next(((one.upto, one.shed) for one in receipts if one.stream == Stream.SENSOR), None)

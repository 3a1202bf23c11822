"""A real link beside real brokers that refuse, break or have nobody who listens; the ledger knows what is parked."""

import asyncio
from contextlib import AsyncExitStack, closing
from pathlib import Path

import pytest

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.link import ParkedStatus
from agent.log import CLOUD, Place
from sim.broker import running_broker
from sim.cloud.holes import Gap
from sim.cloud.ledger import Ledger
from sim.cloud.twin import CloudTwin
from tests.link.device import NAME, SALE, STOCK, Cloud, device
from tests.link.peers import connack, read_packet, serving, until

EVERYTHING = "topic readwrite sf/#\n"
BUT_SALES = (
    "".join(f"topic readwrite sf/v1/+/+/{topic}\n" for topic in ("state", "ack", "evt/stock", "evt/audit"))
    + "topic read sf/#\n"
)
DEVICE = str(NAME.site) + "/" + str(NAME.device)


def holes(ledger: Ledger, stream: Stream) -> dict[str, list[tuple[int, int]]]:
    (book,) = (book for book in ledger.books(DEVICE) if book.key.stream == stream)
    return {gap.value: spans for gap in Gap if (spans := book.holes.spans(gap))}


@pytest.mark.case("N5")
async def test_what_the_broker_does_not_allow_is_parked_declared_kept_over_a_restart_and_sent_once_it_does(
    tmp_path: Path,
) -> None:
    with closing(Ledger.open(tmp_path / "ledger.sqlite", SystemClock())) as ledger:
        async with running_broker("mosquitto", tmp_path / "broker", acl=BUT_SALES) as broker, AsyncExitStack() as stack:
            running = asyncio.create_task(CloudTwin(ledger, broker.host, broker.port).run())
            stack.callback(running.cancel)
            async with device(tmp_path, broker.port, park_after_tries=2) as one:
                await one.append(SALE, 10)
                await one.append(STOCK, 10)
                whole = (ParkedStatus(Stream.SALES, 10, 0x87, "0x87 not authorized"),)
                await until(lambda: one.link.status().parked == whole)
                await one.delivered()
                assert one.log.cursor(CLOUD, Stream.SALES) == Place(1, 10)
                await until(lambda: any(book.key.stream == Stream.SALES for book in ledger.books(DEVICE)))
                assert holes(ledger, Stream.SALES) == {"parked": [(1, 10)]}
        acl_file = tmp_path / "broker" / "mosquitto.acl"
        assert "evt/audit" in acl_file.read_text()
        async with running_broker("mosquitto", tmp_path / "broker", acl=EVERYTHING) as broker:
            running = asyncio.create_task(CloudTwin(ledger, broker.host, broker.port).run())
            async with device(tmp_path, broker.port, park_after_tries=2, receipt_wait_s=1.0) as one:
                assert one.link.status().parked[0].events == 10
                await until(lambda: one.link.status().parked == ())
                await one.delivered()
                await until(lambda: one.log.gaps(Stream.SALES) == ())
                await until(lambda: holes(ledger, Stream.SALES) == {})
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


@pytest.mark.case("N5")
async def test_an_event_over_which_a_broker_closes_each_connection_is_parked_and_the_others_arrive(
    tmp_path: Path,
) -> None:
    arrived: set[bytes] = set()

    async def broker(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            first, body = await read_packet(reader)
            match first >> 4:
                case 1:
                    writer.write(connack())
                case 3 if (first >> 1) & 3:
                    at = 2 + int.from_bytes(body[:2])
                    if b"poison" in body:
                        return
                    arrived.update(part for part in body[at + 2 :].split(b'"id":"')[1:])
                    writer.write(bytes([0x40, 2]) + body[at : at + 2])
                case 8:
                    writer.write(bytes([0x90, 4]) + body[:2] + bytes([0, 1]))
                case 12:
                    writer.write(bytes([0xD0, 0]))
                case 14:
                    return

    async with serving(broker) as port, device(tmp_path, port, receipt_wait_s=0.05) as one:
        await one.append(SALE, 3)
        await one.delivered()
        await one.append(SALE, 1, basket_id="poison")
        await until(lambda: one.link.status().reconnects > 0)
        await one.append(SALE, 3)
        await until(lambda: one.link.status().parked != ())
        assert one.link.status().parked == (ParkedStatus(Stream.SALES, 1, 0, "the connection breaks over it"),)
        await one.delivered()
        assert [gap.first for gap in one.log.gaps(Stream.SALES)] == [4]
        assert len(arrived) >= 7  # six sales and the word on the seventh


@pytest.mark.case("N6")
async def test_with_hold_what_nobody_subscribes_to_stays_until_somebody_does(tmp_path: Path) -> None:
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        device(tmp_path, broker.port, unheard="hold") as one,
    ):
        await one.append(SALE, 10)
        await until(lambda: one.link.status().unheard >= 2)
        assert "0x10 no matching subscribers" in one.link.status().reason
        assert one.waiting() == 10
        async with Cloud.listening(broker.port) as cloud:
            await one.delivered()
            await cloud.heard(Stream.SALES, 10)

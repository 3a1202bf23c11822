"""What the ledger says on connect: a log that went back in time begins anew, what the broker lost goes again."""

import asyncio
from functools import partial
from pathlib import Path
from typing import get_args

import pytest

from agent.event_types import Stream
from agent.link import LinkState
from agent.log import Place
from sim.broker import BrokerKind, running_broker
from sim.network import FaultProxy
from tests.link.device import SALE, STOCK, Cloud, Device, device
from tests.link.peers import connack, read_packet, serving, until
from tests.log.world import raw

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)

both_brokers = pytest.mark.parametrize("kind", KINDS)


@both_brokers
async def test_a_ledger_that_is_ahead_begins_a_new_epoch_before_any_event_is_sent(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, 1, enabled=False) as one:
            await one.append(SALE, 10)
            restored = one.log.epoch
            await cloud.tell(one.receipt(Stream.SALES, 99))
        async with device(tmp_path, broker.port) as one:
            sent_before: list[int] = []
            one.log.add_epoch_listener(lambda _epoch, _reason: sent_before.append(one.link.status().published))
            await until(lambda: bool(sent_before))
            assert (sent_before, one.log.epoch != restored) == ([0], True)
            await one.append(SALE, 5)
            await one.delivered()
            await until(lambda: len(cloud.events(Stream.SALES)) == 15)
            assert [event["epoch"] for event in cloud.events(Stream.SALES)] == [restored] * 10 + [one.log.epoch] * 5
            assert cloud.states[-1]["epoch"] == one.log.epoch
        epoch = one.log.epoch
        async with device(tmp_path, broker.port) as one:  # the old epoch is still ahead: no second new one
            await one.append(SALE, 1)
            await one.delivered()
            assert one.log.epoch == epoch


@both_brokers
async def test_a_ledger_with_another_event_in_our_place_begins_a_new_epoch(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, 1, enabled=False) as one:
            await one.append(SALE, 10)
            old = one.log.epoch
            await cloud.tell(one.receipt(Stream.SALES, 5, last_id="somebody-else"))
        async with device(tmp_path, broker.port) as one:
            await until(lambda: one.log.epoch != old)
            await one.delivered()


@both_brokers
async def test_what_the_ledger_lacks_is_sent_again(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 50)
            await one.append(STOCK, 20)
            await one.delivered()
            sales = one.receipt(Stream.SALES, 40, missing=[[11, 12], [30, 30]], missing_count=3)
            await cloud.tell(sales, one.receipt(Stream.STOCK, 15))
        await until(lambda: cloud.statuses()[-1:] == ["offline"])
        cloud.batches.clear()
        async with device(tmp_path, broker.port) as one:
            await until(lambda: one.link.status().redelivered == 45)
            await one.delivered()
            await until(lambda: cloud.sequences(Stream.SALES) == list(range(11, 51)))
            await until(lambda: cloud.sequences(Stream.STOCK) == list(range(16, 21)))


async def test_what_neither_the_ledger_nor_the_log_has_is_told_and_the_rest_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 50)
            await one.delivered()
            await cloud.tell(one.receipt(Stream.SALES, 50, missing=[[3, 4]]))
            with raw(one.log) as connection:
                connection.execute("DELETE FROM event_sales WHERE place < (SELECT max(place) FROM event_sales) - 9")
            epoch = one.log.epoch
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 10)
            await one.delivered()
            await until(lambda: cloud.sequences(Stream.SALES) == list(range(1, 61)))
    assert f"the ledger lacks sales 3 to 4 of epoch {epoch}, and so does this log" in caplog.messages


@both_brokers
async def test_a_ledger_that_is_away_does_not_make_us_send_the_same_again_and_again(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        FaultProxy(broker.host, broker.port) as proxy,
        Cloud.listening(broker.port) as cloud,
    ):
        async with device(tmp_path, proxy.port) as one:
            await one.append(SALE, 50)
            await one.delivered()
            await cloud.tell(one.receipt(Stream.SALES, 40))
        await until(lambda: "offline" in cloud.statuses())
        async with device(tmp_path, proxy.port) as one:
            await until(lambda: one.link.status().redelivered == 10)
            for connection in range(1, 4):
                await one.delivered()
                proxy.cut()
                await until(lambda: one.link.status().state is LinkState.OFFLINE)
                proxy.restore()
                await one.append(SALE, 1)
                await cloud.heard(Stream.SALES, 60 + connection)
                assert one.link.status().redelivered == 10
            # A ledger that speaks up and still lacks them is sent them again.
            proxy.cut()
            await until(lambda: one.link.status().state is LinkState.OFFLINE)
            await cloud.tell(one.receipt(Stream.SALES, 40, conflicts=1))
            proxy.restore()
            await until(lambda: one.link.status().redelivered == 23)
            await one.delivered()


@both_brokers
async def test_a_receipt_that_only_lags_gets_time_to_catch_up(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 50)
            await one.delivered()
            await cloud.tell(one.receipt(Stream.SALES, 40))
            whole = one.receipt(Stream.SALES, 50)
        await until(lambda: cloud.statuses()[-1:] == ["offline"])
        async with device(tmp_path, broker.port, receipt_wait_s=10) as one:
            await until(lambda: cloud.statuses()[-1:] == ["online"])
            await cloud.tell(whole)
            await one.append(SALE, 1)
            await one.delivered()
            assert one.link.status().redelivered == 0


async def test_a_receipt_heard_late_is_settled_on_a_new_connection(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 50)
            await one.delivered()
        async with device(tmp_path, broker.port, receipt_wait_s=0.05) as one:
            await one.append(SALE, 10)
            await one.delivered()
            await cloud.tell(one.receipt(Stream.SALES, 60, missing=[[21, 25]]))
            await until(lambda: one.link.status().redelivered == 40)
            await one.delivered()
            assert one.link.status().reconnects == 1
            # The first words of a ledger that has never spoken lag by nature: no reason to connect again.
            await cloud.tell(one.receipt(Stream.SALES, 55))
            await one.append(SALE, 10)
            await one.delivered()
            assert one.link.status().reconnects == 1


async def test_a_receipt_that_is_always_late_is_settled_all_the_same(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 50)
            await one.delivered()
            await cloud.tell(one.receipt(Stream.SALES, 40))
        async with device(tmp_path, broker.port, receipt_wait_s=0) as one:
            await until(lambda: one.link.status().redelivered == 10)
            await one.delivered()
            assert one.link.status().reconnects == 1
            old = one.log.epoch
            await cloud.tell(one.receipt(Stream.SALES, 99))
            await until(lambda: one.log.epoch != old)
            await until(lambda: one.link.status().state is LinkState.ONLINE)
            await one.append(SALE, 1)
            await one.delivered()
            assert one.link.status().reconnects == 2


async def test_what_the_ledger_loses_meanwhile_is_sent_again_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("agent.link.ledger_word.RECEIPT_PATIENCE_S", 0.05)
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        await one.append(SALE, 50)
        await one.append(STOCK, 20)
        await one.delivered()
        stock = one.receipt(Stream.STOCK, 20)
        await cloud.tell(one.receipt(Stream.SALES, 50), stock)
        await until(lambda: one.link.receipts() is not None)
        holed = one.receipt(Stream.SALES, 50, missing=[[31, 35]])
        async with asyncio.timeout(20):
            while one.link.status().reconnects == 0:
                await cloud.tell(holed, stock)
                await asyncio.sleep(0.03)
        await until(lambda: one.link.status().redelivered == 20)
        await one.delivered()
        for conflicts in range(4):  # the ledger will not take them: no reason to go on connecting
            await cloud.tell(holed | {"conflicts": conflicts}, stock)
            await until(partial(told_conflicts, one, conflicts))
            await asyncio.sleep(0.03)
        assert (one.link.status().reconnects, one.link.status().redelivered) == (1, 20)


@both_brokers
async def test_a_new_ledger_is_sent_the_streams_that_it_does_not_name(kind: BrokerKind, tmp_path: Path) -> None:
    async with running_broker(kind, tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 5)
            await one.append(STOCK, 20)
            await one.delivered()
            await cloud.tell(one.receipt(Stream.SALES, 5), complete=True)
        async with device(tmp_path, broker.port) as one:
            await until(lambda: one.link.status().redelivered == 20)
            await one.delivered()


async def test_a_receipt_that_says_nothing_of_our_epoch_is_not_the_last_word(tmp_path: Path) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 10)
            await one.delivered()
            others = [one.receipt(Stream.SALES, 10) | {"epoch": f"another-{number}"} for number in range(2)]
            ahead = one.receipt(Stream.SALES, 15, last_id="of the life after")
            await cloud.tell(*others)
        await until(lambda: cloud.statuses()[-1:] == ["offline"])
        async with device(tmp_path, broker.port, receipt_wait_s=10) as one:
            sent: list[int] = []
            one.log.add_epoch_listener(lambda _epoch, _reason: sent.append(one.link.status().published))
            await one.append(SALE, 1)
            await until(lambda: cloud.statuses()[-1:] == ["online"])
            await until(lambda: one.link.receipts() is not None)
            await cloud.tell(*others, ahead)
            await until(lambda: bool(sent))
            assert sent == [0]


async def test_retention_in_the_middle_of_a_rewind_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 50)
            await one.delivered()
            await cloud.tell(one.receipt(Stream.SALES, 30))
        await until(lambda: cloud.statuses()[-1:] == ["offline"])
        cloud.batches.clear()
        async with device(tmp_path, broker.port, receipt_wait_s=0.5) as one:
            advance = one.log.advance

            async def advance_after_retention(consumer: str, stream: Stream, place: Place) -> None:
                with raw(one.log) as connection:
                    connection.execute("DELETE FROM event_sales WHERE place < (SELECT max(place) FROM event_sales) - 9")
                await advance(consumer, stream, place)

            monkeypatch.setattr(one.log, "advance", advance_after_retention)
            await until(lambda: cloud.sequences(Stream.SALES) == list(range(41, 51)))
            await one.delivered()
            epoch = one.log.epoch
    assert f"the ledger lacks sales 31 to 40 of epoch {epoch}, and so does this log" in caplog.messages


@both_brokers
async def test_the_first_receipt_of_a_new_device_changes_nothing(kind: BrokerKind, tmp_path: Path) -> None:
    async with (
        running_broker(kind, tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port, receipt_wait_s=0.05) as one,
    ):
        await one.append(SALE, 50)
        await one.delivered()
        await cloud.tell(one.receipt(Stream.SALES, 30))
        await until(lambda: one.link.receipts() is not None)
        await one.append(SALE, 50)
        await one.delivered()
        status = one.link.status()
        assert (status.reconnects, status.redelivered) == (0, 0)


async def test_the_newest_receipts_and_day_answers_can_be_asked_for(tmp_path: Path) -> None:
    day = {"business_day": "2017-03-05", "stream": "sales", "epoch": "e", "ok": True, "count": 9, "problem": ""}
    async with (
        running_broker("mosquitto", tmp_path / "broker") as broker,
        Cloud.listening(broker.port) as cloud,
        device(tmp_path, broker.port) as one,
    ):
        assert one.link.receipts() is None
        assert one.link.day_answers() == []
        await one.append(SALE, 9)
        await one.delivered()
        await cloud.tell(one.receipt(Stream.SALES, 9), days=[day])
        await until(lambda: bool(one.link.day_answers()))
        assert one.link.day_answers()[0].count == 9
        await cloud.tell(one.receipt(Stream.SALES, 9), days=[day | {"count": 10}])
        await until(lambda: one.link.day_answers()[0].count == 10)


@pytest.mark.parametrize("payload", [b"", b"{}", b"\xff", b'{"receipts":[{"upto":1e999}]}', b"[" * 10_000])
async def test_what_is_no_receipt_is_ignored(tmp_path: Path, payload: bytes) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port) as cloud:
        await cloud.tell_raw(payload)
        async with device(tmp_path, broker.port) as one:
            await one.append(SALE, 9)
            await one.delivered()
            await cloud.tell_raw(payload)
            await one.append(SALE, 9)
            await one.delivered()
            assert one.link.receipts() is None
            assert one.link.status().reconnects == 0


async def test_a_ledger_that_may_not_be_heard_is_done_without(tmp_path: Path) -> None:
    async def refuse_subscriptions(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_packet(reader)
        writer.write(connack())
        while True:
            first, body = await read_packet(reader)
            if first >> 4 == 8:
                writer.write(b"\x90\x04" + body[:2] + b"\x00\x87")
            elif first >> 4 == 3:
                topic_bytes = int.from_bytes(body[:2], "big")
                writer.write(b"\x40\x02" + body[2 + topic_bytes : 4 + topic_bytes])

    async with serving(refuse_subscriptions) as port, device(tmp_path, port, receipt_wait_s=10) as one:
        await one.append(SALE, 50)
        await one.delivered()


def told_conflicts(one: Device, conflicts: int) -> bool:
    """Whether the first part of the newest receipts tells of so many."""
    receipts = one.link.receipts()
    return receipts is not None and receipts.receipts[0].conflicts == conflicts

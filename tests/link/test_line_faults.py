"""One fault of the line at a time, on both brokers: the link finds it, and what the ledger counts is right."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import pytest

from agent.link import ledger_word
from agent.link.inbox import NoInbox
from agent.topics import Channel
from sim.broker import Broker, BrokerKind
from sim.cloud.connection import mqtt_client
from sim.network import Direction, LineQuality, PacketFaults, PacketType, Profile, PubackFaults, Then, Trap
from tests.link.certificates import Authority
from tests.link.device import NAME, SALE, STOCK
from tests.link.peers import until
from tests.link.shop import shop

KINDS: tuple[BrokerKind, ...] = get_args(BrokerKind)
both_brokers = pytest.mark.parametrize("kind", KINDS)

DESIRED = NAME.topic(Channel.CONFIG, "desired")


# --- PUBACKs ---------------------------------------------------------------------------------------------------------


@both_brokers
@pytest.mark.case("N3")
async def test_when_every_fifth_puback_is_lost_events_come_again_and_count_once(
    kind: BrokerKind, tmp_path: Path
) -> None:
    async with shop(kind, tmp_path, puback_timeout_s=0.3, batch_events_max=10) as one:
        faults = one.line.faults(Direction.DOWN)
        faults.pubacks = PubackFaults(lost=0.2)
        await one.device.append(SALE, 800)
        await one.device.append(STOCK, 300)
        found = await one.all_is_there_once()
        status = one.device.link.status()
        assert faults.pubacks_lost >= 10
        assert status.reconnects > 0
        assert 0 < found.redelivered <= status.redelivered


@both_brokers
async def test_pubacks_that_come_late_or_twice_move_no_cursor_wrongly(kind: BrokerKind, tmp_path: Path) -> None:
    async with shop(kind, tmp_path, batch_events_max=10) as one:
        faults = one.line.faults(Direction.DOWN)
        faults.pubacks = PubackFaults(late=0.3, doubled=0.3, late_s=0.05)
        await one.device.append(SALE, 1_000)
        await one.device.append(STOCK, 500)
        found = await one.all_is_there_once()
        assert min(faults.pubacks_late, faults.pubacks_doubled) > 20
        assert (found.redelivered, one.device.link.status().reconnects) == (0, 0)


@both_brokers
async def test_an_end_of_the_connection_while_pubacks_are_late_loses_nothing(kind: BrokerKind, tmp_path: Path) -> None:
    async with shop(kind, tmp_path, batch_events_max=10, receipt_wait_s=0.05) as one:
        faults = one.line.faults(Direction.DOWN)
        faults.pubacks = PubackFaults(late=0.5, late_s=0.2)
        for cut in range(1, 6):
            await one.device.append(SALE, 200)
            await one_more_is_late(faults)
            one.line.cut()
            one.line.restore()
            await one.reconnected(cut)
        await one.all_is_there_once()


async def one_more_is_late(faults: PacketFaults) -> None:
    before = faults.pubacks_late
    await until(lambda: faults.pubacks_late > before)


# --- half-open connections -------------------------------------------------------------------------------------------


@both_brokers
@pytest.mark.parametrize("then", [Then.SILENCE, Then.NO_ANSWER])
@pytest.mark.parametrize(
    ("packet", "nth"),
    [(PacketType.CONNECT, 1), (PacketType.SUBSCRIBE, 1), (PacketType.PUBLISH, 1), (PacketType.PUBLISH, 5)],
)
@pytest.mark.case("N2")
async def test_a_connection_that_falls_silent_is_left_and_nothing_is_lost(
    packet: PacketType, nth: int, then: Then, kind: BrokerKind, tmp_path: Path
) -> None:
    async with shop(kind, tmp_path, puback_timeout_s=0.3, connect_timeout_s=0.3, batch_events_max=10) as one:
        one.line.faults(Direction.UP).set_trap(Trap(packet, then, nth))  # the device has not begun yet
        await one.device.append(SALE, 200)
        await until(lambda: one.line.connections >= 2)
        found = await one.all_is_there_once()
        assert one.line.faults(Direction.UP).sprung == 1
        assert found.events == 200


# --- broken packets --------------------------------------------------------------------------------------------------


@both_brokers
@pytest.mark.parametrize("octets", [0, 1, 3, 60, 1_000])
async def test_a_reset_in_the_middle_of_a_publish_counts_nothing_in_part(
    octets: int, kind: BrokerKind, tmp_path: Path
) -> None:
    async with shop(kind, tmp_path, batch_events_max=20) as one:
        one.line.faults(Direction.UP).set_trap(Trap(PacketType.PUBLISH, Then.RESET, 4, octets))
        await one.device.append(SALE, 400)
        found = await one.all_is_there_once()
        assert one.line.faults(Direction.UP).sprung == 1
        assert one.device.link.status().reconnects == 1
        assert found.events == 400


@pytest.mark.parametrize("octet", [1, 2, 4, 6])
async def test_a_wrong_bit_in_the_header_of_a_publish_counts_nothing_wrong(octet: int, tmp_path: Path) -> None:
    """Its length, its topic's length, its topic. Mosquitto only: rumqttd dies of such a packet."""
    async with shop("mosquitto", tmp_path, batch_events_max=20, puback_timeout_s=0.5) as one:
        await one.device.append(SALE, 20)
        await one.device.delivered()
        faults = one.line.faults(Direction.UP)
        faults.set_trap(Trap(PacketType.PUBLISH, Then.FLIP, 1, octet))
        await one.device.append(SALE, 20)
        await until(lambda: faults.sprung == 1)
        await one.device.delivered()
        one.connect_anew()
        found = await one.all_is_there_once(dead_letters_max=1)
        assert found.events == 40


@both_brokers
async def test_under_tls_a_wrong_bit_anywhere_ends_the_connection_and_counts_nothing_wrong(
    kind: BrokerKind, tmp_path: Path
) -> None:
    bad = LineQuality(flips=0.01)
    profile = Profile("noise", "one segment of a hundred has a wrong bit", up=bad, down=bad)
    changes = {"batch_events_max": 20, "compression": "off"}  # many segments, so that some are hit
    async with shop(kind, tmp_path, profile, authority=Authority(tmp_path), **changes) as one:
        await one.device.append(SALE, 500)
        found = await one.all_is_there_once()
        assert found.events == 500
        assert one.line.connections > 1


# --- the broker ------------------------------------------------------------------------------------------------------


class Ear:
    """An inbox that wants one topic."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def filters(self) -> Sequence[str]:
        return (DESIRED,)

    async def next_filter(self) -> str:
        return await NoInbox().next_filter()

    def put(self, topic: str, payload: bytes, done: Callable[[], None]) -> bool:
        assert topic == DESIRED
        self.heard.append(payload)
        done()
        return True

    async def hears(self, text: bytes) -> None:
        """Returns when the text was the last that was heard."""
        await until(lambda: self.heard[-1:] == [text])


@both_brokers
@pytest.mark.case("N9")
async def test_a_broker_that_forgot_its_sessions_is_subscribed_to_again(kind: BrokerKind, tmp_path: Path) -> None:
    ear = Ear()
    async with shop(kind, tmp_path) as one:
        one.device.link._inbox = ear
        await say(one.broker, b"before")
        await ear.hears(b"before")
        for restart in range(1, 4):
            await one.device.append(SALE, 200)
            one.broker.kill()
            await one.device.append(SALE, 100)
            await one.broker.start()
            await one.reconnected(restart)
            await say(one.broker, b"after %d" % restart)
            await ear.hears(b"after %d" % restart)
        await one.device.delivered()
        one.connect_anew()
        found = await one.all_is_there_once()
        assert found.events == 900


@pytest.mark.case("N9")
async def test_what_the_broker_took_for_nobody_goes_again_though_no_event_follows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger_word, "SILENCE_MIN_S", 1.0)
    async with shop("mosquitto", tmp_path) as one:
        await one.device.append(SALE, 20)
        await one.all_is_there_once()
        await one.cloud.go()
        one.broker.kill()  # with the session of the cloud
        await one.broker.start()
        await one.reconnected(1)
        await one.device.append(SALE, 20)
        await one.device.delivered()
        assert one.device.link.status().unheard > 0
        await one.cloud.come()
        await one.all_is_there_once()


async def say(broker: Broker, text: bytes) -> None:
    """Somebody publishes what is desired of the device, retained."""
    async with mqtt_client(broker.host, broker.port, "desk") as desk:
        await desk.publish(DESIRED, text, qos=1, retain=True)

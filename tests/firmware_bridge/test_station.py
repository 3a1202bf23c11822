"""The station in line time against a vehicle written from the protocol: opening, delivery, and what is told."""

from itertools import pairwise
from typing import Any

import pytest

from firmware_bridge import (
    LatchCause,
    Latched,
    LinkDown,
    LinkRefused,
    LinkUp,
    Notice,
    NotSent,
    NotSentReason,
    Outcome,
    Result,
    Status,
)
from firmware_bridge._framing import Decoder
from firmware_bridge._station import Station
from firmware_bridge.messages import TABLE_HASH
from tests.firmware_bridge.fake_vehicle import FakeVehicle
from tests.firmware_bridge.line_time import World
from tests.firmware_bridge.wire_codec import framed

FOREVER = 1 << 60


def submit(world: World, *numbers: int, until_us: int = FOREVER, code: int = 1) -> None:
    for number in numbers:
        assert world.station.submit(number, code, bytes(16), until_us)


def sent(world: World, control: int, address: int = 0x03) -> list[tuple[float, bytes]]:
    """When frames with this control octet went out, and their content."""
    decoder = Decoder()
    found = [(at, frame) for at, octets, _ in world.writes for frame in decoder.feed(octets)]
    return [(at, frame) for at, frame in found if frame[0] == address and frame[1] == control]


def test_the_xid_of_the_bridge_is_as_the_document_says() -> None:
    world = World(mute=True, fed=False)
    world.open_port()
    world.run_for(1000)
    expected = (
        "82 80 0007 06 02 0400 08 01 08 f0 0013 00 03 534631 01 02 0100 02 04" + TABLE_HASH.to_bytes(4, "big").hex()
    )
    assert sent(world, 0xBF)[0][1] == b"\x03\xbf" + bytes.fromhex(expected + "03 02 0001")


def test_xid_goes_out_every_100_ms_until_it_is_answered() -> None:
    world = World(mute=True, fed=False)
    world.open_port()
    world.run_for(1_050_000)
    times = [at for at, _ in sent(world, 0xBF)]
    assert [round((at - times[0]) / 100_000) for at in times] == list(range(11))


def test_an_opening_tells_who_is_there() -> None:
    world = World().opened()
    (up,) = world.told(LinkUp)
    assert (up.epoch, up.identity.vehicle, up.identity.firmware) == (1, "AGV7", "fake 1.0")
    assert world.vehicle.open
    assert world.vehicle.epoch == 1


@pytest.mark.parametrize(
    ("vehicle", "why"),
    [
        ({"major": 2}, "the vehicle speaks protocol 2.0, this bridge 1.0"),
        ({"table": 0x01020304}, f"message table is 01020304, this bridge's {TABLE_HASH:08X}"),
    ],
)
def test_another_version_is_refused_in_words_while_stop_and_heartbeat_go_on(vehicle: dict[str, Any], why: str) -> None:
    world = World(**vehicle)
    world.open_port()
    world.run_for(4_900_000)
    world.station.stop(1, 1, int(world.now_us))
    world.vehicle.status(flags=0)
    world.run_for(100_000)
    (refused,) = world.told(LinkRefused)
    assert why in refused.why
    assert len(sent(world, 0xBF)) == 3  # every 2 s
    assert sent(world, 0x7F) == []
    assert not world.station.open_epoch
    assert world.vehicle.stops
    assert len(world.vehicle.leases_ms) > 90
    assert world.told(Status)


def test_sabme_is_tried_five_times_before_a_new_epoch() -> None:
    world = World(opens=False)
    world.open_port()
    world.run_until(lambda: len(sent(world, 0xBF)) == 3)
    assert [frame[-2:] for _, frame in sent(world, 0xBF)] == [b"\x00\x01", b"\x00\x02", b"\x00\x03"]
    assert len(sent(world, 0x7F)) == 10
    assert world.events_without_latches() == []


def test_a_late_sabme_costs_no_result() -> None:
    """The vehicle may send between two SABMEs what it forgets at the second: nothing counts before a poll came back."""
    station, vehicle = Station(table=TABLE_HASH), FakeVehicle(table=TABLE_HASH)
    result = b"\x05\x00\x00\x80" + bytes.fromhex("01000000 0100 03 00 00")
    station.port_opened(1_000_000)
    assert station.poll(1_000_000)[0][2] == 0xBF
    station.receive(framed(b"\x03\xbf" + vehicle.identity()), 1_020_000)
    assert [station.poll(now_us)[0] for now_us in (1_020_000, 1_120_000)] == [framed(b"\x03\x7f")] * 2
    station.receive(framed(b"\x03\x73") + framed(result), 1_150_000)
    assert station.poll(1_150_000)[0] == framed(b"\x07\x01\x01")
    station.receive(framed(b"\x03\x73") + framed(b"\x07\x01\x01"), 1_160_000)
    assert station.open_epoch
    station.receive(framed(result), 1_170_000)
    assert station.poll(1_170_000)[0] == framed(b"\x05\x01\x02")
    assert station.counters()["results_received"] == 1


def test_each_opening_has_a_new_epoch_and_65535_is_followed_by_1() -> None:
    world = World()
    world.station = Station(table=TABLE_HASH, epoch=65535)
    world.opened()
    world.vehicle.open = False
    submit(world, 1)
    world.run_until(lambda: len(world.told(LinkUp)) == 2)
    assert [up.epoch for up in world.told(LinkUp)] == [65535, 1]


def test_commands_are_executed_once_and_in_order_beyond_the_modulus() -> None:
    world = World().opened()
    for number in range(1, 401):
        while not world.station.submit(number, 1, number.to_bytes(4, "little"), FOREVER):
            world.step(world.now_us + 10_000)
    world.run_until(lambda: len(world.told(Result)) == 400)
    assert [command for _, command, _ in world.vehicle.executed] == list(range(1, 401))
    assert [result.command_id for result in world.told(Result)] == list(range(1, 401))
    assert {result.outcome for result in world.told(Result)} == {Outcome.DONE}
    assert world.station.counters()["commands_repeated"] == 0


@pytest.mark.parametrize("window", [1, 3, 8])
def test_no_more_frames_are_out_than_the_vehicle_takes(window: int) -> None:
    world = World(window=window).opened()
    world.vehicle.mute = True
    submit(world, *range(1, 21))
    world.run_for(150_000)
    assert len({frame[1] for _, frame in frames_of_commands(world)}) == window


def frames_of_commands(world: World) -> list[tuple[float, bytes]]:
    decoder = Decoder()
    found = [(at, frame) for at, octets, _ in world.writes for frame in decoder.feed(octets)]
    return [(at, frame) for at, frame in found if frame[0] == 0x07 and not frame[1] & 1]


def test_five_expiries_in_a_row_close_the_link_and_the_time_doubles() -> None:
    world = World().opened()
    world.vehicle.mute = True
    submit(world, 1)
    heartbeat = framed(bytes.fromhex("7903e00100000001 0001".replace(" ", "")))
    while not world.told(LinkDown):
        world.run_for(40_000)
        world.up.send(heartbeat, world.now_us)  # heard, yet nothing is acknowledged
    times = [at for at, _ in frames_of_commands(world)]
    gaps = [round((later - earlier) / 1000) for earlier, later in pairwise(times)]
    assert len(times) == 5
    assert [later / earlier for earlier, later in pairwise(gaps)] == pytest.approx([2] * 3, rel=0.1)
    assert "acknowledged nothing" in world.told(LinkDown)[0].why


def test_the_ttl_is_what_is_left_each_time_a_command_goes_out() -> None:
    world = World().opened()
    world.vehicle.mute = True
    submit(world, 1, until_us=int(world.now_us) + 400_000)
    world.run_for(300_000)
    left = [int.from_bytes(frame[10:12], "little") for _, frame in frames_of_commands(world)]
    assert len(left) >= 2
    assert left == sorted(left, reverse=True)
    assert 390 <= left[0] <= 400
    assert left[-1] < left[0] - 90


def test_a_command_that_expires_in_the_queue_is_never_sent() -> None:
    world = World(window=1).opened()
    world.vehicle.busy = True
    submit(world, 1, 2, 3, until_us=int(world.now_us) + 100_000)
    world.run_until(lambda: len(world.told(NotSent)) == 2)
    assert [(event.command_id, event.why) for event in world.told(NotSent)] == [
        (2, NotSentReason.EXPIRED),
        (3, NotSentReason.EXPIRED),
    ]
    world.vehicle.busy = False
    world.run_until(lambda: bool(world.told(Result)))
    assert world.told(Result)[0].outcome is Outcome.EXPIRED
    assert world.vehicle.executed == []


def test_what_waits_when_the_link_closes_is_told_and_never_sent_later() -> None:
    world = World(window=1).opened()
    world.vehicle.busy = True
    submit(world, 1, 2, 3)
    world.run_for(50_000)
    world.vehicle.say(b"\x03\x0f")
    world.run_until(lambda: len(world.told(LinkUp)) == 2)
    assert [(event.command_id, event.why) for event in world.told(NotSent)] == [
        (2, NotSentReason.LINK_CLOSED),
        (3, NotSentReason.LINK_CLOSED),
    ]
    world.vehicle.busy = False
    world.run_for(500_000)
    assert world.vehicle.executed == []
    assert "closed the link" in world.told(LinkDown)[0].why


def test_a_busy_vehicle_is_polled_and_the_link_stays() -> None:
    world = World().opened()
    world.vehicle.busy = True
    submit(world, 1, 2)
    world.run_for(3_000_000)
    assert len(sent(world, 0x01, address=0x07)) > 10  # RR, P=1
    assert world.vehicle.executed == []
    world.vehicle.busy = False
    world.run_until(lambda: len(world.told(Result)) == 2)
    assert world.told(LinkDown) == []


def test_unread_results_make_the_vehicle_wait_and_none_is_lost() -> None:
    world = World().opened()
    world.reads_events = False
    for number in range(1, 1200):
        while not world.station.submit(number, 1, b"", FOREVER):
            world.step(world.now_us + 5_000)
            if not world.station.has_room:
                break
        if not world.station.has_room:
            break
    world.run_for(1_000_000)
    assert not world.station.has_room
    assert sent(world, 0x05, address=0x05) or sent(world, 0x01, address=0x05)
    world.reads_events = True
    done = len(world.vehicle.executed)
    world.run_until(lambda: len(world.told(Result)) >= len(world.vehicle.executed) >= done)
    world.run_for(300_000)
    assert [result.command_id for result in world.told(Result)] == [number for _, number, _ in world.vehicle.executed]
    assert world.station.counters()["events_dropped"] == 0


def test_only_the_latest_status_is_kept() -> None:
    world = World().opened()
    world.reads_events = False
    for command in range(5):
        world.vehicle.status(flags=64 | command)
    world.run_for(100_000)
    world.reads_events = True
    world.run_for(1000)
    (status,) = world.told(Status)
    assert (status.flags & 7, status.x_mm, status.theta_mrad, status.picks, status.drops) == (4, 1, 3, 8, 9)


def test_a_silent_vehicle_is_told_after_half_a_second() -> None:
    world = World().opened()
    world.vehicle.mute = True
    began_us = world.now_us
    world.run_until(lambda: bool(world.told(LinkDown)))
    assert "half a second" in world.told(LinkDown)[0].why
    assert 450_000 <= world.now_us - began_us <= 560_000


def test_a_vehicle_that_lost_its_side_is_noticed_without_a_command() -> None:
    world = World().opened()
    world.run_for(150_000)
    world.vehicle.status(flags=64)
    world.run_for(50_000)
    assert world.told(LinkDown) == []
    world.vehicle.status(flags=16)
    world.run_until(lambda: len(world.told(LinkUp)) == 2)
    assert "lost its side" in world.told(LinkDown)[0].why


def test_disc_of_the_vehicle_is_answered_and_a_new_opening_follows() -> None:
    world = World().opened()
    world.vehicle.say(b"\x01\x53")
    world.run_until(lambda: len(world.told(LinkUp)) == 2)
    assert len(sent(world, 0x73, address=0x01)) == 1


def test_test_of_the_vehicle_is_answered_with_its_octets() -> None:
    world = World().opened()
    world.vehicle.say(b"\x01\xf3" + bytes(range(100, 228)))
    world.run_for(50_000)
    assert sent(world, 0xF3, address=0x01)[0][1][2:] == bytes(range(100, 228))


def test_our_own_echo_is_unknown_and_keeps_no_link_alive() -> None:
    world = World(mute=True)
    world.open_port()
    for _ in range(200):
        before = len(world.writes)
        world.run_for(10_000)
        for _, octets, _flush in world.writes[before:]:
            world.up.send(octets, world.now_us)
    assert world.events == []
    assert sent(world, 0x7F) == []
    assert world.station.counters()["unknown"] > 20


@pytest.mark.parametrize(
    "frame",
    [
        "0503",
        "ff03e0",
        "7d03e2",
        "7903",
        "7903e2",
        "7903ff0000",
        "0903c0",
        "0900",
        "0373aa",
        "03bf",
        "03bf82",
        "03bf82f0ffff",
        "05000080",
        "0700008001",
        "050d00",
        "050100",
        "05fe",
        "0300",
    ],
)
def test_a_frame_that_nobody_defined_is_dropped_and_counted(frame: str) -> None:
    world = World().opened()
    world.run_for(20_000)
    before = world.station.counters()["unknown"]
    world.station.receive(framed(bytes.fromhex(frame)), int(world.now_us))
    assert world.station.counters()["unknown"] == before + 1
    assert world.station.open_epoch


def test_an_acknowledgement_of_what_was_not_sent_begins_again() -> None:
    world = World().opened()
    world.station.receive(framed(b"\x07\x01\x0a"), int(world.now_us))
    world.run_until(lambda: len(world.told(LinkUp)) == 2)
    assert "was not sent" in world.told(LinkDown)[0].why


def test_a_notice_and_a_latch_are_told() -> None:
    world = World().opened()
    world.vehicle.say(b"\x09\x03\xc1battery \x07 low")
    world.vehicle.latch, world.vehicle.cause = 9, 4
    world.run_for(100_000)
    assert [notice.text for notice in world.told(Notice)] == ["battery ? low"]
    assert (world.told(Latched)[-1].latch, world.told(Latched)[-1].cause) == (9, LatchCause.FAULT)


def test_disconnect_says_disc_and_opens_nothing_again() -> None:
    world = World().opened()
    world.station.disconnect(int(world.now_us))
    world.run_for(500_000)
    assert len(sent(world, 0x53)) == 1
    assert not world.vehicle.open
    assert len(sent(world, 0xBF)) == 1


@pytest.mark.parametrize(("epoch", "baud"), [(0, 115200), (65536, 115200), (1, 0), (1, -5)])
def test_impossible_parameters_are_refused(epoch: int, baud: int) -> None:
    with pytest.raises(ValueError, match="expected 1"):
        Station(table=1, baud=baud, epoch=epoch)


def test_a_body_that_is_too_long_is_refused() -> None:
    with pytest.raises(ValueError, match="33 octets of body"):
        Station(table=1).submit(1, 1, bytes(33), 0)

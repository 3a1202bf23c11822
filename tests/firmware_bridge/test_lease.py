"""The motion lease in line time: what a vehicle may still do after the core's last sign of life."""

from itertools import pairwise

import pytest

from tests.firmware_bridge.line_time import World


def test_a_heartbeat_goes_out_every_50_ms_with_what_is_left_of_250() -> None:
    world = World().opened()
    world.run_for(1_000_000)
    times = [at for at, _ in world.vehicle.leases_ms]
    gaps_ms = [(later - earlier) / 1000 for earlier, later in pairwise(times)]
    assert gaps_ms == pytest.approx([50] * len(gaps_ms), abs=3)
    assert all(195 <= lease_ms <= 250 for _, lease_ms in world.vehicle.leases_ms)


@pytest.mark.parametrize("offset_us", range(0, 50_000, 7_000))
def test_no_lease_reaches_beyond_250_ms_after_the_last_sign_of_life(offset_us: int) -> None:
    world = World(fed=False).opened()
    world.run_for(offset_us)
    fed_us = int(world.now_us)
    world.station.feed(fed_us)
    world.run_for(1_000_000)
    assert world.vehicle.leases_ms
    for at_us, lease_ms in world.vehicle.leases_ms:
        assert 0 < lease_ms <= 250
        assert at_us + lease_ms * 1000 <= fed_us + 250_000 + 2_000  # 2 ms: the heartbeat's own way over the line


def test_without_a_sign_of_life_there_is_no_heartbeat() -> None:
    world = World(fed=False).opened()
    world.run_for(1_000_000)
    assert world.vehicle.leases_ms == []
    assert world.station.counters()["heartbeats_withheld"] > 15


def test_an_older_sign_of_life_does_not_shorten_the_lease() -> None:
    world = World(fed=False).opened()
    world.station.feed(int(world.now_us))
    world.station.feed(int(world.now_us) - 200_000)
    world.run_for(60_000)
    assert world.vehicle.leases_ms[0][1] > 190


def test_a_late_core_is_counted_once_per_stall() -> None:
    world = World(fed=False).opened()
    for _ in range(3):
        world.station.feed(int(world.now_us))
        world.run_for(220_000)
    assert world.station.counters()["token_stalls"] == 3
    world.station.feed(int(world.now_us))
    world.run_for(400_000)
    assert world.station.counters()["token_stalls"] == 4


def test_the_heartbeats_of_the_vehicle_are_counted() -> None:
    world = World().opened()
    world.run_for(500_000)
    assert 9 <= world.station.counters()["heartbeats_received"] <= 12

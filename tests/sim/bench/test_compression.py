"""`python -m sim.bench.compression` measures what it says; how much is not asserted."""

import subprocess
import sys

from agent.clock import SystemClock
from agent.event_types import Stream
from sim.bench.compression import shrunk
from sim.bench.shop_bodies import shop_bodies

CLOCK = SystemClock()


def test_a_shops_events_are_of_several_streams_and_batches_of_them_get_smaller_with_each_size() -> None:
    bodies = shop_bodies(3_000, CLOCK)
    assert sum(map(len, bodies.values())) == 3_000
    assert {Stream.SALES, Stream.SENSOR} <= bodies.keys()
    ratios = [row.ratio for row in shrunk({Stream.SALES: bodies[Stream.SALES]}, CLOCK)]
    assert len(ratios) > 2
    assert ratios == sorted(ratios)
    assert ratios[0] > 1


def test_the_command_prints_ratios_and_drains() -> None:
    command = [sys.executable, "-m", "sim.bench.compression", "--events", "1000", "--pairs", "1", "--broker", "iotcore"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    assert "compressed / plain, 1 pairs" in answer.stdout
    assert answer.stderr == ""

"""The real station and the real firmware over a bad line: no load is moved twice, and none that was said not to be."""

import ctypes
from collections import Counter
from random import Random

import pytest

from firmware_bridge import Latched, LinkUp, NotSent, Outcome, Reason, Released, Result
from sim.firmware import Product, build
from tests.firmware_bridge.line_faults import FAULTS
from tests.firmware_bridge.line_time import World

FRAMES = 22_500  # of each kind: 2e5 in all
FOREVER_US = 1 << 60
PICK, DROP, QUERY = 2, 3, 7
PICK_SEEN, DROP_SEEN = 6, 7
MOVED_AT_ONCE = (0).to_bytes(2, "little") + (10).to_bytes(2, "little")  # height, duration in ms
QUERIES_FROM = 1 << 24
FINAL = {Outcome.DONE, Outcome.FAILED, Outcome.EXPIRED}
STEP_US = 2_000
RELEASE_AGAIN_US = 600_000  # a person presses again
AHEAD = 12


class Firmware:
    """The firmware as a library, as the far end of a line; `moved` counts what changed hands, by station number."""

    def __init__(self) -> None:
        self.moved: Counter[int] = Counter()
        self._library = ctypes.CDLL(str(build(Product.LIBRARY)))
        self._octets = ctypes.create_string_buffer(32_768)
        self._polled_us = 1_000_000
        self._library.library_boot(b"AGV-7", 1, 1, 0, self._polled_us // 1000)

    def receive(self, octets: bytes, now_us: int) -> None:
        self._library.library_receive(octets, len(octets), now_us // 1000)

    def poll(self, now_us: int) -> bytes:
        self._polled_us = now_us
        self._library.library_run(now_us // 1000)
        event = (ctypes.c_uint32 * 3)()
        while self._library.library_seen(event):
            if event[0] in {PICK_SEEN, DROP_SEEN}:
                self.moved[event[1]] += 1
        return ctypes.string_at(self._octets, self._library.library_sent(self._octets, len(self._octets)))

    def deadline_us(self) -> float:
        return self._polled_us + STEP_US


class Core:
    """Sends picks and drops, each to a station of its own; asks after each opening, and releases the vehicle."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.said: dict[int, set[Outcome]] = {}
        self.open: set[int] = set()
        self.to_ask: list[int] = []
        self.latch = 0
        self.release_us = 0.0
        self.read = 0
        self.queries = QUERIES_FROM

    def work(self, *, submits: bool) -> None:
        station = self.world.station
        self._listen()
        if self.latch and self.world.now_us >= self.release_us:
            station.release(self.latch, int(self.world.now_us))
            self.release_us = self.world.now_us + RELEASE_AGAIN_US
        while station.open_epoch and self.to_ask:
            self.queries += 1
            if not station.submit(self.queries, QUERY, self.to_ask[-1].to_bytes(4, "little"), FOREVER_US):
                return
            self.to_ask.pop()
        while submits and station.open_epoch and len(self.open) < AHEAD:
            number = len(self.said) + 1
            code = DROP if number % 2 else PICK
            if not station.submit(number, code, number.to_bytes(4, "little") + MOVED_AT_ONCE, FOREVER_US):
                return
            self.said[number] = set()
            self.open.add(number)

    def _listen(self) -> None:
        for event in self.world.events[self.read :]:
            match event:
                case LinkUp():
                    self.to_ask = sorted(self.open)
                case Latched(latch=latch):
                    self.latch = latch
                case Released():
                    self.latch = 0
                case NotSent(command_id=number) if number < QUERIES_FROM:
                    self._settle(number, Outcome.EXPIRED)
                case Result(command_id=number, outcome=outcome, prior=prior, reason=reason):
                    self._settle(number, prior if outcome is Outcome.DUPLICATE else outcome, reason)
        self.read = len(self.world.events)

    def _settle(self, number: int, outcome: Outcome | None, reason: Reason = Reason.NONE) -> None:
        assert number in self.said, "an answer to what was never asked"
        if outcome in FINAL and reason is not Reason.FORGOTTEN:
            self.said[number].add(outcome)
        if outcome in FINAL:
            self.open.discard(number)


@pytest.mark.parametrize("kind", FAULTS)
def test_the_firmware_moves_no_load_twice_and_says_what_it_did(kind: str) -> None:
    make, rate = FAULTS[kind]
    world, firmware = World(), Firmware()
    world.far_end = firmware
    core = Core(world)
    quiet, world.fault = world.fault, make(Random(kind), rate)
    world.open_port()
    while sum(world.station.counters()[name] for name in ("frames_sent", "frames_received")) < FRAMES:
        core.work(submits=True)
        world.step(world.now_us + 20_000)
    world.fault = quiet
    core.to_ask = sorted(core.open)
    while core.open or not firmware.moved:  # on the worst line the link never opened
        core.work(submits=not core.open)
        world.step(world.now_us + 20_000)
    assert max(firmware.moved.values()) == 1
    done = {number for number, outcomes in core.said.items() if Outcome.DONE in outcomes}
    assert done == set(firmware.moved)
    assert all(len(outcomes) <= 1 for outcomes in core.said.values())

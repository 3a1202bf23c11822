"""The link over a bad line: no wrong frame delivered, nothing done twice, and every command accounted for."""

from collections import Counter
from random import Random

import pytest

from firmware_bridge import LinkUp, NotSent, Outcome, Result
from tests.firmware_bridge.line_faults import FAULTS
from tests.firmware_bridge.line_time import World

FOREVER = 1 << 60
FINAL = {Outcome.DONE, Outcome.FAILED, Outcome.EXPIRED, Outcome.DUPLICATE}
QUERY = 0x07
QUERIES_FROM = 1 << 24
FRAMES = 22_500  # of each kind: 2e5 in all


class Core:
    """Who submits: remembers what has no final outcome, and asks for it after each opening."""

    def __init__(self, world: World, random: Random) -> None:
        self.world = world
        self.random = random
        self.bodies: dict[int, bytes] = {}
        self.open: set[int] = set()
        self.not_received: set[int] = set()
        self.queries = QUERIES_FROM
        self.read = 0
        self.to_ask: list[int] = []
        self.wrong: list[Result] = []

    def submit_some(self) -> None:
        while self.world.station.open_epoch and self.to_ask:
            self.queries += 1
            about = self.to_ask[-1].to_bytes(4, "little")
            if not self.world.station.submit(self.queries, QUERY, about, FOREVER):
                return
            self.to_ask.pop()
        if self.world.station.open_epoch and len(self.open) < 20:
            number = len(self.bodies) + 1
            body = self.random.randbytes(16)
            if self.world.station.submit(number, 1, body, FOREVER):
                self.bodies[number] = body
                self.open.add(number)

    def take_events(self) -> None:
        for event in self.world.events[self.read :]:
            match event:
                case LinkUp():
                    self.to_ask = sorted(self.open)
                case NotSent(command_id=number):
                    self.open.discard(number)
                    self.not_received.add(number)
                case Result():
                    self._result(event)
        self.read = len(self.world.events)

    def _result(self, result: Result) -> None:
        number = result.command_id
        if number not in self.bodies or result.outcome not in FINAL:
            self.wrong.append(result)
        elif result.reason.name in {"FORGOTTEN", "STALE"}:
            self.not_received.add(number)
        elif result.outcome is Outcome.DUPLICATE and result.prior is not Outcome.DONE:
            self.wrong.append(result)
        self.open.discard(number)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_bad_line_delivers_nothing_wrong_and_nothing_twice(kind: str) -> None:
    make, rate = FAULTS[kind]
    world = World()
    core = Core(world, Random(f"{kind} core"))
    world.fault = make(Random(kind), rate)
    world.open_port()
    heard = 0
    while world.station.counters()["frames_sent"] + heard < FRAMES:
        core.submit_some()
        world.step(world.now_us + 20_000)
        core.take_events()
        heard = world.station.counters()["frames_received"]
    world.fault = lambda octets: octets
    while core.open or not core.bodies:
        if core.to_ask or not core.bodies:
            core.submit_some()
        world.step(world.now_us + 20_000)
        core.take_events()
    executed = Counter(number for _, number, _ in world.vehicle.executed)
    assert core.wrong == []
    assert max(executed.values()) == 1
    assert all(core.bodies[number] == body for _, number, body in world.vehicle.executed)
    assert set(core.bodies) - set(executed) <= core.not_received
    assert not core.not_received & set(executed)


def test_garbage_opens_nothing_and_is_survived() -> None:
    world, random = World(), Random(3)
    for _ in range(300):
        world.station.receive(random.randbytes(4096), int(world.now_us))
    world.open_port()
    for _ in range(300):
        world.station.receive(random.randbytes(4096), int(world.now_us))
        world.run_for(1000)
    world.run_until(lambda: world.station.open_epoch > 0)
    counters = world.station.counters()
    assert counters["damaged"] + counters["runts"] + counters["giants"] > 1000

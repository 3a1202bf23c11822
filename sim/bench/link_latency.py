"""From a till's POST to a subscriber of the broker: one event at a time, alone and beside another producer's load."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

from aiohttp import ClientSession, UnixConnector

from agent.clock import Clock
from agent.data_folder import DataFolder
from agent.events import EventDecoder, Origin, close_event, event_ending
from agent.topics import Channel
from sim.bench.agent_process import AgentProcess
from sim.bench.bare_publisher import line_for
from sim.bench.bench_processes import BenchFailed, Told, broker_process
from sim.bench.figure import Figure, paired, quantile
from sim.bench.link_backlog import NAME, agent_settings
from sim.bench.link_effort import LinkEffort
from sim.bench.log_agent import EVENTS_URL
from sim.bench.log_work import EventMaker, timed_ids

__all__ = ["latency_figures"]

TILL: Final = "till-1"
OTHER: Final = "gateway-1"
TILL_PER_S: Final = 20
OTHER_PER_S: Final = 500
OTHER_PER_CALL: Final = 10
WARM_UP: Final = 5
PART: Final = 0.95
ENDING: Final = event_ending("0" * 36, "2017-03-05T10:00:00.000Z", clock_synced=True)


class _Call(NamedTuple):
    """What a producer sends so many seconds after the beginning: events by their id."""

    due_s: float
    producer: str
    events: Mapping[str, bytes]


def latency_figures(folder: Path, effort: LinkEffort, clock: Clock) -> dict[str, Callable[[], Figure]]:
    """What each name measures when it is called."""
    measure = partial(_event_to_cloud, folder, effort.samples, effort.pairs, clock)
    return {
        "event_to_cloud_p95": partial(measure, "event_to_cloud_p95", 0),
        "event_to_cloud_p95_busy": partial(measure, "event_to_cloud_p95_busy", OTHER_PER_S),
    }


def _event_to_cloud(folder: Path, samples: int, pairs: int, clock: Clock, name: str, other_per_s: int) -> Figure:
    taken, medians_ms = [], []
    with TemporaryDirectory(dir=folder) as text, broker_process(Path(text, "broker")) as broker:
        way = _Way(Path(text), broker.port, clock)
        with AgentProcess(way.data, agent_settings(broker.port), clock):
            way.through_agent(way.calls(WARM_UP, 0))  # the link listens for a ledger first
            for _ in range(pairs):
                calls = way.calls(samples, other_per_s)
                ours_ms, bare_ms = way.through_agent(calls), way.bare(calls)
                taken.append((quantile(ours_ms, PART), quantile(bare_ms, PART)))
                medians_ms.append((median(ours_ms), median(bare_ms)))
    beside = f"beside {other_per_s} events/s of another producer" if other_per_s else "alone"
    ours, bare = (median(side) for side in zip(*medians_ms, strict=True))
    note = (
        f"lower is better; from POST /v1/events to a subscriber's process, p95 of {samples} events, {TILL_PER_S} a "
        f"second, one a call, {beside}; median {ours:.1f}; decisions on; ceiling: bare paho, the same bodies at the "
        f"same times, QoS 1, no log; median {bare:.1f}"
    )
    return paired(name, "ms", taken, note)


class _Way:
    """From producers to a subscriber, through an agent or past it."""

    def __init__(self, folder: Path, port: int, clock: Clock) -> None:
        self.data: Final = DataFolder(folder / "data")
        self._file = folder / "publishes"
        self._port = port
        self._clock = clock
        self._maker = EventMaker(clock, timed_ids(clock))
        self._decoder = EventDecoder(Origin(NAME), wall=clock.wall, new_id=timed_ids(clock))

    def calls(self, samples: int, other_per_s: int) -> list[_Call]:
        """The till's calls and the other producer's, in the order in which they are due."""
        found = self._calls(TILL, samples, 1, TILL_PER_S)
        if other_per_s:
            found += self._calls(OTHER, samples * other_per_s // TILL_PER_S, OTHER_PER_CALL, other_per_s)
        return sorted(found, key=lambda call: call.due_s)

    def through_agent(self, calls: Sequence[_Call]) -> list[float]:
        """Milliseconds of each of the till's events."""
        with self._listener(calls) as listener:
            sent_s = asyncio.run(self._post(calls))
            return _times_ms(sent_s, listener.value())

    def bare(self, calls: Sequence[_Call]) -> list[float]:
        """The same, published by bare paho."""
        publishes = [(call, event_id, event) for call in calls for event_id, event in call.events.items()]
        self._file.write_bytes(b"".join(self._line(call, event) for call, _, event in publishes))
        with (
            self._listener(calls) as listener,
            Told("sim.bench.bare_publisher", "paced", self._port, self._file) as publisher,
        ):
            moments = zip(publishes, publisher.value(), strict=True)
            sent_s = {event_id: at_s for (call, event_id, _), at_s in moments if call.producer == TILL}
            return _times_ms(sent_s, listener.value())

    def _calls(self, producer: str, events: int, per_call: int, per_s: int) -> list[_Call]:
        lines = self._maker.lines(events)
        groups = [lines[at : at + per_call] for at in range(0, events, per_call)]
        return [
            _Call(number * per_call / per_s, producer, {json.loads(line)["id"]: line for line in group})
            for number, group in enumerate(groups)
        ]

    def _listener(self, calls: Sequence[_Call]) -> Told:
        samples = sum(call.producer == TILL for call in calls)
        listener = Told("sim.bench.listener", "arrivals", self._port, samples, TILL)
        listener.value()
        return listener

    def _line(self, call: _Call, event: bytes) -> bytes:
        (draft,) = self._decoder.decode(event, call.producer)
        body = b"[%s]" % close_event(draft.opening, 1, ENDING)
        return line_for(NAME.topic(Channel.EVENTS, draft.stream), body, call.due_s)

    async def _post(self, calls: Sequence[_Call]) -> dict[str, float]:
        began_s = self._clock.monotonic_s()
        async with ClientSession(connector=UnixConnector(str(self.data.socket))) as session:
            of_producers = [[call for call in calls if call.producer == producer] for producer in (TILL, OTHER)]
            sent = await asyncio.gather(*(self._produce(session, of, began_s) for of in of_producers))
        return sent[0]

    async def _produce(self, session: ClientSession, calls: Sequence[_Call], began_s: float) -> dict[str, float]:
        """Each call when it is due and the one before has its answer; when its event was sent."""
        sent_s: dict[str, float] = {}
        for call in calls:
            headers = {"Storeforward-Producer": call.producer, "Content-Type": "application/json"}
            body = b"[%s]" % b",".join(call.events.values())
            await asyncio.sleep(began_s + call.due_s - self._clock.monotonic_s())
            sent_s |= dict.fromkeys(call.events, self._clock.monotonic_s())
            async with session.post(EVENTS_URL, data=body, headers=headers) as response:
                if response.status != 201:
                    raise BenchFailed(f"the agent refused: {await response.text()}")
        return sent_s


def _times_ms(sent_s: Mapping[str, float], came_s: Mapping[str, float]) -> list[float]:
    return [(came_s[event_id] - at_s) * 1000 for event_id, at_s in sent_s.items()]

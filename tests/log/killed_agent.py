"""A warm parent that forks agents with producers and kills each at a random moment: run by test_kills.

`python -m tests.log.killed_agent FOLDER KILLS SEED` prints what the producers were told, as one JSON object.
"""

import asyncio
import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from agent.event_types import Stream
from agent.log import CLOUD, EventLog
from tests.log.world import event, threaded_log

__all__ = ["main"]

PRODUCERS: Final = 4
EVENTS_PER_CALL_MAX: Final = 12
LIFE_S_MAX: Final = 0.03
START_S_MAX: Final = 30.0
STREAMS: Final = (Stream.SALES, Stream.STOCK, Stream.SENSOR)


@dataclass
class Told:
    """What the producers of all agents know: calls they sent, answers and cursor moves they got."""

    sent: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    """By the name of the call: stream and id of each event."""
    answered: dict[str, list[tuple[str, int, str]]] = field(default_factory=dict)
    """By the name of the call: stream, sequence and id of each event."""
    cursor: int = 0

    @property
    def unanswered(self) -> dict[str, list[tuple[str, str]]]:
        return {name: call for name, call in self.sent.items() if name not in self.answered}

    def hear(self, line: bytes) -> None:
        kind, name, content = json.loads(line)
        match kind:
            case "sent":
                self.sent[name] = [tuple(one) for one in content]
            case "answered":
                self.answered[name] = [tuple(one) for one in content]
            case "moved":
                self.cursor = max(self.cursor, content)


class Agent:
    """Runs in the child until it is killed. What it tells is in the pipe before it goes on."""

    def __init__(self, pipe: int, life: int, seed: int) -> None:
        self._pipe = pipe
        self._life = life
        self._random = Random(seed)

    async def run(self, folder: Path, again: dict[str, list[tuple[str, str]]]) -> None:
        async with threaded_log(folder) as log, asyncio.TaskGroup() as producers:
            for name, call in again.items():
                producers.create_task(self._send(log, name, call))
            for producer in range(PRODUCERS):
                producers.create_task(self._produce(log, producer))

    async def _produce(self, log: EventLog, producer: int) -> None:
        for number in range(1_000_000):
            name = f"{self._life}-{producer}-{number}"
            size = self._random.randint(1, EVENTS_PER_CALL_MAX)
            call = [(str(self._random.choice(STREAMS)), f"{name}-{at}") for at in range(size)]
            self._tell("sent", name, call)
            await self._send(log, name, call)
            if producer == 0:
                place = log.head(Stream.SALES)
                await log.advance(CLOUD, Stream.SALES, place)
                self._tell("moved", name, place.sequence)

    async def _send(self, log: EventLog, name: str, call: list[tuple[str, str]]) -> None:
        answers = await log.append([event(event_id, stream=Stream(stream)) for stream, event_id in call])
        self._tell("answered", name, [(one.stream, one.sequence, one.id) for one in answers])

    def _tell(self, kind: str, name: str, content: Any) -> None:  # Any: JSON
        os.write(self._pipe, json.dumps([kind, name, content]).encode() + b"\n")


def live_and_die(folder: Path, life: int, seed: int, told: Told) -> None:
    """One agent from start to SIGKILL."""
    receiver, sender = os.pipe()
    again = told.unanswered
    child = os.fork()
    if child == 0:
        os.close(receiver)
        asyncio.run(Agent(sender, life, seed).run(folder, again))
        os._exit(1)  # not reached: it is killed
    os.close(sender)
    for line in lines_until_death(receiver, child, Random(seed).uniform(0, LIFE_S_MAX)):
        told.hear(line)
    os.close(receiver)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the agent ended by itself: {status}"


def lines_until_death(receiver: int, child: int, life_s: float) -> Iterator[bytes]:
    """What the child tells until it is killed, `life_s` after its first answer."""
    buffer, kill_at = b"", time.monotonic() + START_S_MAX
    started = killed = False
    while True:
        if not killed:
            select.select([receiver], [], [], max(0.0, kill_at - time.monotonic()))
            if time.monotonic() >= kill_at:
                os.kill(child, signal.SIGKILL)
                killed = True
        if not (part := os.read(receiver, 65_536)):
            return
        *lines, buffer = (buffer + part).split(b"\n")
        yield from lines
        if not started and any(line.startswith(b'["answered"') for line in lines):
            started, kill_at = True, time.monotonic() + life_s


def main() -> None:
    """Kill as many agents as asked, one after the other on the same folder."""
    folder, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    told = Told()
    for life in range(kills):
        live_and_die(folder, life, seed + life, told)
    json.dump({"answered": told.answered, "unanswered": told.unanswered, "cursor": told.cursor}, sys.stdout)


if __name__ == "__main__":
    main()

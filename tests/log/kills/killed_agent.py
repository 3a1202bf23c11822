"""A warm parent that forks agents with producers and kills each at a random moment: run by test_kills.

`python -m tests.log.kills.killed_agent FOLDER KILLS SEED` prints how many were killed when, and which promises of the
log were broken, as JSON. A folder serves some kills, then it is held against what the producers were told.
"""

import asyncio
import gc
import json
import os
import select
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final

from agent.event_types import Stream
from agent.log import CLOUD, DAY_CLOSE, EventLog, JournalEntry
from agent.settings import LogSettings
from tests.log.told import JOURNAL, Told
from tests.log.world import SetClock, event, new_ids

__all__ = ["Report", "main"]

PRODUCERS: Final = 3
EVENTS_PER_CALL_MAX: Final = 8
LIFE_S_MAX: Final = 0.012
START_S_MAX: Final = 0.015
"""Kills of agents that may still be opening their log come this soon after the fork."""
PATIENCE_S: Final = 30.0
KILLS_PER_FOLDER: Final = 40
PAGES_BETWEEN_CHECKPOINTS: Final = 24
STREAMS: Final = (Stream.SALES, Stream.STOCK, Stream.SENSOR)


@dataclass
class Report:
    """What was tried, and what was found."""

    kills: int = 0
    acknowledged: int = 0
    during: dict[str, int] = field(default_factory=dict)
    """What the agent had begun last and not told the end of."""
    problems: list[str] = field(default_factory=list)


class Agent:
    """Runs in the child until it is killed. What it tells is in the pipe before it goes on."""

    def __init__(self, folder: Path, pipe: int, life: int, seed: int) -> None:
        self._pipe = pipe
        self._life = life
        self._random = Random(seed)
        clock = SetClock()
        clock.move(minutes=life)
        self._clock = clock
        self._log = EventLog.open_inline(folder, LogSettings(replay_hours=0), clock=clock, new_id=new_ids(seed))
        connection = self._log._store._connection
        assert connection is not None
        connection.execute(f"PRAGMA wal_autocheckpoint = {PAGES_BETWEEN_CHECKPOINTS}")

    async def run(self, again: dict[str, list[tuple[str, str]]], entries: dict[str, int]) -> None:
        self._tell(epoch=self._log.epoch)
        self._log.start_writer()
        async with asyncio.TaskGroup() as tasks:
            for name, call in again.items():
                tasks.create_task(self._send(name, call, entries.get(name, 0)))
            for producer in range(PRODUCERS):
                tasks.create_task(self._produce(producer))
            tasks.create_task(self._keep_house())

    async def _produce(self, producer: int) -> None:
        for number in range(1_000_000):
            name = f"{self._life}-{producer}-{number}"
            size = self._random.randint(1, EVENTS_PER_CALL_MAX)
            call = [(str(self._random.choice(STREAMS)), f"{name}-{at}") for at in range(size)]
            entry = self._life * 10_000 + number + 1 if producer == 0 else 0
            self._tell(sent=name, events=call, entry=entry)
            await self._send(name, call, entry)

    async def _send(self, name: str, call: list[tuple[str, str]], entry: int) -> None:
        also = [JournalEntry(JOURNAL, entry, name.encode())] if entry else []
        answers = await self._log.append([event(event_id, stream=Stream(stream)) for stream, event_id in call], also)
        stored = [(one.stream, self._log.epoch_number(one.epoch), one.sequence, one.id) for one in answers]
        self._tell(answered=name, events=stored)

    async def _keep_house(self) -> None:
        """Cursors, retention and new epochs, beside the producers."""
        for _ in range(1_000_000):
            match self._random.choice(("advance", "advance", "prune", "epoch")):
                case "advance":
                    await self._advance(self._random.choice(STREAMS))
                case "prune":
                    self._clock.move(seconds=1)
                    self._tell(pruning={stream: self._log.cursor(CLOUD, stream) for stream in STREAMS})
                    await self._log.prune()
                case _:
                    self._tell(beginning_epoch=True)
                    self._tell(epoch=await self._log.start_epoch("restored"))

    async def _advance(self, stream: Stream) -> None:
        place = self._log.head(stream)
        self._tell(moving=stream, to=place)
        await self._log.advance(CLOUD, stream, place)
        self._tell(moved=stream, to=place)
        await self._log.advance(DAY_CLOSE, stream, place)

    def _tell(self, **facts: Any) -> None:  # Any: JSON
        os.write(self._pipe, json.dumps(facts).encode() + b"\n")


def live_and_die(folder: Path, life: int, seed: int, told: Told) -> str:
    """One agent from start to SIGKILL; what it was about."""
    random = Random(seed)
    receiver, sender = os.pipe()
    again = {name: call for name, call in told.sent.items() if name not in told.answered}
    child = os.fork()
    if child == 0:
        with suppress(BrokenPipeError):
            os.close(receiver)
            asyncio.run(Agent(folder, sender, life, seed).run(again, told.entries))
        os._exit(1)  # not reached: it is killed
    os.close(sender)
    last = "opening"
    for line in lines_until_death(receiver, child, random):
        told.hear(line)
        last = next(iter(json.loads(line)))
    os.close(receiver)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), f"the agent ended by itself: {status}"
    return last


def lines_until_death(receiver: int, child: int, random: Random) -> Iterator[bytes]:
    """What the child tells until it is killed: soon after its start, or a while after its first answer."""
    early = random.random() < 0.25
    kill_at = time.monotonic() + (random.uniform(0, START_S_MAX) if early else PATIENCE_S)
    buffer, started, killed = b"", early, False
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
        if not started and any(line.startswith(b'{"answered"') for line in lines):
            started, kill_at = True, time.monotonic() + random.uniform(0, LIFE_S_MAX)


def main() -> None:
    """Kill as many agents as asked, one after the other."""
    root, kills, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    report = Report()
    Told().broken_promises(root / "warm")  # whatever the first use of the log loads is loaded before the forks
    gc.freeze()
    for first in range(0, kills, KILLS_PER_FOLDER):
        folder, told = root / "log", Told()
        shutil.rmtree(folder, ignore_errors=True)
        for life in range(min(KILLS_PER_FOLDER, kills - first)):
            last = live_and_die(folder, life, seed + first + life, told)
            report.during[last] = report.during.get(last, 0) + 1
            report.kills += 1
        report.problems += [f"kills from seed {seed + first}: {problem}" for problem in told.broken_promises(folder)]
        report.acknowledged += sum(map(len, told.answered.values()))
    json.dump(asdict(report), sys.stdout)


if __name__ == "__main__":
    main()

"""`python -m sim.bench.log_peer MODE FOLDER BODIES [BYTES]`: our log under the same questions as `thingsboard_peer`."""

import asyncio
import json
import sys
from itertools import cycle
from pathlib import Path
from typing import Final

from agent.clock import SystemClock
from agent.errors import EnvironmentFault
from agent.events import Draft, EventDecoder, Origin
from agent.log import EventLog
from agent.settings import LogSettings
from agent.topics import DeviceName
from sim.bench.bench_processes import say
from sim.bench.log_work import EVENTS_PER_CALL, append_concurrently, timed_ids

__all__ = ["main"]

CLOCK: Final = SystemClock()


def main(mode: str, folder: str, bodies: str, size_bytes: str = "0") -> None:
    """One mode; what it finds goes to stdout as JSON, a line each."""
    asyncio.run(_run(mode, Path(folder), Path(bodies).read_bytes().splitlines(), int(size_bytes)))


async def _run(mode: str, folder: Path, texts: list[bytes], size_bytes: int) -> None:
    new_id = timed_ids(CLOCK)
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=CLOCK.wall, new_id=new_id)
    settings = LogSettings(size_bytes_max=size_bytes) if mode == "full" else LogSettings()
    log = EventLog.open(folder, settings, clock=CLOCK, new_id=new_id)
    if mode == "endless":
        await _endless(log, decoder, texts)
    drafts = [decoder.decode(text, "till-1")[0] for text in texts]
    if mode == "rate":
        began_s = CLOCK.monotonic_s()
        await append_concurrently(log, drafts)
        say({"answered_s": CLOCK.monotonic_s() - began_s})
    else:
        calls = [drafts[at : at + EVENTS_PER_CALL] for at in range(0, len(drafts), EVENTS_PER_CALL)]
        say({"answered": sum([await _answered(log, call) for call in calls])})
    await log.close()


async def _endless(log: EventLog, decoder: EventDecoder, texts: list[bytes]) -> None:
    """100 events a call, each call once the last was answered, until this process is killed."""
    answered, source = 0, cycle(texts)
    while True:
        await log.append([decoder.decode(_with_no_id(next(source)), "till-1")[0] for _ in range(EVENTS_PER_CALL)])
        answered += EVENTS_PER_CALL
        say(answered)


async def _answered(log: EventLog, call: list[Draft]) -> int:
    try:
        return len(await log.append(call))
    except EnvironmentFault:
        return 0


def _with_no_id(text: bytes) -> bytes:
    """The event with an id of its own each time it comes round."""
    event = json.loads(text)
    del event["id"]
    return json.dumps(event).encode()


if __name__ == "__main__":
    main(*sys.argv[1:])

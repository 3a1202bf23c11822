"""`python -m sim.bench.link_fleet FOLDER PORT COUNT MIN_S MAX_S SPREAD`: the links of many shops in one process.

Each has a log of its own. It says when all are connected, and once all have lost their broker and are back, when each
of them was. SPREAD is `jitter` for the waits as the link makes them, `fixed` for always the longest.
"""

import asyncio
import logging
import os
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from random import Random
from typing import Final

from agent.clock import IdFactory, SystemClock, system_random
from agent.events import EventDecoder, Origin
from agent.link import Link, LinkState
from agent.log import EventLog
from agent.settings import LinkSettings, LogSettings
from agent.topics import DeviceName
from sim.bench.bench_processes import say

__all__ = ["main"]

CLOCK: Final = SystemClock()
LOOK_S: Final = 0.1
CONNECTED_S_MAX: Final = 300.0


class _NoSpread(Random):
    """Always the end of the range: every wait of a link is its longest."""

    def uniform(self, a: float, b: float) -> float:  # noqa: ARG002 - the signature of Random
        return b


def main(folder: str, port: str, count: str, min_s: str, max_s: str, spread: str) -> None:
    """Works until it is ended."""
    logging.disable(logging.WARNING)  # a hundred links that all say that there is no broker
    settings = LinkSettings(port=int(port), backoff_min_s=float(min_s), backoff_max_s=float(max_s))
    names = [DeviceName(f"store-{os.getpid()}-{number}", "box-1") for number in range(int(count))]
    asyncio.run(_run(Path(folder), settings, names, jitter=spread == "jitter"))


async def _run(folder: Path, settings: LinkSettings, names: list[DeviceName], *, jitter: bool) -> None:
    async with AsyncExitStack() as closing, asyncio.TaskGroup() as tasks:
        links = []
        for name in names:
            link, log = _link(folder / name.site, settings, name, jitter=jitter)
            closing.push_async_callback(log.close)
            links.append(link)
            tasks.create_task(link.run(), name=f"link of {name.site}")
        await _all_connected(links, times=1)
        say("connected")
        await _all_connected(links, times=2)
        say([link.status().since.timestamp() for link in links])
        await asyncio.Event().wait()


def _link(folder: Path, settings: LinkSettings, name: DeviceName, *, jitter: bool) -> tuple[Link, EventLog]:
    folder.mkdir()
    random = system_random() if jitter else _NoSpread()
    new_id = IdFactory(CLOCK.wall, random)
    log = EventLog.open(folder, LogSettings(ballast_bytes=0), clock=CLOCK, new_id=new_id)
    decoder = EventDecoder(Origin(name), wall=CLOCK.wall, new_id=new_id)
    link = Link(log, name, settings, decoder=decoder, clock=CLOCK, random=random, new_id=new_id, version="bench")
    return link, log


async def _all_connected(links: list[Link], times: int) -> None:
    async with asyncio.timeout(CONNECTED_S_MAX):
        statuses = [link.status() for link in links]
        while any(status.state is not LinkState.ONLINE or status.reconnects < times - 1 for status in statuses):
            await asyncio.sleep(LOOK_S)
            statuses = [link.status() for link in links]


if __name__ == "__main__":
    main(*sys.argv[1:])

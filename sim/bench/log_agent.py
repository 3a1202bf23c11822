"""What a real agent process takes for its log: events over HTTP, the time until it is ready, memory, the disk."""

import asyncio
import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from aiohttp import ClientSession, UnixConnector

from agent.clock import Clock
from agent.data_folder import DataFolder
from sim.bench.agent_process import AgentProcess
from sim.bench.bench_processes import BenchFailed
from sim.bench.figure import Figure, paired
from sim.bench.log_backlog import Backlog, Written
from sim.bench.log_work import EVENTS_PER_CALL, PRODUCERS, SIZE_BYTES_MAX, EventMaker, append_all, timed_ids

__all__ = ["EVENTS_URL", "agent_figures"]

ALONE: Final = f"[link]\nenabled = false\n[log]\nsize_bytes_max = {SIZE_BYTES_MAX}\n"
NO_DECISIONS: Final = f"{ALONE}[decide]\nenabled = false\n"
UNLIMITED: Final = f"{ALONE}[api]\nproducer_events_per_s = 1000000\n"
EVENTS_URL: Final = "http://agent/v1/events"


def agent_figures(backlog: Backlog, events: int, pairs: int, clock: Clock) -> dict[str, Callable[[], Figure]]:
    """What each name measures when it is called; `events` over HTTP in a run."""
    return {
        "http_ingest": partial(_http_ingest, events, pairs, clock),
        "bytes_written_per_event": partial(_bytes_written, "bytes_written_per_event", backlog, backlog.written),
        "bytes_written_per_event_random_ids": partial(
            _bytes_written, "bytes_written_per_event_random_ids", backlog, backlog.written_with_random_ids
        ),
        "ready_backlog": partial(_ready, backlog, pairs, clock),
        "rss_backlog": partial(_rss, "rss_backlog", backlog, ALONE, clock),
        "rss_backlog_no_decisions": partial(_rss, "rss_backlog_no_decisions", backlog, NO_DECISIONS, clock),
    }


def _http_ingest(events: int, pairs: int, clock: Clock) -> Figure:
    """An agent with all its parts takes events from eight producers; the log alone takes as many in turn."""
    maker = EventMaker(clock, timed_ids(clock))
    taken = []
    with TemporaryDirectory(prefix="storeforward-bench-") as text:
        data = DataFolder(Path(text, "data"))
        with AgentProcess(data, UNLIMITED, clock) as agent:
            for pair in range(pairs):
                per_s = asyncio.run(_post_all(data, maker.bodies(events), clock))
                agent.wait_quiet()
                log = Path(text, f"log-{pair}")
                log.mkdir()
                taken.append((per_s, append_all(log, maker.drafts(events), clock).events_per_s))
    note = (
        f"POST /v1/events on the Unix socket, {PRODUCERS} producers x {EVENTS_PER_CALL}, answered after the fsync, "
        "decisions on; the producers are one process on the same machine; ceiling: append_batch"
    )
    return paired("http_ingest", "events/s", taken, note)


async def _post_all(data: DataFolder, bodies: list[bytes], clock: Clock) -> float:
    calls = iter(bodies)

    async def produce(name: str) -> None:
        headers = {"Storeforward-Producer": name, "Content-Type": "application/json"}
        for call in calls:
            async with session.post(EVENTS_URL, data=call, headers=headers) as response:
                answer = await response.read()
                if response.status != 201:
                    raise BenchFailed(f"the agent refused: {json.loads(answer).get('detail')}")

    async with ClientSession(connector=UnixConnector(str(data.socket))) as session:
        began_s = clock.monotonic_s()
        await asyncio.gather(*(produce(f"till-{number}") for number in range(PRODUCERS)))
        return len(bodies) * EVENTS_PER_CALL / (clock.monotonic_s() - began_s)


def _bytes_written(name: str, backlog: Backlog, fill: Callable[[], Written]) -> Figure:
    written = fill()
    log_bytes, bare_bytes = round(written.log_bytes), round(written.bare_bytes)
    ratio = round(log_bytes / bare_bytes, 3) if bare_bytes else 0.0
    place = "" if bare_bytes else "NOT ON A DISK, so nothing was measured: TMPDIR chooses another place; "
    note = (
        f"{place}lower is better; of the writer's thread, over the last of {backlog.events:,} events of "
        f"{written.body_bytes:.0f} bytes; ceiling: a bare table, same bytes, same commits"
    )
    return Figure(name, log_bytes, "bytes", bare_bytes, ratio, note)


def _ready(backlog: Backlog, pairs: int, clock: Clock) -> Figure:
    def ready_s(data: DataFolder) -> float:
        with AgentProcess(data, ALONE, clock) as agent:
            return agent.ready_s

    filled, empty = backlog.filled(), backlog.empty()
    for data in (filled, empty):
        ready_s(data)  # the first start makes keys and tables
    taken = [(ready_s(filled), ready_s(empty)) for _ in range(pairs)]
    note = f"lower is better; from the start of the process, {backlog.events:,} events; ceiling: an empty log"
    return paired("ready_backlog", "s", taken, note)


def _rss(name: str, backlog: Backlog, settings: str, clock: Clock) -> Figure:
    def memory(data: DataFolder) -> tuple[float, float]:
        if data.decide.exists():
            shutil.rmtree(data.decide)  # so that all of the log is learned from again
        with AgentProcess(data, settings, clock) as agent:
            agent.wait_quiet()
            return agent.memory_mb("VmRSS"), agent.memory_mb("VmHWM")

    (value, highest), (ceiling, _) = memory(backlog.filled()), memory(backlog.empty())
    note = (
        f"lower is better; 1 MB is 1,000,000 bytes; {backlog.events:,} events, once it is quiet; at its highest "
        f"{highest:.1f}; ceiling: an empty log"
    )
    return Figure(name, round(value, 1), "MB", round(ceiling, 1), round(value / ceiling, 3), note)

"""A backlog of a shop's events over loopback, plain and compressed in turn: events a second, and the agent's work."""

import asyncio
import json
import time
from pathlib import Path
from random import Random
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final, NamedTuple

import aiomqtt

from agent.clock import Clock
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.link import Link
from agent.link.compression import ZSTD
from agent.log import CLOUD, START, EventLog
from agent.settings import LinkSettings
from agent.topics import Channel
from sim.bench.log_work import append_concurrently, open_log, timed_ids
from sim.bench.shop_bodies import DEVICE, shop_drafts
from sim.broker import BrokerKind, running_broker

__all__ = ["Drain", "drain_pairs", "middle"]

POLL_S: Final = 0.002


class Drain(NamedTuple):
    """How one went."""

    events_per_s: float
    processor_us_per_event: float
    """Of this process: the log's reads, compression, and MQTT; not the broker's."""
    sent_bytes_per_event: float


def drain_pairs(kind: BrokerKind, events: int, pairs: int, clock: Clock) -> list[tuple[Drain, Drain]]:
    """The same log, each time to its end: plain and compressed, and in the next pair the other way round."""
    return asyncio.run(_drain_pairs(kind, events, pairs, clock))


def middle(drains: list[Drain]) -> Drain:
    """The median of each figure."""
    return Drain(*(median(figures) for figures in zip(*drains, strict=True)))


async def _drain_pairs(kind: BrokerKind, events: int, pairs: int, clock: Clock) -> list[tuple[Drain, Drain]]:
    found = []
    with TemporaryDirectory(prefix="storeforward-bench-") as text:
        folder = Path(text)
        (folder / "log").mkdir()
        log = open_log(folder / "log", clock)
        await append_concurrently(log, shop_drafts(events, clock))
        async with running_broker(kind, folder / "broker") as broker:
            for pair in range(pairs):
                taken = {way: await _drain(log, broker.port, way, clock) for way in _ways(pair)}
                found.append((taken[()], taken[ZSTD,]))
        await log.close()
    return found


def _ways(pair: int) -> tuple[tuple[str, ...], ...]:
    return ((), (ZSTD,))[:: -1 if pair % 2 else 1]


async def _drain(log: EventLog, port: int, accepts: tuple[str, ...], clock: Clock) -> Drain:
    for stream in Stream:
        await log.advance(CLOUD, stream, START)
    async with aiomqtt.Client("127.0.0.1", port, protocol=aiomqtt.ProtocolVersion.V5) as ledger:
        word = json.dumps({"receipts": [], "accepts": accepts})
        await ledger.publish(DEVICE.topic(Channel.RECEIPTS), word, qos=1, retain=True)
    new_id = timed_ids(clock)
    decoder = EventDecoder(Origin(DEVICE), wall=clock.wall, new_id=new_id)
    settings = LinkSettings(port=port, catch_up_spread_s=0)
    link = Link(log, DEVICE, settings, decoder=decoder, clock=clock, random=Random(1), new_id=new_id, version="bench")  # noqa: S311 - jitter
    events = log.waiting(CLOUD)
    running = asyncio.create_task(link.run(), name="link")
    while not link.status().published:
        await asyncio.sleep(POLL_S)
    began_s, worked_s = clock.monotonic_s(), time.process_time()
    while link.status().acknowledged < events:
        await asyncio.sleep(POLL_S)
    took_s, worked_s = clock.monotonic_s() - began_s, time.process_time() - worked_s
    status = link.status()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    return Drain(events / took_s, worked_s / events * 1e6, status.sent_bytes / events)

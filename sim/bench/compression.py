"""`python -m sim.bench.compression`: what compressing batches saves and costs, on the events of a simulated shop."""

import logging
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from statistics import median
from typing import Final, NamedTuple, get_args

import click
from rich.console import Console
from rich.table import Table

from agent.clock import Clock, SystemClock
from agent.event_types import Stream
from agent.link.batch import array_of
from agent.link.compression import compressed, decompressed
from sim.bench.compressed_drain import drain_pairs, middle
from sim.bench.shop_bodies import shop_bodies
from sim.broker import BrokerKind

__all__ = ["Shrunk", "main", "shrunk"]

BATCH_EVENTS: Final = (1, 10, 100, 1_000)
GZIP_LEVELS: Final = (1, 6)
ROUNDS: Final = 5


class Shrunk(NamedTuple):
    """One stream in batches of one size; times are a processor's, per event."""

    stream: Stream
    events: int
    bytes: float
    ratio: float
    took_us: float
    read_us: float
    gzip: tuple[tuple[float, float], ...]
    """Ratio and time of each level."""


def shrunk(bodies: Mapping[Stream, Sequence[bytes]], clock: Clock) -> Iterator[Shrunk]:
    """What becomes of them, the fastest of some rounds; streams with too few events for a size are left out."""
    for stream, events in bodies.items():
        for size in BATCH_EVENTS:
            batches = [array_of(events[at : at + size]) for at in range(0, len(events) - size + 1, size)]
            if not batches:
                continue
            count, plain_bytes = len(batches) * size, sum(map(len, batches))
            frames, took_us = _each(compressed, batches, count, clock)
            _, read_us = _each(decompressed, frames, count, clock)
            ratio = plain_bytes / sum(map(len, frames))
            gzip = tuple(
                (plain_bytes / sum(map(len, zipped)), gzip_us)
                for zipped, gzip_us in (_each(partial(_gzip, level), batches, count, clock) for level in GZIP_LEVELS)
            )
            yield Shrunk(stream, size, plain_bytes / len(batches), ratio, took_us, read_us, gzip)


def _gzip(level: int, payload: bytes) -> bytes:
    return zlib.compress(payload, level, wbits=31)


def _each(
    call: Callable[[bytes], bytes], payloads: Sequence[bytes], events: int, clock: Clock
) -> tuple[list[bytes], float]:
    """What it makes of each, and microseconds per event."""
    fastest_s = float("inf")
    for _ in range(ROUNDS):
        began_s = clock.monotonic_s()
        found = [call(payload) for payload in payloads]
        fastest_s = min(fastest_s, clock.monotonic_s() - began_s)
    return found, fastest_s / events * 1e6


@click.command()
@click.option("--events", default=60_000, show_default=True, type=click.IntRange(1_000, 1_000_000))
@click.option("--pairs", default=7, show_default=True, type=click.IntRange(1, 99), help="Drains of each kind.")
@click.option("--broker", default="mosquitto", show_default=True, type=click.Choice(get_args(BrokerKind)))
def main(events: int, pairs: int, broker: BrokerKind) -> None:
    """Ratios by stream and batch, then a backlog over loopback, plain and compressed in turn."""
    logging.basicConfig(level=logging.ERROR)  # nobody subscribes, which the link would tell
    clock, console = SystemClock(), Console()
    sizes = Table(
        "stream", "events a batch", "bytes", "zstd", "us/event", "to read", *(f"gzip -{level}" for level in GZIP_LEVELS)
    )
    for row in shrunk(shop_bodies(events, clock), clock):
        sizes.add_row(
            row.stream,
            f"{row.events:,}",
            f"{row.bytes:,.0f}",
            f"{row.ratio:.1f} x",
            f"{row.took_us:.2f}",
            f"{row.read_us:.2f}",
            *(f"{ratio:.1f} x in {took_us:.2f}" for ratio, took_us in row.gzip),
        )
    console.print(sizes)
    taken = drain_pairs(broker, events, pairs, clock)
    drains = Table("over loopback", "events/s", "agent's processor, us/event", "bytes/event sent")
    for name, kind in zip(("plain", "compressed"), zip(*taken, strict=True), strict=True):
        rate, worked_us, sent_bytes = middle(list(kind))
        drains.add_row(name, f"{rate:,.0f}", f"{worked_us:.2f}", f"{sent_bytes:,.0f}")
    ratios = sorted(packed.events_per_s / plain.events_per_s for plain, packed in taken)
    console.print(drains)
    spread = f"{ratios[0]:.2f} to {ratios[-1]:.2f}"
    console.print(f"compressed / plain, {pairs} pairs: {median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()

"""`python -m sim.bench.catch_up`: how long backlogs take over some lines and brokers, in virtual time."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import click
from rich.console import Console
from rich.table import Table

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.settings import LinkSettings
from sim.bench.shop_bodies import shop_bodies
from sim.virtual_link import BrokerModel, LineModel, VirtualLink

__all__ = ["Case", "cases", "main"]

OUTAGE: Final = {Stream.SENSOR: 500_000, Stream.STOCK: 264_000, Stream.TOUCH: 100_000}
SHOP_EVENTS: Final = 30_000  # of which two thirds are the tills'
SECONDS_MAX: Final = 7_200.0


@dataclass(frozen=True, slots=True)
class Case:
    """One backlog on one line."""

    name: str
    link: VirtualLink
    sales_per_s: float


def cases() -> Iterator[Case]:
    """What is measured."""
    line = LineModel(round_trip_s=0.1)
    capped, free = LinkSettings(publishes_per_s_max=100), LinkSettings()
    yield Case("100 ms, 100 publishes/s, in the settings", _link(capped, line, BrokerModel(100), OUTAGE), 2)
    yield Case("100 ms, 20 publishes/s, learned", _link(free, line, BrokerModel(20), OUTAGE), 2)
    slow = LineModel(round_trip_s=0.6, bytes_per_s=250_000 / 8, loss=0.02)
    yield Case("600 ms, 250 kbit/s, 2 % loss", _link(free, slow, BrokerModel(), {Stream.SENSOR: 20_000}), 0.2)
    fast = LineModel(round_trip_s=0.2, bytes_per_s=12_500_000)
    yield Case("200 ms, 100 Mbit/s", _link(free, fast, BrokerModel(), {Stream.SENSOR: 200_000}), 2)
    bodies = shop_bodies(SHOP_EVENTS, SystemClock())[Stream.SALES]
    for name, reads_zstd in (("plain", False), ("compressed", True)):
        link = VirtualLink(free, slow, bodies=bodies, reads_zstd=reads_zstd)
        link.backlog({Stream.STOCK: 20_000})
        yield Case(f"600 ms, 250 kbit/s, 2 % loss, a shop's events, {name}", link, 0.2)


def _link(settings: LinkSettings, line: LineModel, broker: BrokerModel, backlog: dict[Stream, int]) -> VirtualLink:
    link = VirtualLink(settings, line, broker)
    link.backlog(backlog)
    return link


@click.command()
def main() -> None:
    """A row for each case."""
    table = Table("line and broker", "backlog", "gone in", "live sale, slowest", "publishes", "refused", "time-outs")
    for case in cases():
        link, backlog = case.link, case.link.waiting
        link.flows[Stream.SALES] = case.sales_per_s
        link.connect()
        took_s = link.drain(SECONDS_MAX)
        table.add_row(
            case.name,
            f"{backlog:,}",
            "not in two hours" if took_s is None else f"{took_s:,.0f} s",
            f"{max(link.delays_s[Stream.SALES]):.2f} s",
            *(f"{count:,}" for count in (link.publishes, link.refused, link.timeouts)),
        )
    Console().print(table)


if __name__ == "__main__":
    main()

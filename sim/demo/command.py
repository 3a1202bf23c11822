"""What `storeforward demo` does: choose the sales, play the day, show it, write the report, judge."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import click

from agent.clock import SystemClock
from agent.data_folder import DataFolder
from sim.broker import BrokerKind
from sim.demo.day import DayPlan, play_day
from sim.demo.ending import ending
from sim.demo.report import ReportFolder
from sim.demo.summary import Sample, StoreDay, Summary
from sim.demo.view import open_view, terminal_console
from sim.demo.warm_up import warm_up
from sim.demo.world import DATA_FOLDER
from sim.network import PROFILES
from sim.sensors import EVENTS_PER_HOUR_DEFAULT
from sim.store.assortment import Assortment
from sim.store.baskets import SalesSource
from sim.store.source import SourceOptions, open_source

__all__ = ["DemoOptions", "play", "run_demo"]


@dataclass(frozen=True, slots=True)
class DemoOptions:
    """The command's options; `speed` wins over `duration_s` when it is given."""

    source: SourceOptions
    seed: int
    duration_s: float
    speed: float | None
    out: Path
    broker: str
    outage_s: float
    kill_agent: bool
    headless: bool
    as_json: bool
    network: str | None = None
    has_display: bool = False
    sensor_events_per_hour: int = EVENTS_PER_HOUR_DEFAULT


async def run_demo(options: DemoOptions) -> bool:
    """Play the day; True when every promise was kept.

    Raises:
        SourceRefused: sales that cannot be used.
        ReportFolderRefused: the output folder holds something else.
        EnvironmentFault: a part could not be started.
    """
    began_s = SystemClock().monotonic_s()
    source = open_source(options.source)
    with ReportFolder.open(options.out) as report:
        day, summary, samples = await play(options, source, began_s)
        report.write(day, summary, samples)
    if options.as_json:
        click.echo(summary.to_json(), nl=False)
    else:
        terminal_console().print(ending(summary))
    return summary.held


async def play(options: DemoOptions, source: SalesSource, began_s: float) -> tuple[StoreDay, Summary, Sequence[Sample]]:
    """Warm the shop up, play the day and show it; the files stay in `options.out`.

    Raises:
        EnvironmentFault: a part could not be started.
    """
    plan = _plan(options, source, began_s)
    await warm_up(options.source, source, plan.assortment, DataFolder(plan.out / DATA_FOLDER), _say)
    with open_view(plan.day, headless=_is_headless(options)) as view:
        summary, samples = await play_day(plan, view.update)
    for absence in (summary.kiosk_absence, summary.vehicle_absence):
        if absence:
            _say(absence)
    return plan.day, summary, samples


def _say(sentence: str) -> None:
    click.echo(f"demo: {sentence}", err=True)


def _is_headless(options: DemoOptions) -> bool:
    return options.headless or options.as_json


def _plan(options: DemoOptions, source: SalesSource, began_s: float) -> DayPlan:
    length_s = (source.ends_at - source.starts_at).total_seconds()
    return DayPlan(
        source=source,
        assortment=Assortment(source, seed=options.seed),
        out=options.out,
        seed=options.seed,
        speed=options.speed or length_s / options.duration_s,
        outage_s=options.outage_s,
        kill_agent=options.kill_agent,
        broker_kind=cast("BrokerKind", options.broker),  # click has checked the choice
        network=PROFILES[options.network] if options.network else None,
        sensor_events_per_hour=max(1, options.sensor_events_per_hour // len(source.days)),  # no more for a week
        kiosk_windows=options.has_display and not _is_headless(options),
        began_s=began_s,
    )

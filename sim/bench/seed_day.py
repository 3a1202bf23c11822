"""The seed day: a box's share of the named load and half as much again, in minutes, beside decisions and kiosks.

The named load is 1e9 events a day of 10,000 stores: for a box 100,000 events, 50 MB and 100 events/s at peak. The day
is the demo's, with a cut of the network and two vehicles in it, only larger; compressed, all of it is a peak.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from agent.clock import SystemClock
from sim.demo.advice import TARGETS_MS
from sim.demo.command import DemoOptions, play
from sim.demo.summary import Summary
from sim.store.source import SourceOptions, open_source

__all__ = ["SeedDay", "play_seed_day", "show_seed_day"]

BYTES_PER_EVENT: Final = 500
PEAK_SHARE: Final = 0.001  # of the day's events, in its busiest second
RSS_MAX_MB: Final = 130.0  # of the agent, with everything on
OUTAGE_S: Final = 5.0
EVENTS_PER_BASKET: Final = 25  # of which a basket's own are half: sensors bring the rest
EVENTS_PER_SENSOR_EVENT_AND_HOUR: Final = 44


@dataclass(frozen=True, slots=True)
class SeedDay:
    """How such a day went, beside what it was asked to be."""

    summary: Summary
    events_asked: int

    @property
    def checks(self) -> dict[str, bool]:
        """Each promise and whether it was kept; those of the demo among them."""
        summary, advice = self.summary, self.summary.advice
        rss_mb = summary.agent_rss_max_mb
        return {
            "the whole volume went through": summary.events_accepted >= self.events_asked
            and summary.event_bytes >= self.events_asked * BYTES_PER_EVENT,
            "the busiest second had as many events as at peak": summary.events_per_s_max
            >= self.events_asked * PEAK_SHARE,
            "nothing was shed": not summary.shed,
            "nothing was quarantined": not summary.quarantined,
            "no decision missed its deadline": advice.decisions > 0 and not advice.decisions_late,
            **{f"{name} within its target": _is_within(advice, name, most) for name, most in TARGETS_MS.items()},
            f"the agent stayed below {RSS_MAX_MB:.0f} MB": rss_mb is not None and rss_mb < RSS_MAX_MB,
            **summary.invariants,
        }

    @property
    def held(self) -> bool:
        """Whether every promise was kept: the command's exit code."""
        return all(self.checks.values())

    def to_json(self) -> str:
        """The figures as one JSON object, with `ok` first."""
        fields = {"ok": self.held, "events_asked": self.events_asked, **self.figures, "checks": self.checks}
        return json.dumps(fields, indent=2, ensure_ascii=False) + "\n"

    @property
    def figures(self) -> dict[str, Any]:  # Any: JSON
        """What was seen."""
        summary, advice = self.summary, self.summary.advice
        return {
            "events": summary.events_accepted,
            "bytes": summary.event_bytes,
            "events_per_s_max": round(summary.events_per_s_max, 1),
            "shed": summary.shed,
            "quarantined": summary.quarantined,
            "missing": summary.missing,
            "duplicates": summary.duplicates,
            "conflicts": summary.conflicts,
            "kiosks": advice.kiosks,
            "decisions": advice.decisions,
            "decisions_late": advice.decisions_late,
            "latencies_ms": dict(advice.latencies_ms),
            "targets_ms": dict(TARGETS_MS),
            "append_ms_p50": summary.append_ms_p50,
            "append_ms_p99": summary.append_ms_p99,
            "agent_rss_max_mb": summary.agent_rss_max_mb,
            "kiosk_rss_max_mb": summary.kiosk_rss_max_mb,
            "wall_s": round(summary.wall_s, 1),
        }


async def play_seed_day(events: int, duration_s: float) -> SeedDay:
    """Play it in a folder of TMPDIR that is gone afterwards.

    Raises:
        EnvironmentFault: a part could not be started.
    """
    began_s = SystemClock().monotonic_s()
    with TemporaryDirectory(prefix="storeforward-bench-") as out:
        options = DemoOptions(
            source=SourceOptions(baskets=events // EVENTS_PER_BASKET, dataset_folder=None),
            seed=1,
            duration_s=duration_s,
            speed=None,
            out=Path(out),
            broker="iotcore",
            outage_s=OUTAGE_S,
            kill_agent=False,
            headless=True,
            as_json=True,
            sensor_events_per_hour=-(-events // EVENTS_PER_SENSOR_EVENT_AND_HOUR),
        )
        _, summary, _ = await play(options, open_source(options.source), began_s)
    return SeedDay(summary, events)


def show_seed_day(day: SeedDay) -> None:
    """The figures and whatever was not kept, on stdout."""
    console = Console(highlight=False)
    table = Table("figure", "seen", "asked for")
    for row in _rows(day):
        table.add_row(*row)
    console.print(table)
    broken = [name for name, kept in day.checks.items() if not kept]
    console.print(f"All {len(day.checks)} checks held." if day.held else "Not kept: " + "; ".join(broken))


def _rows(day: SeedDay) -> Iterator[tuple[str, str, str]]:
    figures, asked = day.figures, day.events_asked
    yield "events", f"{figures['events']:,}", f"{asked:,} or more"
    yield "bytes", f"{figures['bytes'] / 1e6:,.1f} MB", f"{asked * BYTES_PER_EVENT / 1e6:,.1f} MB or more"
    yield "busiest second", f"{figures['events_per_s_max']:,.0f} events", f"{asked * PEAK_SHARE:,.0f} or more"
    for name in ("shed", "quarantined", "missing", "duplicates", "conflicts", "decisions_late"):
        yield name.replace("_", " "), f"{figures[name]:,}", "0"
    yield "decisions", f"{figures['decisions']:,}", "some"
    for name, spread in day.summary.advice.latencies_ms.items():
        yield name.replace("_", " "), _spread(spread), f"p95 {TARGETS_MS[f'{name}_ms_p95']:,.0f} ms at most"
    yield "agent's memory", _mb(day.summary.agent_rss_max_mb), f"below {RSS_MAX_MB:.0f} MB"
    yield "a kiosk's memory", _mb(day.summary.kiosk_rss_max_mb), ""
    yield "took", f"{figures['wall_s']:,.0f} s", ""


def _spread(times_ms: Mapping[str, float] | None) -> str:
    if times_ms is None:
        return "not measured"
    return "  ".join(f"{name} {took_ms:,.1f}" for name, took_ms in times_ms.items()) + " ms"


def _mb(most: float | None) -> str:
    return "not measured" if most is None else f"{most:.1f} MB at most"


def _is_within(advice: object, name: str, most_ms: float) -> bool:
    took_ms = getattr(advice, name)
    return took_ms is not None and took_ms <= most_ms

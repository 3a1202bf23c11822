"""The last page of a demo: what was counted on both sides, which promises held, and what to do next."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from sim.demo.advice import TARGETS_MS
from sim.demo.summary import StreamResult, Summary

__all__ = ["ending", "verdict"]

_TIMES: Final = {
    "decision_ms_p95": "decision",
    "scan_to_suggestions_ms_p95": "scan to cards",
    "tap_to_paint_ms_p95": "tap to paint",
    "accept_to_till_ms_p95": "Add to till",
    "cloud_to_kiosk_ms_p95": "cloud to kiosk",
}
YES: Final = ("✓", "green")
NO: Final = ("✗", "bold red")


def verdict(summary: Summary) -> str:
    """The outcome in one sentence, such as `28,713 events: 0 missing, 0 duplicate, 0 conflicts`."""
    given_up = {"shed": summary.shed, "quarantined": summary.quarantined}
    return (
        f"{summary.events_accepted:,} events: {summary.missing:,} missing, "
        f"{summary.duplicates:,} duplicate, {summary.conflicts:,} conflicts"
        + "".join(f", {figure:,} {name} (declared)" for name, figure in given_up.items() if figure)
    )


def ending(summary: Summary) -> RenderableType:
    """Everything to print after the demo, as wide as the terminal allows."""
    return Group(
        Text(),
        _verdict_panel(summary),
        Text(),
        _reconciliation(summary),
        Text(),
        Text("What was checked", style="bold"),
        _invariants(summary),
        Text(),
        _figures(summary),
        Text(),
        _next_steps(summary),
    )


def _verdict_panel(summary: Summary) -> Panel:
    glyph, style = YES if summary.held else NO
    words = Text(f"{glyph} {verdict(summary)}", style=f"bold {style}")
    if not summary.held:
        failed = sum(not held for held in summary.invariants.values())
        words.append(f"\n  {failed} of {len(summary.invariants)} checks failed; see the list below")
    return Panel(words, box=box.HEAVY, border_style=style, expand=False, padding=(0, 2))


def _reconciliation(summary: Summary) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_footer=True, title="The log beside the cloud's ledger")
    table.title_justify, table.title_style = "left", "bold"
    headings = ("log", "ledger", "missing", "duplicate", "conflicts")
    total = StreamResult(
        *(summary.events_accepted, summary.events_delivered, summary.missing, summary.duplicates, summary.conflicts),
        *(summary.shed, summary.quarantined),
    )
    table.add_column("stream", footer="total")
    for heading, figure in zip(headings, _counts(total), strict=True):
        table.add_column(heading, justify="right", footer=figure)
    table.add_column("", footer=_whole(total))
    for stream, result in summary.streams.items():
        table.add_row(stream, *_counts(result), _whole(result))
    return table


def _counts(result: StreamResult) -> tuple[str, ...]:
    figures = (result.accepted, result.delivered, result.missing, result.duplicates, result.conflicts)
    return tuple(f"{figure:,}" for figure in figures)


def _whole(result: StreamResult) -> Text:
    if not result.whole:
        return Text(f"{NO[0]} differs", style=NO[1])
    return Text(f"{YES[0]} {'rest declared' if result.shed or result.quarantined else 'whole'}", style=YES[1])


def _invariants(summary: Summary) -> RenderableType:
    lines = []
    for name, held in summary.invariants.items():
        glyph, style = YES if held else NO
        lines.append(
            Text.assemble((f"  {glyph} ", style), name.replace("_", " "), "" if held else (" (failed)", style))
        )
    return Group(*lines)


def _figures(summary: Summary) -> RenderableType:
    facts = Table.grid(padding=(0, 2))
    facts.add_column(style="bright_black")
    facts.add_column(overflow="fold")
    money = ", ".join(f"{amount:,.2f} {currency}" for currency, amount in summary.sales_total.items())
    facts.add_row("sales", f"{summary.baskets:,} baskets, {money}" if money else f"{summary.baskets:,} baskets")
    facts.add_row("from", summary.data_source)
    facts.add_row("network", _network_words(summary))
    latency = f"p50 {_ms(summary.append_ms_p50)}, p99 {_ms(summary.append_ms_p99)}"
    facts.add_row("append", f"{latency}, from a till's request to its answer")
    facts.add_row(
        "to the cloud", f"p50 {_ms(summary.event_to_cloud_ms_p50)}, p95 {_ms(summary.event_to_cloud_ms_p95)}, link up"
    )
    for name, words in _advice_rows(summary):
        facts.add_row(name, words)
    for name, words in _vehicle_rows(summary):
        facts.add_row(name, words)
    memory = f"agent {_mb(summary.agent_rss_max_mb)}, a kiosk {_mb(summary.kiosk_rss_max_mb)} at most"
    size = f"{summary.event_bytes / 1e6:,.1f} MB; up to {summary.events_per_s_max:,.0f} events in a second"
    facts.add_row("volume", size)
    facts.add_row("memory", memory)
    facts.add_row("day close", f"the ledger's answer: {summary.day_close}")
    facts.add_row("took", f"{summary.wall_s:.0f} s, seed {summary.seed}")
    return facts


def _advice_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    """What the kiosks did, and each time beside its target."""
    advice = summary.advice
    if not advice.kiosks:
        yield "kiosks", summary.kiosk_absence or "none"
        return
    taps = f"{advice.accepted:,} accepted, {advice.dismissed:,} dismissed, {advice.refused:,} refused by the till"
    yield "kiosks", f"{advice.kiosks}; {advice.decisions:,} decisions, {taps}"
    for name, words in _TIMES.items():
        took_ms, target_ms = getattr(advice, name), TARGETS_MS[name]
        over = "" if took_ms is None or took_ms <= target_ms else ": over the target on this machine, this time"
        yield words, f"p95 {_ms(took_ms)} (target {target_ms:,.0f} ms){over}"


def _vehicle_rows(summary: Summary) -> Iterator[tuple[str, str]]:
    """What the vehicles did, and what held them up."""
    missions = summary.missions
    if not missions.vehicles:
        yield "vehicles", summary.vehicle_absence or "none"
        return
    brought = f"{missions.agv_brings_done} of {missions.agv_brings_asked} that kiosks asked for"
    loads = f"{missions.physical_picks} picks and {missions.physical_drops} drops"
    yield "vehicles", f"{missions.vehicles}; {missions.agv_orders_done} errands done, {brought}; {loads}"
    if missions.agv_orders_not_done:
        yield "not done", "; ".join(missions.agv_orders_not_done)
    at_kiosk = " from a touch at a kiosk" if missions.agv_kiosk_stops else ""
    command = f"the command: {_ms(missions.agv_stop_command_ms)}"
    yield "stop", f"standstill after {_ms(missions.stop_ms_max)}{at_kiosk} ({command})"
    held_up = f"{missions.agv_lease_stops} leases ended, {missions.agv_stalls} signs of life came late"
    late = f" (at most {missions.agv_stall_ms_max} ms)" if missions.agv_stalls else ""
    yield "releases", f"{missions.agv_releases} by a person; {held_up}{late}"


def _network_words(summary: Summary) -> str:
    if not summary.outage_s:
        return "never cut"
    words = f"cut for {summary.outage_s:.1f} s; {summary.waiting_max:,} events waited"
    if summary.caught_up_s is not None:
        words += f"; caught up after {summary.caught_up_s:.1f} s"
    return words


def _next_steps(summary: Summary) -> RenderableType:
    steps = Table.grid(padding=(0, 2))
    steps.add_column(no_wrap=True, style="bold")
    steps.add_column(overflow="fold")
    here = Path.cwd()
    out = summary.out.relative_to(here) if summary.out.is_relative_to(here) else summary.out
    steps.add_row("Look", str(out / "log-depth.png"))
    steps.add_row("Count for yourself", f"{out / 'README.txt'} has the lines")
    if summary.held:
        steps.add_row("Play one real store", 'make demo ARGS="--help" lists the options')
        steps.add_row("Connect a till", "the README shows it with one curl")
    else:
        steps.add_row("Play it again", f'make demo ARGS="--seed {summary.seed}"')
    return Padding(steps, (0, 0, 1, 0))


def _mb(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.0f} MB"


def _ms(value: float | None) -> str:
    return "not measured" if value is None else f"{value:.1f} ms"

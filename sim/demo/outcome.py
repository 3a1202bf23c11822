"""What came of a demo: the evidence while both ends still run, then, from the files they left, the summary."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

from agent import __version__
from agent.clock import SystemClock
from agent.event_types import Stream
from sim.cloud.counts import Window
from sim.cloud.reconcile import Reconciliation, reconcile
from sim.demo.advice import Advice, added_and_not_sold, figures_of
from sim.demo.checks import check_all
from sim.demo.floor import Floor
from sim.demo.missions import MissionFigures, Missions, missions_of
from sim.demo.outage import Outage, find_outages
from sim.demo.pace import events_per_s_max
from sim.demo.percentile import percentile
from sim.demo.sampling import Sampler
from sim.demo.sender import Tally
from sim.demo.summary import DayCloseAnswer, Sample, StreamResult, Summary
from sim.demo.world import World
from sim.process_memory import memory_mb

__all__ = ["Evidence", "gather", "sum_up"]

LINK_SETTLES_S: Final = 2.0
"""After the log has caught up, before times count as those of a link that is up."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What must be looked at before the world is taken apart."""

    tally: Tally
    samples: Sequence[Sample]
    outages: Sequence[Outage]
    outage_s: float
    day_close: DayCloseAnswer
    in_ledger: set[tuple[str, str]]
    ledger_totals: dict[str, Decimal]
    times_ms: list[float]
    listeners: list[tuple[str, int]]
    exit_codes: list[int]
    advice: Advice
    missions: Missions
    event_bytes: int
    agent_rss_max_mb: float | None
    kiosk_rss_max_mb: float | None
    ledger_file: Path
    log_file: Path


async def gather(world: World, sampler: Sampler, floor: Floor, day_close: DayCloseAnswer) -> Evidence:
    """Stop the agent and the twin, in this order, and collect what both know."""
    listeners = list(world.listeners())
    agent_rss_max_mb = memory_mb(world.agent.pid, "VmHWM") if world.agent.pid is not None else None
    exit_codes = [*world.kiosks.exit_codes, await world.agent.stop()]
    world.vehicles.stop()
    exit_codes += world.vehicles.exit_codes
    outages = find_outages(sampler.samples)
    evidence = Evidence(
        tally=world.tally,
        samples=sampler.samples,
        outages=outages,
        outage_s=world.outage_s,
        day_close=day_close,
        in_ledger=world.ledger.identities(),
        ledger_totals=world.ledger.sales_totals(),
        times_ms=world.ledger.times_ms(_link_up(sampler, outages)),
        listeners=listeners,
        exit_codes=exit_codes,
        advice=_advice(world),
        missions=_missions(world, floor),
        event_bytes=world.ledger.event_bytes(),
        agent_rss_max_mb=agent_rss_max_mb,
        kiosk_rss_max_mb=max((one.rss_max_mb for one in world.kiosks.running if one.rss_max_mb), default=None),
        ledger_file=world.ledger_file,
        log_file=world.log_file,
    )
    exit_codes.append(await world.twin.stop())
    return evidence


def sum_up(data_source: str, seed: int, out: Path, evidence: Evidence, wall_s: float) -> Summary:
    """The summary, with the log and the ledger counted from their files."""
    reconciliation = reconcile(evidence.ledger_file, evidence.log_file)
    streams = _stream_results(reconciliation)
    tally, outages = evidence.tally, evidence.outages
    return Summary(
        data_source=data_source,
        version=__version__,
        seed=seed,
        out=out,
        events_accepted=sum(result.accepted for result in streams.values()),
        events_delivered=sum(result.delivered for result in streams.values()),
        event_bytes=evidence.event_bytes,
        events_per_s_max=events_per_s_max(evidence.samples),
        missing=reconciliation.missing,
        duplicates=reconciliation.duplicates,
        conflicts=reconciliation.conflicts,
        redelivered=reconciliation.redelivered,
        shed=reconciliation.shed,
        quarantined=reconciliation.quarantined,
        baskets=tally.sales,
        sales_total=tally.takings,
        outage_s=evidence.outage_s,
        waiting_max=max((sample.waiting for sample in evidence.samples), default=0),
        caught_up_s=outages[0].caught_up_s if outages else None,
        append_ms_p50=percentile(tally.append_ms, 0.5),
        append_ms_p99=percentile(tally.append_ms, 0.99),
        event_to_cloud_ms_p50=percentile(evidence.times_ms, 0.5),
        event_to_cloud_ms_p95=percentile(evidence.times_ms, 0.95),
        wall_s=wall_s,
        agent_rss_max_mb=evidence.agent_rss_max_mb,
        kiosk_rss_max_mb=evidence.kiosk_rss_max_mb,
        streams=streams,
        day_close=evidence.day_close,
        advice=evidence.advice.figures,
        kiosk_absence=evidence.advice.absence,
        missions=evidence.missions.figures,
        vehicle_absence=evidence.missions.absence,
        invariants=_invariants(evidence, reconciliation),
    )


def _invariants(evidence: Evidence, reconciliation: Reconciliation) -> dict[str, bool]:
    return check_all(
        tally=evidence.tally,
        in_ledger=evidence.in_ledger,
        reconciliation=reconciliation,
        ledger_totals=evidence.ledger_totals,
        day_close=evidence.day_close,
        outages=evidence.outages,
        last_sample=evidence.samples[-1],
        listeners=evidence.listeners,
        exit_codes=evidence.exit_codes,
        advice=evidence.advice,
        missions=evidence.missions,
    )


def _advice(world: World) -> Advice:
    """What the kiosks measured, beside what the cloud knows of them."""
    names = ("kiosk.decision.v1", "kiosk.accepted.v1", "kiosk.dismissed.v1", "kiosk.till_request.v1", "pos.sale.v1")
    events = {name: list(world.ledger.data_of(name)) for name in names}
    kiosks = world.kiosks
    return Advice(
        figures=figures_of(len(kiosks.running), kiosks.times, events),
        absence=kiosks.absence,
        suggestions_painted=kiosks.times.suggestions_painted,
        late_painted=kiosks.times.late_painted,
        unsent_taps=kiosks.unsent_taps,
        not_sold=added_and_not_sold(events["kiosk.till_request.v1"], events["pos.sale.v1"]),
    )


def _missions(world: World, floor: Floor) -> Missions:
    """What the vehicles did until the floor was closed, beside what the cloud knows of them."""
    vehicles = world.vehicles
    if not vehicles.running:
        return Missions(MissionFigures(0), vehicles.absence)
    names = ("agv.action.v1", "agv.stop.v1", "kiosk.bring.v1")
    events = {name: list(world.ledger.data_of(name)) for name in names}
    truths = {
        one.vehicle_id: [seen for seen in one.firmware.truth() if seen.at_us <= floor.closed_s * 1e6]
        for one in vehicles.running
    }
    return missions_of(truths, floor.dispatcher.reports, floor.person.stops, events, floor.person.stalls)


def _stream_results(reconciliation: Reconciliation) -> dict[Stream, StreamResult]:
    """The checks of all epochs added up by stream."""
    sums: defaultdict[Stream, list[int]] = defaultdict(lambda: [0] * 7)
    for check in reconciliation.streams:
        figures = (
            *(check.log_head or 0, check.ledger_count, check.missing, check.duplicates, check.conflicts),
            *(check.shed, check.quarantined),
        )
        sums[Stream(check.stream)] = [a + b for a, b in zip(sums[Stream(check.stream)], figures, strict=True)]
    return {stream: StreamResult(*sums[stream]) for stream in Stream if stream in sums}


def _link_up(sampler: Sampler, outages: Sequence[Outage]) -> list[Window]:
    """The stretches of the machine's clock in which the link was up and had nothing to catch up."""
    begins_s = sampler.began_s
    windows = []
    for outage in outages:
        windows.append(Window(begins_s, sampler.began_s + outage.begins_s))
        begins_s = sampler.began_s + outage.ends_s + (outage.caught_up_s or 0.0) + LINK_SETTLES_S
    return [*windows, Window(begins_s, SystemClock().monotonic_s())]

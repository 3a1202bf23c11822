"""What came of the vehicles' errands and stops: what the shop's events say, beside what the vehicles physically did."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

from firmware_bridge import LatchCause
from sim.demo.stops import PERSON, Stalls, StopAsked
from sim.fleet_control import ErrandReport, Progress
from sim.vehicle import Seen

__all__ = ["Job", "MissionFigures", "Missions", "bring_errand_id", "jobs_done", "missions_of"]

LOADS: Final = ("pick", "drop")
MOVES: Final = (*LOADS, "move_begin")

Json = Any  # Any: JSON
Job = tuple[str, str]
"""A vehicle's id, and `pick` or `drop`."""


@dataclass(frozen=True, slots=True)
class MissionFigures:
    """Vehicles in figures; a time is None when it was not measured.

    `stop_ms_max` is from a request to the agent, or from the touch at a kiosk, to the vehicle's commanding standstill,
    as the vehicle saw it; `agv_kiosk_stop_ms` only of those at a kiosk, `agv_stop_command_ms` from the start of
    `storeforward agv stop`. The agent's lateness (`agv_stalls`) ends a lease at 250 ms; each lease that ended
    (`agv_lease_stops`) stopped a vehicle, and a person released it.
    """

    vehicles: int
    agv_orders_done: int = 0
    agv_orders_not_done: tuple[str, ...] = ()
    agv_brings_asked: int = 0
    agv_brings_done: int = 0
    agv_stops: int = 0
    stop_ms_max: float | None = None
    agv_stop_command_ms: float | None = None
    agv_kiosk_stops: int = 0
    agv_kiosk_stop_ms: float | None = None
    physical_picks: int = 0
    physical_drops: int = 0
    physical_picks_equal_actions: bool | None = None
    agv_releases: int = 0
    agv_lease_stops: int = 0
    agv_stalls: int = 0
    agv_stall_ms_max: int = 0


@dataclass(frozen=True, slots=True)
class Missions:
    """What the vehicles left behind: figures, and what has to be right about them."""

    figures: MissionFigures
    absence: str = ""
    unexplained: tuple[str, ...] = ()
    """Errands that did not end, went wrong without a reason, or were asked for and never heard of."""
    moved_while_stopped: tuple[str, ...] = ()
    stops_broken: tuple[str, ...] = ()
    """Stops after which the vehicle was not released, and releases by nobody."""


def missions_of(
    truths: Mapping[str, Sequence[Seen]],
    reports: Sequence[ErrandReport],
    stops: Sequence[StopAsked],
    events: Mapping[str, list[Json]],
    stalls: Stalls,
) -> Missions:
    """The missions, from each vehicle's truth by its id, fleet control's reports, and the `data` of events by type."""
    done = [report for report in reports if report.progress is Progress.FINISHED]
    not_done = [report for report in reports if report.progress is not Progress.FINISHED]
    all_seen = list(chain.from_iterable(truths.values()))
    counted = Counter(seen.what for seen in all_seen)
    wished = {bring_errand_id(data["request_id"]) for data in events["kiosk.bring.v1"]}
    figures = MissionFigures(
        vehicles=len(truths),
        agv_orders_done=len(done),
        agv_orders_not_done=tuple(f"{report.errand.errand_id}: {report.reason}" for report in not_done),
        agv_brings_asked=len(wished),
        agv_brings_done=sum(report.errand.errand_id in wished for report in done),
        agv_stops=len(stops),
        stop_ms_max=max(_stop_times_ms(truths, (one for one in stops if not one.by_command)), default=None),
        agv_stop_command_ms=max(_stop_times_ms(truths, (one for one in stops if one.by_command)), default=None),
        agv_kiosk_stops=sum(one.at_kiosk for one in stops),
        agv_kiosk_stop_ms=max(_stop_times_ms(truths, (one for one in stops if one.at_kiosk)), default=None),
        physical_picks=counted["pick"],
        physical_drops=counted["drop"],
        physical_picks_equal_actions=jobs_done(events["agv.action.v1"]) == _jobs_seen(truths),
        agv_releases=counted["released"],
        agv_lease_stops=sum(_is_latch(seen, LatchCause.LEASE) for seen in all_seen),
        agv_stalls=stalls.count,
        agv_stall_ms_max=stalls.ms_max,
    )
    return Missions(
        figures,
        unexplained=(
            *(report.errand.errand_id for report in not_done if not (report.progress.final and report.reason)),
            *sorted(wished - {report.errand.errand_id for report in reports}),
        ),
        moved_while_stopped=tuple(name for name, truth in truths.items() if _moved_while_stopped(truth)),
        stops_broken=tuple(_stops_broken(truths, stops, events["agv.stop.v1"])),
    )


def bring_errand_id(request_id: str) -> str:
    """The errand that a kiosk's wish becomes."""
    return f"bring-{request_id}"


def jobs_done(actions: Iterable[Json]) -> Counter[Job] | None:
    """The picks and drops that the shop's events call finished; None when one is told to have finished twice."""
    finished = [
        (data["vehicle_id"], data["action_type"], data["action_id"])
        for data in actions
        if data["status"] == "finished" and data["action_type"] in LOADS
    ]
    if len(set(finished)) < len(finished):
        return None
    return Counter((vehicle_id, kind) for vehicle_id, kind, _ in finished)


def _jobs_seen(truths: Mapping[str, Sequence[Seen]]) -> Counter[Job]:
    return Counter((name, seen.what) for name, truth in truths.items() for seen in truth if seen.what in LOADS)


def _is_latch(seen: Seen, cause: LatchCause) -> bool:
    return seen.what == "latched" and seen.numbers["cause"] == cause


def _stop_times_ms(truths: Mapping[str, Sequence[Seen]], stops: Iterable[StopAsked]) -> list[float]:
    """How long each stop took; none for one that found its vehicle stopped already."""
    found: list[float] = []
    for stop in stops:
        stood = _standstill(truths[stop.vehicle_id], stop)
        if stood is not None:
            found.append((stood.at_us / 1e6 - stop.asked_s) * 1_000)
    return found


def _standstill(truth: Sequence[Seen], stop: StopAsked) -> Seen | None:
    after = (seen for seen in truth if seen.at_us >= stop.asked_s * 1e6)
    return next(
        (seen for seen in after if seen.what == "standstill" and seen.numbers["cause"] == LatchCause.STOP), None
    )


def _moved_while_stopped(truth: Iterable[Seen]) -> bool:
    latched = True  # a vehicle boots so
    for seen in truth:
        if seen.what in ("latched", "released"):
            latched = seen.what == "latched"
        elif latched and seen.what in MOVES:
            return True
    return False


def _stops_broken(
    truths: Mapping[str, Sequence[Seen]], stops: Iterable[StopAsked], told: Sequence[Json]
) -> Iterable[str]:
    releasers = {data["requested_by"] for data in told if data["action"] == "released"}
    yield from (f"released by {who}" for who in sorted(releasers - {PERSON}))
    for stop in stops:
        stood = _standstill(truths[stop.vehicle_id], stop)
        after_us = stood.at_us if stood else stop.asked_s * 1e6
        if not any(seen.what == "released" and seen.at_us > after_us for seen in truths[stop.vehicle_id]):
            yield f"{stop.vehicle_id} was not released"

"""A made-up demo with one cut of the network, for the tests of what a person sees of it."""

from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Final

from agent.event_types import Stream
from sim.demo.advice import AdviceFigures
from sim.demo.missions import MissionFigures
from sim.demo.summary import (
    CaptureKind,
    DayCloseAnswer,
    LinkState,
    Phase,
    Sample,
    StoreDay,
    StreamCount,
    StreamResult,
    Summary,
    TillState,
    TillView,
)

__all__ = ["DAY", "SUMMARY", "failed", "samples"]

DAY: Final = StoreDay(
    data_source="generator, seed 1",
    from_time=datetime(2017, 3, 5, 6, tzinfo=UTC),
    to_time=datetime(2017, 3, 5, 22, tzinfo=UTC),
    currency="USD",
    version="0.1.0",
)
STEP_S: Final = 0.5
CUT_S: Final = (10.0, 18.0)
END_S: Final = 40.0
SELLING_S: Final = 38.0
EVENTS_PER_STEP: Final = 60
CATCH_UP_PER_STEP: Final = 800


def samples(*, cut: bool = True, tills: int = 12, streams: int = 6) -> list[Sample]:
    """Every sample from the start to the end: 60 events each half second, the network away from 10 s to 18 s."""
    made: list[Sample] = []
    accepted = delivered = 0
    for step in range(int(END_S / STEP_S) + 1):
        at_s = step * STEP_S
        accepted += EVENTS_PER_STEP if at_s < SELLING_S else 0
        link = LinkState.CUT if cut and CUT_S[0] <= at_s < CUT_S[1] else LinkState.ONLINE
        if link is LinkState.ONLINE:
            delivered = min(accepted, delivered + CATCH_UP_PER_STEP)
        made.append(
            Sample(
                at_s=at_s,
                shop_time=DAY.from_time + (DAY.to_time - DAY.from_time) * min(1.0, at_s / SELLING_S),
                link=link,
                accepted=accepted,
                delivered=delivered,
                waiting=accepted - delivered,
                phase=Phase.SELLING if at_s < SELLING_S else Phase.CLOSING,
                tills=tuple(_till(number, step) for number in range(1, tills + 1)),
                streams=tuple(StreamCount(stream, accepted // 6, delivered // 6) for stream in list(Stream)[:streams]),
                captured=dict.fromkeys(CaptureKind, accepted // 6),
                append_ms_p50=1.25,
                append_ms_p99=7.5,
                event_to_cloud_ms_p50=48.0 if link is LinkState.ONLINE else None,
            )
        )
    return made


def _till(number: int, step: int) -> TillView:
    state = list(TillState)[(number + step) % 4]
    items = 0 if state is TillState.IDLE else number
    return TillView(f"till-{number}", state, items, Decimal(items) * Decimal("2.49"), step, step * Decimal("12.34"))


SUMMARY: Final = Summary(
    data_source=DAY.data_source,
    version=DAY.version,
    seed=7,
    out=Path("demo-report"),
    events_accepted=28_713,
    events_delivered=28_713,
    event_bytes=18_431_000,
    events_per_s_max=812.5,
    missing=0,
    duplicates=0,
    conflicts=0,
    redelivered=200,
    shed=0,
    quarantined=0,
    baskets=3_012,
    sales_total={"USD": Decimal("88123.10")},
    outage_s=8.0,
    waiting_max=1_020,
    caught_up_s=0.5,
    append_ms_p50=1.25,
    append_ms_p99=7.51234,
    event_to_cloud_ms_p50=48.0,
    event_to_cloud_ms_p95=None,
    wall_s=81.0,
    agent_rss_max_mb=98.4,
    kiosk_rss_max_mb=151.0,
    streams={
        Stream.SALES: StreamResult(28_000, 28_000, 0, 0, 0),
        Stream.SENSOR: StreamResult(713, 713, 0, 0, 0),
    },
    day_close=DayCloseAnswer.AGREED,
    advice=AdviceFigures(
        kiosks=2,
        decisions=121,
        accepted=14,
        dismissed=5,
        refused=2,
        decision_ms_p95=4.25,
        tap_to_paint_ms_p95=61.0,
        scan_to_suggestions_ms_p95=212.0,
        accept_to_till_ms_p95=180.5,
        cloud_to_kiosk_ms_p95=None,
    ),
    kiosk_absence="",
    missions=MissionFigures(
        vehicles=2,
        agv_orders_done=7,
        agv_orders_not_done=("restock-8: the shop closed before it was done",),
        agv_brings_asked=3,
        agv_brings_done=3,
        agv_stops=2,
        stop_ms_max=5.232,
        agv_stop_command_ms=523.7,
        agv_kiosk_stops=1,
        agv_kiosk_stop_ms=5.232,
        physical_picks=7,
        physical_drops=7,
        physical_picks_equal_actions=True,
        agv_releases=5,
        agv_lease_stops=1,
        agv_stalls=4,
        agv_stall_ms_max=261,
    ),
    vehicle_absence="",
    invariants={"nothing_missing": True, "nothing_counted_twice": True},
)


def failed() -> Summary:
    """The same demo with three sales lost."""
    lost = {**SUMMARY.streams, Stream.SALES: StreamResult(28_000, 27_997, 3, 0, 0)}
    return replace(
        SUMMARY,
        events_delivered=28_710,
        missing=3,
        streams=lost,
        invariants={"nothing_missing": False, "nothing_counted_twice": True},
    )

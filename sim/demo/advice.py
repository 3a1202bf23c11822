"""What came of the advice at the tills: how fast, how much, and whether what staff added was sold. From the ledger."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from kiosk.suggestions import DEADLINE_MS
from sim.demo.kiosk_watch import KioskTimes
from sim.demo.percentile import percentile, spread

__all__ = ["TARGETS_MS", "Advice", "AdviceFigures", "added_and_not_sold", "figures_of"]

TARGETS_MS: Final[Mapping[str, float]] = {
    "decision_ms_p95": 10.0,
    "tap_to_paint_ms_p95": 100.0,
    "scan_to_suggestions_ms_p95": 200.0,
    "accept_to_till_ms_p95": 300.0,
    "cloud_to_kiosk_ms_p95": 2_000.0,
}
"""What each figure should not exceed; a busy machine may, and then the figure says so."""

Json = Any  # Any: JSON


@dataclass(frozen=True, slots=True)
class AdviceFigures:
    """Suggestions in figures; a time is None when it was not measured, as without kiosks.

    `refused` counts the till's refusals, `dismissed` the Not nows that were not taken back, `kept_taps` the Adds made
    while the agent was down.
    """

    kiosks: int
    decisions: int = 0
    accepted: int = 0
    dismissed: int = 0
    refused: int = 0
    kept_taps: int = 0
    decision_ms_p95: float | None = None
    tap_to_paint_ms_p95: float | None = None
    scan_to_suggestions_ms_p95: float | None = None
    accept_to_till_ms_p95: float | None = None
    cloud_to_kiosk_ms_p95: float | None = None
    decisions_late: int = 0
    """Answers that missed their deadline: without suggestions, for nobody may show them any more."""
    latencies_ms: Mapping[str, Mapping[str, float] | None] = field(default_factory=dict)
    """The same times by name, each with its median, 95th percentile and maximum."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What the kiosks left behind: figures, and what has to be right about them."""

    figures: AdviceFigures
    absence: str
    suggestions_painted: int
    late_painted: int
    unsent_taps: int
    not_sold: tuple[str, ...]


def figures_of(kiosks: int, times: KioskTimes, events: Mapping[str, list[Json]]) -> AdviceFigures:
    """The figures, from what the kiosks told and the `data` of the events by short type name."""
    outcomes = Counter(data["outcome"] for data in events["kiosk.till_request.v1"])
    took_ms = [data["took_ms"] for data in events["kiosk.decision.v1"]]
    return AdviceFigures(
        kiosks=kiosks,
        decisions=len(events["kiosk.decision.v1"]),
        accepted=len(events["kiosk.accepted.v1"]),
        dismissed=len(events["kiosk.dismissed.v1"]),
        refused=outcomes["refused"],
        kept_taps=times.kept_taps,
        decision_ms_p95=percentile(took_ms, 0.95),
        tap_to_paint_ms_p95=percentile(times.tap_to_paint, 0.95),
        scan_to_suggestions_ms_p95=percentile(times.scan_to_suggestions, 0.95),
        accept_to_till_ms_p95=percentile(times.accept_to_till, 0.95),
        cloud_to_kiosk_ms_p95=percentile(times.cloud_to_kiosk, 0.95),
        decisions_late=sum(one > DEADLINE_MS for one in took_ms),
        latencies_ms={
            "decision": spread(took_ms),
            "tap_to_paint": spread(times.tap_to_paint),
            "scan_to_suggestions": spread(times.scan_to_suggestions),
            "accept_to_till": spread(times.accept_to_till),
            "cloud_to_kiosk": spread(times.cloud_to_kiosk),
        },
    )


def added_and_not_sold(requests: Iterable[Json], sales: Iterable[Json]) -> tuple[str, ...]:
    """`BASKET SKU` of each item that a till put in for a kiosk, left in, and did not sell."""
    added: Counter[tuple[str, str]] = Counter()
    for data in requests:
        if data["outcome"] == "done":
            added[data["basket_id"], data["sku"]] += 1 if data["kind"] == "add_item" else -1
    sold = {(data["basket_id"], item["sku"]) for data in sales for item in data["items"]}
    return tuple(f"{basket} {sku}" for (basket, sku), left in added.items() if left > 0 and (basket, sku) not in sold)

"""The percentiles that every figure of the demo is."""

from collections.abc import Sequence

__all__ = ["percentile", "spread"]


def percentile(values: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile of sorted or unsorted values; None when there are none."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """Median, 95th percentile and maximum, as a report has them; None when there are no values."""
    if not values:
        return None
    found = {"p50": percentile(values, 0.5), "p95": percentile(values, 0.95), "max": max(values)}
    return {name: round(value, 3) for name, value in found.items() if value is not None}

"""The shop's business day: from 04:00 local time to 04:00, so that a late basket belongs to its evening."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

__all__ = ["DAY_STARTS_AT", "business_day_of", "day_bounds", "day_start", "local_moment"]

DAY_STARTS_AT: Final = time(4)
"""As `site.day_starts_at` has it by default."""


def business_day_of(moment: datetime, zone: ZoneInfo) -> date:
    """The business day a moment belongs to."""
    local = moment.astimezone(zone)
    return local.date() if local.time() >= DAY_STARTS_AT else local.date() - timedelta(days=1)


def local_moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """The instant, in UTC, at which the shop's clocks show `at` within business day `day`."""
    calendar_day = day if at >= DAY_STARTS_AT else day + timedelta(days=1)
    return datetime.combine(calendar_day, at, zone).astimezone(UTC)


def day_start(day: date, zone: ZoneInfo) -> datetime:
    """Where a business day begins, in UTC."""
    return local_moment(day, DAY_STARTS_AT, zone)


def day_bounds(first: date, last: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Start (included) and end (not included) of the business days `first` to `last`, in UTC."""
    return day_start(first, zone), day_start(last + timedelta(days=1), zone)

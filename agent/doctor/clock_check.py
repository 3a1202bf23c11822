"""Whether the machine knows what time it is, and the agent in which time zone the shop lives."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from agent.clock import clock_synchronised
from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.settings import SiteSettings

__all__ = ["check_clock", "check_time_zone", "clock_finding"]

EARLIEST: Final = datetime(2024, 1, 1, tzinfo=UTC)  # this software is younger: a clock before it was never set


def check_clock(patient: Patient) -> Iterator[Finding]:
    """The machine's wall clock and whether something disciplines it."""
    yield clock_finding(patient.clock.wall(), synchronised=clock_synchronised())


def clock_finding(now: datetime, *, synchronised: bool) -> Finding:
    """What the clock's state means."""
    text = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    remedy = "start a time service: timedatectl set-ntp true, then timedatectl timesync-status"
    if now < EARLIEST:
        return Finding.problem("clock", f"{text}: it was never set, certificates will be refused", remedy)
    if not synchronised:
        return Finding.warning("clock", f"{text}, not synchronised: events say so (clocksynced)", remedy)
    return Finding.ok("clock", f"{text}, synchronised")


def check_time_zone(patient: Patient) -> Iterator[Finding]:
    """The shop's, which decides when its day ends."""
    site = patient.settings.site
    local = patient.clock.wall().astimezone(ZoneInfo(site.time_zone))
    text = f"{site.time_zone}, where it is {local:%H:%M}; a day ends at {site.day_starts_at} (site.day_starts_at)"
    if site.time_zone == SiteSettings().time_zone:
        yield Finding.warning("time zone", text, "set site.time_zone to the shop's, such as Europe/Berlin")
    else:
        yield Finding.ok("time zone", text)

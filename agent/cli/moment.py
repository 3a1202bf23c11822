"""A moment as a person writes it on the command line: `15m`, `2h` or `3d` ago, or a date with or without a time."""

import re
from datetime import UTC, datetime, timedelta
from typing import Final

import click

from agent.clock import SystemClock

__all__ = ["moment"]

_AGO: Final = re.compile(r"(\d{1,6})([smhd])")
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """The type of an option, in UTC. What has no offset is UTC, as all times of the log are."""
    try:
        if ago := _AGO.fullmatch(text):
            return SystemClock().wall() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        found = datetime.fromisoformat(text)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text!r} is no moment; expected 15m, 2h or 3d (ago), 2026-03-02 or 2026-03-02T14:30Z"
        ) from None

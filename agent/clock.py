"""The one place that reads clocks and makes randomness; everything else is handed the result.

Two clocks: `monotonic_s` drives time-outs, leases and back-off and is never scaled; `wall` says when
something happened in the shop, and is the one a simulation may run faster.
"""

import ctypes
import os
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random, SystemRandom
from typing import Protocol
from uuid import UUID

__all__ = [
    "Clock",
    "IdFactory",
    "ShopClock",
    "SystemClock",
    "boot_id",
    "clock_synchronised",
    "moment_of",
    "rfc3339",
    "shop_seconds",
    "system_random",
]

_LIBC = ctypes.CDLL(None, use_errno=True)
_TIMEX_BYTES = 256  # struct timex is 208; a read-only call needs it zeroed
_TIME_ERROR = 5
_LEAP_SECOND = re.compile(r"(T[0-9]{2}:[0-9]{2}):60")


class Clock(Protocol):
    """What a component may ask about time."""

    def monotonic_s(self) -> float:
        """Seconds since an arbitrary point of this boot; the same for all processes of the machine."""
        ...

    def wall(self) -> datetime:
        """Shop time, UTC and aware."""
        ...


class SystemClock:
    """The machine's own clocks."""

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class ShopClock:
    """A shop day played `speed` times faster, from `starts_at` when the machine's monotonic clock read `origin_s`."""

    starts_at: datetime
    origin_s: float
    speed: float

    def monotonic_s(self) -> float:
        return time.monotonic()

    def wall(self) -> datetime:
        return self.starts_at + timedelta(seconds=(time.monotonic() - self.origin_s) * self.speed)


def shop_seconds(clock: Clock) -> float:
    """How many seconds the monotonic clock has gone, as the shop's wall clock counts them."""
    return clock.monotonic_s() * (clock.speed if isinstance(clock, ShopClock) else 1.0)


class IdFactory:
    """UUIDv7 (RFC 9562, 5.7) from a wall clock and a source of randomness; call it for the next id as text."""

    def __init__(self, wall: Callable[[], datetime], random: Random) -> None:
        self._wall = wall
        self._random = random

    def __call__(self) -> str:
        at_ms = int(self._wall().timestamp() * 1000) & 0xFFFF_FFFF_FFFF
        bits = self._random.getrandbits(74)
        value = at_ms << 80 | 0x7 << 76 | (bits >> 62) << 64 | 0b10 << 62 | bits & 0x3FFF_FFFF_FFFF_FFFF
        return str(UUID(int=value))


def system_random() -> Random:
    """Randomness from the operating system, for a real device."""
    return SystemRandom()


def boot_id() -> str:
    """The kernel's id of this boot: monotonic readings compare only within one."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return f"unknown-{os.getppid()}"


def clock_synchronised() -> bool:
    """Whether the kernel says that a time source disciplines the wall clock (adjtimex(2), TIME_ERROR)."""
    return bool(_LIBC.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES)) != _TIME_ERROR)


def moment_of(text: str) -> datetime:
    """The moment of an ISO 8601 text; a leap second (RFC 3339, appendix D) is the second before it, as in POSIX time.

    Raises:
        ValueError: no moment, or a second 60 where no minute has one.
    """
    moment = datetime.fromisoformat(_LEAP_SECOND.sub(r"\1:59", text))
    if _LEAP_SECOND.search(text) and (moment.tzinfo is None or rfc3339(moment)[11:16] != "23:59"):
        raise ValueError("only the last minute of a UTC day has a second 60")
    return moment


def rfc3339(moment: datetime) -> str:
    """UTC text with a `Z`, in milliseconds unless the moment is finer."""
    utc = moment.astimezone(UTC)
    text = utc.isoformat(timespec="microseconds" if utc.microsecond % 1000 else "milliseconds")
    return text.removesuffix("+00:00") + "Z"

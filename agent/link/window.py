"""How many bytes may be on their way: as many as the line takes without a queue before it.

PUBACKs tell: what takes noticeably longer than the fastest ones has waited in a queue, of the line or of the broker,
and whatever is sent now waits behind it. The window then shrinks; it grows while answers come sooner. This is LEDBAT's
rule (RFC 6817) with bytes in place of segments; until the first sign of a queue the window doubles with each round
trip (slow start, RFC 5681). Batches are a part of the window, so that a slow line is not filled by one of them.
"""

from collections import deque
from typing import Final

__all__ = ["BATCHES", "Window"]

START_BYTES: Final = 32_768
BYTES_MIN: Final = 8_192
BATCHES: Final = 4
"""Of a full window."""
QUEUE_S: Final = 0.4
"""How long what is sent may wait before the line. A live sale waits that long behind a backlog at most."""
GAIN: Final = 0.25
LAST_ANSWERS: Final = 4
"""The fastest of so many counts: what TCP had to send again did not wait in a queue (RFC 6817, CURRENT_FILTER)."""
MINUTES_REMEMBERED: Final = 10
"""For so long, a round trip counts as what the line can do (RFC 6817, BASE_HISTORY)."""


class Window:
    """Made anew for each connection: the line may be another one."""

    def __init__(self, bytes_max: int) -> None:
        self._bytes_max = max(bytes_max, BYTES_MIN)
        self._bytes = float(min(START_BYTES, self._bytes_max))
        self._starting = True
        self._last_s: deque[float] = deque(maxlen=LAST_ANSWERS)
        self._fastest_s: deque[tuple[int, float]] = deque(maxlen=MINUTES_REMEMBERED)

    @property
    def bytes_now(self) -> int:
        """How much may be in flight."""
        return int(self._bytes)

    def batch_bytes(self, publishes_per_s: float | None) -> int:
        """How large one publish should be at most: a part of the window, all of it where publishes are what is scarce.

        `publishes_per_s` is how many may leave; None is any number.
        """
        fastest_s = min((seconds for _, seconds in self._fastest_s), default=0.0)
        in_flight = BATCHES if publishes_per_s is None else publishes_per_s * fastest_s
        return int(self._bytes / min(BATCHES, max(1.0, in_flight)))

    def answered(self, bytes_: int, in_flight_bytes: int, took_s: float, now_s: float) -> None:
        """A publish of so many bytes was answered; `in_flight_bytes` is what was in flight just before."""
        self._last_s.append(took_s)
        fastest_s = self._fastest(took_s, now_s)
        queue_s = min(self._last_s) - fastest_s
        if took_s - fastest_s > QUEUE_S / 2:
            self._starting = False  # one sign is enough to stop doubling
        room = (QUEUE_S - queue_s) / QUEUE_S
        full = in_flight_bytes * 2 >= self._bytes or bytes_ * BATCHES * 1.25 >= self._bytes
        if room > 0 and not full:
            return  # there was nothing to fill a window or a batch with, so nothing is learned of larger ones
        grown = bytes_ if self._starting else GAIN * max(-1.0, room) * bytes_
        self._bytes = min(max(self._bytes + grown, BYTES_MIN), self._bytes_max)

    def _fastest(self, took_s: float, now_s: float) -> float:
        minute = int(now_s // 60)
        if self._fastest_s and self._fastest_s[-1][0] == minute:
            self._fastest_s[-1] = (minute, min(took_s, self._fastest_s[-1][1]))
        else:
            self._fastest_s.append((minute, took_s))
        return min(seconds for _, seconds in self._fastest_s)

"""How long to wait before the next try: exponential back-off with full jitter, so that a fleet spreads by itself."""

from random import Random

__all__ = ["Backoff"]

DOUBLINGS_MAX = 32  # beyond any sensible ratio of the two limits; keeps the power small


class Backoff:
    """Waits drawn evenly from 0 to a ceiling that doubles with each try, from `min_s` up to `max_s`."""

    def __init__(self, min_s: float, max_s: float, random: Random) -> None:
        assert min_s > 0
        self._min_s = min_s
        self._max_s = max(min_s, max_s)
        self._random = random
        self._tries = 0

    @property
    def tries(self) -> int:
        """Waits drawn since the last reset."""
        return self._tries

    @property
    def ceiling_s(self) -> float:
        """The longest that the next wait can be."""
        return min(self._max_s, self._min_s * 2.0 ** min(self._tries, DOUBLINGS_MAX))

    def next_s(self) -> float:
        """The next wait, in seconds."""
        wait_s = self._random.uniform(0.0, self.ceiling_s)
        self._tries += 1
        return wait_s

    def reset(self) -> None:
        """Start over after a success."""
        self._tries = 0

"""Forward decay: what an event weighs against one at a fixed landmark, so that sums age without being touched.

A sum of such weights divided by 2^((now - landmark) / half-life) is the exponentially decayed count at `now`, and the
quotient of two sums needs no `now` at all (Cormode, Shkapenyuk, Srivastava, Xu: Forward Decay, 2009).
"""

from typing import Final

__all__ = ["CUSTOMER_HALF_LIFE_D", "POPULARITY_HALF_LIFE_D", "decay_weight"]

CUSTOMER_HALF_LIFE_D: Final = 90.0  # chosen on November of Complete Journey, the month before the test month
POPULARITY_HALF_LIFE_D: Final = 28.0

DAY_S: Final = 86_400.0
LANDMARK_S: Final = 1_577_836_800.0  # 2020-01-01
EARLIEST_S: Final = 946_684_800.0  # 2000-01-01
LATEST_S: Final = 2_840_140_800.0  # 2060-01-01: 2^522 for the shortest half-life, far within a double


def decay_weight(at_s: float, half_life_d: float) -> float:
    """The weight of an event at a moment, in seconds of the Unix epoch; moments beyond 2000 to 2060 are drawn in."""
    within_s = min(max(at_s, EARLIEST_S), LATEST_S)
    return float(2.0 ** ((within_s - LANDMARK_S) / (half_life_d * DAY_S)))

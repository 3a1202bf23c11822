"""What the ledger has said over all connections of a link, and which of the losses it tells of seem to be real."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from agent.event_types import Stream
from agent.link.receipts import Receipts, Rewind
from agent.log.records import Place

__all__ = ["RECEIPT_PATIENCE_S", "REPEAT_AFTER_S", "LedgerWord"]

RECEIPT_PATIENCE_S: Final = 5.0  # a ledger that only lags shows another place by then
REPEAT_AFTER_S: Final = 3_600.0  # what a ledger refuses for good must not be sent again and again


@dataclass(slots=True)
class LedgerWord:
    """The ledger's receipts so far. Times are monotonic."""

    newest: Receipts | None = None
    settled: Receipts | None = None
    """The last that we acted on. While the ledger is away, the broker repeats it on each connection."""
    pending: Receipts | None = None
    """One that was heard too late on a connection; the next acts on it, unless it hears a newer one in time."""
    _lacking: dict[Stream, tuple[Place, float]] = field(default_factory=dict)
    """What the newest receipt lacks, and since when the receipts have lacked just that."""
    _repaired: dict[Stream, tuple[Place, float]] = field(default_factory=dict)
    """The last rewind of each stream, and when it was."""

    def lasting(self, rewinds: Iterable[Rewind], now_s: float) -> list[Rewind]:
        """The rewinds that receipts have asked for unchanged over `RECEIPT_PATIENCE_S`, and that were not yet done."""
        found: list[Rewind] = []
        lacked, self._lacking = self._lacking, {}
        for rewind in rewinds:
            place, since_s = lacked.get(rewind.stream, (None, now_s))
            if place != rewind.place:
                since_s = now_s
            self._lacking[rewind.stream] = (rewind.place, since_s)
            if now_s - since_s >= RECEIPT_PATIENCE_S and not self._repaired_lately(rewind, now_s):
                found.append(rewind)
        return found

    def repaired(self, rewind: Rewind, now_s: float) -> None:
        """What a rewind asks for is being sent again."""
        self._repaired[rewind.stream] = (rewind.place, now_s)
        self._lacking.pop(rewind.stream, None)

    def _repaired_lately(self, rewind: Rewind, now_s: float) -> bool:
        place, at_s = self._repaired.get(rewind.stream, (None, 0.0))
        return place == rewind.place and now_s - at_s < REPEAT_AFTER_S

"""What the ledger has said over all connections of a link, and which of the losses it tells of seem to be real."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from agent.event_types import Stream
from agent.link.receipts import Receipts, Rewind
from agent.log.records import Place

__all__ = ["RECEIPT_PATIENCE_S", "REPEAT_AFTER_S", "SILENCE_MIN_S", "LedgerWord"]

RECEIPT_PATIENCE_S: Final = 5.0  # a ledger that only lags shows another place by then
REPEAT_AFTER_S: Final = 3_600.0  # what a ledger refuses for good must not be sent again and again
SILENCE_MIN_S: Final = 60.0  # no word of what the broker took, and we ask; doubled each time
SILENCE_MAX_S: Final = 3_600.0


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
    _unanswered_since_s: float | None = None
    """Since when the broker has acknowledged events of which the ledger has not spoken."""
    _silence_s: float | None = None
    """How long we wait for its word; None is the shortest."""
    _unhelped: dict[Stream, Place] = field(default_factory=dict)
    """What the ledger lacked again after it was sent again."""

    @property
    def troubles(self) -> list[str]:
        """Streams that the broker acknowledges and the ledger does not get, for people."""
        return [
            f"the ledger lacks {stream} after {place.sequence}, although the broker acknowledged it twice: does it let"
            " this device publish there?"
            for stream, place in self._unhelped.items()
        ]

    def broker_took(self, now_s: float) -> None:
        """The broker acknowledged events."""
        if self._unanswered_since_s is None:
            self._unanswered_since_s = now_s

    def spoke(self, *, unasked: bool) -> None:
        """A new receipt came: by itself, or on a new connection, where it says little about the events after it."""
        self._unanswered_since_s = None
        if unasked:
            self._silence_s = None

    def silence_left_s(self, now_s: float) -> float:
        """How long the ledger may still be silent before it has to be asked; one that has never spoken is not."""
        silence_s = self._silence_s or SILENCE_MIN_S
        if self.newest is None or self._unanswered_since_s is None:
            return silence_s
        return self._unanswered_since_s + silence_s - now_s

    def asked(self) -> None:
        """A new connection asks it; next time we wait longer, as there may be nothing that helps."""
        self._unanswered_since_s = None
        self._silence_s = min(SILENCE_MAX_S, 2 * (self._silence_s or SILENCE_MIN_S))

    def lasting(self, rewinds: Iterable[Rewind], now_s: float) -> list[Rewind]:
        """The rewinds that receipts have asked for unchanged over `RECEIPT_PATIENCE_S`, and that were not yet done."""
        found: list[Rewind] = []
        lacked, self._lacking = self._lacking, {}
        rewinds = list(rewinds)
        self.still_lacks(rewinds)
        for rewind in rewinds:
            place, since_s = lacked.get(rewind.stream, (None, now_s))
            if place != rewind.place:
                since_s = now_s
            self._lacking[rewind.stream] = (rewind.place, since_s)
            if now_s - since_s >= RECEIPT_PATIENCE_S:
                if self._repaired_lately(rewind, now_s):
                    self._unhelped[rewind.stream] = rewind.place
                else:
                    found.append(rewind)
        if rewinds:  # it has more to say; until then its silence counts
            self._unanswered_since_s = now_s
        return found

    def still_lacks(self, rewinds: Iterable[Rewind]) -> None:
        """All that the newest receipt asks for: what it does not name has arrived."""
        places = {rewind.stream: rewind.place for rewind in rewinds}
        self._unhelped = {stream: at for stream, at in self._unhelped.items() if places.get(stream) == at}

    def repaired(self, rewind: Rewind, now_s: float) -> None:
        """What a rewind asks for is being sent again."""
        before, _ = self._repaired.get(rewind.stream, (None, 0.0))
        if before == rewind.place:
            self._unhelped[rewind.stream] = rewind.place
        self._repaired[rewind.stream] = (rewind.place, now_s)
        self._lacking.pop(rewind.stream, None)

    def _repaired_lately(self, rewind: Rewind, now_s: float) -> bool:
        place, at_s = self._repaired.get(rewind.stream, (None, 0.0))
        return place == rewind.place and now_s - at_s < REPEAT_AFTER_S

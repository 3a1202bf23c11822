"""What a device said of its sequences: shed, quarantined, parked, or released from the last two. No I/O.

The order that counts is that of the device's audit stream, in whatever order its events arrive. The first of shed and
quarantined stands: what a later tombstone covers as well was declared before. What is parked is still there, so it may
be lost later. A release never takes back what was shed.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from sim.cloud.holes import Gap, Holes

__all__ = ["AuditPlace", "Declaration", "Word", "declared_before", "mark"]


class Word(StrEnum):
    """What a declaration says of its range."""

    SHED = "shed"
    QUARANTINED = "quarantined"
    PARKED = "parked"
    RELEASED = "released"


_CHANGES: Final = {
    Word.SHED: ((Gap.MISSING, Gap.PARKED), Gap.SHED),
    Word.QUARANTINED: ((Gap.MISSING, Gap.PARKED), Gap.QUARANTINED),
    Word.PARKED: ((Gap.MISSING,), Gap.PARKED),
    Word.RELEASED: ((Gap.QUARANTINED, Gap.PARKED), Gap.MISSING),
}


class AuditPlace(NamedTuple):
    """Where a device said something: the number of that audit stream's book, and the sequence. Epochs come in turn."""

    book: int
    sequence: int


class Declaration(NamedTuple):
    """One word on one range; declarations sort in the order in which they were made."""

    at: AuditPlace
    word: Word
    first: int
    last: int


def mark(holes: Holes, declarations: Iterable[Declaration]) -> None:
    """Applies declarations, which follow what was applied before in the order of the audit stream."""
    for said in declarations:
        before, after = _CHANGES[said.word]
        for one in before:
            holes.mark(said.first, said.last, one, after)


def declared_before(
    declarations: Sequence[Declaration], at: AuditPlace | None, first: int, last: int
) -> list[tuple[int, int]]:
    """What from `first` to `last` was shed, quarantined or parked at one moment, arrived or not; None: as of now."""
    holes = Holes(last, [(first, last, Gap.MISSING)])
    for said in declarations:
        if at is not None and said.at >= at:
            break
        if said.first <= last:
            mark(holes, [said._replace(first=max(first, said.first), last=min(last, said.last))])
    return holes.spans(Gap.SHED, Gap.QUARANTINED, Gap.PARKED)

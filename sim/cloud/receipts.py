"""The `ack` document: what the ledger holds of one device, for the agent to compare with its own log."""

import json
from collections.abc import Sequence
from typing import Any, Final

from sim.cloud.books import Book
from sim.cloud.days import DayAnswer
from sim.cloud.holes import Gap
from sim.cloud.ledger import Ledger

__all__ = ["receipt_document", "receipt_payload"]

EPOCHS_MAX: Final = 2
MISSING_RANGES_MAX: Final = 100


def receipt_payload(ledger: Ledger, device: str, accepts: Sequence[str]) -> bytes:
    """The document as it is published, with the content codings that are read beside plain payloads."""
    document = receipt_document(ledger, device) | {"accepts": list(accepts)}
    return json.dumps(document, separators=(",", ":")).encode()


def receipt_document(ledger: Ledger, device: str) -> dict[str, Any]:  # Any: a JSON object
    """Every stream of some of the device's epochs, and the answers to its last fourteen business days.

    The epochs are the two that came last, and the one that its last state message names: a device whose data folder
    was put back from an old copy asks about an older one. `complete` says that there are no others.
    """
    books = ledger.books(device)
    epochs = list(dict.fromkeys(book.key.epoch for book in books))
    told = {*epochs[-EPOCHS_MAX:], ledger.state_epoch(device)}
    return {
        "complete": told.issuperset(epochs),
        "receipts": [_receipt(book) for book in books if book.key.epoch in told],
        "days": [_day(answer) for answer in ledger.day_answers(device)],
    }


def _receipt(book: Book) -> dict[str, Any]:
    return {
        "stream": book.key.stream,
        "epoch": book.key.epoch,
        "upto": book.holes.upto,
        "last_id": book.last_id,
        "missing": [list(hole) for hole in book.holes.spans(Gap.MISSING)[:MISSING_RANGES_MAX]],
        "missing_count": book.holes.count(Gap.MISSING),
        "shed": book.holes.count(Gap.SHED),
        "quarantined": book.holes.count(Gap.QUARANTINED),
        "parked": book.holes.count(Gap.PARKED),
        "conflicts": book.conflicts,
    }


def _day(answer: DayAnswer) -> dict[str, Any]:
    return {
        "business_day": answer.business_day,
        "stream": answer.stream,
        "epoch": answer.epoch,
        "ok": answer.ok,
        "count": answer.count,
        "missing": answer.missing,
        "declared": answer.declared,
        "conflicts": answer.conflicts,
        "problem": answer.problem,
    }

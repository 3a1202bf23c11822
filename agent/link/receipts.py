"""The ledger's receipts: parsed strictly, and compared with the log.

A ledger that is ahead of this log, or holds another event at the same sequence, means that the log went back in time
(a restored card): it begins a new epoch. A ledger that is behind our cursor means that the broker or the ledger lost
what was acknowledged: we send it again. A complete receipt that does not name a stream lacks all of it. Nothing is
ever dropped because of a receipt.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from agent.errors import EventRefused
from agent.event_types import Stream
from agent.events import problems_of
from agent.link.errors import ReceiptRefused
from agent.log.records import Place
from agent.strict_json import parse_strictly

__all__ = [
    "DayAnswer",
    "Gap",
    "LogFacts",
    "Receipts",
    "Rewind",
    "StartEpoch",
    "StreamReceipt",
    "compare",
    "parse_receipts",
    "tell_of_our_epoch",
]

RECEIPT_BYTES_MAX: Final = 262_144
RANGES_MAX: Final = 100
RECEIPTS_MAX: Final = 64
DAYS_MAX: Final = 1_000
SEQUENCE_MAX: Final = 2**40  # no device gets there: a ledger that says so is wrong, and no reason for a new epoch

_STREAMS: Final = {stream.value: stream for stream in Stream}

_Text = Annotated[str, Field(max_length=200)]
_Count = Annotated[int, Field(ge=0, le=SEQUENCE_MAX)]
_Sequence = Annotated[int, Field(ge=1, le=SEQUENCE_MAX)]


class _Part(BaseModel):
    """Readers of `sf/v1` ignore fields that they do not know."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)


class StreamReceipt(_Part):
    """What the ledger knows of one stream and epoch: all up to `upto`, whose event is `last_id`, but `missing`.

    Of the others it has those that are not `shed`, `quarantined` or `parked`: declared by this device, and not arrived.
    Where it was declared, `upto` has no event there, and `last_id` is empty.
    """

    stream: _Text
    epoch: _Text
    upto: _Count
    last_id: _Text
    missing: Annotated[
        list[Annotated[list[_Sequence], Field(min_length=2, max_length=2)]], Field(max_length=RANGES_MAX)
    ]
    missing_count: _Count = 0
    shed: _Count = 0
    quarantined: _Count = 0
    parked: _Count = 0
    conflicts: _Count = 0

    @model_validator(mode="after")
    def _ranges_rise_below_upto(self) -> "StreamReceipt":
        before = 0
        for first, last in self.missing:
            if not before < first <= last <= self.upto:
                raise ValueError("missing ranges do not rise below upto; expected [first, last] pairs in order")
            before = last
        return self


class DayAnswer(_Part):
    """The ledger's answer to one stream of a day close.

    `declared` of its events were declared shed, quarantined or parked after the close: neither there nor missing.
    """

    business_day: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    stream: _Text
    epoch: _Text
    ok: bool
    count: _Count
    missing: _Count = 0
    declared: _Count = 0
    conflicts: _Count = 0
    problem: _Text = ""


class Receipts(_Part):
    """One message on the `ack` topic.

    It is complete when the ledger holds nothing of this device beyond the streams and epochs that it names. It accepts
    payloads in these content codings, beside plain ones; names that are not known here mean nothing.
    """

    complete: bool = False
    accepts: Annotated[list[Annotated[str, Field(max_length=32)]], Field(max_length=16)] = []
    receipts: Annotated[list[StreamReceipt], Field(max_length=RECEIPTS_MAX)]
    days: Annotated[list[DayAnswer], Field(max_length=DAYS_MAX)] = []


@dataclass(frozen=True, slots=True)
class StartEpoch:
    """This log went back in time: begin a new epoch."""

    reason: str


@dataclass(frozen=True, slots=True)
class Rewind:
    """The ledger lost events that were acknowledged: send again what comes after `place`."""

    stream: Stream
    place: Place
    reason: str


@dataclass(frozen=True, slots=True)
class Gap:
    """The ledger lacks events that this log no longer has."""

    stream: Stream
    epoch: str
    first: int
    last: int

    def __str__(self) -> str:
        return f"the ledger lacks {self.stream} {self.first} to {self.last} of epoch {self.epoch}, and so does this log"


class LogFacts(Protocol):
    """What a comparison asks of the log."""

    @property
    def epoch(self) -> str: ...

    def epoch_numbers(self) -> Sequence[int]: ...

    def epoch_id(self, number: int) -> str: ...

    def epoch_number(self, epoch_id: str) -> int | None: ...

    def head(self, stream: Stream) -> Place: ...

    def cursor(self, stream: Stream) -> Place: ...

    def id_at(self, stream: Stream, place: Place) -> str | None: ...

    def first_after(self, stream: Stream, place: Place) -> Place | None: ...


def parse_receipts(payload: bytes) -> Receipts:
    """The receipts of one message.

    Raises:
        ReceiptRefused: when it is none; the text says where and why.
    """
    try:
        value = parse_strictly(payload, bytes_max=RECEIPT_BYTES_MAX)
        if not isinstance(value, dict):
            raise ReceiptRefused("not a receipt: not a JSON object")
        return Receipts.model_validate(value)
    except EventRefused as refused:
        raise ReceiptRefused(f"not a receipt: {refused}") from None
    except ValidationError as error:
        raise ReceiptRefused("not a receipt: " + "; ".join(map(str, problems_of(error)))) from None


def compare(receipts: Receipts, log: LogFacts) -> list[StartEpoch | Rewind | Gap]:
    """What to do about them: at most one new epoch, at most one rewind per stream, and the gaps to report."""
    ahead: list[StartEpoch] = []
    rewinds: dict[Stream, Rewind] = {}
    gaps: list[Gap] = []
    for receipt in [*receipts.receipts, *_unnamed(receipts, log)]:
        number, stream = log.epoch_number(receipt.epoch), _STREAMS.get(receipt.stream)
        if number is None or stream is None:
            continue  # of another log, or of a newer version of us
        if receipt.epoch == log.epoch and (reason := _ahead(receipt, stream, number, log)):
            ahead.append(StartEpoch(reason))
            continue
        for first, last, all_lost in _lost(receipt, log.cursor(stream), number):
            there = log.first_after(stream, Place(number, first - 1))
            kept = there if there and there.epoch == number and (last is None or there.sequence <= last) else None
            gone_upto = kept.sequence - 1 if kept else last
            if all_lost and gone_upto is not None and gone_upto >= first:
                gaps.append(Gap(stream, receipt.epoch, first, gone_upto))
            if kept:
                place = Place(number, kept.sequence - 1)
                if stream not in rewinds or place < rewinds[stream].place:
                    rewinds[stream] = Rewind(stream, place, f"the ledger lacks {stream} {kept.sequence} and maybe more")
                break
    return [*ahead[:1], *rewinds.values(), *gaps]


def tell_of_our_epoch(receipts: Receipts, log: LogFacts) -> bool:
    """Whether they say how the ledger stands to the current epoch, as far as it was ever sent."""
    number = log.epoch_number(log.epoch)
    cursors = (log.cursor(stream) for stream in Stream)
    if receipts.complete or not any(cursor.epoch == number and cursor.sequence for cursor in cursors):
        return True
    return any(receipt.epoch == log.epoch for receipt in receipts.receipts)


def _unnamed(receipts: Receipts, log: LogFacts) -> Iterator[StreamReceipt]:
    """What a complete receipt says by silence: nothing is there of these streams and epochs, which we sent."""
    if not receipts.complete:
        return
    named = {(receipt.stream, receipt.epoch) for receipt in receipts.receipts}
    for number in log.epoch_numbers():
        epoch = log.epoch_id(number)
        for stream in Stream:
            if (stream.value, epoch) not in named and log.cursor(stream) > Place(number, 0):
                yield StreamReceipt(stream=stream.value, epoch=epoch, upto=0, last_id="", missing=[])


def _ahead(receipt: StreamReceipt, stream: Stream, number: int, log: LogFacts) -> str:
    """How the ledger's receipt shows that this log went back in time; empty when it does not."""
    head = log.head(stream)
    last = head.sequence if head.epoch == number else 0
    if receipt.upto > last:
        return f"the ledger has {stream} up to {receipt.upto}, this log only up to {last}"
    ours = log.id_at(stream, Place(number, receipt.upto)) if receipt.last_id else None
    if ours is not None and ours != receipt.last_id:
        return f"the ledger has another event at {stream} {receipt.upto} than this log"
    return ""


def _lost(receipt: StreamReceipt, cursor: Place, number: int) -> Iterator[tuple[int, int | None, bool]]:
    """Ranges below our cursor that the ledger lacks, in order, each with whether it lacks all or some of it.

    None ends one at the end of an epoch before ours.
    """
    if cursor.epoch < number:
        return
    limit = cursor.sequence if cursor.epoch == number else None
    for first, last in receipt.missing:
        if limit is not None and first > limit:
            return
        yield first, last if limit is None else min(last, limit), True
    listed = sum(last - first + 1 for first, last in receipt.missing)
    if receipt.missing_count > listed:  # more holes than a receipt has room for
        first = receipt.missing[-1][1] + 1 if receipt.missing else 1
        last = receipt.upto if limit is None else min(receipt.upto, limit)
        if first <= last:
            yield first, last, False
    if limit is None or receipt.upto < limit:
        yield receipt.upto + 1, limit, True

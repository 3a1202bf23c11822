"""Reads a log file from place to place, around what is damaged, and tells what it could not read."""

from collections.abc import Callable, Iterator, Mapping
from heapq import merge
from itertools import chain
from typing import NamedTuple

from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.log.reading.look import EVER, LogLook, SeenEvent, Window
from agent.log.records import Place

__all__ = ["Unreadable", "as_they_came", "merged", "sweep"]


class Unreadable(NamedTuple):
    """A part of a stream that the file no longer gives; how many events are in it, where the file says so."""

    stream: Stream
    after: Place
    before: Place
    events: int | None

    def __str__(self) -> str:
        events = "an unknown number of" if self.events is None else f"{self.events:,}"
        return (
            f"{self.stream}: {events} events after epoch {self.after.epoch} sequence {self.after.sequence:,} "
            "cannot be read, the file is damaged there"
        )


def sweep(
    look: LogLook,
    stream: Stream,
    after: Place,
    upto: Place,
    window: Window,
    skipped: Callable[[Unreadable], None],
) -> Iterator[list[SeenEvent]]:
    """The events in steps, oldest first; each part that cannot be read goes to `skipped`."""
    while after < upto:
        try:
            step = look.after(stream, after, upto, window)
        except LogUnreadable:
            before = _last_readable(look, stream, after, upto)
            after = look.behind_damage(stream, before, upto)
            skipped(Unreadable(stream, before, after, _events_between(look, stream, before, after)))
            continue
        if not step:
            return
        yield step
        after = step[-1].place


def merged(
    look: LogLook, after: Mapping[Stream, Place], window: Window, skipped: Callable[[Unreadable], None]
) -> Iterator[SeenEvent]:
    """What was recorded after a place in each stream, up to the ends that the look knows, in the order it came."""
    parts = [
        chain.from_iterable(sweep(look, stream, place, look.end(stream), window, skipped))
        for stream, place in after.items()
    ]
    return merge(*parts, key=as_they_came)


def as_they_came(event: SeenEvent) -> tuple[tuple[int, int], Stream, Place]:
    """Sorts events of all streams by when they were recorded, whatever the wall clock did meanwhile."""
    return event.since_boot, event.stream, event.place


def _last_readable(look: LogLook, stream: Stream, after: Place, upto: Place) -> Place:
    """Where damage begins: a window may have passed over whole events before it."""
    try:
        while step := look.after(stream, after, upto, EVER):
            after = step[-1].place
    except LogUnreadable:
        pass
    return after


def _events_between(look: LogLook, stream: Stream, after: Place, upto: Place) -> int | None:
    if stream in look.torn:
        return None
    count = 0
    for (of, epoch), last in look.state.heads.items():
        if of is stream and after.epoch <= epoch <= upto.epoch:
            begin = after.sequence if epoch == after.epoch else 0
            end = min(last, upto.sequence) if epoch == upto.epoch else last
            count += max(0, end - begin)
    return count

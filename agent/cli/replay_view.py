"""What a replay does and did, for people."""

from collections.abc import Iterator
from typing import Any

from agent.cli.size_text import size_text
from agent.cli.terminal_text import printable

__all__ = ["Document", "asked_line", "is_whole", "plan_lines", "progress_line", "result_lines"]

Document = dict[str, Any]  # Any: the JSON of the API


def is_whole(found: Document) -> bool:
    """Whether everything that was asked for is or would be sent."""
    if found["state"] == "planned":
        return bool(found["events"])
    return bool(found["state"] == "done" and found["sent"] == found["events"])


def asked_line(found: Document) -> str:
    """Which replay it is."""
    return f"Recorded from {found['recorded_from']} to {found['recorded_before']}, asked for at {found['asked']}:"


def plan_lines(found: Document) -> Iterator[str]:
    """What of each stream is sent once more, and what of that time is not."""
    for part in found["streams"]:
        if part["events"]:
            yield f"{part['stream']:8} {_events(part['events'])}, {size_text(part['bytes'])}: {_ranges(part)}"
        for note in _notes(part):
            yield f"{part['stream']:8} {note}"


def progress_line(found: Document) -> str:
    """How far it has come."""
    waits = f"; waits: {printable(found['waits'])}" if found["waits"] else ""
    return f"{found['sent']:,} of {_events(found['events'])} sent again{waits}"


def result_lines(found: Document) -> Iterator[str]:
    """How it ended."""
    if found["state"] == "planned":
        yield (
            f"{_events(found['events'])} would be sent again." if found["events"] else f"Nothing: {found['nothing']}."
        )
        return
    ended = {"stopped": ", then it was stopped", "sending": " so far"}.get(found["state"], "")
    yield f"{found['sent']:,} of {_events(found['events'])} sent again{ended}."
    for part in found["streams"]:
        if part["not_delivered"]:
            yield f"{part['stream']}: {_events(part['not_delivered'])} not delivered: {printable(part['reason'])}"
        if part["gone"]:
            yield f"{part['stream']}: {_events(part['gone'])} no longer in the log when their turn came"


def _ranges(part: Document) -> str:
    first, last = part["ranges"][0], part["ranges"][-1]
    if len(part["ranges"]) == 1:
        return f"{first['first_sequence']:,} to {first['last_sequence']:,} of epoch {first['epoch']}"
    return (
        f"{len(part['ranges']):,} runs, from {first['first_sequence']:,} of epoch {first['epoch']} "
        f"to {last['last_sequence']:,} of epoch {last['epoch']}"
    )


def _notes(part: Document) -> Iterator[str]:
    if part["waiting"]:
        yield f"some of that time is still to be delivered and leaves in its turn ({part['waiting']:,} wait)"
    if part["parked"]:
        yield f"{_events(part['parked'])} of that time are parked: they are tried by themselves"
    if part["kept_from"]:
        yield f"from before {part['kept_from']} nothing is in the log any more (log.replay_hours)"
    if part["damaged"]:
        yield "a part of the file cannot be read: events of that time may be missing here (storeforward doctor)"


def _events(count: int) -> str:
    return f"{count:,} {'event' if count == 1 else 'events'}"

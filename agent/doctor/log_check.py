"""Whether the log can be read, its newest events are whole, and how long the oldest one has been waiting."""

from collections.abc import Iterator
from itertools import islice
from typing import Final

from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.log import CLOUD
from agent.log.reading.look import LogAbsent, LogLook

__all__ = ["check_backlog", "check_log"]

EVENTS_CHECKED: Final = 200
OLDEST_WARNING_S: Final = 3_600.0


def check_log(patient: Patient) -> Iterator[Finding]:
    """The file opens, and the last events of each stream are what was written."""
    try:
        look = LogLook(patient.log_file)
    except LogAbsent:
        yield Finding.ok("log", "none yet: the agent makes it when it first starts")
        return
    with look:
        checked, damaged = 0, []
        for stream in look.streams:
            for event in islice(look.newest_first(stream, look.end(stream)), EVENTS_CHECKED):
                checked += 1
                if not event.intact:
                    damaged.append(f"{stream} {event.place.epoch}/{event.place.sequence}")
    if damaged:
        remedy = "the disk is failing: copy the log's folder to another one now, then replace the disk"
        text = f"{len(damaged)} of the newest {checked:,} events are damaged, the first is {damaged[0]}"
        yield Finding.problem("log", text, remedy)
    else:
        intact = "event matches its checksum" if checked == 1 else f"{checked:,} events match their checksums"
        yield Finding.ok("log", f"readable; the newest {intact}")


def check_backlog(patient: Patient) -> Iterator[Finding]:
    """What waits for the cloud."""
    try:
        look = LogLook(patient.log_file)
    except LogAbsent:
        return
    with look:
        spans = [(stream, span) for stream in look.streams for span in look.state.unread(CLOUD, stream)]
        waiting = sum(span.last - span.first + 1 for _, span in spans)
        firsts = [
            look.first_recorded_ms(stream, look.state.cursor(CLOUD, stream)) for stream in {each for each, _ in spans}
        ]
    oldest_ms = min((first for first in firsts if first is not None), default=None)
    if oldest_ms is None:
        yield Finding.ok("backlog", "nothing waits for the cloud")
        return
    age_s = max(0.0, patient.clock.wall().timestamp() - oldest_ms / 1000)
    events = "1 event waits" if waiting == 1 else f"{waiting:,} events wait"
    text = f"{events} for the cloud, the oldest for {_span(age_s)}"
    if not patient.settings.link.enabled:
        yield Finding.ok("backlog", f"{text}; the link is switched off (link.enabled)")
    elif age_s > OLDEST_WARNING_S:
        yield Finding.warning("backlog", text, "see what the link says: storeforward status")
    else:
        yield Finding.ok("backlog", text)


def _span(seconds: float) -> str:
    for unit, size in (("days", 86_400), ("hours", 3_600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:,.0f} {unit}"
    return f"{seconds:.0f} seconds"

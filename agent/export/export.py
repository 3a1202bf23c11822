"""Writes chosen events of a log into a file, in constant memory: a short read, a short write, and so on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from agent.event_types import Stream
from agent.export.formats import ExportFormat
from agent.export.unfinished_file import unfinished_file
from agent.log import START
from agent.log.reading.look import LogLook, SeenEvent, Window
from agent.log.reading.sweep import Unreadable, sweep

__all__ = ["ExportResult", "export_events"]


@dataclass(frozen=True, slots=True)
class ExportResult:
    """What went into the file, and what did not because the log is damaged there."""

    events: int
    damaged: int
    """Single events whose checksum does not fit."""
    unreadable: tuple[Unreadable, ...]

    @property
    def complete(self) -> bool:
        """Whether the file has all that was asked for."""
        return not self.damaged and not self.unreadable


def export_events(
    look: LogLook,
    file: Path,
    kind: ExportFormat,
    *,
    streams: Sequence[Stream],
    window: Window,
    takes: Callable[[SeenEvent], bool],
    overwrite: bool,
    advance: Callable[[int], None],
) -> ExportResult:
    """Write what the log holds now; stream by stream, in the order of each. `advance` hears how many were read.

    Raises:
        ExportRefused, ExportFailed: no such file was written.
    """
    events = damaged = 0
    unreadable: list[Unreadable] = []
    with unfinished_file(file, overwrite=overwrite) as draft:
        target = kind(draft)
        try:
            for stream in streams:
                for step in sweep(look, stream, START, look.end(stream), window, unreadable.append):
                    whole = [event for event in step if event.intact]
                    damaged += len(step) - len(whole)
                    bodies = [event.body for event in whole if takes(event)]
                    target.write(bodies)
                    events += len(bodies)
                    advance(len(step))
            target.finish()
        finally:
            target.close()
    return ExportResult(events, damaged, tuple(unreadable))

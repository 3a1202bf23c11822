"""What the log knows without asking the file: epochs, heads and cursors, a few values per stream."""

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from agent.event_types import Stream
from agent.log.records import START, Place
from agent.log.schema import STREAM_NUMBERS

__all__ = ["LogState"]

_STREAMS = {number: stream for stream, number in STREAM_NUMBERS.items()}


@dataclass(frozen=True, slots=True)
class LogState:
    """One durable moment of the log; a new one replaces it with each commit."""

    epochs: Mapping[int, str]
    heads: Mapping[tuple[Stream, int], int]
    cursors: Mapping[tuple[str, Stream], Place]

    @classmethod
    def load(cls, connection: sqlite3.Connection) -> Self:
        """Read it from the file; the cost does not depend on how many events there are."""
        return cls(
            epochs=dict(connection.execute("SELECT number, id FROM epoch")),
            heads={
                (_STREAMS[stream], epoch): sequence
                for stream, epoch, sequence in connection.execute("SELECT stream, epoch, sequence FROM head")
            },
            cursors={
                (consumer, _STREAMS[stream]): Place(epoch, sequence)
                for consumer, stream, epoch, sequence in connection.execute(
                    "SELECT consumer, stream, epoch, sequence FROM cursor"
                )
            },
        )

    @property
    def epoch(self) -> int:
        """The current epoch's number; 0 before the first."""
        return max(self.epochs, default=0)

    def head(self, stream: Stream) -> Place:
        """The last event of a stream in its newest epoch that has any."""
        return max((Place(epoch, last) for (of, epoch), last in self.heads.items() if of is stream), default=START)

    def cursor(self, consumer: str, stream: Stream) -> Place:
        return self.cursors.get((consumer, stream), START)

    def waiting(self, consumer: str, stream: Stream) -> int:
        """How many events of a stream a consumer has not passed yet."""
        at = self.cursor(consumer, stream)
        return sum(
            last - (at.sequence if epoch == at.epoch else 0)
            for (of, epoch), last in self.heads.items()
            if of is stream and epoch >= at.epoch
        )

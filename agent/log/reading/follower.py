"""Goes on reading a log file as it grows, over new epochs and over a new file that takes a damaged one's place."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from agent.event_types import Stream
from agent.log.reading.look import EVER, LogLook, SeenEvent
from agent.log.reading.sweep import Unreadable, merged
from agent.log.records import Place

__all__ = ["LogFollower"]


class LogFollower:
    """Starts behind what the file holds when this is made. Asking costs next to nothing while nobody writes."""

    def __init__(self, file: Path, streams: Iterable[Stream], skipped: Callable[[Unreadable], None]) -> None:
        self.replaced = False
        """Whether the last `news` began a new file."""
        self._file = file
        self._wanted = frozenset(streams)
        self._skipped = skipped
        self.look, self._version = self._open()
        self._after = {stream: self.look.end(stream) for stream in self._streams()}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.look.close()

    def news(self) -> Iterator[SeenEvent]:
        """What was recorded since the last call, oldest first.

        Raises:
            LogUnreadable, StorageFailed: the file can no longer be read at all.
        """
        self.replaced = False
        yield from self._grown()
        if self.look.is_replaced():
            self.look.close()
            self.look, self._version = self._open()
            self.replaced = True
            # A file that takes another's place begins an epoch: what came before it was seen in the other file.
            self._after = dict.fromkeys(self._streams(), Place(self.look.state.epoch, 0))
            yield from self._read()

    def _grown(self) -> Iterator[SeenEvent]:
        version = self.look.data_version()
        if version != self._version:
            self._version = version
            self.look.refresh()
            yield from self._read()

    def _read(self) -> Iterator[SeenEvent]:
        yield from merged(self.look, self._after, EVER, self._skipped)
        self._after = {stream: max(place, self.look.end(stream)) for stream, place in self._after.items()}

    def _open(self) -> tuple[LogLook, int]:
        look = LogLook(self._file)
        version = look.data_version()
        look.refresh()  # after the version, so that nothing falls between the two
        return look, version

    def _streams(self) -> list[Stream]:
        return [stream for stream in self.look.streams if stream in self._wanted]

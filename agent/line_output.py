"""Where the agent's log lines leave the process: a bounded queue and a thread of its own.

Whoever logs never waits: not for a pipe that nobody reads, not for a full disk. What finds no room is dropped and
counted, and the count is told once there is room again.
"""

import os
import select
from collections import deque
from collections.abc import Callable
from threading import Condition, Thread
from typing import Final

__all__ = ["LineOutput"]

QUEUE_BYTES_MAX: Final = 1_048_576
PIECE_BYTES: Final = 4_096  # PIPE_BUF: a pipe that polls as writable takes as much without waiting
RETRY_S: Final = 0.5  # after a full disk, or a reader that has gone
CLOSE_TIMEOUT_S: Final = 1.0
LOOK_UP_MS: Final = 200  # while there is no room, whether it is still wanted


class LineOutput:
    """Takes lines from any thread and writes them to a file descriptor, in order."""

    def __init__(self, descriptor: int, word_of_dropped: Callable[[int], bytes]) -> None:
        self._descriptor = descriptor
        self._word_of_dropped = word_of_dropped
        """Makes the line that tells how many were dropped."""
        self._lines: deque[bytes] = deque()
        self._queued_bytes = 0
        self._dropped = 0
        self._torn = False
        """Whether the output ends in the middle of a line."""
        self._closing = self._over = False
        self._changed = Condition()
        self._thread = Thread(target=self._run, name="log-lines", daemon=True)
        self._thread.start()

    def put(self, line: bytes) -> None:
        """Queue one line with its newline, or count it as dropped."""
        with self._changed:
            if self._queued_bytes + len(line) > QUEUE_BYTES_MAX:
                self._dropped += 1
                return
            self._lines.append(line)
            self._queued_bytes += len(line)
            self._changed.notify()

    def drop(self) -> None:
        """Count a line that could not even be made."""
        with self._changed:
            self._dropped += 1

    def close(self) -> None:
        """Write what is queued, for a second at most; the descriptor is left alone afterwards."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join(CLOSE_TIMEOUT_S)
        self._over = True
        self._thread.join(CLOSE_TIMEOUT_S)

    def _run(self) -> None:
        while not self._over:
            dropped, line = self._next()
            if not dropped and not line:
                return
            try:
                self._write((self._word_of_dropped(dropped) if dropped else b"") + line)
            except OSError:  # a full disk, a reader that has gone: later lines may fare better
                if not self._has_another_chance(dropped + bool(line)):
                    return

    def _next(self) -> tuple[int, bytes]:
        """The next line and how many were dropped before it; neither at the end."""
        with self._changed:
            while not self._lines and not self._closing:
                self._changed.wait()
            line = self._lines.popleft() if self._lines else b""
            self._queued_bytes -= len(line)
            dropped, self._dropped = self._dropped, 0
            return dropped, line

    def _write(self, text: bytes) -> None:
        rest = memoryview(b"\n" + text if self._torn else text)
        room = select.poll()
        room.register(self._descriptor, select.POLLOUT)
        while rest and not self._over:
            if not room.poll(LOOK_UP_MS):
                continue
            try:
                written = os.write(self._descriptor, rest[:PIECE_BYTES])
            except BlockingIOError:  # non-blocking, and somebody else was faster
                continue
            self._torn = written < len(rest)
            rest = rest[written:]

    def _has_another_chance(self, lost: int) -> bool:
        with self._changed:
            self._dropped += lost
            if self._closing:
                return False
            self._changed.wait_for(lambda: self._closing, RETRY_S)
            return True

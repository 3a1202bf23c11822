"""Owns one open serial port for a tool in the foreground: reads with a time limit, writes whole, closes."""

import errno
import os
import select
from types import TracebackType
from typing import Final, Self

from firmware_bridge._port import close_port, open_port
from firmware_bridge.port import PortStep, port_unusable

__all__ = ["Tty"]

READ_OCTETS_MAX: Final = 4096
WRITE_S_MAX: Final = 1.0


class Tty:
    """The port, ours alone until it is closed; every failure raises PortUnusable."""

    def __init__(self, port: str, baud: int) -> None:
        self._port = port
        self._baud = baud
        self._descriptor = open_port(port, baud)

    def __enter__(self) -> Self:
        """The port itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        close_port(self._descriptor)

    def read(self, within_s: float) -> bytes:
        """What came, at most 4096 octets; nothing when the time is over."""
        if not select.select([self._descriptor], [], [], max(within_s, 0.0))[0]:
            return b""
        try:
            octets = os.read(self._descriptor, READ_OCTETS_MAX)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise port_unusable(self._port, self._baud, PortStep.READING, error.errno or 0) from error
        if not octets:
            raise port_unusable(self._port, self._baud, PortStep.READING, errno.EIO)
        return octets

    def write(self, octets: bytes) -> None:
        """Hand all of it over; a line that takes nothing for a second counts as lost."""
        while octets:
            if not select.select([], [self._descriptor], [], WRITE_S_MAX)[1]:
                raise port_unusable(self._port, self._baud, PortStep.WRITING, errno.ETIMEDOUT)
            try:
                octets = octets[os.write(self._descriptor, octets) :]
            except OSError as error:
                raise port_unusable(self._port, self._baud, PortStep.WRITING, error.errno or 0) from error

"""The two ends of the line model: a pty that the bridge opens, seen in packet mode, and the vehicle's pty.

Octets that find no listener, or one that does not read, are lost: a UART has no flow control.
"""

import fcntl
import os
import select
import struct
import tty
from contextlib import suppress
from pathlib import Path
from typing import Final, Protocol

__all__ = ["BridgeEnd", "End", "VehicleEnd"]

TIOCPKT: Final = 0x5420  # ioctl_tty(2): Linux's number on x86 and ARM
TIOCPKT_FLUSHWRITE: Final = 2
TCSANOW: Final = 0  # termios(3): at once, and what came already is kept
PORTION_OCTETS_MAX: Final = 4096


class End(Protocol):
    """Where octets come from and go to."""

    def read(self, octets_max: int) -> tuple[bytes, bool]:
        """Octets, and whether the peer dropped what it had written before them."""
        ...

    def write(self, octets: bytes) -> None:
        """Gives octets to whoever has the line open."""
        ...


class BridgeEnd:
    """A pty's master side; a symbolic link names its other side, as udev names an adapter."""

    def __init__(self, link: Path) -> None:
        """Opens the pty: plugs it in."""
        self._link: Final = link
        self._master, slave = os.openpty()
        self._name: Final = os.ttyname(slave)
        tty.setraw(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        fcntl.ioctl(self._master, TIOCPKT, struct.pack("i", 1))
        fresh = link.with_name(f"{link.name}.new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._name)
        fresh.replace(link)

    def close(self) -> None:
        """Pulls the plug: whoever has it open is hung up on, and the link is gone."""
        if self._link.is_symlink() and self._link.readlink() == Path(self._name):
            self._link.unlink()
        os.close(self._master)

    def fileno(self) -> int:
        return self._master

    @property
    def open(self) -> bool:
        """Whether anybody has the other side open."""
        return not _hung_up(self._master)

    def read(self, octets_max: int) -> tuple[bytes, bool]:
        try:
            packet = os.read(self._master, min(octets_max, PORTION_OCTETS_MAX) + 1)
        except OSError:  # nothing there, or nobody
            return b"", False
        if packet[:1] == b"\0":
            return packet[1:], False
        return b"", bool(packet[:1] and packet[0] & TIOCPKT_FLUSHWRITE)

    def write(self, octets: bytes) -> None:
        if self.open:
            with suppress(OSError):
                os.write(self._master, octets)


class VehicleEnd:
    """The vehicle's pty, opened like a port; absent while the vehicle is.

    The system gives the number of a pty that is gone to the next one. So a link is followed once; only a new link,
    which a new vehicle makes, is followed again.
    """

    def __init__(self, path: Path) -> None:
        self._path: Final = path
        self._port: int | None = None
        self._followed: tuple[int, int] | None = None

    def close(self) -> None:
        """Lets go of the port."""
        if self._port is not None:
            os.close(self._port)
            self._port = None

    def open(self) -> bool:
        """Opens the port when it is there; tells whether it is open and alive."""
        if self._port is not None and _hung_up(self._port):
            self.close()
        if self._port is None:
            with suppress(OSError):
                self._follow()
        return self._port is not None

    def _follow(self) -> None:
        link = self._path.lstat()
        present = (link.st_ino, link.st_mtime_ns if self._path.is_symlink() else 0)
        if present != self._followed:
            self._port = os.open(self._path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            tty.setraw(self._port, TCSANOW)
            self._followed = present

    def fileno(self) -> int:
        return -1 if self._port is None else self._port

    def read(self, octets_max: int) -> tuple[bytes, bool]:
        if self._port is None:
            return b"", False
        try:
            return os.read(self._port, min(octets_max, PORTION_OCTETS_MAX)), False
        except OSError:
            return b"", False

    def write(self, octets: bytes) -> None:
        if self._port is not None:
            with suppress(OSError):
                os.write(self._port, octets)


def _hung_up(descriptor: int) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return any(event & (select.POLLHUP | select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))

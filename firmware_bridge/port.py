"""Owns what is said about a serial port that cannot be used: what is wrong, who has it, what to do."""

import errno
import os
from enum import IntEnum
from pathlib import Path
from typing import Final

from firmware_bridge.errors import PortUnusable

__all__ = ["PortStep", "port_problem", "port_unusable"]

BY_ID: Final = Path("/dev/serial/by-id")
REASONS: Final = {
    errno.ENOTTY: "not a serial port",
    errno.EACCES: "no permission: add this user to the group of the port, usually dialout",
    errno.EPERM: "no permission: add this user to the group of the port, usually dialout",
    errno.EISDIR: "a folder, not a serial port",
}
LOCKS: Final = Path("/proc/locks")


class PortStep(IntEnum):
    """Where it failed, as the compiled code counts it."""

    OPENING = 0
    LOCKING = 1
    ASKING_TERMINAL = 2
    CHOOSING_BAUD = 3
    SETTING_UP = 4
    READING = 5
    WRITING = 6


def port_unusable(port: str, baud: int, step: int, error_number: int) -> PortUnusable:
    """The error for a port that failed at this step."""
    return PortUnusable(port, port_problem(port, baud, step, error_number), error_number)


def port_problem(port: str, baud: int, step: int, error_number: int) -> str:
    """What is wrong with the port, in words, and what to do."""
    if step == PortStep.CHOOSING_BAUD:
        return f"{baud} baud is not a rate that serial ports have: use the one the vehicle is set to, usually 115200"
    if step == PortStep.LOCKING or error_number in {errno.EBUSY, errno.EWOULDBLOCK}:
        return f"in use by {_holder(port)}: stop it first, one line has one bridge"
    if step in {PortStep.READING, PortStep.WRITING}:
        return f"the port went away ({os.strerror(error_number)}): was it unplugged?"
    if error_number in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
        return f"no such port: {_ports_there()}"
    return REASONS.get(error_number, os.strerror(error_number))


def _holder(port: str) -> str:
    """The process that holds the port's lock, as far as /proc tells."""
    try:
        file = Path(port).stat()
        place = f"{os.major(file.st_dev):02x}:{os.minor(file.st_dev):02x}:{file.st_ino}"
        lines = LOCKS.read_text(encoding="ascii").splitlines()
    except OSError:
        return "another process"
    for words in map(str.split, lines):
        if "FLOCK" in words and place in words:
            pid = words[words.index(place) - 1]
            return f"process {pid} ({_command(pid)})"
    return "another process"


def _command(pid: str) -> str:
    try:
        return Path("/proc", pid, "comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "name not known"


def _ports_there() -> str:
    try:
        names = sorted(path.name for path in BY_ID.iterdir())
    except OSError:
        names = []
    if not names:
        return "is the vehicle plugged in? No USB serial port is there"
    return f"is the vehicle plugged in? There are, in {BY_ID}: {', '.join(names)}"

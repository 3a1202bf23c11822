"""A bridge before the reference firmware, in this process or in one of its own, and a core that feeds it."""

import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Self, TypeVar

from firmware_bridge import (
    Bridge,
    Command,
    Event,
    Latched,
    LinkUp,
    Outcome,
    Released,
    ReleaseFailed,
    Result,
    SerialBridge,
    Status,
)
from firmware_bridge.socket_bridge import SocketBridge
from sim.vehicle import Vehicle

__all__ = ["SHELLS", "BridgeProcess", "Core", "OpenShell"]

DEADLINE_S = 20.0
ROUND_S = 0.02
NAME = "agv-1"

E = TypeVar("E", bound=Event)
OpenShell = Callable[[Vehicle, Path], AbstractContextManager[Bridge]]


class BridgeProcess:
    """`python -m firmware_bridge.serve` for one vehicle."""

    def __init__(self, port: Path, socket: Path) -> None:
        self._port = port
        self.socket = socket
        self.child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def start(self) -> None:
        command = [sys.executable, "-m", "firmware_bridge.serve", str(self._port), f"--socket={self.socket}"]
        self.child = subprocess.Popen([*command, f"--vehicle={NAME}"], stdout=subprocess.PIPE, text=True)
        assert self.child.stdout
        assert self.child.stdout.readline().startswith("ready")

    def end(self, *, by_force: bool = False) -> str:
        """What it said."""
        child, self.child = self.child, None
        if child is None:
            return ""
        if by_force:
            child.kill()
        else:
            child.terminate()
        said, _ = child.communicate(timeout=DEADLINE_S)
        return said


@contextmanager
def in_process(vehicle: Vehicle, folder: Path) -> Iterator[Bridge]:
    del folder
    with SerialBridge(str(vehicle.line)) as bridge:
        yield bridge


@contextmanager
def own_process(vehicle: Vehicle, folder: Path) -> Iterator[Bridge]:
    process = BridgeProcess(vehicle.line, folder / "bridge.sock")
    with process, SocketBridge(process.socket, vehicle=NAME) as bridge:
        yield bridge


SHELLS = (in_process, own_process)


class Core:
    """Feeds the bridge and keeps what it told."""

    def __init__(self, bridge: Bridge) -> None:
        self.bridge = bridge
        self.told: list[Event] = []
        self.feeds = True
        self.fed_us = 0

    def round(self) -> None:
        """One round of a mission loop."""
        if self.feeds:
            self.fed_us = time.monotonic_ns() // 1000
            self.bridge.feed()
        select.select([self.bridge.fileno()], [], [], ROUND_S)
        self.told += self.bridge.events()

    def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s, [each for each in self.told if not isinstance(each, Status)]
            self.round()

    def of(self, kind: type[E]) -> list[E]:
        return [event for event in self.told if isinstance(event, kind)]

    def outcomes(self, command_id: int) -> list[Outcome]:
        return [event.outcome for event in self.of(Result) if event.command_id == command_id]

    def last_of(self, command_id: int) -> Outcome:
        return self.outcomes(command_id)[-1] if self.outcomes(command_id) else Outcome.UNKNOWN

    def opened(self) -> "Core":
        """The link is up, the lease runs and a person has released the latch."""
        self.until(lambda: self.of(LinkUp) and self.of(Latched))
        self.release()
        return self

    def release(self) -> None:
        """A person who tries again while the lease does not run yet."""
        released = len(self.of(Released))
        while len(self.of(Released)) == released:
            failed = len(self.of(ReleaseFailed))
            self.bridge.release(self.of(Latched)[-1].latch)
            self.until(lambda: len(self.of(Released)) > released or len(self.of(ReleaseFailed)) > failed)  # noqa: B023 - called here

    def do(self, command: Command) -> None:
        """Submit it and wait until it is done."""
        self.bridge.submit(command)
        self.until(lambda: self.last_of(command.command_id) is Outcome.DONE)

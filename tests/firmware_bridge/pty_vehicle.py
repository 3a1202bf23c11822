"""A vehicle at the other end of a real pty, in a thread of its own; the port is a link that survives an unplug."""

import os
import select
import tty
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from types import TracebackType
from typing import Any, Self

from firmware_bridge import Event, SerialBridge, now_us
from firmware_bridge.messages import TABLE_HASH
from tests.firmware_bridge.fake_vehicle import FakeVehicle

__all__ = ["PtyVehicle", "Watched"]

DEADLINE_S = 20.0
POLL_S = 0.01


class PtyVehicle:
    """`port` is a symbolic link in `folder`, as udev makes them; `unplug` closes the pty, `plug_in` makes another."""

    def __init__(self, folder: Path, **vehicle: Any) -> None:
        self.vehicle = FakeVehicle(**{"table": TABLE_HASH, **vehicle})
        self.port = str(folder / "usb-vehicle")
        self.heard_us = 0
        self._ends = False
        self._master = -1
        self._thread = Thread(target=self._serve)

    def __enter__(self) -> Self:
        self.plug_in()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def plug_in(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        Path(self.port).symlink_to(os.ttyname(slave))
        os.set_blocking(self._master, False)
        self._keep = slave  # an idle pty without any opener would hang up
        self._ends = False
        self._thread = Thread(target=self._serve)
        self._thread.start()

    def unplug(self) -> None:
        if self._master < 0:
            return
        self._ends = True
        self._thread.join()
        Path(self.port).unlink()
        os.close(self._keep)
        os.close(self._master)
        self._master = -1

    def write(self, octets: bytes) -> None:
        os.write(self._master, octets)

    def _serve(self) -> None:
        while not self._ends:
            now = now_us()
            left_s = min(max(self.vehicle.deadline_us() - now, 0) / 1e6, POLL_S)
            if select.select([self._master], [], [], left_s)[0]:
                self.vehicle.receive(os.read(self._master, 4096), now_us())
                self.heard_us = now_us()
            while octets := self.vehicle.poll(now_us()):
                os.write(self._master, octets)


class Watched:
    """A bridge whose events are collected; `until` waits for one, with a deadline."""

    def __init__(self, port: str) -> None:
        self.bridge = SerialBridge(port)
        self.seen: list[Event] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bridge.close()

    def until(self, kind: type[Event], count: int = 1, *, fed: bool = True) -> Any:
        """The last of `count` events of a kind; Any because each kind has its own fields."""
        self.wait(lambda: len(self.told(kind)) >= count, fed=fed)
        return self.told(kind)[count - 1]

    def told(self, kind: type[Event]) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]

    def wait(self, condition: Callable[[], bool], *, fed: bool = True) -> None:
        end_us = now_us() + int(DEADLINE_S * 1e6)
        while not condition():
            assert now_us() < end_us, f"not within {DEADLINE_S} s: {self.seen[-5:]}"
            if fed:
                self.bridge.feed()
            if select.select([self.bridge.fileno()], [], [], POLL_S)[0]:
                self.seen += self.bridge.events()

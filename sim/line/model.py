"""The line model's loop: octets from one pty through a wire to the other, and back, until standard input ends."""

import select
import sys
from collections.abc import Mapping
from pathlib import Path
from random import Random
from typing import Final

from agent.clock import Clock
from sim.line.ends import BridgeEnd, End, VehicleEnd
from sim.line.noise import Faults, Noise
from sim.line.wire import LatencyTimer, Wire

__all__ = ["LineModel"]

STEP_S: Final = 0.0005
"""Octets are handed over at most this often: six of them at 115200 baud."""

LOOK_S: Final = 0.01
"""How often we look whether somebody has opened a side that nobody had open."""


class _Direction:
    """One way through the line, from an end to the other."""

    def __init__(self, baud: int, latency_ns: int, random: Random) -> None:
        self.wire: Final = Wire(baud)
        self.latency: Final = LatencyTimer(latency_ns)
        self.octets = 0
        self.flushed = 0
        self._random: Final = random
        self._noise = Noise(Faults(), random)

    @property
    def faults_done(self) -> int:
        return self._noise.faults_done

    def fail(self, faults: Faults) -> None:
        self._noise = Noise(faults, self._random)

    def carry(self, source: End, target: End | None, now_ns: int) -> None:
        octets, flushed = source.read(self.wire.room) if self.wire.room else (b"", False)
        if flushed:
            self.flushed += self.wire.flush(now_ns)
        self.wire.feed(octets, now_ns)
        through = self.wire.take(now_ns)
        self.octets += len(through)
        self.latency.feed(self._noise.apply(through), now_ns)
        arrived = self.latency.take(now_ns)
        if arrived and target is not None:
            target.write(arrived)

    def clear(self) -> None:
        self.wire.clear()
        self.latency.clear()

    def due_ns(self, now_ns: int) -> int | None:
        """When there is something to hand over: not more often than the step, but each row's last octet in time."""
        next_ns, empty_ns, latency_ns = self.wire.next_ns(), self.wire.empty_ns(), self.latency.next_ns()
        dues = [] if latency_ns is None else [latency_ns]
        if next_ns is not None and empty_ns is not None:
            dues.append(min(empty_ns, max(next_ns, now_ns + int(STEP_S * 1e9))))
        return min(dues, default=None)


class LineModel:
    """A line from `link` (made here, for the bridge) to the vehicle's pty at `vehicle`."""

    def __init__(self, link: Path, vehicle: Path, baud: int, latency_ms: int, seed: int, clock: Clock) -> None:
        self._link: Final = link
        self._clock: Final = clock
        self._bridge: BridgeEnd | None = BridgeEnd(link)
        self._vehicle: Final = VehicleEnd(vehicle)
        # A USB adapter holds back what goes to its host, never what it sends.
        self._to_vehicle: Final = _Direction(baud, 0, Random(f"{seed} to vehicle"))  # noqa: S311 - seeded faults
        self._to_bridge: Final = _Direction(baud, latency_ms * 1_000_000, Random(f"{seed} to bridge"))  # noqa: S311 - as above
        self._cut = False
        self._vehicle.open()

    def close(self) -> None:
        """Both ends."""
        self._vehicle.close()
        self.unplug()

    def run(self, commands: int) -> None:
        """Carries octets; returns when the descriptor `commands` can be read."""
        while commands not in self._wait(commands):
            self._carry()

    def unplug(self) -> None:
        """Pulls the adapter: the bridge is hung up on, what is on the way is lost."""
        if self._bridge is not None:
            self._bridge.close()
            self._bridge = None
            self._to_vehicle.clear()
            self._to_bridge.clear()

    def replug(self) -> None:
        """Puts it back, as a new pty behind the same link."""
        if self._bridge is None:
            self._bridge = BridgeEnd(self._link)

    def cut(self) -> None:
        """Cuts the wire: both ends stay open and hear nothing."""
        self._cut = True

    def join(self) -> None:
        """Mends the wire."""
        self._cut = False

    def stall(self, duration_ms: int) -> None:
        """Holds both directions for a while."""
        for direction in (self._to_vehicle, self._to_bridge):
            direction.wire.stall(duration_ms * 1_000_000, self._now_ns())

    def fail(self, to_vehicle: Faults, to_bridge: Faults) -> None:
        """Makes the line bad, or good again."""
        self._to_vehicle.fail(to_vehicle)
        self._to_bridge.fail(to_bridge)

    def counts(self) -> Mapping[str, int]:
        """Octets carried, octets dropped by a flush, and faults made."""
        return {
            "to_vehicle": self._to_vehicle.octets,
            "to_bridge": self._to_bridge.octets,
            "flushed": self._to_vehicle.flushed,
            "faults": self._to_vehicle.faults_done + self._to_bridge.faults_done,
        }

    def _carry(self) -> None:
        now_ns = self._now_ns()
        bridge = self._bridge
        if bridge is not None:
            self._to_vehicle.carry(bridge, None if self._cut else self._vehicle, now_ns)
            self._to_bridge.carry(self._vehicle, None if self._cut else bridge, now_ns)
        else:
            self._vehicle.read(sys.maxsize)

    def _wait(self, commands: int) -> list[int]:
        """Until an end has octets (and the wire room for them), an octet is due, or a command came."""
        now_ns = self._now_ns()
        waited_for = [commands]
        timeout_s = LOOK_S
        if self._vehicle.open() and self._to_bridge.wire.room:
            waited_for.append(self._vehicle.fileno())
        if self._bridge is not None and self._bridge.open and self._to_vehicle.wire.room:
            waited_for.append(self._bridge.fileno())
        for direction in (self._to_vehicle, self._to_bridge):
            due_ns = direction.due_ns(now_ns)
            if due_ns is not None:
                timeout_s = min(timeout_s, max(0, due_ns - now_ns) / 1e9)
        # TIOCPKT announces a flush as an exceptional condition.
        ready, _, exceptional = select.select(waited_for, [], waited_for[1:], timeout_s)
        return [*ready, *exceptional]

    def _now_ns(self) -> int:
        return int(self._clock.monotonic_s() * 1e9)

"""What runs beside a benchmark: far ends, a bridge, a broker in processes of their own, threads that are just busy."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any, Final, Self

from agent.errors import EnvironmentFault
from sim.broker import Broker

__all__ = [
    "BenchFailed",
    "FarEndProcess",
    "Told",
    "bridge_process",
    "broker_process",
    "busy_threads",
    "end",
    "line_of",
    "say",
    "start",
]

END_TIMEOUT_S: Final = 5.0
VEHICLE: Final = "vehicle"


class BenchFailed(EnvironmentFault):
    """A process of the benchmark ended too early; its own words are above this line."""


class Told:
    """`python -m MODULE ARGUMENTS` until the block ends; it says JSON, a value a line."""

    def __init__(self, module: str, *arguments: object) -> None:
        self._child = start(module, *arguments)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        end(self._child)

    def value(self) -> Any:  # Any: JSON
        """The next value it says; waits for it."""
        return json.loads(line_of(self._child))


class FarEndProcess(Told):
    """`python -m sim.bench.far_end`, until the block ends."""

    def __init__(self, *arguments: object) -> None:
        super().__init__("sim.bench.far_end", *arguments)
        self.port: Final[str] = self.value()


@contextmanager
def broker_process(folder: Path) -> Iterator[Broker]:
    """Mosquitto on loopback, its files in `folder`; it keeps nothing over a restart."""
    broker = Broker("mosquitto", folder)
    asyncio.run(broker.start())
    try:
        yield broker
    finally:
        asyncio.run(broker.stop())


@contextmanager
def bridge_process(port: str, socket: Path) -> Iterator[str]:
    """A bridge for this port at this socket; the name of its vehicle."""
    child = start("firmware_bridge.serve", port, f"--socket={socket}", f"--vehicle={VEHICLE}")
    try:
        line_of(child)
        yield VEHICLE
    finally:
        end(child)


@contextmanager
def busy_threads(count: int) -> Iterator[None]:
    """So many Python threads of this process that do nothing but hold the interpreter."""
    over = Event()

    def spin() -> None:
        rounds = 0
        while not over.is_set():
            for _ in range(1000):
                rounds += 1

    threads = [Thread(target=spin, name=f"busy {number}") for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def start(module: str, *arguments: object) -> subprocess.Popen[str]:
    """`python -m MODULE ARGUMENTS`, which cannot outlive us; what it says on stdout is for `line_of`."""
    command = [sys.executable, "-m", "sim.demo.bound_child", str(os.getpid()), module, *map(str, arguments)]
    # A session of its own: Ctrl-C reaches us only, who then end things in order.
    return subprocess.Popen(  # noqa: S603 - our own interpreter and modules
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def say(value: object) -> None:
    """What a process of a benchmark says to `Told.value`."""
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


def line_of(child: subprocess.Popen[str]) -> str:
    """The next line of its stdout; waits for it."""
    assert child.stdout
    line = child.stdout.readline()
    if not line:
        raise BenchFailed("a process of the benchmark has ended")
    return line


def end(child: subprocess.Popen[str]) -> str:
    """SIGTERM, and SIGKILL after some seconds; what it said on stdout and nobody has read."""
    child.terminate()
    try:
        said, _ = child.communicate(timeout=END_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        child.kill()
        said, _ = child.communicate()
    return said

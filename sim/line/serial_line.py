"""Starts and commands a line model in a process of its own."""

import json
import select
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final, Self

from agent.errors import EnvironmentFault
from sim.line.noise import Faults

__all__ = ["SerialLine", "SerialLineFailed"]

ANSWER_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 5.0


class SerialLineFailed(EnvironmentFault):
    """The line model's process did not start, ended or did not answer."""


class SerialLine:
    """A line from `bridge` (a link it makes) to a vehicle's pty."""

    def __init__(self, bridge: Path, vehicle: Path, *, baud: int = 115_200, latency_ms: int = 0, seed: int = 0) -> None:
        """Nothing runs yet."""
        self.bridge: Final = bridge
        self._arguments: Final = [
            f"--link={bridge}",
            f"--vehicle={vehicle}",
            f"--baud={baud}",
            f"--latency-ms={latency_ms}",
            f"--seed={seed}",
        ]
        self._child: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int | None:
        """The running process's id."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    def start(self) -> None:
        """Returns when the bridge can open its side.

        Raises:
            SerialLineFailed: it ended, or was not ready within 20 s.
        """
        self._child = subprocess.Popen(  # noqa: S603 - our own interpreter and module
            [sys.executable, "-m", "sim.line", *self._arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            self._answer(self._child)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Ends it; harmless when it does not run."""
        child, self._child = self._child, None
        if child is None:
            return
        child.terminate()
        try:
            child.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.communicate()

    def unplug(self) -> None:
        """Pulls the adapter out of the bridge's box."""
        self._do({"do": "unplug"})

    def replug(self) -> None:
        """Puts it back, behind the same link."""
        self._do({"do": "replug"})

    def cut(self) -> None:
        """Cuts the wire; nobody is told."""
        self._do({"do": "cut"})

    def join(self) -> None:
        """Mends the wire."""
        self._do({"do": "join"})

    def stall(self, duration_ms: int) -> None:
        """Holds all octets for a while."""
        self._do({"do": "stall", "ms": duration_ms})

    def fail(self, *, to_vehicle: Faults | None = None, to_bridge: Faults | None = None) -> None:
        """Makes the line bad from now on; without arguments good again."""
        good = Faults()
        self._do({"do": "fail", "to_vehicle": asdict(to_vehicle or good), "to_bridge": asdict(to_bridge or good)})

    def counts(self) -> Mapping[str, int]:
        """Octets `to_vehicle` and `to_bridge`, octets `flushed`, `faults` made."""
        return self._do({"do": "count"})

    def _do(self, command: Mapping[str, object]) -> Mapping[str, int]:
        if self._child is None or self._child.stdin is None:
            raise SerialLineFailed("the line model does not run: start it first")
        try:
            print(json.dumps(command), file=self._child.stdin, flush=True)
        except OSError as error:
            raise SerialLineFailed(f"the line model has ended: {error.strerror}") from error
        return self._answer(self._child)

    def _answer(self, child: subprocess.Popen[str]) -> Mapping[str, int]:
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], ANSWER_TIMEOUT_S)
        line = child.stdout.readline() if ready else ""
        if not line:
            raise SerialLineFailed("the line model ended, or does not answer")
        answer: Mapping[str, int] = json.loads(line)
        if "problem" in answer:
            raise SerialLineFailed(f"the line model refused: {answer['problem']}")
        return answer

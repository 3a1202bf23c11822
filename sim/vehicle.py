"""A vehicle for tests and demo: the reference firmware as a process on a pty, and the truth about what it did."""

import json
import os
import select
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from agent.errors import EnvironmentFault
from sim.firmware import Product, build

__all__ = ["Seen", "Vehicle", "VehicleFailed", "VehicleOptions"]

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 5.0


class VehicleFailed(EnvironmentFault):
    """The vehicle's process did not start; the text is its own."""


@dataclass(frozen=True, slots=True)
class VehicleOptions:
    """As the firmware's own options; its `--help` explains them."""

    serial: str = "AGV-1"
    baud: int = 115_200
    speed_mm_s: int = 1200
    pick_ms: int = 1500
    seed: int = 0
    charge: int = 1000
    x_mm: int = 0
    y_mm: int = 0
    theta_mrad: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """One line of the truth: when by the machine's monotonic clock, what, and its two numbers by name."""

    at_us: int
    what: str
    numbers: dict[str, int]


class Vehicle:
    """One vehicle; its line, boot count and truth stay in `folder` over stop, kill and start."""

    def __init__(self, folder: Path, options: VehicleOptions | None = None, *, sanitized: bool = False) -> None:
        """Nothing runs yet; `sanitized` takes the build that ends at the first bad memory access."""
        self.options: Final = options or VehicleOptions()
        self.line: Final = folder / "line"
        self._folder: Final = folder
        self._product: Final = Product.VEHICLE_SANITIZED if sanitized else Product.VEHICLE
        self._child: subprocess.Popen[bytes] | None = None

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
        """Builds the firmware when needed, starts it, and returns when its line can be opened at `line`.

        Raises:
            SourcesMissing, CompilerMissing, CompilerFailed: from the build.
            VehicleFailed: it ended, or was not ready within 20 s.
        """
        if self.pid is not None:
            return
        program = build(self._product)
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._child = subprocess.Popen(  # noqa: S603 - our own program
                [str(program), *self._arguments()],
                stdin=subprocess.PIPE,  # it ends when we do
                stdout=subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_until_ready(self._child)
        except BaseException:
            self.kill()
            raise

    def stop(self) -> int | None:
        """Ends it, by force after 5 s, and returns its exit status; none when it did not run."""
        if self._child is None:
            return None
        self._child.terminate()
        try:
            self._child.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._child.kill()
        return self._reap(self._child)

    def kill(self) -> None:
        """Ends it as a power cut does: load, pose and results are gone, the boot count is kept."""
        if self._child is not None:
            self._child.kill()
            self._reap(self._child)

    def reset_firmware(self) -> None:
        """Resets the controller as its watchdog would; the body keeps its load and its place."""
        if self.pid is not None:
            os.kill(self.pid, signal.SIGUSR1)

    def truth(self) -> list[Seen]:
        """Everything that was seen since the folder was made, over all starts."""
        path = self._folder / "truth.jsonl"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        return [_seen(line) for line in lines]

    def seen(self, what: str) -> list[Seen]:
        """The part of the truth that is `what`: boot, latched, released, standstill, move_begin, …, pick, drop."""
        return [seen for seen in self.truth() if seen.what == what]

    @property
    def _log(self) -> Path:
        return self._folder / "vehicle.log"

    def _arguments(self) -> list[str]:
        options = self.options
        numbers = {
            "--baud": options.baud,
            "--speed-mm-s": options.speed_mm_s,
            "--pick-ms": options.pick_ms,
            "--seed": options.seed,
            "--charge": options.charge,
            "--x-mm": options.x_mm,
            "--y-mm": options.y_mm,
            "--theta-mrad": options.theta_mrad,
        }
        texts = {
            "--serial": options.serial,
            "--link": self.line,
            "--boot-file": self._folder / "boots",
            "--truth": self._folder / "truth.jsonl",
        }
        return [f"{name}={value}" for name, value in {**texts, **numbers}.items()] + ["--watch-stdin"]

    def _wait_until_ready(self, child: subprocess.Popen[bytes]) -> None:
        assert child.stdout is not None
        ready, _, _ = select.select([child.stdout], [], [], START_TIMEOUT_S)
        line = child.stdout.readline() if ready else b""
        if not line.startswith(b"ready "):
            said = self._log.read_text(encoding="utf-8", errors="replace").strip()[-800:]
            raise VehicleFailed(f"{self.options.serial} did not start: {said or 'no word from it'}")

    def _reap(self, child: subprocess.Popen[bytes]) -> int:
        for pipe in (child.stdin, child.stdout):
            if pipe is not None:
                pipe.close()
        self._child = None
        status = child.wait()
        self.line.unlink(missing_ok=True)  # of a killed one; the system gives its pty's number to the next
        return status


def _seen(line: str) -> Seen:
    numbers = json.loads(line)
    return Seen(numbers.pop("us"), numbers.pop("what"), numbers)

"""Watches and fails what this process asks of the disk, through the library that `disk_tap.c` is compiled to.

It must be preloaded, so its users are processes of their own, started by `run_tapped`.
"""

import ctypes
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.sources import ROOT

__all__ = ["DIE", "MEMORY", "Call", "Tap", "run_tapped", "tap_library"]

MEMORY: Final = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""Where files go whose durability the tap models, so that the real disk need not be waited for."""
DIE: Final = -1
"""As an error to fail with: the process ends there, as by SIGKILL; what it wrote is in the page cache."""
_SOURCE: Final = Path(__file__).with_suffix(".c")
_COMPILE: Final = ("cc", "-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread")


class Call(StrEnum):
    """What can be made to fail, by the letter it has in a trace."""

    WRITE = "W"
    TRUNCATE = "T"
    SYNC = "S"


def tap_library() -> Path:
    """The compiled library; compiles only what is not there yet."""
    name = hashlib.sha256(_SOURCE.read_bytes() + repr(_COMPILE).encode()).hexdigest()[:16]
    target = ROOT / "build" / "disk-tap" / name / "disk_tap.so"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent) as scratch:
            fresh = Path(scratch) / target.name
            subprocess.run([*_COMPILE, "-o", fresh, _SOURCE, "-ldl"], check=True)
            fresh.replace(target)
    return target


def run_tapped(module: str, *arguments: object, timeout_s: float = 280) -> Any:  # Any: JSON
    """What `python -m module arguments…` prints with the library preloaded."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        env=os.environ | {"LD_PRELOAD": str(tap_library())},
        capture_output=True, check=False, text=True, timeout=timeout_s,
    )  # fmt: skip
    assert done.returncode == 0, f"{module} {arguments}: ended with {done.returncode}\n{done.stdout}\n{done.stderr}"
    return json.loads(done.stdout)


@cache
def _library() -> ctypes.CDLL:
    library = ctypes.CDLL(None)
    assert hasattr(library, "tap_start"), "start this by run_tapped"
    library.tap_seen.restype = ctypes.c_long
    return library


class Tap:
    """The watch over one folder; one at a time in a process."""

    def __init__(self) -> None:
        self._library = _library()

    @contextmanager
    def watching(self, folder: Path, trace_file: Path | None = None) -> Iterator[None]:
        """Watch the files of `folder`; with a trace, write down every write, sync and name, in their order."""
        self._library.tap_start(os.fsencode(folder), os.fsencode(trace_file or ""))
        try:
            yield
        finally:
            self._library.tap_stop()

    def mark(self, **facts: Any) -> None:  # Any: JSON
        """Put facts into the trace, at this point of it."""
        body = json.dumps(facts).encode()
        self._library.tap_mark(body, ctypes.c_size_t(len(body)))

    def fail(self, call: Call, ending: str, *, start: int, error: int, count: int = 1, delay_ms: int = 0) -> None:
        """Let calls number `start` and on fail with an errno (0: only wait) on files whose names end with `ending`."""
        self._library.tap_fail(
            ctypes.c_char(call.encode()), ending.encode(),
            *map(ctypes.c_long, (start, count)), ctypes.c_int(error), ctypes.c_long(delay_ms),
        )  # fmt: skip

    def die(self, calls: int) -> None:
        """Kill this process by SIGKILL right before a call that may change the folder: that of this number from now."""
        self._library.tap_die(ctypes.c_long(calls))

    def forget(self) -> None:
        """A forked child wrote into the trace, and has ended: its files may have other numbers than ours."""
        self._library.tap_forget()

    @property
    def seen(self) -> int:
        """How many calls the last `fail` has looked at."""
        return int(self._library.tap_seen())

"""How long this disk takes until a write is on it: every "ok" to a till waits for that."""

import os
from collections.abc import Iterator
from statistics import median
from tempfile import TemporaryFile
from typing import Final

from agent.clock import Clock
from agent.doctor.finding import Finding
from agent.doctor.patient import Patient

__all__ = ["check_fsync", "fsync_finding", "fsync_times_s"]

WRITES: Final = 20
WRITE_BYTES: Final = 4_096
MEDIAN_WARNING_S: Final = 0.05
MEDIAN_PROBLEM_S: Final = 0.5
WORST_WARNING_S: Final = 1.0


def check_fsync(patient: Patient) -> Iterator[Finding]:
    """Measured in the log's folder, in a file without a name."""
    folder = patient.nearest_folder
    if not os.access(folder, os.W_OK):
        remedy = "run doctor under the account the agent runs under"
        yield Finding.warning("fsync", f"not measured: this user cannot write in {folder}", remedy)
        return
    with TemporaryFile(dir=folder, buffering=0) as file:
        yield fsync_finding(list(fsync_times_s(file.fileno(), patient.clock)))


def fsync_times_s(descriptor: int, clock: Clock) -> Iterator[float]:
    """The seconds that each write to the end of a file took, with its fdatasync."""
    page = bytes(WRITE_BYTES)
    for _ in range(WRITES):
        begin_s = clock.monotonic_s()
        os.write(descriptor, page)
        os.fdatasync(descriptor)
        yield clock.monotonic_s() - begin_s


def fsync_finding(times_s: list[float]) -> Finding:
    """What the times mean."""
    middle, worst = median(times_s), max(times_s)
    text = f"median {middle * 1000:.2f} ms, worst {worst * 1000:.2f} ms of {len(times_s)} writes of 4 kB"
    remedy = "a card or disk that is worn, or busy with something else: look with iostat -x 1, replace it"
    if middle > MEDIAN_PROBLEM_S:
        return Finding.problem("fsync", text, remedy)
    if middle > MEDIAN_WARNING_S or worst > WORST_WARNING_S:
        return Finding.warning("fsync", text, remedy)
    return Finding.ok("fsync", text)

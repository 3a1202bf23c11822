"""Whether there is room: on the disk, for new files, and under the log's own limit."""

import os
from collections.abc import Iterator
from typing import Final

from agent.doctor.finding import Finding
from agent.doctor.patient import Patient

__all__ = ["check_inodes", "check_log_size", "check_room", "inodes_finding", "room_finding"]

FREE_BYTES_WARNING: Final = 1_073_741_824
FREE_BYTES_PROBLEM: Final = 67_108_864  # two write-ahead logs and a few hours of events
FREE_INODES_PROBLEM: Final = 100
LOG_SHARE_WARNING: Final = 0.8
LOG_SHARE_PROBLEM: Final = 0.95
_MEGABYTE: Final = 1_000_000


def check_room(patient: Patient) -> Iterator[Finding]:
    """Free bytes where the log lies, as this user may use them."""
    found = os.statvfs(patient.nearest_folder)
    yield room_finding(found.f_bavail * found.f_frsize, found.f_blocks * found.f_frsize)


def room_finding(free_bytes: int, total_bytes: int) -> Finding:
    """What so much room means."""
    text = f"{free_bytes / _MEGABYTE:,.0f} of {total_bytes / _MEGABYTE:,.0f} MB are free"
    if free_bytes < FREE_BYTES_PROBLEM:
        return Finding.problem("disk", text, "make room on this disk: soon no event can be stored")
    if free_bytes < FREE_BYTES_WARNING:
        return Finding.warning("disk", text, "make room on this disk before the next long outage")
    return Finding.ok("disk", text)


def check_inodes(patient: Patient) -> Iterator[Finding]:
    """Free inodes where the log lies."""
    found = os.statvfs(patient.nearest_folder)
    yield inodes_finding(found.f_favail, found.f_files)


def inodes_finding(free: int, total: int) -> Finding:
    """What so many inodes mean; file systems such as btrfs have no fixed number."""
    if not total:
        return Finding.ok("inodes", "this file system makes them as needed")
    if free < FREE_INODES_PROBLEM:
        remedy = "delete small files that nobody needs: no new file can be made soon, however much room there is"
        return Finding.problem("inodes", f"{free:,} of {total:,} are free", remedy)
    return Finding.ok("inodes", f"{free:,} of {total:,} are free")


def check_log_size(patient: Patient) -> Iterator[Finding]:
    """The log file against its limit."""
    if not patient.log_file.exists():
        return
    size, limit = patient.log_file.stat().st_size, patient.settings.log.size_bytes_max
    text = f"{size / _MEGABYTE:,.1f} of {limit / _MEGABYTE:,.0f} MB (log.size_bytes_max)"
    remedy = "see why events wait (storeforward status), or raise log.size_bytes_max if the disk has room"
    if size > LOG_SHARE_PROBLEM * limit:
        yield Finding.problem("log size", text, remedy)
    elif size > LOG_SHARE_WARNING * limit:
        yield Finding.warning("log size", text, remedy)
    else:
        yield Finding.ok("log size", text)

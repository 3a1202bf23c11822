"""Whether the file system is one on which a log is safe."""

from collections.abc import Iterator

from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.file_system import MOUNT_TABLE, FileSystem, file_system_of

__all__ = ["check_file_system", "file_system_finding"]


def check_file_system(patient: Patient) -> Iterator[Finding]:
    """By the kernel's mount table."""
    table = MOUNT_TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    yield file_system_finding(file_system_of(patient.folder.log.resolve(), table))


def file_system_finding(found: FileSystem | None) -> Finding:
    """What a file system means for the log."""
    remedy = "move the data folder to a local ext4, xfs, btrfs or f2fs disk"
    if found is None:
        return Finding.warning("file system", "not in the mount table, so nobody knows which it is", remedy)
    if found.refusal:
        return Finding.problem("file system", f"{found.mount_point} is {found.refusal}", remedy)
    if found.read_only:
        text = f"{found.mount_point} ({found.kind}) is mounted read-only"
        return Finding.problem("file system", text, "look for disk errors with dmesg, then mount it read-write")
    if found.doubt:
        return Finding.warning("file system", f"{found.mount_point} is {found.doubt}", remedy)
    return Finding.ok("file system", f"{found.kind} on {found.mount_point}")

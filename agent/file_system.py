"""Which file system a folder lies on, from the kernel's mount table, and whether a write-ahead log is safe there."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from agent.errors import EnvironmentFault

__all__ = ["MOUNT_TABLE", "FileSystem", "FileSystemUnfit", "file_system_of", "mounts", "refuse_unfit_file_system"]

MOUNT_TABLE: Final = Path("/proc/self/mountinfo")

_NETWORK: Final = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "ocfs2"}
    | {"orangefs", "smb3", "smbfs"}
    | {"fuse.ceph", "fuse.gcsfuse", "fuse.glusterfs", "fuse.rclone", "fuse.s3fs", "fuse.sshfs"}
)
_NO_JOURNAL: Final = frozenset({"exfat", "msdos", "umsdos", "vfat"})
_IN_MEMORY: Final = frozenset({"ramfs", "tmpfs"})
_DOUBTFUL: Final = frozenset({"9p", "fuseblk", "hfsplus", "ntfs", "ntfs3", "vboxsf", "virtiofs"})
_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


class FileSystemUnfit(EnvironmentFault):
    """An agent's data would not be safe on this file system."""


@dataclass(frozen=True, slots=True)
class FileSystem:
    """One line of the mount table."""

    mount_point: str
    kind: str
    read_only: bool

    @property
    def refusal(self) -> str:
        """Why the agent does not start on it; empty when it does."""
        if self.kind in _NETWORK:
            return f"{self.kind}, a network file system: SQLite's write-ahead log is for one machine's own disk"
        if self.kind in _NO_JOURNAL:
            return f"{self.kind}, which keeps no journal: a power cut can take the whole log"
        return ""

    @property
    def doubt(self) -> str:
        """What speaks against it though the agent starts; empty when nothing does."""
        if self.kind in _IN_MEMORY:
            return f"{self.kind}: it is in memory, and gone with the next start of the machine"
        if self.kind in _DOUBTFUL or self.kind.startswith("fuse."):
            return f"{self.kind}: whether it keeps what was fsynced over a power cut is not known"
        return ""


def refuse_unfit_file_system(folder: Path) -> None:
    """Say no to a network file system or vfat under `folder`, which need not exist yet.

    Raises:
        FileSystemUnfit: with what it is and what to do. Where there is no mount table nothing is refused.
    """
    try:
        table = MOUNT_TABLE.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError:
        return
    found = file_system_of(folder.resolve(), table)
    if found and found.refusal:
        raise FileSystemUnfit(
            f"{folder} lies on {found.mount_point}, which is {found.refusal}; "
            "choose a folder on a local ext4, xfs, btrfs or f2fs disk with --data"
        )


def file_system_of(path: Path, mount_table: str) -> FileSystem | None:
    """The file system under an absolute path without links, by the text of `/proc/self/mountinfo`."""
    around = {str(PurePosixPath(path)), *map(str, PurePosixPath(path).parents)}
    found: FileSystem | None = None
    for mount in mounts(mount_table):
        # Of two mounts on one place the later one is on top.
        if mount.mount_point in around and (not found or len(mount.mount_point) >= len(found.mount_point)):
            found = mount
    return found


def mounts(mount_table: str) -> Iterator[FileSystem]:
    """The lines of a mount table (proc_pid_mountinfo(5)); a line in another form is left out."""
    for line in mount_table.splitlines():
        mount, _, file_system = line.partition(" - ")
        fields, kinds = mount.split(" "), file_system.split(" ")
        if len(fields) >= 6 and len(kinds) >= 3:
            read_only = "ro" in fields[5].split(",") or "ro" in kinds[2].split(",")
            yield FileSystem(_unescape(fields[4]), kinds[0], read_only)


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda octal: chr(int(octal[1], 8)), text)

"""A small file with a secret in it: readable by its owner only, and whole or absent after a power cut."""

import os
import stat
import struct
from contextlib import suppress
from pathlib import Path
from threading import get_native_id
from typing import Final

from agent.errors import EnvironmentFault

__all__ = [
    "PrivateFileUnusable",
    "create_private",
    "give_to_owner",
    "make_folder",
    "open_to_others",
    "read_private",
    "replace_private",
    "sync_file",
    "sync_folder",
]

BYTES_MAX: Final = 1_048_576
_ACL_HEADER_BYTES: Final = 4
_ACL_ENTRY: Final = struct.Struct("<HHI")  # tag, permissions, id: linux/posix_acl_xattr.h
_ACL_USER: Final = 0x02
_ACL_NOBODY: Final = (0x01, 0x10)  # the owner, and the mask, which only takes away


class PrivateFileUnusable(EnvironmentFault):
    """A key or token file that cannot be trusted, read or written; `str()` says why and what to do."""


def read_private(file: Path) -> bytes:
    """The content of a file that nobody else can read.

    Raises:
        FileNotFoundError: when there is none.
        PrivateFileUnusable: when others can read or write it, or it cannot be read.
    """
    try:
        with file.open("rb") as opened:
            found = os.fstat(opened.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise PrivateFileUnusable(f"{file} is not a regular file")
            if open_to_others(opened.fileno()):
                raise PrivateFileUnusable(
                    f"{file} is open to others (mode {stat.S_IMODE(found.st_mode):o}): chmod 600 {file}"
                )
            content = opened.read(BYTES_MAX + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PrivateFileUnusable(f"cannot read {file} ({error.strerror}): check its owner") from error
    if len(content) > BYTES_MAX:
        raise PrivateFileUnusable(f"{file} is larger than {BYTES_MAX:,} bytes")
    return content


def open_to_others(file: int | Path) -> bool:
    """Whether anybody but its owner, root and this user may do anything with it.

    A credential of systemd is given to this user by an access list, and its mode then looks open to the group.
    """
    found = os.fstat(file) if isinstance(file, int) else file.stat()
    if not stat.S_IMODE(found.st_mode) & 0o077:
        return False
    try:
        entries = _ACL_ENTRY.iter_unpack(os.getxattr(file, "system.posix_acl_access")[_ACL_HEADER_BYTES:])
    except OSError:  # there is no list: the mode says all
        return True
    ours = (_ACL_USER, os.geteuid())
    return any(may and tag not in _ACL_NOBODY and (tag, who) != ours for tag, may, who in entries)


def create_private(file: Path, content: bytes) -> bool:
    """Write a file that must not exist yet, durably; False when another process was faster, whose file stands."""
    return _write(file, content, replace=False)


def replace_private(file: Path, content: bytes) -> None:
    """Put a new file in place of the old one, durably; a reader sees one or the other."""
    _write(file, content, replace=True)


def _write(file: Path, content: bytes, *, replace: bool) -> bool:
    draft = file.with_name(f".{file.name}.{get_native_id()}")
    try:
        with suppress(FileNotFoundError):
            draft.unlink()  # left by a thread of the same id that was killed here
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as opened:
            give_to_owner(descriptor, file.parent)
            opened.write(content)
            opened.flush()
            os.fsync(descriptor)
        if not _put(draft, file, replace=replace):
            return False
        sync_folder(file.parent)
    except OSError as error:
        raise PrivateFileUnusable(f"cannot write {file} ({error.strerror}): check the folder's owner") from error
    return True


def _put(draft: Path, file: Path, *, replace: bool) -> bool:
    if replace:
        draft.replace(file)
        return True
    try:
        file.hardlink_to(draft)  # unlike a rename, fails when the file is there
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def give_to_owner(file: int | Path, folder: Path) -> None:
    """What root writes for a service has to be the service's, or it could not read it."""
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(file, owner.st_uid, owner.st_gid)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, durably; it may be there."""
    for missing in reversed([one for one in (folder, *folder.parents) if not one.exists()]):
        missing.mkdir(exist_ok=True)
        sync_folder(missing.parent)


def sync_file(file: Path) -> None:
    """Make durable what a file holds."""
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def sync_folder(folder: Path) -> None:
    """Make durable which files the folder holds."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Secrets on disk: for the owner only, whole or absent, and never overwritten by accident."""

import os
import stat
import struct
from pathlib import Path
from threading import get_native_id

import pytest

from agent.private_file import PrivateFileUnusable, create_private, read_private, replace_private


def test_what_is_written_is_read_back_and_private(tmp_path: Path) -> None:
    file = tmp_path / "key"
    old = os.umask(0)
    try:
        assert create_private(file, b"one")
    finally:
        os.umask(old)
    assert read_private(file) == b"one"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    replace_private(file, b"two")
    assert read_private(file) == b"two"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["key"], "no draft is left"


def test_the_first_of_two_creators_wins(tmp_path: Path) -> None:
    file = tmp_path / "key"
    assert create_private(file, b"one")
    assert not create_private(file, b"two")
    assert read_private(file) == b"one"
    assert [path.name for path in tmp_path.iterdir()] == ["key"]


def test_a_draft_left_by_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / f".key.{get_native_id()}").write_bytes(b"half")
    assert create_private(tmp_path / "key", b"whole")
    assert read_private(tmp_path / "key") == b"whole"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o601, 0o777])
def test_a_file_open_to_others_is_refused_with_the_remedy(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "key"
    create_private(file, b"one")
    file.chmod(mode)
    with pytest.raises(PrivateFileUnusable, match=rf"open to others \(mode {mode:o}\): chmod 600 .*key"):
        read_private(file)


OWNER, USER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x10, 0x20


@pytest.mark.parametrize(
    ("user", "group", "refused"), [(os.geteuid(), 0, False), (os.geteuid() + 1, 0, True), (os.geteuid(), 4, True)]
)
def test_what_an_access_list_gives_to_this_user_alone_is_private_as_a_credential_of_systemd_is(
    tmp_path: Path, user: int, group: int, *, refused: bool
) -> None:
    file = tmp_path / "key"
    create_private(file, b"one")
    entries = ((OWNER, 4, -1), (USER, 4, user), (GROUP, group, -1), (MASK, 4, -1), (OTHER, 0, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(file, "system.posix_acl_access", acl)
    assert stat.S_IMODE(file.stat().st_mode) == 0o440, "so it looks"
    if refused:
        with pytest.raises(PrivateFileUnusable, match="open to others"):
            read_private(file)
    else:
        assert read_private(file) == b"one"


def test_a_link_to_a_private_file_is_fine(tmp_path: Path) -> None:
    create_private(tmp_path / "key", b"one")
    (tmp_path / "link").symlink_to(tmp_path / "key")
    assert read_private(tmp_path / "link") == b"one"


def test_a_missing_file_is_told_from_an_unusable_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_private(tmp_path / "key")
    with pytest.raises(PrivateFileUnusable, match="Is a directory"):
        read_private(tmp_path)
    with pytest.raises(PrivateFileUnusable, match="not a regular file"):
        read_private(Path(os.devnull))


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    replace_private(tmp_path / "key", b"")
    os.truncate(tmp_path / "key", 1_048_577)
    with pytest.raises(PrivateFileUnusable, match="larger than 1,048,576 bytes"):
        read_private(tmp_path / "key")


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(PrivateFileUnusable, match=r"cannot write .*key \(No such file or directory\)"):
        create_private(tmp_path / "missing" / "key", b"one")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_writes_for_a_service_belongs_to_the_service(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, 54321)
    replace_private(tmp_path / "key", b"one")
    found = (tmp_path / "key").stat()
    assert (found.st_uid, found.st_gid) == (12345, 54321)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_of_somebody_else_is_told(tmp_path: Path) -> None:
    replace_private(tmp_path / "key", b"one")
    (tmp_path / "key").chmod(0)
    with pytest.raises(PrivateFileUnusable, match="cannot read"):
        read_private(tmp_path / "key")

"""The folder of refused bodies: for its owner only, bounded in number and age (D1)."""

import os
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from agent.refused.shelf import BODIES_MAX, RefusedShelf, ShelfUnusable
from tests.log.world import NOON
from tests.refused.test_body import record

pytestmark = pytest.mark.case("D1")

AGES_AGO = NOON - timedelta(days=30)


def filled(folder: Path, count: int) -> RefusedShelf:
    shelf = RefusedShelf(folder / "refused")
    for number in range(1, count + 1):
        body = record(b"%d" % number).model_copy(update={"at": NOON + timedelta(hours=number)})
        assert shelf.put(body) == number
    return shelf


def numbers(shelf: RefusedShelf) -> list[int]:
    return [body.number for body in shelf.bodies()]


def test_d1_folder_and_files_are_for_the_owner_only_whatever_the_umask_is(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        filled(tmp_path, 1)
    finally:
        os.umask(before)
    (file,) = (tmp_path / "refused").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_d1_bodies_are_listed_oldest_first_and_found_by_their_number(tmp_path: Path) -> None:
    shelf = filled(tmp_path, 12)
    assert [body.head for body in shelf.bodies()] == [b"%d" % number for number in range(1, 13)]
    found = shelf.find(11)
    assert found is not None
    assert found.head == b"11"
    assert shelf.find(13) is None


def test_d1_of_too_many_the_oldest_go(tmp_path: Path) -> None:
    shelf = filled(tmp_path, BODIES_MAX + 3)
    assert shelf.tidy(AGES_AGO) == 3
    assert numbers(shelf) == list(range(4, BODIES_MAX + 4))


def test_d1_the_old_ones_go(tmp_path: Path) -> None:
    shelf = filled(tmp_path, 5)
    assert shelf.tidy(NOON + timedelta(hours=3)) == 2
    assert numbers(shelf) == [3, 4, 5]


def test_d1_a_torn_file_is_left_out_and_goes_with_the_others(tmp_path: Path) -> None:
    shelf = filled(tmp_path, 3)
    second = sorted((tmp_path / "refused").iterdir())[1]
    second.write_bytes(second.read_bytes()[:20])
    assert numbers(shelf) == [1, 3]
    assert shelf.tidy(NOON + timedelta(days=1)) == 3


def test_d1_what_a_kill_left_half_written_goes_and_foreign_files_stay(tmp_path: Path) -> None:
    shelf = filled(tmp_path, 1)
    folder = tmp_path / "refused"
    (folder / ".draft").write_bytes(b"half")
    (folder / "README").write_bytes(b"mine")
    assert shelf.put(record(b"")) == 2
    (folder / ".draft").write_bytes(b"half")
    shelf.tidy(AGES_AGO)
    assert {path.name for path in folder.iterdir() if path.suffix != ".refused"} == {"README"}


def test_d1_a_number_is_not_given_again_after_a_drop(tmp_path: Path) -> None:
    shelf = filled(tmp_path, 2)
    assert RefusedShelf(tmp_path / "refused").drop(2) == 1
    assert shelf.put(record(b"")) == 3
    assert shelf.drop(2) == 0
    assert shelf.drop(None) == 2
    assert numbers(shelf) == []


def test_d1_before_the_first_one_there_is_no_folder_and_that_is_fine(tmp_path: Path) -> None:
    shelf = RefusedShelf(tmp_path / "refused")
    assert (numbers(shelf), shelf.find(1), shelf.drop(1), shelf.tidy(NOON)) == ([], None, 0, 0)
    assert list(tmp_path.iterdir()) == []


def test_d1_on_a_short_disk_nothing_is_put(tmp_path: Path) -> None:
    with pytest.raises(ShelfUnusable, match="the disk is short"):
        RefusedShelf(tmp_path / "refused", disk_free_bytes_min=2**62).put(record(b""))
    assert list(tmp_path.iterdir()) == []


def test_d1_a_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "refused").write_bytes(b"")
    shelf = RefusedShelf(tmp_path / "refused")
    for use in (lambda: shelf.put(record(b"")), shelf.bodies, lambda: shelf.drop(None)):
        with pytest.raises(ShelfUnusable, match=f"cannot use {tmp_path / 'refused'}"):
            use()

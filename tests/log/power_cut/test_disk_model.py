"""The model of the disk makes the states that a power cut may leave, and no others."""

from random import Random

from tests.log.power_cut.disk_model import FOLDER, SECTOR, Disk, Operation, Plan, State, crash_states

OLD, NEW = b"o" * SECTOR, b"n" * SECTOR


def disk_after(*done: tuple[str, int, int, bytes], safe: dict[str, bytes] | None = None) -> Disk:
    disk = Disk(State({"f": OLD * 2} if safe is None else safe))
    for one in done:
        disk.apply(Operation(*one))
    return disk


def states(disk: Disk) -> set[tuple[tuple[str, bytes], ...]]:
    return {tuple(sorted(state.items())) for state in crash_states(disk, Plan(), Random(1), [])}


FOUND = ("C", 1, 0, b"f")


def test_what_was_synced_is_there() -> None:
    assert states(disk_after(FOUND, ("W", 1, 0, NEW), ("S", 1, 0, b""))) == {(("f", NEW + OLD),)}


def test_each_sector_of_an_unsynced_write_is_old_or_new() -> None:
    assert states(disk_after(FOUND, ("W", 1, 0, NEW * 2))) == {
        (("f", one + two),) for one in (OLD, NEW) for two in (OLD, NEW)
    }


def test_a_later_write_may_arrive_before_an_earlier_one() -> None:
    assert (("f", OLD + NEW),) in states(disk_after(FOUND, ("W", 1, 0, NEW), ("W", 1, SECTOR, NEW)))


def test_of_two_writes_into_one_sector_the_second_brings_the_first_with_it() -> None:
    after = states(disk_after(FOUND, ("W", 1, 0, b"1"), ("W", 1, 1, b"2")))
    assert {body[:2] for ((_, body),) in after} == {b"oo", b"1o", b"12"}


def test_a_sync_of_another_file_makes_nothing_durable() -> None:
    disk = disk_after(FOUND, ("C", 2, 0, b"g"), ("W", 1, 0, NEW), ("S", 2, 0, b""), safe={"f": OLD, "g": b""})
    assert {dict(state)["f"] for state in states(disk)} == {OLD, NEW}


def test_a_new_file_may_be_missing_until_its_folder_is_synced() -> None:
    made = ("C", 1, 1, b"f"), ("W", 1, 0, NEW), ("S", 1, 0, b"")
    assert states(disk_after(*made, safe={})) == {(), (("f", NEW),)}
    assert states(disk_after(*made, ("S", FOLDER, 0, b""), safe={})) == {(("f", NEW),)}


def test_a_removed_file_may_come_back_and_a_renamed_one_has_one_of_its_names() -> None:
    assert states(disk_after(FOUND, ("U", 0, 0, b"f"))) == {(), (("f", OLD * 2),)}
    assert states(disk_after(FOUND, ("R", 0, 0, b"f\0g"))) == {(("f", OLD * 2),), (("g", OLD * 2),)}


def test_a_file_that_grew_may_have_its_new_size_without_its_new_content() -> None:
    bodies = {body for ((_, body),) in states(disk_after(FOUND, ("W", 1, 2 * SECTOR, NEW)))}
    assert {OLD * 2, OLD * 2 + NEW, OLD * 2 + bytes(SECTOR)} < bodies, "and with noise of earlier files"


def test_a_cut_file_may_have_its_old_end() -> None:
    assert states(disk_after(FOUND, ("T", 1, SECTOR, b""))) == {(("f", OLD),), (("f", OLD * 2),)}


def test_what_a_failed_sync_should_have_written_may_be_lost_after_a_good_one() -> None:
    failed = FOUND, ("W", 1, 0, NEW), ("X", 1, 0, b""), ("S", 1, 0, b"")
    assert states(disk_after(*failed)) == {(("f", OLD * 2),), (("f", NEW + OLD),)}
    assert states(disk_after(*failed, ("W", 1, 0, NEW), ("S", 1, 0, b""))) == {(("f", NEW + OLD),)}


def test_the_model_ends_where_the_files_do() -> None:
    disk = disk_after(FOUND, ("W", 1, 1_500, b"end"), ("T", 1, 1_502, b""), ("R", 0, 0, b"f\0g"))
    assert disk.now == {"g": (OLD * 2).ljust(1_500, b"\0") + b"en"}


FOLDER_MADE = ("D", 0, 0, b"d")
MOVED = ("R", 0, 0, b"f\0d/f")
FOLDER_SYNCED, ROOT_SYNCED = ("S", FOLDER, 0, b"d"), ("S", FOLDER, 0, b"")


def test_what_lies_in_a_folder_that_is_lost_is_lost_with_it() -> None:
    made = FOLDER_MADE, ("C", 1, 1, b"d/f"), ("S", 1, 0, b""), FOLDER_SYNCED
    assert states(disk_after(*made, safe={})) == {(), (("d/", b""), ("d/f", b""))}
    assert states(disk_after(*made, ROOT_SYNCED, safe={})) == {(("d/", b""), ("d/f", b""))}


def test_a_move_from_one_folder_to_another_happens_whole_and_needs_a_sync_of_both() -> None:
    before, after = (("d/", b""), ("f", OLD)), (("d/", b""), ("d/f", OLD))
    safe = {"d/": b"", "f": OLD}
    assert states(disk_after(FOUND, MOVED, safe=safe)) == {before, after}
    assert states(disk_after(FOUND, MOVED, FOLDER_SYNCED, safe=safe)) == {before, after}
    assert states(disk_after(FOUND, MOVED, FOLDER_SYNCED, ROOT_SYNCED, safe=safe)) == {after}


def test_a_folder_takes_what_is_in_it_to_its_new_name() -> None:
    safe = {"d/": b"", "d/f": OLD}
    renamed = disk_after(("R", 0, 0, b"d\0e"), ("U", 0, 0, b"e/f"), ROOT_SYNCED, safe=safe)
    assert states(renamed) == {(("e/", b""),), (("e/", b""), ("e/f", OLD))}


def test_a_second_name_is_one_of_the_same_file() -> None:
    both = disk_after(FOUND, ("L", 0, 0, b"f\0g"), ROOT_SYNCED, ("U", 0, 0, b"f"), ("W", 1, 0, NEW), safe={"f": OLD})
    assert states(both) == {(("f", one), ("g", one)) for one in (OLD, NEW)} | {(("g", one),) for one in (OLD, NEW)}


def test_a_folder_that_is_gone_took_nothing_with_it_that_was_moved_out_before() -> None:
    out = ("R", 0, 0, b"d/f\0f"), ("U", 0, 0, b"d")
    safe = {"d/": b"", "d/f": OLD}
    before, between, after = (("d/", b""), ("d/f", OLD)), (("d/", b""), ("f", OLD)), (("f", OLD),)
    assert states(disk_after(*out, safe=safe)) == {before, between, after}

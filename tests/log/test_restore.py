"""A restore makes a backup the log in a new epoch; what was there is kept, and a kill leaves the one or the other."""

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pytest

from agent.errors import EnvironmentFault, LogUnreadable, StoreInUse
from agent.event_types import Stream
from agent.log import CLOUD, START, EventLog, Place
from agent.log.copies.backup import copy_log
from agent.log.copies.check import check_log
from agent.log.copies.holdings import Difference
from agent.log.copies.replacement import FILE
from agent.log.copies.restore import EPOCH_STEP, Restoration, Restored
from agent.log.damage.aside import condemn, old_logs
from agent.log.schema import FORMAT, wal_of
from sim.cloud.ledger import Ledger, Outcome
from tests.log.damage import newer_format, no_log, noise, overwrite_leaf
from tests.log.stepwise_kills import outcomes_of
from tests.log.world import SetClock, event, events, inline_log, new_ids, raw, read_all, stored_rows
from tests.sim.cloud.publishes import FixedClock, events_topic

COMPAT = Path(__file__).parent.parent / "compat"


class Shop(NamedTuple):
    """A stopped agent's log folder, and a backup from before its last events."""

    folder: Path
    backup: Path


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """5 events in both; 3 more in the log, of which one is sent."""
    shop = Shop(tmp_path / "log", tmp_path / "backup.sqlite")
    with inline_log(shop.folder) as log:
        log.append_now(events(5))
        copy_log(log.file, shop.backup)
        log.append_now(events(3, "later"))
    return shop


def prepare(shop: Shop) -> Restoration:
    return Restoration.prepare(shop.folder, shop.backup, copying=_ignore, checking=_ignore)


def _ignore(_done: int, _total: int) -> None:
    pass


def restore(shop: Shop, seed: int = 50) -> Restored:
    with closing(prepare(shop)) as restoration:
        return restoration.commit(clock=SetClock(), new_id=new_ids(seed))


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file() and path.name != "lock"}


def send(log: EventLog, ledger: Ledger, after: Place = START) -> Outcome:
    """Everything behind a place, as the link would."""
    bodies = [one.body for one in read_all(log, after=after)]
    return ledger.accept(events_topic(), b"[" + b",".join(bodies) + b"]")


@pytest.mark.case("S14")
def test_a_restored_log_is_the_backup_in_a_new_epoch_and_the_log_before_it_is_kept(shop: Shop) -> None:
    before = stored_rows(shop.folder / FILE)
    restored = restore(shop)
    with inline_log(shop.folder) as log:
        assert (log.epoch, log.epoch_reason) == (restored.epoch, "restored")
        assert log.epoch_number(log.epoch) == EPOCH_STEP
        assert not log.epoch_on_record  # the agent will tell the cloud
        assert stored_rows(log) == before[:5]
        assert log.append_now([event("next")])[0].sequence == 1
        assert log.append_now([event("e-1")])[0].duplicate
        assert [one.id for one in read_all(log)] == [*(f"e-{at}" for at in range(1, 6)), "next"]
    assert restored.aside is not None
    assert restored.aside.parent == shop.folder / "old"
    assert stored_rows(restored.aside / FILE) == before
    (old,) = old_logs(shop.folder)
    assert (old.folder, old.reason, old.at_ms, old.progress) == (restored.aside, "restored", 1772452800000, "pending")
    assert {path.name for path in shop.folder.iterdir() if path.name.startswith("restore")} == set()


@pytest.mark.case("S14")
@pytest.mark.case("S15")
def test_no_sequence_is_given_twice_as_the_ledger_sees_it(shop: Shop, tmp_path: Path) -> None:
    with closing(Ledger.open(tmp_path / "ledger.sqlite", FixedClock())) as ledger:
        with inline_log(shop.folder) as log:
            assert send(log, ledger) == Outcome(stored=8)
        restore(shop)
        with inline_log(shop.folder) as log:
            log.append_now(events(4, "new"))
            assert send(log, ledger) == Outcome(stored=4, redelivered=5)
        restore(shop, seed=51)  # the same backup again
        with inline_log(shop.folder) as log:
            log.append_now(events(4, "newer"))
            assert log.epoch_number(log.epoch) == 2 * EPOCH_STEP  # above those of the log that was put aside, too
            assert send(log, ledger) == Outcome(stored=4, redelivered=5)


def test_each_restore_leaves_room_for_the_epochs_of_the_log_that_it_puts_aside(shop: Shop) -> None:
    numbers = []
    for seed in (50, 51, 52):
        restore(shop, seed)
        with inline_log(shop.folder) as log:
            log.append_now([event(f"n-{seed}")])
            numbers.append(log.epoch_number(log.epoch))
            shop.backup.unlink()
            copy_log(log.file, shop.backup)
    assert numbers == [EPOCH_STEP, 2 * EPOCH_STEP, 3 * EPOCH_STEP]


async def test_an_epoch_that_begins_for_another_reason_gets_the_next_number(shop: Shop) -> None:
    restore(shop)
    with inline_log(shop.folder, seed=77) as log:
        await log.start_epoch("behind_ledger")
        assert log.epoch_number(log.epoch) == EPOCH_STEP + 1


async def test_what_the_backup_lacks_is_known_before_anything_is_changed(shop: Shop) -> None:
    with inline_log(shop.folder, seed=77) as log:
        await log.advance(CLOUD, Stream.SALES, Place(1, 6))
        await log.start_epoch("behind_ledger")
        log.append_now([event("of the next epoch"), event("s", stream=Stream.SENSOR)])
    before = files(shop.folder)
    with closing(prepare(shop)) as restoration:
        assert restoration.findings.events == {"sales": 5}
        assert restoration.difference(CLOUD) == Difference(events=5, unread=4, related=True)
    assert {name: files(shop.folder)[name] for name in before} == before
    assert not (shop.folder / "restore.draft").exists()


def test_the_backup_of_another_device_is_known_by_its_epochs(shop: Shop, tmp_path: Path) -> None:
    with inline_log(tmp_path / "other", seed=77) as log:
        log.append_now(events(2))
    with closing(prepare(Shop(shop.folder, tmp_path / "other" / FILE))) as restoration:
        assert restoration.difference(CLOUD) == Difference(events=8, unread=8, related=False)


def test_a_box_without_a_log_gets_the_backups(shop: Shop, tmp_path: Path) -> None:
    empty = Shop(tmp_path / "new" / "log", shop.backup)
    assert restore(empty).aside is None
    with inline_log(empty.folder) as log:
        assert len(read_all(log)) == 5
    assert not (empty.folder / "old").exists()


def test_a_backup_of_an_earlier_format_is_brought_up_to_date(tmp_path: Path) -> None:
    restore(Shop(tmp_path / "log", COMPAT / "log-format-1.sqlite"))
    found = check_log(tmp_path / "log" / FILE)
    assert (found.format, found.whole, sum(found.events.values())) == (FORMAT, True, 120)
    with inline_log(tmp_path / "log") as log:
        assert log.waiting(CLOUD) == 89


def test_a_running_agent_is_named_by_its_process(shop: Shop) -> None:
    with inline_log(shop.folder), pytest.raises(StoreInUse, match=f"in use by process {os.getpid()}"):
        prepare(shop)


def page_gone(file: Path) -> None:
    overwrite_leaf(file, b'"id":"e-3"')


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (newer_format, f"has format {FORMAT + 1}"),
        (no_log, "is no event log"),
        (noise, "is damaged"),
        (page_gone, r"backup.sqlite is damaged: .*; nothing was changed, use another backup"),
    ],
)
def test_a_backup_that_cannot_be_used_is_refused_and_nothing_changes(
    shop: Shop, spoil: Callable[[Path], None], says: str
) -> None:
    spoil(shop.backup)
    before = files(shop.folder)
    with pytest.raises(LogUnreadable, match=says):
        prepare(shop)
    assert files(shop.folder) == before
    assert not list(shop.folder.glob("restore*"))
    with inline_log(shop.folder) as log:  # the lock is free
        assert log.epoch_reason == "created"


def test_single_damaged_events_of_a_backup_are_told_and_restored_for_the_quarantine(shop: Shop) -> None:
    with raw(shop.backup) as connection:
        connection.execute("UPDATE event_sales SET body = x'00' WHERE id = 'e-2'")
    with closing(prepare(shop)) as restoration:
        assert restoration.findings.damaged == [(Stream.SALES, Place(1, 2))]
        restoration.commit(clock=SetClock(), new_id=new_ids(50))
    with inline_log(shop.folder) as log:
        assert [one.id for one in read_all(log)] == ["e-1", "e-3", "e-4", "e-5"]


def test_a_damaged_log_is_replaced_and_kept_as_it_was_with_its_wal(shop: Shop, tmp_path: Path) -> None:
    with inline_log(shop.folder) as log:
        log.append_now([event("in the wal")])
        shutil.copy(wal_of(log.file), tmp_path / "wal")
    (tmp_path / "wal").rename(wal_of(shop.folder / FILE))
    noise(shop.folder / FILE)
    before = files(shop.folder)
    with closing(prepare(shop)) as restoration:
        assert restoration.difference(CLOUD) is None
        aside = restoration.commit(clock=SetClock(), new_id=new_ids(50)).aside
    assert aside is not None
    assert {name: files(aside)[name] for name in (FILE, f"{FILE}-wal")} == {
        name: before[name] for name in (FILE, f"{FILE}-wal")
    }
    with inline_log(shop.folder) as log:
        assert log.epoch_reason == "restored"
        assert len(read_all(log)) == 5


def test_a_log_that_was_to_be_put_aside_does_not_take_the_restored_one_with_it(shop: Shop) -> None:
    condemn(shop.folder, "a page of it is damaged")
    restore(shop)
    with inline_log(shop.folder) as log:
        assert log.epoch_reason == "restored"
        assert len(read_all(log)) == 5
        assert len(log.old_logs()) == 1


def test_a_restore_that_cannot_be_finished_says_so_and_is_finished_later(shop: Shop) -> None:
    (shop.folder / "old").touch()  # where the log should be put aside
    with closing(prepare(shop)) as restoration, pytest.raises(EnvironmentFault, match="aside"):
        restoration.commit(clock=SetClock(), new_id=new_ids(50))
    with pytest.raises(EnvironmentFault, match="aside"), inline_log(shop.folder):
        pass
    (shop.folder / "old").unlink()
    with inline_log(shop.folder) as log:
        assert log.epoch_reason == "restored"


@pytest.mark.timeout(300)
@pytest.mark.case("S14")
def test_a_restore_killed_at_any_moment_leaves_the_old_log_or_the_new_one() -> None:
    outcomes = outcomes_of("restore")
    assert outcomes["steps"] > 50
    assert outcomes["old"] > 50
    assert outcomes["new"] > 5

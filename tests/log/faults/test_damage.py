"""Flipped bits, noise, lost and exchanged pages on every kind of page: nothing false leaves the log (S7, S8, S9)."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pytest

from agent.event_types import Stream
from agent.log import Place
from tests.log.disk.disk_tap import MEMORY
from tests.log.faults.damaged_log import PAGE, Outcome, damages, page_kinds, reopen, sound_log

FRAME_HEAD, WAL_HEAD = 24, 32
TABLE_LEAF = 13
PAGES_OF_A_KIND = 4
TOLD = {Outcome.WHOLE, Outcome.DECLARED, Outcome.REPLACED, Outcome.REFUSED, Outcome.GAP}
SEEDS = [1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 40))]


class Logs:
    """The sound ones, and what became of damaged copies."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._copies = 0
        self.bodies: dict[Stream, dict[Place, bytes]] = sound_log(root / "closed", root / "killed")
        self.closed = (root / "closed" / "events.sqlite").read_bytes()
        self.killed = (root / "killed" / "events.sqlite").read_bytes()
        self.wal = (root / "killed" / "events.sqlite-wal").read_bytes()

    def outcome(self, database: bytes, wal: bytes = b"") -> Outcome:
        self._copies += 1
        folder = self._root / str(self._copies)
        folder.mkdir()
        (folder / "events.sqlite").write_bytes(database)
        if wal:
            (folder / "events.sqlite-wal").write_bytes(wal)
        return reopen(folder, self.bodies).outcome


@pytest.fixture
def logs() -> Iterator[Logs]:
    with TemporaryDirectory(dir=MEMORY) as root:
        yield Logs(Path(root))


def test_a_sound_log_is_whole(logs: Logs) -> None:
    assert logs.outcome(logs.closed) == logs.outcome(logs.killed, logs.wal) == Outcome.WHOLE
    assert {"header", "pointer map", "free list", "free", "table leaf", "table interior", "index leaf"} <= set(
        page_kinds(logs.closed).values()
    )


@pytest.mark.case("S7")
def test_s7_a_flipped_bit_is_never_handed_out(logs: Logs) -> None:
    at = logs.closed.index(b'"data":') + 12
    assert logs.outcome(logs.closed[:at] + bytes([logs.closed[at] ^ 1]) + logs.closed[at + 1 :]) == Outcome.DECLARED


@pytest.mark.case("S7")
@pytest.mark.case("S8")
@pytest.mark.parametrize("seed", SEEDS)
def test_s7_s8_whatever_page_is_damaged_nothing_false_is_handed_out(logs: Logs, seed: int) -> None:
    random, seen = Random(seed), Counter[tuple[str, Outcome]]()
    pages = list(page_kinds(logs.closed).items())
    random.shuffle(pages)
    tried = Counter[str]()
    for number, kind in pages:
        tried[kind] += 1
        if tried[kind] <= PAGES_OF_A_KIND:
            for damage in damages(logs.closed, (number - 1) * PAGE, PAGE, random):
                seen[kind, logs.outcome(damage.body)] += 1
    print(seen)  # noqa: T201 - `pytest -s` shows the table
    assert {outcome for _, outcome in seen} <= TOLD


@pytest.mark.case("S8")
@pytest.mark.parametrize("pages", [1, 2, 3, 8, 20, 40, -1])
def test_s8_a_file_that_was_cut_is_refused_or_told(logs: Logs, pages: int) -> None:
    assert logs.outcome(logs.closed[: pages * PAGE]) in TOLD


@pytest.mark.case("S9")
@pytest.mark.parametrize("seed", SEEDS)
def test_s9_of_a_damaged_write_ahead_log_what_stands_before_the_damage_is_there_and_nothing_else(
    logs: Logs, seed: int
) -> None:
    """SQLite takes the damage for a torn end. That events are missing there, only the ledger can know."""
    random, seen = Random(seed), Counter[Outcome]()
    starts = [(0, WAL_HEAD)]
    for frame in range(WAL_HEAD, len(logs.wal), 3 * (FRAME_HEAD + PAGE)):
        starts += [(frame, FRAME_HEAD), (frame + FRAME_HEAD, PAGE)]
    for start, size in starts:
        for damage in damages(logs.wal, start, size, random):
            seen[logs.outcome(logs.killed, damage.body)] += 1
    assert seen.keys() <= {Outcome.WHOLE, Outcome.REPLACED, Outcome.REFUSED, Outcome.SILENT}


@pytest.mark.case("S9")
def test_s9_an_empty_file_beside_a_write_ahead_log_is_no_new_log(logs: Logs) -> None:
    assert logs.outcome(b"", logs.wal) == Outcome.REFUSED


def with_page_of(logs: Logs, place: str, other: str) -> Outcome:
    """A page that holds events named `place-…` becomes a copy of one that holds events named `other-…`."""
    to, taken = (logs.closed.index(f'"id":"{name}-'.encode()) // PAGE * PAGE for name in (place, other))
    assert logs.closed[to] == logs.closed[taken] == TABLE_LEAF
    return logs.outcome(logs.closed[:to] + logs.closed[taken : taken + PAGE] + logs.closed[to + PAGE :])


@pytest.mark.case("S7")
def test_s7_a_reader_never_goes_back(logs: Logs) -> None:
    """Whoever reads on from the last event would never come to an end."""
    assert with_page_of(logs, "sales-2", "sales-1") in TOLD


@pytest.mark.case("S7")
def test_s7_a_page_of_one_stream_in_anothers_table_is_not_handed_out(logs: Logs) -> None:
    assert with_page_of(logs, "sales-2", "stock-2") in TOLD

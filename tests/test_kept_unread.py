"""Events that nobody here can read, on their way through everything behind the decoder (D2).

Among them are some whose data is made like an event of ours: what looks for words in stored bytes must not fall for it.
"""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from agent.decide.facts import BoughtBasket, facts_of
from agent.device_events import EventsShed
from agent.event_types import Stream
from agent.events import Draft, EventDecoder, Origin, data_text
from agent.log import EventLog, Place, repaired
from agent.settings import EventSettings, LogSettings
from agent.site_type_files import load_site_types
from agent.tills.baskets import BasketBoard
from agent.topics import DeviceName
from agent.upkeep.damage_keeper import DamageKeeper
from agent.upkeep.room_keeper import RoomKeeper
from sim.cloud.ledger import Ledger, Outcome
from tests.agent_process import scan
from tests.cli.command import invoke
from tests.cli.test_export import READ
from tests.examples import EXAMPLES
from tests.log.salvaging import salvage
from tests.log.world import SetClock, new_ids, raw, read_all
from tests.sim.cloud.publishes import FixedClock, events_topic, rows

pytestmark = pytest.mark.case("D2")

NUMBERS: Final = b'{"n":1.10,"x":0.1000000000000000055511,"t":"\\u00e4\\u001b[2J","l":[1E5,null]}'
UNREAD: Final = [
    ("com.example.any.v1", NUMBERS),
    ("com.example.any.v2", b"{}"),
    ("com.example.trap.v1", b'{"type":"dev.storeforward.environment.v1","data":{}}'),
    ("com.example.trap.v1", b'{"a":1,"stream":"sales","data":2,"sequence":"000000000009","epoch":"x"}'),
    ("com.example.trap.v1", b'{"e":{"type":"dev.storeforward.pos.sale.v1"},"type":"dev.storeforward.pos.sale.v1"}'),
    ("com.example.trap.v1", b'{"t":",\\"data\\":{\\"sequence\\":\\"","sequence":"7"}'),
]  # fmt: skip
NEWER: Final = [
    ("dev.storeforward.pos.sale.v9", b'{"total":5,"items":"none","currency":"EUR"}'),
    ("dev.storeforward.pos.scan.v2", b'{"till_id":7}'),
    ("dev.storeforward.pos.sale.v2", b'{"type":"dev.storeforward.pos.sale.v1"}'),
]
"""Versions of our types that this agent does not know."""

DECODER: Final = EventDecoder(
    Origin(DeviceName("store-1", "box-1")), wall=SetClock().wall, new_id=new_ids(3),
    site_types=load_site_types(EventSettings(unknown_types="keep")),
)  # fmt: skip


def drafts(of: list[tuple[str, bytes]], times: int = 1) -> list[Draft]:
    found = []
    for turn in range(times):
        for at, (name, data) in enumerate(of):
            body = b'{"type":"%b","id":"%b-%d-%d","data":%b}' % (name.encode(), name.encode(), turn, at, data)
            found += DECODER.decode(body, "till-1")
    return found


def sale(event_id: str) -> Draft:
    event = {"type": "pos.sale.v1", "id": event_id, "data": EXAMPLES["pos.sale.v1"]}
    return DECODER.decode(json.dumps(event).encode(), "till-1")[0]


@contextmanager
def opened(folder: Path, seed: int = 1, **settings: int) -> Iterator[EventLog]:
    log = EventLog.open_inline(folder / "log", LogSettings(**settings), clock=SetClock(), new_id=new_ids(seed))
    with closing(_Closing(log)):
        yield log


class _Closing:
    def __init__(self, log: EventLog) -> None:
        self.close = log.close_now


def stored(log: EventLog, stream: Stream) -> list[tuple[str, bytes]]:
    """Type and data of what is in the log, the bytes as they lie there."""
    return [(json.loads(event.body)["type"], data_text(event.body)) for event in read_all(log, stream)]


def test_d2_the_log_gives_back_every_byte_in_the_stream_that_the_settings_say(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_now([*drafts(UNREAD), *drafts(NEWER)])
    with opened(tmp_path) as log:
        assert stored(log, Stream.SENSOR) == UNREAD
        assert stored(log, Stream.SALES) == NEWER


def test_d2_the_same_event_again_is_a_duplicate_and_other_digits_are_a_conflict(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        first = log.append_now(drafts(UNREAD))
        assert [at.duplicate for at in log.append_now(drafts(UNREAD))] == [True] * len(first)
        changed = drafts([("com.example.any.v1", NUMBERS.replace(b"1.10", b"1.1"))])
        with pytest.raises(Exception, match="already stored with another body"):
            log.append_now(changed)


@pytest.mark.parametrize("kind", READ)
def test_d2_every_kind_of_export_has_their_data_as_it_was_sent(tmp_path: Path, kind: str) -> None:
    with opened(tmp_path) as log:
        log.append_now(drafts(UNREAD))
    out = tmp_path / "out"
    result = invoke("export", kind, "--out", out, "--data", tmp_path, "--stream", "sensor")
    assert (result.exit_code, result.stderr) == (0, "")
    if kind == "jsonl":
        exported = [data_text(line) for line in out.read_bytes().splitlines()]
    else:
        exported = [row["data"].removeprefix("'").encode() for row in READ[kind](out)]
    assert exported == [data for _, data in UNREAD]
    assert [row["type"] for row in READ[kind](out)] == [name for name, _ in UNREAD]


def test_d2_tail_shows_them_and_their_control_characters_do_nothing(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_now([*drafts(UNREAD), *drafts(NEWER)])
    shown = invoke("tail", "--data", tmp_path).stdout
    assert "\x1b" not in shown
    assert "com.example.any.v1" in shown
    assert "pos.sale.v9" in shown
    result = invoke("tail", "--json", "--type", "com.example.any", "--type", "pos.scan", "--data", tmp_path)
    assert result.stderr == ""
    found = [json.loads(line)["event"]["type"] for line in result.stdout.splitlines()]
    assert sorted(found) == ["com.example.any.v1", "com.example.any.v2", "dev.storeforward.pos.scan.v2"]


async def test_d2_they_are_shed_with_a_tombstone_that_counts_them_and_takes_no_reading_from_them(
    tmp_path: Path,
) -> None:
    with opened(tmp_path, size_bytes_max=4 * 1_048_576) as log:
        turn = 0
        while log.room_bytes > log.reserve_bytes:
            fresh = [DECODER.decode(b'{"type":"%b","id":"%d-%d","data":%b}' % (name.encode(), turn, at, data), "t")[0]
                     for at, (name, data) in enumerate(UNREAD * 60)]  # fmt: skip
            log.append_now(fresh)
            turn += 1
        shed = await RoomKeeper(log, DECODER, SetClock()).relieve()
        assert shed > 0
        told = [EventsShed.model_validate(json.loads(event.body)["data"]) for event in read_all(log, Stream.AUDIT)]
        assert sum(one.count for one in told) == shed
        assert all(one.readings == () for one in told)


def test_d2_learning_and_baskets_pass_them_by(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_now([sale("s-1"), *drafts(NEWER), *drafts(UNREAD), sale("s-2")])
        bodies = [event.body for stream in (Stream.SALES, Stream.SENSOR) for event in read_all(log, stream)]
    assert [type(fact) for fact in facts_of(bodies)] == [BoughtBasket, BoughtBasket]
    board, other = BasketBoard(), BasketBoard()
    for one in (board, other):
        one.on_commit(DECODER.decode(json.dumps(scan("scan")).encode(), "till-1"))
    board.restore([*bodies[1:4], *bodies[5:]])
    board.on_commit([*drafts(NEWER), *drafts(UNREAD)])
    assert board.till_ids == other.till_ids != ()
    assert [board.basket(till) for till in board.till_ids] == [other.basket(till) for till in other.till_ids]


async def test_d2_a_damaged_one_is_kept_aside_and_mended_to_the_byte(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_now(drafts(NEWER))
        with raw(log) as connection:
            at = (Place(1, 2).key,)
            (body,) = connection.execute("SELECT body FROM event_sales WHERE place = ?", at).fetchone()
            spoilt = bytes([*body[:90], body[90] ^ 4, *body[91:]])
            connection.execute("UPDATE event_sales SET body = ? WHERE place = ?", (spoilt, *at))
        assert stored(log, Stream.SALES) == [NEWER[0], NEWER[2]]
        assert await DamageKeeper(log, DECODER, SetClock()).declare() == 1
        (row,) = log.quarantined()
        assert repaired(row) == body


async def test_d2_they_come_back_out_of_a_damaged_log(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        log.append_now([*drafts(UNREAD), *drafts(NEWER)])
    file = tmp_path / "log" / "events.sqlite"
    file.write_bytes(b"\x55" * 140 + file.read_bytes()[140:])
    with opened(tmp_path, seed=2) as log:
        await salvage(log)
        assert stored(log, Stream.SENSOR) == UNREAD
        assert stored(log, Stream.SALES) == NEWER


def test_d2_the_cloud_counts_them_and_gives_them_no_effect(tmp_path: Path) -> None:
    file = tmp_path / "ledger.sqlite"
    with opened(tmp_path) as log, closing(Ledger.open(file, FixedClock())) as ledger:
        log.append_now([*drafts(UNREAD), *drafts(NEWER)])
        for stream, count in ((Stream.SENSOR, len(UNREAD)), (Stream.SALES, len(NEWER))):
            publish = b"[" + b",".join(event.body for event in read_all(log, stream)) + b"]"
            assert ledger.accept(events_topic(stream), publish) == Outcome(stored=count)
            assert ledger.accept(events_topic(stream), publish) == Outcome(redelivered=count)
    assert rows(file, "SELECT stream, upto, counted FROM streams ORDER BY stream") == [
        ("sales", len(NEWER), len(NEWER)),
        ("sensor", len(UNREAD), len(UNREAD)),
    ]
    assert rows(file, "SELECT * FROM totals") == []
    kept: list[tuple[Any, ...]] = rows(file, "SELECT body FROM events WHERE type = 'com.example.any.v1'")
    assert data_text(kept[0][0].encode()) == NUMBERS

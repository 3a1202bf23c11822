"""A mission that cannot be read is set aside whole, and the vehicle begins anew without moving by itself."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from agent.errors import LogUnreadable, StorageFailed, StoreInUse
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.fleet.entries import Entry, PauseAsked, Snapshot
from agent.fleet.forgetting import Forgetting, forget_mission, forget_while_stopped
from agent.fleet.journal import MissionJournal, journal_entry
from agent.fleet.mission_state import MissionState
from agent.fleet.refusals import NothingToForget, VehicleUnknown
from agent.fleet.vehicle_state import EmergencyStop
from agent.log import START, EventLog
from agent.settings import Settings
from agent.topics import DeviceName
from tests.log.world import NOON, inline_log, new_ids

NAME = "mission/agv-1"
VEHICLE = {"id": "agv-1", "manufacturer": "acme", "serial_number": "1", "port": "/dev/none"}


def write_journal(log: EventLog) -> None:
    entries: list[Entry] = [Snapshot(MissionState(7)), PauseAsked(wanted=True), PauseAsked(wanted=False)]
    log.append_now([], [journal_entry(NAME, number, 3, entry) for number, entry in enumerate(entries, 11)])


def damage(file: Path, body: bytes = b"\xff\x00") -> None:
    with closing(sqlite3.connect(file)) as other, other:
        other.execute("UPDATE journal SET body = ? WHERE number = 12", (body,))


def forget(log: EventLog) -> Forgetting:
    decoder = EventDecoder(Origin(DeviceName("store-1", "box-1")), wall=lambda: NOON, new_id=new_ids())
    return forget_mission(log, "agv-1", "ann", decoder, lambda: NOON)


def restored(log: EventLog) -> MissionState:
    (first,) = MissionJournal(log, "agv-1", lambda: None).restore().entries
    assert isinstance(first, Snapshot)
    return first.state


def test_every_row_is_kept_and_the_vehicle_begins_stopped_without_an_order(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        write_journal(log)
        damage(log.file)
        forgetting = forget(log)
        kept = [json.loads(line) for line in forgetting.kept_in.read_text(encoding="utf-8").splitlines()]
        assert [(row["number"], row["intact"]) for row in kept] == [(11, True), (12, False), (13, True)]
        assert kept[1]["base64"] == "/wA="
        assert '"kind":"pause_asked"' in kept[2]["text"]
        with pytest.raises(LogUnreadable):
            restored(log)  # nothing is replaced before it is stored
        log.append_now(forgetting.drafts, forgetting.also)
        state = restored(log)
        assert (state.order_id, state.stop) == ("", EmergencyStop.REMOTE)
        assert state.paused, "the controller may be paused: a RESUME follows the release"
        assert len(log.journal(NAME)) == 1


def test_who_did_it_is_told_to_the_cloud(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        write_journal(log)
        damage(log.file)
        forgetting = forget(log)
        log.append_now(forgetting.drafts, forgetting.also)
        told = [json.loads(each.body) for each in log.read(Stream.AUDIT, START, events_max=10, bytes_max=100_000)]
        assert told[-1]["data"] == {
            "vehicle_id": "agv-1",
            "requested_by": "ann",
            "reason": f"{log.file}: entry 12 of the journal mission/agv-1 is damaged",
            "entries": 3,
            "kept_in": forgetting.kept_in.name,
        }


def test_a_mission_that_can_be_read_is_not_forgotten(tmp_path: Path) -> None:
    with inline_log(tmp_path) as log:
        write_journal(log)
        with pytest.raises(NothingToForget, match="the mission of agv-1 can be read"):
            forget(log)
        assert not (tmp_path / "set-aside").exists()


def test_without_a_copy_nothing_is_forgotten(tmp_path: Path) -> None:
    (tmp_path / "set-aside").write_text("a file where the folder should be")
    with inline_log(tmp_path) as log:
        write_journal(log)
        damage(log.file)
        with pytest.raises(StorageFailed, match="nothing was forgotten"):
            forget(log)


def test_without_an_agent_it_is_done_under_the_lock(tmp_path: Path) -> None:
    settings = Settings.model_validate({"vehicles": [VEHICLE]})
    with inline_log(tmp_path) as log:
        write_journal(log)
        damage(log.file)
        with pytest.raises(StoreInUse):
            forget_while_stopped(tmp_path, settings, "agv-1", "ann")
    with pytest.raises(VehicleUnknown, match="there are agv-1"):
        forget_while_stopped(tmp_path, settings, "agv-2", "ann")
    assert forget_while_stopped(tmp_path, settings, "agv-1", "ann").parent == tmp_path / "set-aside"
    with inline_log(tmp_path) as log:
        assert restored(log).stop is EmergencyStop.REMOTE

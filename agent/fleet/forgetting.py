"""Begins a vehicle's mission anew when its journal cannot be read: a copy of it is kept, and who did so is recorded.

The vehicle's controller may remember more than the agent then does. So the new mission begins stopped, and as paused:
after a person's release the first thing that it commands is to resume.
"""

import json
import os
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from agent.clock import IdFactory, SystemClock, system_random
from agent.errors import LogUnreadable, StorageFailed
from agent.event_types import MissionForgotten
from agent.events import Draft, EventDecoder, Origin
from agent.fleet.entries import Snapshot
from agent.fleet.journal import MissionJournal, journal_entry, journal_name
from agent.fleet.mission_state import MissionState
from agent.fleet.refusals import NothingToForget, VehicleUnknown
from agent.fleet.vehicle_events import event_key, event_text
from agent.fleet.vehicle_state import EmergencyStop
from agent.log import Also, EventLog, JournalTrim
from agent.log.journal_rows import JournalRow, journal_rows
from agent.producers import AGENT_PRODUCER
from agent.settings import Settings
from agent.topics import DeviceName

__all__ = ["Forgetting", "forget_mission", "forget_while_stopped"]

FOLDER: Final = "set-aside"
"""Beside the log's file: copies of journals that could not be read."""


@dataclass(frozen=True, slots=True)
class Forgetting:
    """What is to be stored in one transaction; then the vehicle begins anew. The copy is on the disk already."""

    kept_in: Path
    drafts: tuple[Draft, ...]
    also: tuple[Also, ...]


def forget_mission(
    log: EventLog, vehicle_id: str, by: str, decoder: EventDecoder, wall: Callable[[], datetime]
) -> Forgetting:
    """Copies the journal of a vehicle that is not served.

    Raises:
        NothingToForget: it can be read.
        LogUnreadable: not even its rows can be copied.
        StorageFailed: the copy cannot be written.
    """
    try:
        MissionJournal(log, vehicle_id, stored=lambda: None).restore()
    except LogUnreadable as unreadable:
        why = str(unreadable)
    else:
        raise NothingToForget(vehicle_id)
    name = journal_name(vehicle_id)
    rows = journal_rows(log.file, name)
    name_of_copy = f"{vehicle_id}-{wall().astimezone(UTC):%Y%m%dT%H%M%S.%fZ}"
    kept_in = _copy(log.file.parent / FOLDER, name_of_copy, rows)
    number = max((row.number for row in rows), default=0) + 1
    first = Snapshot(MissionState(next_command_id=1, stop=EmergencyStop.REMOTE, paused=True))
    forgotten = MissionForgotten.model_validate(
        {
            "vehicle_id": vehicle_id,
            "requested_by": event_key(by),
            "reason": event_text(why),
            "entries": len(rows),
            "kept_in": event_text(kept_in.name),
        }
    )
    return Forgetting(
        kept_in,
        (decoder.make(forgotten, AGENT_PRODUCER),),
        (JournalTrim(name, number), journal_entry(name, number, 0, first)),
    )


def forget_while_stopped(folder: Path, settings: Settings, vehicle_id: str, by: str) -> Path:
    """The same without an agent, under the log's lock; where the copy is.

    Raises:
        VehicleUnknown: the settings have none of that name.
        StoreInUse: an agent runs after all.
        NothingToForget, LogUnreadable, StorageFailed: as `forget_mission`.
    """
    known = [vehicle.id for vehicle in settings.vehicles]
    if vehicle_id not in known:
        raise VehicleUnknown(vehicle_id, known)
    clock, site = SystemClock(), settings.site
    new_id = IdFactory(clock.wall, system_random())
    origin = Origin(DeviceName(site.id, settings.device.id), market=site.market, region=site.region)
    decoder = EventDecoder(origin, wall=clock.wall, new_id=new_id)
    log = EventLog.open_inline(folder, settings.log, clock=clock, new_id=new_id)
    try:
        forgetting = forget_mission(log, vehicle_id, by, decoder, clock.wall)
        log.append_now(forgetting.drafts, forgetting.also)
    finally:
        log.close_now()
    return forgetting.kept_in


def _copy(folder: Path, name: str, rows: list[JournalRow]) -> Path:
    """A line of JSON for each row, on the disk when this returns."""
    file = folder / f"{name}.jsonl"
    try:
        folder.mkdir(mode=0o750, exist_ok=True)
        with file.open("x", encoding="utf-8") as copy:
            copy.writelines(json.dumps(_line(row)) + "\n" for row in rows)
            copy.flush()
            os.fsync(copy.fileno())
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise StorageFailed(f"cannot write {file}: {error.strerror}; nothing was forgotten") from error
    return file


def _line(row: JournalRow) -> dict[str, Any]:  # Any: JSON
    try:
        return {"number": row.number, "intact": row.intact, "text": row.body.decode()}
    except UnicodeDecodeError:
        return {"number": row.number, "intact": row.intact, "base64": b64encode(row.body).decode()}

"""How the log's disk stands, from what the log knows."""

from agent.api.device_status import StorageState, StorageStatus
from agent.errors import EnvironmentFault, StorageFull, StorageReadOnly
from agent.log import EventLog
from agent.log.damage.aside import Progress

__all__ = ["storage_status"]

UNKNOWN = -1


def storage_status(log: EventLog, shed: int) -> StorageStatus:
    """The status now; `shed` is how many events were given up since the start."""
    try:
        quarantined = len(log.quarantined())
    except EnvironmentFault:  # who reads the log tells what is damaged; the status has to come all the same
        quarantined = UNKNOWN
    written = log.bytes_written_per_event
    return StorageStatus(
        state=_state(log),
        problem=str(log.trouble or ""),
        room_bytes=log.room_bytes,
        reserve_bytes=log.reserve_bytes,
        shed=shed,
        quarantined=quarantined,
        salvages_pending=sum(old.progress is not Progress.DONE for old in log.old_logs()),
        bytes_written_per_event=None if written is None else round(written, 1),
    )


def _state(log: EventLog) -> StorageState:
    match log.trouble:
        case StorageReadOnly():
            return StorageState.READ_ONLY
        case StorageFull():
            return StorageState.FULL
        case None:
            return StorageState.SHORT if log.room_bytes < log.reserve_bytes else StorageState.OK
    return StorageState.FAILED

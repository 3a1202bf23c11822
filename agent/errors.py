"""Every error of the agent, by who is to blame: the caller, the peer, the environment, or us."""

from dataclasses import dataclass

__all__ = [
    "CallerError",
    "EnvironmentFault",
    "EventRefused",
    "IdConflict",
    "IntakeFull",
    "LogDamaged",
    "LogUnreadable",
    "PeerError",
    "Problem",
    "SettingsRefused",
    "StorageFailed",
    "StorageFull",
    "StorageReadOnly",
    "StoreInUse",
    "StoreforwardError",
]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (`items[3].quantity`), what, and what was expected instead."""

    path: str
    problem: str
    expected: str = ""

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path else ""
        wish = f"; expected {self.expected}" if self.expected else ""
        return f"{where}{self.problem}{wish}"


class StoreforwardError(Exception):
    """Base of all errors this package raises on purpose."""


class CallerError(StoreforwardError):
    """The input is wrong: sending it again unchanged will fail again."""


class EventRefused(CallerError):
    """Events that break the contract; `problems` says which field and why. Nothing of the call was stored."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(map(str, problems)))
        self.problems = problems


class IdConflict(CallerError):
    """A (source, id) pair that is already in the log with another body. The first one stands."""

    def __init__(self, source: str, event_id: str) -> None:
        super().__init__(f"id {event_id!r} of source {source!r} is already stored with another body")
        self.source = source
        self.event_id = event_id


class SettingsRefused(CallerError):
    """A settings file that cannot be used; `problems` carry `file:line key` as their path."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


class PeerError(StoreforwardError):
    """The other side of a connection broke its protocol or refused."""


class EnvironmentFault(StoreforwardError):
    """Disk, network, permissions or clock: the input may be fine, the machine is not."""


class StorageFull(EnvironmentFault):
    """The disk or the log's size limit is reached; nothing of this append was stored."""


class StorageFailed(EnvironmentFault):
    """SQLite or the disk failed during an append; nothing of it is acknowledged."""


class StorageReadOnly(StorageFailed):
    """The file system went read-only, as that of a failing card does: nothing can be stored until it is mended."""


class LogUnreadable(EnvironmentFault):
    """The log file is damaged or was written by a newer version; `str()` names the file and what to do."""


class LogDamaged(LogUnreadable):
    """The log file's bytes are not what was written; at the next opening it is moved aside and a new one begins."""


class StoreInUse(EnvironmentFault):
    """Another agent has this data folder open."""

    def __init__(self, folder: str, pid: int | None) -> None:
        owner = f"process {pid}" if pid else "another process"
        super().__init__(f"{folder} is in use by {owner}: stop that agent first, or choose another folder with --data")
        self.folder = folder
        self.pid = pid


class IntakeFull(EnvironmentFault):
    """The writer's queue is full: slow down and send the same events again."""

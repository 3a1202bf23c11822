"""ThingsBoard gateway's SQLite storage on our events: run by the interpreter of a venv that has it.

`thingsboard_peer.py MODE FOLDER BODIES [PAGES]`, where a line of BODIES is one event. `rate` says how long it took
until all were answered "ok" and until all were in the file, `endless` how many were answered so far, `full` how many
were answered although the file cannot hold them. It imports nothing of ours. The storage is used as the gateway uses
it: `put` each event, a thread of its own writes.
"""

import json
import logging
import sqlite3
import sys
import time
from importlib import import_module
from itertools import cycle
from pathlib import Path
from threading import Event
from typing import Any, Final

__all__ = ["main"]

WRITTEN_S_MAX: Final = 300.0
LOOK_S: Final = 0.02
TOLD_EVERY: Final = 100
PACE_S: Final = 0.01
SETTLED_S: Final = 2.0
COUNT: Final = "SELECT count(*) FROM messages"


def main(mode: str, folder: str, bodies: str, pages: str = "0") -> None:
    """One mode; what it finds goes to stdout as JSON, a line each."""
    events = Path(bodies).read_text(encoding="utf-8").splitlines()
    storage = _opened(folder)
    if mode == "rate":
        _rate(storage, events, _count_in(folder))
    elif mode == "endless":
        _endless(storage, events)
    else:
        _full(storage, events, int(pages), _count_in(folder))


def _opened(folder: str) -> Any:  # Any: a package without types
    logging.Logger.trace = logging.Logger.debug  # type: ignore[attr-defined]  # the gateway adds this level to logging
    kind = import_module("thingsboard_gateway.storage.sqlite.sqlite_event_storage").SQLiteEventStorage
    return kind({"data_file_path": f"{folder}/"}, logging.getLogger("storage"), Event())


class _Count:
    """How many events are in the file, seen by another connection."""

    def __init__(self, file: Path) -> None:
        self._connection = sqlite3.connect(file)

    def __call__(self) -> int:
        (count,) = self._connection.execute(COUNT).fetchone()
        return int(count)


def _count_in(folder: str) -> _Count:
    return _Count(Path(folder, "data.db"))


def _rate(storage: Any, events: list[str], count: _Count) -> None:  # Any: as above
    began_s = _now_s()
    for event in events:
        if not storage.put(event):
            raise SystemExit("the storage refused an event")
    answered_s = _now_s() - began_s
    while count() < len(events):
        if _now_s() - began_s > WRITTEN_S_MAX:
            raise SystemExit(f"{count()} of {len(events)} events are in the file after {WRITTEN_S_MAX:.0f} s")
        time.sleep(LOOK_S)
    connection = storage._SQLiteEventStorage__write_database.db.connection  # noqa: SLF001 - what it set, as shipped
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    _say({"answered_s": answered_s, "written_s": _now_s() - began_s, "synchronous": synchronous})
    storage.stop()


def _endless(storage: Any, events: list[str]) -> None:  # Any: as above
    """A shop at its peak: 100 events every 10 ms, until this process is killed."""
    answered = 0
    for event in cycle(events):
        answered += bool(storage.put(event))
        if answered % TOLD_EVERY == 0:
            _say(answered)
            time.sleep(PACE_S)


def _full(storage: Any, events: list[str], pages: int, count: _Count) -> None:  # Any: as above
    connection = storage._SQLiteEventStorage__write_database.db.connection  # noqa: SLF001 - nothing public sets it
    connection.execute(f"PRAGMA max_page_count = {pages}")
    answered = sum(bool(storage.put(event)) for event in events)
    queue, seen, settled_s = storage.write_queue, (0, 0), _now_s()
    while queue.qsize() or _now_s() - settled_s < SETTLED_S:
        if (queue.qsize(), count()) != seen:
            seen, settled_s = (queue.qsize(), count()), _now_s()
        time.sleep(LOOK_S)
    _say({"answered": answered, "found": count()})


def _now_s() -> float:
    return time.monotonic()  # noqa: TID251 - the venv has no agent.clock


def _say(value: object) -> None:
    sys.stdout.write(f"{json.dumps(value)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])

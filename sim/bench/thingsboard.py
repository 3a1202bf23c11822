"""`python -m sim.bench.thingsboard`: our log beside the SQLite storage of ThingsBoard's gateway, on the same events.

It makes a venv of its own with PyPI's `thingsboard-gateway` (`--venv DIR` to keep it) and shows how fast each answers
"ok", how fast each has the events in its file, and what is in the file after a SIGKILL and after a full file.
"""

import json
import sqlite3
import subprocess
import sys
import venv
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import click
from rich.console import Console
from rich.table import Table

from agent.clock import SystemClock
from sim.bench.bench_processes import BenchFailed
from sim.bench.log_work import EventMaker, timed_ids

__all__ = ["Side", "main"]

PACKAGE: Final = "thingsboard-gateway"
PEER: Final = Path(__file__).with_name("thingsboard_peer.py")
OURS: Final = (sys.executable, "-m", "sim.bench.log_peer")
FILE_BYTES_MAX: Final = 8 * 1_048_576
PAGE_BYTES: Final = 4_096
KILLED_AFTER: Final = 5_000
INSTALL_S_MAX: Final = 600.0
WORK_S_MAX: Final = 600.0
SYNCHRONOUS: Final = ("OFF", "NORMAL", "FULL", "EXTRA")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two logs: how its peer process is started, and where it keeps what."""

    name: str
    command: Sequence[str]
    file: str
    tables: Sequence[str]
    limit: int
    """Its own measure of 8 MiB."""

    def say(self, mode: str, folder: Path, bodies: Path) -> dict[str, Any]:  # Any: JSON
        """What it says at the end of `rate` or `full`."""
        answer = subprocess.run(  # noqa: S603 - our own modules
            [*self.command, mode, str(folder), str(bodies), str(self.limit)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True, timeout=WORK_S_MAX,
        )  # fmt: skip
        said: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])  # Any: JSON
        return said

    def killed(self, folder: Path, bodies: Path) -> int:
        """How many it had answered when it was killed."""
        with subprocess.Popen(  # noqa: S603 - as above
            [*self.command, "endless", str(folder), str(bodies)],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        ) as child:  # fmt: skip
            assert child.stdout
            answered = next((int(line) for line in child.stdout if int(line) >= KILLED_AFTER), 0)
            child.kill()
            return max(answered, *map(int, child.stdout), 0)

    def found(self, folder: Path) -> int:
        """How many events its file holds."""
        with closing(sqlite3.connect(folder / self.file)) as connection:
            queries = (f"SELECT count(*) FROM {table}" for table in self.tables)  # noqa: S608 - our own names
            return sum(connection.execute(query).fetchone()[0] for query in queries)


@click.command()
@click.option("--events", default=40_000, show_default=True, type=click.IntRange(20_000))
@click.option("--venv", "kept", type=click.Path(path_type=Path), help="Where the gateway is, or is to be, installed.")
def main(*, events: int, kept: Path | None) -> None:
    """Compare, and print a table."""
    clock = SystemClock()
    with TemporaryDirectory(prefix="storeforward-bench-") as text:
        folder = Path(text)
        theirs, version = _installed(kept or folder / "venv")
        bodies = folder / "bodies"
        bodies.write_bytes(b"\n".join(EventMaker(clock, timed_ids(clock)).lines(events)))
        sides = (
            Side("storeforward", OURS, "events.sqlite", ("event_sales", "event_stock"), FILE_BYTES_MAX),
            Side(version, (str(theirs), str(PEER)), "data.db", ("messages",), FILE_BYTES_MAX // PAGE_BYTES),
        )
        table = Table(*("", *(side.name for side in sides)), title=f"{events:,} events")
        columns = [dict(_findings(side, folder / str(number), bodies, events)) for number, side in enumerate(sides)]
        for name in columns[0]:
            table.add_row(name, *(column[name] for column in columns))
        Console(highlight=False).print(table)


def _installed(folder: Path) -> tuple[Path, str]:
    """The interpreter of a venv that has the gateway, and the gateway's version."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    install = [str(python), "-m", "pip", "install", "--quiet", PACKAGE]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=INSTALL_S_MAX)  # noqa: S603 - pip
    if done.returncode:
        raise BenchFailed(f"{PACKAGE} does not install: {done.stderr.strip()[-500:]}")
    ask = [str(python), "-c", f"from importlib.metadata import version; print(version({PACKAGE!r}))"]
    told = subprocess.run(ask, capture_output=True, text=True, check=True)  # noqa: S603 - our own words
    return python, f"{PACKAGE} {told.stdout.strip()}"


def _findings(side: Side, folder: Path, bodies: Path, events: int) -> Iterator[tuple[str, str]]:
    rate, killed, full = (folder / mode for mode in ("rate", "killed", "full"))
    for each in (rate, killed, full):
        each.mkdir(parents=True)
    said = side.say("rate", rate, bodies)
    written_s = said.get("written_s", said["answered_s"])
    yield "synchronous", SYNCHRONOUS[said.get("synchronous", 2)]
    yield 'what "ok" says', "in the file" if "written_s" not in said else "in a queue in memory"
    yield '"ok", events/s', f"{events / said['answered_s']:,.0f}"
    yield "in the file, events/s", f"{events / written_s:,.0f}"
    answered = side.killed(killed, bodies)
    yield from _kept("SIGKILL", answered, side.found(killed))
    answered = side.say("full", full, bodies)["answered"]
    yield from _kept("file full at 8 MiB", answered, side.found(full))


def _kept(what: str, answered: int, found: int) -> Iterator[tuple[str, str]]:
    yield f'{what}: "ok" for', f"{answered:,}"
    yield f"{what}: found", f"{found:,}"
    yield f"{what}: lost", f"{max(answered - found, 0):,}"


if __name__ == "__main__":
    main()

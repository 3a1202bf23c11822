"""`storeforward reconcile`: whether everything that this device recorded is in the cloud, once.

With `--ledger` it compares the two files; without, it holds the log against the receipts that the running agent has
heard, which say nothing of duplicates or corrected clocks: there is no figure for those then.

What the device declared as shed, quarantined or parked is accounted for, so it leaves the exit code at 0 and is told:
shed is the owner's own policy, what is quarantined no repeated run of this command could bring back, and what is parked
waits for the broker. Whoever wants to act on it reads `quarantined` and `parked` from `--json`.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from agent.cli import EXIT_PROBLEM
from agent.cli.agent_client import AgentCallRefused, AgentClient
from agent.cli.options import data_folder, data_option, json_option
from agent.cli.reconcile_days import day_lines, days_table
from agent.data_folder import DataFolder
from agent.errors import EnvironmentFault
from agent.event_types import TYPE_PREFIX, Stream
from agent.log import START
from agent.log.reading.reader import Reader
from agent.log.schema import fault_of, open_reader
from agent.log.state import load_heads

__all__ = ["reconcile"]

NOT_FOUND: Final = 404
EPOCHS_TOLD: Final = 2  # a receipt holds a device's last two epochs
DAY_CLOSED: Final = TYPE_PREFIX + "audit.day_closed.v1"
READ_EVENTS_MAX: Final = 1_000
READ_BYTES_MAX: Final = 1_048_576
_COLUMNS: Final = {
    "Log": "log_head",
    "Cloud": "ledger_count",
    "Missing": "missing",
    "Waiting": "waiting",
    "Shed": "shed",
    "Quarantined": "quarantined",
    "Parked": "parked",
    "Twice": "duplicates",
    "Conflicts": "conflicts",
    "Repeats": "redelivered",
}
_DECLARED: Final = ("shed", "quarantined", "parked")
_ALWAYS: Final = {"log_head", "ledger_count", "missing"}
ROOMY: Final = 7
"""Fewer columns of figures than this may have room between them."""
_EPOCHS: Final = "SELECT number, id FROM epoch"

Report = dict[str, Any]  # Any: the JSON that this command prints


class NothingToCompare(EnvironmentFault):
    """There is no log here, or nothing has been heard of the cloud's ledger."""


@click.command()
@data_option
@click.option(
    "--ledger",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The cloud twin's ledger, e.g. --ledger demo-report/ledger.sqlite. Default: ask the running agent.",
)
@click.option("--days", "each_stream", is_flag=True, help="Also each stream's part of each closed day.")
@json_option
@click.pass_context
def reconcile(
    context: click.Context, data: Path | None, ledger: Path | None, *, each_stream: bool, as_json: bool
) -> None:
    """Compare this device's log with the cloud's ledger; exit code 0 only if nothing is missing, double or in conflict.

    What the device declared as shed, quarantined or parked is not missing: it is counted apart.

    Example: storeforward reconcile --data ./data
    """
    folder = data_folder(data)
    log_file = folder.log / "events.sqlite"
    if not log_file.exists() and (data is not None or ledger is None):
        raise NothingToCompare(f"{log_file} does not exist: name the agent's data folder with --data")
    if ledger is not None:
        report = _from_files(ledger, log_file if log_file.exists() else None)
    else:
        report = _from_receipts(log_file, asyncio.run(_receipts(folder)))
    if as_json:
        click.echo(json.dumps(report, indent=2))
    else:
        _print(report, each_stream=each_stream)
    context.exit(0 if report["ok"] else EXIT_PROBLEM)


def _from_files(ledger: Path, log_file: Path | None) -> Report:
    from sim.cloud.reconcile import reconcile as compare_files  # noqa: PLC0415 - the simulator is no part of an agent

    return compare_files(ledger, log_file).as_json()


async def _receipts(folder: DataFolder) -> Report:
    async with AgentClient(folder.socket) as client:
        try:
            receipts: Report = await client.get("/v1/receipts")
        except AgentCallRefused as refused:
            if refused.status == NOT_FOUND:
                raise NothingToCompare(
                    f"nothing to compare with: {refused}; only a cloud side that publishes receipts can be asked"
                    " (docs/cloud-side.md)"
                ) from refused
            raise
    return receipts


def _from_receipts(log_file: Path, receipts: Report) -> Report:
    heads = _log_heads(log_file)
    told = {(receipt["stream"], receipt["epoch"]): receipt for receipt in receipts["receipts"]}
    newest = sorted({number for number, _, _ in heads})[-EPOCHS_TOLD:]
    streams = [
        _stream(stream, epoch, head, told.get((stream, epoch), {}))
        for (number, epoch, stream), head in sorted(heads.items())
        if number in newest
    ]
    answered = {(day["business_day"], day["stream"], day["epoch"]) for day in receipts["days"]}
    unanswered = {day for day, ranges in _days_closed(log_file) if not ranges <= answered}
    totals = {key: sum(stream[key] for stream in streams) for key in ("missing", "conflicts", *_DECLARED)}
    clean = not (totals["missing"] or totals["conflicts"])
    return {
        "ok": clean and all(day["ok"] for day in receipts["days"]),
        "events": sum(stream["ledger_count"] for stream in streams),
        "missing": totals["missing"],
        "duplicates": None,
        "conflicts": totals["conflicts"],
        "redelivered": None,
        **{name: totals[name] for name in _DECLARED},
        "clock_corrected": None,
        "streams": streams,
        "days": receipts["days"],
        "unanswered_days": sorted(unanswered),
        "dead_letters": None,
    }


def _stream(stream: str, epoch: str, head: int, receipt: Mapping[str, Any]) -> Report:
    upto = receipt.get("upto", 0)
    missing, declared = receipt.get("missing_count", 0), {name: receipt.get(name, 0) for name in _DECLARED}
    return {
        "stream": stream,
        "epoch": epoch,
        "log_head": head,
        "ledger_count": upto - missing - sum(declared.values()),
        "last_sequence": upto,
        "missing": missing + max(0, head - upto),
        "waiting": max(0, head - upto),
        "duplicates": None,
        "conflicts": receipt.get("conflicts", 0),
        "redelivered": None,
        **declared,
        "clock_corrected": None,
    }


def _log_heads(file: Path) -> dict[tuple[int, str, str], int]:
    """The last sequence by epoch number, epoch id and stream."""
    with closing(open_reader(file)) as connection:
        try:
            epochs = {number: epoch.decode() for number, epoch in connection.execute(_EPOCHS)}
            return {(number, epochs[number], stream): last for (stream, number), last in load_heads(connection).items()}
        except connection.DatabaseError as error:
            raise fault_of(file, error) from error


def _days_closed(file: Path) -> Iterator[tuple[str, set[tuple[str, str, str]]]]:
    with closing(Reader(file)) as reader:
        after = START
        while found := reader.read(Stream.AUDIT, after, events_max=READ_EVENTS_MAX, bytes_max=READ_BYTES_MAX):
            for stored in found:
                event = json.loads(stored.body)
                if event["type"] == DAY_CLOSED:
                    day, ranges = event["data"]["business_day"], event["data"]["ranges"]
                    yield day, {(day, part["stream"], part["epoch"]) for part in ranges}
            after = found[-1].place


def _print(report: Report, *, each_stream: bool) -> None:
    console = Console()
    console.print("This device's log and the cloud's ledger", style="bold")
    console.print(_table(report["streams"]))
    for line in day_lines(report["days"], report["unanswered_days"]):
        console.print(line)
    if each_stream and report["days"]:
        console.print(days_table(report["days"]))
    console.print(_verdict(report), style="green" if report["ok"] else "red")
    if report["quarantined"]:
        console.print("Quarantined: damaged on this device and kept aside there; the cloud does not have them.")
    if report["parked"]:
        console.print(
            "Parked: the broker does not take these; they are kept on this device, see `storeforward status`."
        )
    if report["clock_corrected"]:
        console.print(f"{report['clock_corrected']:,} events, recorded by a wrong clock, have corrected times as well.")


def _table(streams: list[Report]) -> Table:
    """A row per stream and epoch. To fit 80 columns, a column with nothing to tell is left out."""
    shown = [(name, key) for name, key in _COLUMNS.items() if key in _ALWAYS or any(one[key] for one in streams)]
    table = Table(box=SIMPLE_HEAD, show_edge=False, padding=(0, int(len(shown) < ROOMY), 0, 0))
    table.add_column("Stream", no_wrap=True)
    table.add_column("Epoch", no_wrap=True)
    for name, _ in shown:
        table.add_column(name, justify="right", overflow="fold")
    for one in streams:
        table.add_row(one["stream"], one["epoch"][-8:], *(_number(one[key]) for _, key in shown))
    return table


def _verdict(report: Report) -> str:
    given_up = [f"{report[name]:,} {name} (declared)" for name in _DECLARED if report[name]]
    counts = ("events", "missing", "duplicates", "conflicts")
    told = [f"{report[name]:,} {name}" for name in counts if report[name] is not None]
    but = ", but for what this device declared" if given_up else ""
    everything = "Everything" if report["ok"] else "NOT everything"
    return f"{everything} is in the cloud, once{but}. {', '.join([*told, *given_up])}"


def _number(value: int | None) -> str:
    return "" if value is None else f"{value:,}"

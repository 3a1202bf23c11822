"""`storeforward status`: how the running agent is."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.options import data_folder, data_option, json_option

__all__ = ["status"]

Status = dict[str, Any]  # Any: the JSON of GET /v1/status


@click.command(epilog="Exit code 0 when an agent answers, 1 when none does. Example: storeforward status --data ./data")
@data_option
@json_option
@click.pass_context
def status(context: click.Context, data: Path | None, *, as_json: bool) -> None:
    """Show what the running agent has stored, forwarded and still to send, and what needs somebody."""
    from agent.cli.agent_client import NoAgent  # noqa: PLC0415 - help texts need no HTTP client

    try:
        found = asyncio.run(_ask(data_folder(data).socket))
    except NoAgent as error:
        if not as_json:
            raise
        click.echo(json.dumps({"running": False, "problems": [str(error)]}))
        context.exit(EXIT_PROBLEM)
    if as_json:
        click.echo(json.dumps({"running": True, **found}))
    else:
        _print(found)


async def _ask(socket_path: Path) -> Status:
    from agent.cli.agent_client import AgentClient  # noqa: PLC0415 - help texts need no HTTP client

    async with AgentClient(socket_path) as client:
        found: Status = await client.get("/v1/status")
    return found


def _print(found: Status) -> None:
    from rich.console import Console  # noqa: PLC0415 - not for --json and help texts
    from rich.table import Table  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    console = Console(highlight=False)
    about = Table.grid(padding=(0, 2))
    for label, value in _facts(found):
        about.add_row(Text(label, style="bold"), Text(value))
    console.print(about)
    table = Table("stream", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for title in ("last", "acknowledged", "waiting"):
        table.add_column(title, justify="right")
    for stream in found["log"]["streams"]:
        if stream["head"]["sequence"]:
            places = (stream["head"]["sequence"], _acknowledged(stream), stream["waiting"])
            table.add_row(stream["stream"], *(f"{number:,}" for number in places))
    console.print()
    console.print(table if table.row_count else "No events yet.")
    for problem in found["problems"]:
        console.print(Text.assemble(("problem  ", "bold"), problem), soft_wrap=True)


def _facts(found: Status) -> list[tuple[str, str]]:
    link = found["link"]
    where = [
        f"{listener['address']}" if listener["state"] == "listening" else f"{listener['kind']}: failed"
        for listener in found["listeners"]
        if listener["state"] != "off"
    ]
    return [
        ("agent", f"{found['version']}, up {timedelta(seconds=int(found['uptime_s']))}"),
        ("device", f"{found['site']} / {found['device']}"),
        ("data", found["data_folder"]),
        ("epoch", found["log"]["epoch"]),
        ("listens on", ", ".join(where)),
        ("link", f"{link['state']} since {link['since'][:19]}Z, {link['broker']}"),
        ("waiting", f"{found['log']['waiting']:,} events"),
        ("products", f"{found['products']:,}"),
    ]


def _acknowledged(stream: Status) -> int:
    """Of the head's epoch; a cursor in an earlier one has acknowledged nothing of it."""
    cursor, head = stream["cursor"], stream["head"]
    return int(cursor["sequence"]) if cursor["epoch"] == head["epoch"] else 0

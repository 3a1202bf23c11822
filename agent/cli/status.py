"""`storeforward status`: how the running agent is."""

import asyncio
import json
import shutil
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.options import data_folder, data_option, json_option
from agent.clock import SystemClock, rfc3339
from agent.data_folder import DataFolder
from agent.errors import EnvironmentFault, PeerError

if TYPE_CHECKING:
    from agent.cli.status_view import Document

__all__ = ["status"]


@click.command(
    epilog="Exit code 0 when an agent answers, 1 when none does; --watch goes on without one. "
    "Examples: storeforward status --data ./data; storeforward status --watch --json | jq .log.waiting"
)
@click.option("-w", "--watch", is_flag=True, help="Look again each second, until Ctrl-C or q.")
@data_option
@json_option
@click.pass_context
def status(context: click.Context, data: Path | None, *, watch: bool, as_json: bool) -> None:
    """Show what the running agent has stored, forwarded and still to send, and what needs somebody."""
    from agent.cli.agent_client import NoAgent  # noqa: PLC0415 - help texts need no HTTP client

    folder = data_folder(data)
    if watch:
        _watch(folder, as_json=as_json)
        return
    try:
        found = asyncio.run(_ask(folder))
    except NoAgent as error:
        if not as_json:
            raise
        click.echo(json.dumps(_absent(error)))
        context.exit(EXIT_PROBLEM)
    if as_json:
        click.echo(json.dumps(found))
    else:
        _print(found)


def _watch(folder: DataFolder, *, as_json: bool) -> None:
    from agent.cli.status_watch import watch  # noqa: PLC0415 - not for one look

    async def ask() -> "Document":
        try:
            return await _ask(folder)
        except (EnvironmentFault, PeerError) as error:  # it may be back in a moment
            return _absent(error)

    asyncio.run(watch(ask, as_json=as_json))


async def _ask(folder: DataFolder) -> "Document":
    """The agent's document, the ledger's receipts, and what this machine says about the log's disk."""
    from agent.cli.agent_client import AgentCallRefused, AgentClient  # noqa: PLC0415 - help texts need no HTTP client

    async with AgentClient(folder.socket) as client:
        found: Document = await client.get("/v1/status")
        try:
            receipts = await client.get("/v1/receipts")
        except AgentCallRefused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            receipts = None
    return {"running": True, **found, "receipts": receipts, "disk": _disk(folder)}


def _disk(folder: DataFolder) -> dict[str, int] | None:
    """None where this user may talk to the agent, but not look into its folder."""
    try:
        files = [folder.log / "events.sqlite", folder.log / "events.sqlite-wal"]
        return {
            "log_bytes": sum(file.stat().st_size for file in files if file.exists()),
            "free_bytes": shutil.disk_usage(folder.log).free,
        }
    except OSError:
        return None


def _absent(error: Exception) -> dict[str, Any]:  # Any: the JSON of this command
    return {"at": rfc3339(SystemClock().wall()), "running": False, "problems": [str(error)]}


def _print(found: "Document") -> None:
    from rich.console import Console  # noqa: PLC0415 - not for --json and help texts

    from agent.cli.status_view import status_view  # noqa: PLC0415 - as above

    Console(highlight=False).print(status_view(found), soft_wrap=True)

"""`storeforward quarantine`: damaged events that were kept aside: list, look, try to mend, drop."""

import asyncio
import getpass
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from agent.cli.options import data_folder, data_option, json_option

__all__ = ["quarantine"]

Document = dict[str, Any]  # Any: the JSON of the API

number_argument = click.argument("number", type=click.IntRange(1))


@click.group()
def quarantine() -> None:
    """See what damaged events were kept aside, and mend or drop them, through the running agent.

    An event whose stored bytes no longer match their checksum is not sent. The cloud is told which sequence it was.
    Example: storeforward quarantine list
    """


@quarantine.command(name="list")
@data_option
@json_option
def list_(data: Path | None, *, as_json: bool) -> None:
    """List all events in quarantine, one a line.

    Example: storeforward quarantine list --json
    """
    found = asyncio.run(_call(data, "/v1/quarantine"))
    if as_json:
        click.echo(json.dumps(found))
        return
    for event in found["events"]:
        click.echo(_line(event))
    if not found["events"]:
        click.echo("Nothing is in quarantine.")


@quarantine.command()
@number_argument
@data_option
@json_option
def show(number: int, *, data: Path | None, as_json: bool) -> None:
    """Show what is left of event NUMBER.

    Example: storeforward quarantine show 1
    """
    found = asyncio.run(_call(data, f"/v1/quarantine/{number}"))
    click.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


@quarantine.command()
@number_argument
@data_option
@json_option
def retry(number: int, *, data: Path | None, as_json: bool) -> None:
    """Make event NUMBER whole, where one flipped bit is all that is wrong, and send it after all.

    Example: storeforward quarantine retry 1
    """
    found = asyncio.run(_call(data, f"/v1/quarantine/{number}/retry", wish=True))
    text = f"{found['stream']} {found['sequence']} is whole again and will be sent."
    click.echo(json.dumps(found) if as_json else text)


@quarantine.command()
@number_argument
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def drop(number: int, *, yes: bool, data: Path | None, as_json: bool) -> None:
    """Forget the bytes of event NUMBER for good. That it is lost, the cloud was told before.

    Example: storeforward quarantine drop 1 --yes
    """
    if not yes:
        click.confirm(f"Forget what is left of event {number} for good?", abort=True, err=True)
    found = asyncio.run(_call(data, f"/v1/quarantine/{number}/drop", wish=True))
    click.echo(json.dumps(found) if as_json else f"{found['stream']} {found['sequence']} was dropped.")


async def _call(data: Path | None, path: str, *, wish: bool = False) -> Document:
    from agent.cli.agent_client import AgentClient  # noqa: PLC0415 - help texts need no HTTP client

    async with AgentClient(data_folder(data).socket) as client:
        found: Document
        if wish:
            body = json.dumps({"by": getpass.getuser()}).encode()
            found = await client.post(path, body, "application/json")
        else:
            found = await client.get(path)
    return found


def _line(event: Document) -> str:
    what = "one bit flipped: retry mends it" if event["mendable"] else "cannot be mended"
    return f"{event['number']:>4}  {event['found'][:19]}Z  {event['stream']} {event['sequence']}  {event['id']}  {what}"


def _lines(event: Document) -> Iterator[str]:
    yield _line(event)
    yield f"      {event['size_bytes']:,} bytes:"
    yield "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in event["text"])

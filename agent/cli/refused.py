"""`storeforward refused`: the bodies of refused events that settings keep: list, look, drop."""

import json
from pathlib import Path
from typing import Any

import click

from agent.cli.options import data_folder, data_option, json_option
from agent.cli.terminal_text import printable
from agent.clock import SystemClock, rfc3339
from agent.errors import CallerError
from agent.refused_bodies import RefusedBodies, RefusedBody

__all__ = ["refused"]

number_argument = click.argument("number", type=click.IntRange(1))


class NothingKept(CallerError):
    """There is no refused body of that number."""


@click.group()
def refused() -> None:
    """See what producers sent that was refused. Kept only with events.keep_refused_days, up to 200 of them.

    They may hold personal data: drop what you have looked at. None with payment card data in it is ever kept.
    Example: storeforward refused list
    """


@refused.command(name="list")
@data_option
@json_option
def list_(data: Path | None, *, as_json: bool) -> None:
    """List what is kept, one a line, oldest first.

    Example: storeforward refused list --json
    """
    kept = _folder(data).list()
    if as_json:
        click.echo(json.dumps({"refused": [_document(body, head=False) for body in kept]}))
        return
    for body in kept:
        why = printable(body.problems[0]) if body.problems else body.refusal
        whose = f"{rfc3339(body.at)}  {printable(body.producer)}  {body.size_bytes:,} bytes"
        click.echo(f"{body.number:>6}  {whose}  {why}")
    if not kept:
        click.echo("Nothing is kept. events.keep_refused_days = 3 keeps what is refused from the next start on.")


@refused.command()
@number_argument
@data_option
@json_option
def show(number: int, *, data: Path | None, as_json: bool) -> None:
    """Show why call NUMBER was refused, and what it sent.

    Example: storeforward refused show 12
    """
    body = _folder(data).find(number)
    if body is None:
        raise NothingKept(f"no refused body {number} is kept here: storeforward refused list")
    if as_json:
        click.echo(json.dumps(_document(body, head=True)))
        return
    click.echo(f"{rfc3339(body.at)}  {printable(body.producer)}: {body.refusal}")
    for problem in body.problems:
        click.echo(f"  {printable(problem)}")
    more = body.size_bytes - len(body.head)
    for line in body.head.decode("utf-8", "replace").splitlines():
        click.echo(printable(line))
    if more:
        click.echo(f"… and {more:,} bytes more")


@refused.command()
@number_argument
@data_option
def drop(number: int, *, data: Path | None) -> None:
    """Forget call NUMBER.

    Example: storeforward refused drop 12
    """
    if not _folder(data).drop(number):
        raise NothingKept(f"no refused body {number} is kept here: storeforward refused list")
    click.echo(f"{number} was dropped.")


def _folder(data: Path | None) -> RefusedBodies:
    return RefusedBodies(data_folder(data).refused, days=0, clock=SystemClock())


def _document(body: RefusedBody, *, head: bool) -> dict[str, Any]:  # Any: JSON
    return body.model_dump(mode="json", exclude=None if head else {"head_base64"})

"""`storeforward refused`: what producers sent that was refused, where settings keep it: list, look, drop."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from agent.cli.options import data_folder, data_option, json_option
from agent.cli.terminal_text import escaped
from agent.clock import rfc3339
from agent.errors import CallerError
from agent.refused import RefusedBody, RefusedShelf

__all__ = ["refused"]

Document = dict[str, Any]  # Any: JSON

number_argument = click.argument("number", type=click.IntRange(1))


class NothingKept(CallerError):
    """There is no refused body of that number."""


@click.group()
def refused() -> None:
    """See what producers sent that was refused, where events.keep_refused_days keeps it; the last 200 at most.

    They may hold personal data: drop what you have looked at. What seems to hold payment card data is never kept.
    Example: storeforward refused list
    """


@refused.command(name="list")
@data_option
@json_option
def list_(data: Path | None, *, as_json: bool) -> None:
    """List what is kept, one a line, oldest first.

    Example: storeforward refused list --json
    """
    kept = _shelf(data).bodies()
    if as_json:
        click.echo(json.dumps({"refused": [_document(body) for body in kept]}))
        return
    for body in kept:
        click.echo(_line(body))
    if not kept:
        click.echo("Nothing is kept. With events.keep_refused_days = 3 in the settings, it is for three days.")


@refused.command()
@number_argument
@data_option
@json_option
def show(number: int, *, data: Path | None, as_json: bool) -> None:
    """Show why call NUMBER was refused, and the first 64 KiB of what it sent.

    Example: storeforward refused show 12
    """
    body = _shelf(data).find(number)
    if body is None:
        raise _nothing_kept(number)
    click.echo(json.dumps(_document(body) | _content(body)) if as_json else "\n".join(_lines(body)))


@refused.command()
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--all", "all_", is_flag=True, help="All that are kept, instead of one NUMBER.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
@json_option
def drop(number: int | None, *, all_: bool, yes: bool, data: Path | None, as_json: bool) -> None:
    """Forget call NUMBER, or --all of them, for good.

    Example: storeforward refused drop 12 --yes
    """
    if (number is None) is not all_:
        raise click.UsageError("name one NUMBER, or --all")
    if not yes:
        what = f"call {number}" if number else "all refused calls"
        click.confirm(f"Forget {what} for good?", abort=True, err=True)
    gone = _shelf(data).drop(number)
    if number and not gone:
        raise _nothing_kept(number)
    click.echo(json.dumps({"dropped": gone}) if as_json else f"{gone} dropped.")


def _shelf(data: Path | None) -> RefusedShelf:
    return RefusedShelf(data_folder(data).refused)


def _nothing_kept(number: int) -> NothingKept:
    return NothingKept(f"nothing is kept under {number}: storeforward refused list")


def _document(body: RefusedBody) -> Document:
    told = body.model_dump(mode="json", exclude={"format"})
    return {"number": body.number, **told}


def _content(body: RefusedBody) -> Document:
    """The bytes as text, or where they are none, in the way of CloudEvents."""
    try:
        return {"body": body.head.decode()}
    except UnicodeDecodeError:
        return {"body_base64": base64.b64encode(body.head).decode("ascii")}


def _line(body: RefusedBody) -> str:
    why = str(body.problems[0]) if body.problems else body.refusal
    return escaped(f"{body.number:>4}  {rfc3339(body.at)}  {body.producer}  {body.size_bytes:,} bytes  {why}")


def _lines(body: RefusedBody) -> Iterator[str]:
    yield escaped(f"{body.number:>4}  {rfc3339(body.at)}  {body.producer}, {body.peer}  {body.refusal}")
    for problem in body.problems:
        yield escaped(f"      {problem}")
    if body.withheld:
        yield f"      {body.size_bytes:,} bytes, which are not kept: they seem to hold {body.withheld}"
        return
    more = f", the first {body.head_bytes:,} of them" if body.head_bytes < body.size_bytes else ""
    yield f"      {body.size_bytes:,} bytes{more}:"
    yield from (escaped(line) for line in body.head.decode("utf-8", "backslashreplace").split("\n"))

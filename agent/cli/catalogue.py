"""`storeforward catalogue`: the products that the kiosk finds."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any, Final

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.options import data_folder, data_option, json_option
from agent.data_folder import DataFolder
from agent.errors import EnvironmentFault, Problem

__all__ = ["catalogue"]

UPLOAD_CHUNK_BYTES: Final = 262_144
IMPORT_TIMEOUT_S: Final = 900.0  # a million products on a slow card


@click.group()
def catalogue() -> None:
    """Fill the catalogue of products.

    Example: storeforward catalogue import products.csv
    """


@catalogue.command(
    name="import",
    epilog="FILE is CSV in UTF-8 with a first line of column names: sku, name, price, currency, and where known gtin, "
    "department, category, aisle, bay, stock. Products that it does not name stay as they are. "
    "Example: storeforward catalogue import products.csv --data ./data",
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@json_option
@click.pass_context
def import_(context: click.Context, file: Path, data: Path | None, *, as_json: bool) -> None:
    """Take the products of FILE, all or nothing, into a running or a stopped agent."""
    from agent.catalogue import CatalogueRefused  # noqa: PLC0415 - help texts need no SQLite
    from agent.cli.agent_client import AgentCallRefused, NoAgent  # noqa: PLC0415 - as above

    folder = data_folder(data)
    try:
        with _opened(file, show=not as_json) as source:
            try:
                counts = asyncio.run(_send(folder.socket, source, str(file)))
            except NoAgent:
                source.seek(0)
                counts = _write(folder, source, str(file))
    except (CatalogueRefused, AgentCallRefused) as refused:
        _tell_problems(refused.problems or [Problem("", str(refused))], as_json=as_json)
        context.exit(EXIT_PROBLEM)
    if as_json:
        click.echo(json.dumps(counts))
    else:
        click.echo(
            f"{counts['rows']:,} products read: {counts['added']:,} new, {counts['changed']:,} changed, "
            f"{counts['unchanged']:,} as before."
        )


@contextmanager
def _opened(file: Path, *, show: bool) -> Iterator[IO[bytes]]:
    """The file, with a progress bar over it where somebody watches."""
    from rich.console import Console  # noqa: PLC0415 - not for help texts
    from rich.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    progress = Progress(console=console, transient=True, disable=not (show and console.is_terminal))
    try:
        source = progress.open(file, "rb", description=file.name)
    except OSError as error:
        raise EnvironmentFault(f"cannot read {file}: {error.strerror}") from error
    with progress, source:
        yield source


async def _send(socket_path: Path, source: IO[bytes], name: str) -> dict[str, int]:
    from agent.cli.agent_client import AgentClient  # noqa: PLC0415 - not for help texts

    async def chunks() -> AsyncIterator[bytes]:
        while chunk := source.read(UPLOAD_CHUNK_BYTES):
            yield chunk

    async with AgentClient(socket_path) as client:
        counts: dict[str, int] = await client.post(
            "/v1/catalogue", chunks(), "text/csv", query={"name": name}, timeout_s=IMPORT_TIMEOUT_S
        )
    return counts


def _write(folder: DataFolder, source: IO[bytes], name: str) -> dict[str, int]:
    """Into the file of a stopped agent."""
    from agent.catalogue import Catalogue  # noqa: PLC0415 - not for help texts

    folder.create()
    file = folder.decide / "model.sqlite"
    with closing(Catalogue.open(file)) as opened:
        counts: dict[str, int] = opened.import_csv(source, name).model_dump()
    if os.geteuid() == 0:  # what root writes for a service has to be the service's
        owner = folder.decide.stat()
        for written in folder.decide.glob("model.sqlite*"):
            os.chown(written, owner.st_uid, owner.st_gid)
    return counts


def _tell_problems(problems: Sequence[Problem], *, as_json: bool) -> None:
    """One line each, beginning with file:line for people and editors."""
    found: list[dict[str, Any]] = [asdict(problem) for problem in problems]  # Any: asdict says so
    if as_json:
        click.echo(json.dumps({"problems": found}))
    else:
        click.echo("\n".join(map(str, problems)), err=True)
        click.echo("Nothing was taken.", err=True)

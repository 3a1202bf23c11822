"""`python -m sim.cloud`: the cloud twin as its own process. One ready line on stdout; SIGTERM or Ctrl-C ends it."""

import asyncio
import json
import logging
import signal
from pathlib import Path

import click

from agent.clock import SystemClock
from agent.errors import StoreforwardError
from agent.link.compression import ZSTD
from sim.broker import end_with_parent
from sim.cloud.ledger import Ledger
from sim.cloud.twin import CloudTwin

__all__: list[str] = []


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Broker host.")
@click.option("--port", default=1883, show_default=True, type=click.IntRange(1, 65_535), help="Broker port.")
@click.option("--ledger", required=True, type=click.Path(path_type=Path), help="SQLite file of the ledger.")
@click.option("--compression/--no-compression", default=True, show_default=True, help="Offer to read zstd.")
@click.option("--json", "as_json", is_flag=True, help="The ready line as JSON.")
@click.option("--parent", "parent_pid", type=int, help="Process to end with.")
def main(host: str, port: int, ledger: Path, parent_pid: int | None, *, compression: bool, as_json: bool) -> None:
    """Take events from a broker into a ledger and publish receipts, until SIGTERM."""
    if parent_pid is not None:
        end_with_parent(parent_pid)
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s")
    try:
        asyncio.run(_run(host, port, ledger, accepts=[ZSTD] if compression else [], as_json=as_json))
    except StoreforwardError as error:
        raise click.ClickException(str(error)) from error


async def _run(host: str, port: int, file: Path, *, accepts: list[str], as_json: bool) -> None:
    book = Ledger.open(file, SystemClock())
    try:
        twin = CloudTwin(book, host, port, accepts=accepts)
        serving = asyncio.create_task(twin.run(), name="cloud twin")
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, serving.cancel)
        connected = asyncio.create_task(twin.connected.wait(), name="ready")
        await asyncio.wait((serving, connected), return_when=asyncio.FIRST_COMPLETED)
        if connected.done():
            ready = {"ready": True, "broker": f"{host}:{port}", "ledger": str(file)}
            click.echo(json.dumps(ready) if as_json else f"cloud twin ready: broker {host}:{port}, ledger {file}")
        connected.cancel()
        await asyncio.wait((serving,))
        if not serving.cancelled():
            serving.result()
    finally:
        book.close()


if __name__ == "__main__":
    main()

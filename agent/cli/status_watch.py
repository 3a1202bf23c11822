"""`storeforward status --watch`: asks again each second, until Ctrl-C or q."""

import asyncio
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Protocol

import click
from rich.console import Console
from rich.live import Live

from agent.cli.pressed_keys import pressed_keys
from agent.cli.status_view import Document, status_line, status_view

__all__ = ["watch"]

INTERVAL_S = 1.0


class Show(Protocol):
    """Shows one document after the other."""

    def __call__(self, found: Document) -> None: ...


async def watch(ask: Callable[[], Awaitable[Document]], *, as_json: bool) -> None:
    """Show what `ask` finds: redrawn on a terminal, a line each second elsewhere, a document a line as JSON."""
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, ended.set)
    console = Console(highlight=False)
    if as_json or not console.is_terminal:
        await _until(ended, ask, _print_json if as_json else _print_line)
        return
    with Live(console=console, auto_refresh=False) as live, pressed_keys(sys.stdin.fileno(), _ends_with_q(ended)):
        await _until(ended, ask, lambda found: live.update(status_view(found), refresh=True))


async def _until(ended: asyncio.Event, ask: Callable[[], Awaitable[Document]], show: Show) -> None:
    while not ended.is_set():
        show(await ask())
        try:
            await asyncio.wait_for(ended.wait(), INTERVAL_S)
        except TimeoutError:
            continue


def _ends_with_q(ended: asyncio.Event) -> Callable[[str], None]:
    def pressed(key: str) -> None:
        if key in "qQ":
            ended.set()

    return pressed


def _print_json(found: Document) -> None:
    click.echo(json.dumps(found))


def _print_line(found: Document) -> None:
    click.echo(status_line(found))

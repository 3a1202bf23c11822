"""`storeforward tail`: the newest events of a log with how far each has come, read from the file itself."""

import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Final

import click

from agent.cli.event_choice import EventChoice, choice_of, stream_option, type_option
from agent.cli.event_line import event_json, event_line
from agent.cli.moment import moment
from agent.cli.options import data_folder, data_option, json_option
from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.log import START
from agent.log.reading.follower import LogFollower
from agent.log.reading.look import EVER, LogLook, SeenEvent, Window
from agent.log.reading.sweep import Unreadable, as_they_came, merged

__all__ = ["tail"]

EVENTS_SHOWN: Final = 20
EVENTS_SHOWN_MAX: Final = 100_000
POLL_S: Final = 0.2  # one look at a counter in shared memory

Show = Callable[[LogLook, SeenEvent], None]


@click.command(
    epilog="Times are when an event was recorded, in UTC. Works beside a running agent and without one. "
    "Examples: storeforward tail --follow; storeforward tail --type 'pos.*' --since 2h --json"
)
@type_option
@stream_option
@click.option(
    "--source", "sources", multiple=True, help="Only from this producer, also as a pattern, e.g. --source 'till-*'"
)
@click.option("--since", type=moment, help="Only events recorded from then on, e.g. --since 15m; shows all of them.")
@click.option(
    "-n",
    "--lines",
    type=click.IntRange(0, EVENTS_SHOWN_MAX),
    help=f"How many events at most, e.g. -n 100. Default: {EVENTS_SHOWN}, or all with --since.",
)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is recorded from now on; Ctrl-C ends it.")
@data_option
@json_option
def tail(
    *,
    types: tuple[str, ...],
    streams: tuple[str, ...],
    sources: tuple[str, ...],
    since: datetime | None,
    lines: int | None,
    follow: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Show the newest events, newest last: acknowledged by the cloud, still waiting, or damaged."""
    choice = choice_of(types, streams, sources)
    window = EVER if since is None else Window(from_ms=int(since.timestamp() * 1000))
    count = EVENTS_SHOWN if lines is None and since is None else lines
    show = _show_json if as_json else _show_line
    file = data_folder(data).log / "events.sqlite"
    with LogFollower(file, choice.streams or Stream, _tell_skipped) as follower:
        found = _all(follower.look, choice, window) if count is None else _newest(follower.look, choice, window, count)
        for event in found:
            show(follower.look, event)
        with suppress(KeyboardInterrupt):
            while follow:
                _show_news(follower, choice, show)


def _show_news(follower: LogFollower, choice: EventChoice, show: Show) -> None:
    for event in filter(choice.takes, follower.news()):
        show(follower.look, event)
    if follower.replaced:
        _tell(f"A new log file has taken the place of the one before, with epoch {follower.look.state.epoch}.")
    time.sleep(POLL_S)


def _all(look: LogLook, choice: EventChoice, window: Window) -> Iterator[SeenEvent]:
    """From the oldest on, without holding them."""
    return filter(choice.takes, merged(look, dict.fromkeys(_streams(look, choice), START), window, _tell_skipped))


def _newest(look: LogLook, choice: EventChoice, window: Window, count: int) -> list[SeenEvent]:
    """The last of all streams together; per stream no more are held than are shown."""
    found: list[SeenEvent] = []
    for stream in _streams(look, choice):
        newest = filter(choice.takes, look.newest_first(stream, look.end(stream), window))
        try:
            found.extend(islice(newest, count))  # what comes before damage stays
        except LogUnreadable as damage:
            _tell(f"{stream}: older events are not shown: {damage}")
    return sorted(found, key=as_they_came)[max(0, len(found) - count) :]


def _streams(look: LogLook, choice: EventChoice) -> list[Stream]:
    return [stream for stream in look.streams if not choice.streams or stream in choice.streams]


def _tell_skipped(part: Unreadable) -> None:
    _tell(str(part))


def _tell(text: str) -> None:
    click.echo(text, err=True)


def _show_line(look: LogLook, event: SeenEvent) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    click.echo(event_line(look, event, width))


def _show_json(look: LogLook, event: SeenEvent) -> None:
    click.echo(event_json(look, event))

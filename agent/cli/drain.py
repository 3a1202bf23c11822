"""`storeforward drain`: sends what waits, without pauses, and says when the cloud side has taken all of it."""

import asyncio
import json
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.drain_moment import Moment, Speed, moment_of
from agent.cli.options import data_folder, data_option, json_option
from agent.cli.size_text import size_text
from agent.cli.terminal_text import printable
from agent.cli.text_bar import text_bar
from agent.clock import Clock, SystemClock

if TYPE_CHECKING:
    from agent.cli.agent_client import AgentClient

__all__ = ["drain"]

LOOK_S: Final = 0.25
SPEED_LOOKS: Final = 20  # the speed that is shown is that of the last 5 s
LINE_S: Final = 5.0  # between two lines where there is no terminal

Document = dict[str, Any]  # Any: the JSON of /v1/status


class Show(Protocol):
    """Shows one moment of it."""

    def __call__(self, now: Moment, earlier: Moment) -> None: ...


@click.command()
@click.option("--progress", is_flag=True, help="Show rate, bytes and time left: a bar, or a line each 5 s in a file.")
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Give up watching after so many seconds, e.g. --timeout 600. Default: never.",
)
@data_option
@json_option
@click.pass_context
def drain(context: click.Context, timeout_s: float | None, data: Path | None, *, progress: bool, as_json: bool) -> None:
    """Send all that waits now, and wait until the broker has acknowledged it: before a box is moved or replaced.

    The running agent connects at once and tries again what is parked. What is recorded meanwhile is not waited for.
    Exit code 0 only when nothing recorded before is left here. Example: storeforward drain --progress
    """
    moments: deque[Moment] = deque(maxlen=SPEED_LOOKS)
    try:
        with _shown(progress=progress) as show:
            asyncio.run(_drain(data, timeout_s, show, moments))
    except KeyboardInterrupt:
        if not moments:
            raise
    last = moments[-1]
    if as_json:
        click.echo(json.dumps(_document(last)))
    else:
        for line in _sentences(last):
            click.echo(line)
    context.exit(EXIT_PROBLEM if last.left or last.parked else 0)


async def _drain(data: Path | None, timeout_s: float | None, show: Show, moments: deque[Moment]) -> None:
    """Follow it to its end, over at least one moment; the last ones are in `moments`."""
    from agent.cli.agent_client import AgentClient  # noqa: PLC0415 - help texts need no HTTP client

    clock: Clock = SystemClock()
    async with AgentClient(data_folder(data).socket) as client:
        goal = now = await client.post("/v1/drain", b"", "")
        began_s = clock.monotonic_s()
        while True:
            moment = moment_of(goal, now, clock.monotonic_s() - began_s)
            moments.append(moment)
            show(moment, moments[0])
            if moment.is_over or (timeout_s is not None and moment.took_s >= timeout_s):
                break
            await asyncio.sleep(LOOK_S)
            now = await client.get("/v1/status")
        if moment.unheard and await _ledger_speaks(client):
            moments.append(replace(moment, unheard=0))  # what it lacks is sent again by itself


async def _ledger_speaks(client: "AgentClient") -> bool:
    """Whether the cloud's ledger has been heard since the agent's start."""
    from agent.cli.agent_client import AgentCallRefused  # noqa: PLC0415 - as above

    try:
        await client.get("/v1/receipts")
    except AgentCallRefused as refused:
        if refused.status != HTTPStatus.NOT_FOUND:
            raise
        return False
    return True


# --- what is told ---------------------------------------------------------------------------------------------------


@contextmanager
def _shown(*, progress: bool) -> Iterator[Show]:
    from rich.console import Console  # noqa: PLC0415 - not for help texts

    console = Console(stderr=True, highlight=False)
    if not progress or not console.is_terminal:
        yield _lines(console.print) if progress else lambda *_: None
        return
    with text_bar(console, "asking the agent") as bar:
        yield lambda now, earlier: bar(now.sent, now.total, _line(now, earlier))


def _lines(tell: Any) -> Show:  # Any: print of one text
    told_s = -LINE_S

    def show(now: Moment, earlier: Moment) -> None:
        nonlocal told_s
        if now.took_s - told_s >= LINE_S:
            told_s = now.took_s
            tell(_line(now, earlier), soft_wrap=True, markup=False)

    return show


def _line(now: Moment, earlier: Moment) -> str:
    done = f"{now.sent:,} of {now.total:,} events"
    if now.link != "online":
        return f"{done}; link {now.link}{f': {printable(now.reason)}' if now.reason else ''}"
    speed = now.speed(earlier)
    text = f"{done}, {_told(speed)}"
    return f"{text}, about {_duration(now.left / speed.events_per_s)} left" if speed.events_per_s > 0 else text


def _sentences(last: Moment) -> Iterator[str]:
    if not last.total:
        yield "Nothing waited: the broker has acknowledged everything that was recorded."
    elif not last.left:
        yield (
            f"All {last.total:,} events that waited are acknowledged: {size_text(last.bytes_sent)} in"
            f" {_duration(last.took_s)}, {_told(last.speed())}. storeforward reconcile asks the cloud's ledger."
        )
    else:
        why = f": {printable(last.reason)}" if last.reason else ""
        yield (
            f"{last.left:,} of {last.total:,} events are still here after {_duration(last.took_s)}. They leave by"
            f" themselves; the link is {last.link}{why}"
        )
    if last.parked:
        yield f"{last.parked:,} events are parked, as the broker does not take them: storeforward status says why."
    if last.unheard and not last.left:
        yield (
            f"But nobody subscribes to what is published ({last.unheard:,} times so far): the broker has forgotten it."
            " Once the cloud side runs, storeforward replay --from TIME sends it again."
        )


def _told(speed: Speed) -> str:
    return f"{speed.events_per_s:,.0f} events/s, {size_text(speed.bytes_per_s)}/s"


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3_600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"


def _document(last: Moment) -> Document:
    return {
        "drained": not last.left,
        "events": last.sent,
        "bytes": last.bytes_sent,
        "seconds": round(last.took_s, 3),
        "events_per_s": round(last.speed().events_per_s, 1),
        "left": last.left,
        "parked": last.parked,
        "unheard": last.unheard,
        "link": last.link,
        "reason": last.reason,
    }

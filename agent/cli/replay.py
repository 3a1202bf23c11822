"""`storeforward replay`: delivered events of some time sent to the cloud once more, by the running agent."""

import asyncio
import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.event_choice import stream_option
from agent.cli.moment import moment
from agent.cli.options import data_folder, data_option, json_option
from agent.cli.text_bar import text_bar
from agent.clock import SystemClock
from agent.errors import EnvironmentFault, PeerError

if TYPE_CHECKING:
    from agent.cli.agent_client import AgentClient
    from agent.cli.replay_view import Document

__all__ = ["replay"]

PATH: Final = "/v1/replay"
JSON: Final = "application/json"
SEARCH_TIMEOUT_S: Final = 300.0
POLL_S: Final = 0.3
PLAIN_LINE_EVERY_S: Final = 10.0
_LEFT_RUNNING: Final = (
    "The agent goes on sending: storeforward replay shows how far it is, storeforward replay --stop ends it."
)

Show = Callable[["Document"], None]


class ReplayForgotten(EnvironmentFault):
    """The agent that was sending has ended."""


@click.command(
    epilog="Without --from, shows the replay that is going, or the last one. Exit code 1 when not everything was sent. "
    "Examples: storeforward replay --from 2026-03-02T10:00Z --to 2026-03-02T12:00Z --dry-run; "
    "storeforward replay --from 2h --stream sales"
)
@click.option("--from", "from_", type=moment, help="Events recorded from then on, e.g. --from 2h or --from 2026-03-02.")
@click.option("--to", type=moment, help="Events recorded before then, e.g. --to 2026-03-02T12:00Z. Default: now.")
@stream_option
@click.option("--dry-run", is_flag=True, help="Say what would be sent, and send nothing.")
@click.option("--stop", is_flag=True, help="End the replay that is going.")
@data_option
@json_option
@click.pass_context
def replay(
    context: click.Context,
    *,
    from_: datetime | None,
    to: datetime | None,
    streams: tuple[str, ...],
    dry_run: bool,
    stop: bool,
    data: Path | None,
    as_json: bool,
) -> None:
    """Have the running agent send delivered events once more, e.g. when the cloud lost them: nothing counts twice."""
    from agent.cli.replay_view import asked_line, is_whole, plan_lines, result_lines  # noqa: PLC0415 - not for help texts

    wish = None if from_ is None else _wish(from_, to, streams, dry_run=dry_run)
    if wish is None and (to or streams or dry_run):
        raise click.UsageError("--to, --stream and --dry-run go with --from.")
    if wish and stop:
        raise click.UsageError("--stop goes alone: it ends the replay that is going.")

    begun: list[bool] = []

    def told(found: "Document") -> None:
        begun.append(found["state"] == "sending")
        if wish is None and not as_json:
            click.echo(asked_line(found))
        for line in () if as_json else plan_lines(found):
            click.echo(line)

    try:
        found = asyncio.run(_serve(data, wish, told, stop=stop, as_json=as_json))
    except KeyboardInterrupt:
        click.echo(_LEFT_RUNNING if any(begun) else "Nothing was begun.", err=True)
        context.exit(EXIT_PROBLEM)
    if as_json:
        click.echo(json.dumps(found))
    for line in () if as_json else result_lines(found):
        click.echo(line)
    context.exit(0 if stop or is_whole(found) else EXIT_PROBLEM)


def _wish(from_: datetime, to: datetime | None, streams: tuple[str, ...], *, dry_run: bool) -> "Document":
    before = to or SystemClock().wall()
    if from_ >= before:
        raise click.UsageError("--from has to be before --to, which is now if nothing is said.")
    span = {"from": from_.isoformat(), "to": before.isoformat()}
    return {**span, "streams": list(streams), "dry_run": dry_run, "by": getpass.getuser()}


async def _serve(data: Path | None, wish: "Document | None", told: Show, *, stop: bool, as_json: bool) -> "Document":
    """What the agent says in the end."""
    from agent.cli.agent_client import AgentClient  # noqa: PLC0415 - help texts need no HTTP client

    async with AgentClient(data_folder(data).socket) as client:
        found: Document
        if stop:
            found = await client.post(f"{PATH}/stop", b"", JSON)
            return found
        if wish is None:
            found = await client.get(PATH)
        else:
            found = await client.post(PATH, json.dumps(wish).encode(), JSON, timeout_s=SEARCH_TIMEOUT_S)
        told(found)
        with _progress(found, show=not as_json) as show:
            return await _follow(client, found, show)


async def _follow(client: "AgentClient", found: "Document", show: Show) -> "Document":
    from agent.cli.agent_client import AgentCallRefused, NoAgent  # noqa: PLC0415 - as above

    asked = found["asked"]
    while found["state"] == "sending":
        show(found)
        await asyncio.sleep(POLL_S)
        try:
            found = await client.get(PATH)
        except (NoAgent, PeerError) as gone:
            raise _forgotten(found) from gone
        except AgentCallRefused as refused:
            if refused.status != HTTPStatus.NOT_FOUND:
                raise
            raise _forgotten(found) from refused
        if found["asked"] != asked:
            raise _forgotten(found)
    return found


def _forgotten(found: "Document") -> ReplayForgotten:
    return ReplayForgotten(
        f"the agent has ended or was started anew, with {found['sent']:,} of {found['events']:,} events sent: it does "
        "not remember replays. Ask again once it runs; what comes twice counts once"
    )


@contextmanager
def _progress(found: "Document", *, show: bool) -> Iterator[Show]:
    """A bar where somebody watches, else a line now and then."""
    from rich.console import Console  # noqa: PLC0415 - not for help texts

    from agent.cli.replay_view import progress_line  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    if not show or not console.is_terminal:
        yield _plain_lines(progress_line) if show else lambda _: None
        return
    with text_bar(console, "sending again", found["events"]) as bar:
        yield lambda now: bar(now["sent"], now["events"], progress_line(now))


def _plain_lines(line_of: Callable[["Document"], str]) -> Show:
    clock = SystemClock()
    last: list[tuple[str, float]] = []

    def show(found: "Document") -> None:
        now_s = clock.monotonic_s()
        if last and last[-1][0] == found["waits"] and now_s - last[-1][1] < PLAIN_LINE_EVERY_S:
            return
        last[:] = [(found["waits"], now_s)]
        click.echo(line_of(found), err=True)

    return show

"""`storeforward restore`: puts a backup in the place of a stopped agent's event log."""

import json
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

import click

from agent.cli.backup import findings_as_json, progress_bars, tell_findings
from agent.cli.options import data_folder, data_option, json_option
from agent.clock import IdFactory, SystemClock, system_random
from agent.errors import EnvironmentFault

if TYPE_CHECKING:
    from agent.log.copies.holdings import Difference

__all__ = ["restore"]


class NotRestored(EnvironmentFault):
    """Nobody said yes."""


@click.command(
    epilog="The present log is not deleted: it goes to log/old/ in the data folder. A new epoch begins. "
    "Example: storeforward restore /media/usb/monday.sqlite --yes"
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@data_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
def restore(file: Path, data: Path | None, *, yes: bool, as_json: bool) -> None:
    """Make FILE, a backup, the event log of a stopped agent."""
    from agent.log import CLOUD  # noqa: PLC0415 - help texts need no SQLite
    from agent.log.copies.restore import Restoration  # noqa: PLC0415 - as above

    folder = data_folder(data)
    _make_folder(folder.path, folder.log)
    clock = SystemClock()
    with progress_bars("copying", "checking", show=not as_json) as (copying, checking):
        restoration = Restoration.prepare(folder.log, file.absolute(), copying=copying, checking=checking)
    with closing(restoration):
        difference = restoration.difference(CLOUD) if restoration.present else None
        if not as_json:
            tell_findings(restoration.findings)
        if restoration.present:
            _ask(_question(difference), yes=yes)
        restored = restoration.commit(clock=clock, new_id=IdFactory(clock.wall, system_random()))
    if as_json:
        told = {
            "epoch": restored.epoch,
            "put_aside": str(restored.aside) if restored.aside else None,
            "not_in_backup": difference.events if difference else None,
            "not_in_backup_unsent": difference.unread if difference else None,
        }
        click.echo(json.dumps({**told, **findings_as_json(restoration.findings)}))
        return
    if restored.aside:
        click.echo(f"The log that was here lies in {restored.aside}.")
    click.echo(f"Restored: {sum(restoration.findings.events.values()):,} events. Epoch {restored.epoch} begins.")


def _make_folder(data: Path, log: Path) -> None:
    """For a box that never ran: the folders, of the same owner as what is around them."""
    from agent.private_file import give_to_owner  # noqa: PLC0415 - not for help texts

    try:
        for one in (data, log):
            if not one.is_dir():
                one.mkdir(mode=0o750, parents=True)
                give_to_owner(one, one.parent)
    except OSError as error:
        raise NotRestored(f"cannot make {error.filename}: {error.strerror}; check its owner, or use --data") from error


def _question(difference: "Difference | None") -> str:
    """What the present log has that will not be in it afterwards."""
    if difference is None:
        return "The present log cannot be read: what it holds beyond the backup is not known."
    if not difference.events:
        return "The present log holds nothing that the backup does not hold."
    unsent = f"of these {difference.unread:,} not sent to the cloud yet"
    text = f"The present log holds {difference.events:,} events that the backup does not hold, {unsent}."
    return (
        text if difference.related else f"{text} The two have no epoch in common: is it the backup of another device?"
    )


def _ask(question: str, *, yes: bool) -> None:
    if yes:
        click.echo(question, err=True)
    elif not sys.stdin.isatty():
        raise NotRestored(f"{question} Nothing was changed: say --yes to put it aside and restore the backup")
    else:
        click.confirm(f"{question} Put it aside and restore the backup?", abort=True, err=True)

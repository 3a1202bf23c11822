"""`storeforward learn`: warms a stopped agent's decisions from past sales."""

import asyncio
import importlib.util
import json
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from agent.cli.options import data_folder, data_option, json_option
from agent.data_folder import DataFolder
from agent.errors import EnvironmentFault

if TYPE_CHECKING:
    from agent.decide.history import SoldBasket, SoldLine

__all__ = ["HistoryAbsent", "learn"]

BASKETS_PER_STEP: Final = 1_000
SHOWN_EVERY_LINES: Final = 10_000
_DAY: Final = click.DateTime(["%Y-%m-%d"])

Advance = Callable[[int, int | None], None]
"""How much of the history is read, and of how much where that is known."""


class HistoryAbsent(EnvironmentFault):
    """A history that is not there or cannot be read; `str()` says what to do."""


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which part of the history: days in UTC, the last one not included."""

    file: Path | None
    before_s: float | None
    store: int | None


@click.command(
    epilog="FILE is CSV in UTF-8 with ts,basket,customer,sku,qty,price; a basket that was learned before counts once. "
    "Example: storeforward learn --history sales.csv --data ./data"
)
@click.option(
    "--history",
    "file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Past sales of this shop, e.g. --history sales.csv",
)
@click.option("--complete-journey", is_flag=True, help="The Complete Journey data, where it is installed.")
@click.option("--store", type=int, help="Only this store of Complete Journey, e.g. --store 367")
@click.option("--before", type=_DAY, help="Only sales before this day (UTC), e.g. --before 2017-12-18")
@data_option
@json_option
def learn(
    *,
    file: Path | None,
    complete_journey: bool,
    store: int | None,
    before: datetime | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Learn from past sales, so that suggestions are good from the first day."""
    if complete_journey == (file is not None):
        raise click.UsageError("Give one of --history and --complete-journey.")
    if store is not None and not complete_journey:
        raise click.UsageError("--store needs --complete-journey: a history file is one shop's.")
    from agent.log.lock import StoreLock  # noqa: PLC0415 - help texts need none of it

    folder = data_folder(data)
    folder.create()
    lock = StoreLock.take(folder.log)  # a running agent is the tables' one writer
    try:
        before_s = before.replace(tzinfo=UTC).timestamp() if before else None
        told = _learn(folder, _Choice(file, before_s, store))
    finally:
        lock.release()
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(
            f"{told['baskets']:,} baskets read, {told['new']:,} of them new; "
            f"{told['products']:,} products have neighbours ({told['model']})."
        )


def _learn(folder: DataFolder, choice: _Choice) -> dict[str, int | str]:
    from agent.clock import ShopClock, SystemClock  # noqa: PLC0415 - as above
    from agent.decide import FILE_NAME, BoughtBasket, LearnedTables, ModelKeeper, basket_key  # noqa: PLC0415 - as above
    from agent.decide.history import group_lines  # noqa: PLC0415 - as above
    from agent.tills.pseudonyms import Pseudonyms  # noqa: PLC0415 - as above

    pseudonyms = Pseudonyms.open(folder.identity)
    machine = SystemClock()
    ends_s = choice.before_s or machine.wall().timestamp()  # so that a simulated day finds a model of its own time

    def fact(sold: "SoldBasket") -> BoughtBasket:
        customer = pseudonyms.pseudonym(sold.customer) if sold.customer is not None else None
        key = basket_key("history", str(sold.store), sold.id)
        return BoughtBasket(key, min(sold.at_s, ends_s), sold.skus, customer)

    file = folder.decide / FILE_NAME
    with closing(LearnedTables.open(file)) as tables:
        baskets = new = 0
        with _progress() as advance:
            sold = map(fact, group_lines(_lines(choice, advance)))
            while step := list(islice(sold, BASKETS_PER_STEP)):
                baskets += len(step)
                new += tables.take(step)
                while tables.prune():
                    pass
        clock = ShopClock(datetime.fromtimestamp(ends_s, UTC), machine.monotonic_s(), speed=1.0)
        keeper = ModelKeeper(tables, clock)
        model = asyncio.run(keeper.solve()) if new or tables.model() is None else tables.model()
    assert model is not None
    _give_to_owner(folder)
    return {"baskets": baskets, "new": new, "products": model.items, "model": model.version}


def _lines(choice: _Choice, advance: Advance) -> Iterator["SoldLine"]:
    source = _csv_lines(choice.file, advance) if choice.file else _complete_journey_lines(advance)
    for line in source:
        in_time = choice.before_s is None or line.at_s < choice.before_s
        if in_time and (choice.store is None or line.store == choice.store):
            yield line


def _csv_lines(file: Path, advance: Advance) -> Iterator["SoldLine"]:
    from agent.decide.history import read_history  # noqa: PLC0415 - as above

    try:
        size_bytes = file.stat().st_size
        with file.open("rb") as source, TextIOWrapper(source, encoding="utf-8-sig", newline="") as text:
            yield from _counted(read_history(text, str(file)), lambda _: advance(source.tell(), size_bytes))
    except OSError as error:
        raise HistoryAbsent(f"cannot read {file}: {error.strerror}") from error


def _complete_journey_lines(advance: Advance) -> Iterator["SoldLine"]:
    if importlib.util.find_spec("sim") is None:
        raise HistoryAbsent("the Complete Journey data is for simulations: pip install 'storeforward[sim]'")
    from sim.evaluate.complete_journey import LINES, sold_lines  # noqa: PLC0415 - the simulator is an extra
    from sim.store.complete_journey import find_dataset  # noqa: PLC0415 - as above

    yield from _counted(sold_lines(find_dataset()), lambda number: advance(number, LINES))


def _counted(lines: Iterable["SoldLine"], tell: Callable[[int], None]) -> Iterator["SoldLine"]:
    for number, line in enumerate(lines):
        if number % SHOWN_EVERY_LINES == 0:
            tell(number)
        yield line


@contextmanager
def _progress() -> Iterator[Advance]:
    """A progress bar where somebody watches."""
    from rich.console import Console  # noqa: PLC0415 - not for help texts
    from rich.progress import Progress  # noqa: PLC0415 - as above

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("learning", total=None)

        def advance(done: int, total: int | None) -> None:
            progress.update(task, completed=done, total=total)

        yield advance


def _give_to_owner(folder: DataFolder) -> None:
    """What root writes for a service has to be the service's."""
    if os.geteuid() == 0:
        owner = folder.decide.stat()
        for written in (*folder.decide.glob("learned.sqlite*"), *folder.identity.glob("customer.key")):
            os.chown(written, owner.st_uid, owner.st_gid)

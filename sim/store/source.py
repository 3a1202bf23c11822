"""Where a simulated day's sales come from: the user's CSV file, else Complete Journey, else the seeded generator."""

from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from agent.errors import Problem
from sim.store import complete_journey, csv_file
from sim.store.baskets import SalesSource
from sim.store.errors import SourceRefused
from sim.store.generator import BASKETS_DEFAULT, generate

__all__ = ["SourceOptions", "open_source"]


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What the user chose; the defaults are the default day.

    `time_zone` and `currency` are those of a CSV file; `baskets` is for the generator; `dataset_folder` is where the
    Complete Journey files lie, None where they are not installed; `cache_folder` keeps what was converted from them.
    """

    data_file: Path | None = None
    store: int | None = None
    from_day: date | None = None
    to_day: date | None = None
    seed: int = 1
    baskets: int = BASKETS_DEFAULT
    time_zone: str = "UTC"
    currency: str = "EUR"
    cache_folder: Path | None = None
    dataset_folder: Path | None = field(default_factory=complete_journey.find_dataset)


def open_source(options: SourceOptions) -> SalesSource:
    """The sales to replay; `name` says which they are.

    Raises:
        SourceRefused: for a file or a choice without usable sales.
        DatasetAbsent: for a store or days of Complete Journey where it is not installed.
    """
    if options.data_file is not None:
        if options.store is not None:
            raise SourceRefused(Problem("--store", "given together with --data", "one of them: a file has one shop"))
        return csv_file.load(
            options.data_file,
            time_zone=options.time_zone,
            currency=options.currency,
            from_day=options.from_day,
            to_day=options.to_day,
        )
    wishes = (options.store, options.from_day, options.to_day)
    if options.dataset_folder is None and all(wish is None for wish in wishes):
        return generate(options.seed, baskets=options.baskets)
    return complete_journey.load(options.dataset_folder, _choice(options), options.cache_folder)


def _choice(options: SourceOptions) -> complete_journey.Choice:
    """One day given alone means that day; none given means the default week."""
    first = options.from_day or options.to_day or complete_journey.DEFAULT_FROM
    last = options.to_day or options.from_day or complete_journey.DEFAULT_TO
    return complete_journey.Choice(options.store, first, last)

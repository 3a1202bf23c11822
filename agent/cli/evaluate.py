"""`storeforward evaluate`: how good suggestions are on baskets that no model has seen, beside what is to be beaten."""

import importlib.util
import json
from datetime import date, datetime
from pathlib import Path
from typing import Final

import click

from agent.cli.options import json_option
from agent.errors import EnvironmentFault

__all__ = ["EvaluationExtraMissing", "evaluate"]

_DAY: Final = click.DateTime(["%Y-%m-%d"])


class EvaluationExtraMissing(EnvironmentFault):
    """A package that only evaluation needs is not installed; `str()` says how to get it."""


@click.command(
    epilog="FILE is CSV in UTF-8 with ts,basket,customer,sku,qty,price. What is before the split teaches, what is "
    "after it asks. Example: storeforward evaluate --complete-journey --json"
)
@click.option("--complete-journey", is_flag=True, help="The Complete Journey data, split at 2017-12-01.")
@click.option(
    "--data",
    "data_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Sales from a CSV file, e.g. --data sales.csv",
)
@click.option("--split", "split_day", type=_DAY, help="First day (UTC) that asks, e.g. --split 2026-03-01")
@click.option(
    "--min-baskets",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Baskets before the split that put a product into the catalogue, e.g. --min-baskets 20",
)
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="Which baskets are asked, e.g. --seed 7"
)
@click.option(
    "--dump",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write each question's id, what it gave and the ten products, one JSON line each, e.g. --dump answers.jsonl",
)
@click.option("--no-stores", is_flag=True, help="Leave out the rows of single stores.")
@json_option
def evaluate(
    *,
    complete_journey: bool,
    data_file: Path | None,
    split_day: datetime | None,
    min_baskets: int,
    seed: int,
    dump: Path | None,
    no_stores: bool,
    as_json: bool,
) -> None:
    """Compare the suggestions with popularity, association rules, personal favourites and EASE."""
    if complete_journey == (data_file is not None):
        raise click.UsageError("Give one of --complete-journey and --data.")
    if data_file is not None and split_day is None:
        raise click.UsageError("--data needs --split.")
    if importlib.util.find_spec("numpy") is None:
        raise EvaluationExtraMissing("evaluation needs numpy: pip install 'storeforward[sim]'")
    from sim.evaluate.command import (  # noqa: PLC0415 - the simulator is an extra
        COMPLETE_JOURNEY_SPLIT,
        EvaluateOptions,
        run_evaluation,
    )

    split: date = split_day.date() if split_day else COMPLETE_JOURNEY_SPLIT
    document = run_evaluation(
        EvaluateOptions(data_file, split, seed, min_baskets, dump, stores=not no_stores, as_json=as_json)
    )
    if as_json:
        click.echo(json.dumps(document, indent=2))

"""`storeforward demo`: a store day on real sales, from the scan to the cloud's ledger, over a network that fails."""

import asyncio
import importlib.util
from datetime import datetime
from pathlib import Path
from typing import Final

import click
from platformdirs import user_cache_path

from agent.cli import EXIT_PROBLEM
from agent.cli.options import has_display, json_option
from agent.errors import EnvironmentFault

__all__ = ["DemoExtraMissing", "check_demo_extra", "demo"]

DURATION_DEFAULT_S: Final = 75.0
OUTAGE_DEFAULT_S: Final = 8.0
EXIT_INTERRUPTED: Final = 130  # as a shell has it: 128 + SIGINT
_DAY: Final = click.DateTime(["%Y-%m-%d"])


class DemoExtraMissing(EnvironmentFault):
    """The simulator's packages are not installed; `str()` says how to get them."""


@click.command(
    epilog="Examples: storeforward demo; storeforward demo --headless --json; "
    "storeforward demo --store 367 --from 2017-03-06 --to 2017-03-12; storeforward demo --data sales.csv. "
    "Exit code 0 only if every promise was kept."
)
@click.option(
    "--data",
    "data_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Sales from a CSV file with ts,basket,customer,sku,qty,price, e.g. --data sales.csv",
)
@click.option("--store", type=int, help="One store of Complete Journey as it was, e.g. --store 367")
@click.option("--from", "from_day", type=_DAY, help="First day, e.g. --from 2017-03-06")
@click.option("--to", "to_day", type=_DAY, help="Last day, e.g. --to 2017-03-12")
@click.option(
    "--seed", type=click.IntRange(0), default=1, show_default=True, help="All that is random follows it, e.g. --seed 7"
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(10, 86_400),
    help=f"Seconds in which the day is played, e.g. --duration 120. Default: {DURATION_DEFAULT_S:.0f}",
)
@click.option(
    "--speed",
    type=click.FloatRange(1, 100_000),
    help="Or: at most so many times faster than real, e.g. --speed 600",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo-report"),
    show_default=True,
    help="Folder for the report and the data, e.g. --out ./day",
)
@click.option(
    "--broker",
    type=click.Choice(["iotcore", "mosquitto"]),
    default="iotcore",
    show_default=True,
    help="Which broker to start, e.g. --broker mosquitto",
)
@click.option(
    "--network",
    type=click.Choice(["3g", "satellite"]),
    help="What the line to the cloud is like, e.g. --network satellite. Default: without a fault.",
)
@click.option(
    "--outage",
    "outage_s",
    type=click.FloatRange(5, 600),
    default=OUTAGE_DEFAULT_S,
    show_default=True,
    help="Seconds without network, e.g. --outage 20",
)
@click.option("--kill-agent", is_flag=True, help="Also kill the agent (SIGKILL) in mid-sale and start it again.")
@click.option("--headless", is_flag=True, help="No live view: a line of progress now and then.")
@json_option
@click.pass_context
def demo(  # one parameter per option
    ctx: click.Context,
    data_file: Path | None,
    store: int | None,
    from_day: datetime | None,
    to_day: datetime | None,
    seed: int,
    duration_s: float | None,
    speed: float | None,
    out: Path,
    broker: str,
    network: str | None,
    outage_s: float,
    *,
    kill_agent: bool,
    headless: bool,
    as_json: bool,
) -> None:
    """Play a store day on real sales, and prove that nothing got lost and nothing came twice."""
    _check_pace(duration_s, speed, outage_s)
    check_demo_extra()
    from sim.demo.command import DemoOptions, run_demo  # noqa: PLC0415 - the simulator is an extra
    from sim.store.source import SourceOptions  # noqa: PLC0415 - as above

    options = DemoOptions(
        source=SourceOptions(
            data_file=data_file,
            store=store,
            from_day=from_day and from_day.date(),
            to_day=to_day and to_day.date(),
            seed=seed,
            cache_folder=user_cache_path("storeforward"),
        ),
        seed=seed,
        duration_s=duration_s or DURATION_DEFAULT_S,
        speed=speed,
        out=out.absolute(),
        broker=broker,
        outage_s=outage_s,
        kill_agent=kill_agent,
        headless=headless,
        as_json=as_json,
        network=network,
        has_display=has_display(),
    )
    try:
        ctx.exit(0 if asyncio.run(run_demo(options)) else EXIT_PROBLEM)
    except KeyboardInterrupt:
        click.echo(f"Stopped. What there was until now lies in {options.out}, without a summary.", err=True)
        ctx.exit(EXIT_INTERRUPTED)


def _check_pace(duration_s: float | None, speed: float | None, outage_s: float) -> None:
    if duration_s is not None and speed is not None:
        raise click.UsageError("--duration and --speed both set the pace: give one of them.")
    if speed is None and outage_s >= (duration_s or DURATION_DEFAULT_S):
        raise click.UsageError("--outage is longer than the day: make it shorter, or --duration longer.")


def check_demo_extra() -> None:
    """Say which packages of the simulator are missing.

    Raises:
        DemoExtraMissing
    """
    missing = [name for name in ("aiomqtt", "iotcore", "matplotlib") if importlib.util.find_spec(name) is None]
    if missing:
        raise DemoExtraMissing(f"the demo needs {', '.join(missing)}: pip install 'storeforward[sim]'")

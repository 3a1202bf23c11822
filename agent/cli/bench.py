"""`storeforward bench`: what this machine gives, each figure beside its ceiling from the same run."""

import json
from dataclasses import asdict

import click

from agent.cli.options import json_option

__all__ = ["bench"]


@click.group()
def bench() -> None:
    """Measure this machine: medians of repeated runs, each beside its ceiling.

    Example: storeforward bench bridge --quick
    """


@bench.command(name="bridge")
@click.option("--quick", is_flag=True, help="Half a minute instead of three; its rare cases are the worst of few.")
@json_option
def bridge_(*, quick: bool, as_json: bool) -> None:
    """Measure the serial bridge: codec, acknowledgements and stops under a busy interpreter, orders taken.

    Example: storeforward bench bridge --json
    """
    from agent.clock import SystemClock  # noqa: PLC0415 - help texts need none of this
    from sim.bench.bridge import bridge_benchmarks  # noqa: PLC0415 - as above
    from sim.bench.figure import Effort  # noqa: PLC0415 - as above
    from sim.bench.view import show, with_progress  # noqa: PLC0415 - as above

    benchmarks = bridge_benchmarks(Effort.quick() if quick else Effort(), SystemClock())
    if as_json:
        click.echo(json.dumps([asdict(measure()) for measure in benchmarks.values()], indent=2))
        return
    show(with_progress(benchmarks))

"""`storeforward bench`: what this machine gives, each figure beside its ceiling from the same run."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.demo import check_demo_extra
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
    from sim.bench.view import tell  # noqa: PLC0415 - as above

    tell(bridge_benchmarks(Effort.quick() if quick else Effort(), SystemClock()), as_json=as_json)


@bench.command()
@click.option(
    "--events",
    type=click.IntRange(1_000, 20_000_000),
    default=200_000,
    show_default=True,
    help="Events of the backlog, e.g. --events 2000000; a timed run has a fifth, 40,000 at most.",
)
@click.option(
    "--pairs",
    type=click.IntRange(1, 99),
    default=7,
    show_default=True,
    help="Runs, each beside its ceiling, e.g. --pairs 15.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Measure this alone; repeatable: --only ready_backlog")
@json_option
def log(*, events: int, pairs: int, only: Sequence[str], as_json: bool) -> None:
    """Measure the event log: appends, HTTP, the start and memory with a backlog, bytes written. TMPDIR is its disk.

    Example: storeforward bench log --events 2000000 --json
    """
    from agent.clock import SystemClock  # noqa: PLC0415 - help texts need none of this
    from sim.bench.log import log_benchmarks  # noqa: PLC0415 - as above
    from sim.bench.view import tell  # noqa: PLC0415 - as above

    with log_benchmarks(events, pairs, SystemClock()) as benchmarks:
        tell({name: benchmarks[name] for name in _chosen(benchmarks, only)}, as_json=as_json)


@bench.command()
@click.option(
    "--events",
    type=click.IntRange(1_000, 20_000_000),
    help="Events of the backlog: 500,000 unless told, 20,000 with --quick; a day at 10/s is --events 864000.",
)
@click.option(
    "--pairs",
    type=click.IntRange(1, 99),
    help="Runs, each beside its ceiling: 5 unless told, 1 with --quick; e.g. --pairs 9. Slow ones have 3 at most.",
)
@click.option("--only", multiple=True, metavar="NAME", help="Measure this alone; repeatable: --only drain")
@click.option(
    "--quick", is_flag=True, help="A minute instead of eight; each figure is taken once, the drain of few events."
)
@json_option
def link(*, events: int | None, pairs: int | None, only: Sequence[str], quick: bool, as_json: bool) -> None:
    """Measure the link: a backlog to a broker, a ledger, over 3G; a hundred reconnects; a till's event to the cloud.

    Example: storeforward bench link --only drain --events 864000. It needs mosquitto; TMPDIR is its disk.
    """
    check_demo_extra()
    from agent.clock import SystemClock  # noqa: PLC0415 - help texts need none of this
    from sim.bench.link import link_benchmarks  # noqa: PLC0415 - as above
    from sim.bench.link_effort import LinkEffort  # noqa: PLC0415 - as above
    from sim.bench.view import tell  # noqa: PLC0415 - as above

    asked = {name: value for name, value in (("events", events), ("pairs", pairs)) if value is not None}
    effort = replace(LinkEffort.quick() if quick else LinkEffort(), **asked)
    with link_benchmarks(effort, SystemClock()) as benchmarks:
        tell({name: benchmarks[name] for name in _chosen(benchmarks, only)}, as_json=as_json)


@bench.command()
@click.option(
    "--events",
    type=click.IntRange(1_000, 2_000_000),
    default=150_000,
    show_default=True,
    help="Events of the day, e.g. --events 300000; each 1,000 ask for 0.5 MB and 1 event/s at peak.",
)
@click.option(
    "--duration",
    "duration_s",
    type=click.FloatRange(12, 86_400),
    default=600.0,
    show_default=True,
    help="Seconds in which the day is played, e.g. --duration 900.",
)
@json_option
@click.pass_context
def day(ctx: click.Context, *, events: int, duration_s: float, as_json: bool) -> None:
    """Play 1.5 times the load of a store's day beside decisions and kiosks: what was shed, what came too late.

    Example: storeforward bench day --json. Exit code 0 only if every promise was kept; TMPDIR is its disk.
    """
    check_demo_extra()
    from sim.bench.seed_day import play_seed_day, show_seed_day  # noqa: PLC0415 - the simulator is an extra

    played = asyncio.run(play_seed_day(events, duration_s))
    if as_json:
        click.echo(played.to_json(), nl=False)
    else:
        show_seed_day(played)
    if not played.held:
        ctx.exit(EXIT_PROBLEM)


def _chosen(names: Iterable[str], only: Sequence[str]) -> list[str]:
    """The names that `--only` asks for, or all; a name that does not exist is refused."""
    known = list(names)
    if unknown := set(only) - set(known):
        raise click.BadParameter(f"{min(unknown)!r} is none of {', '.join(known)}", param_hint="--only")
    return [name for name in known if name in only or not only]

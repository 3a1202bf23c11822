"""`python -m sim.network`: a bad network between a device and its broker, until SIGTERM or Ctrl-C."""

import asyncio
import signal
from typing import Final

import click

from sim.network.profiled_line import ProfiledLine
from sim.network.profiles import PROFILES

__all__: list[str] = []

_PROFILE_LIST: Final = "\n".join(f"  {profile.name:12} {profile.about}" for profile in PROFILES.values())


@click.command(
    epilog="Then let the device connect to the listening port: link.port = 1884. Example:"
    " python -m sim.network --profile 3g --listen 1884 --to 127.0.0.1:1883",
    help=f"Carry connections to a broker over a bad network.\n\n\b\nProfiles:\n{_PROFILE_LIST}",
)
@click.option("--profile", "name", required=True, type=click.Choice(sorted(PROFILES)), help="Which network.")
@click.option("--listen", default=1884, show_default=True, type=click.IntRange(0, 65_535), help="Port; 0: any free.")
@click.option("--to", "target", default="127.0.0.1:1883", show_default=True, help="The broker, HOST:PORT.")
@click.option("--faster", default=1.0, show_default=True, type=click.FloatRange(0.01, 10_000), help="Shorter phases.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of jitter and losses.")
def main(name: str, listen: int, target: str, faster: float, seed: int) -> None:
    host, _, port = target.rpartition(":")
    if not host or not port.isdecimal():
        raise click.BadParameter(f"{target!r}: expected HOST:PORT, for example 127.0.0.1:1883", param_hint="--to")
    line = ProfiledLine(PROFILES[name].faster(faster), host.strip("[]"), int(port), port=listen, seed=seed)
    try:
        asyncio.run(_carry(line, f"{PROFILES[name].about}, to {target}"))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {line.host}:{listen}: {error.strerror}") from error


async def _carry(line: ProfiledLine, about: str) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with line:
        click.echo(f"listening on {line.host}:{line.port}: {about}")
        telling = asyncio.create_task(_tell(line), name="line state")
        await ended.wait()
        telling.cancel()
        await asyncio.wait([telling])
    click.echo(f"{line.connections} connections, {line.bytes_up:,} bytes up, {line.bytes_down:,} down")


async def _tell(line: ProfiledLine) -> None:
    """A word at each change."""
    while True:
        await line.changed.wait()
        line.changed.clear()
        click.echo(f"line {line.state}, {line.open_connections} open, {line.bytes_up:,} up, {line.bytes_down:,} down")


if __name__ == "__main__":
    main()

"""`python -m sim.line`: the line model as a process; a JSON line in, a JSON line out; it ends with its input."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from agent.clock import SystemClock
from sim.line.model import LineModel
from sim.line.noise import Faults

LINE_OCTETS_MAX = 4096


@click.command()
@click.option("--link", required=True, type=click.Path(path_type=Path), help="Symbolic link to make for the bridge.")
@click.option("--vehicle", required=True, type=click.Path(path_type=Path), help="The vehicle's pty, or a link to it.")
@click.option("--baud", default=115_200, show_default=True, type=click.IntRange(300, 4_000_000), help="Pace.")
@click.option("--latency-ms", default=0, show_default=True, type=click.IntRange(0, 255), help="USB latency timer.")
@click.option("--seed", default=0, show_default=True, type=int, help="Of the faults.")
def main(link: Path, vehicle: Path, baud: int, latency_ms: int, seed: int) -> None:
    """Carry octets between a bridge and a vehicle as a serial line would."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    line = LineModel(link, vehicle, baud, latency_ms, seed, SystemClock())
    try:
        _say({"ready": str(link)})
        for command in _commands(line):
            _say(_obey(line, command))
    finally:
        line.close()


def _commands(line: LineModel) -> Iterator[Mapping[str, Any]]:  # Any: JSON
    while True:
        line.run(sys.stdin.fileno())
        text = os.read(sys.stdin.fileno(), LINE_OCTETS_MAX)  # one command at a time: each is answered first
        if not text:
            return
        yield json.loads(text)


def _obey(line: LineModel, command: Mapping[str, Any]) -> Mapping[str, Any]:  # Any: JSON
    match command:
        case {"do": "unplug" | "replug" | "cut" | "join" as verb}:
            getattr(line, verb)()
        case {"do": "stall", "ms": int(duration_ms)}:
            line.stall(duration_ms)
        case {"do": "fail", "to_vehicle": dict(to_vehicle), "to_bridge": dict(to_bridge)}:
            line.fail(Faults(**to_vehicle), Faults(**to_bridge))
        case {"do": "count"}:
            return line.counts()
        case _:
            return {"problem": f"no such command: {json.dumps(command)}"}
    return {"done": command["do"]}


def _say(answer: Mapping[str, Any]) -> None:  # Any: JSON
    click.echo(json.dumps(answer))


if __name__ == "__main__":
    main()

"""The tools for a person at the line, `python -m firmware_bridge monitor PORT` and `ping PORT`; they need no agent."""

import argparse
import sys
from typing import Final

from firmware_bridge.errors import BridgeError, NoAnswer
from firmware_bridge.monitor import Monitor
from firmware_bridge.ping import identify, ping
from firmware_bridge.serial_bridge import BAUD
from firmware_bridge.serve import add_serve, serve
from firmware_bridge.tty import Tty

__all__ = ["main"]

PINGS_MAX: Final = 65535
INFORMATION_MAX: Final = 128


def main(arguments: list[str] | None = None) -> int:
    """Run one tool: 0 when it worked, 1 with a sentence on stderr when not, 130 after Ctrl-C."""
    chosen = _parser().parse_args(arguments)
    try:
        if chosen.tool == "serve":
            serve(chosen)
            return 0
        with Tty(chosen.port, chosen.baud) as tty:
            if chosen.tool == "ping":
                _ping(tty, chosen)
            else:
                _monitor(tty, chosen)
    except BridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m firmware_bridge", description="Tools for the serial line to a vehicle.")
    tools = parser.add_subparsers(dest="tool", required=True)
    watching = tools.add_parser("monitor", help="show frames and events; the vehicle gets no lease, so it stands")
    watching.add_argument("--listen", action="store_true", help="send nothing, not even an opening")
    watching.add_argument("--seconds", type=float, help="end after so long")
    pinging = tools.add_parser("ping", help="ask who is there, then send TEST frames and time the answers")
    pinging.add_argument("--count", type=_between(1, PINGS_MAX), default=100, help="TEST frames (100)")
    pinging.add_argument("--octets", type=_between(2, INFORMATION_MAX), default=32, help="octets in each (32)")
    for tool in (watching, pinging):
        tool.add_argument("port", metavar="PORT", help="best one of /dev/serial/by-id")
        tool.add_argument("--baud", type=int, default=BAUD, help=f"baud ({BAUD})")
    add_serve(tools.add_parser("serve", help="serve the line in a process of its own, for an agent beside it"))
    return parser


class _between:  # noqa: N801 - reads as a type in argparse's messages
    """An integer in a range, for argparse."""

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._high = high

    def __call__(self, text: str) -> int:
        if text.isdecimal() and self._low <= int(text) <= self._high:
            return int(text)
        raise argparse.ArgumentTypeError(f"{text!r}: expected {self._low} to {self._high}")


def _monitor(tty: Tty, chosen: argparse.Namespace) -> None:
    for_us = None if chosen.seconds is None else int(chosen.seconds * 1e6)
    Monitor(tty, chosen.port, chosen.baud, listens=chosen.listen, show=_show).run(for_us)


def _ping(tty: Tty, chosen: argparse.Namespace) -> None:
    who = identify(tty, chosen.port, chosen.baud)
    _show(f"vehicle {who.vehicle}, firmware {who.firmware}, protocol {who.protocol[0]}.{who.protocol[1]}")
    answers = ping(tty, count=chosen.count, octets=chosen.octets)
    lost = answers.sent - len(answers.round_trips_us)
    if not answers.round_trips_us:
        raise NoAnswer(f"{chosen.port}: the vehicle answered XID, but none of {answers.sent} TEST frames")
    fastest_us = answers.round_trips_us[0]
    _show(
        f"{answers.sent} sent, {lost} lost, round trip of {chosen.octets} octets: min {fastest_us / 1000:.3f} ms, "
        f"median {answers.median_us / 1000:.3f} ms, p99 {answers.p99_us / 1000:.3f} ms"
    )


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""Owns `python -m firmware_bridge serve PORT --socket PATH`: one vehicle's bridge in a process of its own."""

import argparse
import sys
from pathlib import Path
from typing import Final

from firmware_bridge.errors import BridgeError
from firmware_bridge.serial_bridge import BAUD
from firmware_bridge.socket_server import SerialPort, serve_until_stopped

__all__ = ["add_serve", "main", "serve"]

VEHICLE: Final = "vehicle"
"""What the client calls a vehicle that was given no name."""


def add_serve(parser: argparse.ArgumentParser) -> None:
    """The tool's arguments."""
    parser.add_argument("port", metavar="PORT", help="best one of /dev/serial/by-id")
    parser.add_argument("--baud", type=int, default=BAUD, help=f"baud ({BAUD})")
    parser.add_argument("--socket", type=Path, required=True, metavar="PATH", help="the Unix socket to make")
    parser.add_argument("--vehicle", default=VEHICLE, help=f"the name that the client asks for ({VEHICLE})")


def serve(chosen: argparse.Namespace) -> None:
    """Serve until SIGTERM or SIGINT; raises SocketUnusable."""
    serve_until_stopped(chosen.socket, {chosen.vehicle: SerialPort(chosen.port, chosen.baud)}, _show)


def main(arguments: list[str] | None = None) -> int:
    """Serve: 1 with a sentence on stderr when the socket cannot be made."""
    parser = argparse.ArgumentParser("python -m firmware_bridge serve", description="A bridge in its own process.")
    add_serve(parser)
    try:
        serve(parser.parse_args(arguments))
    except BridgeError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _show(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

"""`storeforward bridge`: the serial lines of this box's vehicles in a process of their own, for the agent beside it."""

from pathlib import Path

import click

from agent.cli.options import config_option, data_folder, data_option, load
from agent.errors import EnvironmentFault

__all__ = ["BridgeFailed", "bridge"]


class BridgeFailed(EnvironmentFault):
    """The bridge cannot serve; `str()` says why and what to do."""


@click.command(epilog="Example: storeforward bridge --config store.toml --data ./data")
@config_option
@data_option
def bridge(config_file: Path | None, data: Path | None) -> None:
    """Serve the serial lines of the vehicles whose settings say bridge = "process", until Ctrl-C.

    A vehicle's line is open while the agent has it. Start the bridge before or after the agent, in any order.
    """
    from firmware_bridge import SerialPort, SocketUnusable, serve_until_stopped  # noqa: PLC0415 - only here

    vehicles = [vehicle for vehicle in load(config_file).settings.vehicles if vehicle.bridge == "process"]
    if not vehicles:
        raise BridgeFailed('no vehicles for it here: a [[vehicles]] section with bridge = "process" names one')
    folder = data_folder(data)
    folder.create()
    ports = {vehicle.id: SerialPort(vehicle.port, vehicle.baud) for vehicle in vehicles}
    try:
        serve_until_stopped(folder.bridge_socket, ports, click.echo)
    except SocketUnusable as error:
        raise BridgeFailed(str(error)) from error

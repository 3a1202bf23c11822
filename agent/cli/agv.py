"""`storeforward agv`: how this box's vehicles are; stop one, release it, say what became of an action."""

import asyncio
import json
import os
import pwd
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import click

from agent.cli.options import config_option, data_folder, data_option, json_option, load

__all__ = ["agv"]

Document = dict[str, Any]  # Any: the JSON of the API

vehicle_argument = click.argument("vehicle")
by_option = click.option("--by", help="Who wants it, e.g. --by ann. Default: the user who is logged in.")
_ENDED: Final = ("FINISHED", "FAILED")


@click.group()
def agv() -> None:
    """See, stop and release the vehicles of this box, through the running agent.

    Example: storeforward agv list
    """


@agv.command(name="list")
@data_option
@json_option
def list_(data: Path | None, *, as_json: bool) -> None:
    """List all vehicles, one a line, and what they need from somebody.

    Example: storeforward agv list --json
    """
    found = asyncio.run(_get(data, "/v1/agvs"))
    if as_json:
        click.echo(json.dumps(found))
        return
    for vehicle in found["vehicles"]:
        click.echo(f"{vehicle['id']}  {_doing(vehicle)}")
        for problem in vehicle["problems"]:
            click.echo(f"  {problem}")
    if not found["vehicles"]:
        click.echo("No vehicles here: add a [[vehicles]] section to the settings (storeforward config example).")


@agv.command()
@vehicle_argument
@data_option
@json_option
def show(vehicle: str, *, data: Path | None, as_json: bool) -> None:
    """Show VEHICLE with its order and its actions.

    Example: storeforward agv show agv-1
    """
    found = asyncio.run(_get(data, _path(vehicle)))
    click.echo(json.dumps(found) if as_json else "\n".join(_lines(found)))


@agv.command()
@vehicle_argument
@by_option
@click.option("--reason", help="Why, e.g. --reason 'glass on the floor'.")
@data_option
@json_option
def stop(vehicle: str, *, by: str | None, reason: str | None, data: Path | None, as_json: bool) -> None:
    """Stop VEHICLE at once. It stands until a person releases it. This is no safety-rated stop.

    Example: storeforward agv stop agv-1
    """
    wish = {"by": by or _user(), **({"reason": reason} if reason else {})}
    found = asyncio.run(_post(data, vehicle, "stop", wish))
    click.echo(json.dumps(found) if as_json else f"{vehicle} is told to stop. storeforward agv release {vehicle}")


@agv.command()
@vehicle_argument
@by_option
@data_option
@json_option
def release(vehicle: str, *, by: str | None, data: Path | None, as_json: bool) -> None:
    """Let VEHICLE move again after a stop, or try a failed drive again. Look first: its order goes on at once.

    Example: storeforward agv release agv-1 --by ann
    """
    found = asyncio.run(_post(data, vehicle, "release", {"by": by or _user()}))
    click.echo(json.dumps(found) if as_json else f"{vehicle} may move again: {_doing(found)}")


@agv.command()
@vehicle_argument
@click.argument("action")
@click.argument("outcome", type=click.Choice(["done", "failed"]))
@by_option
@data_option
@json_option
def resolve(vehicle: str, action: str, outcome: str, *, by: str | None, data: Path | None, as_json: bool) -> None:
    """Say what became of ACTION after VEHICLE has lost its memory of it: look at the load first.

    Example: storeforward agv resolve agv-1 pick-7 done
    """
    wish = {"by": by or _user(), "action_id": action, "outcome": outcome}
    found = asyncio.run(_post(data, vehicle, "resolve", wish))
    click.echo(json.dumps(found) if as_json else f"{action} counts as {outcome}. {vehicle}: {_doing(found)}")


@agv.command()
@vehicle_argument
@by_option
@config_option
@data_option
@json_option
def forget(vehicle: str, *, by: str | None, config_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Let VEHICLE begin anew when the agent says that its mission cannot be read. Look at it and at its load first.

    Its journal is kept in a file beside the log. The agent may run or not; VEHICLE stands until it is released.

    Example: storeforward agv forget agv-1 --by ann
    """
    from agent.cli.agent_client import NoAgent  # noqa: PLC0415 - help texts need no HTTP client

    person = by or _user()
    try:
        kept_in = asyncio.run(_post(data, vehicle, "forget", {"by": person}))["kept_in"]
    except NoAgent:
        from agent.fleet.forgetting import forget_while_stopped  # noqa: PLC0415 - as above

        kept_in = str(forget_while_stopped(data_folder(data).log, load(config_file).settings, vehicle, person))
    said = f"{vehicle} begins anew; what could not be read is kept in {kept_in}. storeforward agv release {vehicle}"
    click.echo(json.dumps({"kept_in": kept_in}) if as_json else said)


async def _get(data: Path | None, path: str) -> Document:
    from agent.cli.agent_client import AgentClient  # noqa: PLC0415 - help texts need no HTTP client

    async with AgentClient(data_folder(data).socket) as client:
        found: Document = await client.get(path)
    return found


async def _post(data: Path | None, vehicle: str, verb: str, wish: Document) -> Document:
    from agent.cli.agent_client import AgentClient  # noqa: PLC0415 - as above

    async with AgentClient(data_folder(data).socket) as client:
        body = json.dumps(wish).encode()
        found: Document = await client.post(f"{_path(vehicle)}/{verb}", body, "application/json")
    return found


def _path(vehicle: str) -> str:
    return f"/v1/agvs/{quote(vehicle, safe='')}"


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name


def _doing(vehicle: Document) -> str:
    order = f", order {vehicle['order_id']}" if vehicle["nodes_left"] or _open_actions(vehicle) else ""
    if vehicle["line"]["state"] != "up":
        return f"out of reach{order}"
    if vehicle["stopped"]:
        return f"stopped{order}"
    if vehicle["paused"]:
        return f"paused{order}"
    return ("driving" if vehicle["driving"] else "standing") + order


def _open_actions(vehicle: Document) -> list[str]:
    return [action["action_id"] for action in vehicle["actions"] if action["status"] not in _ENDED]


def _lines(vehicle: Document) -> Iterator[str]:
    line, control, position = vehicle["line"], vehicle["fleet_control"], vehicle["position"]
    reached = "reached" if control["online"] else f"out of reach ({control['reason']})"
    yield f"{vehicle['id']}: {_doing(vehicle)}"
    yield f"  line           {line['port']} {line['state']}{', ' + line['reason'] if line['reason'] else ''}"
    yield f"  controller     {line['firmware'] or 'not heard yet'}, start {line['boot_count']}"
    yield f"  fleet control  {reached}, {control['topics']}, VDA 5050 {vehicle['vda5050']}"
    if position:
        yield f"  position       {position['x']:.2f} m, {position['y']:.2f} m on {position['map_id']}"
    if vehicle["charge_percent"] is not None:
        yield f"  battery        {vehicle['charge_percent']:.0f} %{', loaded' if vehicle['loaded'] else ''}"
    if vehicle["order_id"]:
        nodes = f"{vehicle['nodes_left']} nodes left"
        yield f"  order          {vehicle['order_id']} update {vehicle['order_update_id']}, {nodes}"
    for action in vehicle["actions"]:
        status = "UNKNOWN" if action["unknown"] else action["status"]
        yield f"  action         {action['action_id']} {action['action_type']} {status}"
    if vehicle["stalls"]:
        yield f"  stalls         {vehicle['stalls']}, longest {vehicle['stall_ms_max']} ms"
    for problem in vehicle["problems"]:
        yield f"  problem        {problem}"

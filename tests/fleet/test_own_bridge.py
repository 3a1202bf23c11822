"""A vehicle whose line is served by the bridge's own process: the same orders, and a process that may die."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from agent.fleet.vehicle_status import LineState
from tests.fleet.floor import Floor, fetch
from tests.fleet.whole_vehicle import BRIDGE_SOCKET, VEHICLE_ID


@contextmanager
def bridge_process(folder: Path) -> Iterator[subprocess.Popen[str]]:
    line = folder / "firmware" / "line"
    command = [sys.executable, "-m", "firmware_bridge", "serve", line, "--vehicle", VEHICLE_ID]
    with subprocess.Popen(
        list(map(str, [*command, "--socket", folder / BRIDGE_SOCKET])), stdout=subprocess.PIPE, text=True
    ) as child:
        try:
            assert child.stdout
            assert child.stdout.readline().startswith("ready")
            yield child
        finally:
            child.kill()


async def test_orders_run(tmp_path: Path) -> None:
    with bridge_process(tmp_path):
        async with Floor.open(tmp_path, bridge="process") as floor:
            await floor.master.order(fetch())
            await floor.until(floor.is_done)
            assert floor.moved() == ["pick", "drop"]


async def test_killed(tmp_path: Path) -> None:
    """A bridge killed in mid-pick stops the vehicle; with a new one and a person, the load still moves once."""
    with bridge_process(tmp_path) as first:
        async with Floor.open(tmp_path, bridge="process") as floor:
            await floor.master.order(fetch())
            await floor.until(floor.picks)
            first.kill()
            first.wait()
            await floor.until(lambda: floor.status.line.state is not LineState.UP, releasing=False)
            await floor.until(lambda: floor.firmware.truth()[-1].what in {"latched", "standstill"}, releasing=False)
            with bridge_process(tmp_path):
                await floor.until(floor.is_done)
                assert floor.moved() == ["pick", "drop"]
                await floor.leave()

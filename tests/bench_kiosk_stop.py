"""From a touch on Stop vehicles to the call at the agent, and to standstill: `python -m tests.bench_kiosk_stop`.

A real kiosk offscreen, a real agent, the reference firmware on a pty; each figure is of so many touches.
"""

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from agent.data_folder import DataFolder
from firmware_bridge import LatchCause
from sim.vehicle import Vehicle as Firmware
from tests.agent_process import running_agent
from tests.kiosk.bad_agent import bad_agent
from tests.kiosk.kiosk_process import KioskProcess, running_kiosk
from tests.kiosk.vehicle_shop import released, toml

OPTIONS = ("--till", "till-3", "--size", "1024x600")


async def touch(kiosk: KioskProcess) -> float:
    """Touches the button and closes the panel again; when the finger came down."""
    await kiosk.shows(lambda painted: painted["can_stop"])
    down_s = float((await kiosk.order(do="tap", what="stop"))["down_s"])
    await kiosk.shows(lambda painted: painted["stop"] == "stopped")
    await kiosk.order(do="tap", what="close_stop")
    await kiosk.shows(lambda painted: painted["stop"] is None)
    return down_s


async def calls_ms(folder: Path, touches: int) -> list[float]:
    """Until the call is at the other end of the socket."""
    data = DataFolder(folder / "data")
    data.create()
    async with bad_agent(data.socket) as agent, running_kiosk(data.path, *OPTIONS) as kiosk:
        downs_s = [await touch(kiosk) for _ in range(touches)]
        return [(came_s - down_s) * 1e3 for down_s, (came_s, *_) in zip(downs_s, agent.stops, strict=True)]


async def standstills_ms(folder: Path, touches: int) -> list[float]:
    """Until the vehicle commands standstill, by its own account."""
    took = []
    with Firmware(folder / "firmware") as firmware:
        async with (
            running_agent(folder / "agent", toml(firmware)) as agent,
            running_kiosk(agent.folder.path, *OPTIONS) as kiosk,
        ):
            for _ in range(touches):
                await released(agent)
                down_s = await touch(kiosk)
                (*_, stood) = firmware.seen("standstill")
                assert stood.numbers["cause"] == LatchCause.STOP, "it had stopped already: the machine is too busy"
                took.append(stood.at_us / 1e3 - down_s * 1e3)
    return took


def line(name: str, times_ms: Sequence[float]) -> str:
    cuts = quantiles(times_ms, n=100, method="inclusive")
    return (
        f"{name:<32} p50 {cuts[49]:6.1f} ms   p95 {cuts[94]:6.1f} ms   max {max(times_ms):6.1f} ms   n {len(times_ms)}"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--touches", type=int, default=50)
    touches = parser.parse_args().touches
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        print(line("touch to the call at the agent", asyncio.run(calls_ms(Path(first), touches))))
        print(line("touch to standstill", asyncio.run(standstills_ms(Path(second), touches))))


if __name__ == "__main__":
    main()

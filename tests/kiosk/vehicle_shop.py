"""The vehicle of a shop with a kiosk: its settings, and the person who releases it."""

import json

from sim.vehicle import Vehicle as Firmware
from tests.agent_process import AgentProcess
from tests.waiting import until

__all__ = ["released", "toml"]


def toml(firmware: Firmware) -> str:
    """Settings of an agent with this vehicle and without a cloud."""
    vehicle = {"id": "agv-1", "manufacturer": "acme", "serial_number": "0042", "port": str(firmware.line)}
    lines = [f"{key} = {json.dumps(value)}" for key, value in vehicle.items()]
    return "\n".join(["[link]", "enabled = false", "[[vehicles]]", *lines])


async def released(agent: AgentProcess) -> None:
    """Return when agv-1 has been released by hand, and may move."""

    async def may_move() -> bool:
        async with agent.session() as session:
            await session.post("http://agent/v1/agvs/agv-1/release", json={"by": "ann"})
            async with session.get("http://agent/v1/agvs/agv-1") as response:
                found = await response.json()
        return found["line"]["state"] == "up" and not found["stopped"]

    await until(may_move)

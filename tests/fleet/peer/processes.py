"""npm's vda-5050-lib in processes: its fleet control, which our vehicles must satisfy, and a vehicle of its own."""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from agent.fleet.topics import VehicleIdentity
from sim.broker import Broker

__all__ = ["Master", "Report", "node_program", "running_master", "running_virtual_vehicle"]

FOLDER: Final = Path(__file__).parent
TESTS: Final = FOLDER.parent.parent
DEADLINE_S: Final = 20.0
LINE_BYTES_MAX: Final = 1_048_576

Report = dict[str, Any]  # Any: JSON


def node_program(name: str) -> list[str]:
    """The command that runs one of the peer's programs; arguments follow."""
    node = shutil.which("node")
    assert node is not None, "node is not installed: apt-get install nodejs npm"
    installed = (TESTS / "node_modules" / "vda-5050-lib").is_dir()
    assert installed, f"the peer is not installed: npm ci --ignore-scripts --prefix {TESTS}"
    return [node, str(FOLDER / name)]


class Master:
    """The library's MasterController for one vehicle, and all that it has reported."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self.reports: list[Report] = []
        self._child = child
        self._news = asyncio.Condition()

    async def assign(self, order: dict[str, Any]) -> Report:  # Any: JSON
        """Hands it an order without header, and returns when it is sent."""
        await self.tell({"do": "assign", "order": order})
        wanted = {"orderId": order["orderId"], "orderUpdateId": order["orderUpdateId"]}
        return await self.heard("assigned", **wanted)

    async def act(self, action_id: str, action_type: str, blocking_type: str = "NONE") -> None:
        """Sends one instant action without parameters."""
        action = {"actionId": action_id, "actionType": action_type, "blockingType": blocking_type}
        await self.tell({"do": "act", "actions": [action]})
        await self.heard("initiated", actionIds=[action_id])

    def said(self, what: str, **facts: object) -> list[Report]:
        """The reports of a kind so far that hold these facts."""
        wanted = {"report": what, **facts}
        return [report for report in self.reports if wanted.items() <= report.items()]

    async def heard(self, what: str, **facts: object) -> Report:
        """The first report of a kind that holds these facts, as soon as there is one."""
        await self._until(lambda: bool(self.said(what, **facts)), f"{what} {facts}")
        return self.said(what, **facts)[0]

    async def heard_more(self, what: str, count: int) -> None:
        """Returns when there are more reports of a kind than `count`."""
        await self._until(lambda: len(self.said(what)) > count, f"more than {count} x {what}")

    async def saw_state(self, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:  # Any: JSON
        """The first state from now on for which `holds` is true; the newest so far counts too."""
        start = max((at for at, report in enumerate(self.reports) if report["report"] == "state"), default=0)

        def found() -> list[dict[str, Any]]:
            return [
                report["body"]
                for report in self.reports[start:]
                if report["report"] == "state" and holds(report["body"])
            ]

        await self._until(lambda: bool(found()), "a certain state")
        return found()[0]

    def complaints(self) -> list[Report]:
        """The vehicle's messages that its schemas refused, and the commands of ours."""
        return self.said("dropped") + self.said("refused")

    async def leave(self) -> None:
        """Lets it disconnect; fails when it had an error of its own."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            assert await self._child.wait() == 0, self.reports[-3:]

    async def listen(self) -> None:
        """Takes its reports until it ends."""
        assert self._child.stdout is not None
        async for line in self._child.stdout:
            self.reports.append(json.loads(line))
            async with self._news:
                self._news.notify_all()

    async def tell(self, command: dict[str, Any]) -> None:  # Any: JSON
        """Hands it a command, whatever becomes of it."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps(command).encode() + b"\n")
        await self._child.stdin.drain()

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        try:
            async with asyncio.timeout(DEADLINE_S), self._news:
                await self._news.wait_for(holds)
        except TimeoutError:
            recent = [report for report in self.reports if report["report"] != "visualization"][-12:]
            last = "\n".join(map(str, recent))
            raise AssertionError(f"never heard: {what}; last reports:\n{last}") from None


@asynccontextmanager
async def running_master(
    broker: Broker, vehicle: VehicleIdentity, instant_actions_key: str = "actions"
) -> AsyncIterator[Master]:
    """The library's fleet control for one vehicle, subscribed; when the block ends it must end without an error."""
    async with _node("master.js", broker, vehicle, instant_actions_key) as child:
        master = Master(child)
        listening = asyncio.create_task(master.listen(), name="reports of the peer")
        try:
            await master.heard("ready")
            yield master
            await master.leave()
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)


@asynccontextmanager
async def running_virtual_vehicle(
    broker: Broker, vehicle: VehicleIdentity, time_lapse: float = 10
) -> AsyncIterator[None]:
    """The library's own vehicle, at (0, 0), its last node "start", so many times as fast as real."""
    async with _node("vehicle.js", broker, vehicle, str(time_lapse)) as child:
        yield
        assert child.stdin is not None
        child.stdin.close()
        async with asyncio.timeout(DEADLINE_S):
            assert await child.wait() == 0


@asynccontextmanager
async def _node(
    program: str, broker: Broker, vehicle: VehicleIdentity, argument: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    child = await asyncio.create_subprocess_exec(
        *node_program(program),
        f"mqtt://{broker.host}:{broker.port}",
        *(vehicle.interface, vehicle.manufacturer, vehicle.serial_number, argument),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=LINE_BYTES_MAX,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
            await child.wait()

"""A real agent in a process of its own, for tests: started as `storeforward run` starts it."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import ClientError, ClientSession, UnixConnector

from agent.clock import SystemClock
from agent.data_folder import DataFolder
from sim.demo.processes import Child
from tests.examples import EXAMPLES

__all__ = ["AgentProcess", "running_agent", "scan", "settings_toml"]


def settings_toml(**sections: Mapping[str, object]) -> str:
    """A settings file; values are written as JSON, which TOML reads the same for texts, numbers and booleans."""
    return "\n".join(
        f"[{section}]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in values.items())
        for section, values in sections.items()
    )


def scan(event_id: str, **changes: object) -> dict[str, Any]:  # Any: JSON
    """A scan in the short form."""
    return {"type": "pos.scan.v1", "id": event_id, "data": {**EXAMPLES["pos.scan.v1"], **changes}}


class AgentProcess:
    """One agent on one folder, and a way to talk to it."""

    def __init__(self, folder: Path, settings: str, output: Path | None = None) -> None:
        self.folder = DataFolder(folder / "data")
        self.output = output or folder / "agent.log"
        folder.mkdir(parents=True, exist_ok=True)
        config = folder / "storeforward.toml"
        config.write_text(settings, encoding="utf-8")
        arguments = ["agent", "run", "--config", str(config), "--data", str(self.folder.path)]
        self.child = Child(arguments, self.output, self._ready, SystemClock())

    async def status(self) -> dict[str, Any]:  # Any: JSON
        """The document at /v1/status."""
        async with self.session() as session, session.get("http://agent/v1/status") as response:
            document: dict[str, Any] = await response.json()
            return document

    async def post(self, events: object, producer: str = "till-1") -> tuple[int, Any]:  # Any: JSON
        """Status code and answer to `POST /v1/events`."""
        body = events if isinstance(events, bytes) else json.dumps(events).encode()
        headers = {"Storeforward-Producer": producer, "Content-Type": "application/json"}
        async with (
            self.session() as session,
            session.post("http://agent/v1/events", data=body, headers=headers) as response,
        ):
            return response.status, await response.json(content_type=None)

    async def _ready(self) -> bool:
        try:
            await self.status()
        except (ClientError, OSError):
            return False
        return True

    def session(self) -> ClientSession:
        """A session over the agent's Unix socket."""
        return ClientSession(connector=UnixConnector(str(self.folder.socket)))


@asynccontextmanager
async def running_agent(
    folder: Path, settings: str = "[link]\nenabled = false", output: Path | None = None
) -> AsyncIterator[AgentProcess]:
    """An agent for the length of a block; it has ended afterwards, whatever happened."""
    agent = AgentProcess(folder, settings, output)
    await agent.child.start()
    try:
        yield agent
    finally:
        await agent.child.stop()

"""The running API of one agent, as fixtures."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.api.api_world import CheckedClient, World, free_port, open_world


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path / "data", api={"tcp_port": free_port()}) as opened:
        yield opened


@pytest.fixture
async def till(world: World) -> CheckedClient:
    """`till-3` on the Unix socket."""
    return world.local()

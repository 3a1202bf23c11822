"""A running agent whose file system the kernel gives up: run by test_small_disk.

`unshare --mount python -m tests.log.faults.read_only_agent FOLDER` prints what it said, as JSON.
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from tests.agent_process import running_agent, scan
from tests.log.faults.small_disk import give_up, mounted

__all__ = ["main"]


async def story(folder: Path, output: Path) -> dict[str, Any]:  # Any: JSON
    """What producers and readers of its status hear before and after."""
    async with running_agent(folder, output=output) as agent:
        before = await agent.post([scan("before")])
        give_up(folder)
        after = [await agent.post([scan(f"after-{at}")]) for at in range(3)]
        status = await agent.status()
        async with agent.session() as session, session.get("http://agent/v1/quarantine") as answer:
            read = answer.status
    return {"before": before, "after": after, "status": status, "read": read}


def main() -> None:
    """The story on an ext4 file system of its own; the agent's own lines go elsewhere."""
    root = Path(sys.argv[1])
    with mounted("ext4", root) as folder:
        told = asyncio.run(story(folder, root / "agent.log"))
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main()

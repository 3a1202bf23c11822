"""The demo's children: they end with the demo, even when it is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import until

PARENT = """
import asyncio, sys
from pathlib import Path
from agent.clock import SystemClock
from sim.demo.processes import Child

async def ready() -> bool:
    return True

async def main() -> None:
    child = Child(["http.server", "--bind", "127.0.0.1", "0"], Path(sys.argv[1]), ready, SystemClock())
    await child.start()
    print(child.pid, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def test_a_killed_demo_leaves_no_child_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "out")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        os.kill(parent.pid, signal.SIGKILL)

        async def gone() -> bool:
            return not runs(child)

        asyncio.run(until(gone))


def runs(pid: int) -> bool:
    """Whether a process is there and not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False

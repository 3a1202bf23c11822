"""`storeforward run` as a process: what it says holds nothing up, and it ends in time whatever hangs."""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import pytest

from agent.cli.run import STOP_TIMEOUT_S
from tests.agent_process import running_agent, scan, settings_toml
from tests.api.api_world import free_port

ENDS_WITHIN_S: Final = 8.0

HANGS: Final = """
import time, threading
from agent.cli.run import _give_up_after
_give_up_after(0.3)
hanging = threading.Thread(target=time.sleep, args=(60,))
hanging.start()
hanging.join()
"""


@contextmanager
def full_pipe(folder: Path) -> Iterator[tuple[Path, int]]:
    """A named pipe that takes not one byte more, and its reading end."""
    path = folder / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
    try:
        for size in (65_536, 1):
            try:
                while True:
                    os.write(writer, b"\n" * size)
            except BlockingIOError:
                pass
        yield path, reader
    finally:
        os.close(writer)
        os.close(reader)


async def _works_and_ends(folder: Path, output: Path) -> None:
    settings = settings_toml(link={"port": free_port(), "backoff_min_s": 0.01, "backoff_max_s": 0.02})
    async with running_agent(folder / "agent", 'log_level = "debug"\n' + settings, output) as agent:
        for number in range(20):
            status, _ = await agent.post(scan(f"e-{number}"))
            assert status == 201
        began_s = monotonic()
        assert await agent.child.stop() == 0
        assert monotonic() - began_s < ENDS_WITHIN_S


@pytest.mark.case("P7")
async def test_with_its_output_in_a_pipe_that_nobody_reads_it_works_and_ends_in_time(tmp_path: Path) -> None:
    with full_pipe(tmp_path) as (pipe, _):
        await _works_and_ends(tmp_path, pipe)


@pytest.mark.case("P7")
async def test_with_its_output_on_a_full_disk_it_works_and_ends_in_time(tmp_path: Path) -> None:
    await _works_and_ends(tmp_path, Path("/dev/full"))


@pytest.mark.case("P7")
async def test_it_outlives_the_reader_of_its_output(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    async with running_agent(tmp_path / "agent", output=pipe) as agent:
        os.close(reader)
        status, _ = await agent.post(scan("e-1"))
        assert status == 201
        assert await agent.child.stop() == 0


@pytest.mark.case("P1")
async def test_what_hangs_does_not_keep_the_process_for_ever() -> None:
    ended = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", HANGS], timeout=20, check=False)
    assert ended.returncode == 1
    assert STOP_TIMEOUT_S < 30, "before a service manager kills it"

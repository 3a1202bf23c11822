"""`python -m sim.network` stands between a client and a server until it is told to end."""

import asyncio
import os
import re
import signal
import sys
from pathlib import Path

from tests.sim.network.test_proxy import DEADLINE_S, echo_server, exchange
from tests.sources import ROOT

COMMAND = (sys.executable, "-m", "sim.network")


async def run(*arguments: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *COMMAND, *arguments, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    async with asyncio.timeout(DEADLINE_S):
        output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_it_carries_over_a_bad_network_tells_its_state_and_ends_in_good_order() -> None:
    async with echo_server() as echo, asyncio.timeout(DEADLINE_S):
        process = await asyncio.create_subprocess_exec(
            *COMMAND, "--profile", "satellite", "--listen", "0", "--to", f"127.0.0.1:{echo.port}",
            cwd=ROOT, stdout=asyncio.subprocess.PIPE, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
        assert process.stdout is not None
        ready = (await process.stdout.readline()).decode()
        found = re.match(r"listening on 127\.0\.0\.1:(\d+): 600 ms", ready)
        assert found, ready
        reader, writer = await asyncio.open_connection("127.0.0.1", int(found[1]))
        began_s = asyncio.get_running_loop().time()
        assert await exchange(reader, writer, b"hello") == b"hello"
        assert asyncio.get_running_loop().time() - began_s >= 0.55
        process.send_signal(signal.SIGTERM)
        rest = (await process.stdout.read()).decode()
        writer.close()
        assert await process.wait() == 0
        assert "1 connections, 5 bytes up, 5 down" in rest


async def test_what_it_cannot_do_it_says(tmp_path: Path) -> None:
    code, output = await run("--profile", "3g", "--to", "nowhere")
    assert code == 2
    assert "expected HOST:PORT" in output
    code, output = await run("--profile", "5g")
    assert code == 2
    assert "black-hole" in output
    async with echo_server() as echo:
        code, output = await run("--profile", "3g", "--listen", str(echo.port))
        assert code == 1
        assert "cannot listen" in output

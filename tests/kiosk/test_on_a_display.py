"""One sale on a real display: an X server, a scanner that types, a pointer that taps. Nothing is injected into Kivy."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.kiosk.kiosk_process import KioskProcess, running_kiosk
from tests.kiosk.shop import BREAD, BUTTER, CODE, open_shop

MISSING = [name for name in ("Xvfb", "xdotool") if shutil.which(name) is None]
pytestmark = [
    pytest.mark.skipif(find_spec("kivy") is None, reason="the kiosk extra is not installed"),
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
]


@pytest.fixture
async def display() -> AsyncIterator[str]:
    """An X server on a display number of its own choice."""
    reading, writing = os.pipe()
    server = await asyncio.create_subprocess_exec(
        *("Xvfb", "-displayfd", str(writing), "-screen", "0", "1280x800x24", "-nolisten", "tcp"),
        pass_fds=(writing,),
        stderr=asyncio.subprocess.DEVNULL,
    )
    os.close(writing)
    with os.fdopen(reading) as numbers:
        number = await asyncio.wait_for(asyncio.to_thread(numbers.readline), 30)
    try:
        yield f":{number.strip()}"
    finally:
        server.terminate()
        await server.wait()


async def xdotool(display: str, *words: str) -> str:
    pipe, environment = asyncio.subprocess.PIPE, {**os.environ, "DISPLAY": display}
    tool = await asyncio.create_subprocess_exec("xdotool", *words, env=environment, stdout=pipe, stderr=pipe)
    said, problem = await asyncio.wait_for(tool.communicate(), 30)
    assert tool.returncode == 0, problem
    return said.decode()


async def tap(display: str, kiosk: KioskProcess, what: str, slot: int = 0) -> None:
    place = await kiosk.order(do="where", what=what, slot=slot)
    await xdotool(display, "mousemove", str(place["x"]), str(place["y"]), "click", "1")


async def test_a_scanned_barcode_is_tapped_into_the_tills_basket(tmp_path: Path, display: str) -> None:
    async with (
        open_shop(tmp_path) as shop,
        running_kiosk(shop.data, "--till", "till-3", display=display) as kiosk,
        shop.agent.session() as till,
    ):
        await kiosk.shows(lambda painted: painted["status_kind"] == "online")
        await shop.scan(BREAD)
        await kiosk.shows(lambda painted: painted["lines"] == 1)
        await xdotool(display, "mousemove", "200", "600", "click", "1")  # focus, without a window manager
        await xdotool(display, "key", "--delay", "3", *CODE, "Return")
        await kiosk.shows(lambda painted: painted["found"] == [BUTTER])
        await tap(display, kiosk, "found")
        request = await shop.answer(till, "done")
        assert (request["kind"], request["sku"]) == ("add_item", BUTTER)
        await kiosk.shows(lambda painted: painted["lines"] == 2 and "is in the basket" in painted["notice"])

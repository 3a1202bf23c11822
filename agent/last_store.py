"""Work that stores what others hand over, and has a moment for the last of it when it is cancelled."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

__all__ = ["store_until_cancelled"]

STOP_TIMEOUT_S: Final = 2.0


async def store_until_cancelled(handed_over: asyncio.Event, store_all: Callable[[], Awaitable[None]]) -> None:
    """Calls `store_all` whenever something was handed over; when cancelled, once more, for 2 s at most.

    What is on its way to the log when it is cancelled is stored again, so that has to change nothing.
    """
    try:
        while True:
            await handed_over.wait()
            handed_over.clear()
            await store_all()
    except asyncio.CancelledError:
        with suppress(TimeoutError):
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await store_all()
        raise

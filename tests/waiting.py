"""Waits for what other processes do, with a deadline instead of a guess."""

import asyncio
from collections.abc import Awaitable, Callable

__all__ = ["until"]

DEADLINE_S = 30.0
POLL_S = 0.02


async def until(condition: Callable[[], Awaitable[bool]], deadline_s: float = DEADLINE_S) -> None:
    """Return once the condition is true; fail when it is not within the deadline."""
    async with asyncio.timeout(deadline_s):
        while not await condition():
            await asyncio.sleep(POLL_S)

"""Tells open streams that prices, products or offers may have changed; rung from any thread, heard on the loop."""

import asyncio
from collections.abc import Callable

from agent.packs import Packs

__all__ = ["ShelfNews"]


class ShelfNews:
    """`revision` grows with every ring within one run of the agent."""

    def __init__(self, packs: Packs) -> None:
        """Rings after each pack that is applied."""
        self.revision = 0
        self._watchers: dict[Callable[[], None], asyncio.AbstractEventLoop] = {}
        packs.on_applied = self.ring

    def ring(self) -> None:
        """Something on the shelf changed."""
        self.revision += 1
        for wake, loop in tuple(self._watchers.items()):
            loop.call_soon_threadsafe(wake)

    def watch(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Calls `wake` on this loop after every ring, until the returned function is called."""
        self._watchers[wake] = asyncio.get_running_loop()

        def stop() -> None:
            self._watchers.pop(wake, None)

        return stop

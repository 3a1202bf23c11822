"""A line that behaves as a profile says."""

import asyncio
from itertools import count
from typing import Self

from sim.network.profiles import Profile
from sim.network.proxy import FaultProxy, LineState

__all__ = ["ProfiledLine"]


class ProfiledLine(FaultProxy):
    """Enter it to open the line; its first phase begins then."""

    def __init__(self, profile: Profile, target_host: str, target_port: int, *, port: int = 0, seed: int = 0) -> None:
        super().__init__(target_host, target_port, port=port, up=profile.up, down=profile.down, seed=seed)
        self.changed = asyncio.Event()
        """Set at each change of state; whoever waits clears it."""
        self.phases_done = 0
        self._profile = profile
        self._timeline: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        self._timeline = asyncio.create_task(self._play(), name="line profile")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._timeline is not None:
            self._timeline.cancel()
            await asyncio.wait([self._timeline])
        await super().__aexit__()

    async def _play(self) -> None:
        if not self._profile.phases:
            return
        for _ in count() if self._profile.times is None else range(self._profile.times):
            for phase in self._profile.phases:
                self._enter(phase.state)
                await asyncio.sleep(phase.length_s)
                self.phases_done += 1
        self._enter(LineState.UP)

    def _enter(self, state: LineState) -> None:
        match state:
            case LineState.UP:
                self.restore()
            case LineState.CUT:
                self.cut()
            case LineState.BLACK_HOLE:
                self.black_hole()
        self.changed.set()

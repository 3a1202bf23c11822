"""A kiosk without a screen, in this process, beside whatever listens on a socket."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from agent.clock import SystemClock
from kiosk import inputs
from kiosk.client import AgentApi
from kiosk.session import Session
from kiosk.state import State
from tests.kiosk.scenes import Kiosk

__all__ = ["RunningSession", "running_session"]

DEADLINE_S: Final = 30.0


@dataclass
class RunningSession:
    """The session; `until` waits for its state."""

    session: Session
    changed: asyncio.Event

    async def until(self, condition: Callable[[State], bool]) -> State:
        """The first state from now on of which this is true."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition(self.session.state):
                self.changed.clear()
                await self.changed.wait()
        return self.session.state

    def tap(self, slot: int) -> str:
        """Add on a card, as if it had stood there long enough; the request's id."""
        card = self.session.state.slots[slot].card
        assert card is not None
        settled = Kiosk(self.session.state, SystemClock().monotonic_s() + 1, [])
        settled.take(inputs.AddTapped(slot, card.sku))
        self.session.state = settled.state
        self.session.take(inputs.Touched())
        return settled.state.slots[slot].request_id


@asynccontextmanager
async def running_session(socket: Path, folder: Path) -> AsyncIterator[RunningSession]:
    """One for the length of a block."""
    changed = asyncio.Event()
    async with AgentApi(socket, "kiosk-3") as api:
        session = Session(Kiosk.new().state, api, folder / "taps.json", SystemClock())
        session.on_change = lambda _: changed.set()
        serving = asyncio.create_task(session.run())
        serving.add_done_callback(lambda _: changed.set())
        try:
            yield RunningSession(session, changed)
            assert not serving.done(), serving
        finally:
            serving.cancel()
            with suppress(asyncio.CancelledError):
                await serving

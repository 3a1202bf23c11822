"""A ledger for the link's tests: the cloud twin at a broker, and what it holds of the one device."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.link.compression import ZSTD
from sim.cloud.holes import Gap
from sim.cloud.ledger import Ledger
from sim.cloud.twin import CloudTwin
from tests.link.device import NAME
from tests.link.peers import DEADLINE_S

__all__ = ["in_ledger", "twin"]


@asynccontextmanager
async def twin(folder: Path, port: int, *, accepts: Sequence[str] = (ZSTD,)) -> AsyncIterator[Ledger]:
    """The cloud's ledger, listening."""
    ledger = Ledger.open(folder / "ledger.sqlite", SystemClock())
    cloud = CloudTwin(ledger, "127.0.0.1", port, accepts=accepts)
    running = asyncio.create_task(cloud.run())
    try:
        await asyncio.wait_for(cloud.connected.wait(), DEADLINE_S)
        yield ledger
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        ledger.close()


def in_ledger(ledger: Ledger, stream: Stream) -> int:
    """How many events of a stream the ledger has, counted from the first without a hole."""
    books = ledger.books(f"{NAME.site}/{NAME.device}")
    whole = (book for book in books if book.key.stream == stream and not book.holes.count(Gap.MISSING))
    return max((book.holes.upto for book in whole), default=0)

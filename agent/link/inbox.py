"""What the link hears for others: topics they want, and where their messages go."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

__all__ = ["Inbox", "NoInbox"]


class Inbox(Protocol):
    """Somebody who wants messages beside the ledger's receipts. Called in the event loop; nothing here may block."""

    def filters(self) -> Sequence[str]:
        """The topic filters to subscribe on a new connection."""
        ...

    async def next_filter(self) -> str:
        """Waits for one more filter that is wanted on the connection that is up."""
        ...

    def put(self, topic: str, payload: bytes, done: Callable[[], None]) -> bool:
        """Takes a message; False when there is no room, which ends the connection: retained messages come again.

        Call `done`, in the event loop, once the message is where it has to be: then the broker may forget it, and not
        before. Later messages of the link, the ledger's receipts among them, wait behind it at the broker.
        """
        ...


class NoInbox:
    """Wants nothing."""

    def filters(self) -> Sequence[str]:
        return ()

    async def next_filter(self) -> str:
        never: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        return await never

    def put(self, topic: str, payload: bytes, done: Callable[[], None]) -> bool:
        del topic, payload
        done()
        return True

"""Carries packs from the link to the shelf: messages wait in a bounded queue, and two workers take them off the loop.

One keeps what arrives, and only then may the broker forget it; the other applies what is whole, however long it takes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from agent.packs.packs import Packs
from agent.topics import Channel, DeviceName, TopicRefused, parse_topic

__all__ = ["PackInbox"]

MESSAGES_WAITING_MAX: Final = 64  # of up to 128 KiB each
CHUNKS_ASKED_MAX: Final = 8  # at a time, of one pack


class PackInbox:
    """The link's inbox for the sets that `packs` follows; `keep` is the work."""

    def __init__(self, packs: Packs, name: DeviceName) -> None:
        self._packs = packs
        self._name = name
        self._messages: asyncio.Queue[tuple[tuple[str, ...], bytes, Callable[[], None]]] = asyncio.Queue(
            MESSAGES_WAITING_MAX
        )
        self._manifests: dict[str, bytes] = {}
        """By set, the newest that waits: while the disk is slow, however long, others cannot fill the queue."""
        self._whole: dict[str, None] = {}
        """Sets to apply, in order."""
        self._something_whole = asyncio.Event()
        self._filters: asyncio.Queue[str] = asyncio.Queue()
        """As many as chunks are asked for at a time."""
        self._asked: dict[str, deque[int]] = {}
        """By set, the chunks to ask for after those asked for now."""

    def filters(self) -> Sequence[str]:
        """The manifests of all sets; their chunks are asked for once a manifest is news."""
        return [self._name.topic(Channel.PACKS, name) for name in self._packs.sets]

    async def next_filter(self) -> str:
        """The chunks of a pack that is wanted."""
        return await self._filters.get()

    def put(self, topic: str, payload: bytes, done: Callable[[], None]) -> bool:
        """Queue one message of ours; others are not for us."""
        try:
            parsed = parse_topic(topic)
        except TopicRefused:
            done()
            return True
        if parsed.channel is not Channel.PACKS or parsed.tail[0] not in self._packs.sets or not payload:
            done()
            return True
        name, is_manifest = parsed.tail[0], len(parsed.tail) == 1
        if is_manifest and name in self._manifests:
            done()  # the retained one is the newest, too
        else:
            try:
                self._messages.put_nowait((parsed.tail, payload, done))
            except asyncio.QueueFull:
                return False
        if is_manifest:
            self._manifests[name] = payload
        return True

    async def keep(self) -> None:
        """Take messages and apply packs until cancelled; disk work is done in threads."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_messages(), name="packs kept")
            tasks.create_task(self._apply_whole(), name="packs applied")

    async def _keep_messages(self) -> None:
        while True:
            tail, payload, done = await self._messages.get()
            name = tail[0]
            if len(tail) == 1:
                newest = self._manifests.pop(name)
                wanted = await asyncio.to_thread(self._packs.manifest, name, newest)
                if wanted is not None:
                    self._asked[name] = deque(self._packs.missing(name))
                    for _ in range(CHUNKS_ASKED_MAX):
                        self._ask_for_more(name, wanted.sha256)
            elif tail[2].isdigit():
                await asyncio.to_thread(self._packs.chunk, name, tail[1], int(tail[2]), payload)
                self._ask_for_more(name, tail[1])
            done()
            if self._packs.is_whole(name):
                self._whole[name] = None
                self._something_whole.set()

    async def _apply_whole(self) -> None:
        while True:
            await self._something_whole.wait()
            self._something_whole.clear()
            while self._whole:
                name = next(iter(self._whole))
                del self._whole[name]
                await asyncio.to_thread(self._packs.apply, name)

    def _ask_for_more(self, name: str, pack_hash: str) -> None:
        """One chunk more, so that what comes down never outruns the disk."""
        if self._asked.get(name):
            number = self._asked[name].popleft()
            self._filters.put_nowait(self._name.topic(Channel.PACKS, name, pack_hash, str(number)))

"""Carries packs from the link to the shelf: messages wait in a bounded queue, and a worker takes them off the loop."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from agent.packs.packs import Packs
from agent.topics import Channel, DeviceName, TopicRefused, parse_topic

__all__ = ["PackInbox"]

MESSAGES_WAITING_MAX: Final = 64  # of up to 128 KiB each
CHUNKS_ASKED_MAX: Final = 8  # at a time, of one pack


class PackInbox:
    """The link's inbox for the sets that `packs` follows; `keep` is the worker."""

    def __init__(self, packs: Packs, name: DeviceName) -> None:
        self._packs = packs
        self._name = name
        self._messages: asyncio.Queue[tuple[tuple[str, ...], bytes]] = asyncio.Queue(MESSAGES_WAITING_MAX)
        self._manifests: dict[str, bytes] = {}
        """By set, the newest that waits: while a pack is applied, however long, others cannot fill the queue."""
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

    def put(self, topic: str, payload: bytes) -> bool:
        """Queue one message of ours; others are not for us."""
        try:
            parsed = parse_topic(topic)
        except TopicRefused:
            return True
        if parsed.channel is not Channel.PACKS or parsed.tail[0] not in self._packs.sets or not payload:
            return True
        is_manifest = len(parsed.tail) == 1
        if not is_manifest or parsed.tail[0] not in self._manifests:
            try:
                self._messages.put_nowait((parsed.tail, payload))
            except asyncio.QueueFull:
                return False
        if is_manifest:
            self._manifests[parsed.tail[0]] = payload
        return True

    async def keep(self) -> None:
        """Take messages one by one until cancelled; disk work is done in a thread."""
        while True:
            tail, payload = await self._messages.get()
            if len(tail) == 1:
                newest = self._manifests.pop(tail[0])
                wanted = await asyncio.to_thread(self._packs.manifest, tail[0], newest)
                if wanted is not None:
                    self._asked[tail[0]] = deque(self._packs.missing(tail[0]))
                    for _ in range(CHUNKS_ASKED_MAX):
                        self._ask_for_more(tail[0], wanted.sha256)
            elif tail[2].isdigit():
                await asyncio.to_thread(self._packs.chunk, tail[0], tail[1], int(tail[2]), payload)
                self._ask_for_more(tail[0], tail[1])

    def _ask_for_more(self, name: str, pack_hash: str) -> None:
        """One chunk more, so that what comes down never outruns the disk."""
        if self._asked.get(name):
            number = self._asked[name].popleft()
            self._filters.put_nowait(self._name.topic(Channel.PACKS, name, pack_hash, str(number)))

"""Between the link and the packs: whatever a pack does, the link is never held up by it."""

import asyncio
import json
from hashlib import sha256
from pathlib import Path
from threading import Event

import pytest

from agent.packs import PackInbox, Packs, PackShelf
from agent.packs.inbox import MESSAGES_WAITING_MAX
from agent.topics import DeviceName
from tests.waiting import until

TOPIC = "sf/v1/store-1/box-1/dat/offers"


def manifest(pack: bytes, version: int) -> bytes:
    return json.dumps(
        {"version": version, "sha256": sha256(pack).hexdigest(), "size_bytes": len(pack), "chunk_bytes": 10}
    ).encode()


@pytest.mark.case("P6")
async def test_while_an_applier_hangs_the_link_stays_up_and_afterwards_the_newest_version_counts(
    tmp_path: Path,
) -> None:
    hanging, go_on = Event(), Event()

    def apply(_: Path) -> None:
        hanging.set()
        go_on.wait(30)

    packs = Packs(PackShelf(tmp_path), {"offers": apply})
    inbox = PackInbox(packs, DeviceName("store-1", "box-1"))
    keeping = asyncio.create_task(inbox.keep())
    try:
        for version in (1, 2):
            pack = b"pack %d" % version
            assert inbox.put(TOPIC, manifest(pack, version))
            if version == 1:
                await asyncio.wait_for(inbox.next_filter(), 10)
            assert inbox.put(f"{TOPIC}/{sha256(pack).hexdigest()}/0", pack)
            assert await asyncio.to_thread(hanging.wait, 10)
        for version in range(3, 3 + 3 * MESSAGES_WAITING_MAX):  # as after so many reconnects
            assert inbox.put(TOPIC, manifest(b"newest", version)), "the link would end the connection"
        go_on.set()
        await asyncio.wait_for(inbox.next_filter(), 10)
        assert inbox.put(f"{TOPIC}/{sha256(b'newest').hexdigest()}/0", b"newest")

        async def counts() -> bool:
            return packs.version("offers") == version

        await until(counts)
    finally:
        keeping.cancel()

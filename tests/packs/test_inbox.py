"""Between the link and the packs: whatever a pack does, the link is never held up by it."""

import asyncio
import json
from functools import partial
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
    put = 0
    done: list[int] = []

    def take(topic: str, payload: bytes) -> bool:
        nonlocal put
        put += 1
        return inbox.put(topic, payload, partial(done.append, put))

    async def all_done() -> bool:
        return sorted(done) == list(range(1, put + 1))

    try:
        for version in (1, 2):
            pack = b"pack %d" % version
            assert take(TOPIC, manifest(pack, version))
            if version == 1:
                await asyncio.wait_for(inbox.next_filter(), 10)
            assert take(f"{TOPIC}/{sha256(pack).hexdigest()}/0", pack)
            assert await asyncio.to_thread(hanging.wait, 10)
        for version in range(3, 3 + 3 * MESSAGES_WAITING_MAX):  # as after so many reconnects
            assert take(TOPIC, manifest(b"newest", version)), "the link would end the connection"
        await until(all_done)  # else receipts would wait behind them at the broker
        assert packs.version("offers") == 0
        go_on.set()
        await asyncio.wait_for(inbox.next_filter(), 10)
        assert take(f"{TOPIC}/{sha256(b'newest').hexdigest()}/0", b"newest")

        async def counts() -> bool:
            return packs.version("offers") == version

        await until(counts)
    finally:
        keeping.cancel()


async def test_a_chunk_is_done_once_it_is_on_disk_and_not_before(tmp_path: Path) -> None:
    packs = Packs(PackShelf(tmp_path), {"offers": lambda _: None})
    inbox = PackInbox(packs, DeviceName("store-1", "box-1"))
    found: list[bool] = []
    name = sha256(b"0123456789abc").hexdigest()
    chunk = tmp_path / name / "chunk-00000"
    assert inbox.put(TOPIC, manifest(b"0123456789abc", 1), lambda: None)
    assert inbox.put(f"{TOPIC}/{name}/0", b"0123456789", lambda: found.append(chunk.exists()))
    assert not found
    keeping = asyncio.create_task(inbox.keep())

    async def told() -> bool:
        return bool(found)

    try:
        await until(told)
    finally:
        keeping.cancel()
    assert found == [True]


def test_what_is_not_for_packs_is_done_at_once(tmp_path: Path) -> None:
    inbox = PackInbox(Packs(PackShelf(tmp_path), {"offers": lambda _: None}), DeviceName("store-1", "box-1"))
    done: list[str] = []
    others = ["no topic", "sf/v1/store-1/box-1/dat/others", "sf/v1/store-1/box-1/ack", TOPIC]
    for topic in others:
        assert inbox.put(topic, b"", partial(done.append, topic))
    assert done == others

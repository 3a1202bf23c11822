"""How till requests ended is stored, also when the log is busy at first, and once."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent.api.request_recorder import RequestRecorder
from agent.clock import SystemClock
from agent.errors import IntakeFull
from agent.event_types import Stream
from agent.tills.till_requests import TillRequest
from tests.api.api_world import World, open_world, scan


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    """An agent whose log takes 100 events at a time."""
    async with open_world(tmp_path, log={"queue_events_max": 100}) as opened:
        await opened.local().post("/v1/events", scan())
        yield opened


def answered(world: World, request_id: str = "r-1") -> TillRequest:
    now_s, wall = SystemClock().monotonic_s(), SystemClock().wall()
    world.till_requests.open("till-3", "b-1", "add_item", "milk", "1", request_id=request_id, now_s=now_s, wall=wall)
    return world.till_requests.answer("till-3", request_id, "done", None, now_s)


async def wait_until_recorded(world: World) -> None:
    async with asyncio.timeout(10):
        while world.till_requests.unrecorded:
            await asyncio.sleep(0.01)


async def test_what_the_log_is_too_busy_for_is_stored_later(world: World) -> None:
    recorder = RequestRecorder(world.till_requests, world.log, world.decoder, SystemClock())
    ended = answered(world)
    many = world.decoder.decode(json.dumps([scan(number) for number in range(100)]).encode(), "till-3")
    filling = asyncio.create_task(world.log.append(many))
    await asyncio.sleep(0)  # it has submitted now, and the answer cannot be here before we wait again
    with pytest.raises(IntakeFull):
        await recorder.record(ended)
    assert world.till_requests.unrecorded == (ended,)
    await filling
    keeping = asyncio.create_task(recorder.run())
    await wait_until_recorded(world)
    keeping.cancel()
    assert [event["id"] for event in world.stored(Stream.KIOSK)] == ["till-request:r-1"]


async def test_recording_twice_stores_once(world: World) -> None:
    recorder = RequestRecorder(world.till_requests, world.log, world.decoder, SystemClock())
    ended = answered(world)
    await asyncio.gather(recorder.record(ended), recorder.record(ended))
    await recorder.record(ended)
    assert len(world.stored(Stream.KIOSK)) == 1


async def test_an_end_that_was_stored_otherwise_before_a_restart_stands(world: World) -> None:
    recorder = RequestRecorder(world.till_requests, world.log, world.decoder, SystemClock())
    first = answered(world)
    other = first.event().model_copy(update={"outcome": "refused", "reason": "no"})
    await world.log.append([world.decoder.make(other, "agent", event_id="till-request:r-1")])
    await recorder.record(first)
    assert world.till_requests.unrecorded == ()
    assert [event["data"]["outcome"] for event in world.stored(Stream.KIOSK)] == ["refused"]

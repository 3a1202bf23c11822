"""What the agent tells about itself is what is so."""

import asyncio
import json
import subprocess
import sys
from datetime import datetime, timedelta

from agent.clock import SystemClock
from agent.event_types import Stream
from agent.link import Receipts
from agent.log import CLOUD, Place
from tests.api.api_world import CheckedClient, World, scan


async def test_the_status_tells_streams_cursors_and_what_waits(world: World, till: CheckedClient) -> None:
    await till.post("/v1/events", [scan(1), scan(2), scan(3)])
    await world.log.advance(CLOUD, Stream.SALES, Place(1, 2))
    status = (await till.get("/v1/status")).json
    assert (status["site"], status["device"]) == ("store-1", "box-1")
    assert status["data_folder"] == str(world.folder.path)
    assert datetime.fromisoformat(status["started"]).tzinfo is not None
    assert (status["log"]["epoch"], status["log"]["waiting"]) == (world.log.epoch, 1)
    streams = {stream["stream"]: stream for stream in status["log"]["streams"]}
    oldest = datetime.fromisoformat(streams["sales"].pop("oldest_waiting"))
    assert timedelta() <= SystemClock().wall() - oldest < timedelta(minutes=1)
    assert streams["stock"]["oldest_waiting"] is None
    assert streams["sales"] == {
        "stream": "sales",
        "head": {"epoch": 1, "sequence": 3},
        "cursor": {"epoch": 1, "sequence": 2},
        "waiting": 1,
    }
    assert set(streams) == set(Stream)
    assert status["link"]["state"] == "disabled"
    assert (status["tills"], status["products"], status["problems"]) == (1, 0, [])


async def test_receipts_are_shown_as_last_heard(world: World, till: CheckedClient) -> None:
    assert (await till.get("/v1/receipts")).kind == "no_receipts"
    receipt = {
        "receipts": [{"stream": "sales", "epoch": "e", "upto": 7, "last_id": "x", "missing": [[2, 3]], "conflicts": 0}]
    }
    world.receipts.append(Receipts.model_validate(receipt))
    shown = (await till.get("/v1/receipts")).json
    assert shown["receipts"][0] == {
        **receipt["receipts"][0],
        "missing_count": 0,
        "shed": 0,
        "quarantined": 0,
        "parked": 0,
    }
    assert shown["days"] == []


async def test_it_is_alive_and_ready(till: CheckedClient) -> None:
    for path in ("/livez", "/readyz"):
        assert (await till.get(path)).json == {"status": "ok"}


async def test_metrics_have_base_units_no_ids_and_the_version(till: CheckedClient) -> None:
    await till.post("/v1/events", scan(till_id="till-secret"))
    text = (await till.get("/metrics")).body.decode()
    names = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    assert all(name.startswith("storeforward_") for name in names)
    assert not any(name.endswith(("_ms", "_milliseconds", "_kb")) for name in names)
    assert "storeforward_build_info{version=" in text
    assert "till-secret" not in text
    for name in (
        "storeforward_queue_depth_events",
        "storeforward_link_connected",
        "storeforward_link_plain_bytes_total",
        "storeforward_link_reconnects_total",
        "storeforward_link_sent_bytes_total",
        "storeforward_publishes_refused_total",
        "storeforward_puback_seconds",
        "storeforward_events_parked",
        "storeforward_append_seconds",
        "storeforward_http_requests_total",
    ):
        assert any(family.removesuffix("_total") == name.removesuffix("_total") for family in names), name


async def test_a_dead_recorder_is_told_to_whoever_waits_for_it(world: World) -> None:
    waiting = asyncio.create_task(world.api.wait_failed())
    await asyncio.sleep(0)
    assert not waiting.done()
    await world.api.stop()
    await asyncio.wait([waiting])
    assert waiting.cancelled()


def test_the_api_loads_nothing_heavy() -> None:
    code = (
        "import sys, agent.api; print(sorted({'sqlite_utils', 'pandas', 'numpy', 'pyarrow', 'sim'} & set(sys.modules)))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == []

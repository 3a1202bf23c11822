"""POST /v1/events: what is answered is on the disk, once; what is refused says why and stores nothing."""

import asyncio
import gzip
import json
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from agent.event_types import EVENT_TYPES, Stream
from tests.api.api_world import CheckedClient, World, open_world, scan
from tests.examples import EXAMPLES, PAN


async def test_one_event_is_answered_with_its_place(world: World, till: CheckedClient) -> None:
    reply = await till.post("/v1/events", {"id": "e-1", **scan()})
    assert reply.status == 201
    assert reply.json == {
        "events": [
            {"id": "e-1", "stream": "sales", "epoch": world.log.epoch, "sequence": 1, "duplicate": False},
        ]
    }
    (stored,) = world.stored(Stream.SALES)
    assert (stored["id"], stored["source"], stored["sequence"]) == ("e-1", "/store-1/box-1/till-3", "000000000001")


async def test_a_list_is_answered_in_its_order_over_all_streams(world: World, till: CheckedClient) -> None:
    events = [
        {"type": name, "id": f"e-{name}", "data": data}
        for name, data in EXAMPLES.items()
        if not EVENT_TYPES[name].is_audit
    ]
    reply = await till.post("/v1/events", events)
    assert reply.status == 201
    assert [answer["id"] for answer in reply.json["events"]] == [event["id"] for event in events]
    for stream in Stream:
        mine = [answer for answer in reply.json["events"] if answer["stream"] == stream]
        assert [answer["sequence"] for answer in mine] == list(range(1, len(mine) + 1))
        assert [event["id"] for event in world.stored(stream)] == [answer["id"] for answer in mine]


async def test_a_cloud_event_is_taken_as_the_short_form_is(till: CheckedClient) -> None:
    event = {
        "specversion": "1.0",
        "id": "c-1",
        "source": "/store-1/box-1/till-3",
        "type": "dev.storeforward.pos.scan.v1",
        "time": "2026-03-05T10:00:00Z",
        "data": scan()["data"],
    }
    for media_type in ("application/cloudevents+json", "application/json; charset=utf-8"):
        reply = await till.post("/v1/events", event, headers={"Content-Type": media_type})
        assert reply.status in (200, 201)


@pytest.mark.case("D5")
async def test_a_retry_gets_the_first_answer(world: World, till: CheckedClient) -> None:
    event = {"id": "e-1", **scan()}
    first = await till.post("/v1/events", event)
    again = await till.post("/v1/events", event)
    assert again.status == 200
    assert again.json["events"] == [{**first.json["events"][0], "duplicate": True}]
    mixed = await till.post("/v1/events", [event, {"id": "e-2", **scan(2)}])
    assert mixed.status == 201
    assert [answer["duplicate"] for answer in mixed.json["events"]] == [True, False]
    assert world.log.head(Stream.SALES).sequence == 2


@pytest.mark.case("D5")
async def test_the_same_id_with_another_content_is_a_conflict(world: World, till: CheckedClient) -> None:
    await till.post("/v1/events", {"id": "e-1", **scan()})
    reply = await till.post("/v1/events", [{"id": "e-0", **scan(7)}, {"id": "e-1", **scan(2)}])
    assert (reply.status, reply.kind) == (409, "id_conflict")
    assert reply.problems == [("[1].id", "stored before with another content")]
    assert [event["id"] for event in world.stored(Stream.SALES)] == ["e-1"], "all or nothing"


@pytest.mark.case("D5")
async def test_two_tills_with_the_same_id_are_two_events(world: World) -> None:
    for name in ("till-3", "till-4"):
        reply = await world.local(name).post("/v1/events", {"id": "e-1", **scan()})
        assert reply.status == 201
    assert [event["source"] for event in world.stored(Stream.SALES)] == [
        "/store-1/box-1/till-3",
        "/store-1/box-1/till-4",
    ]


def _scan_with(**changes: Any) -> dict[str, Any]:  # Any: JSON
    return scan(**changes)


@pytest.mark.case("D1")
@pytest.mark.parametrize(
    ("body", "path"),
    [
        (b"", ""),
        (b"nonsense", ""),
        (b"[]", ""),
        (b"null", ""),
        (b"\xff\xfe", ""),
        (b'{"type":"pos.scan.v1","type":"pos.scan.v1","data":{}}', ""),
        (b'{"type":"pos.scan.v1","data":{"line":NaN}}', "data.line"),
        (b'{"type":"pos.scam.v1","data":{}}', "type"),
        (b'{"type":"pos.scan.v1"}', "data"),
        (json.dumps(_scan_with(actual_unit_price=1.5)).encode(), "data.actual_unit_price"),
        (json.dumps(_scan_with(customer_id="4711")).encode(), "data.customer_id"),
        (json.dumps(_scan_with(description=PAN)).encode(), "data.description"),
        (json.dumps(_scan_with(colour="red")).encode(), "data.colour"),
        (json.dumps([scan(), _scan_with(quantity="many")]).encode(), "[1].data.quantity"),
        (json.dumps({**scan(), "sequence": "1"}).encode(), "sequence"),
        (json.dumps({**scan(), "time": "yesterday"}).encode(), "time"),
    ],
)
async def test_a_malformed_event_is_refused_with_its_path(
    world: World, till: CheckedClient, body: bytes, path: str
) -> None:
    reply = await till.post("/v1/events", body)
    assert (reply.status, reply.kind) == (400, "event_refused")
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert path in [found for found, _ in reply.problems]
    assert world.log.head(Stream.SALES).sequence == 0
    assert b"4711" not in reply.body
    assert PAN.encode() not in reply.body


async def test_up_to_20_problems_are_told(till: CheckedClient) -> None:
    reply = await till.post("/v1/events", [_scan_with(quantity="many")] * 50)
    assert len(reply.problems) == 20
    assert reply.json["detail"] == "20 problems"


async def test_too_many_events_in_one_call_are_refused(till: CheckedClient) -> None:
    reply = await till.post("/v1/events", [scan()] * 1_001)
    assert reply.status == 400


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "application/json; charset=latin-1"])
async def test_another_media_type_is_refused(till: CheckedClient, media_type: str) -> None:
    reply = await till.post("/v1/events", scan(), headers={"Content-Type": media_type})
    assert (reply.status, reply.kind) == (415, "media_type")


@pytest.mark.case("D8")
async def test_a_large_body_is_refused_by_its_length_and_by_its_bytes(tmp_path: Path) -> None:
    async with open_world(tmp_path, api={"request_bytes_max": 2_000}) as world:
        till = world.local()
        body = json.dumps([scan()] * 100).encode()
        assert (await till.post("/v1/events", body)).kind == "too_large"

        async def in_parts() -> Any:  # Any: aiohttp takes an async iterator of bytes
            for start in range(0, len(body), 500):
                yield body[start : start + 500]

        headers = {"Content-Type": "application/json"}
        reply = await till.call("POST", "/v1/events", data=in_parts(), headers=headers)
        assert (reply.status, reply.kind) == (413, "too_large")
        bomb = gzip.compress(b" " * 1_000_000)
        reply = await till.post("/v1/events", bomb, headers={"Content-Encoding": "gzip"})
        assert (reply.status, reply.kind) == (413, "too_large")
        assert (await till.post("/v1/events", scan())).status == 201


async def test_a_5_megabyte_body_is_refused_even_where_settings_allow_more(tmp_path: Path) -> None:
    async with open_world(tmp_path, api={"request_bytes_max": 60_000_000}) as world:
        body = BytesIO(b"[" + b" " * 5_000_000 + b"]")
        reply = await world.local().post("/v1/events", data=body)
        assert (reply.status, reply.kind) == (413, "too_large")


async def test_a_compressed_body_is_read(till: CheckedClient) -> None:
    body = gzip.compress(json.dumps(scan()).encode())
    assert (await till.post("/v1/events", body, headers={"Content-Encoding": "gzip"})).status == 201


async def test_a_body_that_is_not_what_its_encoding_says_is_refused(till: CheckedClient) -> None:
    reply = await till.post("/v1/events", b"not gzip at all", headers={"Content-Encoding": "gzip"})
    assert reply.status == 400


async def test_a_producer_that_sends_too_fast_is_told_when_to_come_again(tmp_path: Path) -> None:
    async with open_world(tmp_path, api={"producer_events_per_s": 1}) as world:
        till = world.local()
        assert (await till.post("/v1/events", [scan()] * 5)).status == 201, "one call is let in whole"
        reply = await till.post("/v1/events", scan())
        assert (reply.status, reply.kind) == (429, "rate_limited")
        assert 4 <= int(reply.headers["Retry-After"]) <= 5
        assert (await world.local("till-4").post("/v1/events", scan())).status == 201, "each has its own rate"


async def test_a_full_intake_is_429_and_a_full_log_507(tmp_path: Path) -> None:
    async with open_world(
        tmp_path,
        api={"producer_events_per_s": 1_000_000},
        log={"queue_events_max": 100, "size_bytes_max": 4 * 1_048_576},
    ) as world:
        till = world.local()
        replies = await asyncio.gather(*(till.post("/v1/events", [scan()] * 90) for _ in range(20)))
        full = [reply for reply in replies if reply.status != 201]
        assert full
        assert {(reply.status, reply.kind, reply.headers["Retry-After"]) for reply in full} == {
            (429, "intake_full", "1")
        }
        text = "x" * 399
        many = [scan(description=text)] * 100
        for _ in range(200):
            reply = await till.post("/v1/events", many)
            if reply.status != 201:
                break
        assert (reply.status, reply.kind) == (507, "storage_full")
        metrics = (await till.get("/metrics")).body.decode()
        assert f'storeforward_events_rejected_total{{reason="intake_full"}} {90.0 * len(full)}' in metrics
        assert 'storeforward_events_rejected_total{reason="storage_full"} 100.0' in metrics


async def test_a_failed_log_is_503(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.log._writer.close()  # type: ignore[union-attr]  # as after a failed disk: nothing is taken
        reply = await world.local().post("/v1/events", scan())
        assert (reply.status, reply.kind) == (503, "not_available")


async def test_200_posts_at_once_are_all_stored_once(world: World) -> None:
    tills = [world.local(f"till-{number}") for number in range(4)]

    async def post(number: int) -> None:
        reply = await tills[number % 4].post("/v1/events", [{"id": f"{number}-{k}", **scan(k)} for k in range(5)])
        assert reply.status == 201

    await asyncio.gather(*(post(number) for number in range(200)))
    stored = world.stored(Stream.SALES)
    assert len(stored) == len({event["id"] for event in stored}) == 1_000
    assert [int(event["sequence"]) for event in stored] == list(range(1, 1_001))


async def test_a_producer_that_hangs_up_early_can_send_again(world: World, till: CheckedClient) -> None:
    event = {"id": "e-1", **scan()}
    body = json.dumps(event).encode()
    head = f"POST /v1/events HTTP/1.1\r\nHost: x\r\nStoreforward-Producer: till-3\r\nContent-Length: {len(body)}\r\n"
    for cut in (0, len(body) // 2, len(body)):
        _, writer = await asyncio.open_unix_connection(str(world.folder.socket))
        writer.write(head.encode() + b"Content-Type: application/json\r\n\r\n" + body[:cut])
        await writer.drain()
        writer.transport.abort()
    assert (await till.post("/v1/events", event)).status in (200, 201)
    assert [stored["id"] for stored in world.stored(Stream.SALES)] == ["e-1"]


async def test_a_large_call_leaves_room_for_others(world: World) -> None:
    item = {"line": 1, "sku": "1", "quantity": "1", "actual_unit_price": "1.00", "extended_amount": "1.00"}
    sale = {**EXAMPLES["pos.sale.v1"], "items": [item] * 25}
    large = json.dumps([{"type": "pos.sale.v1", "data": sale}] * 1_000).encode()
    assert 2_000_000 < len(large) < 4_194_304
    till, other = world.local("till-1"), world.local("till-2")
    posting = asyncio.create_task(till.post("/v1/events", data=BytesIO(large)))
    answered = 0
    while not posting.done():
        await other.get("/livez")
        answered += 1
    assert (await posting).status == 201
    assert answered > 10, "the loop went on while a thread decoded"


async def test_a_pseudonym_is_the_same_each_time_and_its_raw_id_nowhere(world: World, till: CheckedClient) -> None:
    raw = "loyalty-4711-secret"
    first = await till.post("/v1/pseudonyms", {"customer": raw})
    again = await till.post("/v1/pseudonyms", {"customer": raw})
    other = await till.post("/v1/pseudonyms", {"customer": "another"})
    assert first.json == again.json != other.json
    reply = await till.post("/v1/events", scan(customer_id=first.json["customer_id"]))
    assert reply.status == 201
    for file in world.folder.path.rglob("*"):
        assert not file.is_file() or raw.encode() not in file.read_bytes(), file


async def test_a_loyalty_card_that_looks_like_a_payment_card_has_a_pseudonym(till: CheckedClient) -> None:
    assert (await till.post("/v1/pseudonyms", {"customer": PAN})).status == 200


@pytest.mark.parametrize(
    "body", [b"{}", b'{"customer":""}', b'{"customer":4711}', b"4711", b'{"customer":"\\ud800"}', b'{"raw":"4711"}']
)
async def test_a_bad_raw_id_is_refused_and_not_repeated(till: CheckedClient, body: bytes) -> None:
    reply = await till.post("/v1/pseudonyms", body)
    assert reply.status == 400
    assert b"4711" not in reply.body


async def test_counts_are_told_to_prometheus_by_stream_and_reason(till: CheckedClient) -> None:
    await till.post("/v1/events", [{"id": "e-1", **scan()}, {"type": "alert.v1", "data": EXAMPLES["alert.v1"]}])
    await till.post("/v1/events", {"id": "e-1", **scan()})
    await till.post("/v1/events", b"nonsense")
    text = (await till.get("/metrics")).body.decode()
    for line in (
        'storeforward_events_accepted_total{stream="sales"} 1.0',
        'storeforward_events_accepted_total{stream="audit"} 1.0',
        "storeforward_events_duplicate_total 1.0",
        'storeforward_events_rejected_total{reason="event_refused"} 1.0',
        "storeforward_append_seconds_count 2.0",
        'storeforward_queue_depth_events{stream="sales"} 1.0',
        'storeforward_http_requests_total{method="POST",route="/v1/events",status="400"} 1.0',
        "storeforward_link_connected 0.0",
    ):
        assert line in text.splitlines(), text
    assert "till-3" not in text

"""The `ack` document is what agents read."""

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from agent.link.receipts import parse_receipts
from agent.topics import Channel, DeviceName, parse_topic
from sim.cloud.ledger import Ledger
from sim.cloud.receipts import receipt_document, receipt_payload
from tests.sim.cloud.publishes import (
    DEVICE,
    EPOCH,
    FixedClock,
    batch,
    day_closed,
    day_range,
    declare,
    event,
    events_topic,
    sales,
)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(tmp_path / "ledger.sqlite", FixedClock())) as opened:
        yield opened


def test_a_receipt_tells_high_water_holes_and_conflicts(ledger: Ledger) -> None:
    sales(ledger, [1, 2, 6, 9])
    ledger.accept(events_topic(), batch(event(2, event_id="another")))
    assert receipt_document(ledger, DEVICE) == {
        "complete": True,
        "receipts": [
            {
                "stream": "sales",
                "epoch": EPOCH,
                "upto": 9,
                "last_id": "sales-0001-9",
                "missing": [[3, 5], [7, 8]],
                "missing_count": 5,
                "shed": 0,
                "quarantined": 0,
                "parked": 0,
                "conflicts": 1,
            }
        ],
        "days": [],
    }


def test_what_was_declared_is_not_missing_in_a_receipt_but_counted(ledger: Ledger) -> None:
    sales(ledger, [1, 2, 9])
    declare(ledger, 1, "shed", 3, 5)
    declare(ledger, 2, "quarantined", 10, 10)
    document = receipt_document(ledger, DEVICE)["receipts"][0]
    assert (document["missing"], document["missing_count"]) == ([[6, 8]], 3)
    assert (document["upto"], document["last_id"]) == (10, "")
    assert (document["shed"], document["quarantined"]) == (3, 1)
    (read, _) = parse_receipts(receipt_payload(ledger, DEVICE, ["zstd"])).receipts
    assert (read.upto, read.last_id, read.missing_count, read.shed, read.quarantined) == (10, "", 3, 3, 1)


def test_a_receipt_carries_the_day_answers(ledger: Ledger) -> None:
    sales(ledger, range(1, 4))
    day_closed(ledger, 1, "2017-03-05", day_range(1, 3))
    assert receipt_document(ledger, DEVICE)["days"] == [
        {
            "business_day": "2017-03-05",
            "stream": "sales",
            "epoch": EPOCH,
            "ok": True,
            "count": 3,
            "missing": 0,
            "declared": 0,
            "conflicts": 0,
            "problem": "",
        }
    ]


def test_a_receipt_holds_the_last_two_epochs_in_order_of_arrival(ledger: Ledger) -> None:
    for epoch in ("epoch-c", "epoch-a", "epoch-b"):
        sales(ledger, [1], epoch=epoch)
        ledger.accept(events_topic("stock"), batch(event(1, type_name="stock.counted.v1", stream="stock", epoch=epoch)))
    found = [(receipt["epoch"], receipt["stream"]) for receipt in receipt_document(ledger, DEVICE)["receipts"]]
    assert found == [(epoch, stream) for epoch in ("epoch-a", "epoch-b") for stream in ("sales", "stock")]


def test_the_epoch_of_the_devices_last_state_is_always_told(ledger: Ledger) -> None:
    for epoch in ("epoch-a", "epoch-b"):
        sales(ledger, [1], epoch=epoch)
    assert receipt_document(ledger, DEVICE)["complete"] is True
    for epoch in ("epoch-c", "epoch-d"):
        sales(ledger, [1], epoch=epoch)
    assert receipt_document(ledger, DEVICE)["complete"] is False
    say_state(ledger, epoch="epoch-b")
    document = receipt_document(ledger, DEVICE)
    assert [receipt["epoch"] for receipt in document["receipts"]] == ["epoch-b", "epoch-c", "epoch-d"]
    assert document["complete"] is False
    say_state(ledger, epoch="epoch-a")
    assert receipt_document(ledger, DEVICE)["receipts"][0]["epoch"] == "epoch-a"
    say_state(ledger, epoch=["epoch-a"])
    assert len(receipt_document(ledger, DEVICE)["receipts"]) == 2


def say_state(ledger: Ledger, **changes: object) -> None:
    site, name = DEVICE.split("/")
    state = {"status": "online", "session": "s"} | changes
    ledger.note_state(parse_topic(DeviceName(site, name).topic(Channel.STATE)), json.dumps(state).encode())


def test_at_most_a_hundred_ranges_are_listed_and_all_are_counted(ledger: Ledger) -> None:
    sales(ledger, range(2, 503, 2))
    (receipt,) = receipt_document(ledger, DEVICE)["receipts"]
    assert len(receipt["missing"]) == 100
    assert receipt["missing"][:2] == [[1, 1], [3, 3]]
    assert receipt["missing_count"] == 251


def test_a_device_that_sent_nothing_has_an_empty_receipt(ledger: Ledger) -> None:
    assert json.loads(receipt_payload(ledger, "store-9/box-9", ["zstd"])) == {
        "complete": True,
        "receipts": [],
        "days": [],
        "accepts": ["zstd"],
    }


def test_the_agent_reads_what_the_twin_writes(ledger: Ledger) -> None:
    sales(ledger, [1, 2, 6])
    day_closed(ledger, 1, "2017-03-05", day_range(1, 6))
    receipts = parse_receipts(receipt_payload(ledger, DEVICE, ["zstd"]))
    assert [(receipt.stream, receipt.upto, receipt.missing_count) for receipt in receipts.receipts] == [
        ("sales", 6, 3),
        ("audit", 1, 0),
    ]
    assert [(day.ok, day.missing) for day in receipts.days] == [(False, 3)]

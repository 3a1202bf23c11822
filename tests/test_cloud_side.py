"""docs/cloud-side.md is true: its examples are what agents send and read, and a ledger answers them as it says."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import BaseModel

from agent.event_types import Stream
from agent.link import BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE
from agent.link.compression import ZSTD
from agent.link.receipts import DayAnswer, Receipts, StreamReceipt, parse_receipts
from agent.packs.manifest import parse_manifest
from agent.topics import parse_topic
from sim.cloud.ledger import Ledger
from sim.cloud.receipts import receipt_payload
from tests.sim.cloud.publishes import FixedClock
from tests.sources import ROOT
from tests.test_asyncapi import payload_problems

TEXT: Final = (ROOT / "docs" / "cloud-side.md").read_text(encoding="utf-8")
BLOCKS: Final = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", TEXT, re.DOTALL)]
SALES, RECEIPT, AUDIT, STATE, MANIFEST = BLOCKS
DEVICE: Final = "store-17/box-1"
LOST: Final = "basket-7-line-2"


def topic(channel: str) -> str:
    return f"sf/v1/{DEVICE}/{channel}"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with closing(Ledger.open(tmp_path / "ledger.sqlite", FixedClock())) as opened:
        yield opened


@pytest.mark.parametrize(
    ("message", "payload"),
    [("eventBatch", SALES), ("eventBatch", AUDIT), ("receipts", RECEIPT), ("state", STATE), ("manifest", MANIFEST)],
)
def test_each_example_is_as_the_asyncapi_document_says(message: str, payload: Any) -> None:  # Any: JSON
    assert payload_problems(message, payload) == []


def test_a_ledger_that_takes_the_examples_answers_with_the_receipt_as_it_stands_there(ledger: Ledger) -> None:
    for events in (SALES, AUDIT):
        outcome = ledger.accept(parse_topic(topic(f"evt/{events[0]['stream']}")), json.dumps(events).encode())
        assert outcome.stored == len(events)
        assert not outcome.dead
    assert json.loads(receipt_payload(ledger, DEVICE, [ZSTD])) == RECEIPT


def test_the_agent_reads_the_receipt_and_the_manifest() -> None:
    assert parse_receipts(json.dumps(RECEIPT).encode()).model_dump() == RECEIPT
    assert parse_manifest(json.dumps(MANIFEST).encode()).model_dump() == MANIFEST


@pytest.mark.parametrize("model", [Receipts, StreamReceipt, DayAnswer])
def test_every_field_of_a_receipt_is_explained(model: type[BaseModel]) -> None:
    told = set(re.findall(r"`(\w+)`", TEXT[TEXT.index("## Receipts") :]))
    assert told >= model.model_fields.keys() - {"receipts"}


def test_the_hash_of_the_day_is_made_as_it_says() -> None:
    ids = [SALES[0]["id"], LOST, SALES[1]["id"]]
    lines = [f"{sequence}:{event_id}" for sequence, event_id in enumerate(ids, 1)]
    assert all(f"`{line}`" in TEXT for line in lines)
    closed = AUDIT[1]["data"]["ranges"][0]
    assert closed["sha256"] == sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def test_streams_content_types_and_declarations_are_named() -> None:
    words = set(re.findall(r"`([^`\n]+)`", TEXT))
    assert words >= {BATCH_CONTENT_TYPE, EVENT_CONTENT_TYPE, *(stream.value for stream in Stream)}
    assert words >= {f"audit.events_{word}.v1" for word in ("shed", "quarantined", "parked", "released")}

"""Offers: valid for a time, taken all or none."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from agent.packs import OfferBook, PackRefused

NOW = datetime(2026, 3, 6, 12, tzinfo=UTC)


def offer(**changes: object) -> dict[str, Any]:  # Any: JSON
    return {
        "offer_id": "o-1",
        "sku": "4011",
        "title": {"en": "Two for one", "ro": "Două la preț de una"},
        "unit_price": "0.99",
        "currency": "EUR",
        "valid_from": "2026-03-06T00:00:00Z",
        "valid_to": "2026-03-07T00:00:00Z",
    } | changes


def write(file: Path, *offers: object) -> Path:
    file.write_text(json.dumps(list(offers)), encoding="utf-8")
    return file


def test_an_offer_counts_from_its_first_moment_until_just_before_its_last(tmp_path: Path) -> None:
    book = OfferBook()
    book.load(write(tmp_path / "pack", offer(), offer(offer_id="o-2", sku="5")))
    start, end = NOW.replace(hour=0), NOW.replace(hour=0) + timedelta(days=1)
    assert [found.offer_id for found in book.for_product("4011", start)] == ["o-1"]
    assert not book.for_product("4011", start - timedelta(seconds=1))
    assert not book.for_product("4011", end)
    assert len(book.valid(NOW)) == book.size == 2


def test_a_new_pack_replaces_all_offers(tmp_path: Path) -> None:
    book = OfferBook()
    book.load(write(tmp_path / "one", offer()))
    book.load(write(tmp_path / "two", offer(sku="5")))
    assert not book.for_product("4011", NOW)
    assert book.size == 1


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (offer(unit_price=0.99), "[1].unit_price"),
        (offer(title={}), "[1].title"),
        (offer(valid_from="2026-03-06T00:00:00"), "[1].valid_from"),
        ({"sku": "5"}, "[1].offer_id"),
        ("nonsense", "[1]"),
    ],
)
def test_one_wrong_offer_leaves_the_offers_before(tmp_path: Path, wrong: object, told: str) -> None:
    book = OfferBook()
    book.load(write(tmp_path / "one", offer()))
    with pytest.raises(PackRefused) as refused:
        book.load(write(tmp_path / "two", offer(), wrong))
    assert told in str(refused.value)
    assert len(book.for_product("4011", NOW)) == 1

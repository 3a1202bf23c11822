"""Learned tables: each basket counts once, sums equal a naive count, customers are forgotten, models swap whole."""

import os
import sqlite3
from collections import Counter
from contextlib import closing
from itertools import combinations
from pathlib import Path
from resource import RUSAGE_THREAD, getrusage
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agent.decide import CustomerFact, LearnedModel, LearnedTables, LearnedUnreadable, SolvedModel, StockFact
from agent.decide.decay import CUSTOMER_HALF_LIFE_D
from agent.decide.facts import BoughtBasket, Fact
from agent.decide.tables import read_through
from agent.decide.tables_learned import LogCursor
from agent.decide.tables_model import RECENT_BASKETS_MAX, OnSale
from agent.errors import StorageFailed
from tests.decide.shop import ANNA, BEN, bought, many, open_tables

SKUS = ("bread", "butter", "milk", "tea", "rice")


def dump(tables: LearnedTables) -> list[str]:
    """All that is in the file."""
    with closing(sqlite3.connect(tables.file)) as connection:
        return list(connection.iterdump())


def rows(tables: LearnedTables, statement: str) -> list[tuple[Any, ...]]:  # Any: by column
    with closing(sqlite3.connect(tables.file)) as connection:
        return connection.execute(statement).fetchall()


def test_learning_twice_changes_nothing(tmp_path: Path) -> None:
    facts = [bought("bread", "butter", key=1, customer=ANNA), bought("bread", key=2)]
    with open_tables(tmp_path) as tables:
        assert tables.take(facts) == 2
        before = dump(tables)
        assert tables.take(facts) == 0
        assert dump(tables) == before


def test_the_cursor_moves_with_the_facts_or_not_at_all(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take([bought("bread", key=1)], LogCursor("sales", "e-1", 7))
        broken: list[Fact] = [bought("tea", key=2), StockFact("tea", "shelf", None)]  # type: ignore[arg-type]  # the disk says no
        with pytest.raises(StorageFailed):
            tables.take(broken, LogCursor("sales", "e-1", 9))
        assert tables.cursor("sales") == LogCursor("sales", "e-1", 7)
        assert tables.baskets == 1
        assert rows(tables, "SELECT sku FROM item") == [("bread",)]


@st.composite
def baskets(draw: st.DrawFn) -> list[BoughtBasket]:
    sets = draw(st.lists(st.sets(st.sampled_from(SKUS), min_size=1), max_size=20))
    keys = draw(st.lists(st.integers(0, 10), min_size=len(sets), max_size=len(sets)))
    people = draw(st.lists(st.sampled_from([None, ANNA, BEN]), min_size=len(sets), max_size=len(sets)))
    return [
        bought(*sorted(skus), key=key, customer=who, days_ago=place)
        for place, (skus, key, who) in enumerate(zip(sets, keys, people, strict=True))
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(facts=baskets())
def test_counts_equal_a_naive_count(tmp_path_factory: pytest.TempPathFactory, facts: list[BoughtBasket]) -> None:
    first: dict[int, BoughtBasket] = {}
    for fact in facts:
        first.setdefault(fact.key, fact)
    known = list(first.values())
    with open_tables(tmp_path_factory.mktemp("tables")) as tables:
        for fact in facts:
            tables.take([fact])
        assert tables.baskets == len(known)
        assert dict(rows(tables, "SELECT sku, baskets FROM item")) == Counter(sku for one in known for sku in one.skus)
        pairs = {frozenset((one, other)): count for one, other, count in rows(tables, "SELECT * FROM pair")}
        assert pairs == Counter(frozenset(pair) for one in known for pair in combinations(one.skus, 2))
        habits = rows(
            tables,
            "SELECT customer.id, sku, habit.baskets FROM habit JOIN item ON item.number = habit.item "
            "JOIN customer ON customer.number = habit.customer",
        )
        assert {(who, sku): count for who, sku, count in habits} == Counter(
            (one.customer, sku) for one in known for sku in one.skus if one.customer
        )


def test_a_share_is_the_decayed_share_of_the_customers_baskets(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take([bought("bread", key=1, customer=ANNA, days_ago=CUSTOMER_HALF_LIFE_D)])
        tables.take([bought("tea", key=2, customer=ANNA)])
        with closing(LearnedModel.open(tables.file)) as learned:
            shopper = learned.shopper(ANNA)
            assert shopper is not None
            on_sale = learned.on_sale(shopper.shares)
            shares = {on_sale[item].sku: share for item, share in shopper.shares.items()}
    assert shares == {"bread": pytest.approx(1 / 3), "tea": pytest.approx(2 / 3)}


def test_a_forgotten_customer_leaves_no_row_and_the_baskets_stay(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take([*many(3, "bread", customer=ANNA), bought("tea", key=9, customer=BEN)])
        tables.take([CustomerFact(ANNA, "forgotten")])
        assert rows(tables, "SELECT id FROM customer") == [(BEN,)]
        assert rows(tables, "SELECT count(*) FROM habit") == [(1,)]
        assert rows(tables, "SELECT baskets FROM item WHERE sku = 'bread'") == [(3,)]
        assert not any(ANNA in line for line in dump(tables))


def test_without_consent_nothing_is_learned_of_a_customer_until_it_is_given(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables, closing(LearnedModel.open(tables.file)) as learned:
        tables.take([bought("bread", key=1, customer=ANNA), CustomerFact(ANNA, "consent_withdrawn")])
        tables.take([bought("bread", key=2, customer=ANNA)])
        assert learned.shopper(ANNA) is None
        assert rows(tables, "SELECT count(*) FROM habit") == [(0,)]
        tables.take([CustomerFact(ANNA, "consent_given"), bought("tea", key=3, customer=ANNA)])
        shopper = learned.shopper(ANNA)
    assert shopper is not None
    assert len(shopper.shares) == 1


def test_a_model_is_swapped_whole_and_the_last_two_are_kept(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables, closing(LearnedModel.open(tables.file)) as learned:
        assert learned.version() is None
        versions = [tables.take_model(SolvedModel(9, {1: [(2, 0.5 * number)]}), number).version for number in (1, 2, 3)]
        assert versions == ["ease-1", "ease-2", "ease-3"]
        assert learned.version() == (3, "ease-3")
        assert learned.neighbours(3, [1, 9]) == {1: {2: 1.5}}
        assert rows(tables, "SELECT DISTINCT model FROM neighbour") == [(2,), (3,)]


def test_the_oldest_baskets_go_first_beyond_the_limit(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take(many(10, "bread"))
        assert tables.prune(baskets_kept=4) == 6
        assert tables.prune(baskets_kept=4) == 0
        assert tables.baskets == 4
        assert rows(tables, "SELECT count(*), min(basket) FROM line") == [(4, 7)]
    with open_tables(tmp_path) as again:
        assert again.baskets == 4


def test_recent_counts_are_those_of_the_latest_baskets(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables, closing(LearnedModel.open(tmp_path / "learned.sqlite")) as learned:
        tables.take([*many(10, "tea"), *many(RECENT_BASKETS_MAX - 2, "bread", first_key=100)])
        tables.take(many(1, "rice", first_key=5_000))
        found = {sku: learned.recent(learned.numbers([sku])) for sku in ("tea", "bread", "rice")}
        seen = {sku: counts for sku, by_number in found.items() for counts in by_number.values()}
    assert seen == {"tea": (1, 500), "bread": (498, 500), "rice": (1, 500)}


def test_a_file_that_was_read_through_needs_no_disk(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables:
        tables.take(many(200, "bread", "butter"))
    with tables.file.open("rb", buffering=0) as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    read_through(tables.file)
    before = getrusage(RUSAGE_THREAD).ru_inblock
    assert tables.file.read_bytes()
    assert getrusage(RUSAGE_THREAD).ru_inblock == before


def test_a_damaged_file_is_set_aside_and_learning_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "learned.sqlite").write_bytes(b"not a database at all" * 100)
    with open_tables(tmp_path) as tables:
        assert tables.take([bought("bread", key=1)]) == 1
    assert (tmp_path / "learned.sqlite.damaged").exists()


def test_a_file_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "learned.sqlite")) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LearnedUnreadable, match="format 99"):
        LearnedTables.open(tmp_path / "learned.sqlite")


def test_stock_is_what_was_said_last_of_each_place(tmp_path: Path) -> None:
    with open_tables(tmp_path) as tables, closing(LearnedModel.open(tables.file)) as learned:
        tables.take([bought("tea", key=1)])
        (tea,) = learned.numbers(["tea"])
        assert learned.on_sale([tea]) == {tea: OnSale("tea", None)}
        tables.take([StockFact("tea", "shelf", 3), StockFact("tea", "back", 4), StockFact("tea", "shelf", 0)])
        assert learned.on_sale([tea]) == {tea: OnSale("tea", 4)}

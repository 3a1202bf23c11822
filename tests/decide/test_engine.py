"""What is suggested, what is not, and why: the ladder, the rules, and reasons that follow the evidence."""

from pathlib import Path

import pytest

from agent.decide import CustomerFact, Exposure, ReasonKind, Removed, Rule, StockFact
from agent.decide.engine import EXPLORED_AMONG, EXPLORED_SHARE
from tests.decide.shop import ANNA, Shop, bought, many, open_shop, question, solve_now


def teach(shop: Shop) -> None:
    """Butter goes with bread, jam a little less; Anna takes tea; rice is popular."""
    shop.tables.take(
        [
            *many(30, "bread", "butter"),
            *many(20, "bread", "jam", first_key=100),
            *many(10, "bread", first_key=200),
            *many(40, "rice", first_key=300),
            *many(5, "tea", customer=ANNA, first_key=400),
        ]
    )


def test_without_anything_learned_there_is_nothing_to_say(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        decision = shop.engine.decide(question("bread"), Exposure())
    assert (decision.items, decision.model_version) == ((), "none")


def test_the_ladder_goes_from_model_to_rates_to_popularity(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        teach(shop)
        popular = shop.engine.decide(question(), Exposure())
        rates = shop.engine.decide(question(customer=ANNA), Exposure())
        version = solve_now(shop.tables)
        model = shop.engine.decide(question("bread"), Exposure())
    assert (popular.model_version, popular.items[0].reason.kind) == ("popularity", ReasonKind.POPULAR)
    assert (rates.model_version, rates.items[0].sku) == ("rates", "tea")
    assert (model.model_version, [one.sku for one in model.items]) == (version, ["butter", "jam"])


def test_reasons_tell_this_shops_counts(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        teach(shop)
        solve_now(shop.tables)
        shop.stock_catalogue(["bread,Rye bread,1", "butter,Butter,1", "jam,Jam,1", "tea,Tea,1", "rice,Rice,1"])
        bread = shop.engine.decide(question("bread"), Exposure())
        anna = shop.engine.decide(question(customer=ANNA, slots=1), Exposure())
    assert bread.items[0].reason.text == "Bought with Rye bread in 30 of 60 baskets here"
    assert bread.items[0].product is not None
    assert anna.items[0].reason.text == "You usually take this every day"


def test_a_reason_counts_within_the_latest_baskets_and_says_so(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.tables.take([*many(300, "bread", "butter"), *many(400, "bread", first_key=1_000)])
        solve_now(shop.tables)
        decision = shop.engine.decide(question("bread", slots=1), Exposure())
    assert decision.items[0].reason.text == "Bought with bread in 100 of the last 500 baskets here"


def test_deleting_the_evidence_changes_the_reason(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        shop.tables.take([*many(30, "bread", "tea"), *many(9, "tea", customer=ANNA, first_key=100)])
        shop.tables.take([*many(9, "tea", "milk", customer=ANNA, first_key=200)])
        solve_now(shop.tables)
        asked = question("bread", customer=ANNA, slots=1)
        own = shop.engine.decide(asked, Exposure()).items[0]
        shop.tables.take([CustomerFact(ANNA, "forgotten")])
        shared = shop.engine.decide(asked, Exposure()).items[0]
        shop.tables.take([bought("rice", key=1_000 + number) for number in range(20)])
        shop.tables.prune(baskets_kept=20)
        without = shop.engine.decide(asked, Exposure())
    assert (own.sku, own.reason.kind) == ("tea", ReasonKind.USUAL)
    assert (shared.sku, shared.reason.kind) == ("tea", ReasonKind.BOUGHT_WITH)
    assert Removed("tea", Rule.NO_EVIDENCE) in without.trace
    assert [one.sku for one in without.items] == ["rice"]


def test_each_removal_is_traced_with_its_rule(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        teach(shop)
        solve_now(shop.tables)
        shop.stock_catalogue(["bread,Bread,9", "jam,Jam,0", "rice,Rice,5", "tea,Tea,5"])
        shop.tables.take([StockFact("tea", "shelf", 0)])
        decision = shop.engine.decide(
            question("bread", slots=5), Exposure(dismissed=frozenset({"rice"}), capped=frozenset())
        )
    assert decision.items == ()
    assert set(decision.trace) == {
        Removed("butter", Rule.UNKNOWN),
        Removed("jam", Rule.OUT_OF_STOCK),
        Removed("tea", Rule.OUT_OF_STOCK),
        Removed("rice", Rule.DISMISSED),
    }


def test_a_level_told_since_outweighs_the_catalogues_stock(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        teach(shop)
        shop.stock_catalogue(["rice,Rice,0"])
        assert shop.engine.decide(question(slots=1), Exposure()).items == ()
        shop.tables.take([StockFact("rice", "shelf", 3)])
        assert [one.sku for one in shop.engine.decide(question(slots=1), Exposure()).items] == ["rice"]


def test_what_was_shown_often_today_makes_room(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        teach(shop)
        solve_now(shop.tables)
        decision = shop.engine.decide(question("bread", slots=1), Exposure(capped=frozenset({"butter"})))
    assert [one.sku for one in decision.items] == ["jam"]
    assert decision.trace == (Removed("butter", Rule.CAPPED),)


def test_nothing_in_the_basket_is_suggested(tmp_path: Path) -> None:
    with open_shop(tmp_path) as shop:
        teach(shop)
        solve_now(shop.tables)
        decision = shop.engine.decide(question("bread", "butter", "jam", "rice", "unknown", slots=5), Exposure())
    assert [one.sku for one in decision.items] == ["tea"]


def test_the_third_place_explores_in_some_baskets_with_its_exact_propensity(tmp_path: Path) -> None:
    """For the same basket the draw is the same; over many baskets shares and propensities agree."""
    names = [f"sku-{number}" for number in range(8)]
    with open_shop(tmp_path) as shop:
        for place, name in enumerate(names):
            shop.tables.take(many(20 - place, name, first_key=place * 100))
        drawn: dict[str, int] = {}
        for number in range(400):
            asked = question(slots=4, basket_id=f"b-{number}")
            decision = shop.engine.decide(asked, Exposure())
            assert decision == shop.engine.decide(asked, Exposure())
            assert [one.sku for one in decision.items[:2]] == names[:2]
            third = decision.items[2]
            drawn[third.sku] = drawn.get(third.sku, 0) + 1
            by_chance = EXPLORED_SHARE / EXPLORED_AMONG
            expected = 1 - EXPLORED_SHARE + by_chance if third.sku == names[2] else by_chance
            assert third.propensity == pytest.approx(expected)
            assert len({one.sku for one in decision.items}) == 4
    assert drawn[names[2]] / 400 == pytest.approx(0.92, abs=0.05)
    assert set(drawn) <= set(names[2:7])
    assert len(drawn) > 2

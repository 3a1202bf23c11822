"""Which cards stand where: fixed slots, nothing late, nothing twice, nothing under a finger."""

from dataclasses import replace

from kiosk import inputs
from kiosk.effects import LookUp
from kiosk.state import POSTS_MAX, PRODUCTS_MAX, Face
from kiosk.suggestions import REFRESH_S
from tests.kiosk.scenes import MORNING, PRODUCTS, Kiosk, basket, decision, status


def up() -> Kiosk:
    return Kiosk.new().take(inputs.AgentCameUp(), inputs.StatusSeen(status()))


def reactions(kiosk: Kiosk, name: str) -> list[str]:
    return [post.body["sku"] for post in kiosk.state.posts if post.body.get("reaction") == name]


def test_each_basket_version_is_asked_about_once() -> None:
    kiosk = up().take(inputs.BasketSeen(basket(7, 2)))
    (asked,) = kiosk.asked()
    assert asked.body["items"] == ["201", "202"]
    assert (asked.version, asked.body["basket_id"], asked.body["till_id"]) == (7, "b-1", "till-3")
    kiosk.take(inputs.DecisionSeen(7, decision("101")), inputs.Ticked(MORNING), after_s=5)
    assert len(kiosk.asked()) == 1


def test_while_one_question_is_open_newer_baskets_wait_and_only_the_newest_is_asked() -> None:
    kiosk = up().take(*(inputs.BasketSeen(basket(version, version)) for version in range(1, 6)))
    assert [asked.version for asked in kiosk.asked()] == [1]
    kiosk.take(inputs.DecisionSeen(1, decision("101")))
    assert [asked.version for asked in kiosk.asked()] == [1, 5]


def test_a_decision_for_an_older_basket_is_never_shown() -> None:
    kiosk = up().take(inputs.BasketSeen(basket(1, 1)), inputs.BasketSeen(basket(2, 2)))
    kiosk.take(inputs.DecisionSeen(1, decision("101", "102")))
    assert kiosk.shown() == [None] * 4
    assert reactions(kiosk, "shown") == []


def test_a_decision_nobody_asked_for_and_a_late_one_change_nothing() -> None:
    kiosk = up().take(inputs.DecisionSeen(1, decision("101")))
    kiosk.take(inputs.BasketSeen(basket(3, 1)))
    kiosk.take(inputs.DecisionSeen(3, decision("101").model_copy(update={"late": True})))
    assert kiosk.shown() == [None] * 4


def test_a_failed_question_is_asked_again_after_a_second_not_at_once() -> None:
    kiosk = up().take(inputs.BasketSeen(basket(1)), inputs.DecisionFailed(1), inputs.Ticked(MORNING))
    assert len(kiosk.asked()) == 1
    assert len(kiosk.take(inputs.Ticked(MORNING), after_s=1.1).asked()) == 2


def test_a_card_that_stays_wanted_stays_in_its_slot() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102", "103", "104")
    kiosk.take(inputs.BasketSeen(basket(2, 4)), inputs.DecisionSeen(2, decision("106", "103", "105", "101")))
    assert kiosk.shown() == ["101", "106", "103", "105"]


def test_what_is_in_the_basket_is_not_suggested() -> None:
    kiosk = up().take(inputs.BasketSeen(basket(1, 2)))
    items = decision("101", "102")
    own = items.items[0].model_copy(update={"sku": "201", "product": PRODUCTS["101"].model_copy(update={"sku": "201"})})
    kiosk.take(inputs.DecisionSeen(1, items.model_copy(update={"items": (own, items.items[1])})))
    assert kiosk.shown() == ["102", None, None, None]


def test_a_product_without_a_price_is_not_shown_until_it_is_known() -> None:
    kiosk = up().take(inputs.BasketSeen(basket(1, 2)), inputs.DecisionSeen(1, decision("999", "101")))
    assert kiosk.shown() == ["101", None, None, None]
    kiosk.take(inputs.ProductsSeen((PRODUCTS["102"].model_copy(update={"sku": "999"}),)))
    assert kiosk.shown() == ["101", "999", None, None]


def test_every_card_shown_is_told_once_per_decision() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102")
    assert reactions(kiosk, "shown") == ["101", "102"]
    kiosk.take(inputs.Ticked(MORNING), after_s=30)
    assert reactions(kiosk, "shown") == ["101", "102"]
    kiosk.take(inputs.BasketSeen(basket(2, 4)), inputs.DecisionSeen(2, decision("101", decision_id="d-2")))
    assert reactions(kiosk, "shown") == ["101", "102", "101"]


def test_a_card_that_was_there_long_enough_to_be_read_was_viewed_and_a_glimpse_was_not() -> None:
    kiosk = Kiosk.new().advised(1, "101")
    kiosk.take(inputs.BasketSeen(basket(2, 4)), inputs.DecisionSeen(2, decision("102", decision_id="d-2")), after_s=2)
    kiosk.take(inputs.BasketSeen(basket(3, 3)), inputs.DecisionSeen(3, decision("103", decision_id="d-3")), after_s=0.3)
    (viewed,) = [post.body for post in kiosk.state.posts if post.body["reaction"] == "viewed"]
    assert (viewed["sku"], viewed["visible_ms"]) == ("101", 3000)


def test_another_basket_takes_all_cards_away_at_once() -> None:
    kiosk = Kiosk.new().advised()
    kiosk.tap_add(0)
    kiosk.take(inputs.BasketSeen(basket(2, 1, basket_id="b-2")))
    assert kiosk.shown() == [None] * 4


def test_a_paid_basket_has_no_suggestions_and_is_not_asked_about() -> None:
    kiosk = Kiosk.new().advised().take(inputs.BasketSeen(basket(2, status="paid")))
    assert kiosk.shown() == [None] * 4
    assert len(kiosk.asked()) == 1


def test_the_customers_screen_never_sends_who_the_customer_is() -> None:
    customer = "p1:0123456789abcdef0123456789abcdef"
    for face, sent in ((Face.STAFF, customer), (Face.CUSTOMER, None)):
        kiosk = Kiosk.new(face=face).take(inputs.AgentCameUp(), inputs.BasketSeen(basket(1, customer_id=customer)))
        assert kiosk.asked()[0].body.get("customer_id") == sent


def test_prices_on_the_screen_are_read_again_from_time_to_time() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102")
    kiosk.effects.clear()
    kiosk.take(inputs.Ticked(MORNING), inputs.Ticked(MORNING), after_s=REFRESH_S)
    assert kiosk.effects == [LookUp(("101", "102"))]
    kiosk.take(inputs.ProductsSeen((PRODUCTS["101"].model_copy(update={"price": "0.99"}),)))
    assert kiosk.state.products["101"].price == "0.99"
    assert kiosk.shown()[:2] == ["101", "102"]


def test_after_the_agents_restart_the_basket_is_asked_about_anew_though_its_version_is_the_same() -> None:
    kiosk = Kiosk.new().advised()
    kiosk.take(inputs.AgentWentDown(status().link.since))
    assert kiosk.shown()[0] == "101"
    kiosk.take(inputs.AgentCameUp())
    assert [asked.version for asked in kiosk.asked()] == [1, 1]


def test_without_an_agent_what_was_shown_is_given_up_before_any_tap() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102")
    kiosk.take(inputs.AgentWentDown(status().link.since))
    kiosk.tap_add(0)
    for version in range(2, POSTS_MAX):
        kiosk.state = replace(kiosk.state, asking=version, basket=basket(version))
        kiosk.take(inputs.DecisionSeen(version, decision("102", "103", decision_id=f"d-{version}")))
    assert len(kiosk.state.posts) == POSTS_MAX
    assert sum(post.tap for post in kiosk.state.posts) == 2


def test_the_memory_of_products_is_bounded() -> None:
    kiosk = up()
    for number in range(PRODUCTS_MAX + 50):
        kiosk.take(inputs.ProductsSeen((PRODUCTS["101"].model_copy(update={"sku": str(number)}),)))
    assert len(kiosk.state.products) == PRODUCTS_MAX
    assert "0" not in kiosk.state.products

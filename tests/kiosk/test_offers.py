"""Offers on cards: the price that counts, until when, in the screen's language; gone when they end."""

from datetime import UTC, timedelta

import pytest

from kiosk import inputs
from kiosk.effects import LookUp
from kiosk.offers import best_offer, offer_picture
from kiosk.picture import Painter
from kiosk.words import Words
from tests.kiosk.scenes import OFFERS_END, Kiosk, offer, offered


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", ("€1.99", "normally €2.49", "Weekend price · until 8 Mar")),
        ("ro", ("1,99 €", "normal 2,49 €", "Preț de weekend · până la 8 mar.")),
        ("es", ("1,99 €", "normal 2,49 €", "Precio de fin de semana · hasta el 8 mar")),
    ],
)
def test_an_offer_says_its_price_the_normal_one_and_until_when(language: str, shown: tuple[str, str, str]) -> None:
    picture = offer_picture(offered("101", offer("1.99")), Words(language), UTC)
    assert (picture.price, picture.normal, picture.label) == shown


def test_an_end_in_the_middle_of_a_day_is_told_with_its_time() -> None:
    ending = offer("1.99").model_copy(update={"valid_to": OFFERS_END + timedelta(hours=18, minutes=30)})
    assert offer_picture(offered("101", ending), Words(), UTC).label == "Weekend price · until 9 Mar, 18:30"


def test_a_language_the_offer_does_not_speak_gets_english_and_without_it_any() -> None:
    assert offer_picture(offered("101", offer("1", en="Deal")), Words("ro"), UTC).label.startswith("Deal · ")
    assert offer_picture(offered("101", offer("1", hu="Akció")), Words("ro"), UTC).label.startswith("Akció · ")


def test_the_lowest_price_counts_and_a_price_that_is_none_lower_is_no_offer() -> None:
    first, second = offer("2.19"), offer("1.99")
    assert best_offer(offered("101", first, second)) == second
    assert best_offer(offered("101", offer("2.49"), offer("3.00"))) is None
    foreign = offer("0.10").model_copy(update={"currency": "RON"})
    assert best_offer(offered("101", foreign)) is None


def test_an_offer_without_a_price_leaves_the_price_and_shows_its_message() -> None:
    picture = offer_picture(offered("101", offer(None)), Words(), UTC)
    assert (picture.price, picture.normal, picture.label) == ("€2.49", "", "Weekend price · until 8 Mar")


def test_an_offer_comes_in_place_and_goes_when_it_ends_also_without_an_agent() -> None:
    kiosk = Kiosk.new().advised().take(inputs.ProductsSeen((offered("102", offer("1.49")),)))
    painter = Painter(Words(), UTC)
    assert [card.price for card in painter.paint(kiosk.state).cards] == ["€2.49", "€1.49", "€3.29", "€3.79"]
    kiosk.take(inputs.AgentWentDown(OFFERS_END), inputs.Ticked(OFFERS_END - timedelta(seconds=1)))
    assert painter.paint(kiosk.state).cards[1].offer_id == "o-1"
    kiosk.take(inputs.Ticked(OFFERS_END))
    assert [card.price for card in painter.paint(kiosk.state).cards] == ["€2.49", "€1.89", "€3.29", "€3.79"]
    assert kiosk.shown() == ["101", "102", "103", "104"]


def test_what_was_looked_up_costs_its_offers_price() -> None:
    kiosk = Kiosk.new().advised().take(inputs.LookOpened(), inputs.LetterTapped("b"), inputs.LetterTapped("u"))
    kiosk.take(inputs.Found("bu", (offered("101", offer("1.99")),)))
    look = Painter(Words(), UTC).paint(kiosk.state).look
    assert look is not None
    assert look.found[0].price == "€1.99"
    assert look.found[0].detail.startswith("Weekend price · until 8 Mar · normally €2.49 · ")


def test_news_of_the_shelf_has_what_is_on_the_screen_read_at_once() -> None:
    kiosk = Kiosk.new().advised(1, "101", "102")
    kiosk.effects.clear()
    assert kiosk.take(inputs.ShelfChanged()).effects == [LookUp(("101", "102"))]
    assert Kiosk.new().take(inputs.AgentCameUp(), inputs.ShelfChanged()).effects == []

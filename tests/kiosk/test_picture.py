"""What people read on the screen: states in words, money and counts as they are written in each language."""

from datetime import timedelta, timezone

import pytest

from kiosk import inputs
from kiosk.money import money, quantity
from kiosk.picture import CardKind, Painter, Picture, StatusKind
from kiosk.words import LANGUAGES, Words
from tests.kiosk.scenes import MORNING, SCENES, Kiosk, status

SHOP = timezone(timedelta(hours=2))


def paint(kiosk: Kiosk, language: str = "en") -> Picture:
    return Painter(Words(language), SHOP).paint(kiosk.state)


def test_offline_says_since_when_in_shop_time_how_many_wait_and_that_selling_works() -> None:
    picture = paint(Kiosk.new().advised().take(inputs.StatusSeen(status("offline", 37))))
    assert picture.status_kind is StatusKind.OFFLINE
    assert picture.status == "offline since 12:42 · 37 events waiting · selling works"


@pytest.mark.case("S5")
@pytest.mark.parametrize("storage", ["full", "read_only", "failed"])
def test_s5_an_agent_that_cannot_store_is_told_before_its_link_and_asks_for_help(storage: str) -> None:
    picture = paint(Kiosk.new().advised().take(inputs.StatusSeen(status("offline", 37, storage=storage))))
    assert picture.status_kind is StatusKind.UNSTORED
    assert picture.status == "the box cannot store events: its disk is full or broken · call for help"


def test_an_agent_that_is_short_of_room_still_sells() -> None:
    picture = paint(Kiosk.new().advised().take(inputs.StatusSeen(status(storage="short"))))
    assert picture.status_kind is StatusKind.ONLINE


def test_agent_down_says_how_many_taps_are_kept_and_keeps_basket_and_cards() -> None:
    kiosk = Kiosk.new().advised().take(inputs.AgentWentDown(MORNING))
    before = paint(kiosk)
    kiosk.tap_add(0)
    after = paint(kiosk)
    assert after.status == "agent down since 12:42 · 1 tap kept · selling works"
    assert after.lines == before.lines
    assert [card.kind for card in after.cards] == [CardKind.KEPT, CardKind.IDLE, CardKind.IDLE, CardKind.IDLE]


def test_pending_done_refused_and_hidden_differ_in_words_not_only_in_colour() -> None:
    cards = paint(SCENES["outcomes"](4)).cards
    assert [(card.kind, card.outcome) for card in cards] == [
        (CardKind.DONE, "In the basket"),
        (CardKind.REFUSED, "Not added"),
        (CardKind.PENDING, "Asking the till…"),
        (CardKind.HIDDEN, "Hidden for this basket"),
    ]
    assert cards[1].outcome_detail == "the till says: weigh it first"


def test_a_reason_is_said_in_the_screens_language_with_the_shops_own_counts() -> None:
    reasons = {language: paint(Kiosk.new().advised(), language).cards[1].reason for language in LANGUAGES}
    assert reasons == {
        "en": "Usual for this customer: every 12 days",
        "es": "Habitual de este cliente: cada 12 días",
        "ro": "Obișnuit pentru acest client: la 12 zile",
    }


def test_a_kind_of_reason_from_a_newer_agent_is_shown_in_its_own_words() -> None:
    kiosk = Kiosk.new().advised(1, "107")
    assert paint(kiosk).cards[0].reason == "A reason of a newer agent"


@pytest.mark.parametrize(
    ("amount", "currency", "language", "shown"),
    [
        ("2.49", "EUR", "en", "€2.49"),
        ("2.5", "EUR", "ro", "2,50 €"),
        ("12", "RON", "ro", "12 lei"),
        ("1299.00", "USD", "es", "1299,00 $"),
        ("3.99", "PLN", "en", "3.99 PLN"),
        ("0.0125", "EUR", "en", "€0.0125"),
        ("5.00", None, "en", "5.00"),
    ],
)
def test_money_is_written_as_the_language_does(amount: str, currency: str | None, language: str, shown: str) -> None:
    assert money(amount, currency, Words(language)) == shown


@pytest.mark.parametrize(("amount", "shown"), [("2", "2"), ("2.000", "2"), ("0.345", "0,345"), ("100", "100")])
def test_quantities_have_no_zeros_that_say_nothing(amount: str, shown: str) -> None:
    assert quantity(amount, Words("es")) == shown


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("scene", SCENES)
def test_every_scene_has_words_in_every_language(scene: str, language: str) -> None:
    picture = paint(SCENES[scene](4), language)
    assert picture.status
    assert "{" not in str(picture)


def test_an_empty_catalogue_and_a_finished_basket_say_so() -> None:
    assert paint(SCENES["empty-catalogue"](4)).cards_hint.startswith("The catalogue is empty")
    assert paint(SCENES["paid"](4)).cards_hint == "Suggestions come with the first item"

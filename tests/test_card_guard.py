"""Card data is found wherever a person or a till may have typed it, and honest numbers are left alone."""

from random import Random
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agent.card_guard import card_data_in, gs1_check_digit_ok, is_card_key
from tests.examples import PAN

# The card numbers of payment providers' public test pages.
CARDS = (
    PAN,
    "4000000000000000006",  # Visa, 19 digits
    "5555555555554444",
    "2223003122003222",
    "378282246310005",
    "30569309025904",
    "38520000023237",
    "6011111111111117",
    "3530111333300000",
    "6200000000000005",
    "6205500000000000004",
    "6759649826438453",
)
ISSUERS = ("4", "51", "55", "2221", "2720", "34", "37", "36", "6011", "65", "3528", "3589", "62", "6759")
LENGTHS = {"34": 15, "37": 15, "36": 14}


def luhn_digit(digits: str) -> str:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 if place % 2 else 2)
        total += value - 9 if value > 9 else value
    return str((10 - total % 10) % 10)


def gs1_digit(digits: str) -> str:
    return next(digit for digit in "0123456789" if gs1_check_digit_ok(digits + digit))


@st.composite
def card_numbers(draw: st.DrawFn) -> str:
    issuer = draw(st.sampled_from(ISSUERS))
    length = LENGTHS.get(issuer, 16)
    body = issuer + draw(st.text("0123456789", min_size=length - 1 - len(issuer), max_size=length - 1 - len(issuer)))
    return body + luhn_digit(body)


@st.composite
def gtins(draw: st.DrawFn) -> str:
    length = draw(st.sampled_from((7, 11, 12, 13)))
    body = draw(st.text("0123456789", min_size=length, max_size=length))
    return body + gs1_digit(body)


def grouped(card: str, separator: str) -> str:
    """As printed on the card."""
    sizes = {14: (4, 6, 4), 15: (4, 6, 5), 16: (4, 4, 4, 4), 19: (4, 4, 4, 4, 3)}[len(card)]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return separator.join(card[start : start + size] for start, size in zip(starts, sizes, strict=True))


@pytest.mark.parametrize("card", CARDS)
def test_cards_of_every_issuer_are_found(card: str) -> None:
    assert card_data_in("note", card)


@pytest.mark.parametrize("card", CARDS)
@pytest.mark.parametrize("separator", [" ", "-", ".", "  ", " - ", "\N{NO-BREAK SPACE}"])
def test_cards_typed_in_groups_are_found(card: str, separator: str) -> None:
    assert card_data_in("note", f"paid with {grouped(card, separator)}, thanks")


@given(
    card_numbers(),
    st.sampled_from(["", " ", "-", "."]),
    st.text("ab xyz:,;/\n\u20ac#", max_size=8),
    st.text("ab xyz:,;/\n\u20ac#", max_size=8),
)
@example(PAN, " ", "qty 2 ", " 12/27")  # other numbers beside it: part of the run for a careless pattern
@example(PAN, " ", "1234 ", " 1")
@example(PAN, "", "2 ", " 3")
@example(PAN, "-", "7-", "-12")
def test_a_card_number_in_any_text_is_found(card: str, separator: str, before: str, after: str) -> None:
    assert card_data_in("note", before + grouped(card, separator) + after)


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1111 123",  # a card of 16 beside three digits that do not make it one of 19
        "41111111 11111111",
        "621234 5678900000003",
        "".join(chr(ord(digit) - ord("0") + 0xFF10) for digit in PAN),  # full-width digits
        f"{PAN[:8]}\u00a0{PAN[8:]}\u00bc",  # a no-break space, and a fraction that is no digit of the number
        "".join(chr(ord(digit) - ord("0") + 0x0660) for digit in PAN),  # Arabic-Indic digits
        "\u2013".join(PAN[at : at + 4] for at in range(0, 16, 4)) + "\u00b2",  # dashes; a footnote
        f"{'z' * 30}{PAN}",
        f"{PAN} {PAN}",
    ],
)
def test_unusual_ways_to_write_a_card_number(text: str) -> None:
    assert card_data_in("note", text)


@pytest.mark.parametrize(
    "text", ["%B4111111111111111^DOE/JANE^2712", ";4111111111111111=27121010000", "%B123456789012^", ";123456789012=1"]
)
def test_magnetic_tracks_are_found(text: str) -> None:
    assert card_data_in("note", text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "4111",
        "4111111111111112",  # Luhn
        "9111111111111111",  # no issuer
        "41111111111111111111",  # 20 digits are no card
        "Bananas from Ecuador, 1 kg",
        "2017-03-05T08:00:00.000Z",
        "\u20ac 12.50 f\u00fcr Gem\u00fcse",
        "1488722400000000",  # microseconds since 1970
    ],
)
def test_what_is_no_card_number_is_left_alone(text: str) -> None:
    assert not card_data_in("note", text)


@given(gtins())
def test_no_gtin_is_ever_refused_in_a_gtin_field(gtin: str) -> None:
    assert not card_data_in("gtin", gtin)


@given(st.text("0123456789", min_size=17, max_size=17))
@example("62000000000000000")
def test_no_sscc_is_ever_refused_in_an_sscc_field(body: str) -> None:
    assert not card_data_in("sscc", body + gs1_digit(body))


@given(card_numbers().filter(lambda card: len(card) > 14), st.sampled_from(["gtin", "sscc"]))
def test_a_card_number_hides_in_no_barcode_field(card: str, key: str) -> None:
    assert card_data_in(key, card)


def test_a_barcode_field_with_a_wrong_check_digit_is_no_barcode() -> None:
    assert not gs1_check_digit_ok("38520000023237")
    assert card_data_in("gtin", "38520000023237")


@pytest.mark.parametrize(
    "word",
    [
        "p1:abcdef4111111111111111abcdefabcd",
        "e3b0c4" + PAN + "c149afbf4c8996fb92427ae41e4649b934ca495991",
        "E3B0C4" + PAN + "ABCDEF",
        "41111111-1111-4111-a111-111111111111",
        "a1111111-4111-1111-1111-1111abcdefab",
        "00-0af7651916cd43dd8448eb211c80319c-4111111111111111-01",
    ],
)
def test_digits_in_the_middle_of_a_hash_are_no_card_number(word: str) -> None:
    assert not card_data_in("id", word)
    assert card_data_in("id", f"{word} {PAN}"), "but one beside it is"


def test_random_identifiers_are_never_refused() -> None:
    random = Random(20170305)
    for _ in range(20_000):
        assert not card_data_in("customer_id", f"p1:{random.getrandbits(128):032x}")
        assert not card_data_in("id", str(UUID(int=random.getrandbits(128), version=4)))


def test_a_hostile_text_costs_milliseconds() -> None:
    for text in ("1 " * 30_000, "4111 1111 1111 111" * 3_000, f"abababababababababab{PAN}cd " * 1_500, ";4" * 30_000):
        assert not card_data_in("note", text)


@pytest.mark.parametrize("key", ["cvv", "CVC2", "card_number", "cardNumber", "Card-Number", "card number", "track_1"])
def test_names_of_card_fields_are_known_however_they_are_written(key: str) -> None:
    assert is_card_key(key)


@pytest.mark.parametrize("key", ["customer_id", "sku", "card", "panel", "track"])
def test_other_names_are_not_card_fields(key: str) -> None:
    assert not is_card_key(key)


@pytest.mark.parametrize("digits", ["4006381333931", "96385074", "036000291452", "340123450000000000"])
def test_gs1_check_digits(digits: str) -> None:
    assert gs1_check_digit_ok(digits)
    assert not gs1_check_digit_ok(digits[:-1] + str((int(digits[-1]) + 1) % 10))


@pytest.mark.parametrize("text", ["", "7", "40063813339x1", "\u0664\u0660"])
def test_what_is_not_two_or_more_ascii_digits_has_no_gs1_check_digit(text: str) -> None:
    assert not gs1_check_digit_ok(text)

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.card_guard import gs1_check_digit_ok
from sim.store.barcodes import check_digit, in_store_gtin, sgtin_hex, sgtin_urn, sscc


def test_check_digits_are_those_of_the_gs1_examples() -> None:
    assert check_digit("629104150021") == "3"
    assert check_digit("37610425002123456") == "9"


@given(st.integers(0, 10**11 - 1))
def test_an_in_store_gtin_is_a_valid_ean_13_that_holds_its_number(number: int) -> None:
    gtin = in_store_gtin(number)
    assert len(gtin) == 13
    assert gtin[0] == "2"
    assert int(gtin[1:12]) == number
    assert gs1_check_digit_ok(gtin)


@pytest.mark.parametrize("number", [-1, 10**11])
def test_a_number_that_does_not_fit_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match="does not fit into 11 digits"):
        in_store_gtin(number)


@given(st.integers(0, 10**12))
def test_an_sscc_has_18_digits_with_a_valid_check_digit(serial: int) -> None:
    assert len(sscc(serial)) == 18
    assert gs1_check_digit_ok(sscc(serial))


def test_sgtin_is_encoded_as_in_the_tag_data_standard() -> None:
    # GS1 EPC Tag Data Standard, SGTIN-96 coding example: 0614141.812345.6789 is 3074257BF7194E4000001A85 with filter 3.
    gtin = "80614141123458"
    assert sgtin_urn(gtin, 6789) == "urn:epc:id:sgtin:0614141.812345.6789"
    filter_1_instead_of_3 = int("3074257BF7194E4000001A85", 16) ^ (3 ^ 1) << 85
    assert sgtin_hex(gtin, 6789) == f"{filter_1_instead_of_3:024X}"


@given(st.integers(0, 2**38 - 1))
def test_the_hex_form_of_a_tag_has_24_digits(serial: int) -> None:
    assert re.fullmatch("30[0-9A-F]{22}", sgtin_hex(in_store_gtin(1095275), serial))


def test_a_serial_that_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="38 bits"):
        sgtin_urn(in_store_gtin(1), 2**38)

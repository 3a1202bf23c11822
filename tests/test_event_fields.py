"""What each kind of field takes and refuses."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # it ships no types
from pydantic import TypeAdapter, ValidationError, create_model

from agent.event_fields import (
    FORGOTTEN,
    Amount,
    BusinessDay,
    Count,
    Currency,
    Customer,
    Flag,
    Gtin,
    Instant,
    Key,
    Number,
    Quantity,
    Share,
    Sscc,
    Text,
)
from agent.event_model import EventData
from tests.examples import CUSTOMER, GTIN, SSCC

FIELDS: dict[str, Any] = {  # Any: annotations
    "amount": Amount,
    "quantity": Quantity,
    "currency": Currency,
    "gtin": Gtin,
    "sscc": Sscc,
    "customer": Customer,
    "key": Key,
    "text": Text,
    "day": BusinessDay,
    "instant": Instant,
    "count": Count,
    "number": Number,
    "share": Share,
    "flag": Flag,
}


def taken(field: str, value: object) -> object:
    """What a field of an event makes of a value."""
    model: type[EventData] = create_model("Body", __base__=EventData, value=(FIELDS[field], ...))
    return model.model_validate({"value": value}).model_dump()["value"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("amount", "12.50"),
        ("amount", "-0.0001"),
        ("amount", "999999999999"),
        ("quantity", "0.345"),
        ("quantity", "-1"),
        ("currency", "EUR"),
        ("gtin", GTIN),
        ("gtin", "96385074"),
        ("gtin", "036000291452"),
        ("gtin", "10012345678902"),
        ("sscc", SSCC),
        ("customer", CUSTOMER),
        ("customer", FORGOTTEN),
        ("key", "till-3:a.b@c_D"),
        ("key", "K\u00fchlregal-3"),
        ("text", "\u20ac 5 off!"),
        ("day", "2024-02-29"),
        ("instant", "2017-03-05T04:00:00Z"),
        ("instant", "2017-03-05T04:00:00.123456Z"),
        ("count", 0),
        ("number", -1.5),
        ("share", 1.0),
        ("flag", False),
    ],
)
def test_fields_take_what_they_are_for(field: str, value: object) -> None:
    assert taken(field, value) == value


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("amount", 12.5, 'money as a number; expected a decimal string such as "12.50"'),
        ("amount", 12, "money as a number"),
        ("amount", True, "valid string"),
        ("amount", "12,50", "pattern"),
        ("amount", "1e3", "pattern"),
        ("amount", "1.23456", "pattern"),
        ("amount", "1234567890123", "pattern"),
        ("amount", "\u0661\u0662.\u0665\u0660", "pattern"),
        ("amount", "12.50\n", "pattern"),
        ("quantity", 0.5, "a float; expected an integer or a decimal string"),
        ("quantity", False, "valid string"),
        ("quantity", 10**9, "pattern"),
        ("quantity", "\u0661", "pattern"),
        ("currency", "eur", "pattern"),
        ("currency", "EURO", "pattern"),
        ("gtin", "4006381333932", "not a GTIN"),
        ("gtin", "400638133393", "not a GTIN"),
        ("gtin", "40063813339311", "not a GTIN"),
        ("gtin", "", "not a GTIN"),
        ("sscc", "340123450000000001", "not an SSCC"),
        ("sscc", GTIN, "not an SSCC"),
        ("customer", "4711", "not a pseudonym"),
        ("customer", "jane@example.com", "not a pseudonym"),
        ("customer", "p1:" + "0" * 31, "not a pseudonym"),
        ("customer", "p1:" + "0" * 33, "not a pseudonym"),
        ("customer", "p1:" + "A" * 32, "not a pseudonym"),
        ("customer", "p1:" + "z" * 32, "not a pseudonym"),
        ("customer", "p1:" + "\u0660" * 32, "not a pseudonym"),
        ("customer", CUSTOMER + "\n", "not a pseudonym"),
        ("customer", "Forgotten", "not a pseudonym"),
        ("key", "", "at least 1"),
        ("key", "a b", "pattern"),
        ("key", "k" * 81, "at most 80"),
        ("text", "", "at least 1"),
        ("text", "x" * 401, "at most 400"),
        ("day", "2017-02-29", "not a day of the calendar"),
        ("day", "2017-3-5", "pattern"),
        ("day", "2017-W01-1", "pattern"),
        ("instant", "2017-03-05T24:00:01Z", "not a moment"),
        ("instant", "2017-02-30T04:00:00Z", "not a moment"),
        ("instant", "2017-03-05T04:00:00+01:00", "pattern"),
        ("instant", "2017-03-05", "pattern"),
        ("count", -1, "greater than or equal to 0"),
        ("count", 10**12 + 1, "less than or equal to"),
        ("count", 1.0, "valid integer"),
        ("count", "1", "valid integer"),
        ("count", True, "valid integer"),
        ("number", "1", "valid number"),
        ("number", True, "valid number"),
        ("number", float("nan"), "finite"),
        ("share", 1.01, "less than or equal to 1"),
        ("share", "0.5", "valid number"),
        ("flag", 1, "valid boolean"),
        ("flag", "yes", "valid boolean"),
    ],
)
def test_fields_refuse_what_they_are_not_for(field: str, value: object, problem: str) -> None:
    with pytest.raises(ValidationError) as refused:
        taken(field, value)
    assert problem in refused.value.errors()[0]["msg"]


def test_a_whole_quantity_may_be_sent_as_a_number_and_is_kept_as_text() -> None:
    assert taken("quantity", 3) == "3"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("amount", value) for value in ("12.50", "-0.0001", "999999999999", 12.5, 12, True, None)),
        *(("amount", value) for value in ("12,50", "1e3", "1.23456", "1234567890123", "\u0661.50", "")),
        *(("quantity", value) for value in ("0.345", "-1", 3, -3, 10**9 - 1, 1 - 10**9, 0.5, False, None)),
        *(("quantity", value) for value in (10**9, -(10**9), "1000000000", "1.2345", "\u0661", "x")),
    ],
)
def test_the_json_schema_takes_what_the_field_takes(field: str, value: object) -> None:
    by_schema = Draft202012Validator(TypeAdapter(FIELDS[field]).json_schema()).is_valid(value)
    try:
        taken(field, value)
    except ValidationError:
        assert not by_schema
    else:
        assert by_schema


@given(st.text("0123456789abcdef", min_size=32, max_size=32))
def test_every_pseudonym_is_taken(digits: str) -> None:
    assert taken("customer", f"p1:{digits}") == f"p1:{digits}"


@given(st.text())
def test_no_other_text_is_taken_for_a_customer(text: str) -> None:
    with pytest.raises(ValidationError):
        taken("customer", f"x{text}")

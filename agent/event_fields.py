r"""The kinds of values that events hold: money, quantities, GS1 keys, pseudonyms, times. Each refuses what it is not.

Patterns say `[0-9]`, not `\d`, which would take the digits of every script.
"""

import re
from datetime import date
from functools import lru_cache
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field
from pydantic_core import PydanticCustomError

from agent.card_guard import gs1_check_digit_ok
from agent.clock import moment_of

__all__ = [
    "FORGOTTEN",
    "Amount",
    "BusinessDay",
    "Count",
    "Currency",
    "Customer",
    "Flag",
    "Gtin",
    "Instant",
    "Key",
    "Number",
    "Quantity",
    "Share",
    "Sscc",
    "Text",
]

FORGOTTEN: Final = "forgotten"
"""What stands in place of a pseudonym once its customer was erased."""

_PSEUDONYM: Final = re.compile("p1:[0-9a-f]{32}")


def _refuse_number(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise PydanticCustomError("money_number", 'money as a number; expected a decimal string such as "12.50"')
    return value


def _quantity_text(value: Any) -> Any:
    if isinstance(value, float):
        raise PydanticCustomError("quantity_float", 'a float; expected an integer or a decimal string such as "0.345"')
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


@lru_cache(4_096)  # a shop sells few others
def _check_gtin(value: str) -> str:
    if len(value) not in (8, 12, 13, 14) or not gs1_check_digit_ok(value):
        raise PydanticCustomError("gtin", "not a GTIN; expected 8, 12, 13 or 14 digits with a valid check digit")
    return value


def _check_sscc(value: str) -> str:
    if len(value) != 18 or not gs1_check_digit_ok(value):
        raise PydanticCustomError("sscc", "not an SSCC; expected 18 digits with a valid check digit")
    return value


def _check_pseudonym(value: str) -> str:
    if value != FORGOTTEN and not _PSEUDONYM.fullmatch(value):
        raise PydanticCustomError(
            "raw_customer",
            "not a pseudonym; expected p1: and 32 hex digits (POST /v1/pseudonyms); raw ids are never kept",
        )
    return value


def _check_day(value: str) -> str:
    try:
        date.fromisoformat(value)
    except ValueError:
        raise PydanticCustomError("day", "not a day of the calendar; expected YYYY-MM-DD") from None
    return value


def _check_instant(value: str) -> str:
    try:
        moment = moment_of(value)
    except ValueError:
        raise PydanticCustomError("instant", "not a moment; expected a date and a time of the clock") from None
    return value if moment.second < 59 else value[:17] + "59" + value[19:]  # a leap second is the one before it


# The pattern stands first: behind a validator it would be missing in the JSON Schema.
_QuantityText = Annotated[str, Field(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,3})?$")]
_QuantityNumber = Annotated[int, Field(gt=-(10**9), lt=10**9)]

Amount = Annotated[str, Field(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,4})?$"), BeforeValidator(_refuse_number)]
Quantity = Annotated[
    _QuantityText, BeforeValidator(_quantity_text, json_schema_input_type=_QuantityText | _QuantityNumber)
]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
Gtin = Annotated[str, AfterValidator(_check_gtin), Field(description="GS1 GTIN-8, -12, -13 or -14")]
Sscc = Annotated[str, AfterValidator(_check_sscc), Field(description="GS1 SSCC-18")]
Customer = Annotated[str, AfterValidator(_check_pseudonym), Field(description="pseudonym, p1: and 32 hex digits")]
Key = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\w.:@-]+$", description="an id or code")]
Text = Annotated[str, Field(min_length=1, max_length=400)]
BusinessDay = Annotated[
    str,
    Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$", description="the shop's business day"),
    AfterValidator(_check_day),
]
Instant = Annotated[
    str,
    Field(
        pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z$",
        description="RFC 3339, UTC",
    ),
    AfterValidator(_check_instant),
]
Count = Annotated[int, Field(ge=0, le=10**12, strict=True)]
Number = Annotated[float, Field(strict=True)]
Share = Annotated[float, Field(ge=0, le=1, strict=True)]
Flag = Annotated[bool, Field(strict=True)]

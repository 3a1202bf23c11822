"""Refuses payment card data before anything is stored: the guard hook of the strict pre-pass.

Simple pattern set: issuer prefix + length + Luhn (ISO/IEC 7812-1) over every string and integer, magnetic
track data (ISO/IEC 7813) and key names that only card data has. GTIN and SSCC fields are exempt when their
own GS1 check digit holds, since one honest barcode in ten passes a bare Luhn test.
"""

import re

__all__ = ["card_data_in", "gs1_check_digit_ok", "is_card_key"]

_CARD_KEYS = frozenset(
    {"cvv", "cvv2", "cvc", "cvc2", "cid", "pan", "card_number", "cardnumber", "track1", "track2", "track_data"}
)
_GS1_KEYS = frozenset({"gtin", "sscc"})

_LONG_NUMBER = re.compile(r"(?<!\d)\d(?:[ -]?\d){13,18}(?!\d)")
_TRACK = re.compile(r"%B\d{12,19}\^|;\d{12,19}=\d")

# Issuer ranges as (prefix pattern, lengths). Visa's 13-digit cards are extinct and look like EAN-13: left out.
_ISSUERS = re.compile(
    r"""(?:4(?:\d{15}|\d{18})                                                 # Visa
      |(?:5[1-5]\d{2}|222[1-9]|22[3-9]\d|2[3-6]\d{2}|27[01]\d|2720)\d{12}     # Mastercard
      |3[47]\d{13}                                                            # American Express
      |3(?:0[0-5]|[68]\d)\d{11}                                               # Diners Club
      |(?:6011|65\d{2}|64[4-9]\d)\d{12,15}                                    # Discover
      |35(?:2[89]|[3-8]\d)\d{12}                                              # JCB
      |62\d{14,17}                                                            # UnionPay
      |(?:5018|5020|5038|5893|6304|6759|676[1-3])\d{10,15}                    # Maestro
      )""",
    re.VERBOSE,
)


def is_card_key(key: str) -> bool:
    """Whether a field of this name can only hold card data."""
    return key.lower() in _CARD_KEYS


def card_data_in(key: str, text: str) -> bool:
    """Whether the text of field `key` holds a card number or track data. Never tells which digits."""
    if len(text) < 14:
        return False
    if _TRACK.search(text):
        return True
    return any(_is_card_number(found.group()) for found in _LONG_NUMBER.finditer(text)) and not (
        key in _GS1_KEYS and gs1_check_digit_ok(text)
    )


def gs1_check_digit_ok(digits: str) -> bool:
    """Whether the last digit is the GS1 check digit of the others (GS1 General Specifications, 7.9)."""
    if not digits.isascii() or not digits.isdigit() or len(digits) < 2:
        return False
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits[:-1])))
    return (10 - total % 10) % 10 == int(digits[-1])


def _is_card_number(found: str) -> bool:
    digits = found.replace(" ", "").replace("-", "")
    return _ISSUERS.fullmatch(digits) is not None and _luhn_ok(digits)


def _luhn_ok(digits: str) -> bool:
    total = 0
    for place, digit in enumerate(reversed(digits)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0

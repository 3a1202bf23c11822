"""Refuses payment card data before anything is stored: the guard hook of the strict pre-pass.

Simple pattern set: issuer prefix + length + Luhn (ISO/IEC 7812-1) over every text and number, magnetic track data
(ISO/IEC 7813) and key names that only card data has. What would be refused by chance is left alone: GTIN and SSCC
fields whose own GS1 check digit holds (one honest barcode in ten passes a bare Luhn test), hashes and UUIDs (one in
20,000 would). A card number inside a longer run of digits is not found.
"""

import re
import unicodedata
from functools import lru_cache
from typing import Final

__all__ = ["DIGITS_MIN", "card_data_in", "gs1_check_digit_ok", "is_card_key"]

DIGITS_MIN: Final = 14
"""No shorter text or number holds a card number."""

_CARD_KEYS = frozenset(
    {
        *("cardno", "cardnumber", "cid", "creditcardnumber", "pan", "primaryaccountnumber"),
        *("cardsecuritycode", "cvc", "cvc2", "cvv", "cvv2", "track1", "track2", "trackdata"),
    }
)
_KEY_JOINTS = str.maketrans("", "", " _-.")
_DIGIT_JOINTS = str.maketrans("", "", " .-")
_DOUBLED = str.maketrans("0123456789", "0246813579")  # the sum of the digits of twice as much

# Digits as they stand in texts: in one run, or in the groups that are printed on cards. Groups of other lengths
# are something else: a UUID has 8-4-4-4-12. The lookahead lets candidates overlap, as in `2 4111 1111 1111 1111`.
_FOUR_DIGITS = re.compile("[0-9]{4}")  # in every candidate, and quickly looked for
_ANY_FOUR_DIGITS = re.compile(r"\d{4}")  # of any script
_CANDIDATE = re.compile(
    r"""(?<![0-9])(?=(
       [0-9]{14,19}
      |[0-9]{4}(?:[ .-]{1,3}[0-9]{4}){3}                          # Visa, Mastercard and most others
      |[0-9]{4}[ .-]{1,3}[0-9]{6}[ .-]{1,3}[0-9]{4,5}             # Diners Club, American Express
      |[0-9]{6}[ .-]{1,3}[0-9]{13}                                # UnionPay
      |[0-9]{8}[ .-]{1,3}[0-9]{8}
    )([ .-]{1,3}[0-9]{1,3})?(?![0-9]))""",  # three more digits make a card of 19
    re.VERBOSE,
)
_TRACK = re.compile(r"%B[0-9]{12,19}\^|;[0-9]{12,19}=[0-9]")
_HEX_WORD = re.compile(
    r"""(?<![0-9A-Za-z-])
    (?:[0-9a-f]{24,} | [0-9A-F]{24,}                                   # a hash
      |[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}            # a UUID
      |[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}               # a traceparent (W3C Trace Context)
    )(?![0-9A-Za-z-])""",
    re.VERBOSE,
)

# Issuer ranges as (prefix pattern, lengths). Visa's 13-digit cards are extinct and look like EAN-13: left out.
_ISSUERS = re.compile(
    r"""(?:4(?:[0-9]{15}|[0-9]{18})                                                            # Visa
      |(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}       # Mastercard
      |3[47][0-9]{13}                                                                          # American Express
      |3(?:0[0-5]|[68][0-9])[0-9]{11}                                                          # Diners Club
      |(?:6011|65[0-9]{2}|64[4-9][0-9])[0-9]{12,15}                                            # Discover
      |35(?:2[89]|[3-8][0-9])[0-9]{12}                                                         # JCB
      |62[0-9]{14,17}                                                                          # UnionPay
      |(?:5018|5020|5038|5893|6304|6759|676[1-3])[0-9]{10,15}                                  # Maestro
      )""",
    re.VERBOSE,
)


def is_card_key(key: str) -> bool:
    """Whether a field of this name can only hold card data, however its words are joined."""
    return key.translate(_KEY_JOINTS).lower() in _CARD_KEYS


def card_data_in(key: str, text: str) -> bool:
    """Whether the text of field `key` holds a card number or track data. Never tells which digits."""
    if len(text) < DIGITS_MIN:
        return False
    if not text.isascii():
        if not _ANY_FOUR_DIGITS.search(text):
            return False
        text = "".join(map(_plain, text))
    if not _FOUR_DIGITS.search(text):
        return False
    if _TRACK.search(text):
        return True
    rest = _HEX_WORD.sub("-", text)
    if not _FOUR_DIGITS.search(rest):  # a text that is a hash or a UUID, as every event has
        return False
    return _has_card_number(text) and not _is_innocent(key, text) and _has_card_number(rest)


def gs1_check_digit_ok(digits: str) -> bool:
    """Whether the last digit is the GS1 check digit of the others (GS1 General Specifications, 7.9)."""
    if not digits.isascii() or not digits.isdigit() or len(digits) < 2:
        return False
    total = 3 * sum(map(int, digits[-2::-2])) + sum(map(int, digits[-3::-2]))
    return (10 - total % 10) % 10 == int(digits[-1])


def _is_innocent(key: str, text: str) -> bool:
    """Whether the whole text is, by its own form, what its field is for."""
    if key == "gtin":
        return len(text) == 14 and gs1_check_digit_ok(text)
    return key == "sscc" and len(text) == 18 and gs1_check_digit_ok(text)


@lru_cache(1_024)
def _plain(character: str) -> str:
    """Full-width and other digits, spaces and dashes as in ASCII. Not by NFKC: it makes a ¼ behind a number a digit."""
    if character.isascii():
        return character
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    return {"Zs": " ", "Pd": "-"}.get(unicodedata.category(character), character)


def _has_card_number(text: str) -> bool:
    for candidate in _CANDIDATE.finditer(text):
        number, more = (part.translate(_DIGIT_JOINTS) for part in candidate.groups(""))
        if _is_card_number(number) or (more and _is_card_number(number + more)):
            return True
    return False


def _is_card_number(digits: str) -> bool:
    return _ISSUERS.fullmatch(digits) is not None and _luhn_ok(digits)


def _luhn_ok(digits: str) -> bool:
    return (sum(map(int, digits[::-2])) + sum(map(int, digits[-2::-2].translate(_DOUBLED)))) % 10 == 0

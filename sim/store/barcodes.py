"""GS1 numbers of the simulated shop: in-store EAN-13, SSCC-18 and the SGTIN tags of RFID."""

from typing import Final

__all__ = ["check_digit", "in_store_gtin", "sgtin_hex", "sgtin_urn", "sscc"]

SERIAL_MAX: Final = 2**38 - 1  # EPC Tag Data Standard, SGTIN-96
_SHOP_COMPANY_PREFIX: Final = "2990000"  # in the range GS1 leaves to a shop's own use


def check_digit(digits: str) -> str:
    """The GS1 check digit that belongs behind `digits` (GS1 General Specifications, 7.9)."""
    total = sum(int(digit) * (3 if place % 2 == 0 else 1) for place, digit in enumerate(reversed(digits)))
    return str(-total % 10)


def in_store_gtin(number: int) -> str:
    """The in-store EAN-13 of a product that has no other: `2`, the number in 11 digits, the check digit."""
    digits = f"2{number:011d}"
    if number < 0 or len(digits) != 12:
        raise ValueError(f"product number {number} does not fit into 11 digits")
    return digits + check_digit(digits)


def sscc(serial: int) -> str:
    """The SSCC-18 of a delivered pallet; serials begin again after a thousand million."""
    digits = f"0{_SHOP_COMPANY_PREFIX}{serial % 10**9:09d}"
    return digits + check_digit(digits)


def sgtin_hex(gtin: str, serial: int) -> str:
    """SGTIN-96 as a fixed reader reports it: 24 hex digits (EPC Tag Data Standard, filter 1, partition 5)."""
    company, item = _split(gtin)
    bits = 0x30 << 88 | 1 << 85 | 5 << 82 | int(company) << 58 | int(item) << 38 | _checked(serial)
    return f"{bits:024X}"


def sgtin_urn(gtin: str, serial: int) -> str:
    """The same tag as a pure identity URI, as a handheld reports it."""
    company, item = _split(gtin)
    return f"urn:epc:id:sgtin:{company}.{item}.{_checked(serial)}"


def _split(gtin: str) -> tuple[str, str]:
    digits = gtin.zfill(14)
    return digits[1:8], digits[0] + digits[8:13]


def _checked(serial: int) -> int:
    if not 0 <= serial <= SERIAL_MAX:
        raise ValueError(f"serial {serial} does not fit into 38 bits")
    return serial

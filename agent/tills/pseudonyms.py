"""Customers' pseudonyms: HMAC-SHA-256 of the raw id with a key that never leaves the device."""

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Final, Self

from agent.errors import CallerError
from agent.private_file import PrivateFileUnusable, create_private, read_private

__all__ = ["KEY_FILE", "Pseudonyms", "RawIdRefused"]

KEY_FILE: Final = "customer.key"
KEY_BYTES: Final = 32
RAW_ID_CHARS_MAX: Final = 256
_PREFIX: Final = "p1:"


class RawIdRefused(CallerError):
    """A raw customer id that cannot be one."""


class Pseudonyms:
    """Turns raw customer ids into pseudonyms: the same id always into the same one, and never back."""

    def __init__(self, key: bytes) -> None:
        assert len(key) == KEY_BYTES
        self._key = key

    @classmethod
    def open(
        cls,
        identity_folder: Path,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,  # noqa: TID251 - a key
    ) -> Self:
        """With the key in `identity_folder`, which is made when there is none yet.

        Raises:
            PrivateFileUnusable: when the key file is open to others, truncated, or cannot be read or written.
        """
        file = identity_folder / KEY_FILE
        try:
            key = read_private(file)
        except FileNotFoundError:
            create_private(file, random_bytes(KEY_BYTES))
            key = read_private(file)
        if len(key) != KEY_BYTES:
            raise PrivateFileUnusable(
                f"{file} has {len(key)} bytes instead of {KEY_BYTES}: restore it from a backup; "
                "a new key would give every customer a new pseudonym"
            )
        return cls(key)

    def pseudonym(self, raw_id: str) -> str:
        """`p1:` and 32 hex digits.

        Raises:
            RawIdRefused: when it is empty, longer than 256 characters, or not valid Unicode.
        """
        try:
            text = raw_id.encode()
        except UnicodeEncodeError:
            raise RawIdRefused("a customer id with a lone surrogate; expected valid Unicode") from None
        if not 0 < len(raw_id) <= RAW_ID_CHARS_MAX:
            raise RawIdRefused(f"a customer id of {len(raw_id)} characters; expected 1 to {RAW_ID_CHARS_MAX}")
        return _PREFIX + hmac.digest(self._key, text, "sha256").hex()[:32]

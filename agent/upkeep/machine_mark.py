"""On which machine a data folder was made: a copy on another one sends under the same name, which has to be told.

The folder remembers salted hashes of what tells machines apart, never the values. Kept in one private file that is
only compared: after a box was replaced, a person removes it.
"""

import hmac
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import EnvironmentFault
from agent.private_file import create_private, read_private

__all__ = ["SOURCES", "MachineMark", "MachineMarkUnreadable"]

SOURCES: Final[Mapping[str, Path]] = MappingProxyType(
    {
        "machine-id": Path("/etc/machine-id"),
        # A copied card has the same machine-id; the board under it has another number.
        "board": Path("/sys/firmware/devicetree/base/serial-number"),
    }
)
SALT_BYTES: Final = 16
VALUE_BYTES_MAX: Final = 256

_Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class MachineMarkUnreadable(EnvironmentFault):
    """The file is damaged: nobody knows on which machine the folder was made."""


class _File(BaseModel):
    """What lies on disk."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    version: Literal[1] = 1
    salt: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    marks: Annotated[dict[str, _Hash], Field(max_length=8)]


class MachineMark:
    """The mark in one identity folder."""

    def __init__(self, identity_folder: Path, sources: Mapping[str, Path] = SOURCES) -> None:
        self._file = identity_folder / "machine.json"
        self._sources = sources

    def problem(self) -> str:
        """What to tell when the folder was made on another machine; empty when not, or when nobody can know.

        Raises:
            EnvironmentFault: the file cannot be read.
        """
        try:
            content = read_private(self._file)
        except FileNotFoundError:
            return ""
        try:
            kept = _File.model_validate_json(content)
        except ValidationError:
            raise MachineMarkUnreadable(f"{self._file} is damaged: remove it, it is made anew") from None
        now = self._marks(bytes.fromhex(kept.salt))
        if all(now.get(kind, mark) == mark for kind, mark in kept.marks.items()):
            return ""
        return (
            "this data folder was made on another machine. If it is a copy, two boxes send under one name: stop this "
            "one, and give it a device.id, a certificate and a data folder of its own. If it took the other's place: "
            f"rm {self._file}"
        )

    def make(self, random_bytes: Callable[[int], bytes] = secrets.token_bytes) -> None:  # noqa: TID251 - a salt
        """Mark a folder that has no mark yet, where this machine has something to mark it with.

        Raises:
            EnvironmentFault: the file cannot be written.
        """
        if self._file.exists():
            return
        salt = random_bytes(SALT_BYTES)
        if marks := self._marks(salt):
            create_private(self._file, _File(salt=salt.hex(), marks=marks).model_dump_json(indent=1).encode() + b"\n")

    def _marks(self, salt: bytes) -> dict[str, str]:
        values = {kind: _value(file) for kind, file in self._sources.items()}
        return {kind: hmac.digest(salt, value, "sha256").hex() for kind, value in values.items() if value}


def _value(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            return opened.read(VALUE_BYTES_MAX).strip(b"\0 \n")
    except OSError:
        return b""

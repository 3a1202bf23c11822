"""The retained message that announces a pack: which version of a set there is, its hash, and in how many chunks."""

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from agent.errors import EventRefused, PeerError
from agent.events import problems_of
from agent.strict_json import parse_strictly

__all__ = ["CHUNK_BYTES_MAX", "Manifest", "PackRefused", "parse_manifest"]

MANIFEST_BYTES_MAX: Final = 4_096
PACK_BYTES_MAX: Final = 64 * 1_048_576
CHUNK_BYTES_MAX: Final = 131_072


class PackRefused(PeerError):
    """A manifest or a pack that cannot be used; what was applied before stays."""


class Manifest(BaseModel):
    """One version of one set. Chunks are numbered from 0 and all of `chunk_bytes` but the last."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, hide_input_in_errors=True)

    version: Annotated[int, Field(ge=1, le=2**53)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    size_bytes: Annotated[int, Field(ge=1, le=PACK_BYTES_MAX)]
    chunk_bytes: Annotated[int, Field(ge=1, le=CHUNK_BYTES_MAX)]

    @property
    def chunks(self) -> int:
        """How many there are."""
        return -(-self.size_bytes // self.chunk_bytes)

    def chunk_size(self, number: int) -> int:
        """The bytes of chunk `number`."""
        return min(self.chunk_bytes, self.size_bytes - number * self.chunk_bytes)


def parse_manifest(payload: bytes) -> Manifest:
    """The manifest in a retained message; unknown fields are from a newer sender and ignored.

    Raises:
        PackRefused: with the field that is wrong.
    """
    try:
        return Manifest.model_validate(parse_strictly(payload, bytes_max=MANIFEST_BYTES_MAX))
    except EventRefused as refused:
        raise PackRefused(f"manifest refused: {refused}") from None
    except ValidationError as error:
        raise PackRefused(f"manifest refused: {'; '.join(map(str, problems_of(error)))}") from None

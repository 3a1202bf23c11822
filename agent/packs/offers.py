"""Offers: what the shop would like to show, by product and for a time. One JSON list in the pack `offers`."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from agent.errors import EventRefused
from agent.event_fields import Amount, Currency, Key, Text
from agent.events import problems_of
from agent.packs.manifest import PACK_BYTES_MAX, PackRefused
from agent.strict_json import parse_strictly

__all__ = ["Offer", "OfferBook"]

OFFERS_MAX: Final = 10_000


class Offer(BaseModel):
    """One product at a special price or with a message; `title` by language (BCP 47), `en` at least."""

    model_config = ConfigDict(extra="ignore", frozen=True, hide_input_in_errors=True)

    offer_id: Key
    sku: Key
    title: Annotated[dict[Annotated[str, Field(pattern=r"^[a-z]{2,3}$")], Text], Field(min_length=1, max_length=20)]
    unit_price: Amount | None = None
    currency: Currency | None = None
    valid_from: AwareDatetime
    valid_to: AwareDatetime
    campaign_id: Key | None = None


_OFFERS: Final = TypeAdapter(Annotated[list[Offer], Field(max_length=OFFERS_MAX)])


class OfferBook:
    """The offers that count now; replaced as a whole."""

    def __init__(self) -> None:
        self._by_sku: dict[str, tuple[Offer, ...]] = {}

    @property
    def size(self) -> int:
        return sum(len(offers) for offers in self._by_sku.values())

    def load(self, file: Path) -> None:
        """Take the offers of a pack, all or none.

        Raises:
            PackRefused: with the field that is wrong; the offers before stay.
        """
        try:
            offers = _OFFERS.validate_python(parse_strictly(file.read_bytes(), bytes_max=PACK_BYTES_MAX))
        except EventRefused as refused:
            raise PackRefused(f"offers refused: {refused}") from None
        except ValidationError as error:
            raise PackRefused(f"offers refused: {'; '.join(map(str, problems_of(error)))}") from None
        by_sku: dict[str, list[Offer]] = {}
        for offer in offers:
            by_sku.setdefault(offer.sku, []).append(offer)
        self._by_sku = {sku: tuple(found) for sku, found in by_sku.items()}

    def for_product(self, sku: str, at: datetime) -> Sequence[Offer]:
        """The offers of a product that are valid at a moment."""
        return [offer for offer in self._by_sku.get(sku, ()) if offer.valid_from <= at < offer.valid_to]

    def valid(self, at: datetime) -> Sequence[Offer]:
        """All offers valid at a moment."""
        return [
            offer for offers in self._by_sku.values() for offer in offers if offer.valid_from <= at < offer.valid_to
        ]

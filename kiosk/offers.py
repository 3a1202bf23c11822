"""Which of a product's offers counts on the screen, and how it is said."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from decimal import Decimal

from kiosk.documents import Offer, Product
from kiosk.money import money
from kiosk.words import Words

__all__ = ["OfferPicture", "best_offer", "offer_picture"]


@dataclass(frozen=True, slots=True)
class OfferPicture:
    """What a product costs now; `label` says which offer and until when, `normal` the price without it."""

    price: str
    normal: str = ""
    label: str = ""
    offer_id: str = ""


def best_offer(product: Product) -> Offer | None:
    """The lowest price that is below the product's own; without one, an offer that only has a message."""
    cheaper = [(price, offer) for price, offer in _prices(product) if price < Decimal(product.price)]
    if cheaper:
        return min(cheaper, key=lambda one: one[0])[1]
    return next((offer for offer in product.offers if offer.unit_price is None), None)


def offer_picture(product: Product, words: Words, zone: tzinfo) -> OfferPicture:
    """Price and offer in words; `zone` is the shop's."""
    own = money(product.price, product.currency, words)
    offer = best_offer(product)
    if offer is None:
        return OfferPicture(own)
    title = offer.title.get(words.language) or offer.title.get("en") or next(iter(offer.title.values()), "")
    label = " · ".join(filter(None, (title, _until(offer.valid_to.astimezone(zone), words))))
    if offer.unit_price is None:
        return OfferPicture(own, label=label, offer_id=offer.offer_id)
    normal = words.text("normally {price}", price=own)
    return OfferPicture(money(offer.unit_price, product.currency, words), normal, label, offer.offer_id)


def _prices(product: Product) -> Iterator[tuple[Decimal, Offer]]:
    """A price in another currency than the shelf's is none."""
    for offer in product.offers:
        if offer.unit_price is not None and offer.currency in (None, product.currency):
            yield Decimal(offer.unit_price), offer


def _until(end: datetime, words: Words) -> str:
    """An offer that ends at midnight is said to last until the day before."""
    if (end.hour, end.minute) == (0, 0):
        return words.text("until {day}", day=_day(end - timedelta(minutes=1), words))
    return words.text("until {day}, {time}", day=_day(end, words), time=end.strftime("%H:%M"))


def _day(moment: datetime, words: Words) -> str:
    months = words.text("Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec").split()
    return f"{moment.day} {months[moment.month - 1]}"

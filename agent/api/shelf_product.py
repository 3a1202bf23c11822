"""A product as shops see it: what the catalogue says, and the offers for it that are valid now."""

from agent.catalogue import Product
from agent.clock import Clock
from agent.packs import Offer, OfferBook

__all__ = ["Shelf", "ShelfProduct"]


class ShelfProduct(Product):
    """One product of the catalogue with its offers; `price` is the price without them."""

    offers: tuple[Offer, ...] = ()


class Shelf:
    """Puts offers to products, at the time of asking."""

    def __init__(self, offers: OfferBook, clock: Clock) -> None:
        self._offers = offers
        self._clock = clock

    def show(self, product: Product) -> ShelfProduct:
        """The product with its offers; both were checked when they came in."""
        offers = tuple(self._offers.for_product(product.sku, self._clock.wall()))
        return ShelfProduct.model_construct(None, **dict(product), offers=offers)

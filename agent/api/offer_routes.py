"""The offers that count now: `GET /v1/offers`, all or those of one product."""

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent.api.caller import Caller
from agent.api.route import JSON, KEY_PATTERN, Parameter, Route, json_answer
from agent.clock import Clock
from agent.packs import Offer, OfferBook, Packs

__all__ = ["OfferList", "OfferRoutes"]

_SKU = Parameter("sku", "query", "Only this product's", {"type": "string", "pattern": KEY_PATTERN})


class OfferList(BaseModel):
    """Offers that are valid now, of the version of the pack that counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    version: int
    offers: list[Offer]


class OfferRoutes:
    """Looks into the offers."""

    def __init__(self, offers: OfferBook, packs: Packs, clock: Clock) -> None:
        self._offers = offers
        self._packs = packs
        self._clock = clock

    def routes(self) -> list[Route]:
        """What this part serves."""
        answers = {200: json_answer("The offers", OfferList)}
        return [
            Route("GET", "/v1/offers", "listOffers", "Offers valid now", self.list_offers, answers, parameters=(_SKU,))
        ]

    async def list_offers(self, request: web.Request, caller: Caller) -> web.Response:
        """All, or those of a product."""
        del caller
        now, sku = self._clock.wall(), request.query.get("sku")
        valid = self._offers.valid(now) if sku is None else self._offers.for_product(sku, now)
        found = OfferList(version=self._packs.version("offers"), offers=list(valid))
        return web.Response(body=found.model_dump_json().encode(), content_type=JSON)

"""A product asked for from its shelf ("have it brought"), stored as an event: fleet control hears it and orders."""

from collections.abc import Awaitable, Callable
from typing import Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent.api.basket_routes import TILL
from agent.api.bodies import read_model
from agent.api.caller import Caller
from agent.api.intake import StoredEvent
from agent.api.refusal import Refusal
from agent.api.route import JSON, Body, Route, json_answer
from agent.catalogue import Product
from agent.event_fields import Key
from agent.event_types import KioskBring
from agent.events import EventDecoder
from agent.fleet.fleet import Fleet
from agent.log import EventLog

__all__ = ["BringRoutes"]

BODY_BYTES_MAX: Final = 4_096
BRING_TYPE: Final = "kiosk.bring.v1"
UNNAMED_KIOSK: Final = "kiosk"  # the producer for a caller on the socket that gave no name


class BringWish(BaseModel):
    """What a vehicle shall bring to the till. The same `request_id` may be sent again and counts once."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    request_id: Key
    basket_id: Key
    sku: Key


class BringRoutes:
    """The route by which a kiosk asks; `product` is the catalogue's product of a SKU, or a Refusal."""

    def __init__(
        self, fleet: Fleet, product: Callable[[str], Awaitable[Product]], log: EventLog, decoder: EventDecoder
    ) -> None:
        self._fleet = fleet
        self._product = product
        self._log = log
        self._decoder = decoder
        self._body = Body((JSON,), BringWish, BODY_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route(
                "POST",
                "/v1/tills/{till}/brings",
                "postBring",
                "Have a product brought from its shelf by a vehicle; answered once that is stored",
                self.post_bring,
                {
                    201: json_answer("Stored as a kiosk.bring.v1 event", StoredEvent),
                    200: json_answer("It was stored before", StoredEvent),
                },
                errors=(404, 409, 429, 503, 507),
                needs=(BRING_TYPE,),
                parameters=(TILL,),
                body=self._body,
            )
        ]

    async def post_bring(self, request: web.Request, caller: Caller) -> web.Response:
        """Store one wish.

        Raises:
            Refusal: 404 for a product that is not in the catalogue, 409 in a store without vehicles.
        """
        wish = await read_model(request, self._body, BringWish)
        if not self._fleet.statuses():
            raise Refusal(409, "no_vehicles", "this store has no vehicles")
        await self._product(wish.sku)
        data = KioskBring(till_id=request.match_info["till"], **wish.model_dump())
        event_id = f"bring:{wish.request_id}"
        draft = self._decoder.make(data, caller.name or UNNAMED_KIOSK, event_id=event_id)
        (stored,) = await self._log.append([draft])
        body = StoredEvent.model_validate(stored._asdict()).model_dump_json().encode()
        return web.Response(body=body, status=200 if stored.duplicate else 201, content_type=JSON)

"""The tills' baskets: `GET /v1/baskets/{till}` as one document, or as a stream of snapshots."""

from collections.abc import Callable
from typing import Final

from aiohttp import web

from agent.api.caller import Caller
from agent.api.event_stream import EVENT_STREAM, EventStreams, StreamSource, wants_stream
from agent.api.refusal import Refusal
from agent.api.route import JSON, KEY_PATTERN, Answer, Parameter, Route
from agent.api.shelf_news import ShelfNews
from agent.tills.baskets import Basket, BasketBoard

__all__ = ["TILL", "TILL_TYPES", "BasketRoutes"]

TILL: Final = Parameter(
    "till", "path", "A till's id, as its events have it", {"type": "string", "pattern": KEY_PATTERN}
)
TILL_TYPES: Final = ("pos.scan.v1", "kiosk.till_request.v1")
"""Who may write one of these is a till or a kiosk, and may see baskets."""


class BasketRoutes:
    """Looks into the mirrored baskets."""

    def __init__(self, baskets: BasketBoard, streams: EventStreams, news: ShelfNews) -> None:
        self._baskets = baskets
        self._news = news
        self._streams = streams

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route(
                "GET",
                "/v1/baskets/{till}",
                "getBasket",
                "The till's current basket; with Accept: text/event-stream, its snapshots as they change",
                self.get_basket,
                {
                    200: Answer(
                        "The basket; as a stream, events named `basket` with the version as id, and events named "
                        "`shelf` when prices, products or offers may have changed",
                        {JSON: Basket, EVENT_STREAM: None},
                    )
                },
                errors=(404, 503),
                needs=TILL_TYPES,
                parameters=(TILL,),
            )
        ]

    async def get_basket(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """One snapshot, or all from now on."""
        del caller
        till_id = request.match_info["till"]
        if wants_stream(request):
            return await self._streams.serve(request, self._snapshots(till_id))
        basket = self._baskets.basket(till_id)
        if basket is None:
            raise Refusal(404, "no_basket", f"till {till_id} has shown no basket yet")
        return web.Response(body=basket.model_dump_json().encode(), content_type=JSON)

    def _snapshots(self, till_id: str) -> StreamSource:
        sent, revision = 0, self._news.revision

        def take() -> bytes:
            nonlocal sent, revision
            message = ""
            if revision != self._news.revision:
                revision = self._news.revision
                message = f'event: shelf\ndata: {{"revision": {revision}}}\n\n'
            basket = self._baskets.basket(till_id)
            if basket is not None and basket.version != sent:
                sent = basket.version
                message += f"event: basket\nid: {sent}\ndata: {basket.model_dump_json()}\n\n"
            return message.encode()

        def watch(wake: Callable[[], None]) -> Callable[[], None]:
            stop_basket, stop_news = self._baskets.watch(till_id, wake), self._news.watch(wake)

            def stop() -> None:
                stop_basket()
                stop_news()

            return stop

        return StreamSource(watch, take)

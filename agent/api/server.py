"""The local API as one part of the agent: routes over the other parts, served on all listeners, ended in order."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent import __version__
from agent.api.agv_routes import AgvRoutes
from agent.api.basket_routes import BasketRoutes
from agent.api.bring_routes import BringRoutes
from agent.api.caller import Caller
from agent.api.decision_routes import DecisionRoutes
from agent.api.device_status import ListenerState
from agent.api.door import Door
from agent.api.drain_routes import DrainRoutes
from agent.api.event_stream import HEARTBEAT_S, EventStreams
from agent.api.intake import Intake, IntakeLimits
from agent.api.listeners import Listeners, lan_names
from agent.api.metrics import LogAndLink, Metrics
from agent.api.offer_routes import OfferRoutes
from agent.api.openapi import openapi_document
from agent.api.product_routes import ProductRoutes
from agent.api.quarantine_routes import QuarantineRoutes
from agent.api.rate import ProducerRates
from agent.api.refusal import Refusal, problem_response, refusal_of
from agent.api.replay_routes import ReplayRoutes
from agent.api.request_recorder import RequestRecorder
from agent.api.route import JSON, Access, Route, json_answer
from agent.api.shelf_news import ShelfNews
from agent.api.shelf_product import Shelf
from agent.api.status_report import StatusReport
from agent.api.status_routes import StatusRoutes
from agent.api.till_routes import TillRoutes
from agent.catalogue import Catalogue
from agent.clock import Clock
from agent.data_folder import DataFolder
from agent.decide import Adviser
from agent.errors import StoreforwardError
from agent.events import EventDecoder
from agent.fleet.fleet import Fleet
from agent.link import Link, Receipts
from agent.log import EventLog
from agent.packs import OfferBook, Packs
from agent.producers import ProducerRegistry
from agent.refused import RefusedBodies
from agent.settings import Settings
from agent.tills.baskets import BasketBoard
from agent.tills.pseudonyms import Pseudonyms
from agent.tills.till_requests import TillRequests
from agent.upkeep.identity_watch import IdentityWatch
from agent.upkeep.quarantine_desk import QuarantineDesk
from agent.upkeep.replay_desk import ReplayDesk

__all__ = ["LocalApi", "OpenApiDocument"]

SHUTDOWN_TIMEOUT_S: Final = 1.0  # for calls under way; event streams end at once


class OpenApiDocument(BaseModel):
    """This API, described (OpenAPI 3.1)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    openapi: str
    info: dict[str, Any]  # Any: an OpenAPI document is JSON
    paths: dict[str, Any]  # Any: an OpenAPI document is JSON


class LocalApi:
    """Serves one agent's API. The parts it is given outlive it: stop it before they are closed."""

    _recording: asyncio.Task[None] | None = None
    _runner: web.AppRunner | None = None
    _stopping = False

    def __init__(
        self,
        *,
        settings: Settings,
        folder: DataFolder,
        log: EventLog,
        decoder: EventDecoder,
        link: Link,
        identity: IdentityWatch,
        receipts: Callable[[], Receipts | None],
        producers: ProducerRegistry,
        pseudonyms: Pseudonyms,
        baskets: BasketBoard,
        till_requests: TillRequests,
        catalogue: Catalogue,
        packs: Packs,
        offers: OfferBook,
        adviser: Adviser | None,
        fleet: Fleet,
        refused: RefusedBodies,
        shed: Callable[[], int],
        clock: Clock,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._metrics = Metrics(__version__, LogAndLink(log, link.status, identity.certificate_ends))
        self._streams = EventStreams(settings.api.sse_clients_max, self._metrics, heartbeat_s=heartbeat_s)
        self._listeners = Listeners(settings.api, folder.socket)
        self._recorder = RequestRecorder(till_requests, log, decoder, clock)
        self._site_types, self._refused = decoder.site_types, refused
        self._decoding = ThreadPoolExecutor(1, thread_name_prefix="decode")
        shelf, news = Shelf(offers, clock), ShelfNews(packs)
        self._products = ProductRoutes(catalogue, shelf, news)
        self._door = Door(producers, folder.socket, lan_names(settings.api))
        report = StatusReport(
            settings=settings, folder=folder, log=log, link_status=link.status, listeners=self._listeners,
            identity=identity, catalogue=catalogue, baskets=baskets, packs=packs, fleet=fleet, shed=shed, clock=clock,
        )  # fmt: skip
        self.routes: Final[list[Route]] = [
            *Intake(
                log, decoder, pseudonyms, _limits(settings), self._metrics, clock, self._decoding, refused
            ).routes(),
            *BasketRoutes(baskets, self._streams, news).routes(),
            *TillRoutes(till_requests, self._recorder, self._streams, clock).routes(),
            *self._products.routes(),
            *OfferRoutes(offers, packs, clock).routes(),
            *DecisionRoutes(adviser, shelf, log, decoder, self._metrics).routes(),
            *self._own_routes(report, receipts, fleet, BringRoutes(fleet, self._products.product, log, decoder)),
            *_wishes(log, decoder, link, report, clock),
        ]

    @property
    def addresses(self) -> list[str]:
        """Where the API answers now."""
        return [state.address for state in self._listeners.states if state.state is ListenerState.LISTENING]

    async def start(self) -> None:
        """Answer from here on. A TCP listener that cannot be opened is told in the status instead.

        Raises:
            ListenerFailed: when the Unix socket cannot be opened.
        """
        self._runner = web.AppRunner(
            self.application(),
            handler_cancellation=True,  # a stream ends with its client
            shutdown_timeout=SHUTDOWN_TIMEOUT_S,
        )
        await self._runner.setup()
        assert self._runner.server is not None
        try:
            await self._listeners.open(self._runner.server)
        except BaseException:
            await self._runner.cleanup()
            raise
        self._recording = asyncio.create_task(self._recorder.run(), name="till-requests")

    async def stop(self) -> None:
        """End: no new calls, streams closed, calls under way answered."""
        self._stopping = True
        self._listeners.close()
        self._streams.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._recording is not None:
            self._recording.cancel()
            with suppress(asyncio.CancelledError):
                await self._recording
        await self._products.close()
        await asyncio.to_thread(self._decoding.shutdown)
        await self._refused.settled()

    async def wait_failed(self) -> None:
        """Never returns while all is well; raises if the API's own work died, which must end the process."""
        assert self._recording is not None
        await asyncio.shield(self._recording)

    def application(self) -> web.Application:
        """The routes as an aiohttp application."""
        application = web.Application(middlewares=[_unknown_paths])
        for route in self.routes:
            application.router.add_route(route.method, route.path, self._serving(route), name=route.operation)
        return application

    def _serving(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def serve(request: web.Request) -> web.StreamResponse:
            try:
                response = await route.handler(request, self._door.admit(request, route))
            except StoreforwardError as error:
                response = problem_response(refusal_of(error))
            except Exception:
                self._metrics.answered(route.method, route.path, 500)
                raise
            self._metrics.answered(route.method, route.path, response.status)
            return response

        return serve

    def _own_routes(
        self, report: StatusReport, receipts: Callable[[], Receipts | None], fleet: Fleet, brings: BringRoutes
    ) -> Iterator[Route]:
        yield from AgvRoutes(fleet).routes()
        yield from brings.routes()
        yield from StatusRoutes(report, receipts, self._unready, self._metrics, self._site_types).routes()
        yield self._openapi_route()

    def _openapi_route(self) -> Route:
        return Route(
            "GET",
            "/v1/openapi.json",
            "getOpenApi",
            "This document",
            self.get_openapi,
            {200: json_answer("OpenAPI 3.1", OpenApiDocument)},
            access=Access.ANYONE,
        )

    async def get_openapi(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """The document of all routes."""
        document = openapi_document(self.routes, __version__)
        return web.Response(body=json.dumps(document).encode(), content_type=JSON)

    def _unready(self) -> str:
        return "the agent is stopping" if self._stopping else ""


def _wishes(log: EventLog, decoder: EventDecoder, link: Link, report: StatusReport, clock: Clock) -> Iterator[Route]:
    """What an operator on this machine may want of the log and the link."""
    yield from QuarantineRoutes(QuarantineDesk(log, decoder, link.send_again)).routes()
    yield from ReplayRoutes(ReplayDesk(log, decoder, link, clock)).routes()
    yield from DrainRoutes(report, link).routes()


def _limits(settings: Settings) -> IntakeLimits:
    return IntakeLimits(ProducerRates(settings.api.producer_events_per_s), settings.api.request_bytes_max)


@web.middleware
async def _unknown_paths(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """What the router does not know is a problem document as well."""
    try:
        return await handler(request)
    except web.HTTPMethodNotAllowed as error:
        allowed = ", ".join(sorted(error.allowed_methods))
        response = problem_response(Refusal(405, "method", f"this path takes {allowed}"))
        response.headers["Allow"] = allowed
        return response
    except web.HTTPNotFound:
        return problem_response(Refusal(404, "unknown_path", "no such path; GET /v1/openapi.json lists all"))

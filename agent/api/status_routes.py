"""What the agent tells about itself: status, event types, receipts, metrics, and whether it lives."""

from collections.abc import Callable
from typing import Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict

from agent.api.caller import Caller
from agent.api.device_status import DeviceStatus
from agent.api.event_schemas import EventTypeList, event_type_list
from agent.api.metrics import METRICS_MEDIA_TYPE, Metrics
from agent.api.refusal import Refusal
from agent.api.route import JSON, Access, Answer, Route, json_answer
from agent.link import Receipts
from agent.site_types import SiteTypes

__all__ = ["StatusRoutes"]


class Wellness(BaseModel):
    """All is well."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Literal["ok"] = "ok"


_OK: Final = Wellness().model_dump_json().encode()


class StatusRoutes:
    """The routes by which one looks at an agent. `unready` says why it should get no work, or nothing."""

    def __init__(
        self,
        status: Callable[[], DeviceStatus],
        receipts: Callable[[], Receipts | None],
        unready: Callable[[], str],
        metrics: Metrics,
        site_types: SiteTypes,
    ) -> None:
        self._status = status
        self._receipts = receipts
        self._unready = unready
        self._metrics = metrics
        self._event_types = event_type_list(site_types).model_dump_json().encode()

    def routes(self) -> list[Route]:
        """What this part serves."""
        well = json_answer("All is well", Wellness)
        return [
            Route(
                "GET", "/v1/status", "getStatus", "How this agent is",
                self.get_status, {200: json_answer("Now", DeviceStatus)},
            ),
            Route(
                "GET", "/v1/event-types", "listEventTypes", "Every event type with its stream and JSON Schema",
                self.list_event_types, {200: json_answer("All types", EventTypeList)},
            ),
            Route(
                "GET", "/v1/receipts", "getReceipts", "What the cloud's ledger says it has, as last heard",
                self.get_receipts, {200: json_answer("The last receipts", Receipts)}, errors=(404,),
            ),
            Route(
                "GET", "/metrics", "getMetrics", "Measures for Prometheus",
                self.get_metrics, {200: Answer("Prometheus text format", {METRICS_MEDIA_TYPE: None})},
                access=Access.MACHINE,
            ),
            Route(
                "GET", "/livez", "getLiveness", "Whether the agent answers at all",
                self.get_liveness, {200: well}, access=Access.ANYONE,
            ),
            Route(
                "GET", "/readyz", "getReadiness", "Whether the agent takes events",
                self.get_readiness, {200: well}, errors=(503,), access=Access.ANYONE,
            ),
        ]  # fmt: skip

    async def get_status(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """The status now."""
        return web.Response(body=self._status().model_dump_json().encode(), content_type=JSON)

    async def list_event_types(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """The vocabulary."""
        return web.Response(body=self._event_types, content_type=JSON)

    async def get_receipts(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """The newest receipts."""
        receipts = self._receipts()
        if receipts is None:
            raise Refusal(404, "no_receipts", "the cloud's ledger has not been heard since the agent started")
        return web.Response(body=receipts.model_dump_json().encode(), content_type=JSON)

    async def get_metrics(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """All measures."""
        return web.Response(body=self._metrics.text(), content_type=METRICS_MEDIA_TYPE, charset="utf-8")

    async def get_liveness(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """An answer is the answer."""
        return web.Response(body=_OK, content_type=JSON)

    async def get_readiness(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """Ready, or why not."""
        if reason := self._unready():
            raise Refusal(503, "not_ready", reason, retry_after_s=1.0)
        return web.Response(body=_OK, content_type=JSON)

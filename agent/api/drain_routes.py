"""Emptying the log towards the cloud on request: no pause is waited for, and the answer says how far there is to go."""

from collections.abc import Callable

from aiohttp import web

from agent.api.caller import Caller
from agent.api.device_status import DeviceStatus
from agent.api.refusal import Refusal
from agent.api.route import JSON, Access, Route, json_answer
from agent.link import Link, LinkState

__all__ = ["DrainRoutes"]


class DrainRoutes:
    """The route by which somebody hurries the link."""

    def __init__(self, status: Callable[[], DeviceStatus], link: Link) -> None:
        self._status = status
        self._link = link

    def routes(self) -> list[Route]:
        """What this part serves."""
        return [
            Route(
                "POST", "/v1/drain", "postDrain", "Connect now, send all that waits, and try what is parked",
                self.post_drain, {200: json_answer("Now; its heads are the goal", DeviceStatus)},
                access=Access.LOCAL, errors=(409,),
            ),
        ]  # fmt: skip

    async def post_drain(self, request: web.Request, caller: Caller) -> web.Response:
        """Begin; GET /v1/status tells the rest.

        Raises:
            Refusal: 409 when the settings switch the link off.
        """
        del request, caller
        if self._link.status().state is LinkState.DISABLED:
            raise Refusal(409, "link_disabled", "nothing leaves, as link.enabled is false in the settings")
        self._link.hurry()
        return web.Response(body=self._status().model_dump_json().encode(), content_type=JSON)

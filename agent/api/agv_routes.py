"""The vehicles of this box: how they are, and what people do with them: stop, release, say what became of an action."""

from typing import Annotated, Final, Literal

from aiohttp import web
from pydantic import BaseModel, ConfigDict, Field

from agent.api.bodies import read_model
from agent.api.caller import Caller
from agent.api.route import JSON, KEY_PATTERN, Body, Parameter, Route, json_answer
from agent.event_fields import Key, Text
from agent.fleet.fleet import Fleet, FleetVehicle
from agent.fleet.vehicle_status import VehicleStatus

__all__ = ["AgvRoutes"]

BODY_BYTES_MAX: Final = 4_096
VEHICLE: Final = Parameter("vehicle", "path", "A vehicle's id", {"type": "string", "pattern": KEY_PATTERN})
STOP_TYPE: Final = "agv.stop.v1"


class _Wish(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class AgvStopWish(_Wish):
    """Who stops a vehicle, and why."""

    by: Key
    reason: Text | None = None


class AgvStopAllWish(AgvStopWish):
    """Who stops all vehicles. The same `request_id` may be sent again and counts once."""

    request_id: Key | None = None


class AgvReleaseWish(_Wish):
    """Which person lets a vehicle move again."""

    by: Key


class AgvResolveWish(_Wish):
    """Which person says what became of an action, having looked."""

    by: Key
    action_id: Annotated[str, Field(min_length=1, max_length=400)]
    outcome: Literal["done", "failed"]


class AgvForgetWish(_Wish):
    """Which person, having looked, lets a vehicle begin anew."""

    by: Key


class ForgottenMission(BaseModel):
    """Where the copy of an unreadable mission is, on the box."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kept_in: str


class VehicleList(BaseModel):
    """All vehicles of this box."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    vehicles: list[VehicleStatus]


class AgvRoutes:
    """The routes about vehicles. A stop waits for nothing; what it was is stored afterwards."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._stop_body = Body((JSON,), AgvStopWish, BODY_BYTES_MAX)
        self._stop_all_body = Body((JSON,), AgvStopAllWish, BODY_BYTES_MAX)
        self._release_body = Body((JSON,), AgvReleaseWish, BODY_BYTES_MAX)
        self._resolve_body = Body((JSON,), AgvResolveWish, BODY_BYTES_MAX)
        self._forget_body = Body((JSON,), AgvForgetWish, BODY_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        state = {200: json_answer("The vehicle now", VehicleStatus)}
        one = "/v1/agvs/{vehicle}"
        return [
            Route(
                "GET", "/v1/agvs", "listAgvs", "All vehicles of this box",
                self.list_vehicles, {200: json_answer("All vehicles", VehicleList)},
            ),
            Route(
                "POST", "/v1/agvs/stop", "stopAgvs", "Stop all vehicles at once; each stands until it is released",
                self.stop_all, {200: json_answer("All vehicles", VehicleList)}, body=self._stop_all_body,
            ),
            Route(
                "GET", one, "getAgv", "How a vehicle is",
                self.get_vehicle, state, errors=(404,), parameters=(VEHICLE,),
            ),
            Route(
                "POST", one + "/stop", "stopAgv", "Stop a vehicle at once; it stands until a person releases it",
                self.stop_vehicle, state, errors=(404,), parameters=(VEHICLE,), body=self._stop_body,
            ),
            Route(
                "POST", one + "/release", "releaseAgv", "A person lets a stopped vehicle move again; its order goes on",
                self.release_vehicle, state, errors=(404, 409, 503), needs=(STOP_TYPE,), parameters=(VEHICLE,),
                body=self._release_body,
            ),
            Route(
                "POST", one + "/resolve", "resolveAgvAction", "A person says what became of an action nobody knows of",
                self.resolve_action, state, errors=(404, 409), needs=(STOP_TYPE,), parameters=(VEHICLE,),
                body=self._resolve_body,
            ),
            Route(
                "POST", one + "/forget", "forgetAgvMission", "Let a vehicle begin anew whose mission cannot be read",
                self.forget_mission, {200: json_answer("The copy that is kept", ForgottenMission)},
                errors=(404, 409, 503), needs=(STOP_TYPE,), parameters=(VEHICLE,), body=self._forget_body,
            ),
        ]  # fmt: skip

    async def list_vehicles(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """All of them now."""
        return self._all_now()

    async def stop_all(self, request: web.Request, caller: Caller) -> web.Response:
        """Stop all of them."""
        del caller
        wish = await read_model(request, self._stop_all_body, AgvStopAllWish)
        self._fleet.stop_all(wish.by, wish.reason or "", wish.request_id)
        return self._all_now()

    async def get_vehicle(self, request: web.Request, caller: Caller) -> web.Response:
        """One of them now."""
        del caller
        return _now(self._vehicle(request))

    async def stop_vehicle(self, request: web.Request, caller: Caller) -> web.Response:
        """Stop it."""
        del caller
        vehicle = self._vehicle(request)
        wish = await read_model(request, self._stop_body, AgvStopWish)
        vehicle.stop(wish.by, wish.reason or "")
        return _now(vehicle)

    async def release_vehicle(self, request: web.Request, caller: Caller) -> web.Response:
        """Release it; answers when the vehicle has said so."""
        del caller
        vehicle = self._vehicle(request)
        wish = await read_model(request, self._release_body, AgvReleaseWish)
        await vehicle.release(wish.by)
        return _now(vehicle)

    async def resolve_action(self, request: web.Request, caller: Caller) -> web.Response:
        """Take a person's word on an action."""
        del caller
        vehicle = self._vehicle(request)
        wish = await read_model(request, self._resolve_body, AgvResolveWish)
        vehicle.resolve(wish.action_id, done=wish.outcome == "done", by=wish.by)
        return _now(vehicle)

    async def forget_mission(self, request: web.Request, caller: Caller) -> web.Response:
        """Set a journal aside that cannot be read."""
        del caller
        wish = await read_model(request, self._forget_body, AgvForgetWish)
        kept_in = await self._fleet.forget(self._vehicle(request).id, wish.by)
        body = ForgottenMission(kept_in=str(kept_in)).model_dump_json().encode()
        return web.Response(body=body, content_type=JSON)

    def _all_now(self) -> web.Response:
        found = VehicleList(vehicles=self._fleet.statuses())
        return web.Response(body=found.model_dump_json().encode(), content_type=JSON)

    def _vehicle(self, request: web.Request) -> FleetVehicle:
        return self._fleet.vehicle(request.match_info["vehicle"])


def _now(vehicle: FleetVehicle) -> web.Response:
    return web.Response(body=vehicle.status().model_dump_json().encode(), content_type=JSON)

"""Delivered events of some time sent once more, for an operator on this machine: plan, start, follow, stop."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import Final, Self

from aiohttp import web
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_validator, model_validator

from agent.api.bodies import read_model
from agent.api.caller import Caller
from agent.api.route import JSON, Access, Body, Route, json_answer
from agent.event_fields import Key
from agent.event_types import Stream
from agent.link import ReplayedStream, ReplayState, ReplayStatus
from agent.upkeep.replay_desk import ReplayDesk, ReplayPlan, StreamPlan

__all__ = ["ReplayRoutes"]

BODY_BYTES_MAX: Final = 4_096


class ReplayWish(BaseModel):
    """Events recorded from one moment until right before another; no stream named is all of them.

    With `dry_run` nothing is sent: the answer says what would be.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    recorded_from: AwareDatetime = Field(alias="from")
    recorded_before: AwareDatetime = Field(alias="to")
    streams: list[Stream] = Field([], max_length=len(Stream))
    dry_run: bool = False
    by: Key

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.recorded_from >= self.recorded_before:
            raise ValueError("from has to be before to")
        return self

    @field_validator("recorded_from", "recorded_before")
    @classmethod
    def _to_utc(cls, moment: datetime) -> datetime:
        try:
            return moment.astimezone(UTC)
        except OverflowError:
            raise ValueError("is outside the years 1 to 9999 in UTC") from None


class ReplayStep(StrEnum):
    """Where a replay stands; `planned` is the answer to a dry run."""

    PLANNED = "planned"
    SENDING = "sending"
    DONE = "done"
    STOPPED = "stopped"


class ReplayRange(BaseModel):
    """A run of one epoch's sequences, in which so many events are there."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    epoch: str
    first_sequence: int
    last_sequence: int
    events: int


class ReplayStream(BaseModel):
    """One stream's part: what is sent once more and what of that time is not, then what became of it.

    `waiting` events leave in their turn, as they were not delivered yet; `parked` ones are tried by themselves;
    before `kept_from` nothing is in the log any more. `sent`: the broker has it; `not_delivered`: given up, for
    `reason`; `gone`: cleared away before its turn came.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    stream: Stream
    events: int
    bytes: int
    ranges: list[ReplayRange]
    waiting: int
    parked: int
    kept_from: datetime | None
    damaged: bool
    sent: int = 0
    not_delivered: int = 0
    gone: int = 0
    reason: str = ""


class ReplayReport(BaseModel):
    """One replay. `waits` says why it gets no further just now, `nothing` why there is nothing to send."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    state: ReplayStep
    asked: datetime
    recorded_from: datetime
    recorded_before: datetime
    events: int
    sent: int
    not_delivered: int
    gone: int
    waits: str
    nothing: str
    streams: list[ReplayStream]


class ReplayRoutes:
    """The routes over one desk."""

    def __init__(self, desk: ReplayDesk) -> None:
        self._desk = desk
        self._body = Body((JSON,), ReplayWish, BODY_BYTES_MAX)

    def routes(self) -> list[Route]:
        """What this part serves."""
        path, local = "/v1/replay", Access.LOCAL
        report = {200: json_answer("How it stands", ReplayReport)}
        return [
            Route(
                "POST", path, "postReplay", "Send delivered events of some time once more",
                self.post_replay, report, access=local, errors=(404, 409, 503, 507), body=self._body,
            ),
            Route(
                "GET", path, "getReplay", "The last replay since the agent's start",
                self.get_replay, report, access=local, errors=(404,),
            ),
            Route(
                "POST", path + "/stop", "stopReplay", "Send no more of it",
                self.stop_replay, report, access=local, errors=(404,),
            ),
        ]  # fmt: skip

    async def post_replay(self, request: web.Request, caller: Caller) -> web.Response:
        """Begin one, or say what it would send."""
        del caller
        wish = await read_model(request, self._body, ReplayWish)
        asked = wish.recorded_from, wish.recorded_before, wish.streams
        if wish.dry_run:
            return self._answer(await self._desk.plan(*asked), None)
        await self._desk.start(*asked, wish.by)
        return self._answer(*self._desk.last())

    async def get_replay(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """The last one."""
        return self._answer(*self._desk.last())

    async def stop_replay(self, request: web.Request, caller: Caller) -> web.Response:  # noqa: ARG002 - a Handler
        """End it."""
        return self._answer(*self._desk.stop())

    def _answer(self, plan: ReplayPlan, status: ReplayStatus | None) -> web.Response:
        became = {one.stream: one for one in status.streams} if status else {}
        streams = [self._stream(part, became.get(part.stream)) for part in plan.streams]
        report = ReplayReport(
            state=ReplayStep(status.state) if status else ReplayStep.PLANNED,
            asked=plan.asked,
            recorded_from=plan.recorded_from,
            recorded_before=plan.recorded_before,
            events=plan.events,
            sent=status.sent if status else 0,
            not_delivered=sum(one.not_delivered for one in streams),
            gone=sum(one.gone for one in streams),
            waits=self._desk.waits(status) if status and status.state is ReplayState.SENDING else "",
            nothing="" if plan.events else self._desk.nothing(plan),
            streams=streams,
        )
        return web.Response(body=report.model_dump_json().encode(), content_type=JSON)

    def _stream(self, part: StreamPlan, became: ReplayedStream | None) -> ReplayStream:
        planned = ReplayStream(
            stream=part.stream,
            events=part.events,
            bytes=part.size_bytes,
            ranges=[
                ReplayRange(
                    epoch=self._desk.epoch_id(run.first.epoch),
                    first_sequence=run.first.sequence,
                    last_sequence=run.last.sequence,
                    events=run.events,
                )
                for run in part.runs
            ],
            waiting=part.waiting,
            parked=part.parked,
            kept_from=part.kept_from,
            damaged=part.damaged,
        )
        if became is None:
            return planned
        counts = {"sent": became.sent, "not_delivered": became.not_delivered, "gone": became.gone}
        return planned.model_copy(update={**counts, "reason": became.reason})

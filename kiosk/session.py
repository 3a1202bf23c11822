"""One running kiosk without a screen: owns the state, feeds it with what happens, and does what it asks for."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

from agent.clock import Clock
from kiosk import inputs
from kiosk.client import AgentApi, AgentGone, CallRefused, ShelfNews
from kiosk.documents import Basket
from kiosk.effects import Ask, Effect, Find, FindCode, Follow, LookUp, StopVehicles
from kiosk.kept import Kept, kept_of, write_kept
from kiosk.kept_screen import KeptScreen
from kiosk.reduce import reduce
from kiosk.state import Agent, Post, State, StopState

__all__ = ["Session", "next_post"]

TICK_S: Final = 0.1
STATUS_S: Final = 1.0
STATUS_FAILURES_MAX: Final = 2
FOLLOW_S: Final = 0.03  # a till answers in a tenth of a second
FOLLOW_MAX_S: Final = 30.0  # three times what a request lives
BACKOFF_MIN_S: Final = 0.1
BACKOFF_MAX_S: Final = 2.0
STOP_TRY_S: Final = 1.0  # the agent answers a stop in milliseconds
STOP_PAUSE_S: Final = 0.1
SCREEN_KEPT_S: Final = 5.0
"""How old the kept screen may be: a changing one costs a write of some 10 kB each time. Taps are kept at once."""


def next_post(state: State, now_s: float) -> Post | None:
    """What to send now: taps before what was only shown, each in its order."""
    due = [post for post in state.posts if post.not_before_s <= now_s]
    return next((post for post in due if post.tap), due[0] if due else None)


class Session:
    """`take` is its one entry; `run` serves until cancelled. `on_change` is called after each change of the state."""

    def __init__(self, state: State, api: AgentApi, kept_file: Path, clock: Clock) -> None:
        self.state = state
        self.on_change: Callable[[State], None] = lambda _: None
        self.on_kept: Callable[[Kept], None] = lambda _: None
        """Called when taps and screen have reached the disk."""
        self._api = api
        self._kept_file = kept_file
        self._kept = kept_of(state)
        self._clock = clock
        self._to_send = asyncio.Event()
        self._to_keep = asyncio.Event()
        self._stream_stands = False
        self._tasks: asyncio.TaskGroup | None = None

    def take(self, event: inputs.Input) -> None:
        """One input: the state changes at once, the effects follow."""
        before = self.state
        self.state, effects = reduce(before, event, self._clock.monotonic_s())
        for effect in effects:
            self._start(effect)
        if self.state is before:
            return
        kept = kept_of(self.state)
        if kept != self._kept:
            self._kept = kept
            self._to_keep.set()
        if self.state.posts:
            self._to_send.set()
        self.on_change(self.state)

    async def run(self) -> None:
        """Serve until cancelled.

        Raises:
            KeptUnusable: the folder of the taps cannot be written.
        """
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            tasks.create_task(self._watch_basket(), name="basket")
            tasks.create_task(self._watch_status(), name="status")
            tasks.create_task(self._send_posts(), name="posts")
            tasks.create_task(self._keep_taps(), name="kept")
            tasks.create_task(self._tick(), name="ticks")

    def _start(self, effect: Effect) -> None:
        if self._tasks is None:
            return
        match effect:
            case Ask():
                work: Coroutine[None, None, None] = self._ask(effect)
            case LookUp(skus=skus):
                work = self._look_up(skus)
            case Find(query=query):
                work = self._find(query)
            case FindCode(gtin=gtin):
                work = self._find_code(gtin)
            case Follow(request_id=request_id):
                work = self._follow(request_id)
            case StopVehicles():
                work = self._stop_vehicles(effect)
        self._tasks.create_task(work, name=type(effect).__name__)

    async def _watch_basket(self) -> None:
        wait_s = BACKOFF_MIN_S
        while True:
            try:
                async for news in self._api.news(self.state.till_id):
                    match news:
                        case Basket():
                            wait_s = BACKOFF_MIN_S
                            self.take(inputs.BasketSeen(news))
                        case ShelfNews():
                            self.take(inputs.ShelfChanged())
                        case None:
                            self._stream_stands = True
                            self._agent_answers()
            except (AgentGone, CallRefused):
                self._stream_stands = False
                self.take(inputs.AgentWentDown(self._clock.wall()))
            await asyncio.sleep(wait_s)
            wait_s = min(BACKOFF_MAX_S, wait_s * 2)

    async def _watch_status(self) -> None:
        """An agent whose stream stands but that answers nothing useful is down all the same."""
        failures = 0
        while True:
            if self._stream_stands:
                try:
                    status = await self._api.status()
                except (AgentGone, CallRefused):
                    failures += 1
                else:
                    failures = 0
                    self._agent_answers()
                    self.take(inputs.StatusSeen(status))
                if failures >= STATUS_FAILURES_MAX:
                    self.take(inputs.AgentWentDown(self._clock.wall()))
            await asyncio.sleep(STATUS_S)

    def _agent_answers(self) -> None:
        if self._stream_stands and self.state.agent is not Agent.UP:
            self.take(inputs.AgentCameUp())
            self._to_send.set()

    async def _send_posts(self) -> None:
        wait_s = BACKOFF_MIN_S
        while True:
            self._to_send.clear()
            post = next_post(self.state, self._clock.monotonic_s())
            if post is None or self.state.agent is not Agent.UP:
                await self._next_to_send()
            elif await self._send(post):
                wait_s = BACKOFF_MIN_S
            else:
                await asyncio.sleep(wait_s)
                wait_s = min(BACKOFF_MAX_S, wait_s * 2)

    async def _next_to_send(self) -> None:
        """Until there may be something new, or something held back may be due."""
        try:
            async with asyncio.timeout(STATUS_S):
                await self._to_send.wait()
        except TimeoutError:
            return

    async def _send(self, post: Post) -> bool:
        self.take(inputs.PostTaken(post.id))
        try:
            request = await self._api.send(post)
        except AgentGone:
            self.take(inputs.PostReturned(post.id))
            return False
        except CallRefused as refused:
            self.take(inputs.PostRefused(post.id, refused.code, refused.detail))
            return True
        self.take(inputs.PostDone(post.id, request))
        return True

    async def _keep_taps(self) -> None:
        """A tap goes to the disk at once, together with the screen; a screen alone once in a while."""
        written = Kept()
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(SCREEN_KEPT_S):
                    await self._to_keep.wait()
            self._to_keep.clear()
            screen = KeptScreen.of(self.state, self._clock.wall())
            if self._kept != replace(written, screen=None) or not screen.shows_as(written.screen):
                written = replace(self._kept, screen=screen)
                await asyncio.to_thread(write_kept, self._kept_file, written)
                self.on_kept(written)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.take(inputs.Ticked(self._clock.wall()))

    async def _ask(self, ask: Ask) -> None:
        try:
            decision = await self._api.decide(ask.body)
        except (AgentGone, CallRefused):
            self.take(inputs.DecisionFailed(ask.version))
            return
        self.take(inputs.DecisionSeen(ask.version, decision))

    async def _look_up(self, skus: tuple[str, ...]) -> None:
        try:
            found = await asyncio.gather(*(self._api.product(sku) for sku in skus))
        except AgentGone:
            return
        self.take(inputs.ProductsSeen(tuple(product for product in found if product is not None)))

    async def _find(self, query: str) -> None:
        if self.state.look is None or self.state.look.query != query:
            return  # typed on already
        try:
            self.take(inputs.Found(query, await self._api.search(query)))
        except (AgentGone, CallRefused):
            self.take(inputs.Found(query, ()))

    async def _find_code(self, gtin: str) -> None:
        if self.state.look is None or self.state.look.gtin != gtin:
            return  # the next code was scanned already
        try:
            self.take(inputs.CodeFound(gtin, await self._api.find_code(gtin)))
        except (AgentGone, CallRefused):
            self.take(inputs.CodeFound(gtin, ()))

    async def _stop_vehicles(self, stop: StopVehicles) -> None:
        while (left_s := stop.until_s - self._clock.monotonic_s()) > 0:
            try:
                vehicles = await self._api.stop_vehicles(stop.request_id, min(STOP_TRY_S, left_s))
            except AgentGone:
                await asyncio.sleep(STOP_PAUSE_S)
            except CallRefused as refused:
                self.take(inputs.StopUntold(stop.request_id, refused.detail))
                return
            else:
                self.take(inputs.StopTold(stop.request_id, vehicles))
                await self._watch_vehicles(stop.request_id)
                return
        self.take(inputs.StopUntold(stop.request_id))

    async def _watch_vehicles(self, request_id: str) -> None:
        """Until every vehicle has answered, or the state waits no longer."""
        while (stop := self.state.stop) and stop.request_id == request_id and stop.state is StopState.STOPPING:
            await asyncio.sleep(STOP_PAUSE_S)
            with suppress(AgentGone, CallRefused):
                self.take(inputs.VehiclesSeen(await self._api.vehicles(STOP_TRY_S)))

    async def _follow(self, request_id: str) -> None:
        """Asks until the request has ended; when the agent goes, its return starts this again."""
        try:
            async with asyncio.timeout(FOLLOW_MAX_S):
                while self.state.agent is Agent.UP and not await self._has_ended(request_id):
                    await asyncio.sleep(FOLLOW_S)
        except (CallRefused, TimeoutError):
            self.take(inputs.RequestLost(request_id))

    async def _has_ended(self, request_id: str) -> bool:
        try:
            request = await self._api.request(self.state.till_id, request_id)
        except AgentGone:
            return False
        if request.state == "pending":
            return False
        self.take(inputs.RequestSeen(request))
        return True

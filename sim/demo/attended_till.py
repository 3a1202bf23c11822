"""A till with a kiosk beside it: scans at a person's pace, and puts into the basket what the kiosk asks for.

The shop clock decides when a customer comes; from then on real time counts, for a finger is no faster on a fast day.
"""

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from itertools import groupby
from typing import Final

from agent.clock import ShopClock
from sim.demo.players import until
from sim.demo.register import Register
from sim.demo.sender import Sender
from sim.demo.staff import Staff
from sim.demo.summary import TillState, TillView
from sim.demo.till_requests import TillRequestLine
from sim.store.actions import TillAction
from sim.store.schedule import TillSchedule

__all__ = ["AttendedTill"]

PAYING_S: Final = 0.8


class AttendedTill:
    """One till, its staff and its kiosk."""

    def __init__(
        self,
        schedule: TillSchedule,
        sender: Sender,
        line: TillRequestLine,
        register: Register,
        staff: Staff,
        clock: ShopClock,
    ) -> None:
        self.staff: Final = staff
        self._schedule = schedule
        self._sender = sender
        self._line = line
        self._register = register
        self._clock = clock
        self._one_at_a_time = asyncio.Lock()  # the till's events have one order, whoever causes them
        self._most_lines = 0
        self._sales = 0
        self._sales_total = Decimal(0)

    async def play(self) -> None:
        """The whole schedule, with the kiosk's requests answered all the while."""
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen(), name=f"requests to {self._schedule.till_id}")
            for action, wanted in _with_what_follows(self._schedule.actions()):
                await until(self._clock, action)
                await self._do(action, wanted)
            listening.cancel()

    @property
    def view(self) -> TillView:
        """The till as it is now."""
        basket = self._register.basket
        return TillView(
            till_id=self._schedule.till_id,
            state=self._state(),
            basket_items=basket.lines if basket else 0,
            basket_total=basket.total if basket else Decimal(0),
            sales=self._sales,
            sales_total=self._sales_total,
            kiosk=True,
        )

    async def _do(self, action: TillAction, wanted: frozenset[str]) -> None:
        match action.type:
            case "pos.scan.v1":
                await self.staff.reach()
            case "pos.sale.v1":
                self._register.paying = True
                await asyncio.sleep(PAYING_S)
        async with self._one_at_a_time:
            real = self._register.take(action, self._clock.wall())
            if real is None:
                return
            self._tell_watch(real)
            await self._send(real)
        if action.type == "pos.scan.v1" and self._register.basket is not None:
            await self.staff.look(self._register.basket, wanted - self._register.basket.skus)

    async def _listen(self) -> None:
        async for asked in self._line.requests():
            async with self._one_at_a_time:
                reply = self._register.reply(asked, self._clock.wall())
                if reply.action is not None:
                    await self._send(reply.action)
            await self._line.answer(asked.request_id, reply.refusal)

    async def _send(self, action: TillAction) -> None:
        data = action.data
        if action.raw_customer is not None:
            data = data | {"customer_id": await self._sender.pseudonym(action.raw_customer)}
        await self._sender.send(action.type, data, action.event_id, action.at)
        if action.type == "pos.sale.v1":
            self._sales += 1
            self._sales_total += Decimal(data["total"])

    def _tell_watch(self, action: TillAction) -> None:
        """A scan that makes more lines than the basket ever had can be told apart on the screen: it is measured."""
        basket, watch = self._register.basket, self.staff.kiosk.watch
        if basket is None:
            self._most_lines = 0
            watch.basket_ended()
        elif basket.lines > self._most_lines:
            self._most_lines = basket.lines
            if action.type == "pos.scan.v1":
                watch.scanned(basket.basket_id, basket.lines, self._clock.monotonic_s())

    def _state(self) -> TillState:
        if self._sender.waiting:
            return TillState.WAITING
        if self._register.basket is None:
            return TillState.IDLE
        return TillState.PAYING if self._register.paying else TillState.SCANNING


def _with_what_follows(actions: Iterator[TillAction]) -> Iterator[tuple[TillAction, frozenset[str]]]:
    """Each action with the SKUs that are still to be scanned for the same customer."""
    for _, visit in groupby(actions, key=lambda action: action.data.get("basket_id")):
        whole = list(visit)
        for place, action in enumerate(whole):
            yield action, frozenset(later.data["sku"] for later in whole[place + 1 :] if later.type == "pos.scan.v1")

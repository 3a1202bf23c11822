"""The people and machines of the demo: each till and each sensor does its day's actions when the shop clock says so.

A till is paced by its agent: it scans the next item only after the last one was acknowledged (closed loop).
"""

import asyncio
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, Protocol

from agent.clock import ShopClock
from sim.demo.sender import Sender
from sim.demo.summary import TillState, TillView
from sim.store.actions import SensorAction, TillAction
from sim.store.schedule import TillSchedule

__all__ = ["SensorPlayer", "Till", "TillPlayer", "until"]

NAP_MAX_S: Final = 1.0
SHORTEST_NAP_S: Final = 0.002  # sleeping for less costs more than it waits


async def until(clock: ShopClock, action: TillAction | SensorAction) -> None:
    """Wait for the action's moment on the shop clock."""
    while (ahead_s := (action.at - clock.wall()).total_seconds() / clock.speed) > SHORTEST_NAP_S:
        await asyncio.sleep(min(ahead_s, NAP_MAX_S))


class Till(Protocol):
    """Any till of the demo, with or without a kiosk."""

    @property
    def view(self) -> TillView:
        """The till as it is now."""
        ...

    async def play(self) -> None:
        """The whole schedule, each action acknowledged before the next."""
        ...


class TillPlayer:
    """One till with somebody at it."""

    def __init__(self, schedule: TillSchedule, sender: Sender, clock: ShopClock) -> None:
        self._schedule = schedule
        self._sender = sender
        self._clock = clock
        self._state = TillState.IDLE
        self._lines: dict[int, Decimal] = {}
        self._sales = 0
        self._sales_total = Decimal(0)

    async def play(self) -> None:
        """The whole schedule, each action acknowledged before the next."""
        for action in self._schedule.actions():
            await until(self._clock, action)
            self._show(action)
            data = action.data
            if action.raw_customer is not None:
                customer_id = await self._sender.pseudonym(action.raw_customer)
                data = data | {"customer_id": customer_id}
            await self._sender.send(action.type, data, action.event_id, action.at)
            if action.type == "pos.sale.v1":
                self._sales += 1
                self._sales_total += Decimal(action.data["total"])
                self._lines.clear()
                self._state = TillState.IDLE

    @property
    def view(self) -> TillView:
        """The till as it is now."""
        return TillView(
            till_id=self._schedule.till_id,
            state=TillState.WAITING if self._sender.waiting else self._state,
            basket_items=len(self._lines),
            basket_total=sum(self._lines.values(), Decimal(0)),
            sales=self._sales,
            sales_total=self._sales_total,
        )

    def _show(self, action: TillAction) -> None:
        match action.type:
            case "pos.scan.v1":
                self._state = TillState.SCANNING
                price, quantity = Decimal(action.data["actual_unit_price"]), Decimal(str(action.data["quantity"]))
                self._lines[action.data["line"]] = price * quantity
            case "pos.void.v1":
                self._lines.pop(action.data["line"], None)
            case "pos.sale.v1":
                self._state = TillState.PAYING
            case _:
                self._state = TillState.IDLE


class SensorPlayer:
    """One sensor, gateway or back office with its readings."""

    def __init__(self, actions: Iterable[SensorAction], sender: Sender, clock: ShopClock) -> None:
        self._actions = actions
        self._sender = sender
        self._clock = clock

    async def play(self) -> None:
        """Every reading, in order, each acknowledged before the next."""
        for action in self._actions:
            await until(self._clock, action)
            await self._sender.send(action.type, action.data, action.event_id, action.at)

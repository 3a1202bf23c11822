"""Fleet control's desk at the cloud: has shelves restocked all day, and has brought what the shop's kiosks ask for."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from random import Random
from typing import Any, Final

import aiomqtt

from agent.clock import Clock
from agent.event_types import Stream
from agent.topics import Channel, DeviceName, Topic, parse_topic
from sim.cloud.envelope import Unreadable, read_publish
from sim.demo.missions import bring_errand_id
from sim.demo.shop_floor import ShopFloor
from sim.fleet_control import Errand, ErrandKnown, ErrandReport, OrderIssuer, Progress

__all__ = ["Dispatcher"]

BRING: Final = "kiosk.bring.v1"
RESTOCKS_MAX: Final = 8
RESTOCK_EVERY_S: Final = 2.0
RESTOCK_TAKES_S: Final = 18.0
"""So long before the end of selling the last one is begun."""
NEAR_BAYS: Final = 40
CLOSE_TIMEOUT_S: Final = 25.0
CANCEL_TIMEOUT_S: Final = 5.0
CLOSED: Final = "the shop closed before it was done"
POLL_S: Final = 0.1


class Dispatcher:
    """Requests errands of one order issuer until it is closed."""

    def __init__(self, issuer: OrderIssuer, floor: ShopFloor, clock: Clock, random: Random) -> None:
        self._issuer = issuer
        self._floor = floor
        self._bays = floor.near_stock_room(NEAR_BAYS)
        self._clock = clock
        self._random = random
        self._open = True

    @property
    def reports(self) -> Sequence[ErrandReport]:
        """What became of every errand so far."""
        return self._issuer.control.reports

    async def restock(self, selling_s: float) -> None:
        """From now on, and for the rest of the selling: a bay whenever a vehicle has nothing to do."""
        ends_s = self._clock.monotonic_s() + selling_s
        for number in range(1, RESTOCKS_MAX + 1):
            if not await self._is_free_before(ends_s if number == 1 else ends_s - RESTOCK_TAKES_S):
                return
            self._request(self._restock(number))
            await asyncio.sleep(RESTOCK_EVERY_S)

    async def hear(self, client: aiomqtt.Client, device: DeviceName) -> None:
        """What the device's kiosks ask for, until cancelled."""
        await client.subscribe(str(Topic(device.site, device.device, Channel.EVENTS, (Stream.KIOSK,))), qos=1)
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            try:
                arrivals, _ = read_publish(parse_topic(str(message.topic)), payload)
            except Unreadable:
                continue  # the ledger tells about it
            for arrival in arrivals:
                if arrival.type == BRING:
                    self._bring(arrival.data)

    async def close(self) -> None:
        """Take nothing more on; return when every errand is over, given up after a while."""
        self._open = False
        for report in self.reports:
            if report.progress is Progress.WAITING:
                self._issuer.control.cancel(report.errand.errand_id, CLOSED)
        if not await self._all_over(CLOSE_TIMEOUT_S):
            for report in self._under_way():
                self._issuer.control.cancel(report.errand.errand_id, CLOSED)
            await self._all_over(CANCEL_TIMEOUT_S)

    async def _is_free_before(self, moment_s: float) -> bool:
        """Wait for a vehicle that has nothing to do; False when there is none in time."""
        while self._clock.monotonic_s() < moment_s:
            waiting = any(report.progress is Progress.WAITING for report in self.reports)
            if self._issuer.control.free and not waiting:
                return True
            await asyncio.sleep(POLL_S)
        return False

    def _under_way(self) -> list[ErrandReport]:
        return [report for report in self.reports if not report.progress.final]

    async def _all_over(self, timeout_s: float) -> bool:
        try:
            async with asyncio.timeout(timeout_s):
                while self._under_way():
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False
        return True

    def _restock(self, number: int) -> Errand:
        sku, bay = self._random.choice(self._bays)
        return Errand(f"restock-{number}", sku, self._floor.stock_room.node_id, bay.node_id)

    def _bring(self, asked: Any) -> None:  # Any: JSON
        place = self._floor.place_of(asked["sku"])
        assert place is not None, "the agent has the same catalogue, and knows no other product"
        self._request(Errand(bring_errand_id(asked["request_id"]), asked["sku"], place.node_id, asked["till_id"]))

    def _request(self, errand: Errand) -> None:
        with suppress(ErrandKnown):  # a publish came twice, as QoS 1 allows
            self._issuer.request(errand)
            if not self._open:
                self._issuer.control.cancel(errand.errand_id, CLOSED)

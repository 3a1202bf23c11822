"""The person at a till with a kiosk: looks at the cards and taps. What is really wanted is known from the sales.

Every card is judged once in a basket. One whose product is among what the customer still brings is mostly accepted;
of the others a few are taken on impulse, some are sent away, and now and then a tap is taken back.
"""

import asyncio
from random import Random
from typing import Final

from sim.demo.album import Album
from sim.demo.kiosk import Kiosk
from sim.demo.price_desk import PriceDesk
from sim.store.open_basket import OpenBasket

__all__ = ["Staff"]

QUICK_SHARE: Final = 0.25  # of scans: the next item is in hand already, nobody looks
WANTED_SHARE: Final = 0.9
IMPULSE_SHARE: Final = 0.2
NOT_NOW_SHARE: Final = 0.1
UNDO_SHARE: Final = 0.15  # of taps
BRING_SHARE: Final = 0.4  # of what a till has taken in: the customer has not got it yet

AIM_S: Final = 0.7  # a button that has just appeared takes no tap
REACH_S: Final = (0.15, 0.35)  # for the next item
LOOK_TIMEOUT_S: Final = 2.0  # nobody waits longer for suggestions
ANSWER_TIMEOUT_S: Final = 3.0
DOWN_TIMEOUT_S: Final = 5.0


class Staff:
    """One person at one kiosk."""

    def __init__(self, kiosk: Kiosk, album: Album, desk: PriceDesk, random: Random) -> None:
        self.kiosk: Final = kiosk
        self._album = album
        self._desk = desk
        self._random = random
        self._judged: set[str] = set()
        self._basket_id = ""

    async def reach(self) -> None:
        """For the next item."""
        await asyncio.sleep(self._random.uniform(*REACH_S))

    async def look(self, basket: OpenBasket, wanted: frozenset[str]) -> None:
        """After a scan: perhaps look at the cards, and perhaps tap one; `wanted` is still to be scanned."""
        if self._basket_id != basket.basket_id:
            self._basket_id = basket.basket_id
            self._judged.clear()
        if self._random.random() < QUICK_SHARE or not await self._sees(basket):
            return
        await self._album.look(self.kiosk)
        await self._desk.change_one(self.kiosk)
        tap = self._choose(wanted)
        if tap is None:
            return
        what, slot = tap
        await (self._accept(slot) if what == "add" else self._dismiss(slot))

    async def accept_while_down(self) -> bool:
        """The agent is gone: accept the first card all the same; whether the kiosk keeps the tap."""
        if not await self.kiosk.until(lambda: self._status() == "down", DOWN_TIMEOUT_S):
            return False
        painted = self.kiosk.painted
        slots = painted.idle_slots() if painted is not None else ()
        if not slots:
            return False
        await self.kiosk.tap("add", slots[0])
        return await self.kiosk.until(lambda: self._kind(slots[0]) == "kept", ANSWER_TIMEOUT_S)

    def has_cards(self) -> bool:
        """Whether there is something to tap."""
        painted = self.kiosk.painted
        return painted is not None and painted.is_up_to_date and not painted.stop and bool(painted.idle_slots())

    async def _sees(self, basket: OpenBasket) -> bool:
        """Whether the cards for this basket stand still before anybody's patience ends."""

        def stands() -> bool:
            painted = self.kiosk.painted
            shown = painted is not None and painted.basket_id == basket.basket_id and painted.lines == basket.lines
            return shown and self.has_cards() and self.kiosk.watch.settled

        return await self.kiosk.until(stands, LOOK_TIMEOUT_S)

    def _choose(self, wanted: frozenset[str]) -> tuple[str, int] | None:
        painted = self.kiosk.painted
        assert painted is not None, "it was looked at"
        for slot in painted.idle_slots():
            sku = painted.cards[slot].sku
            if sku in self._judged:
                continue
            self._judged.add(sku)
            chance = self._random.random()
            likely = WANTED_SHARE if sku in wanted else IMPULSE_SHARE
            if chance < likely:
                return "add", slot
            if sku not in wanted and chance > 1 - NOT_NOW_SHARE:
                return "not_now", slot
        return None

    async def _accept(self, slot: int) -> None:
        await self.kiosk.tap("add", slot)
        await self.kiosk.until(lambda: self._kind(slot) in ("done", "refused"), ANSWER_TIMEOUT_S)
        if self._kind(slot) == "done":
            await self._album.look(self.kiosk)
            if not await self._perhaps_have_it_brought(slot):
                await self._perhaps_undo(slot)

    async def _perhaps_have_it_brought(self, slot: int) -> bool:
        """In a shop with vehicles; whether it was tapped."""
        painted = self.kiosk.painted
        if painted is None or painted.cards[slot].bring != "offered" or self._random.random() >= BRING_SHARE:
            return False
        await asyncio.sleep(AIM_S)
        await self.kiosk.tap("bring", slot)
        return True

    async def _dismiss(self, slot: int) -> None:
        await self.kiosk.tap("not_now", slot)
        await self.kiosk.until(lambda: self._kind(slot) == "hidden", ANSWER_TIMEOUT_S)
        await self._perhaps_undo(slot)

    async def _perhaps_undo(self, slot: int) -> None:
        if self._random.random() < UNDO_SHARE:
            await self.reach()
            await self.kiosk.tap("undo")
            await self.kiosk.until(lambda: self._kind(slot) == "idle", ANSWER_TIMEOUT_S)

    def _kind(self, slot: int) -> str:
        painted = self.kiosk.painted
        return painted.cards[slot].kind if painted is not None else ""

    def _status(self) -> str:
        return self.kiosk.painted.status_kind if self.kiosk.painted is not None else ""

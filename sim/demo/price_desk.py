"""The head office in the cloud: now and then a new price or an offer for a product that stands on a kiosk."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Final

import aiomqtt

from agent.clock import Clock, rfc3339
from agent.topics import DeviceName
from sim.cloud.packs import publish_pack
from sim.demo.kiosk import Kiosk
from sim.demo.kiosk_watch import KioskTimes
from sim.store.assortment import Assortment
from sim.store.money import amount_text

__all__ = ["PriceDesk"]

EVERY_S: Final = 4.0
SEEN_TIMEOUT_S: Final = 5.0
FACTORS: Final = (Decimal("0.70"), Decimal("0.80"), Decimal("0.90"))
PRICE_MIN: Final = Decimal("0.20")  # below that a tenth less is no other price
OFFER_LASTS: Final = timedelta(days=60)


class PriceDesk:
    """Publishes packs, prices and offers in turn, and measures until the kiosk shows the new price."""

    def __init__(
        self,
        client: aiomqtt.Client,
        device: DeviceName,
        assortment: Assortment,
        times: KioskTimes,
        clock: Clock,
        random: Random,
        is_up: Callable[[], bool],
        offers_end: datetime,
    ) -> None:
        self._client = client
        self._device = device
        self._assortment = assortment
        self._times = times
        self._clock = clock
        self._random = random
        self._is_up = is_up
        self._offers_end = offers_end
        self._version = 0
        self._next_s = clock.monotonic_s() + EVERY_S

    async def change_one(self, kiosk: Kiosk) -> None:
        """Change the price of a card on this kiosk when it is time to and the network is up, and see it arrive.

        A price that did not arrive in time counts with that time; one whose card or network went away does not count.
        """
        sku = self._choose(kiosk)
        if sku is None:
            return
        before = _price_on(kiosk, sku)
        began_s = self._clock.monotonic_s()
        self._next_s = began_s + EVERY_S
        await self._publish(sku)
        await kiosk.until(lambda: _price_on(kiosk, sku) != before, SEEN_TIMEOUT_S)
        after = _price_on(kiosk, sku)
        if after is not None and self._is_up():
            arrived_s = kiosk.watch.painted_at_s if after != before else self._clock.monotonic_s()
            self._times.cloud_to_kiosk.append((arrived_s - began_s) * 1_000)

    def _choose(self, kiosk: Kiosk) -> str | None:
        painted = kiosk.painted
        if painted is None or painted.status_kind != "online" or not self._is_up():
            return None
        skus = [sku for slot in painted.idle_slots() if self._may_change(sku := painted.cards[slot].sku)]
        if not skus or self._clock.monotonic_s() < self._next_s:
            return None
        return self._random.choice(skus)

    def _may_change(self, sku: str) -> bool:
        """Whether a change can be seen: under an offer another shelf price cannot."""
        return sku not in self._assortment.offers and Decimal(self._assortment.price(sku)) >= PRICE_MIN

    async def _publish(self, sku: str) -> None:
        self._version += 1
        price = amount_text(Decimal(self._assortment.price(sku)) * self._random.choice(FACTORS))
        if self._version % 2:
            self._assortment.set_price(sku, price)
            await self._send("catalogue", self._assortment.csv([sku]))
        else:
            self._assortment.offer(sku, price)
            await self._send("offers", self._offers())

    async def _send(self, name: str, content: str) -> None:
        await publish_pack(self._client, self._device, name, self._version, content.encode())

    def _offers(self) -> str:
        """All offers of the day, as the pack `offers` has them."""
        valid = {"valid_from": rfc3339(self._offers_end - OFFER_LASTS), "valid_to": rfc3339(self._offers_end)}
        said = {"title": {"en": "Offer", "es": "Oferta", "ro": "Ofertă"}} | valid
        return json.dumps(
            [
                {"offer_id": f"day-{sku}", "sku": sku, "unit_price": price, "currency": self._assortment.currency}
                | said
                for sku, price in self._assortment.offers.items()
            ]
        )


def _price_on(kiosk: Kiosk, sku: str) -> str | None:
    """What the kiosk shows; None when the product is not on its screen."""
    painted = kiosk.painted
    slot = painted.slot_of(sku) if painted is not None else None
    return painted.cards[slot].price if painted is not None and slot is not None else None

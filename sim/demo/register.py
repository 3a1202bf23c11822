"""A till's own rules beside a kiosk: what becomes of the historic actions, and which requests it grants. Pure."""

from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from random import Random
from typing import Any, Final

from sim.demo.till_requests import Asked
from sim.store.actions import TillAction
from sim.store.assortment import Assortment, is_age_restricted
from sim.store.open_basket import OpenBasket

__all__ = ["Register", "Reply"]

WEIGHED_SHARE: Final = 0.08  # of the items asked for: the scale comes first, so that refusals are seen


@dataclass(frozen=True, slots=True)
class Reply:
    """What the till does about a request, and why not when it does not."""

    action: TillAction | None = None
    refusal: str | None = None


class Register:
    """One till: its open basket, and the cash that the kiosk's items moved."""

    def __init__(self, assortment: Assortment, random: Random) -> None:
        self.basket: OpenBasket | None = None
        self.paying = False
        self._assortment = assortment
        self._random = random
        self._replies: dict[str, Reply] = {}
        self._cash_moved = Decimal(0)

    def take(self, action: TillAction, at: datetime) -> TillAction | None:
        """What really happens at `at` instead of a historic action; None when nothing does."""
        action = replace(action, at=at)
        match action.type:
            case "pos.scan.v1":
                if self.basket is None:
                    self.basket = OpenBasket(action)
                return self.basket.scan(action)
            case "pos.void.v1":
                assert self.basket is not None, "a void follows its scan"
                return self.basket.void(action)
            case "pos.sale.v1":
                return self._pay(action)
            case _:
                return self._count_drawer(action)

    def reply(self, asked: Asked, at: datetime) -> Reply:
        """What becomes of a request; the same request again gets the same reply, without its action."""
        known = self._replies.get(asked.request_id)
        if known is not None:
            return replace(known, action=None)
        reply = self._decide(asked, at)
        self._replies[asked.request_id] = reply
        return reply

    def _decide(self, asked: Asked, at: datetime) -> Reply:  # noqa: PLR0911 - one answer per reason
        basket = self.basket
        if basket is None or basket.basket_id != asked.basket_id:
            return Reply(refusal="this basket is not open")
        if self.paying:
            return Reply(refusal="payment has begun")
        if asked.kind == "remove_item":
            void = basket.take_back(asked.sku, at, asked.request_id)
            return Reply(void) if void is not None else Reply(refusal="it is not in the basket")
        product = self._assortment.product(asked.sku)
        if product is None:
            return Reply(refusal="unknown article")
        if is_age_restricted(product):
            return Reply(refusal="check the age, then scan it")
        if self._random.random() < WEIGHED_SHARE:
            return Reply(refusal="weigh it first")
        price = self._assortment.price(asked.sku)
        return Reply(basket.add(product, asked.quantity, price, at, asked.request_id))

    def _pay(self, action: TillAction) -> TillAction:
        assert self.basket is not None, "a sale follows its scans"
        paid = self.basket.pay(action)
        self.basket, self.paying = None, False
        self._cash_moved += _cash(paid) - _cash(action)
        return paid

    def _count_drawer(self, action: TillAction) -> TillAction:
        """The shift's cash as it is with what the kiosk's items changed."""
        if action.type != "pos.shift.v1" or action.data["action"] != "closed":
            return action
        counted = Decimal(action.data["cash_counted"]) + self._cash_moved
        self._cash_moved = Decimal(0)
        return replace(action, data=action.data | {"cash_counted": str(counted)})


def _cash(sale: TillAction) -> Decimal:
    tenders: list[dict[str, Any]] = sale.data.get("tenders", [])  # Any: JSON
    return sum((Decimal(one["amount"]) for one in tenders if one["tender_type"] == "cash"), Decimal(0))

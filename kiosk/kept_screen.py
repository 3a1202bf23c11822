"""What a kiosk showed last, in a form that outlives it: shown again, marked, when it restarts without its agent."""

from dataclasses import replace
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Final

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kiosk.documents import Basket, Product, Suggestion
from kiosk.state import Card, Slot, State

__all__ = ["KeptScreen"]

AGE_MAX: Final = timedelta(hours=4)  # older than that it is another shift's basket
SLOTS_MAX: Final = 5
PRODUCTS_MAX: Final = 1_000


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _KeptSlot(_Part):
    decision_id: str
    item: Suggestion
    request_id: str = ""


class KeptScreen(_Part):
    """The basket, the cards and the products they need; no customer."""

    at: AwareDatetime
    basket: Basket | None = None
    slots: tuple[_KeptSlot | None, ...] = Field(default=(), max_length=SLOTS_MAX)
    products: tuple[Product, ...] = Field(default=(), max_length=PRODUCTS_MAX)
    avoided: tuple[str, ...] = ()

    @staticmethod
    def of(state: State, at: datetime) -> "KeptScreen":
        """The screen of a state; a screen that is not current itself keeps its own time."""
        basket = state.basket.model_copy(update={"customer_id": None}) if state.basket is not None else None
        seen = [slot.card.sku for slot in state.slots if slot.card is not None]
        seen += [line.sku for line in basket.items if not line.description] if basket is not None else []
        known = (state.products.get(sku) for sku in dict.fromkeys(seen))
        return KeptScreen.model_construct(
            at=state.as_of or at,
            basket=basket,
            slots=tuple(_kept_slot(slot) for slot in state.slots),
            products=tuple(product for product in known if product is not None)[:PRODUCTS_MAX],
            avoided=tuple(sorted(state.avoided)),
        )

    def shows_as(self, other: "KeptScreen | None") -> bool:
        """Whether both show the same, whenever that was."""
        return other is not None and self == other.model_copy(update={"at": self.at})

    def restored(self, state: State, at: datetime) -> State:
        """A new kiosk's state with this screen, marked as not current; taps on it are taken."""
        if self.basket is None or not timedelta(0) <= at - self.at <= AGE_MAX:
            return state
        slots = [_slot(kept, state) for kept in self.slots[: len(state.slots)]]
        return replace(
            state,
            as_of=self.at,
            basket=self.basket,
            slots=(*slots, *state.slots[len(slots) :]),
            products=MappingProxyType({product.sku: product for product in self.products}),
            avoided=frozenset(self.avoided),
        )


def _kept_slot(slot: Slot) -> _KeptSlot | None:
    if slot.card is None or slot.hidden_until_s is not None:
        return None
    item = slot.card.item.model_copy(update={"product": None})
    return _KeptSlot.model_construct(decision_id=slot.card.decision_id, item=item, request_id=slot.request_id)


def _slot(kept: _KeptSlot | None, state: State) -> Slot:
    """A card that was asked for stands there only while the till has not answered."""
    if kept is None or (kept.request_id and state.add_of(kept.request_id) is None):
        return Slot()
    card = Card(kept.decision_id, kept.item, since_s=state.touched_s, changed_s=state.touched_s)
    return Slot(card, request_id=kept.request_id)

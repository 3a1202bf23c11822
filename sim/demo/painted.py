"""What a driven kiosk says on its stdout, as values; what a newer kiosk adds is ignored."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

__all__ = ["Ended", "Painted", "PaintedCard", "Said"]


class _Said(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class PaintedCard(_Said):
    """One suggestion on the screen; `kind` is `idle` when it may be tapped."""

    sku: str
    kind: str
    name: str
    price: str
    reason: str
    bring: str = ""
    """`offered` when the product may be asked for from its shelf."""


class Painted(_Said):
    """One picture that was shown."""

    basket_id: str | None
    basket_version: int | None
    lines: int
    decided_for: int | None
    decision_id: str | None
    status_kind: str
    notice: str
    can_undo: bool
    cards: tuple[PaintedCard, ...]
    can_stop: bool = False
    stop: str | None = None
    """Where a stop of the vehicles stands, while the panel that tells of it covers the cards."""

    @property
    def is_up_to_date(self) -> bool:
        """Whether the suggestions were made for the basket that is shown."""
        return self.decided_for is not None and self.decided_for == self.basket_version

    def idle_slots(self) -> tuple[int, ...]:
        """The cards that may be tapped."""
        return tuple(slot for slot, card in enumerate(self.cards) if card.kind == "idle")

    def slot_of(self, sku: str) -> int | None:
        """Where a product is suggested."""
        return next((slot for slot, card in enumerate(self.cards) if card.sku == sku), None)


class Ended(_Said):
    """A request to the till that was answered; `ms` is from the finger's leaving to the paint of the answer."""

    request_id: str
    sku: str
    state: Literal["done", "refused"]
    ms: float


class Said(_Said):
    """One line of a kiosk."""

    painted: Painted | None = None
    at_s: float = 0.0
    tap_to_paint_ms: float | None = None
    ended: tuple[Ended, ...] = ()
    settled: bool = False
    kept_taps: int | None = None
    did: str = ""
    down_s: float | None = None
    """When the finger came down, of a tap."""

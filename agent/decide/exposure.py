"""What customers were shown and waved away, mirrored from committed kiosk events. It knows no log and no clock."""

import json
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from pydantic import ValidationError

from agent.event_types import TYPE_PREFIX, EventData, KioskDecision, KioskDismissed, KioskShown
from agent.events import Draft

__all__ = ["DecisionPlace", "Exposure", "ExposureBoard"]

DECISIONS_MAX: Final = 20_000  # about 20 MB at worst: some hours of a busy shop, far longer than a card is on a screen
BASKETS_MAX: Final = 5_000
CUSTOMER_DAYS_MAX: Final = 5_000
SHOWN_BASKETS_MAX: Final = 3
"""A product is shown to a customer in so many baskets a day; then others have their turn."""

_Value = TypeVar("_Value")
_MODELS: Final[dict[str, type[EventData]]] = {
    "kiosk.decision.v1": KioskDecision,
    "kiosk.shown.v1": KioskShown,
    "kiosk.dismissed.v1": KioskDismissed,
}


@dataclass(frozen=True, slots=True)
class DecisionPlace:
    """Where a decision was made."""

    till_id: str
    basket_id: str | None
    customer: str | None
    day: str


@dataclass(frozen=True, slots=True)
class Exposure:
    """What one basket's customer should not be shown now."""

    dismissed: frozenset[str] = frozenset()
    capped: frozenset[str] = frozenset()


@dataclass(slots=True)
class _Shown:
    baskets: dict[str, set[str]] = field(default_factory=dict)  # by sku


class ExposureBoard:
    """Feed it with every committed event; the oldest entries go first when it is full."""

    def __init__(self) -> None:
        self._decisions: OrderedDict[str, DecisionPlace] = OrderedDict()
        self._dismissed: OrderedDict[tuple[str, str | None], set[str]] = OrderedDict()
        self._shown: OrderedDict[tuple[str, str], _Shown] = OrderedDict()

    def on_commit(self, drafts: Sequence[Draft]) -> None:
        """Takes what the log has just committed; other event types pass by."""
        for draft in drafts:
            if draft.type in _MODELS:
                self.apply(draft.data, draft.time)

    def restore(self, bodies: Iterable[bytes]) -> None:
        """Takes stored CloudEvents, oldest first, as after a restart."""
        for body in bodies:
            parsed = _parse_stored(body)
            if parsed is not None:
                self.apply(*parsed)

    def apply(self, data: EventData, time: str) -> None:
        """Takes one event that happened at `time`."""
        match data:
            case KioskDecision():
                place = DecisionPlace(data.till_id, data.basket_id, data.customer_id, time[:10])
                self.made(data.decision_id, place)
            case KioskShown():
                self._take_shown(data)
            case KioskDismissed():
                self._take_dismissed(data)

    def made(self, decision_id: str, place: DecisionPlace) -> None:
        """A decision was made, and is about to be stored."""
        _kept(self._decisions, decision_id, place, DECISIONS_MAX)

    def place_of(self, decision_id: str) -> DecisionPlace | None:
        """Where a decision was made; None for one that is not, or no longer, known."""
        return self._decisions.get(decision_id)

    def of(self, place: DecisionPlace) -> Exposure:
        """What not to show at this place now."""
        dismissed = self._dismissed.get((place.till_id, place.basket_id), set())
        shown = self._shown.get((place.customer, place.day)) if place.customer else None
        if shown is None:
            return Exposure(frozenset(dismissed))
        here = place.basket_id or ""
        capped = {
            sku for sku, baskets in shown.baskets.items() if len(baskets - {here}) >= SHOWN_BASKETS_MAX
        }  # what is on the screen already does not vanish
        return Exposure(frozenset(dismissed), frozenset(capped))

    def _take_shown(self, shown: KioskShown) -> None:
        place = self._decisions.get(shown.decision_id)
        if place is None or place.customer is None or place.basket_id is None:
            return
        seen = _kept(self._shown, (place.customer, place.day), _Shown(), CUSTOMER_DAYS_MAX)
        baskets = seen.baskets.setdefault(shown.sku, set())
        if len(baskets) <= SHOWN_BASKETS_MAX:
            baskets.add(place.basket_id)

    def _take_dismissed(self, dismissed: KioskDismissed) -> None:
        place = self._decisions.get(dismissed.decision_id)
        if place is not None:
            waved_away = _kept(self._dismissed, (place.till_id, place.basket_id), set(), BASKETS_MAX)
            waved_away.add(dismissed.sku)


_Key = TypeVar("_Key")


def _kept(entries: OrderedDict[_Key, _Value], key: _Key, new: _Value, count_max: int) -> _Value:
    """The entry of a key, `new` where there was none; it is now the youngest."""
    value = entries.setdefault(key, new)
    entries.move_to_end(key)
    if len(entries) > count_max:
        entries.popitem(last=False)
    return value


def _parse_stored(body: bytes) -> tuple[EventData, str] | None:
    # Any: a stored CloudEvent is JSON whose `data` the model checks; what no longer fits its model passes by.
    event: dict[str, Any] = json.loads(body)
    model = _MODELS.get(event["type"].removeprefix(TYPE_PREFIX))
    if model is None:
        return None
    try:
        return model.model_validate(event["data"]), event["time"]
    except ValidationError:
        return None

"""Kiosks in every situation a screen can show, made by feeding inputs to the real state machine."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from kiosk import inputs
from kiosk.documents import AgentStatus, Basket, Decision, Offer, Product, RequestNow, VehiclePart
from kiosk.effects import Ask, Effect, StopVehicles
from kiosk.kept_screen import KeptScreen
from kiosk.reduce import reduce
from kiosk.state import Face, Slot, State
from kiosk.stops import ANSWER_S
from kiosk.taps import SETTLE_S

__all__ = [
    "HOSTILE",
    "LINES",
    "OFFERS_END",
    "PRODUCTS",
    "SCENES",
    "Kiosk",
    "basket",
    "decision",
    "offer",
    "offered",
    "status",
    "vehicle",
]

MORNING: Final = datetime(2017, 3, 5, 10, 42, tzinfo=UTC)
OFFERS_END: Final = datetime(2017, 3, 9, tzinfo=UTC)
HOSTILE: Final = "[size=99][ref=x]Free![/ref] & [b]\u202eevil\x07"


def _product(sku: str, name: str, price: str, stock: str | None, aisle: str, bay: str) -> Product:
    return Product(sku=sku, name=name, price=price, currency="EUR", stock=stock, aisle=aisle, bay=bay)


PRODUCTS: Final[Mapping[str, Product]] = {
    product.sku: product
    for product in (
        _product("101", "Salted butter 250 g", "2.49", "18", "4", "2"),
        _product("102", "Wholegrain toast bread 500 g", "1.89", "7", "2", "1"),
        _product("103", "Strawberry jam, less sugar, 340 g", "3.29", "24", "6", "3"),
        _product("104", "Free-range eggs, 10 pieces", "3.79", "0", "4", "5"),
        _product("105", "Brânză de vaci cu smântână 300 g", "2.99", "11", "4", "3"),
        _product("106", "Orange juice, not from concentrate, 1 l", "2.79", "33", "9", "1"),
        _product("107", "Ground coffee, medium roast, 500 g", "6.49", "15", "7", "2"),
    )
}
REASONS: Final = {
    "101": {"kind": "bought_with", "baskets": 34, "of": 120, "with_name": "Country bread, sliced, 750 g"},
    "102": {"kind": "usual", "baskets": 5, "every_days": 12},
    "103": {"kind": "bought_with", "baskets": 21, "of": 96, "with_name": "Semi-skimmed milk 1 l"},
    "104": {"kind": "popular", "baskets": 40, "of": 500},
    "105": {"kind": "usual", "baskets": 2},
    "106": {"kind": "bought_with", "baskets": 12, "of": 88, "with_name": "Cherry tomatoes 250 g"},
}
LINES: Final = (
    ("201", "Bananas, loose", "1.245", "1.99", "2.48"),
    ("202", "Semi-skimmed milk 1 l", "2", "1.09", "2.18"),
    ("203", "Country bread, sliced, 750 g", "1", "2.79", "2.79"),
    ("204", "Cherry tomatoes 250 g", "1", "1.99", "1.99"),
    ("205", "Mineral water, still, 6 × 1.5 l", "1", "2.34", "2.34"),  # noqa: RUF001 - the sign for times
    ("101", "Salted butter 250 g", "1", "2.49", "2.49"),
)


def basket(version: int, lines: int = 5, basket_id: str = "b-1", **changes: Any) -> Basket:  # Any: JSON
    """A basket of so many lines."""
    rows = [LINES[number % len(LINES)] for number in range(lines)]
    items = [
        {
            "line": number,
            "sku": sku,
            "description": name,
            "quantity": quantity,
            "actual_unit_price": price,
            "extended_amount": amount,
        }
        for number, (sku, name, quantity, price, amount) in enumerate(rows, 1)
    ]
    document = {"till_id": "till-3", "basket_id": basket_id, "version": version, "items": items, "total": "11.78"}
    return Basket.model_validate({**document, "currency": "EUR", **changes})


def decision(*skus: str, decision_id: str = "d-1") -> Decision:
    """A decision for these products, in this order."""
    items = [
        {
            "sku": sku,
            "reason": "A reason of a newer agent",
            "why": REASONS.get(sku),
            "product": PRODUCTS[sku].model_dump() if sku in PRODUCTS else None,
        }
        for sku in skus
    ]
    return Decision.model_validate({"decision_id": decision_id, "items": items})


def vehicle(number: int, *, stopped: bool = False, acknowledged: bool = False) -> VehiclePart:
    """One vehicle of the shop."""
    return VehiclePart(id=f"agv-{number}", stopped=stopped, stop_acknowledged=acknowledged)


def status(
    link: str = "online", waiting: int = 0, products: int = 90_000, vehicles: int = 0, storage: str = "ok"
) -> AgentStatus:
    """The agent's status."""
    return AgentStatus.model_validate(
        {
            "link": {"state": link, "since": MORNING.isoformat()},
            "log": {"waiting": waiting},
            "storage": {"state": storage},
            "products": products,
            "vehicles": [{"id": f"agv-{number}"} for number in range(1, vehicles + 1)],
        }
    )


@dataclass
class Kiosk:
    """A state with a clock of its own; what was asked for is in `effects`."""

    state: State
    now_s: float
    effects: list[Effect]

    @classmethod
    def new(cls, slots: int = 4, **changes: Any) -> "Kiosk":  # Any: fields of the state
        return cls(State("till-3", "session-1", (Slot(),) * slots, touched_s=100.0, **changes), 100.0, [])

    def take(self, *events: inputs.Input, after_s: float = 0.0) -> "Kiosk":
        self.now_s += after_s
        for event in events:
            self.state, effects = reduce(self.state, event, self.now_s)
            self.effects.extend(effects)
        return self

    def asked(self) -> list[Ask]:
        return [effect for effect in self.effects if isinstance(effect, Ask)]

    def shown(self) -> list[str | None]:
        return [slot.card.sku if slot.card else None for slot in self.state.slots]

    def advised(self, version: int = 1, *skus: str, lines: int = 5) -> "Kiosk":
        """With an agent, a basket and a decision that has settled."""
        names = skus or tuple(PRODUCTS)
        self.take(inputs.AgentCameUp(), inputs.StatusSeen(status()), inputs.BasketSeen(basket(version, lines)))
        self.take(inputs.DecisionSeen(version, decision(*names)), after_s=0.05)
        return self.take(after_s=1.0)

    def tap_add(self, slot: int) -> str:
        """Taps Add and tells the request's id."""
        card = self.state.slots[slot].card
        assert card is not None
        self.take(inputs.AddTapped(slot, card.sku))
        return self.state.slots[slot].request_id

    def tap_not_now(self, slot: int) -> None:
        card = self.state.slots[slot].card
        assert card is not None
        self.take(inputs.NotNowTapped(slot, card.sku))

    def with_vehicle(self, vehicles: int = 1) -> "Kiosk":
        """The agent says that a vehicle is there, or some."""
        return self.take(inputs.StatusSeen(status(vehicles=vehicles)))

    def tap_stop(self) -> StopVehicles:
        """Taps Stop vehicles; what is to be told the agent."""
        self.take(inputs.StopTapped())
        asked = self.effects[-1]
        assert isinstance(asked, StopVehicles)
        return asked

    def tap_bring(self, slot: int) -> str:
        """Adds, waits for the till and taps Have it brought; the id of that."""
        self.answered(self.tap_add(slot), "done")
        card = self.state.slots[slot].card
        assert card is not None
        self.take(inputs.BringTapped(slot, card.sku), after_s=2 * SETTLE_S)
        bring = self.state.slots[slot].bring
        assert bring is not None
        return bring.request_id

    def answered(self, request_id: str, state: str, reason: str | None = None) -> "Kiosk":
        now = RequestNow.model_validate({"request_id": request_id, "state": state, "reason": reason})
        return self.take(inputs.PostTaken(request_id), inputs.PostDone(request_id, now), after_s=0.1)


def _basket_with_suggestions(slots: int) -> Kiosk:
    return Kiosk.new(slots).advised()


def _outcomes(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised()
    kiosk.answered(kiosk.tap_add(1), "refused", "weigh it first")
    kiosk.tap_add(2)
    if slots > 3:
        kiosk.tap_not_now(3)
    return kiosk.answered(kiosk.tap_add(0), "done")


def _accepted(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised()
    kiosk.answered(kiosk.tap_add(0), "done").take(inputs.BasketSeen(basket(2, 6, total="14.27")))
    return kiosk.take(inputs.DecisionSeen(2, decision("102", "103", "104", "105", decision_id="d-2")))


def _bring_offered(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().with_vehicle()
    return kiosk.answered(kiosk.tap_add(0), "done").take(inputs.BasketSeen(basket(2, 6, total="14.27")))


def _brings(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().with_vehicle()
    sent, _, refused = (kiosk.tap_bring(slot) for slot in range(3))
    kiosk.take(inputs.PostTaken(sent), inputs.PostDone(sent), inputs.PostTaken(refused))
    return kiosk.take(inputs.PostRefused(refused, "no_vehicles", "this store has no vehicles"))


def _offline(slots: int) -> Kiosk:
    return Kiosk.new(slots).advised().take(inputs.StatusSeen(status("offline", 37)))


def _unstored(slots: int) -> Kiosk:
    return Kiosk.new(slots).advised().take(inputs.StatusSeen(status("offline", 37, storage="read_only")))


def _agent_down(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().take(inputs.AgentWentDown(MORNING))
    kiosk.tap_add(0)
    return kiosk


def _looked_up(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().take(inputs.LookOpened())
    kiosk.take(*(inputs.LetterTapped(letter) for letter in "branza"))
    found = tuple(PRODUCTS[sku] for sku in ("105", "101", "104", "102"))
    return kiosk.take(inputs.Found("branza", found))


def _unknown_code(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised()
    for key in "5901234123457\n":
        kiosk.take(inputs.KeyPressed(key, kiosk.now_s), after_s=0.002)
    return kiosk.take(inputs.CodeFound("5901234123457", ()))


def _hostile_names(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised()
    names = (HOSTILE, "Ω " * 60, "漢字 [b]", "שלום عربي")
    products = [
        PRODUCTS[sku].model_copy(update={"name": name}) for sku, name in zip(kiosk.shown(), names, strict=False) if sku
    ]
    return kiosk.take(inputs.ProductsSeen(tuple(products)))


def _empty_catalogue(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).take(inputs.AgentCameUp(), inputs.StatusSeen(status(products=0)))
    return kiosk.take(inputs.BasketSeen(basket(1, 2)), inputs.DecisionSeen(1, decision()))


def _attract(slots: int) -> Kiosk:
    return Kiosk.new(slots, face=Face.CUSTOMER).take(inputs.AgentCameUp()).take(inputs.Ticked(MORNING), after_s=100)


def _paid(slots: int) -> Kiosk:
    return Kiosk.new(slots).advised().take(inputs.BasketSeen(basket(2, status="paid")))


def offered(sku: str, *offers: Offer) -> Product:
    """A product of the shop with these offers."""
    return PRODUCTS[sku].model_copy(update={"offers": offers})


def offer(price: str | None, **title: str) -> Offer:
    """An offer of this price until the end of 8 March."""
    names = title or {"en": "Weekend price", "es": "Precio de fin de semana", "ro": "Preț de weekend"}
    return Offer(offer_id="o-1", title=names, unit_price=price, currency="EUR", valid_to=OFFERS_END)


def _offers(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised()
    products = (offered("101", offer("1.99")), offered("102", offer(None, en="Two for one with any jam of ours")))
    return kiosk.take(inputs.ProductsSeen(products))


def _restarted_alone(slots: int) -> Kiosk:
    before = Kiosk.new(slots).advised().state
    state = KeptScreen.of(before, MORNING).restored(Kiosk.new(slots).state, MORNING + timedelta(minutes=3))
    kiosk = Kiosk(state, 100.0, []).take(inputs.AgentWentDown(MORNING + timedelta(minutes=3)), after_s=1.0)
    kiosk.tap_add(0)
    return kiosk


def _stopped(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().with_vehicle(2)
    stop = kiosk.tap_stop()
    standing = tuple(vehicle(number, stopped=True, acknowledged=True) for number in (1, 2))
    return kiosk.take(inputs.StopTold(stop.request_id, standing))


def _stopping(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().with_vehicle(2)
    stop = kiosk.tap_stop()
    on_the_way = (vehicle(1, stopped=True, acknowledged=True), vehicle(2, stopped=True))
    return kiosk.take(inputs.StopTold(stop.request_id, on_the_way))


def _stop_unanswered(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().with_vehicle(12)
    stop = kiosk.tap_stop()
    vehicles = tuple(vehicle(number, stopped=True, acknowledged=number < 9) for number in range(1, 13))
    kiosk.take(inputs.StopTold(stop.request_id, vehicles))
    return kiosk.take(inputs.Ticked(MORNING), after_s=ANSWER_S)


def _telling_stop(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().with_vehicle(2)
    kiosk.tap_stop()
    return kiosk


def _stop_untold(slots: int) -> Kiosk:
    kiosk = _telling_stop(slots).take(inputs.AgentWentDown(MORNING))
    assert kiosk.state.stop is not None
    return kiosk.take(inputs.StopUntold(kiosk.state.stop.request_id))


def _stop_refused(slots: int) -> Kiosk:
    kiosk = _telling_stop(slots)
    assert kiosk.state.stop is not None
    return kiosk.take(inputs.StopUntold(kiosk.state.stop.request_id, "no such route"))


def _after_a_stop(slots: int) -> Kiosk:
    kiosk = Kiosk.new(slots).advised().take(inputs.StatusSeen(status("offline", 37, vehicles=2)))
    standing = tuple(vehicle(number, stopped=True, acknowledged=True) for number in (1, 2))
    kiosk.take(inputs.VehiclesSeen(standing))
    return kiosk.answered(kiosk.tap_add(1), "refused", "weigh it first")


def _look_up_beside_vehicles(slots: int) -> Kiosk:
    return _looked_up(slots).with_vehicle(2)


def _long_basket(slots: int) -> Kiosk:
    return Kiosk.new(slots).advised(lines=43)


SCENES: Final[Mapping[str, Callable[[int], Kiosk]]] = {
    "starting": Kiosk.new,
    "suggestions": _basket_with_suggestions,
    "accepted": _accepted,
    "outcomes": _outcomes,
    "bring-offered": _bring_offered,
    "brings": _brings,
    "offline": _offline,
    "unstored": _unstored,
    "agent-down": _agent_down,
    "look-up": _looked_up,
    "unknown-code": _unknown_code,
    "hostile-names": _hostile_names,
    "offers": _offers,
    "restarted-alone": _restarted_alone,
    "stopped": _stopped,
    "stopping": _stopping,
    "stop-unanswered": _stop_unanswered,
    "telling-stop": _telling_stop,
    "stop-untold": _stop_untold,
    "stop-refused": _stop_refused,
    "after-a-stop": _after_a_stop,
    "look-up-beside-vehicles": _look_up_beside_vehicles,
    "empty-catalogue": _empty_catalogue,
    "long-basket": _long_basket,
    "paid": _paid,
    "attract": _attract,
}

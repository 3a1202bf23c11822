"""What an event says: one frozen model per event type, and the stream it belongs to.

Names follow POSLog 6 and GS1 where they have one (quantity, regular and actual unit price, extended amount,
tender, operator, GTIN, SSCC, EPC); `till` and `basket` are POSLog's workstation and transaction. Money and
quantities are decimal strings, never floats; units are UCUM codes; customers are pseudonyms only.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from agent.card_guard import gs1_check_digit_ok

__all__ = ["EVENT_TYPES", "TYPE_PREFIX", "EventData", "EventType", "Stream", "event_type"]

TYPE_PREFIX: Final = "dev.storeforward."


class Stream(StrEnum):
    """The unit of order: sequences are contiguous per device, stream and epoch."""

    SALES = "sales"
    STOCK = "stock"
    AGV = "agv"
    KIOSK = "kiosk"
    TOUCH = "touch"
    AUDIT = "audit"
    HEALTH = "health"
    SENSOR = "sensor"


class EventData(BaseModel):
    """Base of all event bodies: frozen, and a field it does not know is refused, so that a typo loses nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, hide_input_in_errors=True)


@dataclass(frozen=True, slots=True)
class EventType:
    """One row of the vocabulary: `name` is the short form, such as `pos.sale.v1`."""

    name: str
    stream: Stream
    model: type[EventData]


_Model = TypeVar("_Model", bound=type[EventData])
_registry: dict[str, EventType] = {}

EVENT_TYPES: Final[Mapping[str, EventType]] = MappingProxyType(_registry)
"""Every event type by its short name."""


def event_type(name: str, stream: Stream) -> Callable[[_Model], _Model]:
    """Registers the decorated model as event type `name` of `stream`."""

    def register(model: _Model) -> _Model:
        if name in _registry:
            raise ValueError(f"event type {name} is defined twice")
        _registry[name] = EventType(name, stream, model)
        return model

    return register


# --- field types ------------------------------------------------------------------------------------------


def _refuse_number(value: Any) -> Any:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise PydanticCustomError("money_number", 'money as a number; expected a decimal string such as "12.50"')
    return value


def _quantity_text(value: Any) -> Any:
    if isinstance(value, float):
        raise PydanticCustomError("quantity_float", 'a float; expected an integer or a decimal string such as "0.345"')
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _check_gtin(value: str) -> str:
    if len(value) not in (8, 12, 13, 14) or not gs1_check_digit_ok(value):
        raise PydanticCustomError("gtin", "not a GTIN; expected 8, 12, 13 or 14 digits with a valid check digit")
    return value


def _check_sscc(value: str) -> str:
    if len(value) != 18 or not gs1_check_digit_ok(value):
        raise PydanticCustomError("sscc", "not an SSCC; expected 18 digits with a valid check digit")
    return value


def _check_pseudonym(value: str) -> str:
    if value != "forgotten" and not (len(value) == 35 and value.startswith("p1:") and value[3:].isalnum()):
        raise PydanticCustomError(
            "raw_customer",
            "not a pseudonym; expected p1: and 32 hex digits (POST /v1/pseudonyms); raw ids are never kept",
        )
    return value


Amount = Annotated[str, BeforeValidator(_refuse_number), Field(pattern=r"^-?\d{1,12}(\.\d{1,4})?$")]
Quantity = Annotated[str, BeforeValidator(_quantity_text), Field(pattern=r"^-?\d{1,9}(\.\d{1,3})?$")]
Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217")]
Gtin = Annotated[str, AfterValidator(_check_gtin), Field(description="GS1 GTIN-8, -12, -13 or -14")]
Sscc = Annotated[str, AfterValidator(_check_sscc), Field(description="GS1 SSCC-18")]
Customer = Annotated[str, AfterValidator(_check_pseudonym), Field(description="pseudonym, p1: and 32 hex digits")]
Key = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[\w.:@-]+$", description="an id or code")]
Text = Annotated[str, Field(min_length=1, max_length=400)]
BusinessDay = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$", description="the shop's business day")]
Instant = Annotated[str, Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$", description="RFC 3339, UTC")]
Count = Annotated[int, Field(ge=0, le=10**12, strict=True)]
Share = Annotated[float, Field(ge=0, le=1)]


# --- point of sale ----------------------------------------------------------------------------------------


class LineItem(EventData):
    """One line of a sale or return (POSLog LineItem)."""

    line: Count
    sku: Key
    gtin: Gtin | None = None
    description: Text | None = None
    quantity: Quantity
    regular_unit_price: Amount | None = None
    actual_unit_price: Amount
    extended_amount: Amount


class Tender(EventData):
    """How a part was paid (POSLog Tender)."""

    tender_type: Literal["cash", "card", "voucher", "account", "other"]
    amount: Amount


@event_type("pos.scan.v1", Stream.SALES)
class PosScan(EventData):
    """A line entered the basket."""

    till_id: Key
    basket_id: Key
    line: Count
    sku: Key
    gtin: Gtin | None = None
    description: Text | None = None
    quantity: Quantity
    actual_unit_price: Amount
    currency: Currency
    entry_method: Literal["scanned", "keyed", "kiosk", "rfid"] = "scanned"
    operator_id: Key | None = None
    customer_id: Customer | None = None


@event_type("pos.void.v1", Stream.SALES)
class PosVoid(EventData):
    """A line was taken out again, or, without `line`, the whole basket."""

    till_id: Key
    basket_id: Key
    line: Count | None = None
    reason: Text | None = None
    operator_id: Key | None = None


@event_type("pos.sale.v1", Stream.SALES)
class PosSale(EventData):
    """A basket was paid."""

    till_id: Key
    basket_id: Key
    business_day: BusinessDay
    items: Annotated[tuple[LineItem, ...], Field(min_length=1, max_length=1000)]
    total: Amount
    currency: Currency
    tenders: Annotated[tuple[Tender, ...], Field(max_length=20)] = ()
    operator_id: Key | None = None
    customer_id: Customer | None = None


@event_type("pos.return.v1", Stream.SALES)
class PosReturn(EventData):
    """Goods came back and were refunded."""

    till_id: Key
    basket_id: Key
    original_basket_id: Key | None = None
    business_day: BusinessDay
    items: Annotated[tuple[LineItem, ...], Field(min_length=1, max_length=1000)]
    total: Amount
    currency: Currency
    reason: Text | None = None
    operator_id: Key | None = None
    customer_id: Customer | None = None


@event_type("pos.shift.v1", Stream.SALES)
class PosShift(EventData):
    """An operator opened or closed a till."""

    till_id: Key
    operator_id: Key
    action: Literal["opened", "closed"]
    cash_counted: Amount | None = None
    currency: Currency | None = None


@event_type("customer.changed.v1", Stream.SALES)
class CustomerChanged(EventData):
    """A known customer enrolled, changed or was forgotten; in order with that customer's sales."""

    customer_id: Customer
    change: Literal["enrolled", "updated", "consent_given", "consent_withdrawn", "forgotten"]
    purpose: Key | None = None


# --- stock and prices -------------------------------------------------------------------------------------


@event_type("stock.level.v1", Stream.STOCK)
class StockLevel(EventData):
    """What a system believes is there."""

    sku: Key
    location: Key
    on_hand: Quantity


@event_type("stock.received.v1", Stream.STOCK)
class StockReceived(EventData):
    """Goods arrived."""

    sku: Key
    quantity: Quantity
    location: Key
    sscc: Sscc | None = None
    best_before: BusinessDay | None = None


@event_type("stock.counted.v1", Stream.STOCK)
class StockCounted(EventData):
    """Somebody counted."""

    sku: Key
    location: Key
    counted: Quantity
    believed: Quantity | None = None
    operator_id: Key | None = None


@event_type("stock.moved.v1", Stream.STOCK)
class StockMoved(EventData):
    """Goods changed place within the shop."""

    sku: Key
    quantity: Quantity
    from_location: Key
    to_location: Key


@event_type("stock.wasted.v1", Stream.STOCK)
class StockWasted(EventData):
    """Goods were written off."""

    sku: Key
    quantity: Quantity
    location: Key
    reason: Literal["expired", "damaged", "stolen", "sample", "other"]


@event_type("price.changed.v1", Stream.STOCK)
class PriceChanged(EventData):
    """A shelf price is another from `effective_at` on."""

    sku: Key
    currency: Currency
    unit_price: Amount
    previous_unit_price: Amount | None = None
    reason: Literal["shelf", "promotion", "markdown", "correction"]
    effective_at: Instant


# --- touches and sensors ----------------------------------------------------------------------------------


@event_type("touch.v1", Stream.TOUCH)
class Touch(EventData):
    """A customer met an offer on some channel."""

    channel: Literal["till", "kiosk", "shelf", "mail", "push", "print", "web"]
    interaction: Literal["shown", "opened", "clicked", "redeemed"]
    customer_id: Customer | None = None
    campaign_id: Key | None = None
    offer_id: Key | None = None
    sku: Key | None = None


@event_type("rfid.v1", Stream.SENSOR)
class RfidRead(EventData):
    """A tag was seen (GS1 EPCIS object observed)."""

    reader_id: Key
    antenna: Count = 0
    epc: Annotated[str, Field(pattern=r"^(urn:epc:id:[a-z]+:[\w.%-]{1,80}|[0-9A-F]{24})$")]
    rssi_dbm: Annotated[float, Field(ge=-120, le=20)] | None = None


@event_type("nfc.v1", Stream.SENSOR)
class NfcTap(EventData):
    """A phone or card was held to a reader."""

    reader_id: Key
    purpose: Literal["shelf", "loyalty", "door"]
    sku: Key | None = None
    customer_id: Customer | None = None


@event_type("camera.v1", Stream.SENSOR)
class CameraCount(EventData):
    """People counted in a zone over an interval; no picture, no person."""

    camera_id: Key
    zone: Key
    entered: Count
    left: Count
    interval_s: Annotated[int, Field(gt=0, le=86_400)]


@event_type("voice.v1", Stream.SENSOR)
class VoiceIntent(EventData):
    """What somebody wanted, as an intent; no sound, no transcript."""

    device_id: Key
    intent: Key
    confidence: Share
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Z]{2})?$", description="BCP 47")]
    slots: Annotated[dict[Key, Text], Field(max_length=10)] = Field(default_factory=dict)


@event_type("environment.v1", Stream.SENSOR)
class Environment(EventData):
    """One reading of the room, a fridge, a door or a scale; `unit` is a UCUM code."""

    sensor_id: Key
    measure: Literal["temperature", "humidity", "door_open", "weight", "co2", "light"]
    value: float
    unit: Literal["Cel", "%", "1", "kg", "[ppm]", "lx"]


# --- kiosk ------------------------------------------------------------------------------------------------


class DecisionItem(EventData):
    """One suggestion of a decision, with the reason shown and the probability it was drawn with."""

    sku: Key
    score: float
    reason: Text
    propensity: Share = 1.0


@event_type("kiosk.decision.v1", Stream.KIOSK)
class KioskDecision(EventData):
    """One answer of the decision engine."""

    decision_id: Key
    till_id: Key
    basket_id: Key | None = None
    customer_id: Customer | None = None
    items: Annotated[tuple[DecisionItem, ...], Field(max_length=50)]
    model_version: Key
    took_ms: Annotated[float, Field(ge=0)]


class KioskReaction(EventData):
    """What happened to one suggestion."""

    decision_id: Key
    till_id: Key
    sku: Key
    slot: Count


@event_type("kiosk.shown.v1", Stream.KIOSK)
class KioskShown(KioskReaction):
    """A suggestion was painted."""


@event_type("kiosk.viewed.v1", Stream.KIOSK)
class KioskViewed(KioskReaction):
    """A suggestion was on the screen long enough to be read."""

    visible_ms: Count


@event_type("kiosk.accepted.v1", Stream.KIOSK)
class KioskAccepted(KioskReaction):
    """Add was tapped."""

    request_id: Key | None = None


@event_type("kiosk.dismissed.v1", Stream.KIOSK)
class KioskDismissed(KioskReaction):
    """Not now was tapped."""


@event_type("kiosk.search.v1", Stream.KIOSK)
class KioskSearch(EventData):
    """A search that found something."""

    till_id: Key
    query: Text
    results: Annotated[int, Field(ge=1)]


@event_type("kiosk.no_result.v1", Stream.KIOSK)
class KioskNoResult(EventData):
    """A search that found nothing."""

    till_id: Key
    query: Text


@event_type("kiosk.till_request.v1", Stream.KIOSK)
class KioskTillRequest(EventData):
    """How a request to a till ended: `refused` and `expired` carry the reason."""

    request_id: Key
    till_id: Key
    basket_id: Key
    kind: Literal["add_item", "remove_item"]
    sku: Key
    quantity: Quantity
    outcome: Literal["done", "refused", "expired"]
    reason: Text | None = None


# --- vehicles ---------------------------------------------------------------------------------------------


@event_type("agv.order.v1", Stream.AGV)
class AgvOrder(EventData):
    """A VDA 5050 order changed state on the vehicle."""

    vehicle_id: Key
    order_id: Key
    order_update_id: Count
    status: Literal["accepted", "rejected", "started", "finished", "failed", "cancelled"]
    reason: Text | None = None


@event_type("agv.action.v1", Stream.AGV)
class AgvAction(EventData):
    """A VDA 5050 action changed state (VDA 5050, actionState)."""

    vehicle_id: Key
    order_id: Key | None = None
    action_id: Key
    action_type: Key
    status: Literal["waiting", "initializing", "running", "paused", "finished", "failed", "unknown"]
    result: Text | None = None


@event_type("agv.stop.v1", Stream.AGV)
class AgvStop(EventData):
    """A vehicle was stopped or released."""

    vehicle_id: Key
    action: Literal["stopped", "released"]
    requested_by: Key
    reason: Text | None = None


@event_type("agv.fault.v1", Stream.AGV)
class AgvFault(EventData):
    """A vehicle reported a fault, or its end."""

    vehicle_id: Key
    fault: Key
    level: Literal["warning", "fatal"]
    active: bool
    description: Text | None = None


@event_type("agv.load.v1", Stream.AGV)
class AgvLoad(EventData):
    """A load was picked or dropped."""

    vehicle_id: Key
    action: Literal["picked", "dropped"]
    load_id: Key | None = None
    sscc: Sscc | None = None
    position: Key | None = None


# --- the device itself ------------------------------------------------------------------------------------


@event_type("alert.v1", Stream.AUDIT)
class Alert(EventData):
    """Something a person should look at, or its end."""

    alert_id: Key
    kind: Key
    severity: Literal["info", "warning", "critical"]
    active: bool
    message: Text
    subject: Key | None = None


class DayRange(EventData):
    """One stream's part of a business day; `sha256` is over `sequence:id` and a newline for each event in order."""

    stream: Stream
    epoch: Key
    first_sequence: Count
    last_sequence: Count
    count: Count
    shed: Count = 0
    parked: Count = 0
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@event_type("audit.day_closed.v1", Stream.AUDIT)
class DayClosed(EventData):
    """What this device recorded between two closes, for the cloud to check like a till's day end."""

    business_day: BusinessDay
    ranges: Annotated[tuple[DayRange, ...], Field(max_length=64)]


@event_type("audit.epoch_started.v1", Stream.AUDIT)
class EpochStarted(EventData):
    """The log began a new epoch: sequences start at 1 again."""

    epoch: Key
    previous_epoch: Key | None = None
    reason: Literal["created", "restored", "behind_ledger"]


@event_type("health.v1", Stream.HEALTH)
class Health(EventData):
    """How the agent is doing, now and then."""

    uptime_s: Count
    events_waiting: Count
    disk_free_bytes: Count
    memory_bytes: Count
    connected: bool


TYPE_NAMES: Final[Mapping[type[Any], str]] = MappingProxyType({row.model: row.name for row in _registry.values()})
"""The short type name of each model, for those who make events in code."""

"""What an event says: one frozen model per event type, and the stream it belongs to.

Names follow POSLog 6 and GS1 where they have one (quantity, regular and actual unit price, extended amount,
tender, operator, GTIN, SSCC, EPC); `till` and `basket` are POSLog's workstation and transaction. Money and
quantities are decimal strings, never floats; units are UCUM codes; customers are pseudonyms only.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import Field

import agent.device_events  # noqa: F401 - its types belong to the vocabulary
from agent.event_fields import (
    Amount,
    BusinessDay,
    Count,
    Currency,
    Customer,
    Flag,
    Gtin,
    Instant,
    Key,
    Number,
    Quantity,
    Share,
    Sscc,
    Text,
)
from agent.event_model import (
    SHED_ORDER,
    TYPE_PREFIX,
    EventData,
    EventType,
    Stream,
    event_type,
    registered_types,
)

__all__ = ["EVENT_TYPES", "SHED_ORDER", "TYPE_NAMES", "TYPE_PREFIX", "EventData", "EventType", "Stream", "event_type"]


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
    epc: Annotated[str, Field(pattern=r"^(urn:epc:id:[a-z]+:[0-9A-Za-z_.%-]{1,80}|[0-9A-F]{24})$")]
    rssi_dbm: Annotated[Number, Field(ge=-120, le=20)] | None = None


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
    interval_s: Annotated[int, Field(gt=0, le=86_400, strict=True)]


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
    value: Number
    unit: Literal["Cel", "%", "1", "kg", "[ppm]", "lx"]


# --- kiosk ------------------------------------------------------------------------------------------------


class DecisionItem(EventData):
    """One suggestion of a decision, with the reason shown and the probability it was drawn with."""

    sku: Key
    score: Number
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
    took_ms: Annotated[Number, Field(ge=0)]


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
    results: Annotated[Count, Field(ge=1)]


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


@event_type("kiosk.bring.v1", Stream.KIOSK)
class KioskBring(EventData):
    """A product was asked for from its shelf: a vehicle shall bring it to the till."""

    request_id: Key
    till_id: Key
    basket_id: Key
    sku: Key


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
    active: Flag
    description: Text | None = None


@event_type("agv.load.v1", Stream.AGV)
class AgvLoad(EventData):
    """A load was picked or dropped."""

    vehicle_id: Key
    action: Literal["picked", "dropped"]
    load_id: Key | None = None
    sscc: Sscc | None = None
    position: Key | None = None


@event_type("audit.mission_forgotten.v1", Stream.AUDIT)
class MissionForgotten(EventData):
    """A person had a vehicle begin anew whose mission could not be read; its entries are kept in a file."""

    vehicle_id: Key
    requested_by: Key
    reason: Text
    entries: Count
    kept_in: Text


EVENT_TYPES: Final[Mapping[str, EventType]] = registered_types()
"""Every event type by its short name."""

TYPE_NAMES: Final[Mapping[type[Any], str]] = MappingProxyType({row.model: row.name for row in EVENT_TYPES.values()})
"""The short type name of each model, for those who make events in code."""

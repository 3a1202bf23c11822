"""What the agent's local API tells a kiosk. Unknown fields are ignored: a newer agent may say more."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict

from agent.event_fields import Amount, Currency, Key, Quantity

__all__ = [
    "AgentStatus",
    "Basket",
    "BasketLine",
    "Decision",
    "LinkPart",
    "LogPart",
    "Offer",
    "Problem",
    "Product",
    "Products",
    "RequestNow",
    "Suggestion",
    "VehiclePart",
    "Vehicles",
    "Why",
]


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Offer(_Document):
    """A product at a special price, or with a message; `title` by language, `valid_to` is its end."""

    offer_id: Key
    title: Mapping[str, str]
    unit_price: Amount | None = None
    currency: Currency | None = None
    valid_to: AwareDatetime


class Product(_Document):
    """A product of the catalogue; `stock` is what is on hand, None when nobody knows; `offers` are valid now."""

    sku: Key
    name: str
    price: Amount
    currency: Currency
    gtin: str | None = None
    aisle: str | None = None
    bay: str | None = None
    stock: Quantity | None = None
    offers: tuple[Offer, ...] = ()


class Products(_Document):
    """An answer to a search, the best match first."""

    products: tuple[Product, ...]


class BasketLine(_Document):
    """One line of the till's basket."""

    line: int
    sku: Key
    description: str | None = None
    quantity: Quantity
    actual_unit_price: Amount
    extended_amount: Amount


class Basket(_Document):
    """The till's current basket; `version` grows with every change within one run of the agent."""

    till_id: Key
    basket_id: Key
    version: int
    items: tuple[BasketLine, ...] = ()
    total: Amount = "0"
    currency: Currency | None = None
    customer_id: str | None = None
    status: Literal["open", "paid", "voided"] = "open"


class Why(_Document):
    """A reason in numbers: `baskets` of `of`, beside `with_name`; a habit has `every_days`."""

    kind: str
    baskets: int = 0
    of: int | None = None
    with_name: str | None = None
    every_days: int | None = None


class Suggestion(_Document):
    """One item of a decision, with its reason as a sentence and, for other languages, in numbers."""

    sku: Key
    reason: str = ""
    why: Why | None = None
    product: Product | None = None


class Decision(_Document):
    """One answer of the decision engine, the best first; a late one may not be shown."""

    decision_id: Key
    items: tuple[Suggestion, ...] = ()
    late: bool = False


class RequestNow(_Document):
    """How a request to the till stands; `reason` is the till's, of a refused one."""

    request_id: Key
    state: Literal["pending", "done", "refused", "expired"]
    reason: str | None = None


class LinkPart(_Document):
    """The agent's link to the cloud: its state and since when."""

    state: str
    since: datetime


class LogPart(_Document):
    """The agent's log: how many events wait for the cloud."""

    waiting: int


class StoragePart(_Document):
    """Whether the agent can store events."""

    state: str = "ok"


class VehiclePart(_Document):
    """A vehicle of this shop: whether it is told to stand, and whether it has said itself that it does."""

    id: str
    stopped: bool = False
    stop_acknowledged: bool = False


class Vehicles(_Document):
    """All vehicles of this shop."""

    vehicles: tuple[VehiclePart, ...]


class AgentStatus(_Document):
    """How the agent is."""

    link: LinkPart
    log: LogPart
    storage: StoragePart = StoragePart()
    products: int = 0
    vehicles: tuple[VehiclePart, ...] = ()


class Problem(_Document):
    """A refusal (RFC 9457); `type` ends in a stable code."""

    type: str = ""
    detail: str = ""

    @property
    def code(self) -> str:
        """The stable code, such as `basket_moved`."""
        return self.type.rpartition(":")[2]

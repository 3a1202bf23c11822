"""What can happen to a kiosk: one frozen value per input, from fingers, the agent, the scanner and the clock."""

from dataclasses import dataclass
from datetime import datetime

from kiosk.documents import AgentStatus, Basket, Decision, Product, RequestNow, VehiclePart

__all__ = [
    "AddTapped",
    "AgentCameUp",
    "AgentWentDown",
    "BasketSeen",
    "BringTapped",
    "CodeFound",
    "DecisionFailed",
    "DecisionSeen",
    "Erased",
    "Found",
    "FoundTapped",
    "Input",
    "KeyPressed",
    "KeysRested",
    "LetterTapped",
    "LookClosed",
    "LookOpened",
    "NotNowTapped",
    "PostDone",
    "PostRefused",
    "PostReturned",
    "PostTaken",
    "ProductsSeen",
    "RequestLost",
    "RequestSeen",
    "ShelfChanged",
    "StatusSeen",
    "StopClosed",
    "StopTapped",
    "StopTold",
    "StopUntold",
    "Ticked",
    "Touched",
    "UndoTapped",
    "VehiclesSeen",
]


@dataclass(frozen=True, slots=True)
class Ticked:
    """Time went on; `at` is the shop's."""

    at: datetime


@dataclass(frozen=True, slots=True)
class Touched:
    """A finger came down anywhere."""


@dataclass(frozen=True, slots=True)
class AddTapped:
    """Add on the card that showed `sku` when the finger came down."""

    slot: int
    sku: str


@dataclass(frozen=True, slots=True)
class NotNowTapped:
    """Not now on the card that showed `sku` when the finger came down."""

    slot: int
    sku: str


@dataclass(frozen=True, slots=True)
class BringTapped:
    """Have it brought on the card that showed `sku` when the finger came down."""

    slot: int
    sku: str


@dataclass(frozen=True, slots=True)
class UndoTapped:
    """Undo in the bar."""


@dataclass(frozen=True, slots=True)
class StopTapped:
    """Stop vehicles in the bar."""


@dataclass(frozen=True, slots=True)
class StopClosed:
    """The panel that tells of the stop was closed."""


@dataclass(frozen=True, slots=True)
class LookOpened:
    """The look-up panel was opened."""


@dataclass(frozen=True, slots=True)
class LookClosed:
    """The look-up panel was closed."""


@dataclass(frozen=True, slots=True)
class LetterTapped:
    """A key of the screen's own keyboard."""

    letter: str


@dataclass(frozen=True, slots=True)
class Erased:
    """The keyboard's erase key."""


@dataclass(frozen=True, slots=True)
class FoundTapped:
    """Add on something that was looked up."""

    sku: str


@dataclass(frozen=True, slots=True)
class KeyPressed:
    """A key of a keyboard, or of a scanner that types like one, at a time that stands still while the screen stalls."""

    key: str
    at_s: float


@dataclass(frozen=True, slots=True)
class KeysRested:
    """No key until this time, of the same clock as the keys."""

    at_s: float


@dataclass(frozen=True, slots=True)
class AgentCameUp:
    """The agent answers (again)."""


@dataclass(frozen=True, slots=True)
class AgentWentDown:
    """The agent stopped answering at this shop time."""

    at: datetime


@dataclass(frozen=True, slots=True)
class StatusSeen:
    """How the agent is."""

    status: AgentStatus


@dataclass(frozen=True, slots=True)
class BasketSeen:
    """The till's basket now."""

    basket: Basket


@dataclass(frozen=True, slots=True)
class DecisionSeen:
    """The decision that was asked for a basket version."""

    version: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class DecisionFailed:
    """No decision for this basket version."""

    version: int


@dataclass(frozen=True, slots=True)
class ProductsSeen:
    """Products looked up."""

    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """What a search found for exactly this query."""

    query: str
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class CodeFound:
    """The products of a scanned code."""

    gtin: str
    products: tuple[Product, ...]


@dataclass(frozen=True, slots=True)
class ShelfChanged:
    """Prices, products or offers may be others now."""


@dataclass(frozen=True, slots=True)
class PostTaken:
    """This post is on its way."""

    id: str


@dataclass(frozen=True, slots=True)
class PostDone:
    """This post has arrived; `request` is the answer to a till request."""

    id: str
    request: RequestNow | None = None


@dataclass(frozen=True, slots=True)
class PostReturned:
    """This post could not be delivered now and has to be sent again."""

    id: str


@dataclass(frozen=True, slots=True)
class PostRefused:
    """This post will never be taken, for a reason with a stable code."""

    id: str
    code: str
    detail: str


@dataclass(frozen=True, slots=True)
class RequestSeen:
    """How a till request stands."""

    request: RequestNow


@dataclass(frozen=True, slots=True)
class RequestLost:
    """The agent does not know this request any more."""

    request_id: str


@dataclass(frozen=True, slots=True)
class StopTold:
    """The agent has taken this stop; how its vehicles are since."""

    request_id: str
    vehicles: tuple[VehiclePart, ...]


@dataclass(frozen=True, slots=True)
class StopUntold:
    """The agent did not answer this stop in time, or refused it for `reason`; it will not be sent again."""

    request_id: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class VehiclesSeen:
    """How the vehicles are."""

    vehicles: tuple[VehiclePart, ...]


Input = (
    Ticked
    | Touched
    | AddTapped
    | NotNowTapped
    | BringTapped
    | UndoTapped
    | StopTapped
    | StopClosed
    | LookOpened
    | LookClosed
    | LetterTapped
    | Erased
    | FoundTapped
    | KeyPressed
    | KeysRested
    | AgentCameUp
    | AgentWentDown
    | StatusSeen
    | BasketSeen
    | DecisionSeen
    | DecisionFailed
    | ProductsSeen
    | Found
    | CodeFound
    | ShelfChanged
    | PostTaken
    | PostDone
    | PostReturned
    | PostRefused
    | RequestSeen
    | RequestLost
    | StopTold
    | StopUntold
    | VehiclesSeen
)

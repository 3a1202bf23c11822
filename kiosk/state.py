"""Everything a kiosk knows at one moment, as frozen values. It knows no Kivy, no sockets and no clock."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Final, Literal

from kiosk.documents import Basket, Decision, Product, Suggestion, VehiclePart
from kiosk.wedge import Wedge

__all__ = [
    "POSTS_MAX",
    "PRODUCTS_MAX",
    "Add",
    "AddState",
    "Agent",
    "Bring",
    "BringState",
    "Card",
    "Face",
    "Look",
    "Note",
    "Notice",
    "Post",
    "Slot",
    "State",
    "Stop",
    "StopState",
    "Undo",
    "number_id",
]

POSTS_MAX: Final = 400  # an hour of busy taps without an agent; what was only shown goes first
PRODUCTS_MAX: Final = 600  # remembered by SKU: a basket's thousand lines bring most names along


class Face(StrEnum):
    """Who looks at the screen."""

    STAFF = "staff"
    CUSTOMER = "customer"


class Agent(StrEnum):
    """Whether the agent answers."""

    STARTING = "starting"
    UP = "up"
    DOWN = "down"


class AddState(StrEnum):
    """Where an Add stands: `kept` is not with the agent yet."""

    KEPT = "kept"
    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"


class BringState(StrEnum):
    """Where a Have it brought stands: `asked` is not with the agent yet."""

    ASKED = "asked"
    SENT = "sent"
    REFUSED = "refused"


class StopState(StrEnum):
    """Where a stop of the vehicles stands."""

    TELLING = "telling"
    """The agent has not answered yet."""
    STOPPING = "stopping"
    """The agent has it; a vehicle has not answered yet."""
    STOPPED = "stopped"
    """Every vehicle has answered."""
    SILENT = "silent"
    """A vehicle did not answer in time."""
    UNTOLD = "untold"
    """The agent did not answer in time, or refused: nothing was stopped, and nothing will be sent later."""


class Note(StrEnum):
    """What the bar at the bottom says."""

    ADDED = "added"
    ADD_REFUSED = "add_refused"
    DISMISSED = "dismissed"
    TAKEN_BACK = "taken_back"
    TAKE_BACK_REFUSED = "take_back_refused"
    UNKNOWN_CODE = "unknown_code"
    MISREAD = "misread"
    NO_BASKET = "no_basket"
    TOO_MANY = "too_many"
    BRING_REFUSED = "bring_refused"
    NO_VEHICLES = "no_vehicles"


@dataclass(frozen=True, slots=True)
class Post:
    """One call to make, under an id of its own, so that it counts once however often it is sent.

    `tap` is a person's doing: kept on disk, and sent before what was only shown. Nothing is sent before `not_before_s`.
    """

    id: str
    path: str
    body: Mapping[str, Any]  # Any: JSON
    tap: bool
    not_before_s: float = 0.0
    request_id: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """One suggestion in its slot: which decision made it, and when it came into view."""

    decision_id: str
    item: Suggestion
    since_s: float
    changed_s: float

    @property
    def sku(self) -> str:
        """What is suggested."""
        return self.item.sku


@dataclass(frozen=True, slots=True)
class Bring:
    """A product asked for from its shelf, by the kiosk's id."""

    request_id: str
    state: BringState = BringState.ASKED
    ended_s: float | None = None


@dataclass(frozen=True, slots=True)
class Slot:
    """One fixed place. A busy slot keeps its card: `request_id` of an Add, or `hidden_until_s` after Not now."""

    card: Card | None = None
    request_id: str = ""
    hidden_until_s: float | None = None
    bring: Bring | None = None

    @property
    def busy(self) -> bool:
        """Whether its card may not be swapped now."""
        return bool(self.request_id) or self.hidden_until_s is not None


@dataclass(frozen=True, slots=True)
class Add:
    """An item asked of the till (or, as `remove_item`, asked back), by the kiosk's id."""

    request_id: str
    basket_id: str
    sku: str
    kind: Literal["add_item", "remove_item"]
    state: AddState
    ended_s: float | None = None
    reason: str = ""
    expired: bool = False


@dataclass(frozen=True, slots=True)
class Undo:
    """What can be undone until `until_s`: an Add by its request, or a Not now by its feedback's id."""

    sku: str
    slot: int | None
    until_s: float
    request_id: str = ""
    feedback_id: str = ""


@dataclass(frozen=True, slots=True)
class Stop:
    """A stop of all vehicles, by the kiosk's id, in its state `since_s`; `open` while its panel is on the screen."""

    request_id: str
    state: StopState
    since_s: float
    open: bool = True
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence in the bar, about `subject`, until `until_s`."""

    note: Note
    subject: str
    until_s: float
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Look:
    """The look-up panel: what was typed or scanned, and what was found for exactly that (None: still looking)."""

    query: str = ""
    gtin: str = ""
    found: tuple[str, ...] | None = ()
    told: bool = True
    changed_s: float = 0.0


@dataclass(frozen=True, slots=True)
class State:
    """One kiosk. `session` and `number` make its ids; `asking` is the basket version a decision is under way for."""

    till_id: str
    session: str
    slots: tuple[Slot, ...]
    face: Face = Face.STAFF
    idle_s: float = 90.0
    number: int = 0

    agent: Agent = Agent.STARTING
    agent_since: datetime | None = None
    link: str = ""
    link_since: datetime | None = None
    waiting: int = 0
    storage: str = "ok"
    catalogue_size: int | None = None
    vehicles: tuple[VehiclePart, ...] = ()
    stop: Stop | None = None

    as_of: datetime | None = None
    """When the basket and the cards were last current, after a restart that has not heard of the till yet."""
    basket: Basket | None = None
    decision: Decision | None = None
    decided_for: int | None = None
    asking: int | None = None
    asked_s: float = 0.0
    avoided: frozenset[str] = frozenset()
    products: Mapping[str, Product] = field(default_factory=lambda: MappingProxyType({}))
    refreshed_s: float = 0.0

    posts: tuple[Post, ...] = ()
    in_flight: str = ""
    adds: tuple[Add, ...] = ()
    undo: Undo | None = None
    notice: Notice | None = None
    look: Look | None = None
    wedge: Wedge = field(default_factory=Wedge)
    touched_s: float = 0.0
    attract: bool = False

    @property
    def has_vehicles(self) -> bool:
        """Whether vehicles serve this shop."""
        return bool(self.vehicles)

    def add_of(self, request_id: str) -> Add | None:
        """The Add of a request."""
        return next((add for add in self.adds if add.request_id == request_id), None)

    def offers_bring(self, slot: Slot) -> bool:
        """Whether a card's product can be asked for from its shelf: a vehicle is there, the till took the item."""
        add = self.add_of(slot.request_id)
        return self.has_vehicles and slot.bring is None and add is not None and add.state is AddState.DONE

    @property
    def has_room_for_taps(self) -> bool:
        """Whether another tap can wait for the agent."""
        return sum(post.tap for post in self.posts) < POSTS_MAX // 2

    @property
    def open_basket(self) -> Basket | None:
        """The basket in which items can still be put."""
        return self.basket if self.basket is not None and self.basket.status == "open" else None

    def with_slot(self, number: int, slot: Slot) -> "State":
        """The same with one slot replaced."""
        return replace(self, slots=(*self.slots[:number], slot, *self.slots[number + 1 :]))


def number_id(state: State) -> tuple[State, str]:
    """A new id: the same session and number always make the same one; as a hash it never looks like a card number."""
    text = f"{state.session}:{state.number}"
    return replace(state, number=state.number + 1), blake2b(text.encode(), digest_size=16).hexdigest()

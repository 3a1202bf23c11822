"""What the screen shows, as plain texts and kinds: a pure function of state, language and time zone."""

from dataclasses import dataclass
from datetime import datetime, tzinfo
from decimal import Decimal
from enum import StrEnum

from kiosk.documents import Basket, BasketLine, Product, Suggestion
from kiosk.money import money, quantity
from kiosk.offers import offer_picture
from kiosk.state import Add, AddState, Agent, BringState, Face, Look, Note, Notice, Slot, State
from kiosk.stop_picture import StopPicture, stop_picture
from kiosk.words import Words

__all__ = ["BringKind", "CardKind", "CardPicture", "FoundPicture", "LinePicture", "LookPicture", "Painter", "Picture"]
__all__ += ["StatusKind"]


class StatusKind(StrEnum):
    """How the status strip looks; each has a sign of its own beside its colour."""

    STARTING = "starting"
    ONLINE = "online"
    OFFLINE = "offline"
    DOWN = "down"
    UNSTORED = "unstored"


class CardKind(StrEnum):
    """How a card looks."""

    EMPTY = "empty"
    IDLE = "idle"
    KEPT = "kept"
    PENDING = "pending"
    DONE = "done"
    REFUSED = "refused"
    HIDDEN = "hidden"


class BringKind(StrEnum):
    """How the part of a card looks that has the product brought."""

    NONE = ""
    OFFERED = "offered"
    ASKED = "asked"
    SENT = "sent"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class LinePicture:
    """One line of the basket."""

    name: str
    detail: str
    amount: str


@dataclass(frozen=True, slots=True)
class CardPicture:
    """One suggestion; `outcome` replaces the buttons when something is under way or has ended.

    With an `offer`, `price` is the offer's and `normal_price` says what the product costs without it.
    """

    kind: CardKind = CardKind.EMPTY
    sku: str = ""
    name: str = ""
    price: str = ""
    normal_price: str = ""
    offer: str = ""
    offer_id: str = ""
    stock: str = ""
    out: bool = False
    place: str = ""
    reason: str = ""
    outcome: str = ""
    outcome_detail: str = ""
    bring: BringKind = BringKind.NONE
    bring_text: str = ""


@dataclass(frozen=True, slots=True)
class FoundPicture:
    """One product that was looked up."""

    sku: str
    name: str
    detail: str
    price: str
    button: str
    kind: CardKind


@dataclass(frozen=True, slots=True)
class LookPicture:
    """The look-up panel."""

    query: str
    placeholder: bool
    message: str
    found: tuple[FoundPicture, ...]


@dataclass(frozen=True, slots=True)
class Picture:
    """One whole screen."""

    till: str
    status_kind: StatusKind
    status: str
    basket_title: str
    lines: tuple[LinePicture, ...]
    basket_hint: str
    total: str
    paid: bool
    cards: tuple[CardPicture, ...]
    cards_title: str
    cards_hint: str
    notice: str
    notice_bad: bool
    can_undo: bool
    look: LookPicture | None
    can_stop: bool
    stop: StopPicture | None
    attract: bool


@dataclass(frozen=True, slots=True)
class Painter:
    """Paints pictures of states."""

    words: Words
    zone: tzinfo

    def paint(self, state: State) -> Picture:
        """The screen for a state."""
        words, basket = self.words, state.basket
        status_kind, status = self._status(state)
        shown = basket is not None and (basket.status == "open" or bool(basket.items))
        return Picture(
            till=words.text("Till {name}", name=state.till_id.removeprefix("till-")),
            status_kind=status_kind,
            status=status,
            basket_title=self._basket_title(basket, state.as_of),
            lines=tuple(self._line(state, line, basket) for line in basket.items) if basket and shown else (),
            basket_hint="" if basket and basket.items else words.text("Waiting for the first item at the till"),
            total=money(basket.total, basket.currency, words) if basket and shown else "",
            paid=basket is not None and basket.status == "paid",
            cards=tuple(self._card(state, slot) for slot in state.slots),
            cards_title=self._cards_title(state),
            cards_hint=self._cards_hint(state),
            notice=self._notice(state),
            notice_bad=state.notice is not None and state.notice.note not in _GOOD_NOTES,
            can_undo=state.undo is not None,
            look=self._look(state, state.look) if state.look else None,
            can_stop=state.has_vehicles and state.face is Face.STAFF,
            stop=stop_picture(state, words),
            attract=state.attract,
        )

    def _status(self, state: State) -> tuple[StatusKind, str]:
        words = self.words
        if state.agent is Agent.STARTING:
            return StatusKind.STARTING, words.text("Connecting to the agent…")
        if state.agent is Agent.DOWN:
            since = self._time(state.agent_since)
            taps = sum(post.tap and post.request_id in ("", post.id) for post in state.posts)  # an Add makes two
            kept = words.count("{number} tap kept", "{number} taps kept", taps) if taps else words.text("taps are kept")
            if state.as_of is not None:
                then = self._time(state.as_of)
                return StatusKind.DOWN, words.text(
                    "agent down since {time} · {kept} · as shown at {then}, not current",
                    time=since,
                    kept=kept,
                    then=then,
                )
            return StatusKind.DOWN, words.text(
                "agent down since {time} · {kept} · selling works", time=since, kept=kept
            )
        standing = self._standing(state)
        if state.storage in _UNSTORED:
            text = words.text("the box cannot store events: its disk is full or broken · call for help")
            return StatusKind.UNSTORED, text + standing
        if state.link in ("online", "disabled", ""):
            text = words.text("Online") if state.link == "online" else words.text("Ready")
            return StatusKind.ONLINE, text + standing
        waiting = words.count("{number} event waiting", "{number} events waiting", state.waiting)
        text = words.text(
            "offline since {time} · {waiting} · selling works", time=self._time(state.link_since), waiting=waiting
        )
        return StatusKind.OFFLINE, text + standing

    def _standing(self, state: State) -> str:
        """How many vehicles stand until a person releases them, by their own word; not for customers."""
        number = sum(vehicle.stop_acknowledged for vehicle in state.vehicles) if state.face is Face.STAFF else 0
        if not number:
            return ""
        return " · " + self.words.count("{number} vehicle stopped", "{number} vehicles stopped", number)

    def _time(self, moment: datetime | None) -> str:
        return moment.astimezone(self.zone).strftime("%H:%M") if moment else "?"

    def _cards_title(self, state: State) -> str:
        if not any(slot.card for slot in state.slots):
            return ""
        if state.as_of is not None:
            return self.words.text("Suggestions of {time}, not current", time=self._time(state.as_of))
        return self.words.text("Goes well with this basket")

    def _basket_title(self, basket: Basket | None, as_of: datetime | None) -> str:
        if basket is None or not basket.items:
            return self.words.text("Basket")
        number = len(basket.items)
        if as_of is not None:
            time = self._time(as_of)
            return self.words.count("{time} · {number} item", "{time} · {number} items", number, time=time)
        if basket.status == "paid":
            return self.words.count("Paid · {number} item", "Paid · {number} items", number)
        return self.words.count("Basket · {number} item", "Basket · {number} items", number)

    def _line(self, state: State, line: BasketLine, basket: Basket) -> LinePicture:
        product = state.products.get(line.sku)
        name = line.description or (product.name if product else line.sku)
        price = money(line.actual_unit_price, basket.currency, self.words)
        detail = "" if Decimal(line.quantity) == 1 else f"{quantity(line.quantity, self.words)} × {price}"  # noqa: RUF001 - the sign for times
        return LinePicture(name, detail, money(line.extended_amount, basket.currency, self.words))

    def _card(self, state: State, slot: Slot) -> CardPicture:
        product = state.products.get(slot.card.sku) if slot.card else None
        if slot.card is None or product is None:
            return CardPicture()
        add = state.add_of(slot.request_id)
        kind, outcome, detail = CardKind.IDLE, "", ""
        if slot.hidden_until_s is not None:
            kind, outcome = CardKind.HIDDEN, self.words.text("Hidden for this basket")
        elif add is not None:
            kind = CardKind(add.state)
            outcome, detail = self._outcome(add)
        out = product.stock is not None and Decimal(product.stock) <= 0
        offer = offer_picture(product, self.words, self.zone)
        bring, bring_text = self._bring(state, slot)
        return CardPicture(
            kind=kind,
            sku=product.sku,
            name=product.name,
            price=offer.price,
            normal_price=offer.normal,
            offer=offer.label,
            offer_id=offer.offer_id,
            stock=self._stock(product),
            out=out,
            place=self._place(product),
            reason=self._reason(slot.card.item),
            outcome=outcome,
            outcome_detail=detail,
            bring=bring,
            bring_text=bring_text,
        )

    def _bring(self, state: State, slot: Slot) -> tuple[BringKind, str]:
        words = self.words
        if slot.bring is None:
            offered = state.offers_bring(slot)
            return (BringKind.OFFERED, words.text("Have it brought")) if offered else (BringKind.NONE, "")
        match slot.bring.state:
            case BringState.ASKED:
                up = state.agent is Agent.UP
                return BringKind.ASKED, words.text("Asked for it") if up else words.text("Kept")
            case BringState.SENT:
                return BringKind.SENT, words.text("Asked for it")
            case BringState.REFUSED:
                return BringKind.REFUSED, words.text("Not brought")

    def _outcome(self, add: Add) -> tuple[str, str]:
        words = self.words
        match add.state:
            case AddState.KEPT:
                return words.text("Kept"), words.text("to the till once the agent is back")
            case AddState.PENDING:
                return words.text("Asking the till…"), ""
            case AddState.DONE:
                return words.text("In the basket"), ""
            case AddState.REFUSED:
                return words.text("Not added"), self._refusal(add)

    def _refusal(self, add: Add) -> str:
        if add.expired:
            return self.words.text("the till did not answer")
        return self.words.text("the till says: {reason}", reason=add.reason)

    def _reason(self, item: Suggestion) -> str:
        """Why, in this language; the agent's own sentence for a kind of reason that is new to this kiosk."""
        words, why = self.words, item.why
        if why is None:
            return item.reason
        numbers = {"baskets": str(why.baskets), "of": str(why.of)}
        match why.kind:
            case "bought_with" if why.with_name and why.of:
                return words.text("Bought with {name} in {baskets} of {of} baskets here", name=why.with_name, **numbers)
            case "popular" if why.of:
                return words.text("Popular now: in {baskets} of the last {of} baskets here", **numbers)
            case "usual" if why.every_days:
                return words.count(
                    "Usual for this customer: every day", "Usual for this customer: every {number} days", why.every_days
                )
            case "usual":
                return words.count(
                    "This customer took it {number} time", "This customer took it {number} times", why.baskets
                )
            case _:
                return item.reason

    def _stock(self, product: Product) -> str:
        if product.stock is None:
            return ""
        if Decimal(product.stock) <= 0:
            return self.words.text("Out of stock")
        return self.words.text("{amount} in stock", amount=quantity(product.stock, self.words))

    def _place(self, product: Product) -> str:
        if product.aisle and product.bay:
            return self.words.text("Aisle {aisle}, bay {bay}", aisle=product.aisle, bay=product.bay)
        return self.words.text("Aisle {aisle}", aisle=product.aisle) if product.aisle else ""

    def _cards_hint(self, state: State) -> str:
        if any(slot.card for slot in state.slots):
            return ""
        if state.agent is Agent.UP and state.catalogue_size == 0:
            return self.words.text("The catalogue is empty: import products to see suggestions")
        if state.open_basket is None:
            return self.words.text("Suggestions come with the first item")
        return self.words.text("No suggestion for this basket")

    def _notice(self, state: State) -> str:  # noqa: PLR0911 - one sentence per note
        words, notice = self.words, state.notice
        if notice is None:
            return ""
        product = state.products.get(notice.subject)
        name = product.name if product else notice.subject
        match notice.note:
            case Note.ADDED:
                return words.text("{name} is in the basket", name=name)
            case Note.ADD_REFUSED:
                why = words.text("the till says: {reason}", reason=notice.reason)
                return words.text("{name} not added: {why}", name=name, why=why)
            case Note.DISMISSED:
                return words.text("{name} hidden", name=name)
            case Note.TAKEN_BACK:
                return words.text("{name} taken back", name=name)
            case Note.TAKE_BACK_REFUSED:
                why = words.text("the till says: {reason}", reason=notice.reason)
                return words.text("{name} is still in the basket: {why}", name=name, why=why)
            case Note.UNKNOWN_CODE:
                return words.text("Unknown barcode {code}", code=notice.subject)
            case Note.MISREAD:
                return words.text("Misread: scan it again")
            case Note.NO_BASKET:
                return words.text("No open basket: scan the first item at the till")
            case Note.TOO_MANY:
                return words.text("Too many taps are waiting for the agent")
            case Note.BRING_REFUSED | Note.NO_VEHICLES:
                return self._not_brought(notice, name)

    def _not_brought(self, notice: Notice, name: str) -> str:
        if notice.note is Note.NO_VEHICLES:
            return self.words.text("{name} is not brought: no vehicle here", name=name)
        return self.words.text("{name} is not brought: {why}", name=name, why=notice.reason)

    def _look(self, state: State, look: Look) -> LookPicture:
        words = self.words
        products = [state.products[sku] for sku in look.found or () if sku in state.products]
        message = ""
        if not products and state.agent is not Agent.UP:
            message = words.text("Looking up works again when the agent answers")
        elif look.found is None:
            message = words.text("Looking…")
        elif not products and look.gtin:
            message = words.text("Nothing known under this barcode")
        elif not products and len(look.query) > 1 and not look.told:
            message = words.text("Nothing found: try fewer letters")
        return LookPicture(
            query=look.gtin or look.query or words.text("Name, article number or barcode"),
            placeholder=not (look.gtin or look.query),
            message=message,
            found=tuple(self._found(state, product) for product in products),
        )

    def _found(self, state: State, product: Product) -> FoundPicture:
        add = next((add for add in reversed(state.adds) if add.sku == product.sku and add.kind == "add_item"), None)
        kind = CardKind.IDLE
        if add is not None and state.open_basket and add.basket_id == state.open_basket.basket_id:
            kind = CardKind(add.state)
        button = {
            CardKind.PENDING: self.words.text("Asking…"),
            CardKind.KEPT: self.words.text("Kept"),
            CardKind.DONE: self.words.text("Add again"),
        }.get(kind, self.words.text("Add"))
        offer = offer_picture(product, self.words, self.zone)
        details = (offer.label, offer.normal, self._stock(product), self._place(product))
        return FoundPicture(product.sku, product.name, " · ".join(filter(None, details)), offer.price, button, kind)


_UNSTORED = frozenset({"full", "read_only", "failed"})
_GOOD_NOTES = frozenset({Note.ADDED, Note.DISMISSED, Note.TAKEN_BACK})

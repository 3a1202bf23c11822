"""The kiosk's own widgets: few, small, and told what to show; their looks are in `kiosk.kv`."""

from collections.abc import Callable
from typing import Any, Final

from kivy.properties import BooleanProperty, NumericProperty, StringProperty
from kivy.uix.boxlayout import BoxLayout
from kivy.uix.floatlayout import FloatLayout
from kivy.uix.widget import Widget

from kiosk import inputs
from kiosk.arrangement import Arrangement
from kiosk.picture import BringKind, CardKind, CardPicture, FoundPicture, LinePicture, LookPicture, Picture, StatusKind
from kiosk.screen.stop_view import StopView
from kiosk.screen.text import Press

__all__ = ["CardView", "FoundView", "LineView", "LookView", "Root"]

Take = Callable[[inputs.Input], None]
Kivy = Any  # Any: Kivy's classes carry no types

CARD_SIGNS: Final = {
    CardKind.KEPT: "◷",
    CardKind.PENDING: "◔",
    CardKind.DONE: "✓",
    CardKind.REFUSED: "✕",
    CardKind.HIDDEN: "−",  # noqa: RUF001 - a minus sign, not a hyphen
}
BRING_LOOKS: Final = {
    BringKind.ASKED: CardKind.PENDING,
    BringKind.SENT: CardKind.DONE,
    BringKind.REFUSED: CardKind.REFUSED,
}
STATUS_SIGNS: Final = {
    StatusKind.STARTING: "◔",
    StatusKind.ONLINE: "✓",
    StatusKind.OFFLINE: "⚠",
    StatusKind.DOWN: "✕",
    StatusKind.UNSTORED: "✕",
}
KEY_ROWS: Final = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")


class LineView(BoxLayout):
    """One row of the basket, empty or not."""

    name = StringProperty("")
    detail = StringProperty("")
    amount = StringProperty("")

    def show(self, line: LinePicture | None) -> None:
        self.name = line.name if line else ""
        self.detail = line.detail if line else ""
        self.amount = line.amount if line else ""


class CardView(BoxLayout):
    """One slot. What it shows changes; where it stands and where its buttons are does not."""

    kind = StringProperty(CardKind.EMPTY.value)
    name = StringProperty("")
    price = StringProperty("")
    normal_price = StringProperty("")
    offer = StringProperty("")
    stock = StringProperty("")
    place = StringProperty("")
    reason = StringProperty("")
    outcome = StringProperty("")
    outcome_detail = StringProperty("")
    sign = StringProperty("")
    bring = StringProperty(BringKind.NONE.value)
    bring_text = StringProperty("")
    bring_look = StringProperty(CardKind.DONE.value)
    bring_sign = StringProperty("")
    out = BooleanProperty(False)
    wide = BooleanProperty(True)
    number = NumericProperty(0)

    def __init__(self, number: int, take: Take, **kwargs: Kivy) -> None:
        super().__init__(**kwargs)
        self.number = number
        self._sku = ""
        self._actions = (self.ids.actions.__self__, self.ids.outcome_box.__self__)  # ids alone keep nothing alive
        self._brings = (self.ids.bring.__self__, self.ids.bring_said.__self__)
        add, not_now, bring = self.ids.add, self.ids.not_now, self.ids.bring
        add.aim = not_now.aim = bring.aim = lambda: self._sku
        bring.on_tap = lambda sku: take(inputs.BringTapped(number, sku))
        add.on_tap = lambda sku: take(inputs.AddTapped(number, sku))
        not_now.on_tap = lambda sku: take(inputs.NotNowTapped(number, sku))
        self._show_actions(CardKind.EMPTY)
        self._show_bring(BringKind.NONE)

    def show(self, card: CardPicture) -> None:
        self._sku = card.sku
        self.name, self.price = card.name, card.price
        self.normal_price, self.offer = card.normal_price, card.offer
        self.stock, self.place, self.out = card.stock, card.place, card.out
        self.reason = card.reason
        self.outcome, self.outcome_detail = card.outcome, card.outcome_detail
        if self.kind != card.kind.value:
            self.kind = card.kind.value
            self.sign = CARD_SIGNS.get(card.kind, "")
            self._show_actions(card.kind)
        self.bring_text = card.bring_text
        if self.bring != card.bring.value:
            self._show_bring(card.bring)

    def _show_actions(self, kind: CardKind) -> None:
        """Buttons or outcome, in the same place."""
        actions, outcome = self._actions
        wanted = {CardKind.EMPTY: None, CardKind.IDLE: actions}.get(kind, outcome)
        foot = self.ids.foot
        if foot.children != [wanted]:
            foot.clear_widgets()
            if wanted is not None:
                foot.add_widget(wanted)

    def _show_bring(self, kind: BringKind) -> None:
        """The button or what became of it, in the same place beside the outcome."""
        self.bring = kind.value
        look = BRING_LOOKS.get(kind, CardKind.DONE)
        self.bring_look, self.bring_sign = look.value, CARD_SIGNS[look]
        button, said = self._brings
        _put(self.ids.outcome_box, button, kind is BringKind.OFFERED)
        _put(self.ids.outcome_box, said, kind in BRING_LOOKS)


class FoundView(BoxLayout):
    """One row of what was found."""

    name = StringProperty("")
    detail = StringProperty("")
    price = StringProperty("")
    button = StringProperty("")
    tall = BooleanProperty(False)
    kind = StringProperty(CardKind.EMPTY.value)

    def __init__(self, take: Take, **kwargs: Kivy) -> None:
        super().__init__(**kwargs)
        self._sku = ""
        self.ids.add.aim = lambda: self._sku
        self.ids.add.on_tap = lambda sku: take(inputs.FoundTapped(sku)) if sku else None

    def show(self, found: FoundPicture | None) -> None:
        self._sku = found.sku if found else ""
        self.kind = found.kind.value if found else CardKind.EMPTY.value
        self.name, self.detail = (found.name, found.detail) if found else ("", "")
        self.price, self.button = (found.price, found.button) if found else ("", "")


class LookView(BoxLayout):
    """The look-up panel with its own keyboard."""

    query = StringProperty("")
    placeholder = BooleanProperty(True)
    message = StringProperty("")

    def __init__(self, arrangement: Arrangement, take: Take, **kwargs: Kivy) -> None:
        super().__init__(**kwargs)
        self.rows = [FoundView(take, tall=arrangement.keyboard_beside) for _ in range(arrangement.found_rows)]
        if arrangement.keyboard_beside:
            self.ids.middle.orientation = "horizontal"
            self.ids.keyboard.size_hint_x = 1.4
        for row in self.rows:
            self.ids.rows.add_widget(row)
        self.ids.close.on_tap = lambda _: take(inputs.LookClosed())
        for letters in KEY_ROWS:
            self.ids.keyboard.add_widget(_key_row(letters, take, last=letters == KEY_ROWS[-1]))

    def show(self, look: LookPicture) -> None:
        self.query, self.placeholder, self.message = look.query, look.placeholder, look.message
        for number, row in enumerate(self.rows):
            row.show(look.found[number] if number < len(look.found) else None)


class Root(FloatLayout):
    """The whole screen; `show` is given each new picture."""

    till = StringProperty("")
    status = StringProperty("")
    status_kind = StringProperty(StatusKind.STARTING.value)
    status_sign = StringProperty(STATUS_SIGNS[StatusKind.STARTING])
    basket_title = StringProperty("")
    basket_hint = StringProperty("")
    earlier = StringProperty("")
    total = StringProperty("")
    paid = BooleanProperty(False)
    cards_title = StringProperty("")
    cards_hint = StringProperty("")
    notice = StringProperty("")
    notice_bad = BooleanProperty(False)
    can_undo = BooleanProperty(False)
    can_stop = BooleanProperty(False)

    def __init__(self, arrangement: Arrangement, take: Take, *, left_hand: bool, **kwargs: Kivy) -> None:
        super().__init__(**kwargs)
        self._arrangement = arrangement
        self._take = take
        self.lines = [LineView() for _ in range(arrangement.lines)]
        for line in self.lines:
            self.ids.lines.add_widget(line)
        self.cards = [CardView(number, take, wide=arrangement.wide_cards) for number in range(arrangement.slots)]
        for card in self.cards:
            self.ids.cards.add_widget(card)
        if not arrangement.titled:
            self.ids.advice.remove_widget(self.ids.cards_title)
        self.look = LookView(arrangement, take)
        self.stop = StopView(arrangement, take)
        self._attract = self.ids.attract.__self__
        self._body = self.ids.body.__self__
        self._advice = self.ids.advice.__self__
        self.ids.layers.remove_widget(self._attract)
        self._arrange(arrangement, left_hand=left_hand)
        self.ids.look_up.on_tap = lambda _: take(inputs.LookOpened())
        self.ids.undo.on_tap = lambda _: take(inputs.UndoTapped())
        self.ids.stop.on_tap = lambda _: take(inputs.StopTapped())

    def on_touch_down(self, touch: Kivy) -> bool:
        if self._attract.parent is not None:
            self._take(inputs.Touched())
            return True  # the first touch wakes the screen and presses nothing
        self._take(inputs.Touched())
        return bool(super().on_touch_down(touch))

    def show(self, picture: Picture) -> None:
        self.till, self.status = picture.till, picture.status
        self.status_kind, self.status_sign = picture.status_kind.value, STATUS_SIGNS[picture.status_kind]
        self.basket_title, self.basket_hint = picture.basket_title, picture.basket_hint
        self.total, self.paid = picture.total, picture.paid
        self.cards_title, self.cards_hint = picture.cards_title, picture.cards_hint
        self.notice, self.notice_bad = picture.notice, picture.notice_bad
        self.can_undo, self.can_stop = picture.can_undo, picture.can_stop
        self._show_lines(picture.lines)
        for view, card in zip(self.cards, picture.cards, strict=True):
            view.show(card)
        if picture.look is not None:
            self.look.show(picture.look)
        if picture.stop is not None:
            self.stop.show(picture.stop)
        looking = picture.look is not None and picture.stop is None
        _put(self.ids.middle, self._body, not looking)  # no touch gets through the panel to a card
        _put(self.ids.middle, self.look, looking)
        _put(self.ids.side, self._advice, picture.stop is None)  # the basket stays beside it
        _put(self.ids.side, self.stop, picture.stop is not None)
        _put(self.ids.layers, self._attract, picture.attract)

    def _show_lines(self, lines: tuple[LinePicture, ...]) -> None:
        shown = lines[-len(self.lines) :]
        self.earlier = f"+{len(lines) - len(shown)}" if len(lines) > len(shown) else ""
        for number, view in enumerate(self.lines):
            view.show(shown[number] if number < len(shown) else None)

    def _arrange(self, arrangement: Arrangement, *, left_hand: bool) -> None:
        body, basket, side = self.ids.body, self.ids.basket, self.ids.side
        self.ids.cards.cols = arrangement.columns
        share = arrangement.basket_share
        if arrangement.portrait:
            body.orientation = "vertical"
            basket.size_hint, side.size_hint = (1, share), (1, 1 - share)
            self._put_notice_above_bar()
        else:
            basket.size_hint, side.size_hint = (share, 1), (1 - share, 1)
        if left_hand:
            bar = self.ids.bar
            for box in (body, bar) if not arrangement.portrait else (bar,):
                children = list(box.children)
                box.clear_widgets()
                for child in children:
                    box.add_widget(child)

    def _put_notice_above_bar(self) -> None:
        """In portrait there is no room for it between the buttons."""
        bar, notice = self.ids.bar, self.ids.notice.__self__
        notice.size_hint_y = None
        bar.parent.bind(width=notice.setter("width"))
        bar.remove_widget(notice)
        bar.add_widget(Widget(), index=1)
        bar.parent.add_widget(notice, index=1)


def _put(parent: Kivy, child: Kivy, wanted: bool) -> None:  # noqa: FBT001 - a state, not a switch
    if wanted and child.parent is None:
        parent.add_widget(child)
    elif not wanted and child.parent is not None:
        parent.remove_widget(child)


def _key_row(letters: str, take: Take, *, last: bool) -> BoxLayout:
    row = KeyRow()
    for letter in letters:
        row.add_widget(Press(kind="key", raw=letter, on_tap=lambda _, key=letter: take(inputs.LetterTapped(key))))
    if last:
        row.add_widget(Press(kind="key", raw=" ", size_hint_x=2, on_tap=lambda _: take(inputs.LetterTapped(" "))))
        row.add_widget(Press(kind="key", raw="⌫", size_hint_x=1.6, on_tap=lambda _: take(inputs.Erased())))
    return row


class KeyRow(BoxLayout):
    """One row of keys."""

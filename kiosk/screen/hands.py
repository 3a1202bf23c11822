"""Hands for a kiosk without a person: commands as JSON lines in, what was painted and how fast as JSON lines out.

The touches are real ones: they enter Kivy where a touchscreen's do, at the middle of the widget that is meant. Who
starts the kiosk holds the other ends of its stdin and stdout; nobody else can speak here.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from kivy.base import EventLoop
from kivy.core.window import Window
from kivy.input.motionevent import MotionEvent

from agent.clock import Clock
from kiosk.kept import Kept
from kiosk.picture import Picture
from kiosk.screen.app import KioskApp
from kiosk.state import State
from kiosk.taps import SETTLE_S

__all__ = ["Finger", "Hands", "screenshot"]

LINE_BYTES_MAX: Final = 65_536
HOLD_S: Final = 0.05  # a short tap of a person
Json = Any  # Any: what json.loads returns
Kivy = Any  # Any: Kivy's classes carry no types


class Finger(MotionEvent):
    """One finger on the screen, in window pixels."""

    def __init__(self, number: int, x: float, y: float) -> None:
        super().__init__("hands", number, (x / max(1, Window.width - 1), y / max(1, Window.height - 1)))
        self.is_touch = True
        self.type_id = "touch"
        self.profile = ["pos"]
        self._number = number

    def depack(self, args: Json) -> None:
        """Where the finger is."""
        self.sx, self.sy = args
        super().depack(args)

    def down(self) -> None:
        """The finger comes down."""
        EventLoop.post_dispatch_input("begin", self)

    def up(self) -> None:
        """And leaves."""
        EventLoop.post_dispatch_input("end", self)


class Hands:
    """Does what the lines say, and tells every picture that was painted."""

    def __init__(self, app: KioskApp, clock: Clock, write: Callable[[str], None]) -> None:
        self._app = app
        self._clock = clock
        self._write = write
        self._touches = 0
        self._tapped_s: float | None = None
        self._last_tap_s: float | None = None
        self._asked: dict[str, float] = {}  # as long as the simulation that drives these hands: no bound needed
        self._ended: set[str] = set()
        self._settling: asyncio.TimerHandle | None = None
        app.on_painted = self._painted
        app.on_kept = self._kept

    async def run(self) -> None:
        """Until the other end closes: then the kiosk ends as well."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(limit=LINE_BYTES_MAX)
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        try:
            while line := await reader.readline():
                await self._obey(json.loads(line))
        finally:
            transport.close()
        self._app.stop()

    async def _obey(self, order: Json) -> None:
        match order:
            case {"do": "tap", "what": str(what)}:
                down_s = await self._tap(self._target(what, order.get("slot", 0)), order.get("hold_s", HOLD_S))
                self._tell(did="tap", what=what, down_s=down_s)
            case {"do": "where", "what": str(what)}:
                widget = self._target(what, order.get("slot", 0))
                x, y = widget.to_window(*widget.center)
                self._tell(did="where", x=round(x), y=round(Window.height - y))
            case {"do": "keys", "text": str(text)}:
                for key in text:
                    Window.dispatch("on_key_down", 13 if key == "\n" else ord(key), 0, key, [])
                self._tell(did="keys")
            case {"do": "screenshot", "file": str(file)}:
                screenshot(Path(file))
                self._tell(did="screenshot", file=file)
            case {"do": "stop"}:
                self._app.stop()
            case _:
                self._tell(refused=order)

    def _target(self, what: str, slot: int) -> Kivy:
        view = self._app.view
        match what:
            case "add" | "not_now" | "bring":
                return view.cards[slot].ids[what]
            case "undo" | "look_up" | "stop":
                return view.ids[what]
            case "close_stop":
                return view.stop.ids.close
            case "close":
                return view.look.ids.close
            case "found":
                return view.look.rows[slot].ids.add
            case _:
                return view

    async def _tap(self, widget: Kivy, hold_s: float) -> float:
        """When the finger came down; what is measured begins when it leaves, or at once for what acts at once."""
        self._touches += 1
        finger = Finger(self._touches, *widget.to_window(*widget.center))
        down_s = self._clock.monotonic_s()
        at_once = getattr(widget, "at_once", False)
        if at_once:
            self._tapped_s = down_s
        finger.down()
        await asyncio.sleep(hold_s)
        if not at_once:
            self._tapped_s = self._last_tap_s = self._clock.monotonic_s()
        finger.up()
        return down_s

    def _painted(self, state: State, picture: Picture, now_s: float) -> None:
        told: dict[str, Json] = {"painted": _shown(state, picture), "at_s": now_s}
        if self._tapped_s is not None:
            told["tap_to_paint_ms"] = round((now_s - self._tapped_s) * 1000, 2)
            self._tapped_s = None
        told |= self._measure(state, now_s)
        self._tell(**told)
        if self._settling is not None:
            self._settling.cancel()
        self._settling = asyncio.get_running_loop().call_later(SETTLE_S, lambda: self._tell(settled=True))

    def _kept(self, kept: Kept) -> None:
        basket = kept.screen.basket if kept.screen is not None else None
        self._tell(kept_taps=len(kept.posts), kept_lines=len(basket.items) if basket is not None else 0)

    def _measure(self, state: State, now_s: float) -> dict[str, Json]:
        """How long requests took that have ended, from the finger's leaving to the paint of the till's answer."""
        ended = []
        for add in state.adds:
            started_s = self._asked.setdefault(add.request_id, self._last_tap_s or now_s)
            if add.ended_s is not None and add.request_id not in self._ended:
                self._ended.add(add.request_id)
                took_ms = round((now_s - started_s) * 1000, 2)
                ended.append({"request_id": add.request_id, "sku": add.sku, "state": add.state, "ms": took_ms})
        return {"ended": ended} if ended else {}

    def _tell(self, **what: Json) -> None:
        self._write(json.dumps(what, ensure_ascii=False))


def screenshot(file: Path) -> None:
    """The window as a PNG at exactly this path."""
    made = Window.screenshot(str(file))  # Kivy puts a number into the name
    Path(made).replace(file)


def _shown(state: State, picture: Picture) -> dict[str, Json]:
    basket = state.basket
    return {
        "basket_id": basket.basket_id if basket else None,
        "basket_version": basket.version if basket else None,
        "lines": len(picture.lines),
        "as_of": state.as_of.isoformat() if state.as_of else None,
        "decided_for": state.decided_for,
        "decision_id": state.decision.decision_id if state.decision else None,
        "status": picture.status,
        "status_kind": picture.status_kind,
        "notice": picture.notice,
        "cards_hint": picture.cards_hint,
        "can_undo": picture.can_undo,
        "can_stop": picture.can_stop,
        "stop": picture.stop.state if picture.stop else None,
        "headline": picture.stop.headline if picture.stop else "",
        "vehicles": {vehicle.name: vehicle.kind for vehicle in picture.stop.vehicles} if picture.stop else {},
        "found": [found.sku for found in picture.look.found] if picture.look else None,
        "cards": [
            {
                "sku": card.sku,
                "kind": card.kind,
                "name": card.name,
                "price": card.price,
                "normal_price": card.normal_price,
                "offer": card.offer,
                "offer_id": card.offer_id,
                "reason": card.reason,
                "bring": card.bring,
            }
            for card in picture.cards
        ],
    }

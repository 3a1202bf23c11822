"""The five other kinds of capture, simulated: RFID, NFC, camera counts, voice intents and the environment.

Seeded and timed like the tills, and driven by the same visitors: more people, more taps, reads and open fridge doors.
Every business day has one fridge whose compressor fails for a while, and one sensor that drifts.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import merge
from math import exp
from random import Random
from typing import Any, Final

from agent.card_guard import card_data_in
from sim.store.actions import SensorAction
from sim.store.barcodes import SERIAL_MAX, sgtin_hex, sgtin_urn
from sim.store.baskets import Product, SalesSource
from sim.store.randomness import seeded

__all__ = ["EVENTS_PER_HOUR_DEFAULT", "EVENTS_PER_HOUR_MAX", "PRODUCERS", "SensorAction", "sensor_actions"]

PRODUCERS: Final = ("rfid", "nfc", "camera", "voice", "environment")
EVENTS_PER_HOUR_DEFAULT: Final = 330
"""About 7,900 a day."""
EVENTS_PER_HOUR_MAX: Final = 100_000

_SHARES: Final = {"rfid": 0.36, "nfc": 0.06, "camera": 0.14, "voice": 0.04, "environment": 0.40}
_BY_VISITORS: Final = 0.85  # of taps, reads and intents: near some visit; the rest at any time

_GATES: Final = ("gate-dock", "gate-stockroom", "gate-exit")
_HANDHELD: Final = "handheld-1"
_HANDHELD_SHARE: Final = 0.15

# zone: (seconds before the till, seconds spent there, share of visitors who come by)
_ZONES: Final = {
    "entrance": (1_500, 60, 1.0),
    "produce": (1_320, 240, 0.7),
    "bakery": (1_020, 120, 0.5),
    "chilled": (780, 240, 0.8),
    "household": (480, 180, 0.3),
    "checkout": (180, 300, 1.0),
}
_PEOPLE: Final = ((1, 2, 3, 4), (62, 26, 8, 4))  # per basket: alone, as a couple, as a family

_INTENTS: Final = ("find_product", "check_price", "call_staff", "opening_hours", "pay_help", "not_understood")
_INTENT_WEIGHTS: Final = (44, 24, 14, 6, 8, 4)
_LANGUAGES: Final = (("en", "ro", "es"), (60, 25, 15))

_ROOM_CEL: Final = 21.0
_FRIDGES_CEL: Final = {
    **{f"fridge-{number}": 4.0 for number in range(1, 7)},
    "freezer-1": -20.0,
    "freezer-2": -20.0,
}
_COOLING_S: Final = 900.0  # time constant of a fridge that works
_WARMING_S: Final = 9_000.0  # and of one whose compressor stands
_DOOR_CEL: Final = 0.08  # what one opening adds
_DRIFT_CEL_PER_HOUR: Final = 0.05
_FAULT_S: Final = (2_400, 5_400)
_PRESS_KG: Final = 80.0  # the cardboard press is emptied at this weight


@dataclass(frozen=True, slots=True)
class _Window:
    """One business day of the shop, as the sensors see it."""

    starts_at: datetime
    ends_at: datetime
    visits: Sequence[datetime]
    products: Sequence[Product]
    events_per_hour: int
    seed: int

    @property
    def seconds(self) -> int:
        return int((self.ends_at - self.starts_at).total_seconds())

    def random(self, kind: str) -> Random:
        return seeded(self.seed, kind, self.starts_at.isoformat())

    def count(self, kind: str) -> int:
        """How many events of a kind the day has, on average."""
        return round(self.events_per_hour * _SHARES[kind] * self.seconds / 3600)

    def moments(self, kind: str, random: Random) -> list[datetime]:
        """When events of a kind happen, following the visitors."""
        return sorted(self._moment(random) for _ in range(self.count(kind)))

    def _moment(self, random: Random) -> datetime:
        if self.visits and random.random() < _BY_VISITORS:
            at = random.choice(self.visits) - timedelta(milliseconds=random.randrange(1_500_000))
            return max(at, self.starts_at)
        return self.starts_at + timedelta(milliseconds=random.randrange(self.seconds * 1000))

    def ticks(self, kind: str, sensors: int) -> Iterator[tuple[datetime, datetime]]:
        """The intervals in which each of so many sensors says something once, so that the rate is kept."""
        interval_s = max(1, round(sensors * self.seconds / max(self.count(kind), 1)))
        at = self.starts_at
        while at + timedelta(seconds=interval_s) <= self.ends_at:
            yield at, at + timedelta(seconds=interval_s)
            at += timedelta(seconds=interval_s)

    def visitors(self, start: datetime, end: datetime) -> int:
        return bisect_left(self.visits, end) - bisect_left(self.visits, start)


def sensor_actions(
    source: SalesSource, *, seed: int = 1, events_per_hour: int = EVENTS_PER_HOUR_DEFAULT
) -> Iterator[SensorAction]:
    """The events of all five kinds by time, for all business days of a source; the same seed, the same events."""
    if not 1 <= events_per_hour <= EVENTS_PER_HOUR_MAX:
        raise ValueError(f"{events_per_hour} events per hour; expected 1 to {EVENTS_PER_HOUR_MAX:,}")
    visits = [basket.starts_at for basket in source.baskets()]
    products = source.products()
    for start, end in source.day_bounds:
        there = visits[bisect_left(visits, start) : bisect_left(visits, end)]
        window = _Window(start, end, there, products, events_per_hour, seed)
        yield from merge(*(kind(window) for kind in _KINDS), key=lambda action: action.at)


def _action(
    window: _Window, at: datetime, producer: str, type_name: str, number: int, data: dict[str, Any]
) -> SensorAction:
    event_id = f"{window.seed}:{producer}:{window.starts_at:%Y%m%d}:{number}"
    return SensorAction(at, producer, type_name, data, event_id)


# --- by visitors -------------------------------------------------------------------------------------------


def _rfid(window: _Window) -> Iterator[SensorAction]:
    """Tagged goods pass a gate, which says hex; or somebody looks for one with a handheld, which says URNs."""
    random = window.random("rfid")
    tagged = [product.gtin for product in window.products if product.gtin is not None and len(product.gtin) == 13]
    if not tagged:
        return
    for number, at in enumerate(window.moments("rfid", random)):
        by_hand = random.random() < _HANDHELD_SHARE
        data = {
            "reader_id": _HANDHELD if by_hand else random.choice(_GATES),
            "antenna": 0 if by_hand else random.randrange(4),
            "epc": _tag(random.choice(tagged), random, as_urn=by_hand),
            "rssi_dbm": round(random.gauss(-58, 8), 1),
        }
        yield _action(window, at, "rfid", "rfid.v1", number, data)


def _tag(gtin: str, random: Random, *, as_urn: bool) -> str:
    """A tag that no card guard takes for a card number, which one hex tag in ten thousand looks like."""
    while True:
        serial = random.randint(1, SERIAL_MAX)
        epc = sgtin_urn(gtin, serial) if as_urn else sgtin_hex(gtin, serial)
        if not card_data_in("epc", epc):
            return epc


def _nfc(window: _Window) -> Iterator[SensorAction]:
    random = window.random("nfc")
    for number, at in enumerate(window.moments("nfc", random)):
        purpose = random.choices(("shelf", "loyalty", "door"), (60, 32, 8))[0]
        data = {"reader_id": f"nfc-{purpose}-{random.randint(1, 6)}", "purpose": purpose}
        if purpose == "shelf":
            data["sku"] = random.choice(window.products).sku
        yield _action(window, at, "nfc", "nfc.v1", number, data)


def _voice(window: _Window) -> Iterator[SensorAction]:
    random = window.random("voice")
    for number, at in enumerate(window.moments("voice", random)):
        intent = random.choices(_INTENTS, _INTENT_WEIGHTS)[0]
        low, high = (0.2, 0.5) if intent == "not_understood" else (0.55, 0.99)
        wants_product = intent in ("find_product", "check_price")
        data = {
            "device_id": f"voice-{random.randint(1, 3)}",
            "intent": intent,
            "confidence": round(random.uniform(low, high), 3),
            "language": random.choices(*_LANGUAGES)[0],
            "slots": {"product": random.choice(window.products).name} if wants_product else {},
        }
        yield _action(window, at, "voice", "voice.v1", number, data)


# --- by interval -------------------------------------------------------------------------------------------


def _camera(window: _Window) -> Iterator[SensorAction]:
    """People in and out of each zone; over the day, as many left as entered."""
    random = window.random("camera")
    passages = {zone: _passages(window, zone, random) for zone in _ZONES}
    number = 0
    for start, end in window.ticks("camera", len(_ZONES)):
        for zone, (entered, left) in passages.items():
            data = {
                "camera_id": f"camera-{zone}",
                "zone": zone,
                "entered": _within(entered, start, end),
                "left": _within(left, start, end),
                "interval_s": int((end - start).total_seconds()),
            }
            yield _action(window, end - timedelta(milliseconds=1), "camera", "camera.v1", number, data)
            number += 1


def _passages(window: _Window, zone: str, random: Random) -> tuple[list[datetime], list[datetime]]:
    """When people enter and leave a zone."""
    before_s, stay_s, share = _ZONES[zone]
    entered: list[datetime] = []
    left: list[datetime] = []
    last = window.ends_at - timedelta(seconds=1)
    for visit in window.visits:
        if random.random() < share:
            comes_at = visit - timedelta(seconds=before_s * random.uniform(0.7, 1.3))
            goes_at = comes_at + timedelta(seconds=stay_s * random.uniform(0.4, 1.8))
            people = random.choices(*_PEOPLE)[0]
            entered += [max(comes_at, window.starts_at)] * people
            left += [min(max(goes_at, window.starts_at), last)] * people
    return sorted(entered), sorted(left)


def _within(moments: Sequence[datetime], start: datetime, end: datetime) -> int:
    return bisect_left(moments, end) - bisect_left(moments, start)


class _Fridge:
    """A cold place: it cools towards its setting, opens with the visitors, and warms while its compressor stands."""

    def __init__(self, name: str, setting_cel: float) -> None:
        self.name = name
        self._setting_cel = setting_cel
        self._cel = setting_cel

    def step(self, seconds: float, openings: int, *, works: bool) -> float:
        """The temperature after so many seconds, in degrees Celsius."""
        goal, constant_s = (self._setting_cel, _COOLING_S) if works else (_ROOM_CEL, _WARMING_S)
        self._cel += (goal - self._cel) * (1 - exp(-seconds / constant_s))
        self._cel += min(openings, 12) * _DOOR_CEL
        return self._cel


def _environment(window: _Window) -> Iterator[SensorAction]:
    """One reading per sensor and interval, spread over the interval so that they do not come at once."""
    random = window.random("environment")
    fridges = [_Fridge(name, setting) for name, setting in _FRIDGES_CEL.items()]
    broken, drifting = random.sample(fridges, 2)
    fails_at = window.starts_at + timedelta(seconds=random.randrange(window.seconds // 2))
    works_again_at = fails_at + timedelta(seconds=random.randint(*_FAULT_S))
    press_kg = random.uniform(0, _PRESS_KG / 2)
    number = 0
    for start, end in window.ticks("environment", 2 * len(fridges) + 5):
        seconds = (end - start).total_seconds()
        visitors = window.visitors(start, end)
        readings: list[tuple[str, str, float, str]] = []
        for fridge in fridges:
            openings = sum(random.random() < 0.12 for _ in range(visitors))
            cel = fridge.step(seconds, openings, works=fridge is not broken or not fails_at <= start < works_again_at)
            hours = (start - window.starts_at).total_seconds() / 3600
            cel += random.gauss(0, 0.08) + (_DRIFT_CEL_PER_HOUR * hours if fridge is drifting else 0)
            readings.append((f"{fridge.name}-temperature", "temperature", round(cel, 1), "Cel"))
            readings.append((f"{fridge.name}-door", "door_open", float(openings > 0), "1"))
        press_kg = 0.0 if press_kg > _PRESS_KG else press_kg + random.uniform(0, 0.1 + visitors * 0.05)
        readings += _room_readings(visitors / max(seconds / 60, 1), press_kg, random)
        for place, (sensor, measure, value, unit) in enumerate(readings):
            at = start + (end - start) * place / len(readings)
            data = {"sensor_id": sensor, "measure": measure, "value": value, "unit": unit}
            yield _action(window, at, "environment", "environment.v1", number, data)
            number += 1


def _room_readings(visitors_per_minute: float, press_kg: float, random: Random) -> list[tuple[str, str, float, str]]:
    crowd = min(visitors_per_minute, 10.0)
    return [
        ("room-temperature", "temperature", round(_ROOM_CEL + 0.2 * crowd + random.gauss(0, 0.1), 1), "Cel"),
        ("room-humidity", "humidity", round(44 + 1.2 * crowd + random.gauss(0, 0.5), 1), "%"),
        ("produce-humidity", "humidity", round(82 + random.gauss(0, 1.5), 1), "%"),
        ("room-co2", "co2", round(430 + 60 * crowd + random.gauss(0, 8), 0), "[ppm]"),
        ("cardboard-press", "weight", round(press_kg, 2), "kg"),
    ]


_KINDS: Final[tuple[Callable[[_Window], Iterator[SensorAction]], ...]] = (_rfid, _nfc, _camera, _voice, _environment)

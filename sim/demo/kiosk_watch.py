"""Measures one kiosk from what it says, and sees whether a suggestion came late. Pure: times come in with the lines.

Times are of the machine's monotonic clock, which the kiosk and the demo share.
"""

from dataclasses import dataclass, field

from sim.demo.painted import Painted, Said

__all__ = ["KioskTimes", "KioskWatch"]


@dataclass(slots=True)
class KioskTimes:
    """What was measured, over all kiosks, in milliseconds."""

    tap_to_paint: list[float] = field(default_factory=list)
    scan_to_suggestions: list[float] = field(default_factory=list)
    """From the till's sending of a scan to suggestions for that basket or a newer one on the screen."""
    accept_to_till: list[float] = field(default_factory=list)
    """From the finger's leaving Add to the till's answer on the screen; not for taps kept while the agent was down."""
    cloud_to_kiosk: list[float] = field(default_factory=list)
    """From the publishing of a price to that price on the screen."""
    added: int = 0
    refused: int = 0
    kept_taps: int = 0
    """Taps on Add while the agent was down."""
    suggestions_painted: int = 0
    late_painted: int = 0
    """Suggestions that came to the screen when a newer basket stood there already; must stay 0."""


@dataclass(frozen=True, slots=True)
class _Scan:
    basket_id: str
    lines: int
    at_s: float


class KioskWatch:
    """One kiosk's measurements."""

    def __init__(self, times: KioskTimes) -> None:
        self.painted: Painted | None = None
        self.painted_at_s = 0.0
        self.kept_taps = 0
        """Taps on the kiosk's disk that the agent has not taken yet."""
        self.settled = False
        """Whether the cards have stood long enough to be tapped."""
        self._times = times
        self._scans: list[_Scan] = []
        self._version_shown = -1
        self._kept: set[str] = set()

    def scanned(self, basket_id: str, lines: int, at_s: float) -> None:
        """The till sends a scan that makes so many lines; only scans that make more than any before can be told."""
        if self._scans and self._scans[-1].basket_id != basket_id:
            self._scans.clear()  # paid before its suggestions came
        self._scans.append(_Scan(basket_id, lines, at_s))

    def basket_ended(self) -> None:
        """Suggestions for this basket are no longer waited for."""
        self._scans.clear()

    def hear(self, said: Said) -> None:
        """One line of the kiosk."""
        if said.settled:
            self.settled = True
        if said.kept_taps is not None:
            self.kept_taps = said.kept_taps
        if said.painted is None:
            return
        self.settled = False
        if said.tap_to_paint_ms is not None:
            self._times.tap_to_paint.append(said.tap_to_paint_ms)
        kept = {card.sku for card in said.painted.cards if card.kind == "kept"}
        self._times.kept_taps += len(kept - self._kept)
        self._kept |= kept
        self._times.added += sum(one.state == "done" for one in said.ended)
        self._times.refused += sum(one.state == "refused" for one in said.ended)
        self._times.accept_to_till += [one.ms for one in said.ended if one.sku not in self._kept]
        self._check_late(said.painted)
        self.painted, self.painted_at_s = said.painted, said.at_s
        self._end_scans(said.painted, said.at_s)

    def _check_late(self, painted: Painted) -> None:
        """A new decision may only appear together with its basket, never after a newer basket was on the screen."""
        version = painted.basket_version
        if version is not None and version < self._version_shown:
            self._version_shown = -1  # versions count within one run of the agent: it has been started again
        is_new = painted.decision_id is not None and (
            self.painted is None or self.painted.decision_id != painted.decision_id
        )
        if is_new and painted.decided_for is not None:
            self._times.suggestions_painted += 1
            self._times.late_painted += painted.decided_for < self._version_shown
        if version is not None:
            self._version_shown = version

    def _end_scans(self, painted: Painted, at_s: float) -> None:
        if not painted.is_up_to_date:
            return
        seen = [scan for scan in self._scans if scan.basket_id == painted.basket_id and scan.lines <= painted.lines]
        self._scans = [scan for scan in self._scans if scan not in seen]
        self._times.scan_to_suggestions += [(at_s - scan.at_s) * 1_000 for scan in seen]

"""What a demo promises, checked on what it left behind. Each check's name is the sentence that must be true."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from ipaddress import ip_address

from sim.cloud.reconcile import Reconciliation
from sim.demo.advice import Advice
from sim.demo.missions import Missions
from sim.demo.outage import Outage
from sim.demo.sender import Tally
from sim.demo.summary import DayCloseAnswer, Sample

__all__ = ["check_all", "check_kiosks", "check_vehicles"]


def check_all(
    *,
    tally: Tally,
    in_ledger: set[tuple[str, str]],
    reconciliation: Reconciliation,
    ledger_totals: Mapping[str, Decimal],
    day_close: DayCloseAnswer,
    outages: Sequence[Outage],
    last_sample: Sample,
    listeners: Iterable[tuple[str, int]],
    exit_codes: Sequence[int],
    advice: Advice,
    missions: Missions,
) -> dict[str, bool]:
    """Every promise and whether it was kept; what needs kiosks or vehicles is promised only where there are any."""
    return {
        "every acknowledged event is in the cloud": tally.acknowledged <= in_ledger,
        "nothing is missing": reconciliation.missing == 0,
        "nothing took effect twice": reconciliation.duplicates == 0,
        "nothing is in conflict": reconciliation.conflicts == 0,
        "nothing was unreadable": reconciliation.dead_letters == 0,
        "the cloud's takings equal the tills'": dict(ledger_totals) == tally.takings,
        "every sale's total is the sum of its lines": not tally.uneven,
        "the cloud agrees with the day's close": day_close is DayCloseAnswer.AGREED,
        "selling went on while the network was cut": bool(outages) and all(outage.waiting_max for outage in outages),
        "the log was drained in the end": last_sample.waiting == 0,
        "no event of the shop was refused": not tally.refused,
        "everything listened on loopback only": all(ip_address(host).is_loopback for host, _ in listeners),
        "every process ended in good order": not any(exit_codes),
        **check_kiosks(advice),
        **check_vehicles(missions),
    }


def check_kiosks(advice: Advice) -> dict[str, bool]:
    """What kiosks promise, as far as there was anything to check it on."""
    if not advice.figures.kiosks:
        return {}
    checks = {"no tap at a kiosk was lost": not advice.unsent_taps}
    if advice.figures.accepted:
        checks["what staff added at the kiosks was sold"] = not advice.not_sold
    if advice.suggestions_painted:
        checks["late suggestions were never shown"] = not advice.late_painted
    return checks


def check_vehicles(missions: Missions) -> dict[str, bool]:
    """What vehicles promise, as far as there was anything to check it on."""
    if not missions.figures.vehicles:
        return {}
    checks = {
        "every errand was done, or it is told why not": not missions.unexplained,
        "the vehicles picked and dropped once what the shop calls done": (
            missions.figures.physical_picks_equal_actions is True
        ),
        "no vehicle moved while it was stopped": not missions.moved_while_stopped,
    }
    if missions.figures.agv_stops:
        checks["a stopped vehicle stood until a person released it"] = not missions.stops_broken
    return checks

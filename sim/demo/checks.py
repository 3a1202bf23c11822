"""What a demo promises, checked on what it left behind. Each check's name is the sentence that must be true."""

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from ipaddress import ip_address

from sim.cloud.reconcile import Reconciliation
from sim.demo.outage import Outage
from sim.demo.sender import Tally
from sim.demo.summary import DayCloseAnswer, Sample

__all__ = ["check_all"]


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
) -> dict[str, bool]:
    """Every promise and whether it was kept."""
    return {
        "every acknowledged event is in the cloud": tally.acknowledged <= in_ledger,
        "nothing is missing": reconciliation.missing == 0,
        "nothing took effect twice": reconciliation.duplicates == 0,
        "nothing is in conflict": reconciliation.conflicts == 0,
        "nothing was unreadable": reconciliation.dead_letters == 0,
        "the cloud's takings equal the tills'": dict(ledger_totals) == tally.takings,
        "the cloud agrees with the day's close": day_close is DayCloseAnswer.AGREED,
        "selling went on while the network was cut": bool(outages) and all(outage.waiting_max for outage in outages),
        "the log was drained in the end": last_sample.waiting == 0,
        "no event of the shop was refused": not tally.refused,
        "everything listened on loopback only": all(ip_address(host).is_loopback for host, _ in listeners),
        "every process ended in good order": not any(exit_codes),
    }

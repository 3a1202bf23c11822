"""Whether this box is who it says: its certificate, and the machine that its data folder was made on."""

from collections.abc import Iterator
from typing import Final

from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.errors import EnvironmentFault
from agent.link import DeviceCertificate, LinkMisconfigured
from agent.upkeep.machine_mark import MachineMark

__all__ = ["check_certificate", "check_machine"]

URGENT_STEP: Final = 3
"""Of `DeviceCertificate.step`: a day or less."""


def check_certificate(patient: Patient) -> Iterator[Finding]:
    """The device's own, for the broker."""
    link, now = patient.settings.link, patient.clock.wall()
    if not link.certificate_file:
        if link.tls:
            yield Finding.ok("certificate", "none: the broker knows this device by another way (link.certificate_file)")
        return
    try:
        found = DeviceCertificate.load(link, patient.name)
    except LinkMisconfigured as refused:
        yield Finding.problem("certificate", str(refused), "the link stays down until then; events are kept")
        return
    remedy = "put a renewed certificate in its place: it counts from the next connection on"
    if not (warning := found.warning(now)):
        text = f"{found.common_name or found.file} by {found.issuer}, ends {found.not_after:%Y-%m-%d}"
        yield Finding.ok("certificate", text)
    elif now < found.not_before or found.step(now) >= URGENT_STEP:
        yield Finding.problem("certificate", warning, remedy)
    else:
        yield Finding.warning("certificate", warning, remedy)


def check_machine(patient: Patient) -> Iterator[Finding]:
    """Whether the data folder is a copy."""
    try:
        problem = MachineMark(patient.folder.identity).problem()
    except EnvironmentFault as fault:
        yield Finding.warning("machine", str(fault), "run doctor under the account the agent runs under")
        return
    if not patient.folder.identity.exists():
        return
    if problem:
        what, _, remedy = problem.partition(". ")
        yield Finding.warning("machine", what, remedy)
    else:
        yield Finding.ok("machine", "the data folder is where it was made")

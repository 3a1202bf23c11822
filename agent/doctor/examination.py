"""All checks, in the order in which they are told. A new check is one function and one line here."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from agent.doctor.agent_check import check_agent, check_settings
from agent.doctor.broker_check import check_broker
from agent.doctor.clock_check import check_clock, check_time_zone
from agent.doctor.finding import Finding
from agent.doctor.fsync_latency import check_fsync
from agent.doctor.identity_check import check_certificate, check_machine
from agent.doctor.log_check import check_backlog, check_log
from agent.doctor.mount import check_file_system
from agent.doctor.patient import Patient
from agent.doctor.permissions import check_data_folder, check_secrets
from agent.doctor.sqlite_version import check_sqlite
from agent.doctor.storage import check_inodes, check_log_size, check_room
from agent.errors import EnvironmentFault, LogUnreadable

__all__ = ["CHECKS", "Check", "examine"]

Check = Callable[[Patient], Iterable[Finding]]

CHECKS: Final[tuple[Check, ...]] = (
    check_settings,
    check_data_folder,
    check_secrets,
    check_file_system,
    check_room,
    check_inodes,
    check_fsync,
    check_sqlite,
    check_log,
    check_log_size,
    check_backlog,
    check_clock,
    check_time_zone,
    check_machine,
    check_certificate,
    check_broker,
    check_agent,
)


def examine(patient: Patient, checks: Iterable[Check] = CHECKS) -> Iterator[Finding]:
    """The findings of all checks; one that the system refuses is a finding too, and the others go on."""
    for check in checks:
        name = check.__name__.removeprefix("check_").replace("_", " ")
        try:
            yield from check(patient)
        except PermissionError as error:
            text = f"this user may not look at {error.filename}"
            yield Finding.problem(name, text, "run doctor under the account the agent runs under")
        except OSError as error:
            text = f"cannot be checked: {error.strerror} ({error.filename})"
            yield Finding.problem(name, text, "check the disk and the folder's owner")
        except EnvironmentFault as fault:
            yield Finding.problem(name, str(fault), _remedy(fault))


def _remedy(fault: EnvironmentFault) -> str:
    if isinstance(fault, LogUnreadable):
        return "keep the file; storeforward export still gets what can be read out of it"
    return "run doctor under the account the agent runs under"

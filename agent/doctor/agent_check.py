"""Whether the settings are usable, the agent runs, and what it complains of."""

from collections.abc import Iterator
from datetime import timedelta

from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.errors import SettingsRefused
from agent.site_type_files import load_site_types

__all__ = ["check_agent", "check_settings"]


def check_settings(patient: Patient) -> Iterator[Finding]:
    """Whether the file loads, and what it names; the other checks go on with the defaults when it does not."""
    problems = patient.settings_problem or _event_types_problem(patient)
    for problem in problems.splitlines():
        remedy = "correct it, then storeforward config check FILE; storeforward config example explains every key"
        yield Finding.problem("settings", problem, remedy)
    if not problems:
        yield Finding.ok("settings", patient.settings_from)


def check_agent(patient: Patient) -> Iterator[Finding]:
    """Whether it answers, and each of its own problems."""
    answer = patient.agent
    if answer.status is None:
        if answer.out_of_reach:
            yield Finding.problem("agent", answer.absence, "run doctor under the account the agent runs under")
        elif answer.runs:
            yield Finding.problem("agent", answer.absence, "see its output (journalctl -u storeforward), restart it")
        else:
            yield Finding.warning("agent", "not running on this data folder", "storeforward run, or start its service")
        return
    up = timedelta(seconds=int(answer.status["uptime_s"]))
    yield Finding.ok("agent", f"{answer.status['version']}, running for {up}")
    for problem in answer.status["problems"]:
        yield Finding.problem("agent", problem, "see storeforward status")


def _event_types_problem(patient: Patient) -> str:
    try:
        load_site_types(patient.settings.events)
    except SettingsRefused as refused:
        return str(refused)
    return ""

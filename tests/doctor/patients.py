"""A patient for the doctor, healthy where a test does not say otherwise."""

from pathlib import Path

from agent.clock import Clock
from agent.data_folder import DataFolder
from agent.doctor import AgentAnswer, Check, Finding, Patient
from agent.settings import Settings
from tests.log.world import SetClock

__all__ = ["one_finding", "patient"]


def patient(
    folder: Path,
    *,
    settings: Settings | None = None,
    settings_problem: str = "",
    agent: AgentAnswer | None = None,
    clock: Clock | None = None,
) -> Patient:
    return Patient(
        DataFolder(folder),
        settings or Settings(),
        settings_problem,
        "store.toml",
        agent or AgentAnswer(None, "nobody answers"),
        clock or SetClock(),
    )


def one_finding(check: Check, of: Patient) -> Finding:
    (finding,) = check(of)
    return finding

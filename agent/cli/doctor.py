"""`storeforward doctor`: what is wrong with this box, and what to do about it."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click

from agent.cli import EXIT_PROBLEM
from agent.cli.options import config_option, data_folder, data_option, json_option, load
from agent.cli.terminal_text import printable
from agent.clock import SystemClock
from agent.data_folder import DataFolder
from agent.doctor import AgentAnswer, Finding, Patient, Severity, examine
from agent.errors import SettingsRefused, StoreforwardError
from agent.settings import Settings
from agent.settings_file import default_settings_file

__all__ = ["doctor"]

_COLOURS: Final = {Severity.OK: "green", Severity.WARNING: "yellow", Severity.PROBLEM: "red"}
_CHECK_WIDTH: Final = 12


@click.command(
    epilog="Works with the agent running or stopped, and before its first start. Exit code 0 when there is no problem "
    "(warnings are none), 1 when there is one. Example: storeforward doctor --config store.toml --data ./data"
)
@config_option
@data_option
@json_option
@click.pass_context
def doctor(context: click.Context, config_file: Path | None, data: Path | None, *, as_json: bool) -> None:
    """Check disk, log, clock, permissions, settings, agent and the way to the broker; each finding has its remedy."""
    findings = list(examine(_patient(config_file, data_folder(data))))
    healthy = all(finding.severity is not Severity.PROBLEM for finding in findings)
    if as_json:
        click.echo(json.dumps({"ok": healthy, "findings": [asdict(finding) for finding in findings]}))
    else:
        _print(findings)
    context.exit(0 if healthy else EXIT_PROBLEM)


def _patient(config_file: Path | None, folder: DataFolder) -> Patient:
    settings, problem = Settings(), ""
    origin = "the defaults: no settings file is named, and there is none in /etc/storeforward"
    try:
        settings = load(config_file).settings
        if named := config_file or default_settings_file():
            origin = str(named)
    except SettingsRefused as refused:
        problem = str(refused)
    return Patient(folder, settings, problem, origin, asyncio.run(_ask(folder)), SystemClock())


async def _ask(folder: DataFolder) -> AgentAnswer:
    from agent.cli.agent_client import AgentClient, AgentOutOfReach, NoAgent  # noqa: PLC0415 - help texts need no HTTP client

    try:
        async with AgentClient(folder.socket) as client:
            return AgentAnswer(await client.get("/v1/status"), runs=True)
    except NoAgent as error:
        return AgentAnswer(None, str(error))
    except StoreforwardError as error:
        return AgentAnswer(None, str(error), runs=True, out_of_reach=isinstance(error, AgentOutOfReach))


def _print(findings: Iterable[Finding]) -> None:
    counts = dict.fromkeys(Severity, 0)
    for finding in findings:
        counts[finding.severity] += 1
        severity = click.style(f"{finding.severity:<8}", fg=_COLOURS[finding.severity])
        click.echo(f"{severity} {finding.check:<{_CHECK_WIDTH}} {printable(finding.text)}")
        if finding.remedy:
            click.echo(f"{'':<{9 + _CHECK_WIDTH}} -> {printable(finding.remedy)}")
    click.echo(", ".join(_counted(counts[severity], severity) for severity in (Severity.PROBLEM, Severity.WARNING)))


def _counted(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"

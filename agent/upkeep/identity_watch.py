"""Whether this box is who it says: its certificate's end is near, or its data folder is a copy of another box's.

It warns, in the status, in the log lines and by an alert to the cloud. Nothing here stops anything.
"""

import asyncio
import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Final, Literal

from agent.clock import Clock, boot_id
from agent.device_events import Alert
from agent.errors import EnvironmentFault, IdConflict
from agent.events import EventDecoder
from agent.link import DeviceCertificate, LinkMisconfigured, files_seen
from agent.log import EventLog
from agent.log_lines import log_event
from agent.producers import AGENT_PRODUCER
from agent.settings import LinkSettings
from agent.upkeep.machine_mark import MachineMark

__all__ = ["IdentityWatch"]

CHECK_INTERVAL_S: Final = 600.0  # the steps are days apart; a clock that was set shall count soon
RETRY_AFTER_S: Final = 5.0

MESSAGE_CHARS_MAX: Final = 400
CRITICAL: Final = 3
_SEVERITIES: Final[tuple[Literal["info", "warning", "critical"], ...]] = ("info", "warning", "critical", "critical")

logger = logging.getLogger(__name__)


class IdentityWatch:
    """One device's; `run` goes on until cancelled."""

    def __init__(
        self, settings: LinkSettings, mark: MachineMark, log: EventLog, decoder: EventDecoder, clock: Clock
    ) -> None:
        self._settings = settings
        self._log = log
        self._decoder = decoder
        self._clock = clock
        self._machine_problem = _machine_problem(mark)
        self._seen: tuple[tuple[int, ...], ...] | None = None
        self._certificate: DeviceCertificate | None = None
        self._unusable = ""

    def problems(self) -> Iterator[str]:
        """What needs somebody, in plain words, as of now."""
        if self._machine_problem:
            yield f"identity: {self._machine_problem}"
        self._look()
        if told := self._unusable or (self._certificate.warning(self._clock.wall()) if self._certificate else ""):
            yield f"certificate: {told}"

    def certificate_ends(self) -> datetime | None:
        """Until when the device's certificate is valid; None without one that can be used."""
        self._look()
        return self._certificate.not_after if self._certificate else None

    async def run(self) -> None:
        """Tell once of each step towards the certificate's end, and of a folder from another machine."""
        while True:
            try:
                await self.tell()
            except EnvironmentFault as fault:
                log_event(logger, logging.ERROR, "identity.not_told", "will try again", why=str(fault))
                await asyncio.sleep(RETRY_AFTER_S)
                continue
            await asyncio.sleep(CHECK_INTERVAL_S)

    async def tell(self) -> None:
        """One look.

        Raises:
            EnvironmentFault: the log cannot take the alert.
        """
        if self._machine_problem:
            await self._alert("machine_changed", f"machine-{boot_id()}", CRITICAL, self._machine_problem)
        self._look()
        now = self._clock.wall()
        found = self._certificate
        if found and (step := found.step(now)):
            alert_id = f"certificate-{found.not_after:%Y%m%d%H%M}-{step}"
            await self._alert("certificate_ends", alert_id, step, found.warning(now))

    def _look(self) -> None:
        settings = self._settings
        if not (settings.enabled and settings.certificate_file):
            return
        seen = files_seen((settings.certificate_file, settings.key_file))
        if seen == self._seen:
            return
        self._certificate, self._unusable = None, ""
        try:
            self._certificate = DeviceCertificate.load(settings, self._decoder.origin.name)
        except LinkMisconfigured as unusable:
            self._unusable = str(unusable)
        self._seen = seen

    async def _alert(self, kind: str, alert_id: str, step: int, message: str) -> None:
        alert = Alert(
            alert_id=alert_id,
            kind=kind,
            severity=_SEVERITIES[step - 1],
            active=True,
            message=message[:MESSAGE_CHARS_MAX],
        )
        try:
            (told,) = await self._log.append([self._decoder.make(alert, AGENT_PRODUCER, event_id=alert_id)])
        except IdConflict:
            return  # told before, in other words
        if not told.duplicate:
            log_event(logger, logging.WARNING, f"identity.{kind}", message)


def _machine_problem(mark: MachineMark) -> str:
    try:
        mark.make()
        return mark.problem()
    except EnvironmentFault as fault:
        return str(fault)

"""Puts together what /v1/status says, from the parts that know."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from agent import __version__
from agent.api.device_status import DeviceStatus, LogStatus, PlaceStatus, StreamStatus
from agent.api.listeners import Listeners
from agent.api.storage_status import storage_status
from agent.catalogue import Catalogue
from agent.clock import Clock
from agent.data_folder import DataFolder
from agent.errors import EnvironmentFault
from agent.event_types import Stream
from agent.fleet.fleet import Fleet
from agent.link import LinkState, LinkStatus
from agent.log import CLOUD, EventLog, Place
from agent.packs import Packs
from agent.settings import Settings
from agent.tills.baskets import BasketBoard
from agent.upkeep.identity_watch import IdentityWatch

__all__ = ["StatusReport"]


class StatusReport:
    """Call it for the status now. The agent's start is when this is made."""

    def __init__(
        self,
        *,
        settings: Settings,
        folder: DataFolder,
        log: EventLog,
        link_status: Callable[[], LinkStatus],
        listeners: Listeners,
        identity: IdentityWatch,
        catalogue: Catalogue,
        baskets: BasketBoard,
        packs: Packs,
        fleet: Fleet,
        shed: Callable[[], int],
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._log = log
        self._link_status = link_status
        self._listeners = listeners
        self._identity = identity
        self._catalogue = catalogue
        self._baskets = baskets
        self._packs = packs
        self._fleet = fleet
        self._shed = shed
        self._clock = clock
        self._started = clock.wall()
        self._started_s = clock.monotonic_s()

    def __call__(self) -> DeviceStatus:
        link = self._link_status()
        return DeviceStatus(
            at=self._clock.wall(),
            version=__version__,
            site=self._settings.site.id,
            device=self._settings.device.id,
            started=self._started,
            uptime_s=round(self._clock.monotonic_s() - self._started_s, 3),
            data_folder=str(self._folder.path),
            log=self._log_status(),
            storage=storage_status(self._log, self._shed()),
            link=link,
            listeners=self._listeners.states,
            products=self._catalogue.size,
            tills=len(self._baskets.till_ids),
            packs={name: self._packs.version(name) for name in self._packs.sets},
            vehicles=self._fleet.statuses(),
            problems=list(self._problems(link)),
        )

    def _log_status(self) -> LogStatus:
        log = self._log
        return LogStatus(
            epoch=log.epoch,
            waiting=log.waiting(CLOUD),
            queued=log.queued_events,
            damaged=log.damaged_events,
            streams=[
                StreamStatus(
                    stream=stream,
                    head=_place(log.head(stream)),
                    cursor=_place(log.cursor(CLOUD, stream)),
                    waiting=log.waiting(CLOUD, stream),
                    oldest_waiting=self._oldest_waiting(stream),
                )
                for stream in Stream
            ],
        )

    def _oldest_waiting(self, stream: Stream) -> datetime | None:
        if not self._log.waiting(CLOUD, stream):
            return None
        try:
            recorded_ms = self._log.first_recorded_ms(stream, self._log.cursor(CLOUD, stream))
        except EnvironmentFault:  # the status has to come all the same; who forwards events says what is damaged
            return None
        return datetime.fromtimestamp(recorded_ms / 1000, UTC) if recorded_ms is not None else None

    def _problems(self, link: LinkStatus) -> Iterator[str]:
        for listener in self._listeners.states:
            if listener.problem:
                yield f"{listener.kind} listener: {listener.problem}"
        if link.reason and link.state is not LinkState.DISABLED:
            yield f"link: {link.reason}"
        yield from (problem for problem in self._identity.problems() if not link.reason or link.reason not in problem)
        if link.unheard:
            yield f"link: nobody subscribes to what we publish ({link.unheard:,} times so far): is the cloud side up?"
        for parked in link.parked:
            events = f"{parked.events:,} {'event' if parked.events == 1 else 'events'} of {parked.stream}"
            yield f"link: {events} left behind, as the broker does not take them: {parked.reason}"
        for name, problem in self._packs.problems.items():
            yield f"pack {name}: {problem}"
        for vehicle in self._fleet.statuses():
            yield from (f"{vehicle.id}: {problem}" for problem in vehicle.problems)
        if trouble := self._log.trouble:
            yield f"log: {trouble}"
        if damaged := self._log.damaged_events:
            yield f"log: {damaged:,} events no longer match their checksum"


def _place(place: Place) -> PlaceStatus:
    return PlaceStatus(epoch=place.epoch, sequence=place.sequence)

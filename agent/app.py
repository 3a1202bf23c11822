"""The composition root: builds every part of one agent from its settings and owns the one TaskGroup."""

import asyncio
import logging
import os
from collections.abc import Callable, Coroutine, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, Final

from agent import __version__
from agent.api import LocalApi
from agent.catalogue import Catalogue, CatalogueRefused
from agent.clock import Clock, IdFactory, ShopClock, SystemClock, system_random
from agent.data_folder import DataFolder
from agent.decide import Decisions
from agent.errors import LogUnreadable
from agent.event_types import Stream
from agent.events import EventDecoder, Origin
from agent.fleet.fleet import Fleet, FleetVehicle
from agent.link import Link, LinkState
from agent.log import EventLog, Place
from agent.log_lines import log_event
from agent.packs import OfferBook, PackInbox, PackRefused, Packs, PackShelf
from agent.producers import ProducerRegistry
from agent.refused import RefusedBodies
from agent.settings import ClockSettings, Settings, SiteSettings
from agent.site_type_files import load_site_types
from agent.tills.baskets import BasketBoard
from agent.tills.pseudonyms import Pseudonyms
from agent.tills.till_requests import TillRequests
from agent.topics import DeviceName
from agent.upkeep.clock_keeper import ClockKeeper
from agent.upkeep.damage_keeper import DamageKeeper
from agent.upkeep.day_close import DayCloser
from agent.upkeep.housekeeping import Housekeeping
from agent.upkeep.identity_watch import IdentityWatch
from agent.upkeep.machine_mark import MachineMark
from agent.upkeep.room_keeper import RoomKeeper
from agent.upkeep.salvage import Salvage

__all__ = ["Agent", "clock_of"]

TAIL_EVENTS_MAX: Final = 5_000
"""How far back open baskets and answered till requests are looked for after a restart, per stream."""

Work = Callable[[], Coroutine[Any, Any, None]]
"""Begins something that goes on until it is cancelled."""

logger = logging.getLogger(__name__)


def clock_of(settings: ClockSettings) -> Clock:
    """The machine's clock, or for a simulation a shop clock that runs faster."""
    if settings.starts_at is None:
        return SystemClock()
    return ShopClock(settings.starts_at, settings.origin_s, settings.speed)


class Agent:
    """One device's agent. `run` ends in good order after `stop`, and raises when a part fails: a restart is safe."""

    def __init__(self, settings: Settings, folder: DataFolder, clock: Clock) -> None:
        self._settings = settings
        self._folder = folder
        self._clock = clock
        self._stop = asyncio.Event()

    def stop(self) -> None:
        """End `run`: intake first, then the link, the log last."""
        self._stop.set()

    async def run(self) -> None:
        """Serve until stopped.

        Raises:
            EnvironmentFault: the data folder, a port or a key cannot be used.
        """
        self._folder.create()
        async with AsyncExitStack() as closing:
            await self._serve(*self._build(closing))

    def _build(self, closing: AsyncExitStack) -> tuple[LocalApi, Link, dict[str, Work]]:
        """Every part in the order of their needs, and the work that never ends; `closing` lets go of files."""
        settings, folder, clock = self._settings, self._folder, self._clock
        random = system_random()
        new_id = IdFactory(clock.wall, random)
        name = DeviceName(settings.site.id, settings.device.id)
        site_types = load_site_types(settings.events)
        decoder = EventDecoder(_origin(name, settings.site), wall=clock.wall, new_id=new_id, site_types=site_types)
        log = EventLog.open(folder.log, settings.log, clock=clock, new_id=new_id)
        closing.push_async_callback(log.close)
        catalogue = Catalogue.open(folder.decide / "model.sqlite")
        closing.callback(catalogue.close)
        decisions = self._decisions(catalogue.file, log, decoder, new_id, closing)
        offers, packs = _packs(folder, catalogue)
        inbox = PackInbox(packs, name)
        link = self._link(log, decoder, random, new_id, inbox)
        baskets = BasketBoard()
        _restore(baskets.restore, log, Stream.SALES)
        log.add_listener(baskets.on_commit)
        till_requests = TillRequests(ttl_s=settings.api.till_request_ttl_s, new_id=new_id, basket=baskets.basket)
        _restore(till_requests.restore, log, Stream.KIOSK)
        fleet = self._fleet(log, decoder, closing)
        identity = IdentityWatch(settings.link, MachineMark(folder.identity), log, decoder, clock)
        room = RoomKeeper(log, decoder, clock)
        refused = RefusedBodies(folder.refused, settings.events.keep_refused_days, 2 * log.reserve_bytes, clock)
        api = LocalApi(
            settings=settings,
            folder=folder,
            log=log,
            decoder=decoder,
            link=link,
            identity=identity,
            receipts=link.receipts,
            producers=ProducerRegistry(folder.identity),
            pseudonyms=Pseudonyms.open(folder.identity),
            baskets=baskets,
            till_requests=till_requests,
            catalogue=catalogue,
            packs=packs,
            offers=offers,
            adviser=decisions.adviser if decisions else None,
            fleet=fleet,
            refused=refused,
            shed=lambda: room.shed_events,
            clock=clock,
        )
        work: dict[str, Work] = {"log-writer": log.wait_failed, "link": link.run, "packs": inbox.keep}
        work |= {"fleet": fleet.run, "room": room.run, "refused": refused.run, "identity": identity.run}
        return api, link, work | (decisions.work() if decisions else {}) | self._own_work(log, decoder, link)

    def _link(
        self, log: EventLog, decoder: EventDecoder, random: Random, new_id: Callable[[], str], inbox: PackInbox
    ) -> Link:
        return Link(
            log,
            DeviceName(self._settings.site.id, self._settings.device.id),
            self._settings.link,
            decoder=decoder,
            clock=self._clock,
            random=random,
            new_id=new_id,
            version=__version__,
            inbox=inbox,
        )

    def _decisions(
        self,
        catalogue_file: Path,
        log: EventLog,
        decoder: EventDecoder,
        new_id: Callable[[], str],
        closing: AsyncExitStack,
    ) -> Decisions | None:
        """Decisions, with what was shown before a restart; None where the settings do without."""
        if not self._settings.decide.enabled:
            return None
        decisions = Decisions.open(catalogue_file, log, decoder, clock=self._clock, new_id=new_id)
        closing.push_async_callback(decisions.close)
        _restore(decisions.adviser.exposures.restore, log, Stream.KIOSK)
        return decisions

    def _fleet(self, log: EventLog, decoder: EventDecoder, closing: AsyncExitStack) -> Fleet:
        """The vehicles of the settings; without any, nothing of the serial bridge is loaded."""
        if not self._settings.vehicles:
            return Fleet()
        from agent.fleet.unserved_vehicle import UnservedVehicle  # noqa: PLC0415 - see above
        from agent.fleet.vehicle import Vehicle  # noqa: PLC0415 - see above

        settings_of = {settings.id: settings for settings in self._settings.vehicles}
        link, clock, socket = self._settings.link, self._clock, self._folder.bridge_socket

        def begin(vehicle_id: str) -> FleetVehicle:
            given = settings_of[vehicle_id], link, log, decoder
            try:
                vehicle = Vehicle(*given, clock=clock, random=system_random(), bridge_socket=socket)
            except LogUnreadable as unreadable:
                text = f"{vehicle_id} is not served, as its mission cannot be read: {unreadable}"
                log_event(logger, logging.ERROR, "agent.vehicle_failed", text)
                return UnservedVehicle(*given, str(unreadable), clock=clock, random=system_random())
            closing.callback(vehicle.close)
            return vehicle

        return Fleet([begin(vehicle_id) for vehicle_id in settings_of], begin)

    def _own_work(self, log: EventLog, decoder: EventDecoder, link: Link) -> dict[str, Work]:
        housekeeping = Housekeeping(
            log,
            decoder,
            DayCloser(log, decoder, self._settings.site, self._clock),
            clock=self._clock,
            connected=lambda: link.status().state is LinkState.ONLINE,
            retention_interval_s=self._settings.log.retention_interval_s,
            health_interval_s=self._settings.device.health_interval_s,
        )
        own: dict[str, Work] = {}
        if self._settings.clock.starts_at is None:  # a simulated day's clock is fast on purpose
            own["clock"] = ClockKeeper(log, decoder, self._clock).run
        return own | {
            "epochs": housekeeping.keep_epochs,
            "salvage": Salvage(log, decoder, link.send_again, self._clock).run,
            "damage": DamageKeeper(log, decoder, self._clock).run,
            "days": housekeeping.keep_days,
            "retention": housekeeping.keep_log_small,
            "health": housekeeping.keep_telling_health,
        }

    async def _serve(self, api: LocalApi, link: Link, work: dict[str, Work]) -> None:
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(begin(), name=name) for name, begin in work.items()]
            await api.start()
            running.append(tasks.create_task(api.wait_failed(), name="api"))
            log_event(
                logger,
                logging.INFO,
                "agent.ready",
                f"ready; the data is in {self._folder.path}",
                folder=str(self._folder.path),
                listens=api.addresses,
                broker=link.status().broker,
                version=__version__,
                pid=os.getpid(),
            )
            await self._stop.wait()
            await api.stop()
            for task in running:
                task.cancel()
        log_event(logger, logging.INFO, "agent.stopped", "stopped in good order")


def _origin(name: DeviceName, site: SiteSettings) -> Origin:
    return Origin(name, market=site.market, region=site.region)


def _packs(folder: DataFolder, catalogue: Catalogue) -> tuple[OfferBook, Packs]:
    offers = OfferBook()
    appliers: dict[str, Callable[[Path], None]] = {
        "catalogue": partial(_import_catalogue, catalogue),
        "offers": offers.load,
    }
    packs = Packs(PackShelf(folder.packs), appliers)
    packs.restore("offers")
    return offers, packs


def _import_catalogue(catalogue: Catalogue, pack: Path) -> None:
    """The pack `catalogue` is a CSV file as `storeforward catalogue import` takes it."""
    try:
        with pack.open("rb") as file:
            catalogue.import_csv(file, "catalogue")
    except CatalogueRefused as refused:
        raise PackRefused(f"catalogue refused: {refused}") from refused


def _restore(take: Callable[[Iterator[bytes]], object], log: EventLog, stream: Stream) -> None:
    """Remember what was open before a restart; a damaged tail costs that, never the start."""
    try:
        take(_tail(log, stream))
    except LogUnreadable as unreadable:
        message = f"open {stream} are not remembered: {unreadable}"
        log_event(logger, logging.ERROR, "agent.tail_damaged", message, stream=stream)


def _tail(log: EventLog, stream: Stream) -> Iterator[bytes]:
    """The last events of a stream's current epoch, oldest first."""
    head = log.head(stream)
    after = Place(head.epoch, max(0, head.sequence - TAIL_EVENTS_MAX))
    while events := log.read(stream, after, events_max=1_000, bytes_max=4_194_304):
        yield from (event.body for event in events)
        after = events[-1].place

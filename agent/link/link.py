"""The link to the cloud: connects for ever, forwards the log, and can say at any time how it stands and why."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from random import Random
from typing import Final

from agent.clock import Clock
from agent.errors import EnvironmentFault, StoreforwardError
from agent.event_types import Stream
from agent.events import EventDecoder
from agent.link.backoff import Backoff
from agent.link.beside import Run
from agent.link.broker_access import BrokerAccess
from agent.link.compression import ZSTD
from agent.link.connection import MqttConnection, Will, packet_overhead_bytes
from agent.link.device_state import DeviceState
from agent.link.errors import BrokerRefused, ConnectionLost, LinkMisconfigured, MessageTooLarge
from agent.link.eta import Eta
from agent.link.inbox import Inbox, NoInbox
from agent.link.ledger_word import LedgerWord
from agent.link.muted_topics import MutedTopics
from agent.link.outbox import Outbox
from agent.link.parking_desk import ParkingDesk, parked_ranges
from agent.link.protocol_choice import MqttVersion, ProtocolChoice
from agent.link.reasons import QUOTA, reason_name
from agent.link.receipts import DayAnswer, Receipts
from agent.link.session import BATCH_CONTENT_TYPE, Parts, Session
from agent.link.status import LinkState, LinkStatus, parked_status
from agent.link.take_overs import STABLE_AFTER_S, TakeOvers
from agent.log import CLOUD, EventLog, Place
from agent.log_lines import log_event
from agent.settings import LinkSettings
from agent.topics import Channel, DeviceName

__all__ = ["Link"]

CURSOR_INTERVAL_S: Final = 0.1  # spares the flash: what a crash forgets in between is sent twice and counted once
CURSOR_RETRY_S: Final = 1.0
CURSOR_STOP_TIMEOUT_S: Final = 5.0

_GOOD_STATES: Final = (LinkState.ONLINE, LinkState.CONNECTING, LinkState.DISABLED)
_STOPPED: Final = "stopped"
_NOT_VERIFIABLE: Final = (
    "MQTT 3.1.1: refusals cannot be seen, so delivery is not verifiable without receipts, and the ledger has sent none"
)

_log = logging.getLogger(__name__)


class Link:
    """Forwards one log to one broker."""

    def __init__(
        self,
        log: EventLog,
        name: DeviceName,
        settings: LinkSettings,
        *,
        decoder: EventDecoder,
        clock: Clock,
        random: Random,
        new_id: Callable[[], str],
        version: str,
        inbox: Inbox | None = None,
    ) -> None:
        self._log = log
        self._name = name
        self._settings = settings
        self._clock = clock
        self._new_id = new_id
        self._version = version
        self._inbox = inbox or NoInbox()
        self._backoff = Backoff(settings.backoff_min_s, settings.backoff_max_s, random)
        self._outbox = _outbox(log, name, settings, random)
        self._desk = ParkingDesk(log, self._outbox, decoder, clock)
        self._eta = Eta()
        self._work = asyncio.Event()
        self._moved = asyncio.Event()
        self._again = asyncio.Event()
        self._hurried = asyncio.Event()
        self._wishes: dict[Stream, Place] = {}
        """From where to send again, before the next connection."""
        self._went_back = asyncio.Event()
        self._connected = False
        self._storing = asyncio.Lock()
        self._not_noted = ""
        """Why cursors cannot be made durable just now."""
        self._access = BrokerAccess(settings, name)
        self._ledger = LedgerWord()
        self._protocol = ProtocolChoice(settings.protocol)
        self._spoken: MqttVersion | None = None
        """The version of the last connection that came about."""
        self._take_overs = TakeOvers(settings.backoff_max_s)
        self._muted = MutedTopics()
        self._connections = 0
        self._connected_at_s = 0.0
        self._connect_from_s = 0.0
        """Brokers count CONNECTs by client id (AWS IoT takes one a second)."""
        self._state = LinkState.CONNECTING if settings.enabled else LinkState.DISABLED
        self._since = clock.wall()
        self._reason = "" if settings.enabled else "link.enabled is false: events stay in the log"
        log.add_listener(lambda _drafts: self._work.set())

    async def run(self) -> None:
        """Works until cancelled; then says goodbye to the broker and stores the cursors, within a few seconds."""
        if not self._settings.enabled:
            await asyncio.Event().wait()
        with ThreadPoolExecutor(1, thread_name_prefix="link read") as reader:
            parts = Parts(
                self._log,
                self._outbox,
                self._name,
                self._settings,
                self._clock,
                self._ledger,
                self._muted,
                self._inbox,
                reader,
                self._work,
                self._moved,
                self._eta,
                self._again,
            )
            try:
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._connect_for_ever(parts), name="link connections")
                    tasks.create_task(self._keep_cursors(), name="link cursors")
            finally:
                self._become(LinkState.OFFLINE, _STOPPED)
                with suppress(EnvironmentFault, TimeoutError):  # then these events are sent again after the next start
                    async with asyncio.timeout(CURSOR_STOP_TIMEOUT_S):
                        await self._store_cursors()

    def status(self) -> LinkStatus:
        """How the link stands now."""
        outbox = self._outbox
        now_s = self._clock.monotonic_s()
        online_s = now_s - self._connected_at_s if self._state is LinkState.ONLINE else 0.0
        verifiable = self._spoken is not MqttVersion.V3 or self._ledger.newest is not None
        reasons = [self._reason]
        if self._state is LinkState.ONLINE:
            reasons = [*outbox.troubles.values(), "" if verifiable else _NOT_VERIFIABLE]
        reasons += [
            self._not_noted,
            self._take_overs.reason(online_s),
            *self._muted.reasons(now_s),
            *self._ledger.troubles,
        ]
        latencies_s = sorted(outbox.latencies_s)
        remaining_s = self._eta.remaining_s(self._clock.monotonic_s())
        return LinkStatus(
            state=self._state,
            since=self._since,
            reason="; ".join(filter(None, reasons)),
            broker=f"{self._settings.host}:{self._settings.port}",
            protocol=self._spoken or "",
            verifiable=verifiable,
            in_flight=outbox.in_flight,
            published=outbox.tally.published_events,
            acknowledged=outbox.tally.acknowledged_events,
            acknowledged_bytes=outbox.tally.acknowledged_bytes,
            redelivered=outbox.tally.redelivered_events,
            unheard=outbox.tally.unheard_publishes,
            refused={reason_name(code): count for code, count in outbox.refused_by_code.items()},
            troubles=outbox.troubles,
            parked=parked_status(outbox.parked, now_s),
            replay=outbox.replay.status(),
            caught_up_at=None if remaining_s is None else self._clock.wall() + timedelta(seconds=round(remaining_s)),
            publishes_per_s=outbox.publishes_per_s,
            encoding=outbox.compression.encoding,
            plain_bytes=outbox.compression.plain_bytes,
            sent_bytes=outbox.compression.sent_bytes,
            reconnects=max(0, self._connections - 1),
            puback_p50_ms=_percentile_ms(latencies_s, 0.50),
            puback_p99_ms=_percentile_ms(latencies_s, 0.99),
        )

    async def send_again(self, places: Mapping[Stream, Place]) -> None:
        """Send everything after these places once more; returns when cursors stand there, or further back.

        Raises:
            EnvironmentFault: the log cannot note it; ask again.
        """
        for stream, place in places.items():
            self._wishes[stream] = min(place, self._wishes.get(stream, place))
        if self._connected:
            self._went_back.clear()
            self._again.set()
            await self._went_back.wait()
        else:
            self._go_back()
        await self._store_cursors()

    def send_parked(self, stream: Stream | None = None) -> int:
        """Try what is parked of a stream, or of all, at once or on the next connection; how many events that may be."""
        events = self._outbox.send_parked(stream, self._clock.monotonic_s())
        self._work.set()
        return events

    def hurry(self) -> None:
        """Somebody waits until all is gone: connect now, catch up now, try what is parked.

        What the broker wants to be left in peace for stays so.
        """
        if not self._connected:
            self._hurried.set()
        self._outbox.hurry()
        self.send_parked()

    def replay(self, runs: Iterable[Run], events: Mapping[Stream, int]) -> None:
        """Send runs of delivered events once more, of which each stream has so many; only while no replay is going."""
        self._outbox.replay.start(runs, events)
        self._work.set()

    def stop_replay(self) -> None:
        """Send no more of it; a batch that is on its way still counts."""
        self._outbox.replay.stop()

    @property
    def is_replaying(self) -> bool:
        """Whether a replay is going, or its last batch is on its way."""
        return self._outbox.replay.is_going

    def receipts(self) -> Receipts | None:
        """The ledger's newest receipts, with its answers to day closes; None until it has been heard."""
        return self._ledger.newest

    def day_answers(self) -> list[DayAnswer]:
        """The ledger's answers to the last day closes."""
        return self._ledger.newest.days if self._ledger.newest else []

    # --- connections ---------------------------------------------------------------------------------------

    async def _connect_for_ever(self, parts: Parts) -> None:
        while True:
            await asyncio.sleep(self._connect_from_s - self._clock.monotonic_s())
            connected_before = self._connections
            began_s = self._clock.monotonic_s()
            self._connect_from_s = began_s + self._settings.connect_interval_s
            try:
                await self._use_connection(parts)
            except StoreforwardError as failure:
                self._connected = False
                now_s = self._clock.monotonic_s()
                self._failed(failure, now_s)
                if self._connections > connected_before:
                    self._ended(failure, now_s - began_s)
                if self._again.is_set():
                    self._go_back()
                    continue
                await self._pause(self._backoff.next_s(), in_peace=_asks_for_less(failure))

    async def _pause(self, wait_s: float, *, in_peace: bool) -> None:
        if in_peace:
            await asyncio.sleep(wait_s)
        else:
            with suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._hurried.wait()
        self._hurried.clear()

    async def _use_connection(self, parts: Parts) -> None:
        settings = self._settings
        state = DeviceState(self._log, self._clock, self._version, self._new_id())
        connection = MqttConnection(
            self._access.endpoint(),
            client_id=f"{self._name.device}@{self._name.site}",  # no other device's names make the same text
            version=self._protocol.version(self._clock.monotonic_s()),
            keepalive_s=settings.keepalive_s,
            connect_timeout_s=settings.connect_timeout_s,
            login=self._access.login(),
            will=Will(self._name.topic(Channel.STATE), state.will()),
        )
        async with connection:
            self._connections += 1
            self._connected = True
            self._hurried.clear()
            self._protocol.connected()
            self._spoken = connection.version
            self._connected_at_s = self._clock.monotonic_s()
            self._become(LinkState.ONLINE, "")
            session = Session(parts, connection, state)
            try:
                await session.run()
            except asyncio.CancelledError:
                with suppress(ConnectionLost):
                    await session.say_goodbye()
                raise

    def _failed(self, failure: StoreforwardError, now_s: float) -> None:
        if other := self._protocol.failed(failure, now_s):
            self._become(LinkState.OFFLINE, f"{failure}; MQTT {other} is tried next")
            return
        settings_or_broker = isinstance(failure, LinkMisconfigured) or (
            isinstance(failure, BrokerRefused) and not _asks_for_less(failure)
        )
        self._become(LinkState.REFUSED if settings_or_broker else LinkState.OFFLINE, str(failure))

    def _ended(self, failure: StoreforwardError, lasted_s: float) -> None:
        """A connection that had come about is gone: what follows from how it ended."""
        self._take_overs.ended(failure, lasted_s, self._backoff.ceiling_s)
        if isinstance(failure, MessageTooLarge) and failure.topic:
            self._muted.mute(failure.topic, str(failure), self._clock.monotonic_s())
        good = lasted_s >= STABLE_AFTER_S and not self._take_overs.suspected
        if good and not _asks_for_less(failure):
            self._backoff.reset()

    def _become(self, state: LinkState, reason: str) -> None:
        if (state, reason) != (self._state, self._reason):
            broker = f"{self._settings.host}:{self._settings.port}"
            level = logging.INFO if state in _GOOD_STATES or reason == _STOPPED else logging.WARNING
            log_event(_log, level, "link.state", f"link {state}: {reason or broker}", state=state, broker=broker)
        if state is not self._state:
            self._since = self._clock.wall()
        self._state, self._reason = state, reason

    def _go_back(self) -> None:
        """While nothing is in flight. Whoever wanted it stores the cursors."""
        wishes, self._wishes = self._wishes, {}
        for stream, place in wishes.items():
            if place < self._outbox.cursor(stream):
                self._outbox.rewind(stream, place, self._clock.monotonic_s())
        self._again.clear()
        self._went_back.set()

    # --- cursors -------------------------------------------------------------------------------------------

    async def _keep_cursors(self) -> None:
        while True:
            await self._moved.wait()
            self._moved.clear()
            try:
                await self._store_cursors()  # first: on a full disk this is taken, and what is parked may not be
                await self._desk.settle()
                await self._store_cursors()
                self._not_noted = ""
            except EnvironmentFault as fault:
                message = f"the log cannot note yet what was delivered or parked: {fault}"
                if message != self._not_noted:
                    log_event(_log, logging.WARNING, "link.cursor_failed", message)
                self._not_noted = message
                self._moved.set()
                await asyncio.sleep(CURSOR_RETRY_S)
            await asyncio.sleep(CURSOR_INTERVAL_S)

    async def _store_cursors(self) -> None:
        async with self._storing:  # what somebody else is about to store is not durable yet
            advances = self._outbox.take_advances()
            try:
                await asyncio.gather(*(self._log.advance(CLOUD, stream, place) for stream, place in advances.items()))
            except BaseException:
                self._outbox.put_back(advances)
                self._moved.set()
                raise


def _outbox(log: EventLog, name: DeviceName, settings: LinkSettings, random: Random) -> Outbox:
    return Outbox(
        {stream: log.cursor(CLOUD, stream) for stream in Stream},
        settings if settings.batching == "on" else settings.model_copy(update={"batch_events_max": 1}),
        random,
        overhead_bytes=max(
            packet_overhead_bytes(name.topic(Channel.EVENTS, stream), BATCH_CONTENT_TYPE, ZSTD) for stream in Stream
        ),
        parked=parked_ranges(log),
    )


def _asks_for_less(failure: StoreforwardError) -> bool:
    """Whether the broker wants to be left in peace for a while."""
    return getattr(failure, "code", 0) in QUOTA


def _percentile_ms(sorted_s: list[float], part: float) -> float | None:
    return round(sorted_s[int(part * (len(sorted_s) - 1))] * 1000, 3) if sorted_s else None

"""What the link does on one connection: hear the ledger first, then send, take answers, and keep the state renewed.

What a receipt asks for is done between connections, while nothing is in flight: one that asks for something later
ends the connection, and the next one begins with it.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from typing import Final

from agent.clock import Clock
from agent.errors import EnvironmentFault, LogUnreadable, StorageFailed
from agent.event_types import Stream
from agent.link.batch import Batch, Read, batch_of
from agent.link.compression import ZSTD
from agent.link.connection import Message, MqttConnection, PubAck
from agent.link.device_state import DeviceState
from agent.link.errors import ConnectionLost, EndedByUs, ReceiptRefused, SubscriptionRefused
from agent.link.eta import Eta
from agent.link.inbox import Inbox
from agent.link.ledger_word import LedgerWord
from agent.link.muted_topics import MutedTopics
from agent.link.outbox import Outbox
from agent.link.reasons import NO_MATCHING_SUBSCRIBERS, OF_THE_PAYLOAD, reason_name
from agent.link.receipts import Gap, Receipts, Rewind, StartEpoch, compare, parse_receipts, tell_of_our_epoch
from agent.log import CLOUD, EventLog, Place
from agent.log_lines import log_event
from agent.settings import LinkSettings
from agent.topics import Channel, DeviceName

__all__ = ["BATCH_CONTENT_TYPE", "EVENT_CONTENT_TYPE", "Parts", "Session"]

BATCH_CONTENT_TYPE: Final = "application/cloudevents-batch+json"
EVENT_CONTENT_TYPE: Final = "application/cloudevents+json"  # CloudEvents MQTT binding 1.0.2, 3.2: one structured event

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What all connections of one link share."""

    log: EventLog
    outbox: Outbox
    name: DeviceName
    settings: LinkSettings
    clock: Clock
    ledger: LedgerWord
    muted: MutedTopics
    inbox: Inbox
    reader: Executor
    """Reads the log, one batch at a time."""
    work: asyncio.Event
    """There may be something to send."""
    moved: asyncio.Event
    """There may be cursors to make durable."""
    eta: Eta
    again: asyncio.Event
    """Somebody wants events sent again: the connection has to end, and the link goes back before the next."""


class Session:
    """One connection's work. `run` ends only by an exception."""

    def __init__(self, parts: Parts, connection: MqttConnection, state: DeviceState) -> None:
        self._parts = parts
        self._connection = connection
        self._state = state
        self._topics = {stream: parts.name.topic(Channel.EVENTS, stream) for stream in Stream}
        self._receipt_topic = parts.name.topic(Channel.RECEIPTS)
        self._told: set[int] = set()
        self._warned: set[str] = set()
        self._ledger_heard = False

    async def run(self) -> None:
        """Works until the connection ends.

        Raises:
            ConnectionLost: which is how every connection ends.
        """
        outbox, limits = self._parts.outbox, self._connection.limits
        self._publish_state(self._state.online())  # first: a ledger answers a new session with a fresh receipt
        await self._hear_ledger()
        acknowledged_before = {stream: outbox.cursor(stream) for stream in Stream}
        outbox.connected(limits.receive_maximum, limits.packet_bytes_max, self._parts.clock.monotonic_s())
        try:
            await _until_one_fails(
                asyncio.create_task(self._take_answers(acknowledged_before), name="link answers"),
                asyncio.create_task(self._send(), name="link send"),
                asyncio.create_task(self._renew_state(), name="link state"),
                asyncio.create_task(self._hear_others(), name="link inbox"),
                asyncio.create_task(self._be_asked_again(), name="link again"),
                asyncio.create_task(self._miss_receipts(), name="link receipts"),
            )
        except ConnectionLost as lost:
            suspicious = not isinstance(lost, EndedByUs) and lost.code in OF_THE_PAYLOAD
            outbox.disconnected(self._parts.clock.monotonic_s(), suspicious=suspicious)
            self._parts.moved.set()  # something may be parked for it
            raise
        except BaseException:
            outbox.disconnected(self._parts.clock.monotonic_s())
            raise

    async def say_goodbye(self) -> None:
        """A last state, then the end of the connection; bounded."""
        self._publish_state(self._state.offline())
        await self._connection.disconnect()

    # --- the ledger's receipt, before any event is published -----------------------------------------------

    async def _hear_ledger(self) -> None:
        receipts = await self._receipts_on_connect()
        ledger, outbox = self._parts.ledger, self._parts.outbox
        self._ledger_heard = receipts is not None
        cursors = {stream: outbox.cursor(stream) for stream in Stream}
        if ledger.pending and not (receipts and tell_of_our_epoch(receipts, self._facts(cursors))):
            receipts = ledger.pending
        if receipts is None:
            return
        ledger.spoke(unasked=False)
        ledger.still_lacks(action for action in self._compare(receipts, cursors) if isinstance(action, Rewind))
        if await self._rewind(self._compare(receipts, cursors)):
            await self._rewind(self._compare(receipts, cursors))  # retention may have come in between, but cannot now
        for action in self._compare(receipts, cursors):
            match action:
                case StartEpoch():
                    epoch = await self._parts.log.start_epoch("behind_ledger")
                    _warn("link.behind_ledger", f"this log went back in time: {action.reason}; new epoch {epoch}")
                    self._publish_state(self._state.online())
                case Rewind():
                    _warn("link.rewind", f"what was acknowledged got lost: {action.reason}; sending again")
                    ledger.repaired(action, self._parts.clock.monotonic_s())
                case Gap():
                    log_event(_log, logging.ERROR, "link.gap", str(action))
        ledger.settled, ledger.pending = receipts, None

    async def _rewind(self, actions: Sequence[StartEpoch | Rewind | Gap]) -> bool:
        """Does the rewinds among them; whether there were any. From then on retention keeps what they send again."""
        rewinds = [action for action in actions if isinstance(action, Rewind)]
        for rewind in rewinds:
            self._parts.outbox.rewind(rewind.stream, rewind.place, self._parts.clock.monotonic_s())
            try:
                await self._parts.log.advance(CLOUD, rewind.stream, rewind.place)
            except EnvironmentFault as fault:
                _warn("link.cursor_failed", f"the log cannot note yet that {rewind.stream} is sent again: {fault}")
                self._parts.moved.set()
        return bool(rewinds)

    async def _receipts_on_connect(self) -> Receipts | None:
        """The newest receipts within `receipt_wait_s`; what lags behind our cursors gets that long to catch up."""
        receipts: Receipts | None = None
        if self._is_muted(self._receipt_topic):
            return None
        try:
            async with asyncio.timeout(self._parts.settings.receipt_wait_s):
                await self._connection.subscribe(self._receipt_topic)
                async for event in self._connection:
                    found = self._receipts_in(event)
                    if isinstance(event, Message):
                        self._connection.acknowledge(event)
                    if found is None:
                        continue
                    actions = self._compare(found)
                    lags = any(isinstance(action, Rewind) for action in actions)
                    if lags and self._repeats(event, found):
                        continue
                    receipts = found
                    if any(isinstance(action, StartEpoch) for action in actions):
                        break  # time does not change that
                    if not lags and tell_of_our_epoch(found, self._facts()):
                        break
        except TimeoutError:
            pass
        except SubscriptionRefused as refused:
            _warn("link.no_receipts", f"{refused}: the ledger's receipts will not be heard")
        return receipts

    def _receipts_in(self, event: PubAck | Message) -> Receipts | None:
        if isinstance(event, PubAck):
            self._tell_once(event.code)
            return None
        if event.topic != self._receipt_topic or not event.payload:
            return None
        try:
            receipts = parse_receipts(event.payload)
        except ReceiptRefused as refused:
            _warn("link.message_ignored", f"message on {self._receipt_topic} ignored: {refused}")
            return None
        self._parts.ledger.newest = receipts
        self._parts.outbox.compression.accepted = ZSTD in receipts.accepts
        return receipts

    def _repeats(self, event: PubAck | Message, receipts: Receipts) -> bool:
        """Whether only the broker says again what we acted on before, and the ledger has said nothing since."""
        return isinstance(event, Message) and event.retained and receipts == self._parts.ledger.settled

    def _hear_late(self, receipts: Receipts, acknowledged_before: Mapping[Stream, Place]) -> None:
        """A receipt came after we began to publish: what it asks for is done on the next connection.

        The first on a connection has missed its time; a later one that lacks something may only lag, and gets time.

        Raises:
            ConnectionLost: it asks for something.
        """
        ledger = self._parts.ledger
        first, self._ledger_heard = not self._ledger_heard, True
        ledger.spoke(unasked=not first)
        asked = self._compare(receipts)
        rewinds = [action for action in asked if isinstance(action, Rewind)]
        reasons = [action.reason for action in asked if isinstance(action, StartEpoch)]
        reasons += [rewind.reason for rewind in ledger.lasting(rewinds, self._parts.clock.monotonic_s())]
        if first:
            missed = self._compare(receipts, acknowledged_before)
            reasons += [action.reason for action in missed if not isinstance(action, Gap)]
        if reasons:
            ledger.pending = receipts
            raise EndedByUs(f"connecting again for what the ledger says: {reasons[0]}")

    def _compare(
        self, receipts: Receipts, cursors: Mapping[Stream, Place] | None = None
    ) -> list[StartEpoch | Rewind | Gap]:
        return compare(receipts, self._facts(cursors))

    def _facts(self, cursors: Mapping[Stream, Place] | None = None) -> "_Facts":
        outbox = self._parts.outbox
        return _Facts(self._parts.log, cursors or {stream: outbox.cursor(stream) for stream in Stream})

    # --- the tasks -----------------------------------------------------------------------------------------

    async def _take_answers(self, acknowledged_before: Mapping[Stream, Place]) -> None:
        async for event in self._connection:
            if isinstance(event, PubAck):
                outbox, now_s = self._parts.outbox, self._parts.clock.monotonic_s()
                in_flight = outbox.in_flight
                outbox.puback(event.mid, event.code, now_s)
                if outbox.in_flight < in_flight:  # it was of events, not of our state
                    self._parts.ledger.broker_took(now_s)
                self._parts.work.set()
                self._parts.moved.set()
            elif event.topic != self._receipt_topic:
                done = partial(self._connection.acknowledge, event)
                if not self._parts.inbox.put(event.topic, event.payload, done):
                    raise EndedByUs("connecting again: more came down than can be taken at once")
                continue
            receipts = self._receipts_in(event)
            if receipts and not self._repeats(event, receipts):
                self._hear_late(receipts, acknowledged_before)
            if isinstance(event, Message):
                self._connection.acknowledge(event)

    async def _hear_others(self) -> None:
        """Subscribe to what others want, now and as they ask for more."""
        for topic_filter in self._parts.inbox.filters():
            await self._subscribe(topic_filter)
        while True:
            await self._subscribe(await self._parts.inbox.next_filter())

    async def _be_asked_again(self) -> None:
        await self._parts.again.wait()
        raise EndedByUs("connecting again: events are to be sent once more")

    def _is_muted(self, topic_filter: str) -> bool:
        why = self._parts.muted.reason(topic_filter, self._parts.clock.monotonic_s())
        if why:
            _warn("link.not_heard", f"{topic_filter} is not listened to: {why}")
        return bool(why)

    async def _miss_receipts(self) -> None:
        """What a broker took and lost, or threw away, a ledger cannot speak of unless it is asked.

        MQTT 3.1.1 brokers acknowledge what they throw away; any broker loses what it holds when it forgets a session.
        """
        ledger, clock = self._parts.ledger, self._parts.clock
        while (left_s := ledger.silence_left_s(clock.monotonic_s())) > 0:
            await asyncio.sleep(left_s)
        ledger.asked()
        raise EndedByUs("connecting again: the ledger has not said that it got what the broker took")

    async def _subscribe(self, topic_filter: str) -> None:
        if self._is_muted(topic_filter):
            return
        try:
            await self._connection.subscribe(topic_filter)
        except SubscriptionRefused as refused:
            _warn("link.not_heard", f"{refused}: nothing will be heard there")

    async def _send(self) -> None:
        outbox, log, clock = self._parts.outbox, self._parts.log, self._parts.clock
        loop = asyncio.get_running_loop()
        while True:
            now_s = clock.monotonic_s()
            if outbox.stalled(now_s):
                raise EndedByUs(f"no PUBACK for {self._parts.settings.puback_timeout_s:g} s")
            outbox.set_heads({stream: log.head(stream) for stream in Stream}, now_s)
            if self._parts.eta.due(now_s):
                self._parts.eta.sample(max(0, log.waiting(CLOUD) - outbox.settled_ahead), now_s)
            wish = outbox.next_read(now_s)
            if wish is None:
                await self._work_or(outbox.wait_s(now_s))
                continue
            try:
                batch = await loop.run_in_executor(self._parts.reader, _load, log, wish)
            except (LogUnreadable, StorageFailed) as fault:
                self._warn_once("link.unreadable", f"stream {wish.stream} waits, the others go on: {fault}")
                outbox.could_not_read(wish, str(fault), clock.monotonic_s())
                continue
            publish = outbox.loaded(wish, batch, clock.monotonic_s())
            if publish is None:
                self._parts.moved.set()
                continue
            topic, content_type, payload = self._topics[publish.stream], BATCH_CONTENT_TYPE, publish.payload
            if self._parts.settings.batching == "off":
                content_type, payload = EVENT_CONTENT_TYPE, payload[1:-1]  # an array of one
            mid = self._connection.publish(topic, payload, content_type=content_type, content_encoding=publish.encoding)
            outbox.handed_over(publish, mid, clock.monotonic_s())

    async def _work_or(self, wait_s: float | None) -> None:
        try:
            async with asyncio.timeout(wait_s):
                await self._parts.work.wait()
        except TimeoutError:
            return
        self._parts.work.clear()

    async def _renew_state(self) -> None:
        while True:
            await asyncio.sleep(self._parts.settings.state_interval_s)
            self._publish_state(self._state.online())

    def _publish_state(self, payload: bytes) -> None:
        # A broker whose window is one has no place for it beside events.
        qos = 1 if self._connection.limits.receive_maximum > 1 else 0
        self._connection.publish(self._parts.name.topic(Channel.STATE), payload, qos=qos, retain=True)

    def _warn_once(self, event: str, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _warn(event, message)

    def _tell_once(self, code: int) -> None:
        if code == 0 or code in self._told:
            return
        self._told.add(code)
        if code == NO_MATCHING_SUBSCRIBERS:
            _warn("link.unheard", "the broker takes our publishes, but nobody subscribes: is the cloud side running?")
        else:
            _warn("link.refused", f"the broker refuses publishes: {reason_name(code)}; the events stay in the log")


def _load(log: EventLog, wish: Read) -> Batch | None:
    events = log.read(wish.stream, wish.after, events_max=wish.events_max, bytes_max=wish.bytes_max)
    return batch_of(wish, events)


def _warn(event: str, message: str) -> None:
    log_event(_log, logging.WARNING, event, message)


async def _until_one_fails(*tasks: asyncio.Task[None]) -> None:
    """Raises the first failure when all have ended."""
    # A task group would cancel its own task to get this far, and on Python 3.11 leave it marked as cancelled.
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    failures = [failure for failure in ended if not isinstance(failure, asyncio.CancelledError | None)]
    raise min(failures, key=lambda failure: isinstance(failure, ConnectionLost))  # a fault of ours tells more


@dataclass(frozen=True, slots=True)
class _Facts:
    """The log as a comparison with receipts asks it."""

    log: EventLog
    cursors: Mapping[Stream, Place]

    @property
    def epoch(self) -> str:
        return self.log.epoch

    def epoch_numbers(self) -> Sequence[int]:
        return self.log.epoch_numbers()

    def epoch_id(self, number: int) -> str:
        return self.log.epoch_id(number)

    def epoch_number(self, epoch_id: str) -> int | None:
        return self.log.epoch_number(epoch_id)

    def head(self, stream: Stream) -> Place:
        return self.log.head(stream)

    def cursor(self, stream: Stream) -> Place:
        return self.cursors[stream]

    def id_at(self, stream: Stream, place: Place) -> str | None:
        try:
            return self.log.id_at(stream, place)
        except (LogUnreadable, StorageFailed):
            return None  # as good as gone; whoever sends the stream tells

    def first_after(self, stream: Stream, place: Place) -> Place | None:
        try:
            found = self.log.read(stream, place, events_max=1, bytes_max=1)
        except (LogUnreadable, StorageFailed):
            return None
        return found[0].place if found else None

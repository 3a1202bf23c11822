"""The cloud twin: takes events from a broker into the ledger, and publishes each device's receipts.

aiomqtt acknowledges a message before the application sees it. Its queue, though, is filled inside paho's own
`on_message`, and paho sends the PUBACK after that: `_Intake` commits to the ledger there, so that a twin killed at
any moment finds again in the broker's session what it had not stored. Where the broker forgot the session too, the
receipts say what is missing, and the agents send it again.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Final

import aiomqtt

from agent.link.compression import ZSTD
from agent.topics import Channel, DeviceName, TopicRefused, device_filter, parse_topic
from sim.cloud.connection import mqtt_client
from sim.cloud.ledger import Ledger
from sim.cloud.receipts import receipt_payload

__all__ = ["CloudTwin"]

CLIENT_ID: Final = "storeforward-cloud-twin"
SESSION_EXPIRY_S: Final = 7 * 86_400
RECEIPT_INTERVAL_S: Final = 0.25
RECONNECT_WAIT_S: Final = 0.25
CANCEL_AGAIN_S: Final = 0.1
SUBSCRIPTIONS: Final = (device_filter(Channel.EVENTS), device_filter(Channel.STATE))

logger = logging.getLogger(__name__)


class CloudTwin:
    """One ledger at one broker; `run` it as a task."""

    def __init__(
        self,
        ledger: Ledger,
        host: str,
        port: int,
        *,
        client_id: str = CLIENT_ID,
        accepts: Sequence[str] = (ZSTD,),
    ) -> None:
        """`accepts`: the content codings that it says it reads; it reads them in any case."""
        self.connected = asyncio.Event()
        """Set while subscribed."""
        self._ledger = ledger
        self._host = host
        self._port = port
        self._client_id = client_id
        self._accepts = accepts
        self._owed: set[str] = set()
        self._owing = asyncio.Event()
        self._broken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Serves until cancelled, over any number of connections.

        Raises:
            sqlite3.Error: the ledger cannot be written; nothing is acknowledged from then on.
        """
        while not self._broken.done():
            try:
                await self._serve()
            except aiomqtt.MqttError as error:
                if not self._broken.done():
                    logger.info("broker %s:%d: %s; trying again", self._host, self._port, error)
                    await asyncio.sleep(RECONNECT_WAIT_S)
            finally:
                self.connected.clear()
        self._broken.result()

    async def _serve(self) -> None:
        client = mqtt_client(
            self._host,
            self._port,
            self._client_id,
            session_expiry_s=SESSION_EXPIRY_S,
            intake=partial(_Intake, self._take),
        )
        async with client:
            await client.subscribe([(topic, 1) for topic in SUBSCRIPTIONS])
            self.connected.set()
            self._owe(*self._ledger.devices())  # a broker that was killed has lost its retained messages
            publisher = asyncio.create_task(self._publish_receipts(client), name="receipts")
            watch = asyncio.create_task(_until_disconnected(client), name="connection")
            try:
                await asyncio.wait((publisher, watch, self._broken), return_when=asyncio.FIRST_COMPLETED)
            finally:
                await _end(publisher, watch)
            for outcome in (task.exception() for task in (publisher, watch) if not task.cancelled()):
                if isinstance(outcome, Exception):
                    raise outcome

    def _take(self, message: aiomqtt.Message) -> None:
        """Stores one message; raising here keeps it unacknowledged, and ends `run`."""
        try:
            self._store(str(message.topic), message.payload if isinstance(message.payload, bytes) else b"")
        except Exception as error:
            if not self._broken.done():
                self._broken.set_exception(error)
            raise

    def _store(self, topic_text: str, payload: bytes) -> None:
        try:
            topic = parse_topic(topic_text)
        except TopicRefused as refused:
            self._ledger.bury(topic_text, str(refused), payload)
            return
        device = f"{topic.site}/{topic.device}"
        if topic.channel is Channel.EVENTS:
            self._ledger.accept(topic, payload)
            self._owe(device)
        elif payload and self._ledger.note_state(topic, payload):  # an empty payload clears a retained state
            self._owe(device)

    def _owe(self, *devices: str) -> None:
        self._owed.update(devices)
        if self._owed:
            self._owing.set()

    async def _publish_receipts(self, client: aiomqtt.Client) -> None:
        """One receipt a device for whatever arrived since the last: at once when it was quiet, else every 0.25 s."""
        while True:
            await self._owing.wait()
            self._owing.clear()
            owed, self._owed = self._owed, set()
            for device in sorted(owed):
                topic = DeviceName(*device.split("/")).topic(Channel.RECEIPTS)
                await client.publish(topic, receipt_payload(self._ledger, device, self._accepts), qos=1, retain=True)
            await asyncio.sleep(RECEIPT_INTERVAL_S)


class _Intake(asyncio.Queue[aiomqtt.Message]):
    """What aiomqtt takes for its queue of incoming messages: it stores, and keeps nothing."""

    def __init__(self, take: Callable[[aiomqtt.Message], None], maxsize: int) -> None:
        super().__init__(maxsize)
        self._take = take

    def put_nowait(self, item: aiomqtt.Message) -> None:
        self._take(item)


async def _end(*tasks: asyncio.Task[None]) -> None:
    """Cancels until all have ended: on Python 3.11 `asyncio.wait_for` loses a cancellation that meets its answer."""
    while any(not task.done() for task in tasks):
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=CANCEL_AGAIN_S)


async def _until_disconnected(client: aiomqtt.Client) -> None:
    async for _ in client.messages:
        pass

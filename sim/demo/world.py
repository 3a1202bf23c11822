"""The demo's world: broker, network, cloud twin and agent, all real and all on loopback, around one folder."""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final, Self

import aiomqtt
from aiohttp import ClientError, ClientSession, ClientTimeout, TCPConnector, UnixConnector

from agent.clock import ShopClock, SystemClock, rfc3339
from agent.data_folder import DataFolder
from agent.producers import ProducerRegistry
from agent.topics import DeviceName
from sim.broker import Broker, BrokerKind, listeners_of
from sim.cloud.connection import mqtt_client
from sim.cloud.counts import LedgerWatch
from sim.demo.kiosks import KIOSK_LOG, Kiosks
from sim.demo.processes import Child
from sim.demo.sender import Sender, Tally
from sim.demo.till_requests import TillRequestLine
from sim.demo.vehicles import Vehicles
from sim.network import FaultProxy, LineState, Profile
from sim.store.baskets import SalesSource

__all__ = ["DATA_FOLDER", "DEVICE", "World"]

DATA_FOLDER: Final = "data"
"""Where the agent keeps its data, in the folder of the demo."""
DEVICE: Final = DeviceName("demo-store", "box-1")
LEAD_S: Final = 4.0
"""Between the moment the shop clock is set and the day's beginning: agent and kiosks start meanwhile."""
ASK_TIMEOUT_S: Final = 5.0

Json = dict[str, Any]  # Any: JSON

_SETTINGS: Final = """\
# Written by the demo. `storeforward config show --config THIS_FILE --origin` explains it.
[site]
id = "{site}"
time_zone = "{time_zone}"
currency = "{currency}"

[device]
id = "{device}"

[link]
host = "127.0.0.1"
port = {broker_port}
backoff_min_s = 0.2
backoff_max_s = 2.0

[api]
tcp_port = {tcp_port}
producer_events_per_s = 20000

[clock]
speed = {speed!r}
starts_at = {starts_at}
origin_s = {origin_s!r}
"""


class World:
    """Enter it to start everything; leave it and everything has ended, the files are whole."""

    def __init__(
        self,
        out: Path,
        source: SalesSource,
        kiosks: Kiosks,
        vehicles: Vehicles,
        *,
        speed: float,
        broker_kind: BrokerKind,
        network: Profile | None = None,
    ) -> None:
        self.out = out
        self.folder = DataFolder(out / DATA_FOLDER)
        self.ledger_file = out / "cloud" / "ledger.sqlite"
        self.tally = Tally()
        self.kiosks = kiosks
        self.vehicles = vehicles
        self.outage_s = 0.0
        self.clock = ShopClock(source.starts_at, 0.0, speed)
        self._source = source
        self._broker_kind = broker_kind
        self._line = network or Profile("perfect", "nothing goes wrong by itself")
        self._machine = SystemClock()
        self._closing = AsyncExitStack()

    @property
    def log_file(self) -> Path:
        return self.folder.log / "events.sqlite"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as closing:
            (self.out / "cloud" / "broker").mkdir(parents=True, exist_ok=True)
            self.folder.create()
            self._broker = Broker(self._broker_kind, self.out / "cloud" / "broker")
            closing.push_async_callback(self._broker.stop)
            await self._broker.start()
            line = FaultProxy(self._broker.host, self._broker.port, up=self._line.up, down=self._line.down)
            self.network = await closing.enter_async_context(line)
            self.twin = Child(self._twin_arguments(), self.out / "cloud" / "twin.log", self._twin_ready, self._machine)
            closing.push_async_callback(self.twin.stop)
            await self.twin.start()
            closing.callback(self.vehicles.stop)
            await asyncio.to_thread(self.vehicles.start)
            self._tcp_port = _free_port()
            await self._open_sessions(closing)
            self.agent = Child(self._agent_arguments(), self.out / "agent.log", self._agent_ready, self._machine)
            closing.push_async_callback(self.agent.stop)
            self.clock = ShopClock(self._source.starts_at, self._machine.monotonic_s() + LEAD_S, self.clock.speed)
            settings_file = self.out / "storeforward.toml"
            settings_file.write_text(self._settings() + self.vehicles.settings, encoding="utf-8")
            closing.push_async_callback(self.kiosks.stop)
            kiosks = self.kiosks.start(settings_file, self.folder.path, self.out / KIOSK_LOG)
            await asyncio.gather(self.agent.start(), kiosks)
            self.ledger = LedgerWatch(self.ledger_file, self.log_file, f"{DEVICE.site}/{DEVICE.device}")
            closing.callback(self.ledger.close)
            self._closing = closing.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._closing.aclose()

    def till_sender(self, till_id: str) -> Sender:
        """A till's way in: over TCP with its own token, as from another machine in the shop."""
        return Sender(self._tcp, self._url, self._till_headers(till_id), till_id, self.tally, self.clock)

    def attended_till(self, till_id: str) -> tuple[Sender, TillRequestLine]:
        """The same, with the line on which the till hears what its kiosk asks for."""
        headers = self._till_headers(till_id)
        sender = Sender(self._tcp, self._url, headers, till_id, self.tally, self.clock)
        return sender, TillRequestLine(self._tcp, self._url, headers, till_id)

    def local_sender(self, producer: str) -> Sender:
        """A sensor's way in: over the Unix socket."""
        headers = {"Storeforward-Producer": producer}
        return Sender(self._unix, "http://agent", headers, producer, self.tally, self.clock)

    def cloud_client(self, name: str) -> aiomqtt.Client:
        """Somebody in the cloud, straight at the broker; to be entered."""
        return mqtt_client(self._broker.host, self._broker.port, name)

    @property
    def broker_address(self) -> tuple[str, int]:
        """Host and port of the broker, as the cloud's side has it."""
        return self._broker.host, self._broker.port

    @property
    def network_is_up(self) -> bool:
        """Whether the shop's line to the cloud is whole."""
        return self.network.state is LineState.UP

    async def cut_network(self, length_s: float) -> None:
        """Reset every connection to the broker and refuse new ones for so long; `outage_s` has the true length."""
        began_s = self._machine.monotonic_s()
        self.network.cut()
        try:
            await asyncio.sleep(length_s)
        finally:
            self.network.restore()
            self.outage_s = self._machine.monotonic_s() - began_s

    async def status(self) -> Json | None:
        """The agent's own status; None while it is down."""
        return await self._ask("GET", "/v1/status")

    async def vehicles_now(self) -> list[Json]:
        """What the agent says of each vehicle; nothing while it is down."""
        found = await self._ask("GET", "/v1/agvs")
        return list(found["vehicles"]) if found else []

    async def ask_of_vehicle(self, vehicle_id: str, what: str, **wish: str) -> bool:
        """Have a vehicle stopped or released; whether the agent did so."""
        return await self._ask("POST", f"/v1/agvs/{vehicle_id}/{what}", wish) is not None

    def listeners(self) -> Iterator[tuple[str, int]]:
        """Every TCP listener of the processes that this world started."""
        kiosks = (kiosk.pid for kiosk in self.kiosks.running)
        for pid in (self.agent.pid, self.twin.pid, self._broker.pid, *kiosks):
            if pid is not None:
                yield from listeners_of(pid)

    async def _ask(self, method: str, path: str, body: Json | None = None) -> Json | None:
        """The agent's answer on its socket; None while it is down, and when it refuses."""
        timeout = ClientTimeout(ASK_TIMEOUT_S)
        try:
            async with self._unix.request(method, f"http://agent{path}", json=body, timeout=timeout) as response:
                return dict(await response.json()) if response.ok else None
        except (ClientError, OSError, TimeoutError):
            return None

    async def _open_sessions(self, closing: AsyncExitStack) -> None:
        self._producers = ProducerRegistry(self.folder.identity)
        self._tcp = await closing.enter_async_context(ClientSession(connector=TCPConnector(limit=0)))
        connector = UnixConnector(str(self.folder.socket), limit=0)
        self._unix = await closing.enter_async_context(ClientSession(connector=connector))

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self._tcp_port}"

    def _till_headers(self, till_id: str) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._producers.add(till_id, ['pos.*'])}"}

    async def _twin_ready(self) -> bool:
        return "ready" in self.twin.last_words()

    async def _agent_ready(self) -> bool:
        return await self.status() is not None

    def _twin_arguments(self) -> list[str]:
        address = ["--host", self._broker.host, "--port", str(self._broker.port)]
        return ["sim.cloud", *address, "--ledger", str(self.ledger_file)]

    def _agent_arguments(self) -> list[str]:
        return ["agent", "run", "--config", str(self.out / "storeforward.toml"), "--data", str(self.folder.path)]

    def _settings(self) -> str:
        return _SETTINGS.format(
            site=DEVICE.site,
            device=DEVICE.device,
            time_zone=self._source.time_zone,
            currency=self._source.currency,
            broker_port=self.network.port,
            tcp_port=self._tcp_port,
            speed=self.clock.speed,
            starts_at=rfc3339(self.clock.starts_at),
            origin_s=self.clock.origin_s,
        )


def _free_port() -> int:
    """A loopback port that nobody has right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])

"""A shop whose line to the cloud is bad: a device, the line, a real broker, and a cloud that keeps a ledger."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent.clock import SystemClock
from sim.broker import Broker, BrokerKind, running_broker
from sim.cloud.ledger import Ledger
from sim.cloud.reconcile import Reconciliation, reconcile
from sim.cloud.twin import CloudTwin
from sim.network import Profile, ProfiledLine
from tests.link.certificates import Authority
from tests.link.device import NAME, Device, device
from tests.link.peers import DEADLINE_S, tls_in_front_of, until

PERFECT = Profile("perfect", "nothing goes wrong by itself")


class Cloud:
    """The ledger, and what feeds it while it is there."""

    def __init__(self, ledger: Ledger, broker: Broker) -> None:
        self._ledger = ledger
        self._broker = broker
        self._twin: asyncio.Task[None] | None = None

    async def come(self) -> None:
        """Returns when it is subscribed."""
        twin = CloudTwin(self._ledger, self._broker.host, self._broker.port)
        self._twin = asyncio.create_task(twin.run(), name="twin")
        async with asyncio.timeout(DEADLINE_S):
            await twin.connected.wait()

    async def go(self) -> None:
        """Ends its connection."""
        if self._twin is not None:
            self._twin.cancel()
            async with asyncio.timeout(DEADLINE_S):
                await asyncio.wait([self._twin])


@dataclass
class Shop:
    """Everything between a log and its ledger."""

    device: Device
    line: ProfiledLine
    broker: Broker
    cloud: Cloud
    ledger_file: Path

    def reconciled(self) -> Reconciliation:
        return reconcile(self.ledger_file, self.device.log.file)

    async def reconnected(self, times: int) -> None:
        """Returns when the device has connected anew so many times since its start."""
        await until(lambda: self.device.link.status().reconnects >= times)

    def connect_anew(self) -> None:
        """Has the device hear the ledger again: on a connection that lives, a last batch that is lost shows late."""
        self.line.cut()
        self.line.restore()

    async def all_is_there_once(self, *, dead_letters_max: int = 0, deadline_s: float = DEADLINE_S) -> Reconciliation:
        """Returns when nothing waits and the ledger lacks nothing; then nothing may count twice or be another's."""
        await until(lambda: self.device.waiting() == 0, deadline_s)
        await until(lambda: self.reconciled().missing == 0)
        found = self.reconciled()
        assert (found.missing, found.duplicates, found.conflicts) == (0, 0, 0)
        assert found.events == sum(stream.log_count or 0 for stream in found.streams) > 0
        assert {stream.device for stream in found.streams} == {f"{NAME.site}/{NAME.device}"}
        assert found.dead_letters <= dead_letters_max
        return found


@asynccontextmanager
async def shop(
    kind: BrokerKind,
    folder: Path,
    profile: Profile = PERFECT,
    *,
    authority: Authority | None = None,
    **changes: Any,  # Any: link settings by name
) -> AsyncIterator[Shop]:
    """A shop on a line with a profile, over TLS if there is an authority; the cloud's own line is good.

    The device has not connected yet when the block begins.
    """
    async with running_broker(kind, folder / "broker") as broker, AsyncExitStack() as closing:
        ledger = Ledger.open(folder / "ledger.sqlite", SystemClock())
        closing.callback(ledger.close)
        cloud = Cloud(ledger, broker)
        closing.push_async_callback(cloud.go)
        await cloud.come()
        port = broker.port
        if authority is not None:
            port = await closing.enter_async_context(tls_in_front_of(port, authority.server()))
            changes |= {"tls": True, "ca_file": str(authority.file)}
        line = await closing.enter_async_context(ProfiledLine(profile, broker.host, port, seed=1))
        one = await closing.enter_async_context(device(folder, line.port, **changes))
        yield Shop(one, line, broker, cloud, folder / "ledger.sqlite")

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


@dataclass
class Shop:
    """Everything between a log and its ledger."""

    device: Device
    line: ProfiledLine
    broker: Broker
    ledger_file: Path

    def reconciled(self) -> Reconciliation:
        return reconcile(self.ledger_file, self.device.log.file)

    async def reconnected(self, times: int) -> None:
        """Returns when the device has connected anew so many times since its start."""
        await until(lambda: self.device.link.status().reconnects >= times)

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
        twin = CloudTwin(ledger, broker.host, broker.port)
        closing.push_async_callback(_stop, asyncio.create_task(twin.run(), name="twin"))
        async with asyncio.timeout(DEADLINE_S):
            await twin.connected.wait()
        port = broker.port
        if authority is not None:
            port = await closing.enter_async_context(tls_in_front_of(port, authority.server()))
            changes |= {"tls": True, "ca_file": str(authority.file)}
        line = await closing.enter_async_context(ProfiledLine(profile, broker.host, port, seed=1))
        one = await closing.enter_async_context(device(folder, line.port, **changes))
        yield Shop(one, line, broker, folder / "ledger.sqlite")


async def _stop(twin: asyncio.Task[None]) -> None:
    twin.cancel()
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.wait([twin])

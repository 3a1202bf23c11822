"""An MQTT broker as a child process on loopback: `iotcore` (rumqttd from a wheel) or `mosquitto` (from apt).

Both speak MQTT 5 (iotcore can do without), can be killed and come back on the same port, end with their parent, and
never listen beyond 127.0.0.1. `python -m sim.broker KIND CONFIG PARENT_PID` is the child.
"""

import asyncio
import ctypes
import logging
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from pathlib import Path
from typing import Final, Literal

from agent.errors import EnvironmentFault

__all__ = [
    "Broker",
    "BrokerKind",
    "BrokerLimits",
    "BrokerUnavailable",
    "end_with_parent",
    "listeners_of",
    "running_broker",
]

BrokerKind = Literal["iotcore", "mosquitto"]

LOOPBACK: Final = "127.0.0.1"
START_TIMEOUT_S: Final = 20.0  # importing a wheel on a busy small machine takes seconds
STOP_TIMEOUT_S: Final = 5.0
POLL_S: Final = 0.01
PR_SET_PDEATHSIG: Final = 1  # linux/prctl.h
TCP_LISTEN: Final = "0A"  # include/net/tcp_states.h

_IOTCORE_CONFIG: Final = """\
id = 0

[router]
id = 0
max_connections = 1000
max_outgoing_packet_count = 200
max_segment_size = {segment_bytes}
max_segment_count = 10

[{version}.1]
name = "{version}-1"
listen = "{host}:{port}"
next_connection_delay_ms = 1

[{version}.1.connections]
connection_timeout_ms = 60000
max_payload_size = {packet_bytes}
max_inflight_count = {inflight}
dynamic_filters = false
"""

# Without `user`, mosquitto started by root becomes another user: our folder closed to it, the parent-death signal lost.
_MOSQUITTO_CONFIG: Final = """\
listener {port} {host}
allow_anonymous true
user root
set_tcp_nodelay true
max_packet_size {packet_bytes}
max_inflight_messages {inflight}
max_queued_messages {queued}
connection_messages false
persistence {persistence}
persistence_location {folder}/
autosave_interval 1
log_dest stderr
log_type error
log_type warning
"""


class BrokerUnavailable(EnvironmentFault):
    """A broker that is not installed, did not start, or lost its port."""


@dataclass(frozen=True, slots=True)
class BrokerLimits:
    """What the broker takes, and what it keeps for a client that is away."""

    packet_bytes_max: int = 1_048_576
    inflight_messages_max: int = 100
    queued_messages_max: int = 100_000
    segment_bytes_max: int = 64 * 1_048_576  # iotcore keeps ten segments in memory, then forgets the oldest


class Broker:
    """One broker process; `port` stays the same over stop, kill and start."""

    def __init__(
        self,
        kind: BrokerKind,
        folder: Path,
        *,
        port: int = 0,
        limits: BrokerLimits | None = None,
        acl: str = "",
        persistent: bool = False,
        mqtt_5: bool = True,
        config: str = "",
    ) -> None:
        """Prepares a broker with its files in `folder`.

        `acl` (text) and `persistent` exist for mosquitto only, one that speaks nothing newer than 3.1.1 as iotcore.
        `config`, in the broker's own format, replaces all of ours; `{host}` and `{port}` in it are filled in.
        """
        if kind == "iotcore" and (acl or persistent):
            raise ValueError("iotcore has no access lists and no persistence: use mosquitto")
        if kind == "mosquitto" and not mqtt_5:
            raise ValueError("mosquitto always speaks MQTT 5: use iotcore")
        self.kind: Final = kind
        self.host: Final = LOOPBACK
        self.folder: Final = folder
        self.port = port
        self._limits = limits or BrokerLimits()
        self._acl = acl
        self._persistent = persistent
        self._mqtt_5 = mqtt_5
        self._given_config = config
        self._child: subprocess.Popen[bytes] | None = None
        self._reservation: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """The running broker's process id."""
        return self._child.pid if self._child is not None and self._child.poll() is None else None

    @property
    def running(self) -> bool:
        return self.pid is not None

    async def start(self) -> None:
        """Starts the broker and returns when it accepts connections; on the same port as before, if there was one.

        Raises:
            BrokerUnavailable: not installed, or not listening within 20 s; the text holds the end of its log.
        """
        if self.running:
            return
        try:
            self._reserve_port()
            self._child = self._spawn()
            await self._until_ready()
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Ends the broker in its own way (mosquitto saves its state), by force after 5 s. Harmless when not running."""
        try:
            if self._child is not None:
                self._child.terminate()
                await asyncio.to_thread(self._child.wait, STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            pass
        finally:
            self.kill()
            if self._reservation is not None:
                self._reservation.close()
                self._reservation = None

    def kill(self) -> None:
        """SIGKILL, as a power cut would; `start()` brings it back on the same port, which stays reserved."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None

    def _reserve_port(self) -> None:
        # Bound but not listening: the child may bind beside it, and the kernel gives the port to nobody else, neither
        # to a listener on port 0 nor as the source port of a client that retries while the broker is down.
        if self._reservation is not None:
            return
        self._reservation = socket.socket()
        self._reservation.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._reservation.bind((self.host, self.port))
        except OSError as error:
            raise BrokerUnavailable(f"{self.kind} cannot have {self.host}:{self.port}: {error.strerror}") from error
        self.port = self._reservation.getsockname()[1]

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / ("iotcore.toml" if self.kind == "iotcore" else "mosquitto.conf")
        config.write_text(self._config(), encoding="utf-8")
        command = [sys.executable, "-m", "sim.broker", self.kind, str(config), str(os.getpid())]
        with (self.folder / "broker.log").open("ab") as log:
            # A session of its own: Ctrl-C reaches the parent only, which then ends things in order.
            return subprocess.Popen(  # noqa: S603 - our own interpreter and module
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _config(self) -> str:
        limits = self._limits
        if self._given_config:
            return self._given_config.replace("{host}", self.host).replace("{port}", str(self.port))
        if self.kind == "iotcore":
            return _IOTCORE_CONFIG.format(
                version="v5" if self._mqtt_5 else "v4",  # rumqttd's names: 4 is the protocol level of MQTT 3.1.1
                host=self.host,
                port=self.port,
                packet_bytes=limits.packet_bytes_max,
                inflight=limits.inflight_messages_max,
                segment_bytes=limits.segment_bytes_max,
            )
        _mosquitto_path()
        text = _MOSQUITTO_CONFIG.format(
            host=self.host,
            port=self.port,
            packet_bytes=limits.packet_bytes_max,
            inflight=limits.inflight_messages_max,
            queued=limits.queued_messages_max,
            persistence="true" if self._persistent else "false",
            folder=self.folder,
        )
        if self._acl:
            acl_file = self.folder / "mosquitto.acl"
            acl_file.write_text(self._acl, encoding="utf-8")
            acl_file.chmod(0o600)
            text += f"acl_file {acl_file}\n"
        return text

    async def _until_ready(self) -> None:
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                while (pid := self.pid) is not None:
                    if (self.host, self.port) in listeners_of(pid) and await _connects(self.host, self.port):
                        return
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            pass
        raise BrokerUnavailable(f"{self.kind} does not listen on {self.host}:{self.port}: {self._log_end()}")

    def _log_end(self) -> str:
        return (self.folder / "broker.log").read_text(encoding="utf-8", errors="replace")[-800:].strip() or "no output"


@asynccontextmanager
async def running_broker(
    kind: BrokerKind,
    folder: Path,
    *,
    port: int = 0,
    limits: BrokerLimits | None = None,
    acl: str = "",
    persistent: bool = False,
    mqtt_5: bool = True,
    config: str = "",
) -> AsyncIterator[Broker]:
    """A broker for the length of a block; port 0 lets the system choose."""
    broker = Broker(
        kind, folder, port=port, limits=limits, acl=acl, persistent=persistent, mqtt_5=mqtt_5, config=config
    )
    try:
        await broker.start()
        yield broker
    finally:
        await broker.stop()


def listeners_of(pid: int) -> set[tuple[str, int]]:
    """The TCP (address, port) pairs a process listens on, from /proc; empty when it is gone."""
    inodes = set()
    try:
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            try:
                target = str(entry.readlink())
            except OSError:
                continue  # closed while we looked
            if target.startswith("socket:["):
                inodes.add(target[8:-1])
        tables = [Path(f"/proc/{pid}/net/{name}") for name in ("tcp", "tcp6")]
        rows = [line.split() for table in tables if table.exists() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return set()
    return {_address(row[1]) for row in rows if row[3] == TCP_LISTEN and row[9] in inodes}


def end_with_parent(parent_pid: int) -> None:
    """Has the kernel kill this process when its parent ends, however that ends (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent_pid:
        sys.exit("the parent ended before this process began")


def _address(text: str) -> tuple[str, int]:
    # /proc prints each 32-bit word of the address in the machine's byte order.
    digits, port = text.split(":")
    words = struct.pack(f"={len(digits) // 8}I", *(int(digits[at : at + 8], 16) for at in range(0, len(digits), 8)))
    address: IPv4Address | IPv6Address = ip_address(words)
    return str(address), int(port, 16)


async def _connects(host: str, port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True


def _mosquitto_path() -> str:
    path = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin")
    if path is None:
        raise BrokerUnavailable("mosquitto is not installed: apt-get install mosquitto")
    return path


def _run_child(kind: str, config: str, parent_pid: int) -> None:
    end_with_parent(parent_pid)
    if kind == "mosquitto":
        os.execv(_mosquitto_path(), ["mosquitto", "-c", config])  # noqa: S606 - found by name, no shell wanted
    from iotcore.iotcore import IotCoreBroker  # noqa: PLC0415 - the parent must not load 14 MB of broker

    # rumqttd logs every packet as an error span.
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    logging.getLogger("rumqttd").setLevel(logging.CRITICAL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        IotCoreBroker(config_path=config).run_forever()
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    _run_child(sys.argv[1], sys.argv[2], int(sys.argv[3]))

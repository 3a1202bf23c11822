"""Owns the Unix socket of a bridge in its own process: who may come in, one client for each vehicle, and its end."""

import errno
import os
import select
import signal
import socket
import stat
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Lock, Thread
from types import FrameType, TracebackType
from typing import Final, NamedTuple, Self

from firmware_bridge.errors import BridgeError
from firmware_bridge.message_socket import READ_OCTETS_MAX, MessageSocket, PeerGone, Process, process_of
from firmware_bridge.messages import printable
from firmware_bridge.socket_messages import VERSION, Goodbye, Hello, Message, MessagesBroken
from firmware_bridge.socket_session import Session

__all__ = ["SerialPort", "SocketServer", "SocketUnusable", "serve_until_stopped"]

PATH_OCTETS_MAX: Final = 107
"""Of a socket's path: sun_path of unix(7) without its final NUL."""

GREETING_S_MAX: Final = 1.0
GREETINGS_MAX: Final = 16
"""Connections beyond one for each vehicle: those that are being refused."""

LOOK_S: Final = 0.2
Say = Callable[[str], None]


class SocketUnusable(BridgeError):
    """The environment's fault: the socket cannot be made at this path; the text says why."""


class ClientRefused(BridgeError):
    """The client's fault: it is not let in; the text says why."""


class SerialPort(NamedTuple):
    """Where a vehicle's line is."""

    path: str
    baud: int


class SocketServer:
    """Serves these vehicles' lines at the socket `path`, mode 0600; nothing is opened before a client asks for it."""

    def __init__(self, path: Path, ports: Mapping[str, SerialPort], say: Say) -> None:
        """Listens; `say` gets a line about each client that comes, goes or is refused. Raises SocketUnusable."""
        self._path = path
        self._ports = dict(ports)
        self._say = say
        self._listener = _listen(path)
        self._taken: dict[str, int] = {}
        self._taking = Lock()
        self._threads: list[Thread] = []
        self._goes_on = True

    def __enter__(self) -> Self:
        """The server itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def run(self) -> None:
        """Let clients in until `end`, or an exception such as a signal's SystemExit."""
        while self._goes_on:
            if not select.select([self._listener], [], [], LOOK_S)[0]:
                continue
            with suppress(BlockingIOError, ConnectionAbortedError):
                self._let_in(self._listener.accept()[0])

    def end(self) -> None:
        """Make `run` return within 0.2 s, from any thread."""
        self._goes_on = False

    def close(self) -> None:
        """Say goodbye to every client, close every line, remove the socket."""
        self._goes_on = False
        with suppress(FileNotFoundError):
            self._path.unlink()
        self._listener.close()
        for thread in self._threads:
            thread.join()

    def _let_in(self, connection: socket.socket) -> None:
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        if len(self._threads) >= len(self._ports) + GREETINGS_MAX:
            connection.close()
            return
        thread = Thread(target=self._serve, args=(connection,), name="bridge client", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        """One connection, in its own thread."""
        commands, peer = MessageSocket(connection), process_of(connection)
        try:
            vehicle, stops = _greeted(connection, commands, peer)
        except BridgeError as error:
            self._refuse(commands, peer, str(error))
            return
        why = self._take(vehicle, peer)
        if why:
            self._refuse(commands, peer, why)
            stops.close()  # not before: a client that speaks shall find the reason
            return
        try:
            self._say(f"{vehicle}: process {peer.pid} has it")
            ended = self._session(vehicle, commands, stops)
            self._say(f"{vehicle}: process {peer.pid} left: {ended}")
        finally:
            del self._taken[vehicle]

    def _session(self, vehicle: str, commands: MessageSocket, stops: MessageSocket) -> str:
        port = self._ports[vehicle]
        return Session(commands, stops, port=port.path, baud=port.baud).run(lambda: self._goes_on)

    def _take(self, vehicle: str, peer: Process) -> str:
        """Why this client cannot have the vehicle; nothing when it has it from now on."""
        if vehicle not in self._ports:
            return f"no vehicle {vehicle!r} here: expected one of {', '.join(self._ports)}"
        with self._taking:
            holder = self._taken.get(vehicle)
            if holder is None:
                self._taken[vehicle] = peer.pid
                return ""
        return f"{vehicle} is in use by process {holder}: a vehicle has one client, stop that one first"

    def _refuse(self, commands: MessageSocket, peer: Process, why: str) -> None:
        self._say(f"process {peer.pid} refused: {why}")
        with suppress(PeerGone):
            commands.send(Goodbye(why.encode()))
        commands.close()


def serve_until_stopped(path: Path, ports: Mapping[str, SerialPort], say: Say) -> None:
    """Serve these vehicles until SIGTERM or SIGINT; raises SocketUnusable."""

    def leave(number: int, frame: FrameType | None) -> None:
        del frame
        sys.exit(0 if number == signal.SIGTERM else 128 + number)

    with SocketServer(path, ports, say) as server:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, leave)
        say(f"ready at {path} for {', '.join(ports)}")
        server.run()


def _listen(path: Path) -> socket.socket:
    octets = len(os.fsencode(path))
    if octets > PATH_OCTETS_MAX:
        raise SocketUnusable(
            f"{path}: {octets} octets of path, expected at most {PATH_OCTETS_MAX}: choose a shorter one"
        )
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchmod(listener.fileno(), 0o600)  # bind(2) makes the file with the mode of the socket: never open to others
        _bind(listener, path)
        listener.listen(GREETINGS_MAX)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise SocketUnusable(f"{path}: no socket can be made there ({error.strerror})") from error
    except SocketUnusable:
        listener.close()
        raise
    return listener


def _bind(listener: socket.socket, path: Path) -> None:
    try:
        listener.bind(str(path))
    except OSError as error:
        if error.errno != errno.EADDRINUSE or not path.is_socket():
            raise
        _refuse_a_second_server(path)
        path.unlink()  # left by a process that was killed
        listener.bind(str(path))


def _refuse_a_second_server(path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            return
        raise SocketUnusable(f"{path} is served by process {process_of(probe).pid}: stop that bridge first")


def _greeted(connection: socket.socket, commands: MessageSocket, peer: Process) -> tuple[str, MessageSocket]:
    """The vehicle that the client asks for and its socket for stops; raises ClientRefused, MessagesBroken, PeerGone."""
    if not peer.is_same_user:
        raise ClientRefused("another user's process: start it as the user of the bridge")
    if not select.select([connection], [], [], GREETING_S_MAX)[0]:
        raise ClientRefused(f"no greeting came within {GREETING_S_MAX:.0f} s")
    octets, descriptors = _received(connection)
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors if _is_socket(descriptor)]
    try:
        vehicle = _asked_for(commands.received(octets))
        if len(sockets) != 1 or sockets[0].family != socket.AF_UNIX or sockets[0].type != socket.SOCK_STREAM:
            raise ClientRefused("no Unix stream socket for stops came with the greeting")
    except BridgeError:
        for each in sockets:
            each.close()
        raise
    return vehicle, MessageSocket(sockets[0])


def _received(connection: socket.socket) -> tuple[bytes, list[int]]:
    try:
        octets, descriptors, _flags, _address = socket.recv_fds(connection, READ_OCTETS_MAX, 1, socket.MSG_CMSG_CLOEXEC)
    except OSError as error:
        raise PeerGone(f"it closed the socket ({error.strerror})") from error
    if not octets:
        raise PeerGone("it closed the socket without a greeting")
    return octets, list(descriptors)


def _is_socket(descriptor: int) -> bool:
    if stat.S_ISSOCK(os.fstat(descriptor).st_mode):
        return True
    os.close(descriptor)
    return False


def _asked_for(messages: list[Message]) -> str:
    match messages:
        case [Hello(version=version, vehicle=vehicle)] if version == VERSION:
            return printable(vehicle)
        case [Hello(version=version)]:
            raise ClientRefused(f"it speaks version {version}, this bridge {VERSION}: start both from one release")
        case _:
            raise MessagesBroken("the first message is not a greeting")

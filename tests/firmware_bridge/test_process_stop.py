"""A stop overtakes every command that waits in the socket; the session is turned by hand, so order is not luck."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from firmware_bridge import BAUD, LatchCause, Latched, LinkUp, Move, Released, StopReason
from firmware_bridge._line import now_us
from firmware_bridge.message_socket import MessageSocket, PeerGone
from firmware_bridge.messages import RawEvent, event_of
from firmware_bridge.socket_messages import (
    FOREVER_US,
    HELD_MAX,
    Feed,
    Message,
    MessagesBroken,
    NotTaken,
    Release,
    Stop,
    Stopping,
    Submit,
    Taken,
    Told,
)
from firmware_bridge.socket_session import Session
from sim.vehicle import Vehicle

DEADLINE_S = 20.0


class Client:
    """The other ends of a session's sockets; each round of it is one turn of the session."""

    def __init__(self, port: Path) -> None:
        commands, stops = socket.socketpair(), socket.socketpair()
        self.commands, self.stops = MessageSocket(commands[0]), MessageSocket(stops[0])
        self.session = Session(MessageSocket(commands[1]), MessageSocket(stops[1]), port=str(port), baud=BAUD)
        self.heard: list[Message] = []
        self.epoch = self.latch = 0
        self.is_released = False

    def close(self) -> None:
        self.session.close()
        self.commands.close()
        self.stops.close()

    def turn(self) -> None:
        self.session.turn()
        for message in self.commands.receive():
            self.heard.append(message)
            if isinstance(message, Told):
                self._take(event_of(RawEvent(*message), "", BAUD))

    def until(self, condition: Callable[[], object]) -> None:
        deadline_s = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < deadline_s
            self.stops.send(Feed(now_us()))
            self.turn()

    def opened(self) -> None:
        self.until(lambda: self.epoch and self.latch)
        while not self.is_released:
            self.stops.send(Release(self.latch))
            self.stops.send(Feed(now_us()))
            self.turn()

    def submit(self, number: int, *, epoch: int = 0, until_us: int = FOREVER_US) -> None:
        command = Move(command_id=number, ttl_ms=0, node=1, x_mm=5000, y_mm=0)
        self.commands.send(Submit(epoch or self.epoch, number, until_us, command.CODE, command.body()))

    def of(self, kind: type[Message]) -> list[Message]:
        return [message for message in self.heard if isinstance(message, kind)]

    def _take(self, event: object) -> None:
        match event:
            case LinkUp(epoch=epoch):
                self.epoch = epoch
            case Latched(latch=latch):
                self.latch = latch
            case Released():
                self.is_released = True


@pytest.fixture
def vehicle(tmp_path: Path) -> Iterator[Vehicle]:
    with Vehicle(tmp_path / "vehicle") as vehicle:
        yield vehicle


@pytest.fixture
def client(vehicle: Vehicle) -> Iterator[Client]:
    client = Client(vehicle.line)
    yield client
    client.close()


def test_a_stop_overtakes_a_full_socket_of_commands(client: Client, vehicle: Vehicle) -> None:
    client.opened()
    for number in range(1, HELD_MAX + 1):
        client.submit(number)
    client.stops.send(Stop(7, StopReason.PERSON))
    client.until(lambda: len(client.of(Taken)) == HELD_MAX)
    order = [type(message) for message in client.heard if isinstance(message, Stopping | Taken)]
    assert order == [Stopping, *([Taken] * HELD_MAX)]
    client.until(lambda: len(vehicle.seen("latched")) == 2)
    assert vehicle.seen("latched")[-1].numbers["cause"] == LatchCause.STOP
    assert not vehicle.seen("move_begin")


def test_a_stop_between_commands_waits_for_one_of_them_at_most(client: Client) -> None:
    client.opened()
    for number in range(1, HELD_MAX + 1):
        client.submit(number)
    client.until(lambda: len(client.of(Taken)) == 20)
    client.stops.send(Stop(7, StopReason.PERSON))
    client.turn()
    assert len(client.of(Stopping)) == 1
    assert len(client.of(Taken)) <= 21


def test_what_the_line_has_no_room_for_waits_and_is_taken_later(client: Client) -> None:
    client.opened()
    sent = 3 * HELD_MAX
    for number in range(1, sent + 1):
        client.until(lambda number=number: number - len(client.of(Taken)) <= HELD_MAX)  # type: ignore[misc]  # a default
        client.submit(number)
    client.until(lambda: len(client.of(Taken)) == sent)


def test_a_command_for_an_earlier_link_or_one_that_waited_too_long_is_not_sent(client: Client) -> None:
    client.opened()
    client.submit(1, epoch=client.epoch + 1)
    client.submit(2, until_us=now_us() - 1)
    client.until(lambda: len(client.of(NotTaken)) == 2)
    assert client.of(NotTaken) == [NotTaken(1, 0), NotTaken(2, 1)]
    assert not client.of(Taken)


def test_an_old_token_is_no_sign_of_life(client: Client, vehicle: Vehicle) -> None:
    client.opened()
    old_us = now_us() - 300_000
    deadline_s = time.monotonic() + DEADLINE_S
    while len(vehicle.seen("latched")) < 2:
        assert time.monotonic() < deadline_s
        client.stops.send(Feed(old_us))
        client.turn()
    assert vehicle.seen("latched")[-1].numbers["cause"] == LatchCause.LEASE


@pytest.mark.parametrize("message", [Feed(1), Stop(1, 1), Taken(1)], ids=str)
def test_what_does_not_belong_on_the_socket_for_commands_ends_the_session(client: Client, message: Message) -> None:
    client.commands.send(message)
    with pytest.raises(MessagesBroken, match="not on the socket for commands"):
        client.until(lambda: False)


@pytest.mark.parametrize("message", [Release(0), Submit(1, 1, 1, 1, b""), Taken(1)], ids=str)
def test_what_does_not_belong_on_the_socket_for_stops_ends_the_session(client: Client, message: Message) -> None:
    client.stops.send(message)
    with pytest.raises(MessagesBroken, match="not on the socket for stops"):
        client.until(lambda: False)


def test_more_commands_than_a_client_may_send_end_the_session(client: Client) -> None:
    client.opened()
    client.commands.send(Submit(client.epoch, 1, FOREVER_US, 1, b""))
    for number in range(2, 4 * HELD_MAX):
        client.commands.send(Submit(client.epoch, number, FOREVER_US, 1, b""))
    with pytest.raises(MessagesBroken, match="expected at most 64"):
        client.until(lambda: False)


def test_a_client_that_reads_nothing_holds_up_neither_the_session_nor_its_stop(client: Client) -> None:
    client.opened()
    while not client.session._commands.has_unsent:
        client.session._commands.send(Told(12, 1, 0, 0, 0, bytes(128)))
    client.stops.send(Stop(7, StopReason.PERSON))
    client.session.turn()
    client.until(lambda: client.of(Stopping))


def test_a_client_that_goes_ends_the_session(client: Client) -> None:
    client.commands.close()
    assert client.session.run(lambda: True).startswith("it closed the socket")
    with pytest.raises(PeerGone):
        client.stops.receive()

"""The fault proxy carries bytes unchanged, and fails as a network does."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from sim.network import Direction, FaultProxy, LineQuality, LineState, PacketType, Then, Trap

DEADLINE_S = 10.0


class Echo:
    """A server that sends back what it gets, and tells how each connection ended."""

    def __init__(self) -> None:
        self.port = 0
        self.open = 0
        self.ended_by: list[str] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        ending = "FIN"
        try:
            while chunk := await reader.read(65_536):
                writer.write(chunk)
                await writer.drain()
        except ConnectionResetError:
            ending = "RST"
        finally:
            self.open -= 1
            self.ended_by.append(ending)
            writer.close()


@asynccontextmanager
async def echo_server() -> AsyncIterator[Echo]:
    echo = Echo()
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    echo.port = server.sockets[0].getsockname()[1]
    try:
        yield echo
    finally:
        server.close()
        await until(lambda: echo.open == 0)


@pytest.fixture(autouse=True)
async def nothing_unhandled() -> AsyncIterator[None]:
    """A fault on purpose is no error: nothing of it reaches the event loop's last resort, and so the terminal."""
    unhandled: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unhandled.append(context))
    yield
    assert unhandled == []


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.002)


async def exchange(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, text: bytes) -> bytes:
    writer.write(text)
    async with asyncio.timeout(DEADLINE_S):
        return await reader.readexactly(len(text))


async def test_bytes_pass_unchanged_and_are_counted() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        text = bytes(range(256)) * 2_000
        assert await exchange(reader, writer, text) == text
        await until(lambda: proxy.bytes_down == len(text))
        assert (proxy.connections, proxy.open_connections) == (1, 1)
        assert (proxy.bytes_up, proxy.bytes_down) == (len(text), len(text))
        writer.close()
        await until(lambda: proxy.open_connections == 0)
        await until(lambda: echo.ended_by == ["FIN"])


async def test_a_cut_resets_both_ends() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        await exchange(reader, writer, b"before")
        proxy.cut()
        assert proxy.state is LineState.CUT
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), DEADLINE_S)
        writer.close()
        await until(lambda: echo.ended_by == ["RST"])
        await until(lambda: proxy.open_connections == 0)


async def test_while_cut_new_connections_are_reset_and_reach_nobody() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        proxy.cut()
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), DEADLINE_S)
        writer.close()
        assert proxy.connections == 1
        assert (echo.open, echo.ended_by) == (0, [])


async def test_after_restore_new_connections_pass() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        proxy.cut()
        proxy.restore()
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        assert await exchange(reader, writer, b"again") == b"again"
        writer.close()


async def test_a_black_hole_carries_nothing_and_tells_nobody() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        await exchange(reader, writer, b"before")
        proxy.black_hole()
        writer.write(b"held back")
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), 0.05)
        assert (echo.open, proxy.bytes_up) == (1, len("before"))
        proxy.restore()
        assert await asyncio.wait_for(reader.readexactly(9), DEADLINE_S) == b"held back"
        writer.close()


async def test_a_black_hole_hides_the_end_of_a_connection_until_it_is_over() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        await exchange(reader, writer, b"before")
        proxy.black_hole()
        writer.close()
        await writer.wait_closed()
        assert (echo.open, proxy.open_connections) == (1, 1)
        proxy.restore()
        await until(lambda: echo.ended_by == ["FIN"])


async def test_a_connection_opened_into_a_black_hole_passes_after_it() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        proxy.black_hole()
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        writer.write(b"hello")
        await until(lambda: proxy.open_connections == 1)
        assert echo.open == 0
        proxy.restore()
        assert await asyncio.wait_for(reader.readexactly(5), DEADLINE_S) == b"hello"
        writer.close()


async def test_a_cut_ends_connections_that_sit_in_a_black_hole() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        carried = await asyncio.open_connection(proxy.host, proxy.port)
        await exchange(*carried, b"before")
        proxy.black_hole()
        waiting = await asyncio.open_connection(proxy.host, proxy.port)
        await until(lambda: proxy.open_connections == 2)
        proxy.cut()
        for reader, writer in (carried, waiting):
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(reader.read(1), DEADLINE_S)
            writer.close()
        proxy.restore()
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        assert await exchange(reader, writer, b"again") == b"again"
        writer.close()


async def cut_while_connecting(proxy: FaultProxy) -> None:
    before = proxy.connections
    opening = asyncio.create_task(asyncio.open_connection(proxy.host, proxy.port))
    await until(lambda: proxy.connections > before)
    proxy.cut()
    reader, writer = await opening
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), DEADLINE_S)
    writer.close()


async def test_a_cut_in_the_moment_of_connecting_resets_too() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        for _ in range(20):
            await cut_while_connecting(proxy)
            proxy.restore()
        await until(lambda: proxy.open_connections == 0)


async def test_a_target_that_is_down_resets_the_caller() -> None:
    async with echo_server() as echo:
        port = echo.port
    async with FaultProxy("127.0.0.1", port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), DEADLINE_S)
        writer.close()


async def test_leaving_the_proxy_ends_its_connections() -> None:
    async with echo_server() as echo:
        async with FaultProxy("127.0.0.1", echo.port) as proxy:
            reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
            await exchange(reader, writer, b"before")
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), DEADLINE_S)
        writer.close()


async def test_a_black_hole_one_way_lets_the_other_way_through() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        await exchange(reader, writer, b"before")
        proxy.black_hole(Direction.DOWN)
        writer.write(b"held back")
        await until(lambda: proxy.bytes_up == len("beforeheld back"))
        assert proxy.bytes_down == len("before")
        proxy.restore()
        assert await asyncio.wait_for(reader.readexactly(9), DEADLINE_S) == b"held back"
        writer.close()


async def test_a_slow_narrow_line_with_losses_keeps_every_byte_in_order() -> None:
    bad = LineQuality(latency_s=0.05, jitter_s=0.05, bits_per_s=4_000_000, loss=0.05)
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port, up=bad, down=bad, seed=1) as proxy:
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        text = b"".join(number.to_bytes(4) for number in range(20_000))
        began_s = asyncio.get_running_loop().time()
        assert await exchange(reader, writer, text) == text
        assert asyncio.get_running_loop().time() - began_s >= len(text) * 8 / bad.bits_per_s
        writer.close()


CONNECT, PUBLISH = b"\x10\x02ab", b"\x30\x04cdef"


async def test_a_trap_resets_in_the_middle_of_a_packet() -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        proxy.faults(Direction.UP).set_trap(Trap(PacketType.PUBLISH, Then.RESET, octets=3))
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        assert await exchange(reader, writer, CONNECT) == CONNECT
        writer.write(PUBLISH)
        await until(lambda: echo.ended_by == ["RST"])
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(), DEADLINE_S)
        writer.close()
        assert proxy.bytes_up == len(CONNECT) + 3


@pytest.mark.parametrize(("then", "goes_on"), [(Then.SILENCE, 0), (Then.NO_ANSWER, len(PUBLISH))])
async def test_a_connection_that_falls_silent_ends_for_nobody_else(then: Then, goes_on: int) -> None:
    async with echo_server() as echo, FaultProxy("127.0.0.1", echo.port) as proxy:
        proxy.faults(Direction.UP).set_trap(Trap(PacketType.PUBLISH, then))
        reader, writer = await asyncio.open_connection(proxy.host, proxy.port)
        assert await exchange(reader, writer, CONNECT) == CONNECT
        writer.write(PUBLISH)
        await until(lambda: proxy.bytes_up == len(CONNECT + PUBLISH))
        writer.write(PUBLISH)
        other = await asyncio.open_connection(proxy.host, proxy.port)
        assert await exchange(*other, CONNECT) == CONNECT
        await until(lambda: proxy.bytes_up == len(CONNECT + PUBLISH + CONNECT) + goes_on)
        assert proxy.bytes_down == len(CONNECT + CONNECT)
        assert echo.open == 2
        for end in (writer, other[1]):
            end.close()
        # Only where one way still works does the far end hear that the near one has gone.
        await until(lambda: echo.open == (1 if then is Then.SILENCE else 0))

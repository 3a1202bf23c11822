"""`storeforward quarantine`: what an operator sees of damaged events and can do, through the running agent's socket."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from click.testing import CliRunner, Result

from agent.cli import main
from agent.clock import SystemClock
from agent.event_types import Stream
from agent.log import CLOUD, EventLog, Place
from agent.upkeep.damage_keeper import DamageKeeper
from tests.api.api_world import open_world
from tests.log.world import events, raw, read_all

Quarantine = Callable[..., Awaitable[Result]]


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["quarantine", *map(str, arguments)])


@asynccontextmanager
async def damaged(path: Path, *bytes_hit: int) -> AsyncIterator[tuple[Quarantine, EventLog]]:
    """The command against an agent whose second sale was delivered, and then lost a bit in each of these bytes."""
    async with open_world(path) as world:
        log = world.log
        await log.append(events(3))
        await log.advance(CLOUD, Stream.SALES, Place(1, 2))
        with raw(log) as connection:
            place = (Place(1, 2).key,)
            (body,) = connection.execute("SELECT body FROM event_sales WHERE place = ?", place).fetchone()
            spoilt = bytearray(body)
            for at in bytes_hit:
                spoilt[at] ^= 1
            connection.execute("UPDATE event_sales SET body = ? WHERE place = ?", (bytes(spoilt), *place))
        read_all(log)
        await DamageKeeper(log, world.decoder, SystemClock()).declare()

        async def quarantine(*arguments: object) -> Result:
            return await asyncio.to_thread(invoke, *arguments, "--data", world.folder.path)

        yield quarantine, log


async def test_the_list_tells_what_can_be_mended(tmp_path: Path) -> None:
    async with damaged(tmp_path, 70) as (quarantine, _):
        text = (await quarantine("list")).stdout
        assert "sales 2  e-2  one bit flipped: retry mends it" in text
        (event,) = json.loads((await quarantine("list", "--json")).stdout)["events"]
        assert (event["number"], event["sequence"], event["mendable"]) == (1, 2, True)


async def test_an_empty_quarantine_says_so(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        result = await asyncio.to_thread(invoke, "list", "--data", world.folder.path)
        assert (result.exit_code, result.stdout) == (0, "Nothing is in quarantine.\n")


async def test_show_gives_what_is_left_of_the_body_and_no_control_characters(tmp_path: Path) -> None:
    async with damaged(tmp_path, 70) as (quarantine, _):
        shown = (await quarantine("show", 1)).stdout
        assert '"id":"e-2"' in shown
        assert all(character.isprintable() or character == "\n" for character in shown)


async def test_retry_mends_one_flipped_bit_and_the_event_is_read_again(tmp_path: Path) -> None:
    async with damaged(tmp_path, 70) as (quarantine, log):
        result = await quarantine("retry", 1)
        assert (result.exit_code, result.stdout) == (0, "sales 2 is whole again and will be sent.\n")
        assert [stored.id for stored in read_all(log)] == ["e-1", "e-2", "e-3"]
        assert "events_released" in read_all(log, Stream.AUDIT)[-1].body.decode()


async def test_retry_of_what_cannot_be_mended_says_why_and_changes_nothing(tmp_path: Path) -> None:
    async with damaged(tmp_path, 70, 90) as (quarantine, log):
        result = await quarantine("retry", 1)
        assert result.exit_code == 1
        assert "stays in quarantine: its bytes differ in more than one bit" in result.stderr
        assert len(log.quarantined()) == 1


async def test_drop_forgets_the_bytes_after_a_yes_and_tells_who_did_it(tmp_path: Path) -> None:
    async with damaged(tmp_path, 70, 90) as (quarantine, log):
        assert (await quarantine("drop", 1)).exit_code == 1, "nobody said yes"
        assert len(log.quarantined()) == 1
        assert (await quarantine("drop", 1, "--yes")).stdout == "sales 2 was dropped.\n"
        assert log.quarantined() == []
        assert "dropped the damaged event sales 2" in read_all(log, Stream.AUDIT)[-1].body.decode()


async def test_a_number_that_is_not_there_is_told_with_the_command_that_lists(tmp_path: Path) -> None:
    async with damaged(tmp_path, 70) as (quarantine, _):
        for verb in ("show", "retry"):
            result = await quarantine(verb, 9)
            assert result.exit_code == 1
            assert "no event is in quarantine under 9: storeforward quarantine list" in result.stderr

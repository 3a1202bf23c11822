"""Networks that are no way to a broker: the status says which kind, events are kept, and go out when it is over."""

from pathlib import Path

import pytest

from agent.link import LinkState
from sim.broker import running_broker
from tests.link.black_hole import black_hole, two_addresses
from tests.link.certificates import Authority
from tests.link.device import SALE, Cloud, device
from tests.link.peers import Script, answer_as_a_web_server, hang_up, server_context, serving, until

pytestmark = pytest.mark.case("N10")


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (answer_as_a_web_server, "it answers something else: is this the TLS port, or does a captive portal or proxy"),
        (hang_up, "closed the connection during the TLS handshake: is this the TLS port, or is a proxy in between?"),
    ],
)
async def test_a_captive_portal_gets_nothing_and_is_told(tmp_path: Path, script: Script, says: str) -> None:
    async with serving(script) as port, device(tmp_path, port, tls=True) as one:
        await one.append(SALE, 5)
        await until(lambda: says in one.link.status().reason)
        assert (one.link.status().state, one.waiting()) == (LinkState.OFFLINE, 5)


async def test_a_captive_portal_with_a_certificate_of_its_own_is_told_by_its_name(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with (
        serving(hang_up, server_context(authority.server("portal.example"))) as port,
        device(tmp_path, port, tls=True, ca_file=str(authority.file)) as one,
    ):
        await until(lambda: "it is for portal.example: is link.host right" in one.link.status().reason)


async def test_a_name_without_an_address_is_told(tmp_path: Path) -> None:
    async with device(tmp_path, 8883, host="a..b", tls=True) as one:
        await until(lambda: "no address found for a..b: wrong name, or no DNS?" in one.link.status().reason)
        assert one.link.status().state is LinkState.OFFLINE


async def test_a_way_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    with black_hole() as port:
        async with device(tmp_path, port, connect_timeout_s=0.3) as one:
            await one.append(SALE, 5)
            await until(lambda: "wrong port, or a firewall in between?" in one.link.status().reason)
            assert (one.link.status().state, one.waiting()) == (LinkState.OFFLINE, 5)


async def test_an_address_that_leads_nowhere_costs_its_share_of_the_time_and_the_next_one_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running_broker("mosquitto", tmp_path / "broker") as broker, Cloud.listening(broker.port):
        two_addresses(monkeypatch, broker.port)
        with black_hole("127.0.0.2", broker.port):
            async with device(tmp_path, broker.port, host="localhost", connect_timeout_s=2) as one:
                await one.append(SALE, 5)
                await one.delivered()

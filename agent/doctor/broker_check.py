"""The way to the broker, step by step as a connection takes it; the step that fails is the last one.

It has a client id of its own, no will, and leaves nothing behind: a running agent does not notice.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from ssl import SSLSocket
from typing import Final

from agent.clock import system_random
from agent.doctor.finding import Finding
from agent.doctor.patient import Patient
from agent.errors import StoreforwardError
from agent.link import (
    BrokerAccess,
    BrokerUnreachable,
    ConnectUnanswered,
    DeviceCertificate,
    Endpoint,
    LinkMisconfigured,
    Login,
    Message,
    MqttConnection,
    MqttVersion,
    PubAck,
    SubscriptionRefused,
)
from agent.link.dial import Address, connect, dial, look_up
from agent.link.reasons import UNSUPPORTED_VERSION, reason_name
from agent.link.server_certificate import ServerCertificate
from agent.topics import Channel

__all__ = ["NOT_VERIFIABLE", "check_broker", "look_at_broker"]

NOT_VERIFIABLE: Final = "refusals cannot be seen: delivery is not verifiable without receipts"
SERVER_ENDS_WARNING: Final = timedelta(days=14)
NONCE_BITS: Final = 64

_READ_MORE: Final = "docs/link.md says what each refusal means"
_ALLOW: Final = "let this device publish and subscribe there; docs/brokers has access lists"


def check_broker(patient: Patient) -> Iterator[Finding]:
    """DNS, TCP, TLS, MQTT, and a message there and back."""

    async def all_of_it() -> list[Finding]:
        return [finding async for finding in look_at_broker(patient)]

    yield from asyncio.run(all_of_it())


async def look_at_broker(patient: Patient) -> AsyncIterator[Finding]:
    """The findings as they come; nothing where the settings could not be loaded and so name no broker."""
    if patient.settings_problem:
        return
    if not patient.settings.link.enabled:
        yield Finding.ok("broker", "not looked for: the link is switched off (link.enabled)")
        return
    try:
        async for finding in _steps(patient):
            yield finding
    except _StepFailed as failed:
        yield failed.finding


class _StepFailed(Exception):
    def __init__(self, finding: Finding) -> None:
        self.finding = finding


@contextmanager
def _step(check: str, remedy: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError:
        raise _StepFailed(Finding.problem(check, "no answer in time (link.connect_timeout_s)", remedy)) from None
    except StoreforwardError as error:
        raise _StepFailed(Finding.problem(check, str(error), remedy)) from error


async def _steps(patient: Patient) -> AsyncIterator[Finding]:
    link = patient.settings.link
    plain = Endpoint(link.host, link.port)
    with _step("dns", f"check link.host, then this box's DNS: getent ahosts {link.host}"):
        async with asyncio.timeout(link.connect_timeout_s):
            addresses = await look_up(plain)
    found = ", ".join(_text(address) for address in addresses)
    if found != link.host:
        yield Finding.ok("dns", f"{link.host} is {found}")
    yield await _tcp(patient, plain, addresses)
    access = BrokerAccess(link, patient.name)
    if _certificate_is_unusable(patient):
        return  # which is told by its own check
    with _step("tls", "correct that file, or the section [link] of the settings"):
        endpoint, login = access.endpoint(), access.login()
    yield await _tls(patient, endpoint)
    async for finding in _connections(patient, endpoint, login):
        yield finding


async def _connections(patient: Patient, endpoint: Endpoint, login: Login | None) -> AsyncIterator[Finding]:
    """With MQTT 5, and where the broker seems to have none with 3.1.1, as the link does."""
    link = patient.settings.link
    versions = list(MqttVersion) if link.protocol == "auto" else [MqttVersion(link.protocol)]
    failure: StoreforwardError | None = None
    for version in versions:
        connection = MqttConnection(
            endpoint,
            client_id=f"doctor@{patient.name.device}@{patient.name.site}",
            version=version,
            connect_timeout_s=link.connect_timeout_s,
            login=login,
        )
        began_s = patient.clock.monotonic_s()
        let_in = False
        try:
            async with connection:
                let_in = True
                yield _let_in(patient, connection, (patient.clock.monotonic_s() - began_s) * 1000)
                for finding in await _there_and_back(patient, connection):
                    yield finding
        except StoreforwardError as error:
            if let_in:
                yield Finding.problem("round trip", str(error), _ALLOW)
                return
            failure = failure or error
            if not isinstance(error, ConnectUnanswered) and getattr(error, "code", 0) != UNSUPPORTED_VERSION:
                break
        else:
            return
    yield Finding.problem("mqtt", str(failure), f"ask whoever runs the broker; {_READ_MORE}")


def _let_in(patient: Patient, connection: MqttConnection, took_ms: float) -> Finding:
    link = patient.settings.link
    if connection.version is MqttVersion.V3:
        whose = "as link.protocol has it" if link.protocol == "3.1.1" else f"{connection.endpoint} has no MQTT 5"
        remedy = "switch MQTT 5 on at the broker, or have the cloud send receipts"
        return Finding.warning("mqtt", f"MQTT 3.1.1, {whose}: {NOT_VERIFIABLE}", remedy)
    known_as = f" as {link.username}" if link.username else ""
    return Finding.ok("mqtt", f"MQTT 5, let in{known_as} after {took_ms:.0f} ms")


def _certificate_is_unusable(patient: Patient) -> bool:
    if patient.settings.link.certificate_file:
        try:
            DeviceCertificate.load(patient.settings.link, patient.name)
        except LinkMisconfigured:
            return True
    return False


async def _tcp(patient: Patient, endpoint: Endpoint, addresses: list[Address]) -> Finding:
    remedy = "check link.host and link.port, whether the broker runs, and the firewalls in between"
    each_s = patient.settings.link.connect_timeout_s / len(addresses)
    silent: dict[str, Exception] = {}
    answered: list[str] = []
    for address in addresses:
        try:
            (await connect(endpoint, [address], each_s)).close()
            answered.append(_text(address))
        except (BrokerUnreachable, TimeoutError) as error:
            silent[_text(address)] = error
    if not answered:
        with _step("tcp", remedy):
            raise next(iter(silent.values()))
    if silent:
        text = f"{', '.join(answered)} answers, {', '.join(silent)} does not: connecting may take {each_s:g} s longer"
        return Finding.warning("tcp", text, "repair that way (IPv6?), or take the address out of DNS")
    return Finding.ok("tcp", f"port {endpoint.port} of {', '.join(answered)} answers")


async def _tls(patient: Patient, endpoint: Endpoint) -> Finding:
    link = patient.settings.link
    if endpoint.tls is None:
        return Finding.ok("tls", "off: plaintext, to this machine only")
    with _step("tls", f"{_READ_MORE}; openssl s_client -connect {endpoint} -servername {link.host}"):
        sock = await dial(endpoint, link.connect_timeout_s)
    with sock:
        assert isinstance(sock, SSLSocket)
        version, seen = sock.version(), ServerCertificate.of(sock)
    if seen is None:
        return Finding.ok("tls", f"{version}")
    left = seen.not_after - patient.clock.wall()
    text = f"{version}; certificate of {seen.told_names} by {seen.issuer}, ends {seen.not_after:%Y-%m-%d}"
    if left < SERVER_ENDS_WARNING:
        return Finding.warning("tls", text, "renew the broker's certificate in time")
    return Finding.ok("tls", text if link.crl_file else f"{text}; not checked whether withdrawn (link.crl_file)")


async def _there_and_back(patient: Patient, connection: MqttConnection) -> list[Finding]:
    """A message that only we hear, and whether the ledger's receipts may be heard."""
    probe, receipts = patient.name.topic(Channel.PROBE), patient.name.topic(Channel.RECEIPTS)
    nonce = f"{system_random().getrandbits(NONCE_BITS):x}".encode()
    began_s = patient.clock.monotonic_s()
    code: int | None = None
    came_back = receipt = False
    try:
        async with asyncio.timeout(patient.settings.link.connect_timeout_s):
            for topic in (receipts, probe):
                await connection.subscribe(topic)
            mid = connection.publish(probe, nonce)
            async for event in connection:
                if isinstance(event, PubAck) and event.mid == mid:
                    code = event.code
                elif isinstance(event, Message):
                    came_back |= event.topic == probe and event.payload == nonce
                    receipt |= event.topic == receipts
                if code is not None and (came_back or code >= 0x80):
                    break
    except SubscriptionRefused as refused:
        return [Finding.problem("round trip", str(refused), _ALLOW)]
    except TimeoutError:
        pass
    took_ms = (patient.clock.monotonic_s() - began_s) * 1000
    return [_round_trip(probe, code, took_ms, came_back=came_back), _receipts(receipts, heard=receipt)]


def _round_trip(topic: str, code: int | None, took_ms: float, *, came_back: bool) -> Finding:
    check = "round trip"
    if came_back:
        return Finding.ok(check, f"published and heard again after {took_ms:.0f} ms")
    if code is None:
        return Finding.problem(check, f"no answer to a publish on {topic}", "see the broker's log")
    if code >= 0x80:
        return Finding.problem(check, f"the broker refuses publishes on {topic}: {reason_name(code)}", _ALLOW)
    return Finding.problem(check, f"the broker acknowledged a publish on {topic} and never delivered it", _ALLOW)


def _receipts(topic: str, *, heard: bool) -> Finding:
    if heard:
        return Finding.ok("receipts", "the cloud's ledger tells what it has")
    return Finding.ok("receipts", f"none on {topic} yet: until then the broker's word counts")


def _text(address: Address) -> str:
    return str(address[1][0])

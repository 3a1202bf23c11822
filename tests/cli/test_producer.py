"""`storeforward producer`: the token once, a curl line that works, and nothing left behind by a typo."""

import json
import shlex
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from agent.cli import main
from agent.clock import IdFactory, SystemClock, system_random
from agent.events import EventDecoder, Origin
from agent.producers import ProducerRegistry
from agent.topics import DeviceName


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


def producer(*arguments: str, data: Path, **environ: str) -> Result:
    return CliRunner().invoke(main, ["producer", *arguments, "--data", str(data)], env=environ)


def added(name: str, *arguments: str, data: Path, **environ: str) -> dict[str, object]:
    result = producer("add", name, "--json", *arguments, data=data, **environ)
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert isinstance(report, dict)
    return report


def test_the_printed_token_is_the_producers(data: Path) -> None:
    result = producer("add", "till-3", data=data)
    assert result.exit_code == 0
    registry = ProducerRegistry(data / "identity")
    tokens = [word for word in result.output.split() if registry.authenticate(word)]
    assert len(tokens) == 1, "the token stands alone in its line, once"
    assert "may send events of every type" in result.output


def test_json_has_everything_the_text_has(data: Path) -> None:
    report = added("till-3", "--type", "pos.*", "--type", "stock.*", data=data, STOREFORWARD__API__TCP_PORT="8181")
    assert set(report) == {"name", "types", "created", "token", "addresses", "fingerprint", "curl"}
    assert (report["name"], report["types"]) == ("till-3", ["pos.*", "stock.*"])
    assert report["addresses"] == ["http://127.0.0.1:8181"]
    found = ProducerRegistry(data / "identity").authenticate(str(report["token"]))
    assert found is not None
    assert found.name == "till-3"


@pytest.mark.parametrize("types", [[], ["pos.*"], ["stock.counted.v1"], ["environment.v1"]])
def test_the_curl_line_sends_an_event_that_this_producer_may_send(data: Path, types: list[str]) -> None:
    options = [word for name in types for word in ("--type", name)]
    report = added("till-3", *options, data=data, STOREFORWARD__API__TCP_PORT="8181")
    assert isinstance(report["curl"], list)
    assert len(report["curl"]) == 1
    words = shlex.split(report["curl"][0])
    assert words[0] == "curl"
    assert words[-1] == "http://127.0.0.1:8181/v1/events"
    assert f"Authorization: Bearer {report['token']}" in words
    clock = SystemClock()
    decoder = EventDecoder(Origin(DeviceName("s", "b")), wall=clock.wall, new_id=IdFactory(clock.wall, system_random()))
    (draft,) = decoder.decode(words[words.index("-d") + 1].encode(), "till-3")
    found = ProducerRegistry(data / "identity").authenticate(str(report["token"]))
    assert found is not None
    assert found.may_write(draft.type)


def test_a_producer_of_other_types_gets_a_line_to_fill_in(data: Path) -> None:
    report = added("gate-1", "--type", "rfid.v1", data=data, STOREFORWARD__API__TCP_PORT="8181")
    assert '"type": "rfid.v1"' in str(report["curl"])


def test_without_a_tcp_listener_the_way_to_one_is_told(data: Path) -> None:
    result = producer("add", "till-3", data=data)
    assert "No TCP listener is on: set tcp_port in section [api]" in result.output
    assert "http://127.0.0.1:8080/v1/events" in result.output
    assert added("till-4", data=data)["curl"] == []


def test_with_a_tcp_listener_the_line_is_ready_to_use(data: Path, tmp_path: Path) -> None:
    config = tmp_path / "store.toml"
    config.write_text("[api]\ntcp_port = 8181\n")
    result = producer("add", "till-3", "--config", str(config), data=data)
    assert "No TCP listener" not in result.output
    assert "http://127.0.0.1:8181/v1/events" in result.output


def write_certificate(folder: Path) -> str:
    """A certificate for the LAN listener; the answer is its fingerprint."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "box-1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1)
    )
    certificate = builder.sign(key, hashes.SHA256())
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "lan.crt").write_bytes(b"# chain\n" + pem + pem)
    return certificate.fingerprint(hashes.SHA256()).hex(":").upper()


@pytest.mark.parametrize(("host", "address"), [("192.168.1.10", "192.168.1.10"), ("fd00::1", "[fd00::1]")])
def test_with_a_lan_listener_its_fingerprint_is_told(data: Path, tmp_path: Path, host: str, address: str) -> None:
    fingerprint = write_certificate(tmp_path)
    config = tmp_path / "store.toml"
    config.write_text(f'[api]\nlan_host = "{host}"\nlan_certificate_file = "lan.crt"\nlan_key_file = "lan.key"\n')
    assert fingerprint in producer("add", "till-3", "--config", str(config), data=data).output
    report = added("till-4", "--config", str(config), data=data)
    assert report["fingerprint"] == fingerprint
    assert report["addresses"] == [f"https://{address}:8443"]
    assert f"--cacert {tmp_path / 'lan.crt'}" in str(report["curl"])


@pytest.mark.parametrize("content", [None, b"no certificate", b"\xff"])
def test_an_unreadable_certificate_is_told_before_anything_is_added(
    data: Path, tmp_path: Path, content: bytes | None
) -> None:
    if content is not None:
        (tmp_path / "lan.crt").write_bytes(content)
    config = tmp_path / "store.toml"
    config.write_text('[api]\nlan_host = "::"\nlan_certificate_file = "lan.crt"\nlan_key_file = "lan.key"\n')
    result = producer("add", "till-3", "--config", str(config), data=data)
    assert result.exit_code == 1
    assert result.stderr.startswith(f"Error: cannot read the certificate {tmp_path / 'lan.crt'}: ")
    assert not data.exists()


def test_the_list_shows_no_token(data: Path) -> None:
    assert "storeforward producer add till-3" in producer("list", data=data).output
    token = added("till-3", "--type", "pos.*", data=data)["token"]
    added("scale-10", data=data)
    text = producer("list", data=data).output
    assert [line.split()[0] for line in text.splitlines()] == ["till-3", "scale-10"]
    assert "may send pos.*" in text
    listed = producer("list", "--json", data=data).output
    assert [set(row) for row in json.loads(listed)] == [{"name", "types", "created"}] * 2
    for output in (text, listed):
        assert str(token) not in output
        assert sha256(str(token).encode()).hexdigest() not in output


def test_a_removed_producer_is_locked_out(data: Path) -> None:
    token = str(added("till-3", data=data)["token"])
    assert "till-3 is locked out" in producer("remove", "till-3", data=data).output
    assert ProducerRegistry(data / "identity").authenticate(token) is None
    added("till-3", data=data)
    assert json.loads(producer("remove", "till-3", "--json", data=data).output) == {"removed": "till-3"}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["add", "till-3"], "there is a producer 'till-3' already"),
        (["add", "a/b"], "expected 1 to 64 letters"),
        (["add", "agent"], "the agent's own name"),
        (["add", "till-4", "--type", "pos.sal.v1"], "did you mean pos.sale.v1?"),
        (["remove", "till-9"], "no producer 'till-9'"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_exit_code_1(data: Path, arguments: list[str], problem: str) -> None:
    added("till-3", data=data)
    result = producer(*arguments, data=data)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith("Error: ")
    assert problem in result.stderr


def test_looking_into_a_wrong_folder_makes_nothing(tmp_path: Path) -> None:
    assert producer("list", data=tmp_path / "typo").exit_code == 0
    assert producer("remove", "till-3", data=tmp_path / "typo").exit_code == 1
    assert list(tmp_path.iterdir()) == []


def test_wrong_settings_are_told_as_everywhere(data: Path) -> None:
    result = producer("add", "till-3", data=data, STOREFORWARD__API__TCP_PORT="http")
    assert result.exit_code == 2
    assert result.stderr.startswith("environment STOREFORWARD__API__TCP_PORT api.tcp_port: ")
    assert not data.exists()

"""Who may write through TCP: one token each, kept as a hash, noticed by a running agent."""

import fcntl
import json
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from agent import producers
from agent.errors import CallerError, EnvironmentFault
from agent.private_file import PrivateFileUnusable
from agent.producers import AGENT_PRODUCER, Producer, ProducerRefused, ProducerRegistry, ProducersUnreadable

NOON = datetime(2017, 3, 5, 12, tzinfo=UTC)


@pytest.fixture
def registry(tmp_path: Path) -> ProducerRegistry:
    return ProducerRegistry(tmp_path, wall=lambda: NOON)


def test_a_token_opens_for_its_producer_and_no_other_text_does(registry: ProducerRegistry) -> None:
    tokens = {name: registry.add(name) for name in ("till-1", "till-2")}
    for name, token in tokens.items():
        found = registry.authenticate(token)
        assert found is not None
        assert found.name == name
    for other in ("", "x", tokens["till-1"][:-1], tokens["till-1"] + "A", "\u20ac", "\ud800", "x" * 100_000, " "):
        assert registry.authenticate(other) is None


def test_a_token_has_256_random_bits_and_no_odd_letters(tmp_path: Path) -> None:
    registry = ProducerRegistry(tmp_path, random_bytes=lambda size: bytes(range(256))[-size:])
    assert registry.add("till-1") == "4OHi4-Tl5ufo6err7O3u7_Dx8vP09fb3-Pn6-_z9_v8"


def test_the_file_is_private_and_holds_no_token(registry: ProducerRegistry, tmp_path: Path) -> None:
    token = registry.add("till-1", ["pos.*"])
    file = tmp_path / "producers.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_bytes()) == {
        "version": 1,
        "producers": [
            {
                "name": "till-1",
                "types": ["pos.*"],
                "created": "2017-03-05T12:00:00.000Z",
                "token_sha256": sha256(token.encode()).hexdigest(),
            }
        ],
    }
    assert [path.name for path in tmp_path.iterdir()] == ["producers.json"]
    assert sha256(token.encode()).hexdigest() not in repr(registry.list())


def test_producers_are_listed_oldest_first_and_removed_by_name(registry: ProducerRegistry) -> None:
    assert registry.list() == []
    tokens = [registry.add(name) for name in ("c", "a", "b")]
    assert [producer.name for producer in registry.list()] == ["c", "a", "b"]
    registry.remove("a")
    assert [producer.name for producer in registry.list()] == ["c", "b"]
    assert [registry.authenticate(token) is not None for token in tokens] == [True, False, True]


def test_a_running_agent_notices_every_change(registry: ProducerRegistry, tmp_path: Path) -> None:
    agent = ProducerRegistry(tmp_path)
    assert agent.authenticate("x") is None
    token = registry.add("till-1")
    assert agent.authenticate(token) is not None
    registry.remove("till-1")
    assert agent.authenticate(token) is None
    second = registry.add("till-1")
    assert (agent.authenticate(token), agent.authenticate(second) is not None) == (None, True)
    (tmp_path / "producers.json").unlink()
    assert agent.authenticate(second) is None


def test_an_unchanged_file_is_not_read_again(registry: ProducerRegistry, tmp_path: Path) -> None:
    token = registry.add("till-1")
    first = registry.authenticate(token)
    assert first is not None
    assert all(registry.authenticate(token) is first for _ in range(3))
    (tmp_path / "producers.json").touch()
    assert registry.authenticate(token) is not first


@pytest.mark.parametrize(
    ("types", "may", "may_not"),
    [
        (["*"], ["pos.sale.v1", "health.v1"], []),
        (["pos.*"], ["pos.sale.v1", "pos.scan.v1"], ["stock.level.v1", "xpos.sale.v1"]),
        (["pos.sale.v1"], ["pos.sale.v1"], ["pos.scan.v1", "pos.sale.v12"]),
        (["stock.*", "environment.v1"], ["stock.moved.v1", "environment.v1"], ["pos.sale.v1"]),
        (["dev.storeforward.rfid.v1"], ["rfid.v1"], ["nfc.v1"]),
    ],
)
def test_a_producer_may_write_the_types_of_its_job(
    registry: ProducerRegistry, types: list[str], may: list[str], may_not: list[str]
) -> None:
    found = registry.authenticate(registry.add("till-1", types))
    assert found is not None
    assert all(found.may_write(name) for name in may)
    assert not any(found.may_write(name) for name in may_not)


@pytest.mark.parametrize("name", ["", "a/b", "a b", "+", "#", "$SYS", "_market", "x" * 65, "a\n"])
def test_a_name_is_one_topic_level(registry: ProducerRegistry, name: str) -> None:
    with pytest.raises(ProducerRefused, match="expected 1 to 64 letters"):
        registry.add(name)


def test_the_agents_own_name_is_taken(registry: ProducerRegistry) -> None:
    with pytest.raises(ProducerRefused, match="the agent's own name"):
        registry.add(AGENT_PRODUCER)


def test_two_tills_cannot_have_one_name(registry: ProducerRegistry) -> None:
    token = registry.add("till-1")
    with pytest.raises(ProducerRefused, match="there is a producer 'till-1' already: remove it first"):
        registry.add("till-1")
    assert registry.authenticate(token) is not None
    assert issubclass(ProducerRefused, CallerError)


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("pos.sal.v1", r"did you mean pos\.sale\.v1\?"),
        ("zzz", "expected a type such as"),
        ("", "expected a type such as"),
    ],
)
def test_a_type_that_matches_nothing_is_a_typo(registry: ProducerRegistry, pattern: str, hint: str) -> None:
    with pytest.raises(ProducerRefused, match=hint):
        registry.add("till-1", ["pos.*", pattern])
    assert registry.list() == []


@pytest.mark.parametrize("count", [0, 101])
def test_a_producer_has_some_types(registry: ProducerRegistry, count: int) -> None:
    with pytest.raises(ProducerRefused, match=f"{count} event types: expected 1 to 100"):
        registry.add("till-1", ["pos.*"] * count)


def test_an_unknown_producer_cannot_be_removed(registry: ProducerRegistry) -> None:
    with pytest.raises(ProducerRefused, match="no producer 'till-9'; storeforward producer list"):
        registry.remove("till-9")


def test_there_is_a_limit(registry: ProducerRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(producers, "PRODUCERS_MAX", 2)
    registry.add("a")
    registry.add("b")
    with pytest.raises(ProducerRefused, match="there are 2 producers already"):
        registry.add("c")


ONE = '{"name": "a", "types": ["*"], "created": "x", "token_sha256": "' + "0" * 64 + '"}'


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ("", ""),
        ("{", ""),
        ("[]", ""),
        ('{"version": 2, "producers": []}', "version"),
        ('{"producers": [{"name": "a"}]}', "producers.0.types"),
        ('{"producers": [' + ONE.replace('"*"', "") + "]}", "producers.0.types"),
        ('{"producers": [' + ONE.replace("0" * 64, "0" * 63) + "]}", "producers.0.token_sha256"),
        ('{"producers": [' + ONE.replace('"a"', '"a/b"') + "]}", "producers.0.name"),
    ],
)
def test_a_damaged_file_lets_nobody_in_and_says_where(
    registry: ProducerRegistry, tmp_path: Path, content: str, where: str
) -> None:
    token = registry.add("till-1")
    file = tmp_path / "producers.json"
    file.write_text(content)
    for attempt in (lambda: registry.authenticate(token), registry.list, lambda: registry.add("till-2")):
        with pytest.raises(ProducersUnreadable, match=f"is damaged{f' at {where}' if where else ''}: restore it"):
            attempt()
    assert file.read_text() == content
    assert issubclass(ProducersUnreadable, EnvironmentFault)


def test_a_name_twice_in_the_file_lets_nobody_in(registry: ProducerRegistry, tmp_path: Path) -> None:
    file = tmp_path / "producers.json"
    file.write_text('{"producers": [' + ONE + ", " + ONE.replace("0" * 64, "1" * 64) + "]}")
    file.chmod(0o600)
    with pytest.raises(ProducersUnreadable, match="names a producer twice"):
        registry.list()


def test_a_file_that_others_can_read_lets_nobody_in(registry: ProducerRegistry, tmp_path: Path) -> None:
    token = registry.add("till-1")
    (tmp_path / "producers.json").chmod(0o644)
    with pytest.raises(PrivateFileUnusable, match="chmod 600"):
        ProducerRegistry(tmp_path).authenticate(token)


def test_without_its_folder_nothing_can_be_added(tmp_path: Path) -> None:
    registry = ProducerRegistry(tmp_path / "missing")
    assert registry.list() == []
    with pytest.raises(PrivateFileUnusable, match=r"cannot open .*missing"):
        registry.add("till-1")
    (tmp_path / "missing").touch()
    with pytest.raises(PrivateFileUnusable, match=r"cannot read .* \(Not a directory\)"):
        registry.list()


def test_commands_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    names = [f"till-{number}" for number in range(12)]
    with ThreadPoolExecutor(6) as commands:
        tokens = list(commands.map(lambda name: ProducerRegistry(tmp_path).add(name), names))
    assert {producer.name for producer in ProducerRegistry(tmp_path).list()} == set(names)
    assert len(set(tokens)) == len(names)


def test_a_stuck_command_is_not_waited_for_for_ever(
    registry: ProducerRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producers, "LOCK_TRIES", 2)
    monkeypatch.setattr(producers, "LOCK_PAUSE_S", 0.01)
    stuck = os.open(tmp_path, os.O_RDONLY)
    try:
        fcntl.flock(stuck, fcntl.LOCK_EX)
        with pytest.raises(PrivateFileUnusable, match=r"another command has held .*: try again"):
            registry.add("till-1")
        assert registry.list() == [], "reading needs no lock"
    finally:
        os.close(stuck)
    assert registry.add("till-1")


def test_a_producer_is_a_frozen_value(registry: ProducerRegistry) -> None:
    registry.add("till-1")
    (found,) = registry.list()
    assert isinstance(found, Producer)
    with pytest.raises(ValueError, match="frozen"):
        found.name = "other"  # type: ignore[misc]  # what this test is about

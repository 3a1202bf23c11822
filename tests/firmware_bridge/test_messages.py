"""The message table, the commands' octets and what raw events become."""

import re
from pathlib import Path

import pytest

import firmware_bridge
from firmware_bridge import Cancel, Drop, Identity, LatchCause, Move, Pause, Pick, Query, ResetCause, Resume
from firmware_bridge.commands import Command
from firmware_bridge.messages import MESSAGES, TABLE_HASH, RawEvent, event_of, identity_of, printable
from tests.firmware_bridge.fake_vehicle import FakeVehicle

PROTOCOL_TEXT = (Path(firmware_bridge.__file__).parent / "PROTOCOL.md").read_text(encoding="utf-8")


def test_the_table_is_that_of_the_protocol_document() -> None:
    (fenced,) = re.findall(r"^```table\n(.*?)^```", PROTOCOL_TEXT, re.MULTILINE | re.DOTALL)
    assert fenced == MESSAGES


def test_every_command_has_the_code_and_the_length_of_the_table() -> None:
    lengths = {"u8": 1, "u16": 2, "i16": 2, "u32": 4, "i32": 4}
    table = {line.split()[1]: line.split() for line in MESSAGES.splitlines() if int(line[:2], 16) < 0x80}
    commands: list[Command] = [
        Move(command_id=1, ttl_ms=0, node=1, x_mm=-2, y_mm=3),
        Pick(command_id=1, ttl_ms=0, station=2),
        Drop(command_id=1, ttl_ms=0, station=2),
        Pause(command_id=1, ttl_ms=0),
        Resume(command_id=1, ttl_ms=0),
        Cancel(command_id=1, ttl_ms=0),
        Query(command_id=1, ttl_ms=0, about=9),
    ]
    names = {type(command).__name__.upper() for command in commands}
    assert not names ^ set(table)
    for command in commands:
        code, _, *fields = table[type(command).__name__.upper()]
        assert int(code, 16) == command.CODE
        assert len(command.body()) == sum(lengths[field.split(":")[1]] for field in fields)


def test_a_move_as_octets() -> None:
    move = Move(command_id=1, ttl_ms=5, node=0x01020304, x_mm=-1, y_mm=2, theta_mrad=-3, speed_mm_s=4)
    assert move.body() == bytes.fromhex("04030201 ffffffff 02000000 fdff 0400")
    assert Move(command_id=1, ttl_ms=5, node=1, x_mm=0, y_mm=0).body()[12:14] == bytes.fromhex("0080")


@pytest.mark.parametrize(
    ("number", "ttl_ms", "node", "message"),
    [
        (0, 1, 1, "command_id 0: expected 1"),
        (2**32, 1, 1, "command_id 4294967296"),
        (1, -1, 1, "ttl_ms -1"),
        (1, 65536, 1, "65535 for no limit"),
        (1, 1, -1, "does not fit"),
    ],
)
def test_a_command_that_the_wire_cannot_carry_is_refused(number: int, ttl_ms: int, node: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Move(command_id=number, ttl_ms=ttl_ms, node=node, x_mm=0, y_mm=0)


def test_an_identity_reads_groups_in_any_company() -> None:
    assert identity_of(FakeVehicle(table=TABLE_HASH, latch=300, cause=3).identity()) == Identity(
        firmware="fake 1.0",
        vehicle="AGV7",
        protocol=(1, 0),
        boot_count=7,
        reset_cause=ResetCause.WATCHDOG,
        last_command=0,
        latch=300,
        latch_cause=LatchCause.LEASE,
        lease_min_ms=100,
        lease_max_ms=400,
        window=8,
    )


@pytest.mark.parametrize("length", range(60))
def test_an_identity_that_is_cut_off_still_reads(length: int) -> None:
    assert identity_of(FakeVehicle(table=TABLE_HASH).identity()[:length]).latch_cause in LatchCause


def test_values_of_a_newer_minor_version_are_kept_apart() -> None:
    raw = RawEvent(5, 1, 0, 0, 0, bytes.fromhex("80 01000000 0200 63 63 63"))
    assert "Outcome.UNKNOWN" in repr(event_of(raw, "port", 1))
    assert "Reason.OTHER" in repr(event_of(raw, "port", 1))


def test_text_of_the_vehicle_is_safe_in_a_log() -> None:
    assert printable(b"fine\x1b[2J\n\xff") == "fine?[2J??"


def test_the_package_names_what_it_has() -> None:
    assert all(hasattr(firmware_bridge, name) for name in firmware_bridge.__all__)

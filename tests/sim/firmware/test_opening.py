"""Section 4: XID, opening, closing; and the message table's hash of section 8."""

import re
from zlib import crc32

import pytest

from tests.sim.firmware import wire
from tests.sim.firmware.line_time import Bridge
from tests.sim.firmware.wire import information, supervisory, unnumbered, xid_information
from tests.sources import ROOT

DM, UA = b"\x0f", b"\x63"
FINAL = 0x10


def final(control: bytes) -> bytes:
    return bytes([control[0] | FINAL])


def test_the_table_hash_is_that_of_the_document() -> None:
    document = (ROOT / "firmware_bridge" / "PROTOCOL.md").read_text(encoding="ascii")
    (table,) = re.findall(r"^```table\n(.*?)^```$", document, re.MULTILINE | re.DOTALL)
    assert crc32(table.encode()) == wire.TABLE_HASH
    assert int.from_bytes(Bridge().introduction()[0xF0, 0x02], "big") == wire.TABLE_HASH


def test_xid_says_who_the_vehicle_is() -> None:
    said = Bridge(boot_count=70000, reset_cause=2).introduction()
    latch = 70000 % 255 * 257 + 1
    assert said == {
        (0x80, 0x06): (1024).to_bytes(2, "big"),
        (0x80, 0x08): b"\x08",
        (0xF0, 0x00): b"SF1",
        (0xF0, 0x01): b"\x01\x00",
        (0xF0, 0x02): wire.TABLE_HASH.to_bytes(4, "big"),
        (0xF0, 0x10): (20).to_bytes(2, "big") + (250).to_bytes(2, "big"),
        (0xF0, 0x11): b"storeforward-reference 1.0",
        (0xF0, 0x12): b"AGV-7",
        (0xF0, 0x13): (70000).to_bytes(4, "big"),
        (0xF0, 0x14): b"\x02",
        (0xF0, 0x15): bytes(4),
        (0xF0, 0x16): latch.to_bytes(2, "big") + b"\x01",
    }


def test_a_serial_number_of_any_length_fits() -> None:
    assert Bridge(serial=b"S" * 200).introduction()[0xF0, 0x12] == b"S" * 32


def test_unknown_groups_and_parameters_are_skipped() -> None:
    bridge = Bridge()
    more = b"\x55\x00\x02\x01\x00" + b"\xf0\x00\x05\x00\x03OTH"
    (answer,) = bridge.send(unnumbered(0xBF, xid_information() + more))
    assert answer.control == b"\xbf"


@pytest.mark.parametrize(
    "info",
    [
        b"",
        b"\x81",
        b"\x82\x80",
        b"\x82\x80\x00\x09\x08\x01\x08",
        b"\x82\x80\x00\x03\x08\x02\x08",
        b"\x82\x80\xff\xff",
        b"\x82\x80\x00\x04\x08\x02\x00\x08",
        b"\x82\xf0\x00\x08\x00\x03SF1\x03\x01\x05",
    ],
)
def test_an_xid_that_is_not_well_formed_is_not_answered(info: bytes) -> None:
    bridge = Bridge()
    assert bridge.send(unnumbered(0xBF, info)) == []
    assert bridge.counts()["unknown"] == 1


def test_sabme_opens_with_the_epoch_of_the_last_xid() -> None:
    bridge = Bridge()
    bridge.send(unnumbered(0xBF, xid_information(epoch=4)))
    bridge.open(epoch=5)
    assert bridge.status().flags & 64
    assert [result.outcome for result in bridge.command(5, 1, epoch=5)] == [3]
    assert [(result.outcome, result.reason) for result in bridge.command(5, 2, epoch=4)] == [(4, 5)]


def test_sabme_while_open_begins_at_zero_and_keeps_the_results() -> None:
    bridge = Bridge()
    bridge.open(epoch=1)
    bridge.acknowledges = False
    bridge.command(5, 1)
    bridge.acknowledges = True
    bridge.open(epoch=2)
    bridge.run(500)
    assert bridge.results == []
    assert [(result.id, result.prior) for result in bridge.query(2, 1)] == [(1, 3)]


@pytest.mark.parametrize(
    "said",
    [
        xid_information(major=2),
        xid_information(table=1),
        xid_information(epoch=None),
        xid_information(epoch=0),
        xid_information(window=0),
        None,
    ],
    ids=["other major", "other table", "no epoch", "epoch 0", "no window", "no XID"],
)
def test_a_bridge_that_does_not_fit_is_not_let_in(said: bytes | None) -> None:
    bridge = Bridge()
    if said is not None:
        bridge.send(unnumbered(0xBF, said))
    (answer,) = bridge.send(unnumbered(0x7F))
    assert answer.control == final(DM)
    bridge.run(600)
    assert not bridge.status().flags & 64


def test_a_higher_minor_opens_and_its_further_fields_are_ignored() -> None:
    bridge = Bridge()
    bridge.send(unnumbered(0xBF, xid_information(minor=3)), unnumbered(0x7F))
    bridge.epoch = 1
    assert [result.outcome for result in bridge.command(5, 1, b"new field")] == [3]
    (answer,) = bridge.send(bridge.stop_lane(b"\xe1\x01\x00\x01more"))
    assert answer.info[:3] == b"\xe2\x01\x00"


def test_disc_closes() -> None:
    bridge = Bridge()
    bridge.open()
    assert [frame.control for frame in bridge.send(unnumbered(0x53))] == [final(UA)]
    assert [frame.control for frame in bridge.send(unnumbered(0x43))] == [DM]


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        (information(0, 0, b"x" * 9), DM),
        (information(0, 0, b"x" * 9, poll=True), final(DM)),
        (supervisory(0x01, 0), DM),
        (supervisory(0x05, 3, poll=True), final(DM)),
        (supervisory(0x09, 77), DM),
        (unnumbered(0x53), final(DM)),
    ],
)
def test_a_closed_vehicle_answers_by_dm(frame: bytes, answer: bytes) -> None:
    assert [(frame.lane, frame.control) for frame in Bridge().send(frame)] == [(0, answer)]


def test_dm_closes() -> None:
    bridge = Bridge()
    bridge.open()
    assert bridge.send(unnumbered(0x0F, sense=0)) == []
    assert [frame.control for frame in bridge.send(supervisory(0x01, 0))] == [DM]


def test_an_acknowledgement_out_of_the_window_closes_by_dm() -> None:
    for frame in (supervisory(0x01, 1), information(0, 127, b"x" * 9), supervisory(0x09, 5)):
        bridge = Bridge()
        bridge.open()
        assert [answer.control for answer in bridge.send(frame)] == [DM]
        assert [answer.control for answer in bridge.send(supervisory(0x01, 0))] == [DM]


def test_last_command_of_xid_is_the_highest_id() -> None:
    bridge = Bridge()
    bridge.open()
    bridge.command(5, 40)
    bridge.command(5, 30)
    bridge.query(99, 40)
    assert int.from_bytes(bridge.introduction()[0xF0, 0x15], "big") == 40


def test_a_reset_counts_the_boot_and_forgets_the_commands() -> None:
    bridge = Bridge(boot_count=7)
    bridge.open()
    bridge.command(5, 40)
    bridge.reset(boot_count=8)
    said = bridge.introduction()
    assert (said[0xF0, 0x13][3], said[0xF0, 0x14], said[0xF0, 0x15]) == (8, b"\x03", bytes(4))

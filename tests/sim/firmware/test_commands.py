"""Section 6: ids, epochs, times to live, the queue, and what becomes of each kind of command."""

import struct
from itertools import pairwise
from zlib import crc32

import pytest

from tests.sim.firmware.line_time import CANCEL, DROP, MOVE, PAUSE, PICK, RESUME, Bridge

ACCEPTED, STARTED, DONE, FAILED, DUPLICATE, EXPIRED = range(1, 7)
NONE, LATCHED, STOPPED, CANCELLED, QUEUE_FULL, STALE, FORGOTTEN, UNSUPPORTED, IMPOSSIBLE, FAULT, PAUSED = range(11)

STEP_MS = 10

WENT_WELL = [(ACCEPTED, NONE), (STARTED, NONE), (DONE, NONE)]


def test_a_move_is_accepted_started_and_done_where_it_was_sent() -> None:
    bridge = Bridge().ready()
    bridge.move(1, 2000, 1000, theta_mrad=1571, node=77)
    bridge.run(7000)
    assert bridge.outcomes(1) == WENT_WELL
    status = bridge.status()
    assert (abs(status.x_mm - 2000), abs(status.y_mm - 1000), abs(status.theta_mrad - 1571)) < (6, 6, 6)
    assert (status.node, status.command, status.speed_mm_s) == (77, 0, 0)


def test_a_move_keeps_its_speed_and_the_vehicles_accelerations() -> None:
    bridge = Bridge().ready()
    bridge.move(1, 3000, speed_mm_s=500)
    seen = [bridge.status()]
    while bridge.outcomes(1)[-1] != (DONE, NONE):
        bridge.run(100)
        seen.append(bridge.status())
    assert max(status.speed_mm_s for status in seen) == 500
    for before, after in pairwise(seen):
        change_mm_s = after.speed_mm_s - before.speed_mm_s
        passed_s = (after.uptime_ms - before.uptime_ms + STEP_MS) / 1000
        assert -1000 * passed_s - 1 <= change_mm_s <= 600 * passed_s + 1


def test_a_move_to_where_it_stands_is_done_at_once() -> None:
    bridge = Bridge().ready()
    bridge.move(1, 0, node=5)
    assert bridge.outcomes(1) == WENT_WELL
    assert bridge.happened("move_begin") == []
    bridge.run(10)
    assert bridge.status().node == 5


def test_a_point_beyond_the_map_is_impossible() -> None:
    bridge = Bridge().ready()
    bridge.move(1, -2_147_483_648)
    assert bridge.outcomes(1) == [(ACCEPTED, NONE), (FAILED, IMPOSSIBLE)]


def test_a_pick_changes_hands_once_after_its_duration() -> None:
    bridge = Bridge().ready()
    began_ms = bridge.at_ms
    bridge.pick(1, station=31, duration_ms=700)
    bridge.run(2000)
    assert bridge.outcomes(1) == WENT_WELL
    (seen,) = bridge.happened("pick")
    assert (seen.first, seen.second) == (31, 1)
    assert 700 <= seen.at_ms - began_ms <= 710
    assert (bridge.status().flags & 2, bridge.status().picks, bridge.status().drops) == (2, 1, 0)


def test_a_drop_follows_a_pick_and_never_comes_first() -> None:
    bridge = Bridge().ready()
    bridge.drop(1)
    bridge.pick(2)
    bridge.pick(3)
    bridge.drop(4)
    bridge.run(3000)
    assert [bridge.outcomes(number)[-1] for number in (1, 2, 3, 4)] == [
        (FAILED, IMPOSSIBLE),
        (DONE, NONE),
        (FAILED, IMPOSSIBLE),
        (DONE, NONE),
    ]
    assert [seen.what for seen in bridge.seen if seen.what in ("pick", "drop")] == ["pick", "drop"]


def test_there_is_nothing_to_pick_at_station_0() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, station=0)
    assert bridge.outcomes(1)[-1] == (FAILED, IMPOSSIBLE)


def test_a_duration_of_0_is_the_vehicles_own() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=0)
    bridge.run(1490)
    assert bridge.happened("pick") == []
    bridge.run(30)
    assert len(bridge.happened("pick")) == 1


@pytest.mark.parametrize("progress_ms", [0, 500, 2000])
def test_a_replayed_id_is_answered_duplicate_with_what_became_of_it(progress_ms: int) -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=1000)
    bridge.run(progress_ms)
    (answer,) = bridge.pick(1, duration_ms=1000)
    assert (answer.outcome, answer.prior) == (DUPLICATE, DONE if progress_ms == 2000 else STARTED)
    bridge.run(4000)
    assert len(bridge.happened("pick")) == 1


def test_a_replay_in_a_new_epoch_is_a_duplicate_too() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=10)
    bridge.run(100)
    bridge.open(epoch=2)
    (answer,) = bridge.pick(1, duration_ms=10)
    assert (answer.outcome, answer.prior) == (DUPLICATE, DONE)
    (answer,) = bridge.command(PICK, 1, epoch=1)
    assert (answer.outcome, answer.prior) == (DUPLICATE, DONE)


def test_a_duplicate_carries_the_stored_reason() -> None:
    bridge = Bridge().ready()
    bridge.drop(1)
    (answer,) = bridge.drop(1)
    assert (answer.outcome, answer.reason, answer.prior) == (DUPLICATE, IMPOSSIBLE, FAILED)


def test_the_65th_id_pushes_the_first_out() -> None:
    bridge = Bridge().ready()
    for number in range(1, 65):
        bridge.command(RESUME, number)
    assert (bridge.command(RESUME, 1)[0].outcome, bridge.query(900, 1)[0].prior) == (DUPLICATE, DONE)
    bridge.command(RESUME, 65)
    assert [(r.outcome, r.reason) for r in bridge.command(RESUME, 1)] == [(FAILED, FORGOTTEN)]
    assert [(r.outcome, r.reason) for r in bridge.query(901, 1)] == [(FAILED, FORGOTTEN)]
    assert bridge.command(RESUME, 2)[0].outcome == DUPLICATE


def test_an_id_below_the_highest_is_forgotten_and_not_done() -> None:
    bridge = Bridge().ready()
    bridge.command(RESUME, 10)
    bridge.pick(9)
    bridge.run(2000)
    assert bridge.outcomes(9) == [(FAILED, FORGOTTEN)]
    assert bridge.happened("pick") == []


def test_id_0_is_none() -> None:
    bridge = Bridge().ready()
    bridge.command(RESUME, 0)
    assert bridge.outcomes(0) == [(FAILED, FORGOTTEN)]


def test_a_query_tells_without_leaving_a_trace() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=1000)
    assert [(r.id, r.outcome, r.prior) for r in bridge.query(50, 1)] == [(1, DUPLICATE, STARTED)]
    bridge.run(1100)
    assert [(r.id, r.outcome, r.prior) for r in bridge.query(51, 1)] == [(1, DUPLICATE, DONE)]
    assert [(r.outcome, r.reason) for r in bridge.query(52, 51)] == [(FAILED, FORGOTTEN)]
    assert bridge.command(RESUME, 2)[0].outcome == DONE


def test_another_epoch_is_stale_also_for_a_query() -> None:
    bridge = Bridge().ready(epoch=3)
    bridge.command(PICK, 1, struct.pack("<IHH", 9, 0, 10), epoch=2)
    bridge.command(7, 40, struct.pack("<I", 1), epoch=2)
    bridge.run(1000)
    assert bridge.outcomes(1) == [(FAILED, STALE)]
    assert bridge.outcomes(40) == [(FAILED, STALE)]
    assert bridge.happened("pick") == []


@pytest.mark.parametrize("ttl_ms", [0, 100, 999])
def test_a_command_not_started_in_time_expires_and_is_never_done(ttl_ms: int) -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=1000)
    bridge.command(DROP, 2, struct.pack("<IHH", 9, 0, 10), ttl_ms=ttl_ms)
    bridge.run(ttl_ms + 11)
    assert bridge.outcomes(2)[-1] == (EXPIRED, NONE)
    bridge.run(3000)
    assert bridge.happened("drop") == []
    assert bridge.query(9, 2)[0].prior == EXPIRED


def test_a_time_to_live_is_for_the_start_only() -> None:
    bridge = Bridge().ready()
    bridge.command(PICK, 1, struct.pack("<IHH", 9, 0, 1000), ttl_ms=20)
    bridge.run(1200)
    assert bridge.outcomes(1) == WENT_WELL


def test_65535_is_no_limit() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=65000)
    bridge.drop(2, duration_ms=10)
    bridge.command(PAUSE, 3)
    bridge.run(66000)
    bridge.command(RESUME, 4)
    bridge.run(66000)
    assert bridge.outcomes(2) == WENT_WELL


def test_eight_commands_wait_and_a_ninth_is_refused() -> None:
    bridge = Bridge().ready()
    for number in range(1, 11):
        bridge.move(number, 1000 * (number % 2), speed_mm_s=1500)
    assert bridge.outcomes(9) == [(ACCEPTED, NONE)]
    assert bridge.outcomes(10) == [(FAILED, QUEUE_FULL)]
    bridge.run(60_000)
    assert [bridge.outcomes(number) for number in range(1, 10)] == [WENT_WELL] * 9


def test_a_queue_is_done_one_by_one_and_in_order() -> None:
    bridge = Bridge().ready()
    bridge.move(1, 500)
    bridge.pick(2, duration_ms=200)
    bridge.move(3, 0)
    bridge.drop(4, duration_ms=200)
    bridge.run(15_000)
    started_or_done = [result.id for result in bridge.results if result.outcome in (STARTED, DONE)]
    assert started_or_done == [1, 1, 2, 2, 3, 3, 4, 4]


@pytest.mark.parametrize("code", [MOVE, PICK, DROP, PAUSE, RESUME, CANCEL])
@pytest.mark.parametrize("change", [-1, 1])
def test_a_body_of_the_wrong_length_is_unsupported(code: int, change: int) -> None:
    sizes = {MOVE: 16, PICK: 8, DROP: 8}
    bridge = Bridge().ready()
    bridge.command(code, 1, bytes(max(1, sizes.get(code, 0) + change)))
    assert bridge.outcomes(1) == [(FAILED, UNSUPPORTED)]


@pytest.mark.parametrize("code", [0x00, 0x08, 0x7F, 0x80, 0xC0, 0xE1, 0xFF])
def test_an_unknown_code_is_unsupported(code: int) -> None:
    bridge = Bridge().ready()
    bridge.command(code, 1, bytes(119))
    assert bridge.outcomes(1) == [(FAILED, UNSUPPORTED)]


def test_pause_is_done_when_it_stands_and_resume_lets_the_same_command_go_on() -> None:
    bridge = Bridge().ready()
    bridge.move(1, 3000)
    bridge.run(1500)
    bridge.command(PAUSE, 2)
    assert bridge.outcomes(2) == [(STARTED, NONE)]
    bridge.run(1500)
    assert bridge.outcomes(2) == [(STARTED, NONE), (DONE, NONE)]
    bridge.run(5000)
    assert bridge.outcomes(1) == [(ACCEPTED, NONE), (STARTED, NONE)]
    assert (bridge.status().flags & 5, bridge.status().speed_mm_s) == (4, 0)
    bridge.command(RESUME, 3)
    bridge.run(6000)
    assert bridge.outcomes(1) == WENT_WELL
    assert abs(bridge.status().x_mm - 3000) < 6


def test_a_pause_holds_the_lift_too() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=1000)
    bridge.run(900)
    assert [r.outcome for r in bridge.command(PAUSE, 2)] == [DONE]
    bridge.run(5000)
    assert bridge.happened("pick") == []
    bridge.command(RESUME, 3)
    bridge.run(200)
    assert bridge.outcomes(1) == WENT_WELL


def test_a_command_that_comes_while_paused_waits_or_expires_as_paused() -> None:
    bridge = Bridge().ready()
    bridge.command(PAUSE, 1)
    bridge.command(PICK, 2, struct.pack("<IHH", 9, 0, 10), ttl_ms=50)
    bridge.pick(3, duration_ms=10)
    bridge.run(200)
    assert bridge.outcomes(2) == [(ACCEPTED, NONE), (EXPIRED, PAUSED)]
    bridge.command(RESUME, 4)
    bridge.run(200)
    assert bridge.outcomes(3) == WENT_WELL


def test_cancel_is_done_when_it_stands_and_nothing_waits() -> None:
    bridge = Bridge().ready()
    bridge.move(1, 5000)
    bridge.pick(2)
    bridge.run(2500)
    bridge.command(CANCEL, 3)
    assert bridge.outcomes(1)[-1] == bridge.outcomes(2)[-1] == (FAILED, CANCELLED)
    assert bridge.outcomes(3) == [(STARTED, NONE)]
    bridge.move(4, 0)
    bridge.run(1300)
    order = [(result.id, result.outcome) for result in bridge.results]
    assert order.index((3, DONE)) < order.index((4, STARTED))
    bridge.run(8000)
    assert bridge.outcomes(4) == WENT_WELL


@pytest.mark.parametrize(("at_ms", "outcome"), [(990, (FAILED, CANCELLED)), (1010, (DONE, NONE))])
def test_cancel_beside_the_instant_of_a_pick_tells_the_truth(at_ms: int, outcome: tuple[int, int]) -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=1000)
    bridge.run(at_ms)
    bridge.command(CANCEL, 2)
    bridge.run(1000)
    assert bridge.outcomes(1)[-1] == outcome
    assert len(bridge.happened("pick")) == (outcome == (DONE, NONE))
    assert bridge.outcomes(2) == [(DONE, NONE)]


def test_commands_go_on_while_the_link_is_closed_and_are_asked_for_afterwards() -> None:
    bridge = Bridge().ready()
    bridge.pick(1, duration_ms=1000)
    bridge.send(b"\x03\x53")
    bridge.run(1500)
    assert len(bridge.happened("pick")) == 1
    bridge.open(epoch=2)
    assert [(r.id, r.outcome, r.prior) for r in bridge.query(2, 1)] == [(1, DUPLICATE, DONE)]


def test_a_long_history_is_the_same_every_time() -> None:
    """The firmware reads no clock and draws no lots: equal input, equal octets."""

    def history() -> int:
        bridge = Bridge().ready()
        for number in range(1, 30):
            bridge.move(number, number * 100, number * 50)
            bridge.run(300)
        return crc32(b"".join(frame.control + frame.info for frame in bridge.frames))

    assert history() == history()

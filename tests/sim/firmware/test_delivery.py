"""Section 5: sequence numbers, window, REJ, RNR and the timer."""

import pytest

from tests.sim.firmware.line_time import Bridge
from tests.sim.firmware.wire import Frame, command_body, information, supervisory

RR, RNR, REJ, DM = 0x01, 0x05, 0x09, 0x0F
RESUME, UNKNOWN = 5, 0x60


def resume(command_id: int) -> bytes:
    """A command that is answered at once, by one result."""
    return command_body(RESUME, command_id, 1, 65535, b"")


def open_bridge(window: int = 8) -> Bridge:
    bridge = Bridge()
    bridge.open(window=window)
    return bridge


def results(frames: list[Frame]) -> list[Frame]:
    return [frame for frame in frames if frame.lane == 1 and frame.control[0] % 2 == 0]


def supervision(frames: list[Frame]) -> list[tuple[int, int, int]]:
    """Kind, N(R) and P/F of S frames."""
    return [
        (frame.control[0], frame.control[1] >> 1, frame.control[1] & 1)
        for frame in frames
        if frame.lane == 1 and frame.control[0] % 2
    ]


def test_a_result_acknowledges_what_it_answers() -> None:
    bridge = open_bridge()
    (answer,) = bridge.send(information(0, 0, resume(1)))
    assert answer.control == bytes([0, 1 << 1])


def test_a_poll_is_answered_by_a_final() -> None:
    bridge = open_bridge()
    assert supervision(bridge.send(supervisory(RR, 0, poll=True))) == [(RR, 0, 1)]
    assert supervision(bridge.send(information(0, 0, resume(1), poll=True))) == [(RR, 1, 1)]


def test_a_frame_too_short_for_a_command_is_acknowledged_and_counted() -> None:
    bridge = open_bridge()
    assert supervision(bridge.send(information(0, 0, b"\x01short"))) == [(RR, 1, 0)]
    assert bridge.counts()["unknown"] == 1


def test_a_repetition_is_answered_by_rr_and_not_done_again() -> None:
    bridge = open_bridge()
    bridge.command(RESUME, 1)
    assert supervision(bridge.send(information(0, 1, resume(1)))) == [(RR, 1, 0)]
    assert len(bridge.results) == 1


@pytest.mark.parametrize("behind", range(1, 9))
def test_eight_frames_behind_are_repetitions(behind: int) -> None:
    bridge = open_bridge()
    for number in range(10):
        bridge.command(RESUME, number + 1)
    assert supervision(bridge.send(information(10 - behind, 10, resume(90)))) == [(RR, 10, 0)]


def test_a_gap_is_rejected_once_until_the_awaited_frame_came() -> None:
    bridge = open_bridge()
    assert supervision(bridge.send(information(1, 0, resume(2)))) == [(REJ, 0, 0)]
    assert supervision(bridge.send(information(2, 0, resume(3)), information(3, 0, resume(4)))) == []
    bridge.command(RESUME, 1)
    assert [result.id for result in bridge.results] == [1]
    assert supervision(bridge.send(information(5, 1, resume(9)))) == [(REJ, 1, 0)]


def test_a_rejection_that_was_polled_for_carries_the_final() -> None:
    bridge = open_bridge()
    assert supervision(bridge.send(information(1, 0, resume(2), poll=True))) == [(REJ, 0, 1)]


def test_numbers_wrap_after_127() -> None:
    bridge = open_bridge()
    for number in range(300):
        assert bridge.command(RESUME, number + 1)[0].outcome == 3
    assert bridge.v_s == bridge.v_r == 300 % 128
    assert supervision(bridge.frames) == []


@pytest.mark.parametrize("window", [1, 3, 8])
def test_the_vehicle_keeps_the_bridges_window(window: int) -> None:
    bridge = open_bridge(window)
    bridge.acknowledges = False
    sent = [results(bridge.send(information(number, 0, resume(number + 1)))) for number in range(10)]
    assert [len(frames) for frames in sent] == [1] * window + [0] * (10 - window)
    assert len(results(bridge.send(supervisory(RR, window)))) == min(window, 10 - window)


def test_rej_has_everything_from_there_sent_again() -> None:
    bridge = open_bridge()
    bridge.acknowledges = False
    for number in range(5):
        bridge.send(information(number, 0, resume(number + 1)))
    again = results(bridge.send(supervisory(REJ, 2)))
    assert [frame.control[0] >> 1 for frame in again] == [2, 3, 4]
    assert [frame.info[1] for frame in again] == [3, 4, 5]


def test_an_acknowledgement_of_what_is_being_sent_again_is_understood() -> None:
    bridge = open_bridge()
    bridge.acknowledges = False
    for number in range(5):
        bridge.send(information(number, 0, resume(number + 1)))
    bridge.give_room(0)
    bridge.send(supervisory(REJ, 1), supervisory(RR, 4))
    bridge.give_room(10000)
    before = len(bridge.frames)
    bridge.run(1)
    again = [frame.control[0] >> 1 for frame in results(bridge.frames[before:])]
    assert again[-1] == 4
    assert bridge.send(supervisory(RR, 5)) == []


def test_the_timer_begins_at_200_ms_doubles_and_the_fifth_expiry_closes() -> None:
    bridge = open_bridge()
    bridge.acknowledges = False
    bridge.send(information(0, 0, resume(1)))
    began_ms = bridge.at_ms
    expiries = []
    while not any(frame.control == bytes([DM]) for frame in bridge.frames):
        before = len(results(bridge.frames))
        bridge.run(1)
        if len(results(bridge.frames)) > before:
            expiries.append(bridge.at_ms - began_ms)
    assert expiries == [200, 600, 1400, 3000]
    assert bridge.at_ms - began_ms == 5000
    assert supervision(bridge.send(supervisory(RR, 0))) == []


def test_the_timer_learns_the_round_trip_and_stays_at_25_ms_or_more() -> None:
    bridge = open_bridge()
    bridge.acknowledges = False
    for number in range(20):
        bridge.send(information(number, number, resume(number + 1)))
        bridge.run(8)
    bridge.send(information(20, 20, resume(21)))
    before = len(results(bridge.frames))
    bridge.run(24)
    assert len(results(bridge.frames)) == before
    bridge.run(1)
    assert len(results(bridge.frames)) == before + 1


def test_a_frame_that_was_sent_twice_teaches_no_round_trip() -> None:
    bridge = open_bridge()
    bridge.acknowledges = False
    bridge.send(information(0, 0, resume(1)))
    bridge.run(201)
    bridge.send(supervisory(RR, 1))
    bridge.send(information(1, 1, resume(2)))
    before = len(results(bridge.frames))
    bridge.run(399)
    assert len(results(bridge.frames)) == before
    bridge.run(1)
    assert len(results(bridge.frames)) == before + 1


def test_rnr_holds_results_back_until_rr_and_polls_do_not_count_as_expiries() -> None:
    bridge = open_bridge()
    bridge.acknowledges = False
    bridge.send(supervisory(RNR, 0))
    assert supervision(bridge.send(information(0, 0, resume(1)))) == [(RR, 1, 0)]
    before = len(bridge.frames)
    bridge.run(2050)
    polls = supervision(bridge.frames[before:])
    assert polls == [(RR, 1, 1)] * 10
    assert all(frame.sense == 0 for frame in bridge.frames[before:] if frame.lane == 1)
    assert results(bridge.frames[before:]) == []
    assert len(results(bridge.send(supervisory(RR, 0, final=True)))) == 1


def test_a_vehicle_full_of_results_says_rnr_and_goes_on_after_it() -> None:
    bridge = open_bridge()
    bridge.acknowledges = False
    bridge.send(supervisory(RNR, 0))
    answers = [supervision(bridge.send(information(n, 0, resume(n + 1)))) for n in range(42)]
    assert [answer[0][0] for answer in answers] == [RR] * 40 + [RNR] * 2
    assert answers[-1] == [(RNR, 41, 0)]
    assert supervision(bridge.send(supervisory(RR, 0, poll=True)))[0][0] == RNR
    bridge.send(supervisory(RR, 8))
    bridge.run(1)
    assert RR in [kind for kind, _, _ in supervision(bridge.frames)[-3:]]
    assert supervision(bridge.send(information(41, 8, resume(42))))[-1:] != [(RNR, 41, 0)]


def test_an_unknown_command_is_unsupported_and_does_not_stop_the_line() -> None:
    bridge = open_bridge()
    assert [(result.outcome, result.reason) for result in bridge.command(UNKNOWN, 1)] == [(4, 7)]
    assert bridge.command(RESUME, 2)[0].outcome == 3

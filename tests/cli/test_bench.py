"""`storeforward bench`: every figure of the bridge with its ceiling, for programs and for people."""

import json
import subprocess
import sys
from statistics import median

import pytest

from agent.clock import SystemClock
from firmware_bridge._framing import encode
from sim.bench.bridge import bridge_benchmarks
from sim.bench.codec import pure_encode, split_decode
from sim.bench.figure import Effort, Figure, per_second, quantile, rate, time
from sim.bench.view import show

NAMES = [
    "codec_decode_64",
    "codec_encode_64",
    "ack_turnaround_busy0",
    "ack_turnaround_busy1",
    "ack_turnaround_busy2",
    "ack_turnaround_own_process",
    "stop_latency",
    "stop_latency_own_process",
    "order_accept",
]
FEW = Effort(run_s=0.01, turnarounds=5, stops=5)


@pytest.mark.parametrize("name", NAMES)
def test_a_figure_stands_beside_its_ceiling(name: str) -> None:
    figure = bridge_benchmarks(FEW, SystemClock())[name]()
    assert figure.name == name
    assert figure.value > 0
    assert figure.ceiling > 0
    assert figure.ratio > 0
    assert "ceiling: " in figure.note


def test_these_are_all_the_figures() -> None:
    assert list(bridge_benchmarks(FEW, SystemClock())) == NAMES


def test_the_ratio_is_how_many_times_better() -> None:
    assert rate("codec", 300, "MB/s", 100, "").ratio == 3
    assert time("stop", 10, "ms", 5, "").ratio == 0.5


def test_a_quantile_is_a_sample() -> None:
    assert quantile([3, 1, 2], 0.5) == median([1, 2, 3])
    assert quantile(range(1000), 0.999) == 998
    assert quantile([7], 0.999) == 7


def test_calls_are_counted_in_the_time_they_take() -> None:
    assert per_second(lambda: None, SystemClock(), 0.001) > 1000


def test_the_pure_codec_that_ours_is_held_against_is_right() -> None:
    frames = [bytes([octet, 0x7D, 0x7E, 1, 2]) for octet in range(256)]
    assert [pure_encode(frame) for frame in frames] == [encode(frame) for frame in frames]
    assert split_decode(b"".join(map(encode, frames))) == frames
    assert split_decode(b"\x7e12345678\x7e\x7e\x7e123\x7e") == []


def test_a_person_sees_a_table_and_the_notes(capsys: pytest.CaptureFixture[str]) -> None:
    show([Figure("stop_latency", 12.3456, "ms", 1234.5, 0.1, "p99.9; ceiling: the wire")])
    shown = capsys.readouterr().out
    assert "stop_latency" in shown
    assert "12.3" in shown
    assert "stop_latency: p99.9; ceiling: the wire" in shown


def test_a_program_gets_json_and_nothing_else() -> None:
    command = [sys.executable, "-m", "agent", "bench", "bridge", "--quick", "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=True, timeout=110)
    figures = json.loads(answer.stdout)
    assert [figure["name"] for figure in figures] == NAMES
    assert {tuple(figure) for figure in figures} == {("name", "value", "unit", "ceiling", "ratio", "note")}

"""`storeforward bench link`: figures beside ceilings of the same run, and nothing stays. No speed is asserted."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from agent.clock import SystemClock
from agent.topics import Channel
from sim.bench import link_backlog
from sim.bench.bare_publisher import line_for
from sim.bench.bench_processes import BenchFailed, Told, broker_process
from sim.bench.link import link_benchmarks
from sim.bench.link_backlog import NAME, LinkBacklog
from sim.bench.link_effort import LinkEffort
from sim.bench.link_storm import connects_per_s_max
from tests.cli.command import HEARS_CTRL_C
from tests.waiting import until

NAMES = [
    "drain",
    "drain_to_ledger",
    "drain_3g",
    "reconnect_storm",
    "event_to_cloud_p95",
    "event_to_cloud_p95_busy",
]
FEW = LinkEffort(events=1_000, pairs=1, samples=5, backoff_max_s=0.5, slow_events_max=200)
COMMAND = [*HEARS_CTRL_C, sys.executable, "-m", "agent", "bench", "link"]
CLOCK = SystemClock()


@pytest.fixture
def place() -> Iterator[Path]:
    """A TMPDIR of its own, and short: sockets lie in it."""
    with TemporaryDirectory() as text:
        yield Path(text)


def living(place: Path) -> list[str]:
    """The command lines of all processes with this TMPDIR."""
    mark, found = f"TMPDIR={place}".encode(), []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if mark in (process / "environ").read_bytes().split(b"\0"):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # it ended while we looked
    return found


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.soak) if name == "drain_3g" else name for name in NAMES]
)
def test_a_figure_stands_beside_its_ceiling(name: str) -> None:
    with link_benchmarks(FEW, CLOCK) as benchmarks:
        assert list(benchmarks) == NAMES
        figure = benchmarks[name]()
    assert figure.name == name
    assert figure.value > 0
    assert figure.ceiling > 0
    assert figure.ratio > 0
    assert "ceiling: " in figure.note
    assert "1 pairs" in figure.note


def test_a_ceiling_is_measured_in_the_run_of_its_figure() -> None:
    with link_benchmarks(FEW, CLOCK) as benchmarks:
        first, second = benchmarks["drain"](), benchmarks["drain"]()
    assert first.ceiling != second.ceiling


def test_a_program_gets_json_and_nothing_else_and_nothing_stays(place: Path) -> None:
    command = [*COMMAND, "--quick", "--events", "1000", "--only", "drain", "--json"]
    answer = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=110, env=os.environ | {"TMPDIR": str(place)}
    )
    (figure,) = json.loads(answer.stdout)
    assert tuple(figure) == ("name", "value", "unit", "ceiling", "ratio", "note")
    assert figure["name"] == "drain"
    assert "1,000 events" in figure["note"]
    assert answer.stderr == ""  # no bar where nobody watches
    assert list(place.iterdir()) == []
    assert living(place) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_however_it_is_ended_no_process_stays_and_no_folder_if_it_can_be_helped(
    number: signal.Signals, place: Path
) -> None:
    command = [*COMMAND, "--events", "1000", "--only", "drain_to_ledger"]
    with subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"TMPDIR": str(place)},
    ) as bench:

        async def in_the_midst() -> bool:
            lines = "".join(living(place))
            return all(part in lines for part in ("agent run", "mosquitto -c", "sim.cloud", "sim.bench.listener"))

        async def over() -> bool:
            return not living(place)

        try:
            asyncio.run(until(in_the_midst, 60))
        finally:
            bench.send_signal(number)
        asyncio.run(until(over))
    assert bench.returncode != 0
    assert list(place.iterdir()) == [] or number is signal.SIGKILL


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--only", "speed"), f"'speed' is none of {', '.join(NAMES)}"),
        (("--events", "10"), "1000<=x<=20000000"),
        (("--pairs", "0"), "1<=x<=99"),
    ],
)
def test_an_option_that_means_nothing_is_refused_with_what_does(options: tuple[str, str], told: str) -> None:
    answer = subprocess.run([*COMMAND, *options], capture_output=True, text=True, check=False, timeout=60)
    assert answer.returncode == 2
    assert told in answer.stderr
    assert answer.stdout == ""


def test_a_drain_ends_with_the_cursor_in_the_file_and_begins_anew_each_time(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backlog = LinkBacklog(place, 1_000, CLOCK)
    assert sum(backlog.counts.values()) == 1_000
    with monkeypatch.context() as impatient:
        impatient.setattr(link_backlog, "FORWARDED_S_MAX", 0.1)
        with pytest.raises(BenchFailed, match="not forwarded everything"):
            backlog.wait_forwarded()
    with broker_process(place / "broker") as broker:
        for _ in range(2):
            with backlog.leaving(broker.port) as first:
                assert backlog.wait_forwarded() > first.came_s
            assert first.size_bytes > 0


def test_the_ceiling_publishes_the_events_as_they_are_stored(place: Path) -> None:
    sample = LinkBacklog(place, 1_000, CLOCK).sample(100)
    bodies = [line.split(b" ", 2)[2] for line in sample.file.read_bytes().splitlines()]
    assert len(bodies) == sample.events == 100
    assert {json.loads(body)["stream"] for body in bodies} == set(sample.counts) == {"sales", "stock"}
    assert sum(map(len, bodies)) / 100 == sample.mean_bytes


def test_the_bare_publisher_says_when_it_published_what_a_listener_hears(tmp_path: Path) -> None:
    ids = ["a", "b", "c"]
    bodies = [json.dumps([{"id": event_id, "source": "/store-1/box-1/till-1"}]).encode() for event_id in ids]
    other = json.dumps([{"id": "d", "source": "/store-1/box-1/till-2"}]).encode()
    topic, file = NAME.topic(Channel.EVENTS, "sales"), tmp_path / "publishes"
    due_s = [0.0, 0.0, 0.1, 0.2]
    file.write_bytes(b"".join(line_for(topic, body, due) for body, due in zip([other, *bodies], due_s, strict=True)))
    with (
        broker_process(tmp_path / "broker") as broker,
        Told("sim.bench.listener", "arrivals", broker.port, len(ids), "till-1") as listener,
    ):
        assert listener.value() == "listening"
        with Told("sim.bench.bare_publisher", "paced", broker.port, file) as publisher:
            sent_s, came_s = publisher.value(), listener.value()
    assert [at_s - sent_s[0] >= due for at_s, due in zip(sent_s, due_s, strict=True)] == [True] * 4
    assert list(came_s) == ids
    assert all(came > at for came, at in zip(came_s.values(), sent_s[1:], strict=True))


def test_the_busiest_second_is_any_second() -> None:
    assert connects_per_s_max([]) == 0
    assert connects_per_s_max([5.0]) == 1
    assert connects_per_s_max([1.4, 0.0, 0.99, 1.0, 0.5]) == 4

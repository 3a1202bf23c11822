"""What a person watches during a demo, on terminals of several sizes, without colours and without a terminal."""

import io
import os
import pty
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pytest
from rich.cells import cell_len
from rich.console import Console

from agent.clock import SystemClock
from agent.event_types import Stream
from sim.demo.day_so_far import DaySoFar
from sim.demo.progress_lines import ProgressLines
from sim.demo.screen import Screen
from sim.demo.summary import CaptureKind, KioskView, LinkState, Phase, Sample, StreamCount, TillState, VehicleView
from sim.demo.view import LiveView, open_view, terminal_console
from tests.sim.demo_samples import DAY, SUMMARY, samples

DEADLINE_S = 10.0
SIZES = [(80, 24), (120, 36), (100, 30), (200, 60)]


def frame(seen: Sequence[Sample], size: tuple[int, int] = (80, 24)) -> list[str]:
    """The view's lines after these samples, as plain text."""
    so_far = DaySoFar.begin(DAY, seen[0])
    for sample in seen[1:]:
        so_far = so_far.after(sample)
    width, height = size
    page = io.StringIO()
    console = Console(file=page, width=width, height=height, force_terminal=True, color_system=None)
    console.print(Screen(so_far), height=height)
    return page.getvalue().splitlines()


def until(at_s: float) -> list[Sample]:
    return [sample for sample in samples() if sample.at_s <= at_s]


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_fills_the_terminal_and_never_more(size: tuple[int, int]) -> None:
    lines = frame(until(15.0), size)
    assert len(lines) == size[1]
    assert all(cell_len(line) <= size[0] for line in lines)


@pytest.mark.parametrize("size", [(110, 34), (120, 36), (200, 60)])
def test_a_tall_frame_shows_what_the_kiosks_do(size: tuple[int, int]) -> None:
    seen = until(15.0)
    tills = (*seen[-1].tills[:-1], replace(seen[-1].tills[-1], kiosk=True))
    kiosks = KioskView(2, 96, 11, 2, 143.2, 61.5, 120.0)
    lines = frame([*seen[:-1], replace(seen[-1], kiosks=kiosks, tills=tills)], size)
    assert len(lines) == size[1]
    text = "\n".join(lines)
    for words in ("till-12 ▣", "2 kiosks", "11 · 2 in 96 decisions", "143 ms", "62 ms", "total"):
        assert words in text


@pytest.mark.parametrize("size", [(80, 32), (110, 34), (200, 60)])
def test_a_tall_frame_has_a_line_for_each_vehicle(size: tuple[int, int]) -> None:
    seen = until(15.0)
    vehicles = (
        VehicleView("agv-1", "driving", "stock-room → shelf-3-11", 3),
        VehicleView("agv-2", "stopped (person)", "", 2),
    )
    lines = frame([*seen[:-1], replace(seen[-1], vehicles=vehicles)], size)
    assert len(lines) == size[1]
    (first,) = [line for line in lines if "agv-1" in line]
    (second,) = [line for line in lines if "agv-2" in line]
    assert all(words in first for words in ("▸ driving", "stock-room", "3 done"))
    assert all(words in second for words in ("■ stopped (person)", "2 done"))


@pytest.mark.parametrize("size", SIZES)
def test_a_frame_shows_tills_link_depth_captures_and_streams(size: tuple[int, int]) -> None:
    text = "\n".join(frame(until(15.0), size))
    for words in ("Storeforward", "generator, seed 1", "shop clock 12:18", "39%", "12 tills", "till-12"):
        assert words in text
    for words in ("network cut on purpose", "selling goes on", "660 events waiting", "append 1.2 ms · p99 7.5 ms"):
        assert words in text
    for words in ("waiting in the log: 660", "peak 660", "POS", "RFID", "NFC", "camera", "voice", "climate"):
        assert words in text
    for words in ("sales", "audit", "accepted", "delivered", "total", "1,860"):
        assert words in text


@pytest.mark.parametrize("size", [(1, 1), (20, 5), (40, 12), (79, 23), (400, 200)])
def test_a_terminal_of_any_size_gets_a_frame(size: tuple[int, int]) -> None:
    assert len(frame(until(15.0), size)) == size[1]


@pytest.mark.parametrize(
    ("link", "waiting", "words"),
    [
        (LinkState.ONLINE, 12, ("● online", "12 on their way")),
        (LinkState.ONLINE, 4_000, ("● online, catching up", "4,000 events waiting")),
        (LinkState.CONNECTING, 700, ("◌ connecting", "selling goes on", "700 events waiting")),
        (LinkState.CUT, 700, ("✖ network cut on purpose", "selling goes on", "700 events waiting")),
    ],
)
def test_the_link_is_told_by_sign_and_words(link: LinkState, waiting: int, words: tuple[str, ...]) -> None:
    text = "\n".join(frame([replace(samples()[0], link=link, waiting=waiting)]))
    assert all(word in text for word in words)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (TillState.SCANNING, "▸ scanning"),
        (TillState.PAYING, "◆ paying"),
        (TillState.IDLE, "· idle"),
        (TillState.WAITING, "! waiting for the agent"),
    ],
)
def test_a_till_is_told_by_sign_and_words(state: TillState, words: str) -> None:
    sample = samples(tills=1)[0]
    text = "\n".join(frame([replace(sample, tills=(replace(sample.tills[0], state=state),))], (120, 36)))
    assert words in text


def test_more_tills_than_rows_are_counted() -> None:
    text = "\n".join(frame(samples(tills=30)))
    assert "30 tills" in text
    assert "till-11" in text
    assert "… and 19 more" in text


def test_more_streams_than_rows_are_added_up() -> None:
    lines = frame(samples(streams=8))
    (rest,) = [line for line in lines if "3 more" in line]
    assert rest.count(f"{samples()[-1].accepted // 6 * 3:,}") == 2
    assert any("total" in line for line in lines)


def test_the_cloud_may_be_ahead_of_what_was_counted_a_moment_before() -> None:
    count = StreamCount(Stream.SALES, 99, 100)
    (line,) = [line for line in frame([replace(samples()[0], streams=(count,))], (120, 36)) if "│ sales  " in line]
    assert line.rstrip(" │").split()[-3:] == ["99", "100", "0"]


def test_the_chart_shows_the_outage_where_it_was_in_the_day() -> None:
    lines = frame(samples(), (80, 24))
    (link_line,) = [line[2:46] for line in lines if "✖✖" in line]
    begins, ends = link_line.index("✖"), link_line.rindex("✖")
    assert abs(begins - 44 * 10 / 38) <= 1
    assert abs(ends - 44 * 18 / 38) <= 1
    assert any("█" in line[begins + 2 : ends + 3] for line in lines)


def test_ordinary_traffic_is_no_mountain() -> None:
    small = [replace(sample, waiting=5) for sample in samples(cut=False)]
    assert not any("█" in line for line in frame(small))


def test_the_end_of_the_day_says_what_is_going_on() -> None:
    assert any("closing the day" in line for line in frame(samples()))
    catching_up = replace(samples()[-1], phase=Phase.CATCHING_UP)
    assert any("catching up" in line for line in frame([catching_up]))


def test_a_kind_without_events_shows_a_zero() -> None:
    lines = frame([replace(samples()[5], captured={CaptureKind.POS: 7})], (120, 36))
    (line,) = [line for line in lines if "voice intents" in line]
    assert line.rstrip(" │").endswith(" 0")


def test_how_long_the_link_is_down_is_counted_from_the_cut() -> None:
    assert any("for 5 s" in line for line in frame(until(15.0)))


def test_a_long_demo_keeps_a_fixed_number_of_buckets() -> None:
    so_far = DaySoFar.begin(DAY, samples()[0])
    for sample in samples() * 20:
        so_far = so_far.after(sample)
    assert len(so_far.buckets) == 480
    assert len(so_far.columns(1_000)) <= 1_000


def page_with(words: str, page: io.StringIO) -> str:
    """The page once the drawing thread has put the words there."""
    clock, tick = SystemClock(), threading.Event()
    give_up_s = clock.monotonic_s() + DEADLINE_S
    while words not in page.getvalue():
        assert clock.monotonic_s() < give_up_s
        tick.wait(0.01)
    return page.getvalue()


def test_the_live_view_leaves_the_terminal_as_it_found_it_even_after_an_error() -> None:
    page = io.StringIO()
    switch_s = sys.getswitchinterval()
    console = Console(file=page, width=80, height=24, force_terminal=True)

    def watch_and_interrupt() -> None:
        with LiveView(DAY, console) as view:
            for sample in samples():
                view.update(sample)
            assert "\x1b[?1049h" in page_with("till-12", page)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watch_and_interrupt()
    assert page.getvalue().count("\x1b[?1049l") == 1
    assert page.getvalue().rfind("\x1b[?25h") > page.getvalue().rfind("\x1b[?25l")
    assert sys.getswitchinterval() == pytest.approx(switch_s)


@contextmanager
def terminal_as_stdout(monkeypatch: pytest.MonkeyPatch, columns: int, rows: int) -> Iterator[int]:
    """Standard output is a pseudo-terminal of that size; gives its other end."""
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        patch.setenv("COLUMNS", str(columns))
        patch.setenv("LINES", str(rows))
        patch.setenv("TERM", "xterm-256color")
        try:
            yield ours
        finally:
            os.close(ours)


def test_a_terminal_gets_the_live_view(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_as_stdout(monkeypatch, 80, 24):
        assert isinstance(open_view(DAY, headless=False), LiveView)


def test_headless_means_plain_lines_even_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_as_stdout(monkeypatch, 80, 24):
        assert isinstance(open_view(DAY, headless=True), ProgressLines)


def test_a_small_terminal_gets_plain_lines_and_is_told_why(monkeypatch: pytest.MonkeyPatch) -> None:
    with terminal_as_stdout(monkeypatch, 79, 24) as other_end:
        assert isinstance(open_view(DAY, headless=False), ProgressLines)
        sys.stdout.flush()
        assert b"needs 80 x 24" in os.read(other_end, 1_000)


def test_without_a_terminal_there_are_plain_lines_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    with open_view(DAY, headless=False) as view:
        for sample in samples():
            view.update(sample)
    said = capsys.readouterr()
    assert said.out == ""
    assert "demo: a store day of generator, seed 1" in said.err


def test_plain_lines_come_every_few_seconds_and_when_the_link_changes() -> None:
    page = io.StringIO()
    with ProgressLines(DAY, page) as lines:
        for sample in samples():
            lines.update(sample)
    said = page.getvalue().splitlines()
    assert "demo: 10:12 network cut on purpose: selling goes on" in said
    assert "demo: 13:34 online: events go up to the cloud" in said
    assert said[-1] == (
        "demo: 22:00 closing the day, 100% of the day: 4,560 events in the log, 4,560 in the cloud, 0 waiting; "
        "append p99 7.5 ms"
    )
    assert len(said) == 1 + 3 + 9


def test_plain_lines_say_when_nothing_was_measured() -> None:
    page = io.StringIO()
    with ProgressLines(DAY, page) as lines:
        lines.update(replace(samples()[0], append_ms_p99=None))
    assert page.getvalue().endswith("append p99 not measured\n")


def test_a_terminal_with_a_narrow_encoding_gets_question_marks_not_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    paper = io.BytesIO()
    with io.TextIOWrapper(paper, encoding="latin-1") as stdout, monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", stdout)
        terminal_console().print(f"✓ {SUMMARY.baskets} baskets")
        stdout.flush()
        assert paper.getvalue() == b"? 3012 baskets\n"

"""The plot and the picture of the terminal: right size, right words, nothing fetched from elsewhere."""

import struct
from dataclasses import replace
from datetime import timedelta
from xml.etree import ElementTree as ET

import pytest

from sim.demo.picture import render_svg
from sim.demo.plot import draw_log_depth, log_depth_title
from sim.demo.summary import Sample, StoreDay
from tests.sim.demo_samples import DAY, SUMMARY, failed, samples

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


def png_size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(PNG_SIGNATURE)
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def test_the_plot_is_a_png_that_fills_a_page() -> None:
    picture = draw_log_depth(DAY, samples(), SUMMARY, "png")
    assert png_size(picture) == (1_500, 990)
    assert 30_000 < len(picture) < 1_000_000


def test_the_plot_is_an_svg_too_and_the_same_each_time() -> None:
    picture = draw_log_depth(DAY, samples(), SUMMARY, "svg")
    assert ET.fromstring(picture).tag == "{http://www.w3.org/2000/svg}svg"
    assert draw_log_depth(DAY, samples(), SUMMARY, "svg") == picture


def test_the_title_says_what_happened() -> None:
    headline, sentence = log_depth_title(SUMMARY)
    assert headline == "8.0 s without a network, and no event was lost"
    assert sentence == (
        "The tills sold on; up to 1,020 events waited on the shop's disk; in the end all 28,713 reached the cloud."
    )


def test_the_title_does_not_claim_what_did_not_happen() -> None:
    headline, sentence = log_depth_title(failed())
    assert headline == "8.0 s without a network"
    assert "28,710 of 28,713 reached the cloud" in sentence


def test_the_title_of_a_day_with_a_network() -> None:
    headline, sentence = log_depth_title(replace(SUMMARY, outage_s=0.0))
    assert headline == "The network was up all day"
    assert "all 28,713 reached the cloud" in sentence


@pytest.mark.parametrize(
    ("day", "seen"),
    [
        (DAY, samples(cut=False)),
        (DAY, samples()[:1]),
        (DAY, [sample for sample in samples() if sample.at_s <= 15.0]),
        (DAY, [replace(sample, waiting=0, accepted=0, delivered=0) for sample in samples()]),
        (replace(DAY, to_time=DAY.from_time + timedelta(days=30), data_source="words " * 100), samples()),
    ],
)
def test_any_demo_can_be_plotted(day: StoreDay, seen: list[Sample]) -> None:
    assert png_size(draw_log_depth(day, seen, replace(SUMMARY, data_source=day.data_source), "png")) == (1_500, 990)


def test_the_terminals_picture_is_an_svg_that_needs_nothing_from_elsewhere() -> None:
    seen = [sample for sample in samples() if sample.at_s <= 15.0]
    picture = render_svg(DAY, seen)
    ET.fromstring(picture)
    assert picture.replace("http://www.w3.org/2000/svg", "").count("http") == 0
    text = picture.replace("&#160;", " ")
    for words in ("network cut on purpose", "till-12", "waiting in the log: 660", "generator, seed 1"):
        assert words in text

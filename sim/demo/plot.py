"""The picture of a demo: how deep the log was while the network was away, and how the cloud caught up.

Import it only to draw: it brings matplotlib, which a running demo does not carry.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from io import BytesIO
from textwrap import shorten
from typing import Any, Final, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from sim.demo.outage import Outage, find_outages
from sim.demo.summary import Sample, StoreDay, Summary

__all__ = ["draw_log_depth", "log_depth_title"]

WIDTH_INCHES: Final = 10.0
HEIGHT_INCHES: Final = 6.6
DOTS_PER_INCH: Final = 150
PANELS: Final = (0.005, 0.035, 0.985, 0.86)  # left, bottom, width, height; the words are above and below
SHOP_CLOCK_CHARS_MAX: Final = 60
SOURCE_CHARS_MAX: Final = 110

# Okabe and Ito's palette: told apart with any colour vision, and in grey.
BLUE: Final = "#0072B2"
ORANGE: Final = "#D55E00"
GREY: Final = "#5F6368"
PALE: Final = "#E3E6EA"
INK: Final = "#202124"

_STYLE: Final[dict[Any, Any]] = {  # Any: matplotlib lists 300 names, with values of every type
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib
    "font.size": 11,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": PALE,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "svg.hashsalt": "storeforward",  # the same samples, the same file
    "svg.fonttype": "path",
}


def log_depth_title(summary: Summary) -> tuple[str, str]:
    """What happened: a headline, and the sentence that bears it out."""
    accepted, delivered = summary.events_accepted, summary.events_delivered
    whole = accepted == delivered and not summary.missing
    ending = f"all {accepted:,} reached the cloud" if whole else f"{delivered:,} of {accepted:,} reached the cloud"
    if not summary.outage_s:
        return "The network was up all day", f"Of the day's events, {ending}."
    return (
        f"{summary.outage_s:.1f} s without a network" + (", and no event was lost" if whole else ""),
        f"The tills sold on; up to {summary.waiting_max:,} events waited on the shop's disk; in the end {ending}.",
    )


def draw_log_depth(day: StoreDay, samples: Sequence[Sample], summary: Summary, kind: Literal["png", "svg"]) -> bytes:
    """The finished picture as a file's bytes: the log's depth above, accepted and delivered events below."""
    with mpl.rc_context(_STYLE):
        figure = Figure(
            figsize=(WIDTH_INCHES, HEIGHT_INCHES), dpi=DOTS_PER_INCH, layout=ConstrainedLayoutEngine(rect=PANELS)
        )
        _paint(figure, day, samples, summary)
        picture = BytesIO()
        figure.savefig(picture, format=kind, metadata={"Date": None} if kind == "svg" else None)
    return picture.getvalue()


def _paint(figure: Figure, day: StoreDay, samples: Sequence[Sample], summary: Summary) -> None:
    cuts = find_outages(samples)
    _caption(figure, summary)
    depth, totals = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    _paint_depth(depth, samples, cuts)
    _paint_totals(totals, samples)
    for axes in (depth, totals):
        for cut in cuts:
            axes.axvspan(cut.begins_s, cut.ends_s, color=PALE, linewidth=0, zorder=0)
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.set_ylim(bottom=0)
        axes.margins(x=0.01)
    totals.set_xlabel("seconds since the start")
    _mark_shop_hours(depth, day, samples)
    figure.align_ylabels()


def _caption(figure: Figure, summary: Summary) -> None:
    headline, sentence = log_depth_title(summary)
    figure.text(0.015, 0.975, headline, ha="left", va="top", fontsize=16, fontweight="bold")
    figure.text(0.015, 0.925, sentence, ha="left", va="top", fontsize=11.5)
    source = f"Sales: {shorten(summary.data_source, SOURCE_CHARS_MAX)} · Storeforward {summary.version}"
    figure.text(0.015, 0.012, source, ha="left", va="bottom", fontsize=9, color=GREY)


def _paint_depth(axes: Axes, samples: Sequence[Sample], cuts: Sequence[Outage]) -> None:
    at_s = [sample.at_s for sample in samples]
    waiting = [sample.waiting for sample in samples]
    axes.fill_between(at_s, waiting, color=ORANGE, alpha=0.25, linewidth=0)
    axes.plot(at_s, waiting, color=ORANGE, linewidth=1.8)
    axes.set_ylabel("events waiting in the log")
    axes.set_ylim(top=max([10, *waiting]) * 1.22)
    for cut in cuts:
        middle_s = (cut.begins_s + cut.ends_s) / 2
        words = f"network cut\n{cut.length_s:.1f} s"
        axes.annotate(words, (middle_s, 0.98), xycoords=("data", "axes fraction"), ha="center", va="top", color=GREY)
    if cuts:
        _tell(axes, max(cuts, key=lambda cut: cut.waiting_max), samples[-1].at_s)


def _tell(axes: Axes, cut: Outage, end_s: float) -> None:
    """The words beside the peak, on the side that has room."""
    words = f"{cut.waiting_max:,} events waited"
    if cut.caught_up_s is not None:
        words += f",\ndelivered {cut.caught_up_s:.1f} s after\nthe network was back"
    right = cut.ends_s < end_s / 2
    axes.annotate(
        words,
        xy=(cut.ends_s if right else cut.begins_s, cut.waiting_max),
        xytext=(28 if right else -10, 0),
        textcoords="offset points",
        ha="left" if right else "right",
        va="top",
        fontweight="bold",
        linespacing=1.4,
    )


def _paint_totals(axes: Axes, samples: Sequence[Sample]) -> None:
    at_s = [sample.at_s for sample in samples]
    accepted = [sample.accepted for sample in samples]
    delivered = [sample.delivered for sample in samples]
    axes.fill_between(at_s, delivered, accepted, color=ORANGE, alpha=0.25, linewidth=0)
    axes.plot(at_s, accepted, color=ORANGE, linewidth=1.8, label="accepted: safe on the shop's disk")
    axes.plot(
        at_s, delivered, color=BLUE, linewidth=1.8, linestyle=(0, (4, 1.5)), label="delivered: in the cloud's ledger"
    )
    axes.set_ylabel("events in total")
    axes.legend(loc="lower right", frameon=False)


def _mark_shop_hours(axes: Axes, day: StoreDay, samples: Sequence[Sample]) -> None:
    """The shop's clock along the top: whole hours at the second they were reached."""
    hours = _hours_reached(day, samples)
    labels = [day.clock(hour) for _, hour in hours]
    step = max(1, -(-sum(map(len, labels)) // SHOP_CLOCK_CHARS_MAX))
    top = axes.secondary_xaxis("top")
    top.set_xticks([at_s for at_s, _ in hours][::step], labels[::step])
    top.tick_params(labelsize=9)
    top.spines["top"].set_visible(False)
    top.set_xlabel("shop clock", loc="left", fontsize=9, color=GREY)


def _hours_reached(day: StoreDay, samples: Sequence[Sample]) -> list[tuple[float, datetime]]:
    hours: list[tuple[float, datetime]] = []
    zone = day.from_time.tzinfo
    for sample in samples:
        hour = sample.shop_time.astimezone(zone).replace(minute=0, second=0, microsecond=0)
        if day.from_time <= hour <= day.to_time and (not hours or hour - hours[-1][1] >= timedelta(hours=1)):
            hours.append((sample.at_s, hour))
    return hours

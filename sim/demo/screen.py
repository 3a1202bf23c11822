"""The picture of a running demo on a terminal of at least 80 x 24 characters: one sample in, one frame out."""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.layout import Layout
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sim.demo.day_so_far import DayColumn, DaySoFar
from sim.demo.summary import CaptureKind, LinkState, Phase, Sample, TillState, TillView, VehicleView

__all__ = ["COLUMNS_MIN", "ROWS_MIN", "Screen"]

COLUMNS_MIN: Final = 80
ROWS_MIN: Final = 24
WIDE_FROM: Final = 110
TALL_FROM: Final = 32
LEFT_COLUMNS_MIN: Final = 48
BORDER_ROWS: Final = 2
LINK_ROWS: Final = 5
KIOSK_ROWS: Final = 3
CATCHING_UP_FROM: Final = 500  # events: more than the batches on their way in ordinary traffic
CHART_TOP_MIN: Final = 200  # events: batches on their way stay a low line, not a mountain range
KIOSK_SIGN: Final = "▣"
DEPTH_BLOCKS: Final = " ▁▂▃▄▅▆▇█"

_FRAME: Final = "bright_black"
_TILL_LOOKS: Final = {
    TillState.SCANNING: ("▸", "cyan"),
    TillState.PAYING: ("◆", "green"),
    TillState.IDLE: ("·", "bright_black"),
    TillState.WAITING: ("!", "bold yellow"),
}
_VEHICLE_LOOKS: Final = {  # by the first word of what it does; the others are work at a place
    "driving": ("▸", "cyan"),
    "standing": ("·", "bright_black"),
    "stopped": ("■", "bold red"),
    "out": ("!", "bold yellow"),
}
_LINK_LOOKS: Final = {
    LinkState.ONLINE: ("●", "green", "━"),
    LinkState.CONNECTING: ("◌", "yellow", "╌"),
    LinkState.CUT: ("✖", "red", "✖"),
}
_CAPTURE_WORDS: Final = {
    CaptureKind.POS: ("POS", "POS scans, sales"),
    CaptureKind.RFID: ("RFID", "RFID reads"),
    CaptureKind.NFC: ("NFC", "NFC taps"),
    CaptureKind.CAMERA: ("camera", "camera counts"),
    CaptureKind.VOICE: ("voice", "voice intents"),
    CaptureKind.ENVIRONMENT: ("climate", "climate readings"),
}


class Screen:
    """One frame; it takes the terminal's size when it is drawn."""

    def __init__(self, so_far: DaySoFar) -> None:
        self._so_far = so_far
        self._day = so_far.day
        self._sample = so_far.latest

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width, height = options.max_width, options.height or options.max_height
        tall, wide = height >= TALL_FROM, width >= WIDE_FROM
        left = max(LEFT_COLUMNS_MIN, width * 3 // 5)
        till_rows = min(len(self._sample.tills), max(4, height * 5 // 8 - 3)) + 1
        header_rows, capture_rows = (4, 6) if tall else (2, 3)
        columns = Layout()
        columns.split_row(Layout(name="left", size=left), Layout(name="right"))
        vehicles = self._vehicles() if tall else None
        vehicle_rows = len(self._sample.vehicles) + BORDER_ROWS if vehicles else 0
        columns["left"].split_column(
            Layout(self._tills(till_rows - 1, wide=wide), size=till_rows + BORDER_ROWS),
            *([Layout(vehicles, size=vehicle_rows)] if vehicles else []),
            Layout(self._depth(left - 4, height - header_rows - till_rows - vehicle_rows - 2 * BORDER_ROWS)),
        )
        kiosks = self._kiosks() if tall else None
        used_rows = header_rows + LINK_ROWS + capture_rows + 3 * BORDER_ROWS
        used_rows += KIOSK_ROWS + BORDER_ROWS if kiosks else 0
        columns["right"].split_column(
            Layout(self._link(), size=LINK_ROWS + BORDER_ROWS),
            *([Layout(kiosks, size=KIOSK_ROWS + BORDER_ROWS)] if kiosks else []),
            Layout(self._captured(tall=tall), size=capture_rows + BORDER_ROWS),
            Layout(self._streams(height - used_rows, wide=wide)),
        )
        frame = Layout()
        frame.split_column(Layout(self._header(tall=tall), size=header_rows), columns)
        yield frame

    def _header(self, *, tall: bool) -> RenderableType:
        day, sample = self._day, self._sample
        name = Text.assemble((" Storeforward", "bold"), (f" {day.version}  ", "bright_black"))
        source = Text(day.data_source, style="cyan")
        sold = sum((till.sales_total for till in sample.tills), Decimal())
        paid = sum(till.sales for till in sample.tills)
        figures = Text(f"{paid:,} baskets paid · {sold:,.2f} {day.currency} · {sample.accepted:,} events")
        title = _row(ratios=(1, 0))
        title.add_row(
            name + (figures if tall else source),
            Text.assemble("shop clock ", (f"{day.clock(sample.shop_time)} ", "bold")),
        )
        progress = day.progress(sample.shop_time)
        bar = _row(ratios=(0, 1, 0))
        bar.add_row(
            Text(f" from {day.clock(day.from_time)}", style="bright_black"),
            ProgressBar(1.0, progress, complete_style="cyan", finished_style="green"),
            Text.assemble((f"to {day.clock(day.to_time)} ", "bright_black"), _phase_words(sample, progress)),
        )
        return Group(title, Text(" ") + source, bar, Text()) if tall else Group(title, bar)

    def _tills(self, rows: int, *, wide: bool) -> Panel:
        tills = self._sample.tills
        table = _table()
        table.add_column("till", no_wrap=True)
        table.add_column("now", no_wrap=True, ratio=1)
        table.add_column("items", justify="right")
        table.add_column("basket", justify="right", min_width=8)
        table.add_column("sales", justify="right", min_width=5)
        if wide:
            table.add_column(self._day.currency, justify="right", min_width=10)
        shown = tills if len(tills) <= rows else tills[: rows - 1]
        for till in shown:
            table.add_row(*_till_cells(till, wide=wide))
        if len(shown) < len(tills):
            table.add_row(Text(f"… and {len(tills) - len(shown)} more", style="bright_black"))
        return _panel(table, f"{len(tills)} tills")

    def _vehicles(self) -> Panel | None:
        vehicles = self._sample.vehicles
        if not vehicles:
            return None
        table = _table(header=False)
        table.add_column(no_wrap=True)
        table.add_column(no_wrap=True, min_width=16)
        table.add_column(no_wrap=True, ratio=1, overflow="ellipsis")
        table.add_column(justify="right", no_wrap=True)
        for vehicle in vehicles:
            table.add_row(*_vehicle_cells(vehicle))
        return _panel(table, f"{len(vehicles)} vehicles")

    def _depth(self, width: int, rows: int) -> Panel:
        columns = self._so_far.columns(width)
        peak = self._so_far.waiting_max
        top = max(CHART_TOP_MIN, peak)
        lines = [_depth_line(columns, top, row, rows - 2) for row in reversed(range(rows - 2))]
        link_line = Text()
        for column in columns:
            _, style, stroke = _LINK_LOOKS[column.link]
            link_line.append(stroke, style=style)
        first, last = self._day.clock(self._day.from_time), self._day.clock(self._day.to_time)
        legend = " · ".join(f"{_LINK_LOOKS[link][2]} {link}" for link in (LinkState.ONLINE, LinkState.CUT))
        hours = Text(f"{first}{legend.center(width - len(first) - len(last))}{last}", style="bright_black")
        return _panel(Group(*lines, link_line, hours), f"waiting in the log: {self._sample.waiting:,} · peak {peak:,}")

    def _link(self) -> Panel:
        sample = self._sample
        glyph, style, _ = _LINK_LOOKS[sample.link]
        state, *details = _link_words(sample, self._so_far.link_for_s)
        append = f"append {_ms(sample.append_ms_p50)} · p99 {_ms(sample.append_ms_p99)}"
        to_cloud = f"to cloud {_ms(sample.event_to_cloud_ms_p50)}"
        lines = (Text(f"{glyph} {state}", style=f"bold {style}"), *map(Text, (*details, append, to_cloud)))
        return _panel(Group(*lines), "link", border=style if sample.link is LinkState.CUT else _FRAME)

    def _kiosks(self) -> Panel | None:
        kiosks = self._sample.kiosks
        if kiosks is None:
            return None
        rows = (
            ("taken · refused", f"{kiosks.added} · {kiosks.refused} in {kiosks.shown} decisions"),
            ("scan → cards p95", _ms(kiosks.scan_to_suggestions_ms)),
            ("tap → paint p95", _ms(kiosks.tap_to_paint_ms)),
        )
        table = _table(header=False)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", ratio=1, no_wrap=True)
        for row in rows:
            table.add_row(*row)
        return _panel(table, f"{kiosks.kiosks} kiosks")

    def _captured(self, *, tall: bool) -> Panel:
        table = _table(header=False)
        table.add_column(no_wrap=True)
        table.add_column(justify="right", ratio=1)
        if not tall:
            table.add_column(no_wrap=True)
            table.add_column(justify="right", ratio=1)
        cells = [(_CAPTURE_WORDS[kind][tall], f"{self._sample.captured.get(kind, 0):,}") for kind in CaptureKind]
        per_row = 1 if tall else 2
        for start in range(0, len(cells), per_row):
            table.add_row(*(cell for pair in cells[start : start + per_row] for cell in pair))
        return _panel(table, "captured by six kinds")

    def _streams(self, rows: int, *, wide: bool) -> Panel:
        table = _table()
        table.add_column("stream", no_wrap=True)
        for heading in ("accepted", "delivered", *(["waiting"] if wide else [])):
            table.add_column(heading, justify="right", ratio=1)
        for name, accepted, delivered in _stream_rows(self._sample, rows - 1):
            figures = (accepted, delivered, max(0, accepted - delivered))[: 3 if wide else 2]
            table.add_row(name, *(f"{figure:,}" for figure in figures), style="bold" if name == "total" else "")
        return _panel(table, "events: log → cloud")


def _stream_rows(sample: Sample, rows: int) -> list[tuple[str, int, int]]:
    """Name, accepted and delivered of each stream in use, the last ones together where rows are few, and the total."""
    used = [(str(count.stream), count.accepted, count.delivered) for count in sample.streams if count.accepted]
    if len(used) > rows - 1:
        rest = used[rows - 2 :]
        used[rows - 2 :] = [(f"{len(rest)} more", sum(row[1] for row in rest), sum(row[2] for row in rest))]
    return [*used, ("total", sample.accepted, sample.delivered)]


def _till_cells(till: TillView, *, wide: bool) -> Iterable[RenderableType]:
    glyph, style = _TILL_LOOKS[till.state]
    words = till.state if wide else till.state.split()[0]
    empty = till.basket_items == 0
    yield f"{till.till_id} {KIOSK_SIGN}" if till.kiosk else till.till_id
    yield Text(f"{glyph} {words}", style=style)
    yield "" if empty else str(till.basket_items)
    yield "" if empty else f"{till.basket_total:,.2f}"
    yield f"{till.sales:,}"
    if wide:
        yield f"{till.sales_total:,.2f}"


def _vehicle_cells(vehicle: VehicleView) -> Iterable[RenderableType]:
    kind = vehicle.doing.split()[0]
    glyph, style = _VEHICLE_LOOKS.get(kind, ("◆", "green"))
    yield vehicle.vehicle_id
    yield Text(f"{glyph} {vehicle.doing}", style=style)
    yield vehicle.errand
    yield f"{vehicle.done} done"


def _link_words(sample: Sample, since_s: float) -> tuple[str, str, str]:
    waiting = f"{sample.waiting:,} events waiting"
    match sample.link:
        case LinkState.CUT:
            return "network cut on purpose", f"for {since_s:.0f} s · selling goes on", waiting
        case LinkState.CONNECTING:
            return "connecting", f"for {since_s:.0f} s · selling goes on", waiting
        case LinkState.ONLINE if sample.waiting >= CATCHING_UP_FROM:
            return "online, catching up", "the oldest events go first", waiting
        case _:
            return "online", "every event goes up at once", f"{sample.waiting:,} on their way"


def _phase_words(sample: Sample, progress: float) -> Text:
    if sample.phase is Phase.SELLING:
        return Text(f"{progress:4.0%} ", style="bold")
    return Text(f"{sample.phase} ", style="bold yellow")


def _depth_line(columns: list[DayColumn], top: int, row: int, rows: int) -> Text:
    """One line of the area, `row` counted from the bottom; full cells have both colours, so that lines join."""
    line = Text()
    for column in columns:
        eighths = round(column.waiting_max / top * rows * 8)
        if column.waiting_max and not eighths:
            eighths = 1
        level = min(8, max(0, eighths - row * 8))
        line.append(DEPTH_BLOCKS[level], style="yellow on yellow" if level == 8 else "yellow")
    return line


def _ms(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.1f} ms" if value < 10 else f"{value:,.0f} ms"


def _row(ratios: tuple[int, ...]) -> Table:
    """One line of the header; a part with ratio 1 takes the room that is left."""
    row = Table.grid(expand=True, padding=(0, 1))
    for ratio in ratios:
        row.add_column(ratio=ratio or None, no_wrap=True, overflow="ellipsis")
    return row


def _table(*, header: bool = True) -> Table:
    return Table(box=None, expand=True, padding=(0, 1, 0, 0), pad_edge=False, show_header=header, header_style=_FRAME)


def _panel(content: RenderableType, title: str, border: str = _FRAME) -> Panel:
    return Panel(content, title=title, title_align="left", border_style=border, box=box.ROUNDED, padding=(0, 1))

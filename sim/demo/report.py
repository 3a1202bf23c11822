"""The folder that a demo leaves behind: figures, pictures, and both databases for anyone to count."""

import csv
import fcntl
import io
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

from agent.errors import CallerError, EnvironmentFault
from agent.event_types import Stream
from sim.demo.album import PICTURES
from sim.demo.kiosks import KIOSK_LOG
from sim.demo.outage import find_outages
from sim.demo.picture import render_svg
from sim.demo.report_readme import README
from sim.demo.summary import CaptureKind, Sample, StoreDay, StreamCount, Summary
from sim.demo.vehicles import VEHICLES_FOLDER

__all__ = ["ReportFolder", "ReportFolderRefused", "ReportFolderUnusable"]

FIRST_LINE: Final = README.partition("\n")[0]  # how we know our own folders again
FILES: Final = ("summary.json", "log-depth.png", "log-depth.svg", "terminal.svg", "samples.csv")
WORLD_FILES: Final = ("agent.log", KIOSK_LOG, "storeforward.toml", *PICTURES)
FOLDERS: Final = ("data", "cloud", VEHICLES_FOLDER)


class ReportFolderRefused(CallerError):
    """The folder holds something that is not a demo's report, or another demo is writing to it."""


class ReportFolderUnusable(EnvironmentFault):
    """The folder cannot be made or written."""


class ReportFolder:
    """One demo's folder, emptied of an older report and locked until it is closed."""

    def __init__(self, out: Path, lock: int) -> None:
        self.out = out
        self._lock = lock

    @classmethod
    def open(cls, out: Path) -> Self:
        """Make or take over `out`.

        Raises:
            ReportFolderRefused: when it is in use or holds anything that no demo left there; nothing is touched.
            ReportFolderUnusable: when the disk or its permissions forbid.
        """
        with _disk_faults(out):
            out.mkdir(parents=True, exist_ok=True)
            lock = os.open(out, os.O_RDONLY | os.O_DIRECTORY)
            try:
                _check_ours(out, lock)
                _clear(out)
                _write(out / "README.txt", README.encode())
            except BaseException:
                os.close(lock)
                raise
            return cls(out, lock)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def data(self) -> Path:
        """Where the agent keeps its data."""
        return self.out / "data"

    @property
    def ledger(self) -> Path:
        """The cloud's file."""
        return self.out / "cloud" / "ledger.sqlite"

    def write(self, day: StoreDay, summary: Summary, samples: Sequence[Sample]) -> None:
        """Write the report, each file whole or not at all, `summary.json` last. Takes a second or two.

        Raises:
            ReportFolderUnusable: when the disk refuses.
        """
        from sim.demo.plot import draw_log_depth  # noqa: PLC0415 - a running demo does not carry matplotlib

        with _disk_faults(self.out):
            _write(self.out / "samples.csv", _samples_csv(samples).encode())
            if samples:
                _write(self.out / "log-depth.png", draw_log_depth(day, samples, summary, "png"))
                _write(self.out / "log-depth.svg", draw_log_depth(day, samples, summary, "svg"))
                _write(self.out / "terminal.svg", render_svg(day, samples[: _telling(samples) + 1]).encode())
            _write(self.out / "summary.json", summary.to_json().encode())

    def close(self) -> None:
        """Let another demo have the folder."""
        os.close(self._lock)


@contextmanager
def _disk_faults(out: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ReportFolderUnusable(
            f"cannot write the report to {out}: {error.strerror}; choose another folder with --out"
        ) from error


def _check_ours(out: Path, lock: int) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ReportFolderRefused(f"{out} is in use by another demo; choose another folder with --out") from None
    readme = out / "README.txt"
    ours = readme.is_file() and readme.read_bytes().startswith(FIRST_LINE.encode())
    if not ours and any(out.iterdir()):
        raise ReportFolderRefused(
            f"{out} is not empty and holds no demo report: nothing was touched; choose another folder with --out"
        )


def _clear(out: Path) -> None:
    """Take away what an older demo left; README.txt stays to the end, so that an interrupted clearing can go on."""
    for name in FOLDERS:
        if (out / name).is_symlink():
            (out / name).unlink()
        elif (out / name).exists():
            shutil.rmtree(out / name)
    for name in (*FILES, *WORLD_FILES):
        (out / name).unlink(missing_ok=True)
    for name in (*FILES, "README.txt"):
        _part(out / name).unlink(missing_ok=True)


def _write(file: Path, content: bytes) -> None:
    part = _part(file)
    part.write_bytes(content)
    part.replace(file)


def _part(file: Path) -> Path:
    return file.with_name(f".{file.name}.part")


def _telling(samples: Sequence[Sample]) -> int:
    """The sample whose screen says most: the last one of the longest cut, else the middle of the demo."""
    cuts = find_outages(samples)
    if not cuts:
        return len(samples) // 2
    end_s = max(cuts, key=lambda cut: cut.length_s).ends_s
    return max(index for index, sample in enumerate(samples) if sample.at_s < end_s or index == 0)


def _samples_csv(samples: Sequence[Sample]) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(
        [
            *("at_s", "shop_time", "phase", "link", "accepted", "delivered", "waiting"),
            *("append_ms_p50", "append_ms_p99", "event_to_cloud_ms_p50"),
            *(f"{stream}_{side}" for stream in Stream for side in ("accepted", "delivered")),
            *(f"captured_{kind}" for kind in CaptureKind),
        ]
    )
    table.writerows(_row(sample) for sample in samples)
    return text.getvalue()


def _row(sample: Sample) -> list[object]:
    streams = {count.stream: count for count in sample.streams}
    latencies = (sample.append_ms_p50, sample.append_ms_p99, sample.event_to_cloud_ms_p50)
    row: list[object] = [f"{sample.at_s:.3f}", sample.shop_time.isoformat(timespec="seconds")]
    row += [sample.phase, sample.link, sample.accepted, sample.delivered, sample.waiting]
    row += ["" if latency is None else f"{latency:.3f}" for latency in latencies]
    for stream in Stream:
        count = streams.get(stream, StreamCount(stream, 0, 0))
        row += [count.accepted, count.delivered]
    return row + [sample.captured.get(kind, 0) for kind in CaptureKind]

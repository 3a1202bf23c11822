"""Finds compiled modules that are older than what they were made from: they would silently win over the source."""

import re
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

__all__ = ["stale_builds"]

CIMPORT = re.compile(r"^from \w+\.(\w+) cimport", re.MULTILINE)


def stale_builds(folder: Path) -> list[str]:
    """A sentence for each compiled module in `folder` that is missing, or older than a source it is made from."""
    return [problem for source in sorted(folder.glob("*.pyx")) if (problem := _problem(source))]


def _problem(source: Path) -> str:
    built = source.with_name(source.stem + EXTENSION_SUFFIXES[0])
    if not built.exists():
        return f"{source.name} is not compiled: run make setup"
    newest = max(_inputs(source), key=lambda path: path.stat().st_mtime_ns)
    if newest.stat().st_mtime_ns > built.stat().st_mtime_ns:
        return f"{built.name} is older than {newest.name}: run make setup"
    return ""


def _inputs(source: Path) -> set[Path]:
    """The source, its own declarations and those that it cimports, at any distance."""
    found: set[Path] = set()
    waiting = [source, source.with_suffix(".pxd")]
    while waiting:
        path = waiting.pop()
        if path in found or not path.exists():
            continue
        found.add(path)
        waiting += [path.with_name(f"{name}.pxd") for name in CIMPORT.findall(path.read_text(encoding="utf-8"))]
    return found

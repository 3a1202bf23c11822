"""Where the sources are, for the tests that read them as text or as syntax trees."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["PACKAGES", "ROOT", "paths_of", "python_files"]

ROOT: Final = Path(__file__).parent.parent

PACKAGES: Final = ("agent", "firmware_bridge", "kiosk", "sim")
"""The four packages of the wheel."""


def python_files(packages: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Path from the root, with `/`, and text of every Python file under `packages`."""
    for path in paths_of(packages):
        if path.suffix in {".py", ".pyi"}:
            yield path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")


def paths_of(packages: Iterable[str]) -> Iterator[Path]:
    """Every file under `packages` that belongs to the project, in a stable order."""
    for package in packages:
        for path in sorted((ROOT / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts and path.suffix not in {".pyc", ".so"}:
                yield path

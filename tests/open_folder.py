"""A folder that others may enter, for tests of what another user may do: pytest's own are closed to them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

__all__ = ["open_folder"]


@contextmanager
def open_folder() -> Iterator[Path]:
    """It can be removed in the end whatever a test closed in it."""
    with TemporaryDirectory() as text:
        folder = Path(text)
        folder.chmod(0o755)
        yield folder
        for path in [folder, *folder.rglob("*")]:
            path.chmod(0o755)

"""A file that has its name only once it is whole: written beside it, fsynced, renamed."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from agent.errors import CallerError, EnvironmentFault

__all__ = ["ExportFailed", "ExportRefused", "unfinished_file"]


class ExportFailed(EnvironmentFault):
    """The file could not be written; nothing stands under its name that did not before."""


class ExportRefused(CallerError):
    """There is something under that name already."""


@contextmanager
def unfinished_file(file: Path, *, overwrite: bool) -> Iterator[Path]:
    """Where to write instead; what is there when the block ends well becomes `file`, else it goes.

    Raises:
        ExportRefused: when there is such a file and it is not to be overwritten.
        ExportFailed: when it cannot be written.
    """
    _refuse_existing(file, overwrite=overwrite)
    draft = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        draft.touch()
        yield draft
        _sync(draft)
        _refuse_existing(file, overwrite=overwrite)
        draft.replace(file)
        _sync(file.parent)
    except OSError as error:
        raise ExportFailed(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        with suppress(OSError):
            draft.unlink()


def _refuse_existing(file: Path, *, overwrite: bool) -> None:
    if file.is_dir():
        raise ExportRefused(f"{file} is a folder: name a file in it with --out")
    if file.exists() and not overwrite:
        raise ExportRefused(f"{file} is there already: choose another name, or --force to replace it")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""The names of a disk's files and folders, and which changes of them a cut of the power may take back.

A change is durable once every folder that it touches was synced since; one that touches two is there whole or not at
all. Until then each is for itself: a later one may stay without an earlier one.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, count
from typing import Final

__all__ = ["ROOT", "Names"]

ROOT: Final = -1

Key = tuple[int, str]
"""A folder's number, and a name in it."""


@dataclass
class _Change:
    """What one call made of which names, and the folders whose sync it still waits for."""

    links: dict[Key, int | None]
    unsynced: set[int]
    removed: int | None = None
    """The folder that it removed."""


class Names:
    """Files and folders have numbers; a folder's is given here, by `make_folder`."""

    def __init__(self) -> None:
        self._folders = {ROOT}
        self._now: dict[Key, int] = {}
        self._safe: dict[Key, int] = {}
        self._changes: list[_Change] = []

    def find(self, path: str) -> int:
        """What has that name now."""
        return self._now[self._key(path)]

    def add(self, path: str, number: int) -> None:
        """A name for a file."""
        self._change({self._key(path): number})

    def make_folder(self, path: str) -> None:
        number = -2 - len(self._folders)
        self._change({self._key(path): number})
        self._folders.add(number)

    def remove(self, path: str) -> None:
        """A file's name, or an empty folder."""
        key = self._key(path)
        number = self._now[key]
        self._change({key: None}, removed=number if number in self._folders else None)

    def rename(self, old: str, new: str) -> None:
        """A file, or a folder with all that is in it."""
        self._change({self._key(old): None, self._key(new): self.find(old)})

    def sync(self, path: str = "") -> None:
        """One folder's sync."""
        self._is_safe(self._folder(path))

    def sync_all(self) -> None:
        for folder in list(self._folders):
            self._is_safe(folder)

    @property
    def unsynced(self) -> Sequence[Mapping[Key, int | None]]:
        """What each change that is not durable made of names; in order."""
        return [change.links for change in self._changes if change.unsynced]

    def files(self) -> set[int]:
        """Those that have a name now, or may have one after a cut."""
        named = {*self._safe.values(), *(file for change in self._changes for file in change.links.values() if file)}
        return named - self._folders

    def paths(self, arrived: Callable[[int], bool] = lambda _: True) -> dict[str, int]:
        """What has which name when only those arrived (by their number) of the changes that are not durable.

        A folder's name ends with a slash.
        """
        numbers = count()
        there = [not change.unsynced or arrived(next(numbers)) for change in self._changes]
        for at in reversed(range(len(there))):
            emptied = self._changes[at].removed if there[at] else None
            for before in range(at):
                there[before] |= any(folder == emptied for folder, _ in self._changes[before].links)
        links = dict(self._safe)
        for change in compress(self._changes, there):
            _take(links, change.links)
        return dict(self._below(ROOT, "", links))

    def _below(self, folder: int, prefix: str, links: Mapping[Key, int]) -> Iterator[tuple[str, int]]:
        for (of, name), number in links.items():
            if of == folder and number in self._folders:
                yield f"{prefix}{name}/", number
                yield from self._below(number, f"{prefix}{name}/", links)
            elif of == folder:
                yield f"{prefix}{name}", number

    def _change(self, links: dict[Key, int | None], *, removed: int | None = None) -> None:
        self._changes.append(_Change(links, {folder for folder, _ in links}, removed))
        _take(self._now, links)

    def _is_safe(self, folder: int) -> None:
        for change in self._changes:
            change.unsynced.discard(folder)
        while self._changes and not self._changes[0].unsynced:
            change = self._changes.pop(0)
            _take(self._safe, change.links)
            if change.removed is not None:
                self._is_safe(change.removed)  # whatever is in it, nobody finds it

    def _key(self, path: str) -> Key:
        folder, _, name = path.rpartition("/")
        return self._folder(folder), name

    def _folder(self, path: str) -> int:
        return self.find(path) if path else ROOT


def _take(links: dict[Key, int], change: Mapping[Key, int | None]) -> None:
    for key, number in change.items():
        if number is None:
            links.pop(key, None)
        else:
            links[key] = number

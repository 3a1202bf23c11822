"""Fetches packs: hears a manifest, gathers its chunks, checks the whole, applies it, and only then forgets the old."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from agent.errors import StoreforwardError
from agent.log_lines import log_event
from agent.packs.manifest import Manifest, PackRefused, parse_manifest
from agent.packs.shelf import PackShelf

__all__ = ["Packs"]

Apply = Callable[[Path], None]
"""Takes a verified pack, all or nothing, or raises one of our errors."""

logger = logging.getLogger(__name__)


class Packs:
    """The sets this device follows; whatever arrives may come in any order and any number of times."""

    def __init__(self, shelf: PackShelf, appliers: Mapping[str, Apply]) -> None:
        self._shelf = shelf
        self._appliers = appliers
        self._wanted: dict[str, Manifest] = {}
        self._missing: dict[str, set[int]] = {}
        self.problems: dict[str, str] = {}
        """Why a set is not what the cloud announced, in plain words."""
        self.on_applied: Callable[[], None] = lambda: None
        """Called after a pack was applied, in the thread that did it."""

    @property
    def sets(self) -> tuple[str, ...]:
        """The names of the sets, as in topics."""
        return tuple(self._appliers)

    def version(self, name: str) -> int:
        """The version of a set that counts; 0 before the first."""
        applied = self._shelf.applied(name)
        return applied.version if applied else 0

    def restore(self, name: str) -> None:
        """Apply a set again that lives in memory only, as after a restart."""
        if file := self._shelf.pack_file(name):
            self._guarded(name, lambda: self._appliers[name](file))

    def manifest(self, name: str, payload: bytes) -> Manifest | None:
        """A manifest arrived; the one whose chunks are wanted now, or None when there is nothing to fetch."""
        found: list[Manifest] = []
        self._guarded(name, lambda: found.append(parse_manifest(payload)))
        if not found or not self._is_news(name, found[0]):
            return None
        self._wanted[name] = found[0]
        self._missing[name] = set(self._shelf.missing(found[0]))
        self._finish(name)
        return self._wanted.get(name)

    def chunk(self, name: str, pack_hash: str, number: int, payload: bytes) -> None:
        """A chunk arrived; the last one makes the pack count."""
        wanted = self._wanted.get(name)
        if wanted is None or wanted.sha256 != pack_hash:
            return

        def keep() -> None:
            self._shelf.put(wanted, number, payload)
            self._missing[name].discard(number)

        self._guarded(name, keep)
        self._finish(name)

    def missing(self, name: str) -> list[int]:
        """The chunks that the wanted pack of a set lacks."""
        return sorted(self._missing.get(name, ())) if name in self._wanted else []

    def _is_news(self, name: str, manifest: Manifest) -> bool:
        applied = self._shelf.applied(name)
        if applied is None or manifest.version > applied.version:
            return True
        if manifest.version < applied.version:
            self._tell(name, f"version {manifest.version} is older than {applied.version}, which counts: not taken")
        elif manifest.sha256 != applied.sha256:
            self._tell(name, f"version {manifest.version} came again with another hash: not taken")
        return False

    def _finish(self, name: str) -> None:
        wanted = self._wanted.get(name)
        if wanted is None or self._missing[name]:
            return

        def take() -> None:
            self._appliers[name](self._shelf.assemble(wanted))
            self._shelf.note_applied(name, wanted)
            del self._wanted[name]
            self.problems.pop(name, None)
            log_event(logger, logging.INFO, "pack.applied", f"{name} version {wanted.version} counts now", set=name)
            self.on_applied()

        self._guarded(name, take)

    def _guarded(self, name: str, step: Callable[[], object]) -> None:
        """A pack that cannot be used is told and changes nothing."""
        try:
            step()
        except PackRefused as refused:
            self._wanted.pop(name, None)
            self._tell(name, str(refused))
        except StoreforwardError as fault:
            self._tell(name, str(fault))
        except Exception as bug:  # noqa: BLE001 - the cloud keeps the pack: it would end the agent at each start
            self._wanted.pop(name, None)
            self._tell(name, f"our fault: {type(bug).__name__}: {bug}")

    def _tell(self, name: str, problem: str) -> None:
        self.problems[name] = problem
        log_event(logger, logging.WARNING, "pack.refused", f"{name}: {problem}", set=name)

"""Fetches packs: hears a manifest, gathers its chunks, checks the whole, applies it, and only then forgets the old.

Two threads may use it at a time: one keeps what arrives, the other applies what is whole, however long that takes.
"""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock

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
        self._lock = Lock()
        """Held for what is wanted and for the folder, and never while a pack is applied."""
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
        with self._lock:
            self._guarded(name, lambda: found.append(parse_manifest(payload)))
            if not found or not self._is_news(name, found[0]):
                return None
            self._wanted[name] = found[0]
            self._missing[name] = set(self._shelf.missing(found[0]))
        return found[0]

    def chunk(self, name: str, pack_hash: str, number: int, payload: bytes) -> None:
        """A chunk arrived; when this returns, it is on disk or of no use."""
        with self._lock:
            wanted = self._wanted.get(name)
            if wanted is None or wanted.sha256 != pack_hash:
                return

            def keep() -> None:
                self._shelf.put(wanted, number, payload)
                self._missing[name].discard(number)

            self._guarded(name, keep, wanted)

    def missing(self, name: str) -> list[int]:
        """The chunks that the wanted pack of a set lacks."""
        return sorted(self._missing.get(name, ())) if name in self._wanted else []

    def is_whole(self, name: str) -> bool:
        """Whether a pack of a set is wanted, and all of it is there."""
        return name in self._wanted and not self._missing[name]

    def apply(self, name: str) -> None:
        """Make the pack of a set count that is wanted and whole, if there is one."""
        with self._lock:
            wanted = self._wanted.get(name)
            if wanted is None or self._missing[name]:
                return
            files: list[Path] = []
            self._guarded(name, lambda: files.append(self._shelf.assemble(wanted)), wanted)

        def take() -> None:
            self._appliers[name](files[0])
            with self._lock:
                coming = {other.sha256 for other in self._wanted.values()}
                self._shelf.note_applied(name, wanted, coming)
                if self._wanted.get(name) == wanted:
                    del self._wanted[name]
            self.problems.pop(name, None)
            log_event(logger, logging.INFO, "pack.applied", f"{name} version {wanted.version} counts now", set=name)
            self.on_applied()

        if files:
            self._guarded(name, take, wanted)

    def _is_news(self, name: str, manifest: Manifest) -> bool:
        applied = self._shelf.applied(name)
        if applied is None or manifest.version > applied.version:
            return True
        if manifest.version < applied.version:
            self._tell(name, f"version {manifest.version} is older than {applied.version}, which counts: not taken")
        elif manifest.sha256 != applied.sha256:
            self._tell(name, f"version {manifest.version} came again with another hash: not taken")
        return False

    def _guarded(self, name: str, step: Callable[[], object], wanted: Manifest | None = None) -> None:
        """A pack that cannot be used is told, no longer wanted, and changes nothing."""
        give_up = True
        try:
            step()
        except PackRefused as refused:
            problem = str(refused)
        except StoreforwardError as fault:
            problem, give_up = str(fault), False
        except Exception as bug:  # noqa: BLE001 - the cloud keeps the pack: it would end the agent at each start
            problem = f"our fault: {type(bug).__name__}: {bug}"
        else:
            return
        if give_up and self._wanted.get(name) == wanted:
            self._wanted.pop(name, None)
        self._tell(name, problem)

    def _tell(self, name: str, problem: str) -> None:
        self.problems[name] = problem
        log_event(logger, logging.WARNING, "pack.refused", f"{name}: {problem}", set=name)

"""Packs on disk: chunks as they arrive, whole packs by their hash, and which version of each set counts now."""

import json
import os
import shutil
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from hashlib import sha256
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict, ValidationError

from agent.errors import StorageFailed
from agent.packs.manifest import Manifest, PackRefused

__all__ = ["PackShelf"]

READ_BYTES: Final = 1_048_576


class _Applied(BaseModel):
    """What `applied.json` holds, by set."""

    model_config = ConfigDict(frozen=True)

    format: int = 1
    sets: dict[str, Manifest] = {}


class PackShelf:
    """One folder of packs. A chunk that is on it survives a restart, so a cut transfer goes on where it was."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._applied_file = folder / "applied.json"

    def applied(self, name: str) -> Manifest | None:
        """The version of a set that counts; None before the first."""
        return self._read_applied().sets.get(name)

    def put(self, manifest: Manifest, number: int, payload: bytes) -> None:
        """Keep one chunk.

        Raises:
            PackRefused: a chunk that the manifest does not announce.
            StorageFailed: the disk does not take it.
        """
        if not 0 <= number < manifest.chunks or len(payload) != manifest.chunk_size(number):
            raise PackRefused(f"chunk {number} of {len(payload):,} bytes is none of pack {manifest.sha256[:12]}")
        self._write(self._chunk(manifest, number), payload)

    def missing(self, manifest: Manifest) -> Iterator[int]:
        """The chunks that have not arrived."""
        return (number for number in range(manifest.chunks) if not self._chunk(manifest, number).exists())

    def assemble(self, manifest: Manifest) -> Path:
        """The whole pack as one file, its hash checked.

        Raises:
            PackRefused: when the hash is another; the chunks are thrown away.
            StorageFailed: the disk does not take it.
        """
        whole = self._folder / manifest.sha256 / "pack"
        draft = whole.with_suffix(".draft")
        digest = sha256()
        try:
            with draft.open("wb") as file:
                for number in range(manifest.chunks):
                    part = self._chunk(manifest, number).read_bytes()
                    digest.update(part)
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise StorageFailed(f"cannot write {draft}: {error.strerror}") from error
        if digest.hexdigest() != manifest.sha256:
            shutil.rmtree(whole.parent, ignore_errors=True)
            raise PackRefused(f"pack {manifest.sha256[:12]} has another hash than announced: fetched again")
        draft.replace(whole)
        return whole

    def note_applied(self, name: str, manifest: Manifest, coming: AbstractSet[str] = frozenset()) -> None:
        """From now on this version of the set counts; packs that neither count nor are `coming` are cleared away."""
        sets = {**self._read_applied().sets, name: manifest}
        self._write(self._applied_file, _Applied(sets=sets).model_dump_json(indent=1).encode())
        kept = coming | {counts.sha256 for counts in sets.values()}
        for pack in self._folder.iterdir():
            if pack.is_dir() and pack.name not in kept:
                shutil.rmtree(pack, ignore_errors=True)

    def pack_file(self, name: str) -> Path | None:
        """The file of the version that counts; None when there is none, or somebody took it away."""
        manifest = self.applied(name)
        file = self._folder / manifest.sha256 / "pack" if manifest else None
        return file if file and file.exists() else None

    def _chunk(self, manifest: Manifest, number: int) -> Path:
        return self._folder / manifest.sha256 / f"chunk-{number:05}"

    def _read_applied(self) -> _Applied:
        try:
            return _Applied.model_validate(json.loads(self._applied_file.read_bytes()))
        except FileNotFoundError:
            return _Applied()
        except (OSError, ValueError, ValidationError):
            return _Applied()  # it says only what can be fetched again

    def _write(self, file: Path, content: bytes) -> None:
        draft = file.with_suffix(".draft")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with draft.open("wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            draft.replace(file)
        except OSError as error:
            raise StorageFailed(f"cannot write {file}: {error.strerror}") from error

"""Where an agent keeps its state: the folders under one data folder, and the Unix socket of its local API."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import platformdirs

from agent.errors import EnvironmentFault
from agent.file_system import refuse_unfit_file_system

__all__ = ["DataFolder", "DataFolderUnusable", "default_data_folder"]

PACKAGED_FOLDER: Final = Path("/var/lib/storeforward")
SOCKET_PATH_BYTES_MAX: Final = 107  # sun_path of unix(7) without its final NUL
BRIDGE_SOCKET: Final = "bridge.sock"
# Not tempfile.gettempdir(): the agent and every command must come to the same path whatever TMPDIR says.
SHORT_SOCKETS: Final = Path("/tmp")  # noqa: S108 - create() makes a private folder in it and checks its owner


class DataFolderUnusable(EnvironmentFault):
    """The data folder cannot be made or used; `str()` says why and what to do."""


@dataclass(frozen=True, slots=True)
class DataFolder:
    """The tree under `path`; nothing exists on disk before `create()`."""

    path: Path

    @property
    def log(self) -> Path:
        """The event log."""
        return self.path / "log"

    @property
    def decide(self) -> Path:
        """Catalogue and decision tables: can be built again."""
        return self.path / "decide"

    @property
    def packs(self) -> Path:
        """Sets of data sent down by the cloud: can be fetched again."""
        return self.path / "packs"

    @property
    def identity(self) -> Path:
        """Keys and tokens; only for the owner."""
        return self.path / "identity"

    @property
    def refused(self) -> Path:
        """Bodies of refused events, where settings keep them; only for the owner."""
        return self.path / "refused"

    @property
    def config(self) -> Path:
        """Settings sent down by the cloud."""
        return self.path / "config"

    @property
    def run(self) -> Path:
        """What exists only while the agent runs."""
        return self.path / "run"

    @property
    def socket(self) -> Path:
        """The local API's Unix socket, where agent and commands both look for it.

        It is `run/agent.sock`, or where that is too long for the kernel, a short path made from a hash. Links are
        followed first, so that every way to name the folder leads to the same socket.
        """
        folder = self.path.resolve()
        path = folder / "run" / "agent.sock"
        if len(os.fsencode(path.with_name(BRIDGE_SOCKET))) <= SOCKET_PATH_BYTES_MAX:
            return path
        digest = sha256(os.fsencode(folder)).hexdigest()[:24]
        return SHORT_SOCKETS / f"storeforward-{digest}" / "agent.sock"

    @property
    def bridge_socket(self) -> Path:
        """Where the bridge's own process serves the vehicles, beside the API's socket."""
        return self.socket.with_name(BRIDGE_SOCKET)

    def create(self) -> None:
        """Make all folders that are missing, for the agent.

        Raises:
            DataFolderUnusable: when one cannot be made, or the short socket folder is somebody else's.
            FileSystemUnfit: on a network file system or vfat.
        """
        refuse_unfit_file_system(self.path)
        self.create_identity()
        with _told(self.path):
            for folder in (self.log, self.decide, self.config, self.run):
                _create_inside(folder, 0o750)
            if self.socket.parent.parent == SHORT_SOCKETS:
                _create_private(self.socket.parent)

    def create_identity(self) -> None:
        """Make only what a command needs to keep keys and tokens, closed to others.

        Raises:
            DataFolderUnusable: when it cannot be made.
        """
        with _told(self.path):
            self.path.mkdir(mode=0o750, parents=True, exist_ok=True)
            _create_inside(self.identity, 0o700)
            if stat.S_IMODE(self.identity.stat().st_mode) & 0o077:
                self.identity.chmod(0o700)


def default_data_folder() -> Path:
    """Where to look without `--data`: the packaged service's folder, or the user's own.

    The first is `/var/lib/storeforward`, where it exists and is ours to write; the second is the platform's, such as
    `~/.local/share/storeforward`.
    """
    if os.access(PACKAGED_FOLDER, os.W_OK | os.X_OK):
        return PACKAGED_FOLDER
    return platformdirs.user_data_path("storeforward", appauthor=False)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What the system says, in our words."""
    try:
        yield
    except OSError as error:
        raise DataFolderUnusable(
            f"cannot use {error.filename or path} as a folder ({error.strerror}): "
            "check its owner, or choose another data folder with --data"
        ) from error


def _create_inside(folder: Path, mode: int) -> None:
    """A folder that belongs to the owner of the one around it, also when root makes it for a service."""
    if folder.is_dir():
        return
    folder.mkdir(mode=mode, exist_ok=True)
    if os.geteuid() == 0:
        around = folder.parent.stat()
        os.chown(folder, around.st_uid, around.st_gid)


def _create_private(folder: Path) -> None:
    """A folder that only we can enter, in a place where anybody can make folders."""
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or stat.S_IMODE(found.st_mode) != 0o700:
        raise DataFolderUnusable(
            f"{folder} is not a private folder of this user, though the agent's socket would lie in it: "
            "remove it, or choose a data folder with a shorter path with --data"
        )

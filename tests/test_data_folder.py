"""The tree of one agent: where things lie, who may enter, and a socket path that always fits."""

import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent import data_folder
from agent.data_folder import DataFolder, DataFolderUnusable, default_data_folder


@pytest.fixture
def short_sockets(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Instead of the machine's /tmp."""
    folder = tmp_path_factory.mktemp("s")
    monkeypatch.setattr(data_folder, "SHORT_SOCKETS", folder)
    yield folder
    for made in folder.iterdir():
        made.rmdir()


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def long_folder(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / ("d" * 60) / ("e" * 60))


def test_the_tree_is_as_documented(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    names = {name: getattr(folder, name) for name in ("log", "decide", "identity", "config", "run")}
    assert names == {name: tmp_path / "data" / name for name in names}
    assert not folder.path.exists(), "looking makes nothing"
    folder.create()
    assert all(path.is_dir() for path in names.values())
    assert mode_of(folder.identity) == 0o700
    assert not any(mode_of(path) & 0o007 for path in names.values())


def test_creating_again_changes_nothing_but_closes_the_identity(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "deep" / "data")
    folder.create()
    (folder.log / "kept").touch()
    folder.identity.chmod(0o755)
    folder.create()
    assert (folder.log / "kept").exists()
    assert mode_of(folder.identity) == 0o700


def test_a_command_makes_only_the_identity(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.create_identity()
    assert [path.name for path in folder.path.iterdir()] == ["identity"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_what_root_makes_for_a_service_belongs_to_the_service(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    folder.path.mkdir()
    os.chown(folder.path, 12345, 54321)
    folder.create()
    for path in (folder.identity, folder.log):
        assert (path.stat().st_uid, path.stat().st_gid) == (12345, 54321)


def test_a_file_in_the_way_is_told_with_the_way_out(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DataFolderUnusable, match=r"cannot use .*data.* as a folder .*--data"):
        DataFolder(tmp_path / "data").create()
    with pytest.raises(DataFolderUnusable, match="Not a directory"):
        DataFolder(tmp_path / "data" / "inner").create()


def test_the_socket_lies_in_the_data_folder_where_it_fits(tmp_path: Path) -> None:
    folder = DataFolder(tmp_path / "data")
    assert folder.socket == tmp_path.resolve() / "data" / "run" / "agent.sock"


def test_a_relative_folder_has_an_absolute_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert DataFolder(Path("data")).socket == DataFolder(tmp_path / "data").socket


@pytest.mark.parametrize("length", [107, 108])
def test_the_limit_of_the_kernel_is_met_to_the_byte(length: int, short_sockets: Path) -> None:
    tail = "/run/bridge.sock"  # the longer one of the two
    folder = DataFolder(Path("/" + "\u00e4" * 20 + "x" * (length - len(tail) - 41)))
    fits = len(os.fsencode(folder.path)) + len(tail) <= 107
    assert fits is (length == 107)
    assert (folder.socket == folder.path / "run" / "agent.sock") is fits
    assert folder.socket.is_relative_to(short_sockets) is not fits


def test_a_long_path_gets_a_short_socket_that_can_be_bound(tmp_path: Path, short_sockets: Path) -> None:
    folder = long_folder(tmp_path)
    folder.create()
    assert folder.socket.parent.parent == short_sockets
    assert mode_of(folder.socket.parent) == 0o700
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(folder.socket))
    folder.socket.unlink()
    folder.create()


def test_every_name_of_a_folder_leads_to_the_same_socket(tmp_path: Path, short_sockets: Path) -> None:
    folder = long_folder(tmp_path)
    folder.create()
    link = tmp_path / "link"
    link.symlink_to(folder.path)
    assert DataFolder(link).socket == folder.socket
    assert long_folder(tmp_path / "other").socket != folder.socket
    assert folder.socket.is_relative_to(short_sockets)


def test_a_short_socket_folder_open_to_others_is_refused(tmp_path: Path, short_sockets: Path) -> None:
    folder = long_folder(tmp_path)
    (short_sockets / folder.socket.parent.name).mkdir()
    (short_sockets / folder.socket.parent.name).chmod(0o755)
    with pytest.raises(DataFolderUnusable, match="not a private folder of this user"):
        folder.create()


def test_a_link_in_place_of_the_short_socket_folder_is_refused(
    tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    sockets, elsewhere = tmp_path_factory.mktemp("s"), tmp_path_factory.mktemp("e")
    monkeypatch.setattr(data_folder, "SHORT_SOCKETS", sockets)
    folder = long_folder(tmp_path)
    folder.socket.parent.symlink_to(elsewhere)
    with pytest.raises(DataFolderUnusable, match="not a private folder of this user"):
        folder.create()


def test_the_packaged_folder_is_the_default_where_it_is_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_folder, "PACKAGED_FOLDER", tmp_path / "var")
    own = default_data_folder()
    assert own.name == "storeforward"
    assert own.is_relative_to(Path(os.environ["XDG_DATA_HOME"]))
    (tmp_path / "var").mkdir()
    assert default_data_folder() == tmp_path / "var"

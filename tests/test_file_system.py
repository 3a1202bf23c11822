"""Which file system lies under a folder, by recorded mount tables, and where an agent does not start (S13)."""

from pathlib import Path
from typing import Final

import pytest

from agent import file_system
from agent.app import Agent
from agent.clock import SystemClock
from agent.data_folder import DataFolder
from agent.file_system import FileSystem, FileSystemUnfit, file_system_of, mounts, refuse_unfit_file_system
from agent.settings import Settings

DEBIAN: Final = r"""
22 28 0:21 / /proc rw,nosuid,nodev,noexec,relatime shared:12 - proc proc rw
28 1 179:2 / / rw,noatime shared:1 - ext4 /dev/mmcblk0p2 rw
31 28 179:1 / /boot/firmware rw,relatime shared:42 - vfat /dev/mmcblk0p1 rw,fmask=0022,codepage=437,errors=remount-ro
33 28 0:30 / /run rw,nosuid,nodev shared:5 - tmpfs tmpfs rw,size=392416k,mode=755
98 28 0:52 / /srv/shop rw,relatime shared:57 - nfs4 10.0.0.2:/export/shop rw,vers=4.2,proto=tcp,addr=10.0.0.2
99 28 8:17 / /media/usb\040stick rw,relatime shared:60 - exfat /dev/sdb1 rw,iocharset=utf8
101 28 0:53 / /mnt/office rw,relatime shared:61 - cifs //nas/office rw,vers=3.1.1
102 28 0:54 / /mnt/far rw,nosuid,nodev,relatime shared:62 - fuse.sshfs ann@far:/data rw,user_id=0
103 28 179:3 / /var/lib/storeforward ro,noatime shared:63 - ext4 /dev/mmcblk0p3 rw
"""
CONTAINER: Final = """
612 571 0:118 / / rw,relatime master:263 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/d/upper,workdir=/d/work
640 612 259:1 /var/lib/docker/volumes/shop/_data /data rw,relatime - ext4 /dev/nvme0n1p1 rw,discard
641 612 0:40 / /host rw,relatime - virtiofs share rw
"""
WSL2: Final = r"""
75 66 8:32 / / rw,relatime - ext4 /dev/sdc rw,discard,errors=remount-ro
112 75 0:61 / /mnt/c rw,noatime - 9p C:\134 rw,dirsync,aname=drvfs;path=C:\;uid=1000,mmap,access=client,trans=fd
"""
MOUNTED_OVER: Final = """
28 1 179:2 / / rw - ext4 /dev/root rw
90 28 0:50 / /data rw - ext4 /dev/sda1 rw
91 90 0:51 / /data rw - nfs nas:/data rw
"""


@pytest.mark.parametrize(
    ("table", "path", "kind"),
    [
        (DEBIAN, "/", "ext4"),
        (DEBIAN, "/var/lib/other/log", "ext4"),
        (DEBIAN, "/boot/firmware", "vfat"),
        (DEBIAN, "/boot/firmware2/log", "ext4"),
        (DEBIAN, "/srv/shop/data/log", "nfs4"),
        (DEBIAN, "/media/usb stick/data", "exfat"),
        (CONTAINER, "/var/lib/storeforward", "overlay"),
        (CONTAINER, "/data/log", "ext4"),
        (WSL2, "/mnt/c/Users/ann", "9p"),
        (MOUNTED_OVER, "/data/log", "nfs"),
    ],
)
def test_a_path_lies_on_the_mount_nearest_to_it(table: str, path: str, kind: str) -> None:
    found = file_system_of(Path(path), table)
    assert found is not None
    assert found.kind == kind


@pytest.mark.case("S13")
@pytest.mark.parametrize("path", ["/srv/shop", "/mnt/office/x", "/mnt/far", "/boot/firmware/data", "/media/usb stick"])
def test_network_file_systems_and_vfat_are_refused(path: str) -> None:
    found = file_system_of(Path(path), DEBIAN)
    assert found is not None
    assert found.refusal.startswith(f"{found.kind}, ")


@pytest.mark.parametrize(
    ("table", "path", "doubtful"),
    [
        (DEBIAN, "/", False),
        (CONTAINER, "/", False),
        (DEBIAN, "/run/x", True),
        (CONTAINER, "/host/data", True),
        (WSL2, "/mnt/c/data", True),
    ],
)
def test_the_others_are_taken_some_with_a_doubt(table: str, path: str, *, doubtful: bool) -> None:
    found = file_system_of(Path(path), table)
    assert found is not None
    assert (found.refusal, bool(found.doubt)) == ("", doubtful)


def test_a_read_only_mount_is_known() -> None:
    found = file_system_of(Path("/var/lib/storeforward/log"), DEBIAN)
    assert found == FileSystem("/var/lib/storeforward", "ext4", read_only=True)


def test_lines_in_another_form_are_left_out() -> None:
    assert list(mounts("nonsense\n\n1 2 3\n28 1 179:2 / / rw\n28 1 179:2 / / rw - ext4\n")) == []
    assert file_system_of(Path("/data"), "") is None


def test_this_machine_s_own_table_is_understood(tmp_path: Path) -> None:
    found = file_system_of(tmp_path.resolve(), file_system.MOUNT_TABLE.read_text(encoding="utf-8"))
    assert found is not None
    assert tmp_path.is_relative_to(found.mount_point)


@pytest.fixture
def nfs_under_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    table = tmp_path / "mountinfo"
    table.write_text("28 1 0:52 / / rw - nfs4 10.0.0.2:/ rw\n", encoding="utf-8")
    monkeypatch.setattr(file_system, "MOUNT_TABLE", table)
    return tmp_path / "data"


@pytest.mark.case("S13")
async def test_s13_an_agent_does_not_start_on_a_network_file_system(nfs_under_all: Path) -> None:
    agent = Agent(Settings(), DataFolder(nfs_under_all), SystemClock())
    with pytest.raises(FileSystemUnfit, match=r"nfs4, a network file system: .*; choose a folder on a local ext4"):
        await agent.run()
    assert nfs_under_all not in nfs_under_all.parent.glob("*"), "nothing was made there"


def test_without_a_mount_table_nothing_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_system, "MOUNT_TABLE", tmp_path / "none")
    refuse_unfit_file_system(tmp_path)

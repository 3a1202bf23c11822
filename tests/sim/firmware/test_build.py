"""Building the firmware: what is missing is said in one sentence, and nothing is built twice."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sim.firmware import CompilerFailed, CompilerMissing, Product, SourcesMissing, build
from tests.sources import ROOT


def test_a_missing_compiler_is_said_in_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(
        CompilerMissing, match=r"^no C compiler 'cc' to build the firmware: apt-get install gcc libc6-dev$"
    ):
        build(Product.VEHICLE, tmp_path)


def test_an_installation_without_the_sources_says_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sim.firmware.products._SOURCES", tmp_path)
    with pytest.raises(SourcesMissing, match="run this from a clone of the project"):
        build(Product.VEHICLE)


def test_a_failing_compiler_is_quoted_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiler = tmp_path / "cc"
    compiler.write_text("#!/bin/sh\necho it broke >&2\nexit 1\n", encoding="ascii")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(CompilerFailed, match="it broke"):
        build(Product.VEHICLE, tmp_path / "build")
    assert [path for path in (tmp_path / "build").rglob("*") if path.is_file()] == []


def test_what_is_built_is_not_built_again(tmp_path: Path) -> None:
    first = build(Product.LIBRARY, tmp_path)
    made_ns = first.stat().st_mtime_ns
    assert build(Product.LIBRARY, tmp_path) == first
    assert first.stat().st_mtime_ns == made_ns


def test_the_core_knows_no_operating_system_and_no_heap() -> None:
    allowed = {"math.h", "stdbool.h", "stdint.h", "string.h"}
    for folder in ("core", "body"):
        for path in sorted((ROOT / "sim" / "firmware" / folder).glob("*.[ch]")):
            text = path.read_text(encoding="ascii")
            included = {line.split("<")[1].rstrip(">") for line in text.splitlines() if line.startswith("#include <")}
            assert included <= allowed, path.name
            assert "alloc(" not in text


def test_make_firmware_builds_the_vehicle() -> None:
    said = subprocess.run(
        ["make", "-s", "firmware", f"BIN={Path(sys.executable).parent}", "--assume-old=setup"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    assert Path(said.stdout.strip().splitlines()[-1]).name == "vehicle"

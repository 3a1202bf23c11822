"""A font file that is missing costs letters' looks, never the kiosk; without any font it says what to do."""

import asyncio
import json
import os
import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.kiosk.scenes import SCENES

pytestmark = pytest.mark.skipif(find_spec("kivy") is None, reason="the kiosk extra is not installed")


def data_without(folder: Path, pattern: str) -> Path:
    """Kivy's data folder without the fonts of this pattern."""
    spec = find_spec("kivy")
    assert spec is not None
    assert spec.submodule_search_locations
    data = folder / "kivy-data"
    shutil.copytree(Path(spec.submodule_search_locations[0]) / "data", data)
    missing = list((data / "fonts").glob(pattern))
    assert missing
    for file in missing:
        file.unlink()
    return data


async def draw(folder: Path, data: Path) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.kiosk.scene_renderer", str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env={**os.environ, "KIVY_DATA_DIR": str(data)},
    )
    output, _ = await asyncio.wait_for(process.communicate(), 100)
    return process.returncode, output.decode()


@pytest.mark.parametrize("pattern", ["Roboto-*.ttf", "Roboto-Bold.ttf", "DejaVuSans.ttf"])
async def test_every_scene_is_drawn_without_one_of_the_fonts(tmp_path: Path, pattern: str) -> None:
    code, output = await draw(tmp_path / "scenes", data_without(tmp_path, pattern))
    assert code == 0, output
    scenes = json.loads((tmp_path / "scenes" / "scenes.json").read_text(encoding="utf-8"))
    assert set(scenes) == set(SCENES)


async def test_without_any_font_it_says_how_to_get_them(tmp_path: Path) -> None:
    code, output = await draw(tmp_path / "scenes", data_without(tmp_path, "*.ttf"))
    assert code != 0
    assert "pip install --force-reinstall kivy" in output

"""Every scene drawn offscreen at every size: large targets, low actions, no text cut, pictures not blank."""

import asyncio
import json
import struct
import sys
from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from tests.kiosk.scenes import LINES, PRODUCTS, SCENES

pytestmark = pytest.mark.skipif(find_spec("kivy") is None, reason="the kiosk extra is not installed")

NAMES = {product.name for product in PRODUCTS.values()} | {name for _, name, *_ in LINES}
Json = Any  # Any: what json.loads returns
TARGET = 48
PRIMARY = 72
GAP = 8
SIZES = {"landscape": (1280, 800), "small": (1024, 600), "portrait": (800, 1280)}
VARIANTS = [
    *((name, "en", 1.0, False) for name in SIZES),
    ("small", "ro", 1.3, False),
    ("small", "es", 1.6, False),
    ("landscape", "es", 1.6, False),
    ("landscape", "ro", 1.3, False),
    ("portrait", "ro", 1.6, False),
    ("landscape", "en", 1.0, True),
]


@dataclass(frozen=True)
class Drawn:
    folder: Path
    scale: float

    @cached_property
    def scenes(self) -> dict[str, Json]:
        found: dict[str, Json] = json.loads((self.folder / "scenes.json").read_text(encoding="utf-8"))
        return found

    def presses(self, scene: str) -> list[Json]:
        return [box for box in self.scenes[scene]["boxes"] if box["press"]]

    def texts(self, scene: str) -> list[Json]:
        boxes: list[Json] = self.scenes[scene]["boxes"]
        return boxes


async def _draw(folder: Path, size: str, language: str, scale: float, *, left_hand: bool) -> None:
    width, height = SIZES[size]
    command = ["-m", "tests.kiosk.scene_renderer", str(folder), "--language", language, "--scale", str(scale)]
    hand = ["--left-hand"] if left_hand else []
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *hand,
        "--width",
        str(width),
        "--height",
        str(height),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(), 100)
    assert process.returncode == 0, output.decode()


@pytest.fixture(scope="module", params=VARIANTS, ids=lambda variant: "-".join(map(str, variant)))
def drawn(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Drawn:
    size, language, scale, left_hand = request.param
    folder = tmp_path_factory.mktemp("scenes")
    asyncio.run(_draw(folder, size, language, scale, left_hand=left_hand))
    return Drawn(folder, scale)


def test_every_target_is_large_enough_for_a_finger(drawn: Drawn) -> None:
    for scene in SCENES:
        for press in drawn.presses(scene):
            minimum = PRIMARY if press["kind"] in ("primary", "stop") else TARGET
            assert min(press["box"][2:]) >= TARGET, (scene, press)
            assert press["box"][3] >= minimum, (scene, press)


def test_stop_vehicles_stands_in_the_same_place_on_every_staff_screen_of_a_shop_that_has_them(drawn: Drawn) -> None:
    places = []
    for scene, make in SCENES.items():
        stops = [press["box"] for press in drawn.presses(scene) if press["kind"] == "stop"]
        assert len(stops) == make(4).state.has_vehicles, scene
        places += stops
    assert places.count(places[0]) == len(places)
    assert min(places[0][2:]) >= PRIMARY


def test_targets_keep_their_distance(drawn: Drawn) -> None:
    for scene in SCENES:
        for one, other in combinations([press["box"] for press in drawn.presses(scene)], 2):
            apart = max(
                max(one[0], other[0]) - min(one[0] + one[2], other[0] + other[2]),
                max(one[1], other[1]) - min(one[1] + one[3], other[1] + other[3]),
            )
            assert apart >= GAP - 0.5, (scene, one, other)


def test_actions_on_cards_and_in_the_bar_lie_in_the_lower_two_thirds(drawn: Drawn) -> None:
    for scene in ("suggestions", "offline", "outcomes", "agent-down"):
        height = drawn.scenes[scene]["window"][1]
        for press in drawn.presses(scene):
            assert press["box"][1] + press["box"][3] / 2 >= height / 3, (scene, press)


def test_no_text_is_drawn_larger_than_its_box(drawn: Drawn) -> None:
    for scene in SCENES:
        for text in drawn.texts(scene):
            assert text["texture"][0] <= text["box"][2] + 1, (scene, text)
            assert text["texture"][1] <= text["box"][3] + 1, (scene, text)


def test_every_text_but_a_long_name_is_whole(drawn: Drawn) -> None:
    for scene in set(SCENES) - {"hostile-names"}:
        cut = [text["raw"] for text in drawn.texts(scene) if not text["whole"] and text["raw"] not in NAMES]
        assert not cut, scene


def test_no_text_lies_on_another(drawn: Drawn) -> None:
    for scene in set(SCENES) - {"attract"}:  # it covers the rest
        for one, other in combinations(drawn.texts(scene), 2):
            (left, top, width, height), (left2, top2, width2, height2) = one["box"], other["box"]
            apart = (
                left + width <= left2 + 1
                or left2 + width2 <= left + 1
                or top + height <= top2 + 1
                or top2 + height2 <= top + 1
            )
            assert apart, (scene, one, other)


def test_nothing_stands_elsewhere_when_the_agent_or_the_network_goes(drawn: Drawn) -> None:
    places = [
        [press["box"] for press in drawn.presses(scene) if press["kind"] != "key"]
        for scene in ("suggestions", "offline")
    ]
    assert places[0] == places[1]


def test_letters_are_never_too_small_to_read(drawn: Drawn) -> None:
    for scene in SCENES:
        assert min(text["letters"] for text in drawn.texts(scene)) >= 10, scene


def test_every_scene_is_a_picture_with_something_on_it(drawn: Drawn) -> None:
    sizes: Counter[tuple[int, ...]] = Counter()
    for scene in SCENES:
        content = (drawn.folder / f"{scene}.png").read_bytes()
        assert content.startswith(b"\x89PNG")
        sizes[struct.unpack(">II", content[16:24])] += 1
        assert len(content) > 4_000, scene
    assert len(sizes) == 1

"""Every text gets a font that can draw it, and no product name can speak to Kivy."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kiosk.fonts import FALLBACK, PLAIN, font_for, plain_markup
from tests.kiosk.scenes import HOSTILE


def test_what_we_say_roboto_draws_it_does() -> None:
    spec = find_spec("kivy")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("kivy is not installed")
    ft2font = pytest.importorskip("matplotlib.ft2font")
    drawn = set(
        ft2font.FT2Font(str(Path(spec.submodule_search_locations[0]) / "data/fonts/Roboto-Bold.ttf")).get_charmap()
    )
    ours = {code for code in range(0x20, 0x2_0000) if font_for(chr(code)) == PLAIN}
    assert ours <= drawn


@pytest.mark.parametrize("text", ["Brânză cu smântână", "Piñata ¡olé!", "€12,50 · 6 x 1.5 l", "Молоко", "Τυρί"])
def test_the_languages_of_the_shop_look_alike(text: str) -> None:
    assert font_for(text) == PLAIN


@pytest.mark.parametrize("text", ["✓", "⌫", "שלום", "漢字"])
def test_other_scripts_and_signs_fall_back(text: str) -> None:
    assert plain_markup(f"a{text}b") == f"a[font={FALLBACK}]{text}[/font]b"


@pytest.mark.case("D7")
def test_markup_in_a_name_is_shown_not_obeyed() -> None:
    shown = plain_markup(HOSTILE)
    assert not re.search(r"\[(?!/?font)", shown)
    assert "&bl;size=99&br;" in shown
    assert "\u202e" not in shown
    assert "\x07" not in shown


@pytest.mark.case("D7")
def test_no_control_character_or_turn_of_direction_reaches_the_screen() -> None:
    codes = [*range(0x20), 0x7F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
    assert plain_markup("".join(map(chr, codes))) == " " * len(codes)


@given(st.text())
def test_no_text_makes_a_tag_of_its_own(text: str) -> None:
    without_ours = plain_markup(text).replace(f"[font={FALLBACK}]", "").replace("[/font]", "")
    assert not set("[]") & set(without_ours)

"""A theme that staff cannot read or hit is refused with the measure it misses."""

from pathlib import Path

import pytest

from kiosk.theme import ThemeRefused, contrast, load_theme
from tests.sources import ROOT

OURS = (ROOT / "kiosk" / "theme.toml").read_text(encoding="utf-8")


def theme_file(folder: Path, old: str, new: str) -> Path:
    assert old in OURS
    file = folder / "theme.toml"
    file.write_text(OURS.replace(old, new), encoding="utf-8")
    return file


def test_black_on_white_has_the_contrast_of_the_standard() -> None:
    assert contrast((0, 0, 0), (1, 1, 1)) == pytest.approx(21)
    assert contrast((1, 1, 1), (1, 1, 1)) == 1


def test_our_theme_is_readable_and_its_targets_are_large_enough() -> None:
    theme = load_theme()
    assert theme.sizes["target"] >= 48
    assert theme.sizes["primary"] >= 72
    assert theme.sizes["gap"] >= 8


def test_a_faint_text_is_refused_with_its_contrast(tmp_path: Path) -> None:
    with pytest.raises(ThemeRefused, match=r"ink_soft on background has contrast 1\.\d\d; expected at least 4.5"):
        load_theme(theme_file(tmp_path, 'ink_soft = "#4A5A53"', 'ink_soft = "#D0D5D3"'))


def test_a_theme_cannot_leave_the_checks_out(tmp_path: Path) -> None:
    file = theme_file(tmp_path, 'ink_soft = "#4A5A53"', 'ink_soft = "#D0D5D3"')
    text = file.read_text(encoding="utf-8")
    start, end = text.index("\n[contrast]"), text.index("[sizes]")
    file.write_text(f"{text[:start]}\n[contrast]\ntext = []\ncontrols = []\n{text[end:]}", encoding="utf-8")
    with pytest.raises(ThemeRefused, match="ink_soft"):
        load_theme(file)


@pytest.mark.parametrize(
    ("old", "new"),
    [("primary = 72", "primary = 40"), ('brand = "#0B5D4B"', 'brand = "green"'), ('line = "#D5DBD8"\n', "")],
)
def test_small_targets_and_broken_or_missing_colours_are_refused(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(ThemeRefused):
        load_theme(theme_file(tmp_path, old, new))


def test_no_file_and_no_toml_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("[", encoding="utf-8")
    for file in (tmp_path / "none.toml", broken):
        with pytest.raises(ThemeRefused):
            load_theme(file)

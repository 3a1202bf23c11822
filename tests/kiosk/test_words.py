"""The catalogues say everything the sources say, in every language, with the same placeholders."""

import re
from pathlib import Path

import pytest

from kiosk.words import LANGUAGES, Words, read_catalogue
from tests.kiosk.messages import messages_of_the_sources
from tests.sources import ROOT

TRANSLATED = [language for language in LANGUAGES if language != "en"]


def catalogue(language: str) -> dict[str, str]:
    return dict(read_catalogue((ROOT / "kiosk" / "locale" / f"{language}.po").read_text(encoding="utf-8")))


def holes(text: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", text))


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_has_exactly_the_messages_of_the_sources(language: str) -> None:
    assert set(catalogue(language)) - {""} == messages_of_the_sources()


@pytest.mark.parametrize("language", TRANSLATED)
def test_nothing_is_left_untranslated_and_every_placeholder_is_kept(language: str) -> None:
    for message, translation in catalogue(language).items():
        if not message:
            continue
        forms = translation.split("\0")
        assert all(forms), message
        assert all(holes(form) <= holes(message) for form in forms), message
        assert holes(forms[-1]) == holes(message), message


def test_each_language_has_a_catalogue_and_each_catalogue_a_language() -> None:
    files = {Path(path).stem for path in (ROOT / "kiosk" / "locale").glob("*.po")}
    assert files == set(TRANSLATED)


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1, "1 eveniment așteaptă"),
        (2, "2 evenimente așteaptă"),
        (19, "19 evenimente așteaptă"),
        (20, "20 de evenimente așteaptă"),
        (101, "101 evenimente așteaptă"),
    ],
)
def test_romanian_counts_in_its_three_plurals(number: int, shown: str) -> None:
    assert Words("ro").count("{number} event waiting", "{number} events waiting", number) == shown


def test_english_is_what_the_sources_say() -> None:
    assert Words().text("Till {name}", name="{3}") == "Till {3}"

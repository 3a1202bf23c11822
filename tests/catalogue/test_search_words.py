"""Both sides of a search are folded alike."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.catalogue.search_words import query_of, words_of


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Brânză de vaci 250 g", "branza de vaci 250 g"),
        ("ȘUNCĂ Țărănească", "sunca taraneasca"),
        ("Crème brûlée", "creme brulee"),
        ("Łosoś wędzony", "losos wedzony"),
        ("Rødgrød", "rodgrod"),
        ("Weißbier", "weissbier"),
        ("Œufs", "oeufs"),
        ("Coca-Cola 1.5l", "coca cola 1 5l"),
        ("牛奶巧克力", "牛奶 奶巧 巧克 克力 力"),
        ("Lindt牛奶 100g", "lindt 牛奶 奶 100g"),
        ("", ""),
        ("—", ""),
    ],
)
def test_names_become_folded_words(name: str, words: str) -> None:
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("typed", "query"),
    [
        ("branza", '"branza"*'),
        ("Brâ va", '"bra"* "va"*'),
        ("牛", '"牛"*'),
        ("牛奶巧", '"牛奶"* "奶巧"*'),
        ('"; DROP', '"drop"*'),
        ("NOT OR AND NEAR", '"not"* "or"* "and"* "near"*'),
        ("***", ""),
        ("a b c d e f g h i j", " ".join(f'"{letter}"*' for letter in "abcdefgh")),
    ],
)
def test_typed_text_becomes_a_query_of_beginnings(typed: str, query: str) -> None:
    assert query_of(typed) == query


@given(st.text())
def test_folding_twice_changes_nothing(text: str) -> None:
    folded = words_of(text)
    assert [word for word in words_of(folded).split() if word.isascii()] == [
        word for word in folded.split() if word.isascii()
    ]


@given(st.text())
def test_ascii_and_unicode_paths_fold_alike(text: str) -> None:
    ascii_text = text.encode("ascii", "ignore").decode()
    assert words_of(ascii_text + " é").split()[:-1] == words_of(ascii_text).split()

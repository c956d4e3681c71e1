"""The words of texts."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.model.words import as_text, words_of

pytestmark = pytest.mark.once


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        ("The quick, brown fox!", ["the", "quick", "brown", "fox"]),
        ("don't snake_case x-ray 3.14", ["don", "t", "snake", "case", "x", "ray", "3", "14"]),
        ("CAFÉ café cafe\u0301 Ångström", ["cafe", "cafe", "cafe", "angstrom"]),
        ("Straße STRASSE", ["strasse", "strasse"]),
        ("ﬁne x² ①", ["fine", "x2", "1"]),
        ("Ёлка йод", ["елка", "иод"]),
        ("ΆΛΦΑ", ["αλφα"]),
        ("हिन्दी भाषा", ["हिन्दी", "भाषा"]),
        ("日本語 テキスト", ["日本語", "テキスト"]),
        ("한국어", ["한국어"]),
        ("naïve_idea\ud800x", ["naive", "idea", "x"]),
        ("a\u200bb 😀", ["a", "b"]),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    assert words_of(text) == words


@given(st.text())
def test_a_word_is_its_own_only_word(text: str) -> None:
    for word in words_of(text):
        assert word == word.casefold() or not word.isascii()
        assert words_of(word) == [word]


def test_words_of_ascii_and_of_other_text_agree() -> None:
    every = "".join(map(chr, range(128)))
    assert words_of(every) == words_of(every + " é")[:-1]


def test_words_are_those_of_fts5() -> None:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute("create virtual table t using fts5(x, tokenize = 'unicode61 remove_diacritics 2')")
    except sqlite3.OperationalError:
        pytest.skip("SQLite has no FTS5")
    connection.execute("create virtual table v using fts5vocab(t, 'row')")
    text = "The CAFÉ, naïve Ångström don't x-ray 3.14 Żółć Ελλαδα привет über"
    connection.execute("insert into t values (?)", (text,))
    assert [word for (word,) in connection.execute("select term from v order by term")] == sorted(set(words_of(text)))


def test_texts_of_values() -> None:
    assert as_text("a b") == "a b" and as_text(["a", "b"]) == "a\nb" and as_text(None) is None and as_text(3) is None

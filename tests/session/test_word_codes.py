"""The words of many texts as numbers are the words of each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from parcode_orm.model.words import words_of
from parcode_orm.session.entity.word_codes import WordCodes

pytestmark = pytest.mark.once

ascii_texts = st.text(st.sampled_from("abAZ09_- \n\0\t\x7fxyz."), max_size=30)
other_texts = st.text(st.sampled_from("abAé Zß_日\ud800a"), max_size=30) | st.text(max_size=20)
words = st.sampled_from(["a", "exactly8", "ninebytes", "Ninebytes", "a" * 40, "zz", "é", "exactly8x"])
joined = st.lists(words, max_size=12).map(" ".join)


@given(st.lists(st.lists(ascii_texts | joined, max_size=6) | st.lists(ascii_texts | other_texts | joined, max_size=6)))
def test_the_words_of_texts(batches: list[list[str]]) -> None:
    codes = WordCodes()
    expected: list[str] = []
    for texts in batches:
        lengths = codes.take(texts)
        assert lengths.tolist() == [len(words_of(text)) for text in texts]
        expected += [word for text in texts for word in words_of(text)]
    assert codes.count == len(expected)
    every, found = codes.finish()
    assert every == sorted(set(expected))
    assert [every[code] for code in found.tolist()] == expected

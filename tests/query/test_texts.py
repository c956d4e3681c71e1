"""Columns of text become lists: neighbours are decoded together, whatever stands in them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from parcode_orm import Key, Model, Session, select
from parcode_orm.query.columns.texts import mark_texts
from parcode_orm.query.columns.vectors import Texts

pytestmark = pytest.mark.once


class Note(Model):
    id: int = Key()
    text: str


TEXTS = st.lists(st.text(alphabet=st.sampled_from("aé\0€"), max_size=4), max_size=20)


@given(TEXTS, st.sampled_from([b"\0", b"", b"x"]), st.sets(st.integers(0, 19)))
@example(["a\0b", "x", "a"], b"", {1})  # as many parts as texts, and not these
@example(["a\0b", "", "a"], b"x", {1})
@example(["a\0", "\0", "a"], b"", {1})
def test_texts_are_those_that_were_written(texts: list[str], gap: bytes, left_out: set[int]) -> None:
    encoded = [text.encode() for text in texts]
    data = gap.join(encoded)
    begins = np.cumsum([0, *(len(each) + len(gap) for each in encoded)])[: len(texts)].astype(np.uint32)
    ends = (begins + np.array(list(map(len, encoded)), np.int64)).astype(np.uint32)
    vector = Texts(memoryview(data), begins, ends, lambda part: str(part, "utf-8"))
    assert vector.tolist() == texts
    kept = [place for place in range(len(texts)) if place not in left_out]
    assert vector.take(np.array(kept, np.int64)).tolist() == [texts[place] for place in kept]


def test_texts_with_a_nul_and_a_text_of_one_byte_between_them() -> None:
    rows = [Note(id=n, text=text) for n, text in enumerate(["a\0b", "x", "a", "x", "c"])]
    with Session(":memory:") as session:
        session.add_all(rows)
        session.commit()
        found = session.execute(select(Note.id, Note.text).where(Note.id % 2 == 0)).all()
        assert found == [(0, "a\0b"), (2, "a"), (4, "c")]


@given(TEXTS, st.text(alphabet=st.sampled_from("aé\0€"), max_size=9))
def test_texts_are_compared_as_bytes(texts: list[str], wanted: str) -> None:
    encoded = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, encoded)]).astype(np.uint32)
    vector = Texts(memoryview(b"".join(encoded)), ends[:-1], ends[1:], lambda part: str(part, "utf-8"))
    assert vector.equal(wanted.encode()).tolist() == [text == wanted for text in texts]
    assert vector.starting(wanted.encode()).tolist() == [text.startswith(wanted) for text in texts]


def test_a_text_beyond_the_data_is_not_read() -> None:
    found = np.zeros(1, bool)
    for begin, wanted in ((0, b"abc"), (1 << 31, b"abc"), (0, b"abcdefghi")):
        begins = np.array([begin], np.uint32)
        with pytest.raises(IndexError):
            mark_texts(memoryview(b"ab"), begins, begins + np.uint32(len(wanted)), wanted, True, found)
    assert not found.any()

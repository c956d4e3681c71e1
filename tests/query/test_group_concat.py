"""`func.group_concat` joins the texts of a group in the order of the rows."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from parcode_orm import Key, Model, QueryError, Session, cast, desc, func, select
from parcode_orm.query.expressions.group_concat import Concat, concat

pytestmark = pytest.mark.once


class Note(Model):
    id: int = Key()
    group: str
    text: str | None = None
    anything: Any = None


@pytest.mark.parametrize("small", [False, True])
def test_texts_are_joined_as_python_joins_them(small: bool) -> None:
    random, session = Random(2), Session(":memory:")
    notes = [
        Note(id=n, group=random.choice("abc"), text=random.choice([None, "", "é", f"t{n}"]))
        for n in range(30 if small else 9000)
    ]
    session.add_all(notes)
    session.commit()
    columns = select(Note.group, func.group_concat(Note.text), func.string_agg(Note.text, " - ").label("lines"))
    found = session.execute(columns.group_by(Note.group).order_by(Note.group)).all()
    for row in found:
        texts = [note.text for note in notes if note.group == row.group and note.text is not None]
        assert row.group_concat_text == ",".join(texts) and row.lines == " - ".join(texts)
    assert len(found) == 3
    longest = columns.group_by(Note.group).order_by(desc(func.group_concat(Note.text)))
    assert session.execute(longest.having(func.group_concat(Note.text) != "x")).first() in found
    whole = select(func.group_concat(cast(Note.id, str), ""), func.count())
    assert session.execute(whole).one()[0] == "".join(str(note.id) for note in notes)
    assert session.scalar(select(func.group_concat(Note.text)).where(Note.id < 0)) is None


def test_what_is_no_text_is_refused() -> None:
    session = Session(":memory:")
    session.add_all([Note(id=1, group="a", anything="x"), Note(id=2, group="a", anything=3)])
    session.commit()
    with pytest.raises(QueryError, match=r"group_concat\(Note\.id\): the values are no texts: cast\(Note\.id, str\)"):
        func.group_concat(Note.id)
    with pytest.raises(QueryError, match="the separator is a text, not 3"):
        func.group_concat(Note.text, 3)  # type: ignore[arg-type]
    with pytest.raises(QueryError, match=r"has no over\(\): use group_by\(\)"):
        func.group_concat(Note.text).over()
    with pytest.raises(QueryError, match="3 is no text"):
        session.scalar(select(func.group_concat(Note.anything)))
    one: Any = Note.text
    assert concat(one, ",")._identity() != concat(one, ";")._identity() and isinstance(func.string_agg(one), Concat)

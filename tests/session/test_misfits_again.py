"""Values beside the type of their field, in rows written again by column, in few rows of a wide class, and compared."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import AfterValidator, BaseModel, BeforeValidator, PlainValidator, create_model, field_validator

from parcode_orm import Chunk, EncodeError, Model, Session, dumps, load, loads, verify
from parcode_orm.codec.columns.rows import FEW
from parcode_orm.codec.types.plans import struct_for

NumberOrText = Annotated[int, PlainValidator(lambda value: value)]


class Inner(Model):
    n: int = None  # type: ignore[assignment]  # a default that nobody validates
    both: NumberOrText = 0


class Row(Model):
    n: int = None  # type: ignore[assignment]
    both: NumberOrText = 0
    made: list[int] = []
    inner: Inner = Inner()
    parts: list[Inner] = Chunk(default=[])

    @field_validator("made", mode="after")
    @classmethod
    def _made(cls, value: Any) -> Any:
        return tuple(value) if len(value) == 2 else value


class Table(Model):
    rows: list[Row] = Chunk(default=[])


def row(i: int, **more: Any) -> Row:
    if i % 3 == 0:
        return Row(both=f"text {i}", made=[i, i], inner=Inner(both="x"), parts=[Inner(), Inner(n=i)], **more)
    return Row(n=i, both=i, made=[i], inner=Inner(n=i), parts=[Inner(n=i)], **more)


CHANGES: dict[str, Callable[[Table], Any]] = {
    "a number": lambda table: setattr(table.rows[50], "n", -1),
    "a misfit": lambda table: setattr(table.rows[50], "both", "new"),
    "a fitting one": lambda table: setattr(table.rows[51], "both", 5),
    "what a validator makes": lambda table: setattr(table.rows[50], "made", (1, 2)),
    "a new row": lambda table: table.rows.insert(30, row(33)),
    "rows moved": lambda table: table.rows.append(table.rows.pop(3)),
    "a part": lambda table: table.rows[51].parts.append(Inner()),
    "an inner one": lambda table: setattr(table.rows[51].inner, "both", "z"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_rows_written_again_keep_them(change: str, tmp_path: Path) -> None:
    path, expected = tmp_path / "a.par", Table(rows=[row(i) for i in range(100)])
    with Session(path) as session:
        session.add(Table(rows=[row(i) for i in range(100)]))
        session.commit()
    assert load(path, Table) == expected
    CHANGES[change](expected)
    with Session(path) as session:
        CHANGES[change](session.root(Table))
        session.commit()
        assert sum(1 for _ in session.diff(1, 2)) > 0
    found = load(path, Table)
    assert found == expected
    assert [type(each.made) for each in found.rows] == [type(each.made) for each in expected.rows]
    with Session(path) as session:
        assert [each.both for each in session.root(Table).rows] == [each.both for each in expected.rows]
        session.root(Table).rows.reverse()
        session.commit()
    assert load(path, Table).rows == expected.rows[::-1]
    assert verify(path).ok


def test_few_rows_of_a_wide_class_keep_them() -> None:
    fields: dict[str, Any] = {f"f{i}": (int, None) for i in range(30)}
    cls: Any = create_model("Wide", **fields, both=(NumberOrText, 0), either=(int | str | list[int], 0))
    holder: Any = create_model("Holder", __base__=Model, many=(list[cls], ...))
    rows = [cls(), cls(f1=1, both="text"), cls(either=[1]), cls(**{f"f{i}": i for i in range(30)})]
    for count in range(1, 5):
        found = loads(dumps(holder(many=rows[:count])), holder).many
        assert found == rows[:count] and [vars(each) for each in found] == [vars(each) for each in rows[:count]]


def test_unions_of_a_wide_class_are_rows() -> None:
    fields: dict[str, Any] = {f"f{i}": (int | str | None, None) for i in range(40)}
    cls: Any = create_model("Wide", __base__=BaseModel, **fields)
    holder: Any = create_model("Holder", __base__=Model, one=(cls, ...))
    one = cls(**{f"f{i}": i if i % 2 else "text" for i in range(0, 40, 3)})
    assert struct_for(cls).few == FEW
    assert loads(dumps(holder(one=one)), holder).one == one


def test_before_validators_and_rows() -> None:
    fields: dict[str, Any] = {f"f{i}": (Annotated[int, BeforeValidator(int)], 0) for i in range(40)}
    cls: Any = create_model("Wide", __base__=BaseModel, **fields)
    holder: Any = create_model("Holder", __base__=Model, one=(cls, ...))
    assert struct_for(cls).few == FEW
    for one in (cls(), cls(f3="7")):
        assert loads(dumps(holder(one=one)), holder).one == one
    one = cls.model_construct(f3="7")  # what its validator would make a number
    with pytest.raises(EncodeError, match="f3"):
        dumps(holder.model_construct(one=one))


def test_what_its_item_column_refuses_is_not_dirty_when_it_was_only_read() -> None:
    """The field's own way stores it as a whole: the item alone cannot be encoded, to be compared."""

    class Box(Model):
        many: list[dict[Annotated[str, AfterValidator(int)], int]] = Chunk()

    with Session(dumps(Box.model_validate({"many": [{"5": 1}]}))) as session:
        box = session.root(Box)
        assert list(box.many) == [{5: 1}]
        assert not session.is_modified(box)
        box.many[0][6] = 2
        assert session.is_modified(box)


def test_an_object_in_a_typed_field_and_in_any_is_not_dirty_after_its_commit() -> None:
    class Part(Model):
        n: int = 0
        numbers: list[int] = Chunk()

    class Theirs(BaseModel):
        inner: Part
        more: list[Part]

    class Box(Model):
        theirs: Theirs
        anything: Any = None

    inner = Part(numbers=[1])
    box = Box(theirs=Theirs.model_construct(inner=inner, more=[inner, inner]), anything=[inner])
    with Session(":memory:") as session:
        session.add(box)
        session.commit()
        assert not session.is_modified(box)
        inner.n = 2
        assert session.is_modified(box)
        session.commit()
        assert not session.is_modified(box)

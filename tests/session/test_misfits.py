"""A value that does not fit its annotation is refused by save and commit, with its path, wherever it stands."""

from __future__ import annotations

import dataclasses
import datetime as dt
import decimal
import enum
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, NotRequired, Optional

import pytest
from pydantic import BaseModel, Field, RootModel, SkipValidation, create_model
from typing_extensions import TypedDict

from parcode_orm import Chunk, EncodeError, Model, Session, ShardedMap, dumps, load, loads, verify
from tests.equality import same

pytestmark = pytest.mark.once


class Hue(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Crate:
    n: int = 0
    many: list[int] = dataclasses.field(default_factory=list)


class Spot(NamedTuple):
    n: int = 0
    label: str = ""


class Card(TypedDict):
    n: int
    many: NotRequired[list[int]]


class Plain(BaseModel):
    n: int = 0
    text: str = ""


class Whole(Model):
    n: int = 0
    many: list[int] = Chunk(default=[])


MISFITS: list[tuple[Any, Any, str]] = [  # an annotation, a value beside it, and where in it that is seen
    *[
        (cls, None, "")
        for cls in (int, float, str, bytes, bool, dt.date, decimal.Decimal, Hue, Crate, Spot, Card, Plain)
    ],
    *[(cls, None, "") for cls in (Whole, list[int], dict[str, int], tuple[int, ...], set[int], deque[int], int | str)],
    *[(int, wrong, "") for wrong in (1.5, 2.0, "x", b"x", decimal.Decimal(1), [1])],
    *[(bool, wrong, "") for wrong in (0, 1.0, "x")],
    *[(float, wrong, "") for wrong in ("x", decimal.Decimal(1), 1j)],
    (str, 5, ""),
    (dt.datetime, dt.date(2020, 1, 1), ""),
    (Hue, 1, ""),
    (Optional[int], 1.5, ""),  # noqa: UP045
    (int | str, 1.5, ""),
    (int | list[int], [None], "[0]"),
    (list[int] | list[str], [1.5], ""),
    (list[int] | list[str], [1, "a"], ""),
    (dict[str, int] | list[str], {"a": None}, "['a']"),
    (Crate | Plain, {"n": 1}, ""),
    (Crate | Plain, Crate(n=None), "n"),  # type: ignore[arg-type]
    (list[int], [1, None], "[1]"),
    (list[int], [1, 2, 1.5], "[2]"),
    (list[list[int]], [[], [1, None]], "[1][1]"),
    (dict[str, int], {"a": 1, "b": None}, "['b']"),
    (dict[str, int], {"a": 1.5}, "['a']"),
    (dict[int, int], {1: 1, None: 1}, "[None]"),
    (dict[int, int], {1.5: 1}, "[1.5]"),
    (dict[str, list[int]], {"a": [None]}, "['a'][0]"),
    (tuple[int, str], (None, "x"), "[0]"),
    (tuple[int, str], (1,), ""),
    (tuple[int, ...], (1, 1.5), "[1]"),
    (set[int], {1.5}, "[0]"),
    (frozenset[str], frozenset({None}), "[0]"),
    (deque[int], deque([None]), "[0][0]"),
    (OrderedDict[str, int], OrderedDict(a=None), "['a']"),
    (Counter[str], Counter({"a": 1.5}), "['a']"),  # type: ignore[dict-item]
    (defaultdict[str, int], defaultdict(int, a=None), "['a']"),
    (Sequence[int], [None], "[0]"),
    (Sequence[int], (1, None), "[1]"),
    (Sequence[int], {"a": 1}, ""),
    (Sequence[int], "abc", ""),
    (Sequence[int], deque(["x"]), ""),
    (Mapping[str, int], {"a": None}, "['a']"),
    (Crate, Crate(n=1.5), "n"),  # type: ignore[arg-type]
    (Crate, Crate(many=[None]), "many[0]"),  # type: ignore[list-item]
    (Card, {"n": None}, "n"),
    (Card, {"n": 1, "many": None}, "many"),
    (Card, {"n": 1, "many": [1, None]}, "many[1]"),
    (Spot, Spot(None), "n"),  # type: ignore[arg-type]
    (Spot, Spot(1, None), "label"),  # type: ignore[arg-type]
    (Plain, Plain.model_construct(n=None), "n"),
    (Plain, Plain.model_construct(n=1.5), "n"),
    (Whole, Whole.model_construct(n=None), "n"),
    (Whole, Whole.model_construct(n=1, many=None), "many"),
    (Whole, Whole.model_construct(n=1, many=[1, None]), "many[1]"),
    (Whole, Whole.model_construct(n=1, many=[0.5]), "many[0]"),
    (RootModel[int], RootModel[int].model_construct(None), "root"),
    (Annotated[int, Field(gt=0)], None, ""),
]
IDS = [f"{wrong!r} in {annotation}" for annotation, wrong, _ in MISFITS]
PLACES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], str]] = {
    "itself": (lambda tp: tp, lambda value: value, ""),
    "in a list": (lambda tp: list[tp], lambda value: [value], "[0]"),
    "in a dictionary": (lambda tp: dict[str, tp], lambda value: {"k": value}, "['k']"),
    "in a tuple": (lambda tp: tuple[int, tp], lambda value: (1, value), "[1]"),
}


def holder(tp: Any, marked: bool) -> Any:
    namespace = {"__annotations__": {"f": tp}, "__module__": __name__} | ({"f": Chunk()} if marked else {})
    return type("Holder", (Model,), namespace)


@pytest.mark.parametrize(("annotation", "value", "path"), MISFITS, ids=IDS)
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("marked", [False, True], ids=["inline", "apart"])
def test_it_is_refused(annotation: Any, value: Any, path: str, place: str, marked: bool) -> None:
    kind, put, step = PLACES[place]
    cls = holder(kind(annotation), marked)
    with pytest.raises(EncodeError) as caught:
        dumps(cls.model_construct(f=put(value)))
    found, wanted = caught.value.path, f"f{step}{'' if path[:1] in ('', '[') else '.'}{path}"
    assert (
        found is not None
        and found.startswith("f")
        and (found == wanted or place != "itself" or " | " in str(annotation))
    )


class Row(Model):
    n: int
    ratio: float = 0.0
    many: list[int] = []
    by_key: dict[str, int] = {}
    crate: Crate = Crate()
    apart: list[int] = Chunk(default=[])


class Table(Model):
    one: Row
    rows: list[Row] = Chunk()
    by_key: dict[str, Row] = ShardedMap()


def rows(count: int) -> list[Row]:
    return [Row(n=n, many=[n], by_key={"a": n}, crate=Crate(many=[n]), apart=[n]) for n in range(count)]


CHANGES: dict[str, tuple[Callable[[Row], Any], str]] = {
    "a number": (lambda row: setattr(row, "n", 1.5), "n"),
    "None": (lambda row: setattr(row, "n", None), "n"),
    "a list in place": (lambda row: row.many.append(None), "many[1]"),  # type: ignore[arg-type]
    "a dictionary in place": (lambda row: row.by_key.update(b=0.5), "by_key['b']"),  # type: ignore[call-overload]
    "a key": (lambda row: row.by_key.update({None: 1}), "by_key[None]"),  # type: ignore[dict-item]
    "a dataclass in place": (lambda row: row.crate.many.append(0.5), "crate.many[1]"),  # type: ignore[arg-type]
    "what is apart": (lambda row: setattr(row, "apart", [1, None]), "apart[1]"),
}


@pytest.mark.parametrize("count", [2, 5000])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_refused_by_the_commit_and_can_be_mended(change: str, count: int, tmp_path: Path) -> None:
    path, (make, where) = tmp_path / "t.par", CHANGES[change]
    with Session(path) as session:
        session.add(
            Table(one=rows(1)[0], rows=rows(count), by_key=dict(zip(map(str, range(count)), rows(count), strict=True)))
        )
        session.commit()
    with Session(path) as session:
        table = session.root(Table)
        for row, place in ((table.one, "one"), (table.rows[1], "rows[1]"), (table.by_key["1"], "by_key['1']")):
            make(row)
            with pytest.raises(EncodeError) as caught:
                session.commit()
            assert caught.value.path == f"{place}.{where}" and caught.value.model == "Table"
            session.rollback()
        make(table.rows[0])
        with pytest.raises(EncodeError):
            session.commit()
        table.rows[0] = Row(n=7)
        session.commit()
    assert load(path, Table).rows[0] == Row(n=7) and verify(path).ok


class Lenient(Model):
    """What its class says that it need not fit."""

    default: int = None  # type: ignore[assignment]
    skipped: SkipValidation[int] = 0
    ratio: float = 0.0
    flag: int = 0
    sparse: Card = {"n": 1}


def test_what_fits_and_what_the_class_leaves_open() -> None:
    obj = Lenient()
    obj.skipped = None  # type: ignore[assignment]
    obj.ratio, obj.flag = 3, True
    assert same(loads(dumps(obj), Lenient), obj)
    many = holder(list[Card], marked=False)(f=[{"n": 1}, {"n": 2, "many": [1]}, {"n": 3}])
    assert same(loads(dumps(many), type(many)), many)


def test_rows_that_lack_a_field_beside_one_that_does_not_fit() -> None:
    cls = holder(list[Card], marked=False)
    with pytest.raises(EncodeError) as caught:
        dumps(cls.model_construct(f=[{"n": 1}, {"n": 2, "many": [1]}, {"n": 3, "many": None}]))
    assert caught.value.path == "f[2].many"
    plain = holder(list[Plain], marked=False)
    lacking = Plain()
    del lacking.n
    with pytest.raises(EncodeError) as caught:
        dumps(plain.model_construct(f=[lacking, Plain(), Plain.model_construct(n=None)]))
    assert caught.value.path == "f[2].n"
    whole = holder(list[Whole], marked=True)
    gaps = [Whole.model_construct(n=1), Whole(n=2, many=[1, 2]), Whole.model_construct(n=3)]
    found = loads(dumps(whole.model_construct(f=gaps)), whole).f
    assert [each.__dict__ for each in found] == [each.__dict__ for each in gaps]


def test_few_rows_of_a_wide_class_are_looked_at_as_well() -> None:
    fields: dict[str, Any] = {f"f{i}": (int | list[int], 0) for i in range(30)}
    wide: Any = create_model("Wide", **fields, s=(Sequence[int], []))
    cls = holder(list[wide], marked=False)
    assert loads(dumps(cls(f=[wide(f3=[1])])), cls).f == [wide(f3=[1])]
    for name, value in (("f3", 1.5), ("f3", None), ("f3", [None]), ("s", deque(["x"])), ("s", None)):
        with pytest.raises(EncodeError) as caught:
            dumps(cls.model_construct(f=[wide(), wide.model_construct(**{name: value})]))
        assert caught.value.path is not None and caught.value.path.startswith(f"f[1].{name}")

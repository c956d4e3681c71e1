"""Collections and results of statements as streams of Arrow: a schema, and record batches one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from ...codec.schema import describe
from ...codec.types.compile import struct_for
from ...errors import EncodeError, QueryError, told
from ...lazy.map import LazyMap
from ...query.columns.vectors import Coded, Vector
from ...query.expressions.building import attribute
from ...query.expressions.nodes import Field, Item, Key
from ...query.expressions.selectables import model_of
from ...query.running.engine import run
from ...query.running.result import Result, ScalarResult
from ...query.statements.statement import Select
from ..formats import pyarrow
from ..rows import plain, statement_of
from .arrays import array_of_vector
from .types import NAIVE, Mapped, has_moments, mapped
from .whole import all_rows, bare, is_whole

LOOKED_AT = 4096  # rows of which the first value says what is not known of a column
MODEL = b"parcode.model"  # in the metadata of a schema: the class of the rows, module and name,
KEY = b"parcode.key"  # and the column that is no field of them but their key in a dictionary


class Asked(NamedTuple):
    """A column that is asked for. `node` describes its type in terms of `structs`; None where it is not known."""

    name: str
    expression: Any
    node: Any = None
    structs: dict[str, Any] = {}

    @property
    def is_known(self) -> bool:
        """Whether the description says which type of Arrow it is."""
        return self.node is not None and not has_moments(self.node, self.structs)

    def has_type_of_first(self, *, dictionaries: bool) -> bool:
        """Whether the first values say which type of Arrow it is, or whether they are texts of few kinds."""
        if not self.is_known:
            return True
        return dictionaries and bool(pyarrow().types.is_string(mapped(self.node, self.structs).type))


class Columns(NamedTuple):
    """The columns of a stream, their types, and the schema that they make."""

    asked: list[Asked]
    types: list[Mapped]
    schema: Any

    def only(self, names: Sequence[str]) -> Columns:
        """Some of the columns."""
        places = [self.schema.get_field_index(name) for name in names]
        schema = pyarrow().schema([self.schema.field(place) for place in places], metadata=self.schema.metadata)
        return Columns([self.asked[place] for place in places], [self.types[place] for place in places], schema)

    def reader(self, rows: Any, parts: Iterator[list[Vector]] | None = None, *, joined: bool = False) -> Any:
        """A `pyarrow.RecordBatchReader` of the columns of `rows`; `parts` are these, where they were begun.

        With `joined`, batches are large, and no numbers stay where they are.
        """
        arrow, schema, types = pyarrow(), self.schema, self.types
        if parts is None:
            statement = _asking(_statement(rows)[0], self.asked)
            parts = None if is_whole(statement) else run(statement)
        arrays = all_rows(statement, types, joined=joined) if parts is None else _found(parts, types)
        batches = (arrow.RecordBatch.from_arrays(each, schema=schema) for each in arrays)
        return arrow.RecordBatchReader.from_batches(schema, batches)


def reader_of(rows: Any, columns: Sequence[str] | None = None, *, dictionaries: bool = False) -> Any:
    """A `pyarrow.RecordBatchReader` of a lazy collection, or of the result of a statement.

    Args:
        rows: a `LazyList`, a `LazyMap`, a `ScalarResult` or a `Result`.
        columns: the names of the columns, in order; all without it.
        dictionaries: whether texts of few kinds come as dictionaries, as they are stored.

    Raises:
        MissingExtraError: pyarrow is not installed.
        QueryError: there is no such column; the statement does not fit its rows.
        TypeError: `columns` is a text.
        EncodeError: while reading: a value does not fit the type of its column.
    """
    found, parts = columns_of(rows, columns, dictionaries=dictionaries)
    return found.reader(rows, parts)


def columns_of(
    rows: Any, names: Sequence[str] | None = None, *, dictionaries: bool = False
) -> tuple[Columns, Iterator[list[Vector]] | None]:
    """The columns of rows, as `reader_of` takes them, and the rows, where the types were told by running the statement.

    Raises:
        MissingExtraError, QueryError, TypeError: as `reader_of`.
    """
    arrow = pyarrow()
    statement, model, key = _statement(rows)
    if isinstance(names, str):
        raise TypeError(f"columns is a list of names, such as [{names!r}], not a text")
    there = list(_columns(statement, rows))
    if names is not None:
        known = dict(there)
        missing = [name for name in names if name not in known]
        if missing:
            raise QueryError(f"there is no column {told(missing[0])}: there are {', '.join(known)}")
        there = [(name, known[name]) for name in names]
    asked = [make() for _, make in there]
    given = _asking(statement, asked)
    parts: Iterator[list[Vector]] | None = None
    samples: dict[int, Vector] = {}  # the first values of columns that they tell something of
    if not is_whole(given):
        parts = run(given)
        first = next(parts, None)
        parts = chain([] if first is None else [first], parts)
        samples = dict(enumerate(first or ()))
    else:
        unknown = [place for place, each in enumerate(asked) if each.has_type_of_first(dictionaries=dictionaries)]
        given = _asking(statement, [asked[place] for place in unknown]).limit(LOOKED_AT)
        samples = dict(zip(unknown, next(run(given), ()), strict=False)) if unknown else {}
    types = [_type(each, samples.get(place)) for place, each in enumerate(asked)]
    if dictionaries:
        types = [
            each.coded if isinstance(samples.get(place), Coded) and each.type == arrow.string() else each
            for place, each in enumerate(types)
        ]
    metadata = {} if model is None else {MODEL: f"{model.__module__}:{model.__qualname__}".encode()}
    if key is not None:
        metadata[KEY] = key.encode()
    schema = arrow.schema([(each.name, tp.type) for each, tp in zip(asked, types, strict=True)], metadata=metadata)
    return Columns(asked, types, schema), parts


def _asking(statement: Select[Any], asked: Sequence[Asked]) -> Select[Any]:
    """The statement that gives some columns of the rows of another one."""
    return statement._with(_outputs=tuple([each.expression for each in asked]), _options=())


def _statement(rows: Any) -> tuple[Select[Any], Any, str | None]:
    """The statement that gives the rows, the class of the rows if these are objects, and the name of their key."""
    if not isinstance(rows, Result | ScalarResult):
        statement = statement_of(rows)
        return statement, model_of(rows), statement._outputs[0]._name if isinstance(rows, LazyMap) else None
    rows._check()
    given: Any = rows._statement.distinct() if rows._unique else rows._statement
    if isinstance(rows, ScalarResult):
        given = given._with(_outputs=given._outputs[:1])
    only = given._outputs[0] if len(given._outputs) == 1 else None
    return given, only._cls if isinstance(only, Item) else None, None


def _columns(statement: Select[Any], rows: Any) -> Iterator[tuple[str, Callable[[], Asked]]]:
    """The names of a statement's columns, and what makes each: many are not asked for.

    An object that is all that a statement gives has a column for each of its fields.
    """
    shape = getattr(getattr(rows, "_column", None), "shape", None)  # of a lazy collection
    for each in statement._outputs:
        given = bare(each)
        if isinstance(given, Item) and given._cls is not None and len(statement._outputs) == 1:
            described = describe(struct_for(given._cls))
            body = described["structs"][described["root"]["struct"]]
            for name, node in body["fields"]:
                if not name.startswith("("):
                    yield name, partial(_of_item, given, name, node, described["structs"])
        elif isinstance(given, Field):
            yield each._name, partial(_of_field, each, given)
        elif isinstance(given, Item) and given._cls is not None:
            described = describe(struct_for(given._cls))
            yield each._name, partial(Asked, each._name, each, described["root"], described["structs"])
        elif shape is not None and isinstance(given, Item | Key):
            items = shape.value if isinstance(rows, LazyMap) else shape.item
            described = describe(shape.key if isinstance(given, Key) else items)
            yield each._name, partial(Asked, each._name, each, described["root"], described["structs"])
        else:
            yield each._name, partial(Asked, each._name, each)


def _of_item(item: Item[Any], name: str, node: Any, structs: dict[str, Any]) -> Asked:
    return Asked(name, attribute(item, name), node, structs)


def _of_field(expression: Any, field: Field[Any]) -> Asked:
    described = describe(struct_for(field._cls))
    structs, node = described["structs"], described["root"]
    for step in field._path:
        while isinstance(node, dict) and "struct" not in node:
            node = node.get("optional", node.get("chunk"))
        body = structs[node["struct"]] if isinstance(node, dict) else {"fields": ()}
        node = dict(body["fields"]).get(step)
    return Asked(expression._name, expression, node, structs)


def _type(asked: Asked, sample: Vector | None) -> Mapped:
    """The type of a column. What the schema does not say is told by the first values."""
    arrow = pyarrow()
    if asked.is_known:
        return mapped(asked.node, asked.structs)
    values = [] if sample is None else sample.take(_first(min(len(sample), LOOKED_AT))).tolist()
    if asked.node is not None:
        moment = next(filter(None, map(_moment, values)), None)
        return mapped(asked.node, asked.structs, NAIVE if moment is None or moment.tzinfo is None else "UTC")
    try:
        found = arrow.array(list(map(plain, values))).type
    except (arrow.ArrowException, OverflowError, TypeError, ValueError) as problem:
        raise EncodeError(f"the column {told(asked.name)} has no type of Arrow: {problem}") from problem
    return Mapped(arrow.string() if arrow.types.is_null(found) else found)


def _first(count: int) -> Any:
    import numpy as np

    return np.arange(count)


def _moment(value: Any) -> datetime | None:
    """The first datetime in a plain value."""
    value = plain(value)
    if isinstance(value, datetime):
        return value
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return next(filter(None, map(_moment, value)), None)
    return None


def _found(parts: Iterator[list[Vector]], columns: list[Mapped]) -> Iterator[list[Any]]:
    """The columns of the rows that a statement finds, some thousand rows at a time."""
    for vectors in parts:
        yield [array_of_vector(vector, column) for vector, column in zip(vectors, columns, strict=True)]

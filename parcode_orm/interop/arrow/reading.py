"""Collections and results of statements as streams of Arrow: a schema, and record batches one after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Any, NamedTuple

from ...codec.schema import describe
from ...codec.structs import MISSING
from ...codec.types.compile import struct_for
from ...codec.views.boundary import ReferenceView
from ...codec.views.struct import StructView
from ...errors import EncodeError, QueryError, told
from ...lazy.map import LazyMap
from ...query.columns.columns import read
from ...query.columns.places import is_scalar
from ...query.columns.vectors import Coded, Vector
from ...query.expressions.building import attribute
from ...query.expressions.nodes import Field, Item, Key, Label
from ...query.expressions.selectables import model_of
from ...query.rows.sources import StoredBatch
from ...query.running.engine import run
from ...query.running.prepared import prepared
from ...query.running.result import Result, ScalarResult
from ...query.statements.statement import Select
from ..formats import pyarrow
from ..rows import plain, statement_of
from .arrays import array_of, array_of_vector, is_in_place
from .types import NAIVE, Mapped, has_moments, mapped

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
    arrow = pyarrow()
    statement, model, key = _statement(rows)
    asked = list(_asked(statement, rows))
    if isinstance(columns, str):
        raise TypeError(f"columns is a list of names, such as [{columns!r}], not a text")
    if columns is not None:
        known = {each.name: each for each in asked}
        missing = [name for name in columns if name not in known]
        if missing:
            raise QueryError(f"there is no column {told(missing[0])}: there are {', '.join(known)}")
        asked = [known[name] for name in columns]
    statement = statement._with(_outputs=tuple([each.expression for each in asked]), _options=())
    whole = _is_whole(statement)
    parts = iter(()) if whole else run(statement)
    sample = None
    if not whole:
        sample = next(parts, None)
        parts = chain([] if sample is None else [sample], parts)
    elif dictionaries or not all(each.is_known for each in asked):
        sample = next(run(statement.limit(LOOKED_AT)), None)
    types = [_type(each, None if sample is None else sample[place]) for place, each in enumerate(asked)]
    if dictionaries and sample is not None:
        types = [_coded(tp) if isinstance(of, Coded) else tp for tp, of in zip(types, sample, strict=True)]
    metadata = {} if model is None else {MODEL: f"{model.__module__}:{model.__qualname__}".encode()}
    if key is not None:
        metadata[KEY] = key.encode()
    schema = arrow.schema([(each.name, tp.type) for each, tp in zip(asked, types, strict=True)], metadata=metadata)
    arrays = _whole(statement, types) if whole else _found(parts, types)
    batches = (arrow.RecordBatch.from_arrays(each, schema=schema) for each in arrays)
    return arrow.RecordBatchReader.from_batches(schema, batches)


def _coded(column: Mapped) -> Mapped:
    """A column of texts as one of codes into distinct texts."""
    arrow = pyarrow()
    if column.type != arrow.string():
        return column
    return column._replace(type=arrow.dictionary(arrow.int32(), column.type))


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


def _asked(statement: Select[Any], rows: Any) -> Iterator[Asked]:
    """The columns of a statement. An object that is all that it gives has a column for each of its fields."""
    shape = getattr(getattr(rows, "_column", None), "shape", None)  # of a lazy collection
    for each in statement._outputs:
        bare = _bare(each)
        if isinstance(bare, Item) and bare._cls is not None and len(statement._outputs) == 1:
            described = describe(struct_for(bare._cls))
            body = described["structs"][described["root"]["struct"]]
            for name, node in body["fields"]:
                if not name.startswith("("):
                    yield Asked(name, attribute(bare, name), node, described["structs"])
        elif isinstance(bare, Field):
            yield _of_field(each, bare)
        elif isinstance(bare, Item) and bare._cls is not None:
            described = describe(struct_for(bare._cls))
            yield Asked(each._name, each, described["root"], described["structs"])
        elif shape is not None and isinstance(bare, Item | Key):
            items = shape.value if isinstance(rows, LazyMap) else shape.item
            described = describe(shape.key if isinstance(bare, Key) else items)
            yield Asked(each._name, each, described["root"], described["structs"])
        else:
            yield Asked(each._name, each)


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


def _is_whole(statement: Select[Any]) -> bool:
    """Whether a statement gives fields, keys or items of all rows of a collection in their order."""
    asked = statement
    if asked._where or asked._order or asked._groups or asked._having or asked._joins or asked._distinct:
        return False
    if asked._limit is not None or asked._offset:
        return False
    return all(isinstance(_bare(each), Field | Item | Key) for each in asked._outputs)


def _bare(expression: Any) -> Any:
    return expression._of if isinstance(expression, Label) else expression


def _whole(statement: Select[Any], columns: list[Mapped]) -> Iterator[list[Any]]:
    """The columns of all rows of a collection: a row group at a time in place, or many of them joined."""
    asked = [_bare(each) for each in statement._outputs]
    source = prepared(statement)[0]
    for batch in source.batches(arrays=lambda items: True):
        if isinstance(batch, StoredBatch) and batch.is_as_stored and not _is_joined(batch, asked, columns):
            for group, start, stop in batch.groups():
                rows = range(start, stop)
                yield [_of_group(group, each, rows, column) for each, column in zip(asked, columns, strict=True)]
            continue
        vectors = [_of_batch(batch, each, range(batch.count)) for each in asked]
        yield [array_of_vector(vector, column) for vector, column in zip(vectors, columns, strict=True)]


def _is_joined(batch: StoredBatch, asked: list[Any], columns: list[Mapped]) -> bool:
    """Whether columns of many row groups are joined: they are scalars of which some must be copied in any case."""
    items = batch.table.items
    if not all(isinstance(each, Key) or (isinstance(each, Field) and is_scalar(items, each._path)) for each in asked):
        return False
    group, _, _ = next(batch.groups())
    views = [_view(group, each) for each in asked]
    return not all(view is not None and is_in_place(view, column) for view, column in zip(views, columns, strict=True))


def _view(group: Any, asked: Any) -> Any:
    """The view over a column of a row group; None where there is none of its own."""
    if isinstance(asked, Key):
        return group.keys
    view, path = group.items, getattr(asked, "_path", ())
    for name in path:
        if isinstance(view, ReferenceView):
            view = view.inner
        if not isinstance(view, StructView) or view.bits & MISSING or name not in view.column.places:
            return None
        view = view.field(name)
    return view


def _of_group(group: Any, asked: Any, rows: range, column: Mapped) -> Any:
    view = _view(group, asked)
    if view is not None:
        return array_of(view, rows, column)
    return array_of_vector(read(group.items, getattr(asked, "_path", ()), rows), column)


def _of_batch(batch: Any, asked: Any, rows: range) -> Vector:
    path = getattr(asked, "_path", ())
    found: Vector = batch.keys(rows) if isinstance(asked, Key) else batch.column(path, rows)
    return found

"""Rows of Arrow, of Polars, pandas and Parquet, as objects of a class: a batch at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar, overload
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from ...codec import kernels
from ...codec.bulk import gc_paused
from ...codec.schema import describe
from ...codec.types.compile import struct_for
from ...errors import InputError, called, told
from ...storage.paths import LocalPath
from ..formats import has_maps, pyarrow
from ..importing import restored
from .reading import KEY, MODEL
from .types import mapped

M = TypeVar("M", bound=BaseModel)
BATCH = 4096  # rows that become objects at once


@overload
def from_arrow(data: Any, model: type[M], *, key: None = None) -> Iterator[M]: ...
@overload
def from_arrow(data: Any, model: type[M], *, key: str) -> Iterator[tuple[Any, M]]: ...
@overload
def from_arrow(data: Any, model: None = None, *, key: str | None = None) -> Iterator[Any]: ...
def from_arrow(data: Any, model: Any = None, *, key: str | None = None) -> Iterator[Any]:
    """Objects of the rows of `data`, made and validated as they are asked for: `session.add_all(from_arrow(data, T))`.

    Args:
        data: anything with the Arrow PyCapsule interface: a table, a batch or a reader of pyarrow, a DataFrame of
            Polars or pandas, a relation of DuckDB, rows of this package.
        model: the class. Without it, the class that wrote the data, if the program has defined it.
        key: the column that is no field but the key: pairs of key and object come then, for a `ShardedMap()` field.

    Raises:
        MissingExtraError: pyarrow is not installed.
        InputError: a row does not fit the class; the message names row and field. The data have no class.
        TypeError: `data` is nothing of Arrow.
    """
    arrow = pyarrow()
    if hasattr(data, "collect") and not hasattr(data, "__arrow_c_stream__"):
        data = data.collect()  # a LazyFrame
    if not hasattr(data, "__arrow_c_stream__") and not hasattr(data, "__arrow_c_array__"):
        raise TypeError(f"from_arrow() takes what has __arrow_c_stream__, such as a table, not {called(data)}")
    if not hasattr(data, "__arrow_c_stream__"):
        data = arrow.Table.from_batches([arrow.record_batch(data)])
    reader = arrow.RecordBatchReader.from_stream(data)
    metadata = reader.schema.metadata or {}
    found = _named(metadata.get(MODEL)) if model is None else model
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise TypeError(f"from_arrow(data, model): model is a class of Pydantic, not {called(model)}")
    if key is not None and key not in reader.schema.names:
        raise InputError(f"there is no column {told(key)} for the keys: there are {', '.join(reader.schema.names)}")
    if key is None and model is None and KEY in metadata:
        key = metadata[KEY].decode()
    return _objects(reader, found, key)


def from_pandas(frame: Any, model: Any = None, *, key: str | None = None) -> Iterator[Any]:
    """As `from_arrow`, of a DataFrame of pandas. NaN and NaT count as None, the index does not count.

    Raises:
        InputError: values of several types are in one column.
        TypeError: `frame` is no DataFrame of pandas.
    """
    arrow = pyarrow()
    if not (hasattr(frame, "columns") and hasattr(frame, "index")):
        raise TypeError(f"from_pandas() takes a DataFrame of pandas, not {called(frame)}")
    maps = _maps_of(frame, model) if isinstance(model, type) and issubclass(model, BaseModel) else {}
    try:
        table = arrow.Table.from_pandas(frame.drop(columns=list(maps)), preserve_index=False)
    except arrow.ArrowException as problem:
        raise InputError(f"the DataFrame cannot be read: {' '.join(map(str, problem.args))}") from problem
    columns = dict(zip(table.column_names, table.columns, strict=True)) if maps else {}
    return from_arrow(arrow.table({**columns, **maps}) if maps else table, model, key=key)


def _maps_of(frame: Any, model: Any) -> dict[str, Any]:
    """The columns with dictionaries in lists of pairs, as pandas has maps of Arrow; pyarrow sees lists in them."""
    arrow, found = pyarrow(), {}
    described = describe(struct_for(model))
    for name, node in described["structs"][described["root"]["struct"]]["fields"]:
        tp = mapped(node, described["structs"]).type
        if has_maps(tp) and name in frame.columns:
            try:
                found[name] = arrow.array(frame[name], tp, from_pandas=True)
            except (arrow.ArrowException, TypeError, ValueError):  # other values, such as dictionaries of Python
                continue
    return found


def from_polars(frame: Any, model: Any = None, *, key: str | None = None) -> Iterator[Any]:
    """As `from_arrow`, of a DataFrame or a LazyFrame of Polars."""
    return from_arrow(frame, model, key=key)


def from_parquet(path: LocalPath | Sequence[LocalPath], model: Any = None, *, key: str | None = None) -> Iterator[Any]:
    """As `from_arrow`, of a Parquet file, a list of files, or a folder, partitioned or not. It is read as asked for.

    Raises:
        InputError: it cannot be read.
    """
    arrow = pyarrow()
    import pyarrow.dataset as datasets

    try:
        found = datasets.dataset(path, format="parquet", partitioning="hive")
        cls = _named((found.schema.metadata or {}).get(MODEL)) if model is None else model
        texts = _texts(cls, found.partitioning.schema)
        if texts is not None:
            found = datasets.dataset(path, format="parquet", partitioning=datasets.partitioning(texts, flavor="hive"))
        schema, batches = found.schema, found.to_batches(batch_size=BATCH)
        return from_arrow(arrow.RecordBatchReader.from_batches(schema, batches), model, key=key)
    except (arrow.ArrowException, OSError) as problem:
        name = os.fspath(path) if isinstance(path, str | os.PathLike) else f"{len(path)} files"
        reason: object = problem
        if isinstance(problem, FileNotFoundError) and isinstance(path, str | os.PathLike):
            reason = "there is no such file or folder"
            if "*" in str(path):
                reason = "it is a pattern: give the list of the files, glob.glob(pattern)"
        raise InputError(f"{name} cannot be read as Parquet: {reason}") from problem


def _texts(model: Any, folders: Any) -> Any:
    """The columns that names of folders tell, as texts where the fields are texts; None if they are such already.

    pyarrow takes the name 01 for a number.
    """
    arrow = pyarrow()
    described = describe(struct_for(model))
    nodes = dict(described["structs"][described["root"]["struct"]]["fields"])
    are_texts = {
        field.name
        for field in folders
        if arrow.types.is_integer(field.type)
        and field.name in nodes
        and mapped(nodes[field.name], described["structs"], coded=False).type == arrow.string()
    }
    if not are_texts:
        return None
    return arrow.schema([field.with_type(arrow.string()) if field.name in are_texts else field for field in folders])


def _named(name: bytes | None) -> Any:
    """The class that a schema names, if a module that is imported has it. Nothing is imported for it."""
    if name is None:
        raise InputError("the data do not say of which class their rows are: give the class, from_arrow(data, Player)")
    module, _, path = name.decode().partition(":")
    found: Any = sys.modules.get(module)
    for step in path.split("."):
        found = getattr(found, step, None)
    if not (isinstance(found, type) and issubclass(found, BaseModel)):
        raise InputError(f"the rows are of {module}.{path}, which this program has not imported: give the class")
    return found


def _objects(reader: Any, model: Any, key: str | None) -> Iterator[Any]:
    fit = _Fit(model, reader.schema, key)
    passed = 0
    for whole in reader:
        for at in range(0, whole.num_rows, BATCH):
            batch = whole.slice(at, BATCH)
            keys = None if key is None else _values(batch.column(key), key, passed)
            with gc_paused():
                objects = fit(batch, passed)
            yield from objects if keys is None else zip(keys, objects, strict=True)
            passed += batch.num_rows


class _Fit:
    """Makes objects of a class from record batches of one schema."""

    def __init__(self, model: Any, schema: Any, key: str | None) -> None:
        self._names = [name for name in schema.names if name != key]
        if len(set(self._names)) < len(self._names):
            raise InputError(f"two columns have the same name in {told(self._names)}")
        described = describe(struct_for(model))
        self._structs = {name: {**body, "filled": {}} for name, body in described["structs"].items()}
        nodes = dict(self._structs[described["root"]["struct"]]["fields"])
        self._nodes = {name: nodes.get(name) for name in self._names}
        self._model = model
        self._adapter = TypeAdapter(list[model])
        self._dicts = kernels.dict_builder(tuple(self._names)) if self._names else None
        self._required = _exact(model, [schema.field(name) for name in self._names])
        self._builder = struct_for(model).builder

    def __call__(self, batch: Any, passed: int) -> list[Any]:
        columns = [self._column(name, batch.column(name), passed) for name in self._names]
        if self._required is not None and not any(batch.column(name).null_count for name in self._required):
            by_name = dict(zip(self._names, columns, strict=True))
            fields = [by_name[name] for name in self._builder.names]
            made: list[Any] = self._builder.rows(fields, batch.num_rows, None, None, None, False)
            return made
        dicts = [{} for _ in range(batch.num_rows)] if self._dicts is None else self._dicts(*columns)
        try:
            return self._adapter.validate_python(dicts, strict=False, by_alias=True, by_name=True)
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            row, *place = first["loc"]
            where = ".".join(map(str, place)) or self._model.__qualname__
            what = "" if first["type"] == "missing" else f", not {told(first['input'])}"
            raise InputError(f"row {passed + int(row) + 1}: {where}: {first['msg']}{what}") from None

    def _column(self, name: str, array: Any, passed: int) -> list[Any]:
        values, node = _values(array, name, passed), self._nodes[name]
        if node is None or isinstance(node, str):
            return values
        return [None if value is None else restored(node, value, self._structs) for value in values]


def _values(array: Any, name: str, passed: int) -> list[Any]:
    """The values of an array as Python has them. `passed` rows stand before it in its column."""
    arrow = pyarrow()
    tp = _without_nanoseconds(array.type)
    if tp != array.type:
        if (cast := _cast(array, tp)) is None:
            at = next(at for at in range(len(array)) if _cast(array.slice(at, 1), tp) is None)
            raise InputError(
                f"row {passed + at + 1}: {name}: the value has nanoseconds, and Python's types have microseconds: "
                "round the column first, as frame[name].dt.floor('us') does in pandas"
            )
        array = cast
    if isinstance(tp, arrow.BaseExtensionType):
        if tp.extension_name == "arrow.uuid":
            return [None if each is None else UUID(bytes=each) for each in array.storage.to_pylist()]
        array, tp = array.storage, tp.storage_type
    if not array.null_count and (arrow.types.is_integer(tp) or arrow.types.is_floating(tp)):
        found: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
        return found
    if tp == arrow.month_day_nano_interval():
        return list(map(_duration, array.to_pylist()))
    if has_maps(tp):
        return list(array.to_pylist(maps_as_pydicts="strict"))
    return list(array.to_pylist())  # the argument makes pyarrow 26 ten to a hundred times slower


def _cast(array: Any, tp: Any) -> Any:
    """The array with another type; None if a value would change."""
    try:
        return array.cast(tp)
    except pyarrow().ArrowInvalid:
        return None


def _without_nanoseconds(tp: Any) -> Any:
    """The type with microseconds instead. pyarrow makes objects of pandas of nanoseconds, or drops them."""
    arrow = pyarrow()
    types = arrow.types
    if types.is_timestamp(tp) and tp.unit == "ns":
        return arrow.timestamp("us", tp.tz)
    if types.is_duration(tp) and tp.unit == "ns":
        return arrow.duration("us")
    if types.is_time64(tp):
        return arrow.time64("us")
    if types.is_map(tp):
        return arrow.map_(_without_nanoseconds(tp.key_type), _without_nanoseconds(tp.item_type))
    if types.is_list(tp) or types.is_large_list(tp):
        of = arrow.large_list if types.is_large_list(tp) else arrow.list_
        return of(tp.value_field.with_type(_without_nanoseconds(tp.value_type)))
    if types.is_struct(tp):
        return arrow.struct([field.with_type(_without_nanoseconds(field.type)) for field in tp])
    return tp


def _duration(value: Any) -> timedelta | None:
    """A duration that went through a program which has intervals of months, days and nanoseconds instead."""
    if value is None:
        return None
    if value.months:
        raise InputError(f"an interval of {value.months} months is no duration: months differ in length")
    return timedelta(days=value.days, microseconds=value.nanoseconds // 1000)


_CHECKS = {"int": "is_integer", "float": "is_float64", "bool": "is_boolean", "str": "is_string"}
_HARMLESS = {"title", "frozen", "extra_fields_behavior"}  # configuration that changes no value


def _exact(model: Any, columns: list[Any]) -> list[str] | None:
    """If columns of these types fit the fields of a class in any case, the fields that must not be None; else None."""
    core = getattr(model, "__pydantic_core_schema__", {})
    core = core.get("schema", core) if core.get("type") == "definitions" else core
    fields, config = core.get("schema", {}), core.get("config", {})
    if core.get("type") != "model" or core.get("post_init") or core.get("custom_init") or core.get("root_model"):
        return None
    if fields.get("type") != "model-fields" or not config.keys() <= _HARMLESS or model.__private_attributes__:
        return None
    if {column.name for column in columns} != set(fields["fields"]):
        return None
    required = []
    for column in columns:
        field = fields["fields"][column.name]
        inner = field["schema"]
        kinds = []
        while inner["type"] in ("default", "nullable") and "validate_default" not in inner:
            kinds.append(inner["type"])
            inner = inner["schema"]
        check = _CHECKS.get(inner["type"])
        is_plain = inner.keys() <= {"type", "ref", "metadata", "serialization"} and "validation_alias" not in field
        if check is None or not is_plain or not getattr(pyarrow().types, check)(column.type):
            return None
        if "nullable" not in kinds:
            required.append(column.name)
    return required

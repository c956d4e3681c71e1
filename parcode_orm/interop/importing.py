"""Reading JSON lines, CSV and Parquet into entities, row by row."""

from __future__ import annotations

import base64
import binascii
import csv
import json
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..codec.schema import describe
from ..codec.stored import LISTS, MAPS
from ..codec.types.compile import struct_for
from ..errors import InputError, told
from ..model.entity_names import is_entity
from ..model.keys import key_fields
from .formats import has_maps, pyarrow
from .infer import inferred, typed
from .targets import Targets

Row = tuple[str, dict[str, Any]]  # where it stands, and its values
Progress = Callable[[int], None]
BATCH = 4096
CELL = 1 << 27  # characters of a cell of CSV


def import_rows(
    session: Any,
    path: Path,
    format: str,
    *,
    model: Any = None,
    name: str = "",
    key: str | None = None,
    merge: bool = False,
    progress: Progress,
) -> tuple[Any, int]:
    """Add the rows of a file as entities, and commit: all of them or none.

    Args:
        session: a session that writes.
        path: the file to read.
        format: `"jsonl"`, `"csv"` or `"parquet"`.
        model: the class of the entities. Without it the class `name` of the session's file is taken, or else one is
            inferred from all rows, with the key `key`.
        name: the name of the class, where `model` is None.
        key: the field that is the key of an inferred class.
        merge: rows replace the entities that have their keys.
        progress: called with the number of rows read so far.

    Returns:
        The class, and the number of rows.

    Raises:
        InputError: a row cannot be read, or does not fit the class.
        IntegrityError: a key, or a unique value, occurs twice, or a reference leads to nothing.
        SchemaError: no class can be inferred.
        MissingExtraError: Parquet needs pyarrow.
    """
    read = _READERS[format]
    is_csv = format == "csv"
    stored = session.models().get(name) if model is None else None
    model = stored or model
    if model is None:
        rows = ({at: typed(cell) for at, cell in row.items()} if is_csv else row for _, row in read(path))
        model = inferred(name, rows, key)
        cells = typed
    elif not is_entity(model):
        raise InputError(f"{model.__qualname__} has no Key(): rows are imported as entities")
    elif key is not None and (key,) != key_fields(model):
        keys = ", ".join(key_fields(model))
        raise InputError(f"the key of {model.__qualname__} is {keys}, not {told(key)}: give another name, or no key")
    else:
        cells = None
    fit = _Fit(model, is_csv, cells, fills=stored is not None)
    targets = None if stored is None else Targets(session, name)
    count = 0

    def objects() -> Iterator[Any]:
        nonlocal count
        for where, row in read(path):
            obj = fit(where, row)
            if targets is not None:
                targets.note(where, obj)
            yield obj
            count += 1
            if count % BATCH == 0:
                progress(count)

    if merge:
        for each in objects():
            session.merge(each)
    else:
        session.add_all(objects())
    if targets is not None:
        targets.check()
    session.commit(f"import of {path.name}")
    progress(count)
    return model, count


class _Fit:
    """Makes objects of a class from rows."""

    def __init__(self, model: Any, is_csv: bool, cells: Callable[[str], Any] | None, *, fills: bool) -> None:
        self._model = model
        found = describe(struct_for(model))
        self._structs = {
            name: {**body, "filled": _filled(body["fields"]) if fills else {}}
            for name, body in found["structs"].items()
        }
        body = self._structs[found["root"]["struct"]]
        self._nodes = dict(body["fields"])
        self._filled = body["filled"]
        self._restored = [name for name, node in self._nodes.items() if not _is_plain(node)]
        self._is_csv = is_csv
        self._cells = cells

    def __call__(self, where: str, row: dict[str, Any]) -> Any:
        try:
            if self._cells is not None and self._is_csv:
                row = {name: self._cells(cell) for name, cell in row.items()}
            elif self._is_csv:
                row = {name: self._cell(name, cell) for name, cell in row.items() if cell or self._keeps(name)}
            for name in self._restored:
                if name in row:
                    row[name] = restored(self._nodes[name], row[name], self._structs)
            row = {**self._filled, **row}
            return self._model.model_validate(row, strict=False, by_alias=True, by_name=True)
        except ValidationError as problem:
            first = problem.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or self._model.__qualname__
            missing = first["type"] == "missing"
            what = f"the row has no such field: {told(first['input'])}" if missing else f"not {told(first['input'])}"
            raise InputError(f"{where}: {place}: {first['msg']}, {what}") from None
        except RecursionError as problem:
            raise InputError(f"{where}: too many lists and objects in each other") from problem
        except (ValueError, TypeError) as problem:
            raise InputError(f"{where}: {problem}") from problem

    def _keeps(self, name: str) -> bool:
        """Whether an empty cell is a value: an empty text, or None."""
        node = self._nodes.get(name)
        return node == "text" or (isinstance(node, dict) and "optional" in node)

    def _cell(self, name: str, cell: str) -> Any:
        """A cell of CSV: None, a text that Pydantic reads, or JSON."""
        node = self._nodes.get(name)
        if not isinstance(node, dict) or (cell == "" and "optional" in node):
            return cell if cell or node == "text" else None
        choices = node.get("optional", node)
        if isinstance(choices, dict) and ("members" in choices or "literal" in choices):
            values = [value for _, value in choices["members"]] if "members" in choices else choices["literal"]
            return cell if cell in values else _json(cell)
        return cell


def _filled(fields: Iterable[tuple[str, Any]]) -> dict[str, None]:
    """None for the fields that may be None: a class made of a stored schema has no defaults for them."""
    return {name: None for name, node in fields if _may_be_none(node)}


def _may_be_none(node: Any) -> bool:
    if not isinstance(node, dict):
        return bool(node == "none")
    if "optional" in node:
        return True
    return any(_may_be_none(arm) for arm in node.get("union", ())) or ("chunk" in node and _may_be_none(node["chunk"]))


def _is_plain(node: Any) -> bool:
    """Whether values of a description are numbers or texts, which Pydantic reads as they are."""
    if isinstance(node, dict) and "optional" in node:
        node = node["optional"]
    return node in ("int", "float", "bool", "text", "none") or (isinstance(node, dict) and "convert" in node)


def restored(node: Any, value: Any, structs: dict[str, Any]) -> Any:
    """A value as it was exported: bytes from base64; lists, dictionaries and objects that are JSON in a text."""
    if isinstance(node, str):
        if node in ("bytes", "bytearray"):
            return _decoded(value) if isinstance(value, str) else value
        return _json(value) if node == "any" and isinstance(value, str) and value[:1] in _OPENING else value
    for around in ("optional", "chunk", "map"):
        if around in node:
            return value if value is None else restored(node[around], value, structs)
    if "convert" in node:
        return value
    if isinstance(value, str) and value[:1] in _OPENING:
        value = _json(value)
    if "struct" in node and isinstance(value, dict):
        fields = dict(structs[node["struct"]]["fields"])
        return structs[node["struct"]]["filled"] | {
            name: restored(fields[name], each, structs) if name in fields else each for name, each in value.items()
        }
    if "fixed" in node and isinstance(value, list) and len(value) == len(node["tuple"]):
        return [restored(each, item, structs) for each, item in zip(node["tuple"], value, strict=True)]
    for kind in node.keys() & (LISTS | MAPS) if "fixed" not in node else ():
        if kind in MAPS and isinstance(value, dict):
            return {key: restored(node[kind][1], each, structs) for key, each in value.items()}
        if kind in LISTS and isinstance(value, list):
            return [restored(node[kind], each, structs) for each in value]
    return value


_OPENING = ("[", "{")


def _json(text: str) -> Any:
    """The value of a text of JSON, or the text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text, altchars=b"-_", validate=True)
    except binascii.Error as problem:
        raise ValueError(f"{told(text)} is no base64, as bytes are written: {problem}") from problem


def _json_lines(path: Path) -> Iterator[Row]:
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            if line.isspace():
                continue
            where = f"{path}, line {number}"
            try:
                row = json.loads(line)
            except json.JSONDecodeError as problem:
                raise InputError(f"{where} is no JSON: {problem.msg} (column {problem.pos + 1})") from problem
            except (ValueError, RecursionError) as problem:
                raise InputError(f"{where} is no JSON: {problem}") from problem
            if not isinstance(row, dict):
                raise InputError(f'{where}: a row is an object such as {{"name": 1}}, not {told(row)}')
            yield where, row


def _csv(path: Path) -> Iterator[Row]:
    csv.field_size_limit(min(CELL, sys.maxsize))
    with open(path, encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, strict=True)
        try:
            names = next(reader, None)
            if names is None:
                return
            if len(set(names)) < len(names):
                raise InputError(f"{path}: two columns have the same name in {told(names)}")
            if len(names) == 1 and (found := [mark for mark in ";\t|" if mark in names[0]]):
                raise InputError(f"{path}, line 1: cells have commas between them, not {found[0]!r}: {told(names[0])}")
            for cells in reader:
                where = f"{path}, line {reader.line_num}"
                if len(cells) != len(names):
                    if not cells:
                        continue
                    raise InputError(f"{where} has {len(cells)} cells for {len(names)} columns")
                yield where, dict(zip(names, cells, strict=True))
        except UnicodeDecodeError as problem:
            raise InputError(f"{path} is no text in UTF-8, save it as such: {problem}") from problem
        except csv.Error as problem:
            raise InputError(f"{path}, line {reader.line_num}: {problem}") from problem


def _parquet(path: Path) -> Iterator[Row]:
    arrow = pyarrow()
    number = 0
    try:
        with arrow.parquet.ParquetFile(path) as file:
            # The argument makes pyarrow 26 twenty times slower.
            strict = {"maps_as_pydicts": "strict"} if any(map(has_maps, file.schema_arrow.types)) else {}
            for batch in file.iter_batches(BATCH):
                for row in batch.to_pylist(**strict):
                    number += 1
                    yield f"{path}, row {number}", row
    except arrow.ArrowException as problem:
        raise InputError(f"{path}, after row {number}: {problem}") from problem


_READERS: dict[str, Callable[[Path], Iterator[Row]]] = {"jsonl": _json_lines, "csv": _csv, "parquet": _parquet}

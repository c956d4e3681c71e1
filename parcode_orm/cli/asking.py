"""Commands that show values and rows of a file, without the classes that wrote it."""

from __future__ import annotations

import codecs
import io
import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import Annotated, Any, NamedTuple

import typer

from ..codec.types.marks import find_mark
from ..errors import ParcodeError
from ..inspector.paths import find
from ..inspector.steps import Path, Step
from ..interop.exporting import export
from ..interop.rows import json_of, plain
from ..lazy.map import LazyMap
from ..lazy.shown import OBEYED, Shown, visible, why
from ..model.arrays import LazyArray
from ..model.blobs import LazyBytes, LazyText
from ..model.kinds import fields_of
from ..query import func, select
from ..query.expressions.building import attribute
from ..query.expressions.nodes import Item
from ..query.expressions.selectables import is_entity_class, model_of
from ..query.statements.parsing import columns as columns_of
from ..query.statements.parsing import condition, labelled
from ..query.statements.parsing import order as order_of
from ..query.statements.statement import Select
from ..session import Session
from .app import File, Json, command, out, say, say_json
from .tables import print_rows
from .values import field_names, print_value, say_count, shown_field

SHOWN = 10  # rows of a collection that is shown


class Format(StrEnum):
    """How rows are printed."""

    table = "table"
    jsonl = "jsonl"
    csv = "csv"


Collection = Annotated[
    str, typer.Argument(help="A path: entities (Trade), or a list or dictionary (players).", show_default=False)
]
Where = Annotated[str | None, typer.Option("--where", help="""A condition: 'level > 50 and guild == "g7"'.""")]


# -- rows --------------------------------------------------------------------------------------------------------------


class Asked(NamedTuple):
    """A statement over a collection of `size` rows, and the titles of its columns; `chosen`: the user named them."""

    statement: Select[Any]
    names: list[str]
    rows: Any
    size: int
    chosen: bool


def asked(session: Session, collection: str, where: str | None, columns: str | None, order: str | None) -> Asked:
    """What a query asks.

    Raises:
        QueryError: a text does not fit the rows.
        PathError: there is no such collection.
    """
    found = find(session, collection)
    rows = found.rows
    outputs = default_columns(rows) if columns is None else columns_of(rows, columns)
    made: Select[Any] = select(*labelled(outputs)).select_from(rows)
    if where is not None:
        made = made.where(condition(rows, where))
    if order is not None:
        made = made.order_by(*order_of(rows, order))
    return Asked(made, list(outputs), rows, len(found.value), columns is not None)


def default_columns(rows: Any) -> dict[str, Any]:
    """The key, or position, and all fields of rows, or the row itself. The keys of entities are among their fields."""
    model = model_of(rows)
    fields = (fields_of(model) if model is not None else None) or {}
    found: dict[str, Any] = {}
    if not is_entity_class(rows):
        name = "key" if isinstance(rows, dict | LazyMap) else "#"
        while name in fields:
            name += "_"
        found[name] = func.key()
    if not fields:
        return {**found, "value": func.item()}
    return {**found, **{name: attribute(Item(model), name) for name in fields}}


@command("""parcode query shop.par Trade --where 'price > 30 and buyer == "ann"' --order=-price --limit 5""")
def query(
    file: File,
    collection: Collection,
    where: Where = None,
    columns: Annotated[
        str | None, typer.Option("--columns", help="Values with commas between them: 'name, level * 2'.")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option("--order", help="Keys with commas between them: '-level, name', - for the largest first."),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", "-n", min=0, help="How many rows at most.")] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="How many rows are left out first.")] = 0,
    explain: Annotated[bool, typer.Option("--explain", help="Show how the rows are found, and read none.")] = False,
    format: Annotated[Format, typer.Option("--format", help="How rows are printed.")] = Format.table,
    json_: Json = False,
) -> None:
    """Ask the rows of a collection: which of them, which values, in which order."""
    with Session.open(file) as session:
        question = asked(session, collection, where, columns, order)
        statement = question.statement.offset(offset)
        statement = statement if limit is None else statement.limit(limit)
        if explain:
            say(session.explain(statement))
        else:
            question = question._replace(statement=statement)
            print_asked(session, question, Format.jsonl if json_ and format is Format.table else format)


@command("parcode head shop.par players -n 5")
def head(
    file: File,
    collection: Collection,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many rows.")] = SHOWN,
    json_: Json = False,
) -> None:
    """Show the first rows of a collection."""
    with Session.open(file) as session:
        question = asked(session, collection, None, None, None)
        question = question._replace(statement=question.statement.limit(limit))
        print_asked(session, question, Format.jsonl if json_ else Format.table)


@command("parcode count shop.par players --where 'level > 50'")
def count(file: File, collection: Collection, where: Where = None, json_: Json = False) -> None:
    """Count the rows of a collection."""
    with Session.open(file) as session:
        found = find(session, collection)
        rows, number = found.rows, len(found.value)
        if where is not None:
            statement: Select[Any] = select(func.key()).select_from(rows).where(condition(rows, where))
            number = session.execute(statement).count()
    if json_:
        say_json({"count": number})
    else:
        say(number)


def print_asked(session: Session, question: Asked, format: Format) -> None:
    """Print the rows of a query."""
    statement = question.statement
    if format is not Format.table:
        with io.BufferedWriter(Output(format)) as output:
            export(session, statement, question.rows, output, format.value, lambda done: None)
        return
    number = print_rows(question.names, table_rows(session, question), every=question.chosen)
    say_count(number, None if statement._where else question.size)


def table_rows(session: Session, question: Asked) -> Iterator[Sequence[Any]]:
    """The rows of a table. Large values that are stored apart are not read, unless the user named the columns."""
    model, statement = model_of(question.rows), question.statement
    fields = getattr(model, "__pydantic_fields__", {})
    if question.chosen or not any(find_mark(info.metadata) for info in fields.values()):
        yield from session.execute(statement)
        return
    keys = () if is_entity_class(question.rows) else (func.key(),)
    for *key, row in session.execute(statement._with(_outputs=(*keys, Item(model)))):
        yield [*key, *(shown_field(row, name) for name in question.names[len(keys) :])]


class Output(io.RawIOBase):
    """The standard output, for rows.

    JSON always escapes what a terminal would obey, which loses nothing. CSV escapes it only on a terminal.
    """

    def __init__(self, format: Format) -> None:
        self._stream = typer.get_binary_stream("stdout")  # `typer.echo` leaves escapes out where there is no terminal
        self._decoded = codecs.getincrementaldecoder("utf-8")()
        self._escaped = json_text if format is Format.jsonl else visible if out.is_terminal else str

    def writable(self) -> bool:
        """True: it is written to."""
        return True

    def write(self, data: Any) -> int:
        """Print some rows."""
        self._stream.write(self._escaped(self._decoded.decode(data)).encode())
        return len(data)

    def flush(self) -> None:
        """Let all that was written be seen."""
        super().flush()
        self._stream.flush()


def json_text(text: str) -> str:
    """JSON that a terminal shows harmless, and that says the same."""
    return OBEYED.sub(lambda found: json.dumps(found[0])[1:-1], text)


# -- one value ---------------------------------------------------------------------------------------------------------


@command("""parcode show shop.par 'players["Hero123"].inventory[:10]'""")
def show(
    file: File,
    path: Annotated[str | None, typer.Argument(help="The path of a value.", show_default=False)] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=0, help="How many rows of a collection.")] = SHOWN,
    json_: Json = False,
) -> None:
    """Show a value: an object, a collection, a text. Without a path: what the file holds."""
    with Session.open(file) as session:
        if path is None:
            print_names(session, json_)
            return
        found = find(session, path)
        if json_:
            typer.echo(json_text(json_of(plain(whole(found.value))).decode()))
        else:
            print_value(found, limit)


def whole(value: Any) -> Any:
    """A value; the whole text, bytes or array if it is a handle of one."""
    if isinstance(value, LazyArray):
        return value[...]
    return value.load() if isinstance(value, LazyText | LazyBytes) else value


def print_names(session: Session, as_json: bool) -> None:
    """Print the roots and entities of a file, and for each one that cannot be read the reason."""
    found: list[dict[str, Any]] = []
    problems = []
    for name in session.models():
        kind = "root" if name in session.roots() else "entities"
        try:
            here = find(session, Path((Step("name", name),)))
            rows = len(here.value) if kind == "entities" else None
            fields = field_names(here.value) if kind == "root" else list(fields_of(here.rows) or ())
            found.append({"name": name, "kind": kind, "rows": rows, "fields": fields})
        except ParcodeError as problem:
            problems.append(problem)
            found.append({"name": name, "kind": kind, "rows": None, "fields": [f"<{why(problem)}>"]})
    if as_json:
        say_json(found)
    else:
        texts = ({**each, "fields": ", ".join(each["fields"])} for each in found)
        lines = [[Shown("") if value is None else value for value in each.values()] for each in texts]
        print_rows(["name", "kind", "rows", "fields"], lines)
    if problems:
        raise problems[0]

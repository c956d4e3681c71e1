"""A field of a base class that holds subclasses: each class is an arm, named and fingerprinted.

On reading a name is looked up among the subclasses that the process knows; nothing is imported for
a file's sake.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ...errors import EncodeError, ParcodeError, SchemaMismatchError, UnsupportedTypeError, with_article
from ...format.chunk import Chunk
from ...format.encoder import Encoder
from ...format.layout import Encoding, Node
from .. import trail
from ..base import Column, Space, View
from ..classes.names import bare, bound_class, tag_of
from ..classes.registry import hook_of, made, named, newest
from ..schema import fingerprint_of
from ..structs import Struct
from ..views.nodes import open_child
from ..views.tuples import open_arms
from .packed import PackedColumn
from .text import TextColumn
from .tuples import write_arms
from .wrappers import ConvertColumn

_TEXT = TextColumn()
_PACKED = PackedColumn()
MAX_CLASSES = 1 << 16


def subclasses(cls: type) -> Iterator[type]:
    """`cls` and all its subclasses, older ones first, without classes of lazy objects."""
    seen = {cls}
    stack = [cls]
    while stack:
        found = stack.pop()
        yield found
        known: list[type] = type.__subclasses__(found)
        for below in reversed(known):
            if below not in seen and "_p_model_" not in below.__dict__:
                seen.add(below)
                stack.append(below)


def _column_for(column: Struct, cls: type) -> Column:
    """The column of `cls`, as its values stand where `column` is that of a base class."""
    if cls is column.plan.cls:
        return column
    hook = hook_of(cls)
    assert column.plan.struct_for is not None
    return column.plan.struct_for(cls) if hook is None else ConvertColumn(_PACKED, *hook[1:])


def _column_of(column: Struct, cls: type, row: int) -> Column:
    """As `_column_for`; what is refused is the value in `row`."""
    try:
        return _column_for(column, cls)
    except UnsupportedTypeError as problem:
        raise trail.at(EncodeError(str(problem), value_type=cls), row) from problem


def write_poly(column: Struct, values: Sequence[Any], out: Encoder) -> None:
    """Append `values`, instances of subclasses of the column's class among them."""
    tags, positions = [], []
    rows: dict[type, list[int]] = {}
    order: dict[type, int] = {}
    for row, value in enumerate(values):
        cls = value.__class__
        tag = order.setdefault(cls, len(order))
        mine = rows.setdefault(cls, [])
        tags.append(tag)
        positions.append(len(mine))
        mine.append(row)
    columns = [_column_of(column, cls, mine[0]) for cls, mine in rows.items()]
    for cls, one in zip(order, columns, strict=True):
        _check_name(column, cls, one, order, values)

    for one in columns:
        if one is not column:
            out.sink.learn(one)

    def head() -> None:
        _TEXT.encode([tag_of(cls) for cls in order], out)
        _TEXT.encode([fingerprint_of(one) for one in columns], out)

    arms = list(zip(map(_Arm, columns), rows.values(), strict=True))
    write_arms(out, Encoding.POLY, values, tags, positions, arms, head)


class _Arm:
    """The values of one class: they stand on the level of the column that they are an arm of."""

    __slots__ = ("encode",)

    def __init__(self, column: Column) -> None:
        self.encode = getattr(column, "encode_arm", column.encode)


def _check_name(column: Struct, cls: type, own: Column, written: Iterable[type], values: Any) -> None:
    """Raise where reading would find another class for objects of `cls`.

    A class that was defined again, in a notebook say, gives way to the newer one; but one that a
    function made is no older version of one that it made later, nor is one that stands beside the
    newer one.
    """
    tag = tag_of(cls)
    bound = bound_class(tag)
    if bound is cls:
        return
    found, _ = resolve(column, tag, fingerprint_of(own))
    if found is not cls and (found is not bound or found in written):
        row = next(row for row, value in enumerate(values) if value.__class__ is cls)
        problem = EncodeError(
            f"there are several classes {tag} of one shape, and reading would give the newest; give each a name of its "
            "own, or make this object anew",
            value_type=cls,
        )
        raise trail.at(problem, row)


def open_poly(column: Struct, chunk: Chunk, at: int, space: Space, node: Node) -> View:
    """View a POLY node; a class is resolved when a value of it is first read."""
    children = chunk.children(at)
    if not 4 < len(children) <= MAX_CLASSES:
        raise chunk.error(at, f"{len(children)} children of classes")
    names, prints, tags, positions, *arms = children
    known = open_child(_TEXT, chunk, names, space, len(arms)).read(0, len(arms))
    found = open_child(_TEXT, chunk, prints, space, len(arms)).read(0, len(arms))
    views = [
        ArmView(column, name, fingerprint, chunk, arm, space)
        for name, fingerprint, arm in zip(known, found, arms, strict=True)
    ]
    return open_arms(chunk, at, node, tags, positions, views)


class ArmView(View):
    """The values of one class, opened when first read: until then an unknown class is no error."""

    __slots__ = ("column", "name", "fingerprint", "chunk", "at", "space", "_view")

    def __init__(self, column: Struct, name: str, fingerprint: str, chunk: Chunk, at: int, space: Space) -> None:
        self.count = chunk.nodes[at].count
        self.column = column
        self.name = name
        self.fingerprint = fingerprint
        self.chunk = chunk
        self.at = at
        self.space = space
        self._view: View | None = None

    def get(self, i: int) -> Any:
        return (self._view or self._open()).get(i)

    def read(self, start: int, stop: int) -> list[Any]:
        return (self._view or self._open()).read(start, stop)

    @property
    def opened(self) -> View:
        """The view of the values, whose class must be known."""
        return self._view or self._open()

    def _open(self) -> View:
        _, found = resolve(self.column, self.name, self.fingerprint, self.space)
        self._view = open_child(found, self.chunk, self.at, self.space, self.count)
        return self._view


def resolve(column: Struct, name: str, fingerprint: str, space: Space | None = None) -> tuple[type, Column]:
    """The class that `name` stands for among the subclasses of the column's class, and its column.

    In a `space` the column may be one that reads the class as it was stored.

    Raises:
        SchemaMismatchError: there is none, it has another shape, or several could be it.
    """
    base = column.plan.cls
    known = list(subclasses(base))
    exact = [cls for cls in known if tag_of(cls) == name]
    if not exact:
        called = named(name) or made(name)
        exact = [called] if called is not None and issubclass(called, base) else []
    candidates = exact or [cls for cls in known if bare(tag_of(cls)) == bare(name)]
    unknown = space.made(fingerprint, base) if not candidates and space is not None else None
    if unknown is not None:
        return unknown, _column_for(column, unknown)
    if not candidates:
        raise SchemaMismatchError(
            f"{with_article(base.__qualname__)} is stored as {name}, a subclass that this process does not know; "
            "import the module that defines it before reading"
        )
    fitting = {cls: one for cls in candidates if (one := _fitting(column, cls, fingerprint)) is not None}
    if not fitting and space is not None and len({tag_of(cls) for cls in candidates}) == 1:
        cls = newest(candidates)
        return cls, space.upgraded(fingerprint, [_column_for(column, cls)])[0]
    if not fitting:
        raise SchemaMismatchError(f"{name} is stored in another shape than the class has now")
    if len(set(map(tag_of, fitting))) > 1:
        modules = sorted({cls.__module__ for cls in fitting})
        raise SchemaMismatchError(
            f"{with_article(base.__qualname__)} is stored as {name}, and of that name and shape there are several: in "
            f"the modules {', '.join(modules)}"
        )
    cls = newest(fitting)
    return cls, fitting[cls]


def _fitting(column: Struct, cls: type, fingerprint: str) -> Column | None:
    """The column of `cls` if it has this fingerprint; None otherwise, and for refused classes."""
    try:
        one = _column_for(column, cls)
        return one if fingerprint_of(one) == fingerprint else None
    except ParcodeError:
        return None

"""What users do wrong, and what they are told: the public function, what was wrong with what, and a way out."""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import pickle
import pkgutil
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel

import parcode_orm
from parcode_orm import (
    Chunk,
    ClosedError,
    CompressionError,
    ConflictError,
    CyclicGraphError,
    EncodeError,
    FileMissingError,
    LockedError,
    MigrationRequired,
    Model,
    NoResultFound,
    NotAFileError,
    NotAParcodeFile,
    ParcodeError,
    ReadOnlyError,
    Session,
    SessionError,
    ShardedMap,
    StorageError,
    StreamConsumedError,
    TruncatedError,
    UnsupportedTypeError,
    compact,
    dumps,
    load,
    loads,
    migrations,
    register,
    register_compression,
    register_type,
    save,
    verify,
    write,
)

pytestmark = pytest.mark.once


class Item(Model):
    n: int = 0


class World(Model):
    name: str = "a"
    items: list[Item] = Chunk(default=[])
    by: dict[str, Item] = ShardedMap(default={})
    data: bytes = Chunk(default=b"")
    text: str = Chunk(default="")
    any: Any = None


class Other(Model):
    x: int = 0


class Plain(BaseModel):
    x: int = 0


def changed(**defaults: str) -> Any:
    """The class `World` with another field, as a later version of a program has it; `default` is that of the field."""
    fields = {name: info.annotation for name, info in World.model_fields.items()}
    namespace: dict[str, Any] = {"__annotations__": {**fields, "more": str}, "__module__": "new"}
    if defaults:
        namespace["more"] = defaults["default"]
    namespace |= {"items": Chunk(default=[]), "by": ShardedMap(default={})}
    namespace |= {"data": Chunk(default=b""), "text": Chunk(default=""), "any": None, "name": ""}
    return type("World", (Model,), namespace)


@pytest.fixture(scope="module")
def use(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Files, sessions and objects to use wrongly; nothing that fails changes them."""
    there = tmp_path_factory.mktemp("messages")
    items = [Item(n=n) for n in range(9_000)]
    world = World(items=items, by={f"k{item.n}": item for item in items}, data=b"d" * 300_000, text="t" * 300_000)
    save(path := there / "w.par", world)
    for name, content in {"empty": b"", "text": b"no such file\n" * 9, "cut": path.read_bytes()[:50_000]}.items():
        (there / name).write_bytes(content)
    (there / "directory").mkdir()
    with Session(path) as writing, Session.open(path) as reading, Session(there / "new.par") as new:
        with Session.open(path) as closed:
            gone = closed.root(World)
            kept = gone.items, gone.by, gone.lazy("data")
        yield SimpleNamespace(
            there=there, path=path, bytes=path.read_bytes(), writing=writing, reading=reading, closed=closed, gone=gone,
            kept=kept, w=writing.root(World), r=reading.root(World), new=new,
        )  # fmt: skip


def conflict(u: Any) -> None:
    with Session(path := u.there / "c.par") as session:
        session.add(Item())
        session.commit()
    with Session(path) as one, Session(path) as two:
        one.root(Item).n, two.root(Item).n = 1, 2
        one.commit()
        two.commit()


def locked(u: Any) -> None:
    fcntl = pytest.importorskip("fcntl")
    save(path := u.there / "l.par", Item())
    with open(path, "rb") as file, Session(path, lock_timeout=0) as session:
        fcntl.flock(file, fcntl.LOCK_EX)
        session.root(Item).n = 5
        session.commit()


def cycle() -> Any:
    world = World(any=[])
    world.any.append(world.any)
    return dumps(world)


def twice() -> Any:
    world = World(items=iter([Item()]))
    return dumps(world), dumps(world)


def unsaved(u: Any, method: str, *args: Any) -> None:
    with Session(u.path) as session:
        session.root(World).name = "b"
        getattr(session, method)(*args)


def ended(u: Any) -> None:
    with Session(u.path) as session:
        savepoint = session.begin_nested()
        savepoint.commit()
        savepoint.rollback()


def skipped(u: Any) -> None:
    with Session(u.path) as session:
        for _ in session.attempts(2):
            pass


ROOT: Any = lambda u, bad: u.reading.root(bad)
WRONG_PATHS = [None, 5, 1.5, ["x"], Item, Item()]
A_PATH = r"path is a str or an os.PathLike, not "
TO_READ = r"what is read is a path \(str or os.PathLike\), bytes or a binary file, not (None|an? |the class Item)"

# What is done (given `use`), the error, and what its message says.
CASES: list[tuple[Callable[[Any], Any], type[Exception], str]] = [
    # paths
    *[(lambda u, bad=bad: Session(bad), TypeError, TO_READ) for bad in WRONG_PATHS],
    *[(lambda u, bad=bad: load(bad, World), TypeError, TO_READ) for bad in WRONG_PATHS],
    *[(lambda u, bad=bad: verify(bad), TypeError, TO_READ) for bad in WRONG_PATHS],
    *[(lambda u, bad=bad: save(bad, Item()), TypeError, rf"save\(path, obj\): {A_PATH}") for bad in WRONG_PATHS],
    *[(lambda u, bad=bad: compact(bad), TypeError, rf"compact\(path\): {A_PATH}") for bad in [*WRONG_PATHS, b"x"]],
    *[(lambda u, f=f: f(io.StringIO("x")), TypeError, "gives text, .* mode 'rb'") for f in (Session, verify)],
    *[
        (lambda u, f=f: f(""), FileMissingError, "the path is empty")
        for f in (Session, Session.open, lambda path: load(path, World), verify, compact, lambda p: save(p, Item()))
    ],
    *[
        (lambda u, f=f: f("a\0b"), ValueError, r"the path 'a\\x00b' holds a null character")
        for f in (Session, Session.open, lambda path: load(path, World), verify, compact, lambda p: save(p, Item()))
    ],
    (lambda u: Session.open(u.there / "no"), FileMissingError, r"there is no such file \(Session\(path\) creates"),
    (lambda u: load(u.there / "no", World), FileMissingError, "there is no such file .*/no'"),
    (lambda u: Session(u.there / "no" / "x"), FileMissingError, "there is no directory .*/no: create it first"),
    (lambda u: save(u.there / "no" / "x", Item()), FileMissingError, "there is no directory .*/no: create it first"),
    (lambda u: Session(u.there / "w.par" / "x"), StorageError, "Not a directory: .*w.par/x'"),
    *[
        (lambda u, f=f: f(u.there / "directory"), NotAFileError, "it is a directory: .*directory'")
        for f in (Session, lambda path: load(path, World), verify, compact, lambda path: save(path, Item()))
    ],
    *[
        (lambda u, f=f: f(u.there / "text"), NotAParcodeFile, "text is not a Parcode file: it begins with b'no such ")
        for f in (Session, lambda path: load(path, World), verify, compact)
    ],
    *[
        (lambda u, f=f: f(u.there / "empty"), NotAParcodeFile, "empty is not a Parcode file: it is empty")
        for f in (Session, lambda path: load(path, World), verify, compact)
    ],
    (lambda u: Session(u.there / "cut"), TruncatedError, r"in .*/cut, at offset 50000"),
    (
        lambda u: loads(str(u.path), World),
        TypeError,
        r"loads\(data, cls\): .* not a str: load\(path, cls\) reads a path",
    ),
    (lambda u: loads(b"", World), NotAParcodeFile, "it is empty"),
    (lambda u: Session.open(":memory:"), ReadOnlyError, r'use Session\(":memory:"\)'),
    # what is written to
    (lambda u: write(io.StringIO(), Item()), TypeError, r"write\(file, obj\): .* takes text: open it with mode 'wb'"),
    (lambda u: write(u.path, Item()), TypeError, r"write\(file, obj\): .*: to write to a path, use save\(path, obj\)"),
    (lambda u: write(None, Item()), TypeError, r"write\(file, obj\): file is a binary writer with .*, not None"),
    (lambda u: write(u.path.open("rb"), Item()), StorageError, "cannot write to the stream: it is not open for that"),
    # options
    (lambda u: Session(), TypeError, r"Session.__init__\(\) missing .* 'path'"),
    (lambda u: Session(u.path, mode="r"), TypeError, r"Session.__init__\(\) got an unexpected keyword argument 'mode'"),
    (lambda u: Session.open(u.path, workers=0), TypeError, r"Session.open\(\) got an unexpected .* 'workers'"),
    (lambda u: u.new.diff(), TypeError, r"Session.diff\(\) missing"),
    (lambda u: u.new.compact(3), TypeError, r"Session.compact\(\) takes"),
    (lambda u: u.r.lazy(), TypeError, r"Model.lazy\(\) missing"),
    (lambda u: u.r.model_copy(deeply=True), TypeError, r"Model.model_copy\(\) got an unexpected"),
    (lambda u: Session(u.path, read_only="no"), TypeError, "read_only is True or False, not 'no'"),
    (lambda u: Session(u.path, at="1"), TypeError, "a commit is named by its sequence number, .*, not by '1'"),
    (
        lambda u: Session(u.path, at=datetime(2024, 1, 1)),
        ValueError,
        r"no time zone.*datetime\(\.\.\.\).astimezone\(\)",
    ),
    (lambda u: Session(u.path, at=7), NoResultFound, r"w.par holds no commit 7: what is read here has commit 1, of "),
    (lambda u: Session(u.path, at=datetime(1999, 1, 1, tzinfo=UTC)), NoResultFound, "no commit of 1999-.* or before"),
    *[(lambda u, c=c: Session(u.path, compression=c), CompressionError, "there are 'none', 'auto'") for c in ("z", 5)],
    *[(lambda u, n=n: Session(u.path, workers=n), ValueError, "workers is None or a number") for n in (-1, "2", 1.5)],
    (lambda u: Session(u.path, durability="slow"), ValueError, 'durability is "full" or "fast", not \'slow\''),
    *[(lambda u, a=a: Session(u.path, compact_above=a), ValueError, "compact_above is a sh") for a in (2, "x", True)],
    *[(lambda u, t=t: Session(u.path, lock_timeout=t), ValueError, "lock_timeout is how") for t in (-1, "5", True)],
    (lambda u: dumps(Item(), uuid="x"), TypeError, "uuid is a uuid.UUID or None, not 'x'"),
    *[(lambda u, t=t: dumps(Item(), time_ns=t), ValueError, "time_ns is an int of 64 bits") for t in ("x", 1 << 63)],
    *[(lambda u, k=k: compact(u.path, k), ValueError, "keep is how many commits are kept, 1 or") for k in (0, "1")],
    *[(lambda u, n=n: u.writing.attempts(n), ValueError, r"attempts\(count\): .* 1 or more") for n in (0, None)],
    (lambda u: Chunk(compression=5), TypeError, "compression must be a name or None, not 5"),
    # objects
    *[
        (lambda u, f=f, bad=bad: f(u, bad), TypeError, rf"{name}: obj is an instance of a parcode_orm.Model, not ")
        for bad in (None, 5, [], Item)
        for f, name in (
            (lambda u, bad: u.writing.add(bad), r"add\(obj\)"),
            (lambda u, bad: u.writing.add_all([bad]), r"add\(obj\)"),
            (lambda u, bad: u.writing.merge(bad), r"merge\(obj\)"),
            (lambda u, bad: save(u.there / "s", bad), r"save\(path, obj\)"),
            (lambda u, bad: dumps(bad), r"dumps\(obj\)"),
            (lambda u, bad: write(io.BytesIO(), bad), r"write\(file, obj\)"),
        )
    ],
    (lambda u: u.writing.add(Plain()), TypeError, "not a Plain: derive the class from parcode_orm.Model"),
    (lambda u: save(Item(), "x.par"), TypeError, r"save\(path, obj\): obj is .*, not a str"),
    *[
        (lambda u, a=a: u.writing.add_all(a), TypeError, r"add_all\(objs\): objs is an it")
        for a in (None, 5, "x", Item)
    ],
    (lambda u: u.writing.add_all(Item()), TypeError, r"not an Item: add\(obj\) takes one"),
    *[
        (
            lambda u, f=f, bad=bad: f(u, bad),
            TypeError,
            "a root is asked for by its class, a subclass of parcode_orm.Model",
        )
        for bad in (None, "World", Plain, Item(), list[int])
        for f in (
            ROOT,
            lambda u, bad: load(u.path, bad),
            lambda u, bad: u.reading.diff(1, 1, bad),
        )
        if f is not ROOT or bad not in (None, "World")  # the root of this name, or the only one
    ],
    (lambda u: u.reading.root(Other), NoResultFound, r"no root of type Other: .*w.par holds World; add\(obj\) and com"),
    (lambda u: u.new.root(Other), NoResultFound, r"no root of type Other: nothing is stored yet; add\(obj\) and comm"),
    (
        lambda u: Session(u.path).add(World()),
        SessionError,
        r"session.root\(World\), .*session.merge\(obj\), .*replace=True",
    ),
    (lambda u: u.new.add_all([Item(), Item()]), SessionError, r"list\[Item\] = Chunk\(\) .* add\(obj, replace=True\)"),
    (lambda u: u.new.add(u.r), SessionError, r"a lazy object of another session.*add a copy of it, obj.model_copy\(\)"),
    *[
        (lambda u, f=f, bad=bad: getattr(u.writing, f)(bad), SessionError, r"only a root of this .*session.root\(cls\)")
        for bad in (None, 5, World, Item())
        for f in ("delete", "expunge")
    ],
    (lambda u: u.writing.expire(Item), SessionError, "^the class Item is neither a root nor a lazy object of this"),
    (lambda u: u.writing.is_modified(Item()), SessionError, "^this Item is not part of this session: add it, or put"),
    (lambda u: u.writing.commit(5), TypeError, "the message of a commit is a str, not 5"),
    (lambda u: u.reading.diff("1"), TypeError, "a commit is named by its sequence number"),
    # what cannot be done now, or here
    (lambda u: u.closed.root(World), ClosedError, "this session of .*w.par is closed: open the file again"),
    (
        lambda u: u.reading.commit(),
        ReadOnlyError,
        r"this session of .*w.par is read-only: .*open the file with Session\(",
    ),
    (lambda u: Session(u.bytes).add(Item()), ReadOnlyError, "write them to a file, and open that with Session"),
    (lambda u: setattr(u.r, "name", "b"), ReadOnlyError, r"this World was opened read-only: .* Session\(path\)"),
    (lambda u: u.r.items.append(Item()), ReadOnlyError, r"this list was opened read-only: .* Session\(path\)"),
    (lambda u: u.r.by.update(a=Item()), ReadOnlyError, r"this map was opened read-only: .* Session\(path\)"),
    (lambda u: setattr(u.gone, "name", "b"), ReadOnlyError, "this World was opened read-only"),
    *[
        (lambda u, m=m: unsaved(u, m), SessionError, r"unsaved changes.*commit\(\) or rollback\(\) first")
        for m in ("refresh", "compact", "attempts")
    ],
    (lambda u: unsaved(u, "revert", 1), SessionError, r"unsaved changes.*commit\(\) or rollback\(\) first"),
    (ended, SessionError, "this savepoint has ended .*: begin another one"),
    (skipped, SessionError, "write `with attempt:` around the unit of work"),
    (conflict, ConflictError, r"nothing was written. Call rollback\(\), .* and repeat the change"),
    (locked, LockedError, r"try again later, or let commits wait longer: Session\(path, lock_timeout=seconds\)"),
    (lambda u: load(u.path, changed()), MigrationRequired, r"World.more: older rows .*AddField\('World', 'more'"),
    # values
    (lambda u: dumps(World.model_construct(name=5)), EncodeError, r"^World.name: expected str, found 5"),
    (lambda u: dumps(World(any=object())), EncodeError, r"^World.any: .*register_type\(cls, encode"),
    (lambda u: cycle(), CyclicGraphError, r"^World.any\[0\].*holds itself"),
    (lambda u: twice(), StreamConsumedError, "^World.items: the iterator .* assign a new one"),
    (lambda u: World(items=iter([])).model_dump(), StreamConsumedError, "^World.items holds an iterator .*commit the"),
    (lambda u: World(items=iter([])).model_dump_json(), StreamConsumedError, "^World.items holds an iterator"),
    # collections and handles
    (lambda u: u.w.items["a"], TypeError, "list indices must be integers or slices, not str"),
    (lambda u: u.w.items[10**6], IndexError, "list index 1000000 out of range: the list has 9000 items"),
    (lambda u: u.w.by[[]], TypeError, "unhashable type: 'list'"),
    (lambda u: u.w.by["no"], KeyError, "'no'"),
    (lambda u: u.w.by.update([1]), TypeError, "update sequence element #0 is 1, not a pair of key and value"),
    (lambda u: u.w.items.remove(Item(n=-1)), ValueError, r"Item\(n=-1\) is not in the list"),
    *[
        (lambda u, f=f: f(u), TypeError, "a column is named by a field, a str, not")
        for f in (
            lambda u: u.w.items.column(None),
            lambda u: u.w.by.column(5),
            lambda u: list(u.w.items.iter_columns(5)),
            lambda u: list(u.w.by.iter_columns("n", None)),
        )
    ],
    (lambda u: list(u.w.items.iter_columns()), TypeError, r"iter_columns\(\*names\) takes the name of a field"),
    *[(lambda u, n=n: u.w.lazy(n), TypeError, r"lazy\(name\): name is that of a field") for n in (None, 5, {}, Item())],
    (lambda u: u.w.lazy("name"), TypeError, r"World.name is stored inline .* mark the field Chunk\(\)"),
    (lambda u: u.w.lazy("no"), AttributeError, "'World' object has no field 'no'"),
    *[
        (lambda u, f=f, n=n: f(u.r.lazy(n)), TypeError, r"a handle cannot be copied or pickled.* handle.load\(\)")
        for f in (copy.copy, copy.deepcopy, pickle.dumps)
        for n in ("data", "text")
    ],
    *[
        (lambda u, n=n: u.r.lazy(n).write("x"), io.UnsupportedOperation, "a handle only reads: assign to the model's")
        for n in ("data", "text")
    ],
    *[(lambda u, n=n: u.r.lazy(n).seek("x"), TypeError, "interpreted as an integer") for n in ("data", "text")],
    (lambda u: u.r.lazy("data").read("x"), TypeError, "interpreted as an integer"),
    (lambda u: pickle.dumps(u.reading), TypeError, "a session cannot be copied or pickled"),
    (lambda u: copy.deepcopy(u.reading.diff(1)), TypeError, r"a diff cannot be copied or pickled.*str\(diff\)"),
    # registering
    *[(lambda u, c=c: register(c), TypeError, r"register\(cls\): cls is a class, not") for c in (5, "x", [], Item())],
    *[(lambda u, n=n: register(Item, name=n), TypeError, '"module:qualname", a str, not') for n in (5, "", "Item")],
    (lambda u: register_type(5, encode=str, decode=str), UnsupportedTypeError, r"register_type\(\) takes a class, not"),
    (lambda u: register_type(io.BytesIO, encode=5, decode=str), TypeError, r"register_type\(\): encode is a function"),
    (lambda u: register_type(io.BytesIO, encode=str, decode=None), TypeError, r"register_type\(\): decode is a func"),
    (lambda u: register_compression(5, "x", bytes, bytes), CompressionError, "a number from 128 to 255, not 5"),
    *[
        (lambda u, a=a: register_compression(*a), TypeError, r"register_compression\(")
        for a in (("a", "b", bytes, bytes), (200, "", bytes, bytes), (200, "b", None, bytes), (200, "b", bytes, 5))
    ],
]


def public_words() -> set[str]:
    words = {*parcode_orm.__all__, "Session", "Problem", "Stats", "Savepoint", "Attempt"}
    return words | {cls.__name__ for cls in (Item, World, Other, Plain, UUID)}


def internal_classes() -> set[str]:
    found: set[str] = set()
    for module in pkgutil.walk_packages(parcode_orm.__path__, "parcode_orm."):
        if module.name.startswith("parcode_orm.cli."):  # they need an extra, and have no classes of its own
            continue
        members = vars(importlib.import_module(module.name)).values()
        found |= {
            each.__name__ for each in members if inspect.isclass(each) and each.__module__.startswith("parcode_orm")
        }
    return found - public_words() - set(migrations.__all__)


INTERNAL = re.compile(
    rf"\b({'|'.join(sorted(internal_classes()))})\b|(?<![\w/])_[a-z]\w+|\bparcode_orm\.(?!register|Model)"
)


@pytest.mark.parametrize(("wrong", "kind", "message"), CASES, ids=[f"{n} {c[1].__name__}" for n, c in enumerate(CASES)])
def test_a_wrong_use_is_told(use: Any, wrong: Callable[[Any], Any], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        wrong(use)
    text = str(caught.value)
    if kind is not AttributeError:
        assert not isinstance(caught.value, AttributeError)
    assert not INTERNAL.search(re.sub(r"Session.__init__|/\S*", "", text)), text
    assert len(text) < 1_500
    assert use.writing.is_modified(use.w) is False and not use.new.new, "what is refused leaves nothing behind"


def test_what_a_required_migration_says_can_be_done(tmp_path: Path) -> None:
    """The remedy of a `MigrationRequired` that needs no migration, followed to the letter."""
    path = tmp_path / "w.par"
    save(path, World(name="old", items=[Item(n=3)], by={"a": Item(n=4)}))
    with Session(path) as session:
        for ask in (lambda: session.root(changed()), lambda: session.merge(changed()(more=""))):
            with pytest.raises(MigrationRequired, match=r"World.more: older rows .* give it a default"):
                ask()
    found = load(path, changed(default=""))
    assert (found.name, found.items[0].n, found.by["a"].n, found.more) == ("old", 3, 4, "")


def test_the_other_remedies(tmp_path: Path) -> None:
    """What messages tell to do can be done."""
    path = tmp_path / "w.par"
    save(path, World(items=[Item(n=n) for n in range(9_000)], name="a"))
    data = path.read_bytes()
    with Session.open(path) as reading, Session(tmp_path / "new.par") as new:
        world = reading.root(World)
        new.add(world.model_copy())
        new.commit()
        plain, items = world.model_load(), world.items.load()
    assert load(tmp_path / "new.par", World) == plain and plain.items == items
    (tmp_path / "again.par").write_bytes(data)
    with Session(tmp_path / "again.par") as session:
        found = session.root(World)
        with pytest.raises(SessionError, match=r"add\(obj, replace=True\)"):
            session.add(World(name="b"))
        session.merge(World(name="b"))
        session.delete(found)
        with pytest.raises(NoResultFound, match=r"rollback\(\) or add\(\) of it brings it back"):
            session.root(World)
        session.add(found)
        assert session.root(World) is found and found.name == "b"
        session.delete(found)
        session.rollback()
        assert session.root(World).name == "a"


def test_errors_in_a_serializer_of_a_users_own_keep_their_cause() -> None:
    from pydantic import field_serializer
    from pydantic_core import PydanticSerializationError

    class Odd(Model):
        x: int = 1

        @field_serializer("x")
        def dump(self, value: int) -> int:
            raise OSError("of the user's")

    for dump in (Odd().model_dump, Odd().model_dump_json, loads(dumps(Odd()), Odd).model_dump):
        with pytest.raises(PydanticSerializationError, match="of the user's") as caught:
            dump()
        assert not isinstance(caught.value, ParcodeError)
    with pytest.raises(PydanticSerializationError) as caught:
        Odd().model_dump()
    assert isinstance(caught.value.__cause__, OSError)


class Loud:
    """An argument whose text cannot be had."""

    def __repr__(self) -> str:
        raise ValueError("loud")


@pytest.mark.parametrize("bad", [Loud(), "x" * 1_000_000, ["y" * 1_000_000]], ids=["loud", "long", "nested"])
def test_arguments_are_told_in_short(use: Any, bad: Any) -> None:
    """A wrong argument of any size, or with a `__repr__` that fails, is a short message of ours."""
    wrong: list[Callable[[], Any]] = [
        lambda: Session([bad]),
        lambda: Session(use.path, read_only=bad),
        lambda: Session(use.path, at=bad),
        lambda: Session(use.path, compression=bad),
        lambda: Session(use.path, workers=bad),
        lambda: Session(use.path, durability=bad),
        lambda: Session(use.path, compact_above=bad),
        lambda: Session(use.path, lock_timeout=bad),
        lambda: use.reading.root(bad),
        lambda: use.reading.diff(bad),
        lambda: use.writing.attempts(bad),
        lambda: use.writing.commit([bad]),
        lambda: use.writing.add(bad),
        lambda: compact(use.path, bad),
        lambda: dumps(Item(), uuid=bad),
        lambda: dumps(Item(), time_ns=bad),
        lambda: dumps(World.model_construct(name=[bad])),
        lambda: use.w.by.update([[bad]]),
        lambda: use.w.items.remove(bad),
        lambda: use.w.lazy(bad),
        lambda: register_type(bad, encode=str, decode=str),
        lambda: register_compression(bad, "x", bytes, bytes),
        lambda: Chunk(compression=[bad]),
    ]
    for number, use_it in enumerate(wrong):
        with pytest.raises((TypeError, ValueError, ParcodeError, AttributeError)) as caught:
            use_it()
        assert str(caught.value) != "loud" and len(str(caught.value)) < 1_200, number

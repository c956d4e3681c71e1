"""`Session`: one snapshot to read, one unit of work to commit.

Methods import what only they need, so that a program that reads one field does not wait for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from itertools import chain, islice
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..codec.classes.names import name_of
from ..codec.refs import Ref
from ..codec.types.compile import struct_for
from ..errors import NoResultFound, SessionError, told
from ..lazy.proxy import is_lazy, plain_class
from ..model.base import Model, ModelMeta
from ..model.entity_names import SUFFIX, is_entity
from .adding import check_addable, check_model, check_several, is_taken, this
from .by_key import ByKey
from .changes import Changes
from .connection import Connection
from .entity.tables import holds, key_of, rows_of
from .history.snapshot import check_message
from .hooks import Hooks
from .queries import Queries
from .roots import Root, root_name
from .space import owner_of
from .versions import Versions

if TYPE_CHECKING:
    from .attempts import Attempt
    from .savepoint import Savepoint

M = TypeVar("M", bound=Model)
ROOT_NAME = "_p_root_name_"  # in the dictionary of a class that was asked for: the name of its root


class Session(ByKey, Queries, Versions, Changes):
    """Reads one snapshot of a file and commits changes to it.

    Args:
        path: a file's path (the first commit creates a missing file, not its directory), `":memory:"` for a file that
            lives as long as the session, or, read-only, bytes or a binary file object.
        read_only: refuse `add` and `commit`, and changes of objects and lazy collections.
        at: read an earlier commit, read-only: its sequence number, its `Snapshot`, or a datetime with a time zone,
            which means the newest commit that is not later. `refresh()` goes on to the newest.
        compression: `None`, `"lz4"`, `"zstd"`, `"auto"` or a registered name, for fields that do not name their own.
        workers: threads that compress and checksum, decompress for `load()`, and on a free-threaded interpreter
            decode; 0 starts none, `None` chooses.
        durability: `"full"` waits for the disk at each commit, `"fast"` does not.
        compact_above: compact the file after a commit, and when the session closes, if more than this share of it (0
            to 1) is dead: used by earlier commits alone, which are gone then. After a commit only a file of 1 MiB or
            more that has doubled since the session last compacted it; once it has tripled, half of the share is
            enough, because a chunk that is used in part does not count as dead. `None`: never.
        lock_timeout: how many seconds a commit waits for another session that is committing to the file; 0 fails at
            once with `LockedError`.
        downgrade: let a class write that wrote the file before, though a newer version of it has written since. It
            writes new rows, and stored ones that lose nothing by it. Any other row, and without `downgrade` any
            commit of such a class, raises `DowngradeError`.

    Attributes:
        stats: counts what the session reads and writes: chunks, bytes, rows.
        read_only: whether the session refuses changes, a bool.

    Raises:
        NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read.
        StorageError: (an `OSError`) the path cannot be opened. FileMissingError: its directory is missing; read-only:
            there is no file.
        NoResultFound: there is no commit `at`; the message says which there are.
        TypeError, ValueError: an argument is none of these; a datetime without a time zone.

    When a session ends, its objects are detached: they read on and change as plain objects do, and another session may
    add them.

    A session that writes belongs to the first thread that uses it; others get `SessionError`. All threads may read one
    read-only session, and the objects of it.
    """

    def add(self, obj: Model, *, replace: bool = False) -> None:
        """Attach `obj`; `commit` stores it. It stays attached: later changes are stored, too.

        An object of a class with a `Key` is an entity: a file holds any number of them, by their keys. Any other
        object is the root of its class: a file holds one, known by the name of the class.

        After the commit it is a lazy object, in place: lazy collections replace plain lists and dictionaries in its
        marked fields, and rows that the program does not hold leave memory.

        Args:
            obj: the root or entity. An entity whose key is None gets the next number, where its key is `auto`.
            replace: whether it may replace another object that is the root of this name, or has this key.

        Raises:
            ReadOnlyError: the session was opened read-only.
            TypeError: `obj` is not a `Model`.
            IntegrityError: another entity has this key, added or stored, and `replace` is false; or the key is None.
            SessionError: another object is the root of this name, added or stored, and `replace` is false; or `obj` is
                a lazy object of another session that is open; a copy of it can be added.
        """
        self.add_all([obj], replace=replace)

    def add_all(self, objs: Iterable[Model], *, replace: bool = False) -> None:
        """`add` each of `objs`, or none of them.

        Raises:
            ReadOnlyError, TypeError, IntegrityError: as `add`.
            SessionError: as `add`; or two of `objs` have classes of one name, which `replace` does not allow.
        """
        from .entity.changes import AT_ONCE, insert, insert_stream
        from .merge import own_references

        self._check_writable()
        check_several(objs)
        if isinstance(objs, Iterator):
            head = list(islice(objs, AT_ONCE))
            if len(head) == AT_ONCE and len(kinds := set(map(type, head))) == 1 and is_entity(*kinds):
                check = partial(check_addable, self._work, replace=replace)
                insert_stream(self._work, plain_class(*kinds), chain(head, objs), check, replace=replace)
                return
            objs = chain(head, objs)
        every = list(objs)
        check_addable(self._work, every, replace=replace)
        kinds = set(map(type, every))
        entities = set(filter(is_entity, kinds))
        added: dict[str, Model] = {}
        for obj in [obj for obj in every if type(obj) not in entities] if kinds - entities else ():
            other = added.setdefault(root_name(obj.__class__), obj)
            if other is not obj:
                raise is_taken(obj, other)
        some = [obj for obj in every if type(obj) in entities] if kinds - entities else every
        insert(self._work, some, replace=replace)
        for obj in added.values() if self._work.space is not None else ():
            own_references(type(obj), [obj], self._work.space)
        self._work.attach([Root(name, obj, struct_for(obj.__class__)) for name, obj in added.items()])

    def merge(self, obj: M) -> M:
        """Copy the state of `obj` onto the root of its type, or the entity of its key, and return that.

        Without one, a copy of `obj` is added.

        `obj` itself stays untracked. Lazy objects in it, of any session, are copied whole, and so are private
        attributes and `model_fields_set`. References in it lead to the objects with their keys here. Nothing is
        validated.

        Raises:
            ReadOnlyError, TypeError: as `add`.
        """
        from .merge import copied, overwrite

        self._check_writable()
        check_model(obj, "merge(obj)")
        cls: type[M] = obj.__class__
        try:
            root = self.get_one(cls, key_of(obj)) if is_entity(cls) else self.root(cls)
        except NoResultFound:
            new: M = copied(obj, self._work.space)
            self.add(new)
            return new
        if root is not obj:
            overwrite(root, copied(obj, self._work.space))
        return root

    def delete(self, obj: Model) -> None:
        """Let the next commit delete the root or entity `obj`. From now on `root` and `get` do not find it.

        `add` undoes this.

        Raises:
            ReadOnlyError: the session was opened read-only.
            SessionError: `obj` is no root or entity that is stored. One that was added and not committed: `expunge` it.
        """
        self._check_writable()
        obj = obj.target if isinstance(obj, Ref) else obj
        if is_entity(obj.__class__):
            from .entity.changes import delete

            delete(self._work, obj)
            return
        root = self._root_of(obj, "deleted")
        if self._work.is_new(root):
            raise SessionError(f"the root {root.name} was not committed yet: to take it back, expunge it")
        self._work.delete(root)

    def expunge(self, obj: Model) -> None:
        """Forget the root or entity `obj`: changes of it, and of what is inside it, are no longer stored.

        What is stored stays. The object stays as it is, and can be read and changed on; an entity that is stored is
        read whole for this. `root` and `get` then read anew.

        Raises:
            SessionError: `obj` is no root or entity of this session.
        """
        self._check_open()
        obj = obj.target if isinstance(obj, Ref) else obj
        if is_entity(obj.__class__):
            from .entity.changes import expunge

            expunge(self._work, obj)
            return
        self._work.expunge(self._root_of(obj, "expunged"))

    def _root_of(self, obj: object, what: str) -> Root:
        root = self._work.root_of(obj)
        if root is None:
            raise SessionError(
                f"only a root of this session, or an entity, can be {what}, and {this(obj)} is neither: "
                "session.root(cls) and session.get(cls, key) give them. What lies inside a root is taken out of the "
                "object that holds it"
            )
        return root

    @overload
    def root(self, cls: type[M]) -> M: ...
    @overload
    def root(self, cls: str | None = None) -> Any: ...
    def root(self, cls: Any = None) -> Any:
        """The root of type `cls`: the object that was added, else a lazy proxy of the one stored.

        Args:
            cls: the class. A program that does not have it gives its name, or nothing if the file holds one root. Then
                the class is made of the stored schema, as `models()` does.

        Raises:
            NoResultFound: the file holds no such root, or it was deleted.
            SchemaMismatchError: a migration must say how it is read as an object of the class.
            SchemaError: without a class: none can be made of the stored schema.
            CorruptionError: the file is damaged there.
            TypeError: `cls` is not a `Model` class.
        """
        if self._closed or not self.read_only:
            self._check_open()
        named = cls.__dict__.get(ROOT_NAME) if isinstance(cls, ModelMeta) else None
        if named is not None:
            return self._work.find(named, cls, struct_for(cls)).obj
        if cls is None or isinstance(cls, str):
            from .without_classes import model_named, root_named

            name = root_named(self._work.names(), cls)
            known = self._work.roots.get(name)
            if known is not None:
                return known.obj
            assert self._work.source is not None  # a root of which no object is attached is stored
            cls = model_named(self._work.source, name)
        cls = plain_class(cls)
        name = root_name(cls)
        found = self._work.find(name, cls, struct_for(cls)).obj
        if cls.__pydantic_complete__:  # else it may yet get a key
            setattr(cls, ROOT_NAME, name)
        return found

    def models(self) -> Mapping[str, type[Any]]:
        """Classes made of the stored schemas, by name, for the roots and the entities of the file.

        They have the fields, types, keys and indexes of the classes that wrote the file, without methods, validators
        and defaults. Custom types are the types that they are stored as. Where a root and entities have one name,
        `models()["Player"]` is the class of the root, and `models()["Player[]"]` that of the entities.

        Returns:
            A mapping that makes each class when it is asked for: a stored schema that is damaged, or that gives no
            class, raises `CorruptionError` or `SchemaError` then.
        """
        from .without_classes import models_of

        self._check_open()
        return models_of(self._work.source)

    def roots(self) -> list[str]:
        """The names of the root types that are stored or added, and not deleted: a sorted list of str."""
        self._check_open()
        return [name for name in self._work.names() if not name.endswith(SUFFIX)]

    def __contains__(self, obj: object) -> bool:
        """Whether changes to `obj` are this session's to store: it was added, or is a lazy object that was read here.

        If `obj` is a class: whether there is a root, or an entity, of the class.
        """
        self._check_open()
        if isinstance(obj, type) and issubclass(obj, Model):
            name = name_of(plain_class(obj))
            return bool(rows_of(self._work, plain_class(obj))) if is_entity(obj) else name in self.roots()
        if isinstance(obj, Model) and is_entity(obj.__class__):
            return holds(self._work, obj)
        if self._work.root_of(obj) is not None or obj in self.deleted:
            return True
        return is_lazy(obj) and owner_of(obj) is self._work.owner

    def flush(self) -> None:
        """Encode what the next commit would write, and write nothing: a value that does not fit raises here.

        A conflict or a full disk shows only at the commit. Streams are not read.

        Raises:
            ReadOnlyError: the session was opened read-only.
            EncodeError: a value does not fit its field; the message names the path to it.
            IntegrityError: as `commit`.
        """
        from . import pending
        from .entity.flush import flushed

        self._check_writable()
        with flushed(self._work):
            pending.check(self._work, self._compression)

    def commit(self, message: str = "") -> None:
        """Store every change to every attached object; without one, write nothing.

        Streams in the objects are read, and lazy values of other sessions copied; lazy collections of this file replace
        them. The code of a stream must not change objects of the session. `on` says which functions are called.

        Args:
            message: a text that is kept with the commit, and found in `snapshot`.

        Raises:
            ReadOnlyError: the session was opened read-only.
            EncodeError: a value does not fit its field; nothing is stored, the message names the path to it.
            IntegrityError: two entities have one key, or one value of a unique field; or a reference would lead to an
                object that is not stored. Nothing is stored.
            LockedError: another session was writing all the time that `lock_timeout` says.
            ConflictError: another session committed since this one opened; nothing is stored. `attempts` repeats.
            StorageError: the disk is full or fails; the file stays at its last commit.
            SyncError: the disk failed while it was waited for, so what it holds is not known; this session takes
                nothing more.
            SessionError: the code of a stream or a serializer changed objects of this session; nothing is stored.
            StreamConsumedError: an iterator was read by a commit that failed; assign another one.

        After a `KeyboardInterrupt` in it, either nothing is stored, and the next commit stores it, or everything is
        stored, and the session goes on as after a `refresh()`.
        """
        from .entity.dangling import check_targets
        from .entity.flush import flushed

        self._check_idle("commit()")
        backend = self._check_writable()
        if message != "":
            check_message(message)
        self._call("before_commit")
        before = self._work.source
        with flushed(self._work):
            self._work.commit(backend, message, partial(check_targets, self._work))
        if self._work.source is before:
            return
        self._call("after_commit")
        if self._shrinking is not None:
            self._shrinking.committed(self._work, backend)

    def attempts(self, count: int = 3) -> Iterator[Attempt]:
        """Attempts of a unit of work that commits: after a `ConflictError` it is repeated on the newest commit.

            for attempt in session.attempts(3):
                with attempt:
                    session.root(Bank).balance += 100
                    session.commit()

        In between `rollback()` is called, so the block takes its objects out of roots again. The first attempt that
        raises nothing ends the loop; the last one raises its `ConflictError`. Other exceptions are raised at once.

        Args:
            count: how many attempts there are at most.

        Raises:
            ReadOnlyError: the session was opened read-only.
            SessionError: there are unsaved changes, which a repetition would not make again.
            ValueError: `count` is not a number from 1 on.
        """
        from .attempts import attempts

        self._check_writable()
        if type(count) is not int or count < 1:
            raise ValueError(f"attempts(count): count is how many there are, 1 or more, not {told(count)}")
        self._check_leaving("repetition")
        return attempts(count, self._give_way)

    def _give_way(self) -> bool:
        if not self._work.stale:
            return False
        self.rollback()
        return True

    def begin_nested(self) -> Savepoint:
        """A savepoint: ``with session.begin_nested():`` takes back, after an exception, what changed in the block.

        It costs a shallow copy of what the session has in memory; nothing is read or written.

        Raises:
            ReadOnlyError: the session was opened read-only.
            SessionError: a declared field holds an object that can change and that a savepoint does not restore: it
                restores models and dataclasses, lists, dictionaries, sets, lazy collections and arrays.
        """
        from .savepoint import Savepoint

        self._check_idle("begin_nested()")
        self._check_writable()
        self._work.take_roots()
        return Savepoint(self._work)


# Python names a function by its qualified name where an argument of it is wrong, and the bases are no public classes.
for _base in (Connection, Changes, Hooks, Versions, Queries, ByKey):
    for _name, _method in vars(_base).items():
        _function = getattr(_method, "__func__", _method)
        if isinstance(_function, FunctionType):
            _function.__qualname__ = f"{Session.__qualname__}.{_name}"

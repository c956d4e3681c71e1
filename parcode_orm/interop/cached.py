"""`cached(path)`: the results of functions, kept in a Parcode file from one run of a program to the next.

Each result is the image of a small file, as `dumps` gives one, in the row of its key. So results of many functions with
other return types lie in one file, and each says itself which shape its classes had.
"""

from __future__ import annotations

import inspect
import os
import typing
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, update_wrapper
from hashlib import blake2b
from types import MethodType
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from ..codec.packed.values import pack
from ..codec.types.compile import column_for
from ..errors import (
    CorruptionError,
    EncodeError,
    FileMissingError,
    FormatError,
    SchemaMismatchError,
    UnsupportedTypeError,
    told,
)
from ..model import Chunk, Index, Key, Model
from ..query import delete
from ..session import Session, dumps, loads

P = ParamSpec("P")
R = TypeVar("R")

ATTEMPTS = 1000  # of one commit: each conflict means that another process has stored a result meanwhile
LOCK_TIMEOUT = 60.0  # seconds, far longer than a commit takes
DEAD = 0.5  # the share of a file's bytes above which a commit compacts it


class CachedResult(Model):
    """A row of a cache: what a function returned."""

    key: str = Key()
    function: str = Index()
    image: bytes = Chunk()


class CacheStats(NamedTuple):
    """What happened in this process: calls that were answered by the file, and calls that ran the function."""

    hits: int
    misses: int


def cached(path: str | os.PathLike[str]) -> Callable[[Callable[P, R]], Cached[P, R]]:
    """A decorator that keeps the results of a function in the file at `path`, and gives them again.

        @cached("results.par")
        def fit(data: list[float], steps: int = 100) -> Fit: ...

    A result is found by the function's module, qualified name and source, by the variables of functions around it that
    it uses, and by its arguments, with defaults filled in. Arguments are equal if they would be stored as the same
    bytes: `1` and `1.0` are two. What the function calls or reads besides does not count: after a change there, call
    `clear()`.

    A result may be whatever a field of the return annotation may hold; without an annotation, of type `Any`. Several
    functions, threads and processes may use one file. Where two compute one result, one of both is stored.

    Args:
        path: the file, made by the first result; a relative one is below the directory of the moment of decoration.

    Raises:
        TypeError: the function is a generator or a coroutine, or its source cannot be read.
    """
    place = os.path.abspath(os.fspath(path))

    def decorate(function: Callable[P, R]) -> Cached[P, R]:
        return Cached(function, place)

    return decorate


class Cached(Generic[P, R]):
    """A function whose results are kept in a file. `__wrapped__` is the function itself.

    Attributes:
        path: the file, a str.
    """

    __wrapped__: Callable[P, R]

    def __init__(self, function: Callable[P, R], path: str) -> None:
        if any(is_kind(function) for is_kind in _NO_FUNCTIONS):
            raise TypeError(
                f"cached() takes a function that returns its result, not a generator or coroutine: {_name(function)}"
            )
        try:
            self._source = inspect.getsource(function)
        except (OSError, TypeError) as problem:
            raise TypeError(
                f"cached() needs the source of {told(function)}: define the function in a file"
            ) from problem
        update_wrapper(self, function)
        self.path = path
        self._name = _name(function)
        self._signature = inspect.signature(function)
        self._hits = self._misses = 0

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        """The stored result for these arguments, or else that of the function, which is stored.

        Raises:
            EncodeError: an argument or the result cannot be stored. Its `path` leads to it.
            CorruptionError, FormatError: the file is damaged, or no Parcode file. Delete it.
            LockedError, StorageError: the file cannot be written.
        """
        key = self._key(args, kwargs)
        stale = False
        image = self._image(key)
        if image is not None:
            try:
                with self._damage_explained():
                    found: R = loads(image, self._holder).value
                self._hits += 1
                return found
            except SchemaMismatchError:  # the class of the result is another one now
                stale = True
        self._misses += 1
        result = self.__wrapped__(*args, **kwargs)
        self._store(key, dumps(self._holder.model_construct(value=result)), replace=stale)
        return result

    def __get__(self, instance: object, owner: Any = None) -> Any:
        return self if instance is None else MethodType(self, instance)

    def __reduce__(self) -> str:
        return self.__wrapped__.__qualname__  # pickled by its name, as a function is

    def __repr__(self) -> str:
        return f"<cached {self._name} in {self.path}>"

    @property
    def stats(self) -> CacheStats:
        """The calls in this process so far."""
        return CacheStats(self._hits, self._misses)

    def forget(self, *args: P.args, **kwargs: P.kwargs) -> bool:
        """Delete the result for these arguments. Whether there was one."""
        return self._delete(CachedResult.key == self._key(args, kwargs)) > 0

    def clear(self) -> int:
        """Delete all results of this function, also those of its earlier sources. How many there were, an int."""
        return self._delete(CachedResult.function == self._name)

    # -- keys and types ------------------------------------------------------------------------------------------------

    @cached_property
    def _hints(self) -> dict[str, Any]:
        try:
            return typing.get_type_hints(self.__wrapped__, include_extras=True)
        except NameError as problem:
            raise UnsupportedTypeError(
                f"an annotation of {self._name} is not defined: {problem}; define the class at the top of its module"
            ) from problem

    @cached_property
    def _holder(self) -> Any:
        """A model with the one field `value`, of the type of results."""
        make: Any = type(Model)
        names = {
            "__module__": self.__wrapped__.__module__,
            "__qualname__": f"{self.__wrapped__.__qualname__}.Result",
            "__annotations__": {"value": self._hints.get("return", Any)},
            "model_config": {"arbitrary_types_allowed": True},
        }
        return make("Result", (Model,), names)

    @cached_property
    def _prefix(self) -> bytes:
        """What is the same in the keys of all calls. The classes that annotations name are known from now on."""
        for name, hint in self._hints.items():
            with suppress(UnsupportedTypeError):  # None of its values can be packed; or the hint says too little.
                column_for(hint, self._name, name)
        return pack([self._name, self._source])

    def _key(self, args: Any, kwargs: Any) -> str:
        bound = self._signature.bind(*args, **kwargs)
        bound.apply_defaults()
        digest = blake2b(self._prefix, digest_size=20)
        for name, value in [*self._around(), *bound.arguments.items()]:
            try:
                packed = pack(value)
            except EncodeError as problem:
                raise EncodeError(
                    f"it cannot be part of a key of the cache: {problem}", model=self._name, path=name
                ) from problem
            digest.update(b"%d " % len(packed) + packed)
        return digest.hexdigest()

    def _around(self) -> Iterator[tuple[str, Any]]:
        """Variables of the functions around this one that it uses."""
        function = inspect.unwrap(self.__wrapped__)
        code, cells = getattr(function, "__code__", None), getattr(function, "__closure__", None)
        for name, cell in zip(code.co_freevars if code else (), cells or (), strict=True):
            yield name, cell.cell_contents

    # -- the file ------------------------------------------------------------------------------------------------------

    def _image(self, key: str) -> bytes | None:
        with self._damage_explained(), suppress(FileMissingError), Session.open(self.path) as session:
            row = session.get(CachedResult, key)
            return None if row is None else row.image
        return None

    def _store(self, key: str, image: bytes, *, replace: bool) -> None:
        with self._writing() as session:
            for attempt in session.attempts(ATTEMPTS):
                with attempt:
                    row = session.get(CachedResult, key)
                    if row is None:
                        session.add(CachedResult(key=key, function=self._name, image=image))
                    elif replace:
                        row.image = image
                    session.commit()

    def _delete(self, condition: Any) -> int:
        if not os.path.exists(self.path):
            return 0
        count = 0
        with self._writing() as session:
            for attempt in session.attempts(ATTEMPTS):
                with attempt:
                    count = session.execute(delete(CachedResult).where(condition))
                    session.commit()
        return count

    @contextmanager
    def _writing(self) -> Iterator[Session]:
        with self._damage_explained(), Session(self.path, lock_timeout=LOCK_TIMEOUT, compact_above=DEAD) as session:
            yield session

    @contextmanager
    def _damage_explained(self) -> Iterator[None]:
        try:
            yield
        except (CorruptionError, FormatError) as problem:
            what = problem.args[0] if problem.args else ""
            problem.args = (f"{what}; {self.path} is a cache, so delete it and the results are computed anew",)
            raise


_NO_FUNCTIONS: tuple[Callable[[Any], bool], ...] = (
    inspect.isgeneratorfunction,
    inspect.iscoroutinefunction,
    inspect.isasyncgenfunction,
)


def _name(function: Any) -> str:
    return f"{function.__module__}:{function.__qualname__}"

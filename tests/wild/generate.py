"""Instances of any model class, made from the annotations of its fields, as far as its own validators take them."""

from __future__ import annotations

import collections
import collections.abc
import dataclasses
import datetime as dt
import decimal
import enum
import types
import typing
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypeVar, Union

import typing_extensions
from pydantic import AnyUrl, BaseModel, RootModel, ValidationError
from pydantic_core import TzInfo

ATTEMPTS = 12
DEEP = 2  # from here on required fields alone, and short collections

# As Pydantic makes it of JSON: what a class dumps does not say which class its zone had, nor zeros of decimals.
MOMENT = dt.datetime(2024, 5, 1, 12, 30, 15, 123456, TzInfo(0))
TEXTS = (
    "text", "a1b2c3", "https://example.org/a?b=1", "2024-05-01", "2024-05-01T12:30:00Z", "1.5", "12:30:00",
    "did:plc:ewvi7nxzyoun6zhxrhs64oiz", "at://did:plc:ewvi7nxzyoun6zhxrhs64oiz/app.bsky.feed.post/3k43tv4rft22g",
    "app.bsky.feed.post", "example.org", "3k43tv4rft22g", "en",
    "bafyreihvhdz4qv2e3zdxnnq2kfxgwz3ytxnhfx5ojmxcayqxkmjk2g3psy", "aGVsbG8=", "1.0.0", "3.1.0", "ann@example.org",
)  # fmt: skip
LEAVES: dict[Any, tuple[Any, ...]] = {
    str: TEXTS,
    int: (1, 0, 7, 200, 2**40),
    float: (0.5, 1.0, 50.0),
    complex: (1j,),
    bool: (True, False),
    bytes: (b"bytes", b""),
    bytearray: (bytearray(b"bytes"),),
    dt.datetime: (MOMENT, MOMENT.replace(tzinfo=None)),
    dt.date: (MOMENT.date(),),
    dt.time: (MOMENT.time(),),
    dt.timedelta: (dt.timedelta(minutes=5),),
    decimal.Decimal: (decimal.Decimal("1.5"), decimal.Decimal(1)),
    uuid.UUID: (uuid.UUID(int=7),),
    Path: (Path("a/b"),),
    AnyUrl: ("https://example.org/a?b=1", "https://example.org"),
    type(None): (None,),
    object: ("anything",),
    collections.abc.Callable: (len,),
}
ANYTHING = (*TEXTS, 1, True, 0.5, {"a": [1, None, "x"]}, ["a"], MOMENT, None, {}, len, dict)
_LISTS = (list, collections.abc.Sequence, collections.abc.MutableSequence, collections.abc.Iterable, collections.deque)
_SETS = (set, frozenset, collections.abc.Set, collections.abc.MutableSet)
_MAPS = (
    dict,
    collections.abc.Mapping,
    collections.abc.MutableMapping,
    collections.OrderedDict,
    collections.defaultdict,
)


class NoInstance(Exception):
    """Nothing was found that the class takes."""


class Maker:
    """Makes instances; `full` ones have every field that can be given, others what is required."""

    def __init__(self) -> None:
        self.made: dict[Any, Any] = {}
        self.open: list[type] = []

    def make(self, cls: type[BaseModel], *, full: bool, turn: int = 0) -> BaseModel:
        """An instance of `cls`; another `turn` takes other values."""
        full = full and len(self.open) < DEEP
        key = cls, full, turn
        if key not in self.made:
            if self.open.count(cls) > 1:
                raise NoInstance(f"{cls.__qualname__} holds itself")
            self.open.append(cls)
            try:
                self.made[key] = self._make(cls, full, turn)
            except (NoInstance, RecursionError) as problem:
                self.made[key] = NoInstance(str(problem))
            finally:
                self.open.pop()
        found = self.made[key]
        if isinstance(found, NoInstance):
            raise found
        return typing.cast(BaseModel, found)

    def _make(self, cls: type[BaseModel], full: bool, turn: int) -> BaseModel:
        fields = cls.__pydantic_fields__
        wanted = {name: turn for name, info in fields.items() if info.is_required() or full}
        problem: Any = None
        for _ in range(ATTEMPTS * 2):
            values, missing = {}, []
            for name, attempt in wanted.items():
                try:
                    values[name] = self.value(fields[name].annotation, attempt)
                except NoInstance:
                    if fields[name].is_required():
                        raise
                    missing.append(name)
            for name in missing:
                del wanted[name]
            try:
                given = values["root"] if issubclass(cls, RootModel) else values
                return cls.model_validate(given, by_name=True, by_alias=False)
            except ValidationError as found:
                problem = found
                if not self._mend(found, fields, wanted, turn):
                    break
            except Exception as found:  # what the validators of a class say beside Pydantic
                problem = found
                required = {name: attempt + 1 for name, attempt in wanted.items() if fields[name].is_required()}
                if required == wanted or max(wanted.values(), default=0) > turn + ATTEMPTS:
                    break
                wanted = required
        raise NoInstance(f"{cls.__qualname__}: {str(problem)[:200]}")

    def _mend(self, found: ValidationError, fields: Any, wanted: dict[str, int], turn: int) -> bool:
        """Try other values for the fields that `found` is about, and leave out those that need not be there."""
        names = {info.alias or name: name for name, info in fields.items()}
        told = {error["loc"][0] if error["loc"] else "" for error in found.errors(include_url=False)}
        wrong = {names.get(name, name) for name in told} & wanted.keys()
        if not wrong:  # the whole object is refused: with what is required alone it may be taken
            spare = [name for name in wanted if not fields[name].is_required()]
            if spare:
                del wanted[spare[-1]]
            else:
                names_missing = {names.get(name, name) for name in told} & fields.keys()
                wanted.update(dict.fromkeys(names_missing, turn))
                for name in wanted.keys() - names_missing:
                    wanted[name] += 1
            return bool(wanted) and max(wanted.values()) < turn + ATTEMPTS * 2
        for name in wrong:
            wanted[name] += 1
            if wanted[name] > turn + ATTEMPTS + len(TEXTS):
                if fields[name].is_required():
                    return False
                del wanted[name]
            elif not fields[name].is_required() and wanted[name] > turn + 5:
                del wanted[name]
        return True

    def value(self, tp: Any, attempt: int) -> Any:
        """Something for a field of type `tp`; each attempt is another thing."""
        tp = _bare(tp)
        origin, args = typing.get_origin(tp) or tp, typing.get_args(tp)
        deep = len(self.open) >= DEEP
        if tp in LEAVES or origin in LEAVES:
            values = LEAVES.get(tp) or LEAVES[origin]
            return values[attempt % len(values)]
        if origin is Literal:
            return args[attempt % len(args)]
        if origin in (Union, types.UnionType):
            return self._arm(args, attempt)
        if origin in _LISTS or origin in _SETS:
            first, step = divmod(attempt, 2)  # several items of another kind each, or of one kind
            numbers = [first + (0 if step else n) for n in range(1 if deep else 2)]
            items = [self.value(args[0] if args else Any, number) for number in numbers]
            return items if origin in _LISTS else items[:1]
        if origin in _MAPS:
            key, item = args if len(args) == 2 else (str, Any)
            return {self.value(key, attempt): self.value(item, attempt)}
        if origin is tuple:
            if len(args) == 2 and args[1] is Ellipsis:
                args = args[:1]
            return tuple(self.value(each, attempt) for each in args)
        if isinstance(origin, type):
            return self._instance(origin, tp, attempt)
        return ANYTHING[attempt % len(ANYTHING)]

    def _arm(self, args: tuple[Any, ...], attempt: int) -> Any:
        arms = [arm for arm in args if arm is not type(None)]
        if len(self.open) >= DEEP:  # what ends soon
            arms.sort(key=lambda arm: isinstance(_bare(arm), type) and issubclass(_bare(arm), BaseModel))
        for n in range(len(arms)):
            try:
                return self.value(arms[(attempt + n) % len(arms)], attempt // len(arms))
            except NoInstance:
                continue
        if len(arms) < len(args):
            return None
        raise NoInstance("no arm of a union can be made")

    def _instance(self, cls: Any, tp: Any, attempt: int) -> Any:
        if cls is type:
            return dict
        if issubclass(cls, enum.Enum):
            members = list(cls)
            return members[attempt % len(members)]
        if issubclass(cls, BaseModel):
            found = _below(cls)
            return self.make(found[attempt % len(found)], full=len(self.open) < DEEP, turn=min(attempt, 1))
        if typing_extensions.is_typeddict(cls):
            hints = typing_extensions.get_type_hints(cls)
            names = cls.__required_keys__ if len(self.open) >= DEEP else hints
            return self._guarded(cls, lambda: {name: self.value(hints[name], attempt) for name in names})
        if dataclasses.is_dataclass(cls):
            hints = typing_extensions.get_type_hints(cls)
            given = [each.name for each in dataclasses.fields(cls) if each.init and _needed(each)]
            return self._guarded(cls, lambda: cls(**{name: self.value(hints[name], attempt) for name in given}))
        if issubclass(cls, tuple) and hasattr(cls, "_fields"):
            hints = typing_extensions.get_type_hints(cls)
            return tuple(self.value(hints.get(name, Any), attempt) for name in cls._fields)
        klass = getattr(cls, "get_model_klass", None)
        if klass is not None:  # FHIR's classes stand for models, which they import when they are asked
            return self._instance(klass(), tp, 0)
        for base, values in LEAVES.items():
            if isinstance(base, type) and base is not object and issubclass(cls, base):
                return values[attempt % len(values)]
        return ANYTHING[attempt % len(ANYTHING)]

    def _guarded(self, cls: type, build: Callable[[], Any]) -> Any:
        if self.open.count(cls) > 1:
            raise NoInstance(f"{cls.__qualname__} holds itself")
        self.open.append(cls)
        try:
            return build()
        except (TypeError, ValueError) as problem:
            raise NoInstance(f"{cls.__qualname__}: {problem}") from None
        finally:
            self.open.pop()


def _needed(field: Any) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _below(cls: type[BaseModel]) -> list[type[BaseModel]]:
    """`cls` and a few of its subclasses, or those alone where it has no fields or is abstract."""
    below = [each for each in cls.__subclasses__() if each.__pydantic_complete__][:2]
    if getattr(cls, "__abstractmethods__", ()):
        return below or [cls]
    return [cls, *below]


def _bare(tp: Any) -> Any:
    while True:
        origin = typing.get_origin(tp)
        if origin is Annotated:
            tp = typing.get_args(tp)[0]
        elif isinstance(tp, NewType):
            tp = tp.__supertype__
        elif hasattr(tp, "__value__") and type(tp).__name__ == "TypeAliasType":
            tp = tp.__value__
        elif isinstance(tp, TypeVar):
            tp = Any
        elif origin in (typing_extensions.Required, typing_extensions.NotRequired, typing.ClassVar, typing.Final):
            tp = typing.get_args(tp)[0]
        else:
            return tp


def examples(cls: type[BaseModel]) -> list[BaseModel]:
    """The examples that `cls` ships in its JSON schema."""
    extra = cls.model_config.get("json_schema_extra")
    given = extra.get("examples", ()) if isinstance(extra, dict) else ()
    made = []
    for each in given if isinstance(given, list) else ():
        try:
            made.append(cls.model_validate(each))
        except ValidationError:  # one that the class does not take itself
            continue
    return made


__all__ = ["Maker", "NoInstance", "examples"]

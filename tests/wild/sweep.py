"""Every class of a package, stored in each way that there is: what came back, what was refused and why."""

from __future__ import annotations

import collections
import copy
import gc
import re
import time
import warnings
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel, ConfigDict

from parcode_orm import Chunk, EncodeError, Model, ParcodeError, Session, ShardedMap, UnsupportedTypeError, dumps, loads
from tests.equality import same
from tests.wild.classes import classes_of, prepare
from tests.wild.generate import Maker, NoInstance, examples


@dataclass
class Tally:
    """What became of the classes of one package."""

    package: str
    classes: int = 0
    stored: int = 0
    instances: int = 0
    examples: int = 0
    refused: collections.Counter[str] = field(default_factory=collections.Counter)
    unmade: collections.Counter[str] = field(default_factory=collections.Counter)
    wrong: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def refuse(self, name: str, refusal: ParcodeError) -> None:
        """Count a refusal; one that does not say what to do is wrong."""
        self.refused[_reason(str(refusal))] += 1
        if not re.search(r"\b(register|register_type|declare|use|store|keep)\b", str(refusal)):
            self.wrong.append(f"{name}: refused without a way out: {str(refusal)[:300]}")


def sweep(package: str, part: float = 1.0) -> Tally:
    """Store the classes of `package`, or about `part` of them."""
    warnings.simplefilter("ignore")
    started = time.monotonic()
    tally = Tally(package)
    prepare(package)
    found = classes_of(package)
    step = max(round(1 / part), 1)
    maker = Maker()
    for number, cls in enumerate(found[::step]):
        tally.classes += 1
        _one(cls, maker, tally)
        if number % 50 == 0:
            gc.collect()
    tally.seconds = time.monotonic() - started
    return tally


def _one(cls: Any, maker: Maker, tally: Tally) -> None:
    made = examples(cls)
    tally.examples += len(made)
    reasons = []
    for full, turn in ((True, 0), (False, 0), (True, 1)):
        try:
            made.append(_copied(maker.make(cls, full=full, turn=turn)))
        except NoInstance as problem:
            reasons.append(str(problem))
        except Exception as problem:  # the package's own
            reasons.append(repr(problem))
    if not made:
        tally.unmade[_reason(reasons[0])] += 1
        return
    name = f"{cls.__module__}.{cls.__qualname__}"
    try:
        holder = _holder(cls)
    except UnsupportedTypeError as refusal:
        tally.refuse(name, refusal)
        return
    except Exception as problem:
        tally.wrong.append(f"{name}: the class: {type(problem).__name__}: {str(problem)[:200]}")
        return
    try:
        problem = _stored(holder, made)
    except EncodeError as refusal:
        tally.refuse(name, refusal)
        if all(map(_comes_back, made)):
            tally.wrong.append(f"{name}: refused, though Pydantic reads what it dumps: {str(refusal)[:200]}")
        return
    except Exception as error:
        problem = f"{type(error).__name__}: {str(error)[:300]}"
    if problem is None:
        tally.stored += 1
        tally.instances += len(made)
    else:
        tally.wrong.append(f"{name}: {problem}")


def _comes_back(value: BaseModel) -> bool:
    """Whether Pydantic reads an equal value from the JSON that it writes."""
    try:
        data = value.model_dump_json(round_trip=True, by_alias=False, warnings=False)
        return same(type(value).model_validate_json(data, by_name=True, by_alias=False), value)
    except Exception:  # whatever the class's own validators and serializers say
        return False


def _copied(value: Any) -> Any:
    """A copy, as some classes change when they are dumped, or `value` where its copies are others."""
    try:
        made = copy.deepcopy(value)
    except Exception:
        return value
    return made if same(made, value) else value


def _holder(cls: Any) -> Any:
    class Holder(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: cls
        many: list[cls] = Chunk()
        by_name: dict[str, cls] = ShardedMap()
        text: str = ""

    return Holder


def _stored(holder: Any, made: list[BaseModel]) -> str | None:
    """What is wrong with how the instances `made` come back, None where nothing is."""
    value = made[0]
    obj = holder.model_construct(value=value, many=[*made], by_name={str(n): each for n, each in enumerate(made)})
    wanted = _copied(obj)
    faithful = wanted is not obj
    data = dumps(obj)
    plain = loads(data, holder)
    if not same(plain, wanted):
        return f"loaded whole it is another: {_difference(plain.value, wanted.value)}"
    if faithful:  # in a session of its own, as FHIR's serializers set attributes of what they dump
        with Session.open(data) as session:
            if (problem := _dumped(session.root(holder), plain)) is not None:
                return problem
    with Session(":memory:") as session:
        session.add(loads(data, holder))
        session.commit()
        found = session.root(holder)
        if session.is_modified(found):
            return "it is changed right after the commit"
        for n, each in enumerate(wanted.many):
            if not same(found.many[n], each) or not same(found.by_name[str(n)], each):
                return "read lazily it is another"
        expected = loads(data, holder)
        changed = _change(found, expected, wanted.many)
        session.commit()
        again = loads(dumps(found), holder)
        if not same(again, expected):
            return f"after a change of {changed} it is another: {_difference(again.many[0], expected.many[0])}"
    return None


def _dumped(found: Any, plain: Any) -> str | None:
    for mode in ("python", "json"):
        dumps_of = []
        for obj in (found, plain):
            try:
                dumps_of.append(obj.model_dump(mode=mode, warnings=False))
            except Exception as problem:  # a class whose own serializer fails
                dumps_of.append(f"{type(problem).__name__}: {problem}")
        if not same(*dumps_of):
            return f"its {mode} dump is another: {str(dumps_of[0])[:150]} for {str(dumps_of[1])[:150]}"
    return None


def _change(found: Any, expected: Any, made: list[BaseModel]) -> str:
    """Change the same things in both: a field of the first item in place, else the item; and what stands beside."""
    for obj in (found, expected):
        obj.text = "changed"
        obj.by_name["new"] = obj.by_name.pop("0")
    names = [name for name in type(made[0]).__pydantic_fields__ if _differs(made, name)]
    for name in names:
        try:
            for obj in (found, expected):
                setattr(obj.many[0], name, _copied(getattr(made[-1], name)))
            return name
        except Exception:  # frozen, or validated when it is assigned
            continue
    for obj in (found, expected):
        obj.many[0] = _copied(made[-1])
    return "the whole"


def _differs(made: list[BaseModel], name: str) -> bool:
    first, last = vars(made[0]).get(name), vars(made[-1]).get(name)
    return name in vars(made[-1]) and not same(first, last)


def _difference(found: Any, wanted: Any) -> str:
    if found.__class__ is not wanted.__class__:
        return f"{type(found)} for {type(wanted)}"
    for name, value in vars(wanted).items():
        other = vars(found).get(name)
        if not same(other, value):
            return f"{name}: {str(other)[:120]} for {str(value)[:120]}"
    return f"sets {found.model_fields_set ^ wanted.model_fields_set}, extras {found.model_extra} {wanted.model_extra}"[
        :300
    ]


def _reason(message: str) -> str:
    """A message without what differs from class to class."""
    message = re.sub(r"0x[0-9a-f]+", "0x", " ".join(message.split()))
    place, _, rest = message.partition(": ")
    return rest[:140] if rest else place[:140]

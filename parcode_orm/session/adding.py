"""What a session may add: models, and a root only where no other has its name."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from ..codec.apart import types_of
from ..errors import SessionError, called
from ..lazy.proxy import is_lazy, is_proxy, proxy_state
from ..model.base import Model
from ..model.entity_names import is_entity
from ..model.plain import LazyModel
from ..storage.mapped import Source
from .roots import ITEMS, Root, root_name
from .space import FileSpace, is_detached, owner_of

if TYPE_CHECKING:
    from .unit_of_work import UnitOfWork


def check_model(obj: object, call: str) -> None:
    """Raise TypeError for what is no model; `call` spells the public function that it was given to."""
    if not isinstance(obj, Model):
        hint = ": derive the class from parcode_orm.Model" if isinstance(obj, BaseModel) else ""
        if isinstance(obj, list | tuple | set | Iterator):
            hint = ": add_all(objs) adds several"
        raise TypeError(f"{call}: obj is an instance of a parcode_orm.Model, not {called(obj)}{hint}")


def check_several(objs: object) -> None:
    """Raise TypeError for what holds no models that could be added one by one."""
    if isinstance(objs, BaseModel | str) or not hasattr(type(objs), "__iter__"):
        hint = ": add(obj) takes one" if isinstance(objs, BaseModel) else ""
        raise TypeError(f"add_all(objs): objs is an iterable of models, not {called(objs)}{hint}")


def check_addable(work: UnitOfWork, objs: list[Model], *, replace: bool) -> None:
    """Raise the error for the first of `objs` that cannot be added. A plain entity can be, so few are looked at."""
    kinds = types_of(objs)
    plain = [cls for cls in kinds if issubclass(cls, Model) and not issubclass(cls, LazyModel)]
    addable = set(filter(is_entity, plain))
    if kinds - addable:
        for obj in [obj for obj in objs if type(obj) not in addable]:
            _check_one(work, obj, replace)


def _check_one(work: UnitOfWork, obj: Model, replace: bool) -> None:
    check_model(obj, "add(obj)")
    if is_lazy(obj) and owner_of(obj) is not work.owner and not is_detached(obj):
        raise SessionError(
            f"this {type(obj).__qualname__} is a lazy object of another session, or one that this session has let "
            "go of (rollback, refresh): add a copy of it, obj.model_copy(), whose collections "
            "are copied when this session commits"
        )
    if not replace and not is_entity(obj.__class__):
        _check_free(obj, work.roots, work.deleted, work.source)


def _check_free(obj: object, roots: Mapping[str, Root], deleted: Container[str], source: Source | None) -> None:
    """Raise SessionError where another object than `obj` is, or is stored as, the root of its name."""
    name = root_name(obj.__class__)
    known = roots.get(name)
    stored = None if source is None or name in deleted else source.catalog.roots.get(name)
    if known is None and stored is not None and not (source is not None and _is_stored_root(obj, stored, source)):
        raise SessionError(
            f"the file holds a root {name} already: change that one, session.root({name}), copy this object onto it, "
            f"session.merge(obj), or let this object take its place, add(obj, replace=True)"
        )
    if known is not None and known.obj is not obj:
        raise is_taken(obj, known.obj)


def _is_stored_root(obj: object, stored: Any, source: Source) -> bool:
    """Whether `obj`, whose session has ended, is the root that the file holds."""
    if not is_proxy(obj):
        return False
    view, row = proxy_state(obj)
    space = view.space
    if not isinstance(space, FileSpace) or space.source.uuid != source.uuid:
        return False
    return bool((view.chunk.where[1], view.at, row) == (stored.offset, ITEMS, 0))


def is_taken(obj: object, other: object) -> SessionError:
    """The error for `obj`, added as a root where `other` is the root of the name."""
    cls, name = obj.__class__, root_name(obj.__class__)
    if other.__class__ is not cls:
        classes = " and ".join(f"{each.__module__}.{each.__qualname__}" for each in (other.__class__, cls))
        return SessionError(
            f"two classes named {name} cannot both be roots of one file, which knows them by that name: {classes}. "
            "Rename one, make both fields of one root, or let this object take the other's place: "
            "add(obj, replace=True)"
        )
    return SessionError(
        f"another {name} is the root of its class, and a file holds one root a class. To store several, put them in a "
        f"list[{name}] = Chunk() or a dict[str, {name}] = ShardedMap() of one root. To let this object take the place "
        "of the other: add(obj, replace=True)"
    )


def this(obj: object) -> str:
    """What a message calls an argument that is not the session's."""
    return called(obj) if obj is None or isinstance(obj, type) else f"this {type(obj).__qualname__}"

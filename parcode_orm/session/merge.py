"""The state of one model put into another of its class."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..errors import called
from ..lazy.proxy import is_proxy
from ..lazy.state import touch
from ..model.base import Model


def check_model(obj: object, call: str) -> None:
    """Raise TypeError for what is no model; `call` spells the public function that it was given to."""
    if not isinstance(obj, Model):
        derive = ": derive the class from parcode_orm.Model" if isinstance(obj, BaseModel) else ""
        raise TypeError(f"{call}: obj is an instance of a parcode_orm.Model, not {called(obj)}{derive}")


def check_several(objs: object) -> None:
    """Raise TypeError for what holds no models that could be added one by one."""
    if isinstance(objs, BaseModel | str) or not hasattr(type(objs), "__iter__"):
        hint = ": add(obj) takes one" if isinstance(objs, BaseModel) else ""
        raise TypeError(f"add_all(objs): objs is an iterable of models, not {called(objs)}{hint}")


def overwrite(target: Any, plain: Any) -> None:
    """Give `target`, lazy or plain, frozen or not, the very values of `plain`, of the same class."""
    target.__setstate__(plain.__getstate__())
    if is_proxy(target):
        touch(target)


def this(obj: object) -> str:
    """What a message calls an argument that is not the session's."""
    return called(obj) if obj is None or isinstance(obj, type) else f"this {type(obj).__qualname__}"

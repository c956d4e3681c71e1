"""The state of one model put into another of its class."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from ..lazy.proxy import is_proxy
from ..lazy.state import touch
from ..model.base import Model


def check_model(obj: Any) -> None:
    """Raise TypeError for what is no model."""
    if not isinstance(obj, Model):
        what = f"the class {obj.__qualname__} itself" if isinstance(obj, type) else type(obj).__qualname__
        derive = ": derive the class from parcode_orm.Model" if isinstance(obj, BaseModel) else ""
        raise TypeError(f"instances of parcode_orm.Model are stored, not {what}{derive}")


def overwrite(target: Any, plain: Any) -> None:
    """Give `target`, lazy or plain, frozen or not, the very values of `plain`, of the same class."""
    target.__setstate__(plain.__getstate__())
    if is_proxy(target):
        touch(target)

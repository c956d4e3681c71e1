"""Classes whose references lead to classes that are defined later: they are completed when these are.

Pydantic completes such a class when an object of it is made. A program may read and query it before that.
"""

from __future__ import annotations

import builtins
import re
import sys
from contextlib import suppress
from typing import Any
from weakref import ref

from parcode_orm.errors import UnsupportedTypeError

_waiting: list[_Waiting] = []


class _Waiting:
    """A class that waits, and the classes for which it waited and that are there now, by name."""

    def __init__(self, cls: Any) -> None:
        self.cls = ref(cls)
        self.there: dict[str, ref[Any]] = {}


def wait(cls: Any) -> None:
    """Note a class with a reference to a class that is not defined yet."""
    if not cls.__pydantic_complete__ and _unresolved(cls):
        _waiting.append(_Waiting(cls))


def complete_waiting_for(cls: Any) -> None:
    """Complete the classes that wait for `cls`, unless they wait for others, too."""
    if not _waiting:
        return
    name = re.compile(rf"\b{re.escape(cls.__name__)}\b")
    _waiting[:] = [each for each in _waiting if (found := each.cls()) is not None and not found.__pydantic_complete__]
    for each in list(_waiting):
        waits = each.cls()
        if waits is not None and any(map(name.search, _unresolved(waits))) and _is_meant(waits, cls):
            each.there[cls.__name__] = ref(cls)
            names = {called: found for called, there in each.there.items() if (found := there()) is not None}
            with suppress(UnsupportedTypeError):  # whoever uses the class is told
                waits.model_rebuild(raise_errors=False, _types_namespace=names)


def _is_meant(waits: Any, cls: Any) -> bool:
    """Whether the name of `cls` may mean this class in `waits`.

    It may not where annotations of `waits` mean something else by it, of its module or its function: `Ref` itself, say.
    While the module of `waits` is being loaded, it may yet define a class of the name, so no other module's is taken.
    """
    module = sys.modules.get(waits.__module__)
    spaces = (vars(builtins), getattr(module, "__dict__", {}), waits.__pydantic_parent_namespace__)
    if any(cls.__name__ in space for space in spaces if space):
        return False
    is_loading = getattr(getattr(module, "__spec__", None), "_initializing", False)
    return cls.__module__ == waits.__module__ or not is_loading


def _unresolved(cls: Any) -> list[str]:
    """The annotations of references that name what is not defined."""
    infos = getattr(cls, "__pydantic_fields__", {}).values()
    texts = [str(info.annotation) for info in infos if not getattr(info, "_complete", True)]
    return [text for text in texts if "Ref[" in text]

"""`Backref`: the other side of references. It is a property of the class, and no field: nothing of it is stored."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ForwardRef, Literal, NoReturn, get_args

from parcode_orm.errors import UnsupportedTypeError, told

__all__ = ["Backref", "BackrefProperty", "refusing", "take_backrefs"]

related: list[Callable[[BackrefProperty, Any], Any]] = []  # the first gives what refers to an object


class BackrefProperty(property):
    """What `Backref` gives. `field` is the field that refers, `annotation` what the class says of the property."""

    def __init__(self, field: str) -> None:
        super().__init__(self._find)
        self.field = field
        self.owner: Any = None
        self.name = ""
        self.annotation: Any = None

    def __set_name__(self, owner: Any, name: str) -> None:
        if self.owner is None:
            self.owner, self.name = owner, name

    def _find(self, obj: Any) -> Any:
        return related[0](self, obj)

    def __set__(self, obj: Any, value: Any) -> NoReturn:
        raise AttributeError(f"{self} is what refers to the object: assign the object to their field {self.field!r}")

    def __str__(self) -> str:
        return f"{getattr(self.owner, '__qualname__', '?')}.{self.name}"

    def item(self) -> Any:
        """What the annotation names as the items: a class or, where it is not defined there, its name.

        Raises:
            UnsupportedTypeError: it names none.
        """
        found = self.annotation
        if isinstance(found, str):
            module = vars(sys.modules.get(self.owner.__module__, builtins))
            try:
                found = eval(found, {}, _Names(module))
            except Exception:  # what is no annotation at all
                found = None
        items = get_args(found)
        item = items[0] if len(items) == 1 else None
        if isinstance(item, ForwardRef):
            item = item.__forward_arg__
        if not isinstance(item, str | type):
            raise UnsupportedTypeError(
                f"{self}: the annotation of a Backref names the class that refers: write {self.name}: "
                f'Sequence["Flight"] = Backref({self.field!r})'
            )
        return item


class _Names(dict[str, Any]):
    """The names of a module. One that is not defined stands for itself."""

    def __missing__(self, name: str) -> Any:
        return getattr(builtins, name, None) or ForwardRef(name)


if TYPE_CHECKING:

    def Backref(field: str, *, init: Literal[False] = ...) -> Any: ...

else:

    def Backref(field: str) -> Any:
        """What refers to an object by the field `field`: `flights: Sequence["Flight"] = Backref("plane")`.

        It is no field: nothing of it is stored, validated or dumped. It gives a read-only sequence, which asks the
        session, or the commit on which the object stands, each time: for its length, its items, and whether it has an
        object. It counts changes that are not committed. An index of the field makes it fast.

        Args:
            field: the name of a field of the other class, of type `Ref[T]` or a collection of such.

        Raises:
            TypeError: `field` is no name.
            UnsupportedTypeError: when it is used: the annotation names no entity class, or the field does not refer to
                the class.
            DetachedError: when it is used: the object was not read from a file, or not committed yet.
        """
        if not isinstance(field, str) or not field.isidentifier():
            raise TypeError(f"Backref(field): field is the name of the field that refers, not {told(field)}")
        return BackrefProperty(field)


def take_backrefs(namespace: dict[str, Any]) -> frozenset[str]:
    """Take the annotations of Backrefs out of the namespace of a class, so that Pydantic makes no fields of them.

    Returns their names.
    """
    found = {name: value for name, value in namespace.items() if isinstance(value, BackrefProperty)}
    if found:
        annotations = _taken(namespace, frozenset(found))
        for name, value in found.items():
            value.annotation = annotations.get(name)
    return frozenset(found)


if sys.version_info >= (3, 14):
    import annotationlib

    def _taken(namespace: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
        """Take the annotations `names` out of the namespace of a class, and return them."""
        if "__annotations__" in namespace:
            return {name: namespace["__annotations__"].pop(name, None) for name in names}
        annotate = annotationlib.get_annotate_from_class_namespace(namespace)
        if annotate is None:
            return {}

        def others(format: annotationlib.Format) -> dict[str, Any]:
            every = annotationlib.call_annotate_function(annotate, format)
            return {name: each for name, each in every.items() if name not in names}

        found = annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF)
        key = next(key for key in ("__annotate_func__", "__annotate__") if key in namespace)
        namespace[key] = others
        return {name: each for name, each in found.items() if name in names}

else:

    def _taken(namespace: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
        """Take the annotations `names` out of the namespace of a class, and return them."""
        return {name: namespace.get("__annotations__", {}).pop(name, None) for name in names}


def refusing(init: Callable[..., None], backrefs: frozenset[str]) -> Callable[..., None]:
    """The constructor `init` of a class, which takes no argument for its `backrefs`."""

    @wraps(init)
    def checked(self: Any, /, *args: Any, **data: Any) -> None:
        given = backrefs.intersection(data)
        if given:
            name = min(given)
            raise TypeError(
                f"{type(self).__qualname__}({name}=...): {name} is a Backref, and no field: assign the object to the "
                "field of the others that refers to it"
            )
        init(self, *args, **data)

    return checked

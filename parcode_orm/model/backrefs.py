"""`Backref`: the other side of references. It is a property of the class, and no field: nothing of it is stored.

Of the class itself it is an expression of a query, `Plane.flights`. Pydantic, which asks before it assigns, finds the
property.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, ForwardRef, Literal, NoReturn, get_args

from parcode_orm.errors import UnsupportedTypeError, told

__all__ = ["Backref", "BackrefProperty"]

_NAMES = "_p_backrefs_"  # in a class's own `__dict__`: the names of its Backrefs
related: list[Callable[[BackrefProperty, Any], Any]] = []  # the first gives what refers to an object
in_queries: list[Callable[[BackrefProperty, type[Any]], Any]] = []  # the first gives the expression `Plane.flights`


class BackrefProperty(property):
    """What `Backref` gives. `field` is the field that refers, `annotation` what the class says of the property."""

    def __init__(self, field: str) -> None:
        super().__init__(self._find)
        self.field = field
        self.owner: Any = None
        self.name = ""
        self.annotation: Any = None

    def __set_name__(self, owner: Any, name: str) -> None:
        """Be the property `name` of a class. Pydantic looks for its fields later, and finds no annotation."""
        self.owner, self.name = owner, name
        self.annotation = _take_annotation(owner, name)
        names = owner.__dict__.get(_NAMES)
        if names is None:
            names = set()
            setattr(owner, _NAMES, names)
            owner.__init__ = _refusing(owner.__init__, names)
        names.add(name)

    def _find(self, obj: Any) -> Any:
        return related[0](self, obj)

    def __get__(self, obj: Any, owner: type[Any] | None = None) -> Any:
        if obj is not None:
            return super().__get__(obj, owner)
        asking = sys._getframe(1).f_globals.get("__name__", "")
        return self if owner is None or asking.startswith("pydantic.") else in_queries[0](self, owner)

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
            field: the name of a field of the other class, of type `Ref[T]` or a collection of references.

        Raises:
            TypeError: `field` is no name.
            UnsupportedTypeError: when it is used: the annotation names no entity class, or the field does not refer to
                the class.
            DetachedError: when it is used: the object was not read from a file, or not committed yet.
        """
        if not isinstance(field, str) or not field.isidentifier():
            raise TypeError(f"Backref(field): field is the name of the field that refers, not {told(field)}")
        return BackrefProperty(field)


if sys.version_info >= (3, 14):
    import annotationlib

    def _take_annotation(cls: Any, name: str) -> Any:
        """Take the annotation of `name` from a class, and return it."""
        annotate = cls.__annotate__
        if annotate is None:  # from __future__ import annotations
            return cls.__annotations__.pop(name, None)

        def others(format: annotationlib.Format) -> dict[str, Any]:
            found = annotationlib.call_annotate_function(annotate, format, owner=cls)
            return {each: tp for each, tp in found.items() if each != name}

        found = annotationlib.call_annotate_function(annotate, annotationlib.Format.FORWARDREF, owner=cls)
        cls.__annotate__ = others
        return found.get(name)

else:

    def _take_annotation(cls: Any, name: str) -> Any:
        """Take the annotation of `name` from a class, and return it."""
        return vars(cls).get("__annotations__", {}).pop(name, None)


def _refusing(init: Callable[..., None], backrefs: set[str]) -> Callable[..., None]:
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

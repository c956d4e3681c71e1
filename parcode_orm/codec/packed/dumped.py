"""What Pydantic dumped a value as, on its way into a packed value and back."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from pydantic import BaseModel

from ...errors import CorruptionError
from ..types.alike import models_in

Form = Literal["python", "json"]
FORMS: tuple[Form, ...] = ("python", "json")
_set_fields_set = BaseModel.__dict__["__pydantic_fields_set__"].__set__


class Dumped(NamedTuple):
    """`content` is what was dumped in Python mode, made of values that can be packed, or JSON text.

    `sets`: of the models in the value which fields were set, where the validator does not say the same.
    """

    form: Form
    content: Any
    sets: list[list[str]] | None = None


def sets_of(value: Any) -> list[list[str]]:
    """Of the models in `value` which fields were set."""
    return [
        sorted(each.__pydantic_fields_set__ & each.__class__.__pydantic_fields__.keys()) for each in models_in(value)
    ]


def apply_sets(value: Any, sets: list[list[str]]) -> Any:
    """`value` with these fields set in its models."""
    models = models_in(value)
    if type(sets) is not list or len(models) != len(sets):
        raise CorruptionError(f"not the fields set of {len(models)} models")
    for model, names in zip(models, sets, strict=True):
        _set_fields_set(model, set(names))
    return value


def parts_of(value: Dumped) -> list[Any]:
    """What is packed of it."""
    return [FORMS.index(value.form), value.content, value.sets]


def from_parts(parts: Any) -> Dumped:
    """Of the parts in a file."""
    form, content, sets = parts
    if type(form) is not int or not 0 <= form < len(FORMS) or type(content) is Dumped:
        raise CorruptionError("not the parts of a dumped value")
    return Dumped(FORMS[form], content, sets)

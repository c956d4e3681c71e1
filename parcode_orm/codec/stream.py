"""`Stream`: an iterator given to a stored field. Items are validated one by one, as they are written."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import Any, Literal, NoReturn

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from parcode_orm.errors import StreamConsumedError

__all__ = ["ItemSpec", "Stream", "is_stream"]


class ItemSpec:
    """What the items of a field's stream are: `kind` "list" (one type in `args`) or "map" (key and value types)."""

    def __init__(
        self, model: str, field: str, kind: Literal["list", "map"], args: tuple[Any, ...], config: ConfigDict
    ) -> None:
        self.model = model
        self.field = field
        self.kind = kind
        self.args = args
        self.config = config

    @cached_property
    def adapter(self) -> TypeAdapter[tuple[Any, ...]]:
        """Validates a tuple: of one item, or of key and value. (A bare item model would refuse the field's config.)"""
        config = ConfigDict(**{k: v for k, v in self.config.items() if k in _ITEM_CONFIG})  # type: ignore[typeddict-item]
        return TypeAdapter(tuple[self.args], config=config)  # type: ignore[name-defined]


# The part of a model's configuration that reaches into the types of its fields.
_ITEM_CONFIG = frozenset({
    "strict", "arbitrary_types_allowed", "str_strip_whitespace", "str_to_lower", "str_to_upper", "str_min_length",
    "str_max_length", "coerce_numbers_to_str", "allow_inf_nan", "val_temporal_unit", "val_json_bytes",
    "use_enum_values", "regex_engine", "hide_input_in_errors",
})  # fmt: skip


class Stream:
    """An iterator that a field was given: iterable once, each item validated when its turn comes.

    Iterating yields items, or (key, value) pairs where the field is a dictionary, and raises `ValidationError` at the
    first bad one; iterating a second time raises `StreamConsumedError`.
    """

    __slots__ = ("_source", "_spec", "_started")

    def __init__(self, source: Iterator[Any], spec: ItemSpec) -> None:
        self._source = source
        self._spec = spec
        self._started = False

    @property
    def kind(self) -> Literal["list", "map"]:
        """ "list" or "map"."""
        return self._spec.kind

    @property
    def consumed(self) -> bool:
        """Whether iteration has begun."""
        return self._started

    def __iter__(self) -> Iterator[Any]:
        if self._started:
            raise StreamConsumedError(
                f"{self._spec.model}.{self._spec.field}: the iterator given to this field has been read already, and "
                "can be read only once; assign a new one"
            )
        self._started = True
        return self._items()

    def _items(self) -> Iterator[Any]:
        spec = self._spec
        validate = spec.adapter.validate_python
        pairs = spec.kind == "map"
        for number, item in enumerate(self._source):
            given = (tuple(item) if isinstance(item, list) else item) if pairs else (item,)
            try:
                value = validate(given)
            except ValidationError as error:
                raise _at_item(error, spec, number) from None
            yield value if pairs else value[0]

    def __repr__(self) -> str:
        return f"<Stream for {self._spec.model}.{self._spec.field}{', read' if self._started else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self._spec.model}.{self._spec.field} holds an iterator that can be read once: it cannot be copied or "
            "pickled; commit the object first, or assign a list"
        )


def is_stream(cls: type) -> bool:
    """Whether objects of `cls` are read once only: a `Stream`, or an iterator assigned without validation."""
    return cls is Stream or hasattr(cls, "__next__")


def _at_item(error: ValidationError, spec: ItemSpec, number: int) -> ValidationError:
    """The same error as the whole field would give: with the model's title, at (field, item number, ...)."""
    lines = []
    for line in error.errors(include_url=False):
        context = line.get("ctx", {})
        kind: str | PydanticCustomError = line["type"]
        try:
            inner = line["loc"] if spec.kind == "map" else line["loc"][1:]
            details = InitErrorDetails(type=kind, loc=(spec.field, number, *inner), input=line["input"])
            if context:
                details["ctx"] = context
            ValidationError.from_exception_data(spec.model, [details])
        except (KeyError, TypeError):  # a type of the user's own making
            details["type"] = PydanticCustomError(line["type"], line["msg"].replace("{", "{{"), context)
            details.pop("ctx", None)
        lines.append(details)
    return ValidationError.from_exception_data(spec.model, lines)

"""Validated items of marked fields: of `Stream`s, and of what lazy collections take."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property, partial
from types import GenericAlias
from typing import Any, Literal, NoReturn, cast

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from parcode_orm.codec.entering import rules_of, same_schema
from parcode_orm.errors import StreamConsumedError

__all__ = ["ItemSpec", "Stream", "is_stream"]


Location = tuple[int | str, ...]


class ItemSpec:
    """The items of a marked field: `kind` "list" (an item type in `args`) or "map" (key, value).

    `metadata`: what else the field's annotation says of the collection. `lazy`: its values may be
    lazy collections.
    """

    def __init__(
        self,
        model: str,
        field: str,
        kind: Literal["list", "map"],
        args: tuple[Any, ...],
        metadata: Sequence[Any],
        lazy: bool,
        config: ConfigDict,
    ) -> None:
        self.model = model
        self.field = field
        self.kind = kind
        self.args = args
        self.config = cast(ConfigDict, {k: v for k, v in config.items() if k in _ITEM_CONFIG})
        self.metadata = metadata
        self.lazy = lazy
        self.rules = rules_of(metadata)

    @cached_property
    def _adapter(self) -> TypeAdapter[list[Any]]:
        """Validates lists of items, or of (key, value) tuples."""
        item = self.args[0] if self.kind == "list" else GenericAlias(tuple, self.args)
        items: Any = GenericAlias(list, (item,))
        return TypeAdapter(items, config=self.config)

    @property
    def validate(self) -> Callable[[Sequence[Any]], list[Any]]:
        """Validates a list of items, or of (key, value) tuples."""
        return self._adapter.validator.validate_python

    def takes_all_of(self, other: ItemSpec) -> bool:
        """Whether all that is valid for `other`, length aside, is valid here."""
        if other is self:
            return True
        if (self.kind, self.config, self.rules) != (other.kind, other.config, other.rules):
            return False
        return self.args == other.args or same_schema(self._adapter.core_schema, other._adapter.core_schema)

    def items(self, values: list[Any], places: Sequence[int]) -> list[Any]:
        """`values` as a list would hold them at the positions `places`.

        Raises:
            ValidationError: at (field, position, ...).
        """
        try:
            return self.validate(values)
        except ValidationError as error:
            raise _located(error, self, lambda at: (places[at[0]], *at[1:])) from None

    def pairs(self, pairs: list[tuple[Any, Any]]) -> list[tuple[Any, Any]]:
        """`pairs` of key and value as a dictionary would hold them.

        Raises:
            ValidationError: at (field, key, ...), of a key itself at (field, key, "[key]", ...), as
                Pydantic does.
        """
        try:
            return self.validate(pairs)
        except ValidationError as error:
            raise _located(error, self, lambda at: _in_map(pairs[at[0]][0], at)) from None


# The part of a model's configuration that reaches into the types of its fields.
_ITEM_CONFIG = frozenset({
    "strict", "arbitrary_types_allowed", "str_strip_whitespace", "str_to_lower", "str_to_upper", "str_min_length",
    "str_max_length", "coerce_numbers_to_str", "allow_inf_nan", "val_temporal_unit", "val_json_bytes",
    "use_enum_values", "regex_engine", "hide_input_in_errors",
})  # fmt: skip


class Stream:
    """An iterator that a field was given: iterable once, each item validated when its turn comes.

    Iterating yields items, or (key, value) pairs where the field is a dictionary, and raises
    `ValidationError` at the first bad one; iterating a second time raises `StreamConsumedError`.
    """

    __slots__ = ("_source", "_spec", "_started")

    def __init__(self, source: Iterable[Any], spec: ItemSpec) -> None:
        self._source = source
        self._spec = spec
        self._started = False

    def for_field(self, spec: ItemSpec) -> Stream:
        """This stream for the field of `spec`; its items are validated again if types differ."""
        return self if spec.takes_all_of(self._spec) else Stream(self, spec)

    @property
    def kind(self) -> Literal["list", "map"]:
        """ "list" or "map"."""
        return self._spec.kind

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
        validate = spec.validate
        pairs = spec.kind == "map"
        for number, item in enumerate(self._source):
            try:
                yield validate([tuple(item) if pairs and isinstance(item, list) else item])[0]
            except ValidationError as error:
                raise _located(error, spec, partial(_in_stream, number)) from None

    def __repr__(self) -> str:
        return f"<Stream for {self._spec.model}.{self._spec.field}{', read' if self._started else ''}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            f"{self._spec.model}.{self._spec.field} holds an iterator that can be read once: it cannot be copied or "
            "pickled; commit the object first, or assign a list"
        )


def is_stream(cls: type) -> bool:
    """Whether objects of `cls` are read only once: a `Stream`, or an unvalidated iterator."""
    return cls is Stream or hasattr(cls, "__next__")


def _in_map(key: Any, at: Any) -> Location:
    label = key if isinstance(key, int | str) else repr(key)
    return (label, "[key]", *at[2:]) if at[1:2] == (0,) else (label, *at[2:])


def _in_stream(number: int, at: Location) -> Location:
    """The place in a stream of what was validated as the one item of a list."""
    return (number, *at[1:])


def _located(error: ValidationError, spec: ItemSpec, place: Callable[[Any], Location]) -> ValidationError:
    """The error as the whole field gives it: with the model's title, `place` below its name."""
    lines = []
    for line in error.errors(include_url=False):
        context = line.get("ctx", {})
        kind: str | PydanticCustomError = line["type"]
        try:
            details = InitErrorDetails(type=kind, loc=(spec.field, *place(line["loc"])), input=line["input"])
            if context:
                details["ctx"] = context
            ValidationError.from_exception_data(spec.model, [details])
        except (KeyError, TypeError):  # a type of the user's own making
            details["type"] = PydanticCustomError(line["type"], line["msg"].replace("{", "{{"), context)
            details.pop("ctx", None)
        lines.append(details)
    return ValidationError.from_exception_data(spec.model, lines)

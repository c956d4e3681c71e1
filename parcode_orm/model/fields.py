"""`Field`, and `Chunk` and `ShardedMap`: field markers, written as a field's default or inside `Annotated[...]`."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack

import pydantic
from pydantic import AliasChoices, AliasPath
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from parcode_orm.codec.renames import marker_of
from parcode_orm.codec.types.marks import Mark
from parcode_orm.model.on_delete import marker_of as on_delete

if TYPE_CHECKING:
    import annotated_types
    import typing_extensions
    from pydantic.types import Discriminator

__all__ = ["Chunk", "Field", "FieldOptions", "ShardedMap", "marked_field"]


_OPTIONS = inspect.signature(pydantic.Field).parameters.keys() - {"extra"}


class FieldOptions(TypedDict, total=False):
    """Options of `pydantic.Field` that type checkers do not read, handed on unchanged, and two of ours."""

    renamed_from: str | tuple[str, ...] | None
    on_delete: Literal["restrict", "cascade", "null"] | None
    alias_priority: int | None
    validation_alias: str | AliasPath | AliasChoices | None
    serialization_alias: str | None
    title: str | None
    field_title_generator: Callable[[str, FieldInfo], str] | None
    description: str | None
    examples: list[Any] | None
    exclude: bool | None
    exclude_if: Callable[[Any], bool] | None
    discriminator: str | Discriminator | None
    deprecated: typing_extensions.deprecated | str | bool | None
    json_schema_extra: dict[str, Any] | Callable[[dict[str, Any]], None] | None
    frozen: bool | None
    validate_default: bool | None
    repr: bool
    pattern: str | re.Pattern[str] | None
    strict: bool | None
    coerce_numbers_to_str: bool | None
    gt: annotated_types.SupportsGt | None
    ge: annotated_types.SupportsGe | None
    lt: annotated_types.SupportsLt | None
    le: annotated_types.SupportsLe | None
    multiple_of: float | None
    allow_inf_nan: bool | None
    max_digits: int | None
    decimal_places: int | None
    min_length: int | None
    max_length: int | None
    union_mode: Literal["smart", "left_to_right"]
    fail_fast: bool | None


def Chunk(
    default: Any = PydanticUndefined,
    *,
    default_factory: Callable[[], Any] | Callable[[dict[str, Any]], Any] | None = None,
    alias: str | None = None,
    init: bool | None = None,
    kw_only: bool | None = None,
    compression: str | None = None,
    **options: Unpack[FieldOptions],
) -> Any:
    """A field stored in a chunk of its own, and read when you touch it.

    A list comes back as a `LazyList`, a dictionary as a `LazyMap`, a nested model as a lazy object of its class. Other
    values are read whole. `Chunk()` is a field's default, or stands in `Annotated[...]`.

    Args:
        default: the default, as in `pydantic.Field`. Without it and `default_factory` the field is required.
        default_factory: makes the default.
        alias: the name in data that is validated and dumped.
        init: whether type checkers take the field for an argument, as in `pydantic.Field`.
        kw_only: whether they take it for a keyword argument, as in `pydantic.Field`.
        compression: None (the session's), "lz4", "zstd", "auto", "none" or a registered name.
        options: the other options of `pydantic.Field`, such as `description` or `max_length`.

    Raises:
        UnsupportedTypeError: at the definition of the class: it is no `Model`, or the marker stands inside a type.
        TypeError: an option is not known, or `compression` is no str.
        CompressionError: at the first write of a value: `compression` is not known.
    """
    return marked_field(
        Mark("chunk", compression),
        default,
        default_factory=default_factory,
        alias=alias,
        init=init,
        kw_only=kw_only,
        **options,
    )


def ShardedMap(
    default: Any = PydanticUndefined,
    *,
    default_factory: Callable[[], Any] | Callable[[dict[str, Any]], Any] | None = None,
    alias: str | None = None,
    init: bool | None = None,
    kw_only: bool | None = None,
    compression: str | None = None,
    **options: Unpack[FieldOptions],
) -> Any:
    """A dictionary with a hash index, in which single keys are looked up. It comes back as a `LazyMap`.

    `ShardedMap()` is a field's default, or stands in `Annotated[...]`.

    Args:
        default: the default, as in `pydantic.Field`. Without it and `default_factory` the field is required.
        default_factory: makes the default.
        alias: the name in data that is validated and dumped.
        init: whether type checkers take the field for an argument, as in `pydantic.Field`.
        kw_only: whether they take it for a keyword argument, as in `pydantic.Field`.
        compression: None (the session's), "lz4", "zstd", "auto", "none" or a registered name.
        options: the other options of `pydantic.Field`, such as `description` or `max_length`.

    Raises:
        UnsupportedTypeError: at the definition of the class: it is no `Model`, the field is no dictionary, or the
            marker stands inside a type.
        TypeError: an option is not known, or `compression` is no str.
        CompressionError: at the first write of a value: `compression` is not known.
    """
    return marked_field(
        Mark("map", compression),
        default,
        default_factory=default_factory,
        alias=alias,
        init=init,
        kw_only=kw_only,
        **options,
    )


def marked_field(mark: Any, default: Any, **options: Any) -> Any:
    """`pydantic.Field(default, **options)` with `mark` in its metadata, without options that are None."""
    info = _field(mark.spelling[:-2], default, options)
    # The mark goes last: lazy collections then bypass the constraints, which are for plain values.
    info.metadata = [*info.metadata, mark]
    return info


def _field(function: str, default: Any, options: dict[str, Any]) -> FieldInfo:
    """`pydantic.Field(default, **options)`, without options that are None. Options of ours go to the metadata."""
    given = {name: value for name, value in options.items() if value is not None}
    old, rule = given.pop("renamed_from", None), given.pop("on_delete", None)
    unknown = sorted(given.keys() - _OPTIONS)
    if unknown:  # `Field` would put a misspelled option into the JSON schema
        raise TypeError(f"{function}() got an unexpected keyword argument {unknown[0]!r}")
    info: FieldInfo = pydantic.Field(default, **given)
    if old is not None:
        info.metadata = [*info.metadata, marker_of(old)]
    if rule is not None:
        info.metadata = [*info.metadata, on_delete(rule)]
    return info


def Field(
    default: Any = PydanticUndefined,
    *,
    default_factory: Callable[[], Any] | Callable[[dict[str, Any]], Any] | None = None,
    alias: str | None = None,
    init: bool | None = None,
    kw_only: bool | None = None,
    **options: Unpack[FieldOptions],
) -> Any:
    """A field as `pydantic.Field` makes it, with options of ours.

    Args:
        default: the default, as in `pydantic.Field`. Without it and `default_factory` the field is required.
        default_factory: makes the default.
        alias: the name in data that is validated and dumped.
        init: whether type checkers take the field for an argument, as in `pydantic.Field`.
        kw_only: whether they take it for a keyword argument, as in `pydantic.Field`.
        options: `renamed_from`, what the field was called when files were written (a str, or several in a tuple, the
            newest first); `on_delete`, what becomes of references in the field if their target is deleted
            ("restrict", "cascade" or "null"); and the other options of `pydantic.Field`.

    Raises:
        TypeError: an option is not known, `renamed_from` is no str, or there is no such rule.
        UnsupportedTypeError: at the definition of the class: `on_delete` does not fit the field.
    """
    given: dict[str, Any] = {**options, "default_factory": default_factory, "alias": alias}
    return _field("Field", default, {**given, "init": init, "kw_only": kw_only})

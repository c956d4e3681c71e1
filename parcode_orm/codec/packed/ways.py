"""Values that packing does not know by their class: dumped and validated again by Pydantic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pydantic

from ...errors import DecodeError, EncodeError, ParcodeError, SchemaMismatchError
from ..asis import AsIs
from ..classes.alike import alike, details, has_no_equality
from .dumped import FORMS, Dumped, Form, apply_sets, sets_of
from .values import Ready, is_native, packed_natively


class Validator(Protocol):
    """What a way asks of a validator."""

    def validate_python(
        self, value: Any, /, *, strict: bool = ..., by_name: bool = ..., by_alias: bool = ...
    ) -> Any: ...

    def validate_json(self, data: Any, /, *, by_name: bool = ..., by_alias: bool = ...) -> Any: ...


class Serializer(Protocol):
    """What a way asks of a serializer."""

    def to_python(
        self, value: Any, /, *, warnings: bool = ..., round_trip: bool = ..., by_alias: bool = ...
    ) -> Any: ...

    def to_json(
        self, value: Any, /, *, warnings: bool = ..., round_trip: bool = ..., by_alias: bool = ...
    ) -> bytes: ...


Tools = tuple[Validator, Serializer]


class Way:
    """Through Pydantic and back. `make` gives validator and serializer when first needed.

    `name` says in messages what is dumped.
    """

    __slots__ = ("name", "_make", "_made")

    def __init__(self, name: str, make: Callable[[], Tools]) -> None:
        self.name = name
        self._make = make
        self._made: Tools | None = None

    def strictly(self, value: Any) -> Any:
        """What the validator makes of `value` without a conversion.

        Raises:
            pydantic.ValidationError: it does not take the value.
        """
        return self._tools()[0].validate_python(value, strict=True)

    def validated(self, value: Any) -> Any:
        """What the validator makes of `value`, which names fields by their names, in its own mode.

        Raises:
            pydantic.ValidationError: it does not take the value.
        """
        return self._tools()[0].validate_python(value, by_name=True, by_alias=False)

    def _tools(self) -> Tools:
        if self._made is None:
            self._made = self._make()
        return self._made

    def store(self, value: Any) -> Any:
        """What packing makes of `value` where it knows its class, else what it is dumped as.

        Raises:
            EncodeError: nothing that it is dumped as comes back equal.
        """
        data = packed_natively(value)
        return self.dumped(value) if data is None else Ready(value, data)

    def checked(self, value: Any) -> Any:
        """As `store`, but what packing knows too must be what the validator gives.

        Raises:
            EncodeError: it is not.
        """
        if type(value) is AsIs and value.column is self:
            return value.stored
        data = packed_natively(value)
        if data is None:
            return self.dumped(value)
        self._first(value)
        return Ready(value, data)

    def dumped(self, value: Any) -> Dumped:
        """What `value` is dumped as.

        Raises:
            EncodeError: nothing that it is dumped as comes back equal.
        """
        return self._packable(self._first(value), value)

    def load(self, stored: Any) -> Any:
        """The value that was stored as `stored`.

        Raises:
            SchemaMismatchError: the validator takes it no more.
            DecodeError: the validator failed otherwise.
        """
        if type(stored) is not Dumped:
            return stored
        try:
            return self._validate(stored)
        except pydantic.ValidationError as problem:
            raise SchemaMismatchError(
                f"{self.name}: the validator that is there now does not take the stored value: {problem}"
            ) from problem
        except ParcodeError:
            raise
        except Exception as problem:  # an AttributeError would read as a missing field
            raise DecodeError(f"{self.name}: validating the stored value failed: {problem!r}") from problem

    def _first(self, value: Any) -> Dumped:
        """The first form of `value` that comes back equal."""
        return next(self._good(value))

    def _good(self, value: Any) -> Iterator[Dumped]:
        """The forms of `value` that come back equal, first those that keep digits and zones."""
        reasons, others = [], []
        for form in FORMS:
            try:
                dumped = Dumped(form, self._dump(value, form))
                back = self._validate(dumped)
            except Exception as problem:  # whatever serializers and validators of the user's raise
                reasons.append(f"{form}: {problem}")
                continue
            if alike(back, value):
                sets = sets_of(value)
                found = dumped if sets == sets_of(back) else dumped._replace(sets=sets)
                if details(back) == details(value):
                    yield found
                else:
                    others.append(found)
            elif (
                type(back) is type(value)
                and has_no_equality(type(value))
                and alike(self._dump(back, form), dumped.content)
            ):
                yield dumped
            else:
                reasons.append(f"{form}: another {type(back).__name__} comes back")
        yield from others
        raise self._refusal(value, reasons)

    def _packable(self, found: Dumped, value: Any) -> Dumped:
        if found.form == "json" or is_native(found.content):
            return found
        return next(each for each in self._good(value) if each.form == "json" or is_native(each.content))

    def _refusal(self, value: Any, reasons: list[str]) -> EncodeError:
        return EncodeError(
            f"{self.name} does not come back equal from its own serializer and validator ({'; '.join(reasons)[:300]}); "
            f"call parcode_orm.register_type({type(value).__name__}, encode=..., decode=...) before the models are "
            "defined",
            value_type=type(value),
        )

    def _dump(self, value: Any, form: Form) -> Any:
        serializer = self._tools()[1]
        dump = serializer.to_json if form == "json" else serializer.to_python
        return dump(value, warnings=False, round_trip=True, by_alias=False)

    def _validate(self, stored: Dumped) -> Any:
        validator = self._tools()[0]
        validate = validator.validate_json if stored.form == "json" else validator.validate_python
        found = validate(stored.content, by_name=True, by_alias=False)
        return found if stored.sets is None else apply_sets(found, stored.sets)


def of_type(tp: Any, name: str) -> Way:
    """The way of values of the type `tp`."""

    def make() -> Tools:
        adapter = type_adapter(tp)
        return adapter.validator, adapter.serializer

    return Way(name, make)


def type_adapter(tp: Any) -> pydantic.TypeAdapter[Any]:
    """A `TypeAdapter` of `tp`, which may be any class where nothing forbids it."""
    try:
        return pydantic.TypeAdapter(tp, config={"arbitrary_types_allowed": True})
    except pydantic.PydanticUserError:  # a model, a dataclass or a TypedDict has a configuration of its own
        return pydantic.TypeAdapter(tp)

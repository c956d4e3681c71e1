"""What a Python annotation does not say of a Rust type: hints that stand in `Annotated[...]`.

class Player(Model):
    level: Annotated[int, U8]
    ratio: Annotated[float, F32]
    mark: Annotated[str, Char]
    key: Annotated[bytes, Array(16)]
    shape: Annotated[Circle | Square, Variants(Circle, Square)]
    born: Annotated[datetime, As(str)]
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import told

__all__ = [
    "Array", "As", "Char", "F32", "F64", "Hint", "I8", "I16", "I32", "I64", "I128", "ISIZE", "U8", "U16", "U32", "U64",
    "U128", "USIZE", "Variants",
]  # fmt: skip


class Hint:
    """What stands in `Annotated[...]`. A field has one hint at most."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Integer(Hint):
    """A Rust integer: `bits` wide, 8 to 128. `usize` and `isize` have the 64 bits of the machine that wrote."""

    name: str
    bits: int
    signed: bool

    def __repr__(self) -> str:
        return self.name

    @property
    def low(self) -> int:
        """The smallest value."""
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def high(self) -> int:
        """The largest value."""
        return (1 << self.bits - self.signed) - 1


@dataclass(frozen=True, slots=True)
class Float(Hint):
    """A Rust float of 4 or 8 bytes."""

    name: str
    size: int

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class Character(Hint):
    """Rust's `char`: a str of one character."""

    def __repr__(self) -> str:
        return "Char"


@dataclass(frozen=True, slots=True)
class Array(Hint):
    """Rust's `[T; length]`, whose length is not in the file. For bytes, lists and tuples of one type.

    Raises:
        ValueError: `length` is no int of 0 or more.
    """

    length: int

    def __post_init__(self) -> None:
        if type(self.length) is not int or self.length < 0:
            raise ValueError(f"Array(length): the length is an int of 0 or more, not {told(self.length)}")


class Variants(Hint):
    """The variants of a Rust enum, in the order of its source.

    A type stands for a variant with content: a model for one with named fields, a tuple for one with several
    places, any other type for one with a single place. A member of a Python enum, `Literal["x"]` or None stands for a
    variant without content, and is what comes back for it.

    Raises:
        ValueError: there is no variant.
    """

    __slots__ = ("arms",)

    def __init__(self, *arms: Any) -> None:
        if not arms:
            raise ValueError("Variants(...) needs the variants of the Rust enum, in their order")
        self.arms = arms

    def __repr__(self) -> str:
        return f"Variants({', '.join(map(told, self.arms))})"


@dataclass(frozen=True, slots=True)
class As(Hint):
    """The file has a value of `type`, and Pydantic makes the field's value of it: `Annotated[UUID, As(bytes)]`."""

    type: Any


U8 = Integer("U8", 8, False)
U16 = Integer("U16", 16, False)
U32 = Integer("U32", 32, False)
U64 = Integer("U64", 64, False)
U128 = Integer("U128", 128, False)
USIZE = Integer("USIZE", 64, False)
I8 = Integer("I8", 8, True)
I16 = Integer("I16", 16, True)
I32 = Integer("I32", 32, True)
I64 = Integer("I64", 64, True)
I128 = Integer("I128", 128, True)
ISIZE = Integer("ISIZE", 64, True)
F32 = Float("F32", 4)
F64 = Float("F64", 8)
Char = Character()

"""Reading files of the Rust crate `parcode`, 0.3.1 to 0.6.1, with hints where their format does not say a type."""

from .hints import (
    F32,
    F64,
    I8,
    I16,
    I32,
    I64,
    I128,
    ISIZE,
    U8,
    U16,
    U32,
    U64,
    U128,
    USIZE,
    Array,
    As,
    Char,
    Variants,
)
from .reading import convert, load, stream

__all__ = [
    "convert", "load", "stream",
    "Array", "As", "Char", "F32", "F64", "I8", "I16", "I32", "I64", "I128", "ISIZE", "U8", "U16", "U32", "U64", "U128",
    "USIZE", "Variants",
]  # fmt: skip

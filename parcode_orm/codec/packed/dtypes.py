"""numpy's dtypes as JSON and back. Each is read again before it is written.

A plain dtype is its string (`"<f8"`). One of fields says of each its name, dtype, offset and, if it
has one, title; so fields may stand in any order, overlap, leave gaps, or be none. A dtype of texts
says what stands for a missing one.
"""

from __future__ import annotations

from typing import Any

from ...errors import EncodeError
from ...stack import with_room

MAX_DTYPE = 1 << 20  # characters of a dtype's description
MAX_LEVELS = 32  # dtypes inside each other


def dtype_text(dtype: Any) -> str:
    """A dtype as JSON.

    Raises:
        EncodeError: reading would not give it back.
    """
    import json

    text = json.dumps(_spelled(dtype, 0), separators=(",", ":"))
    if len(text) > MAX_DTYPE:
        raise EncodeError(
            f"the description of a dtype of {len(dtype.names or ())} fields takes {len(text)} characters; {MAX_DTYPE} "
            "are allowed: use shorter names or several arrays"
        )
    try:
        found = parse_dtype(text)
    except ValueError as problem:
        raise EncodeError(f"arrays of this dtype cannot be read again: {problem}") from problem
    if found != dtype or found.type is not dtype.type:
        raise EncodeError(f"the dtype {str(dtype)[:200]} would come back as {str(found)[:200]}")
    return text


def is_text(dtype: Any) -> bool:
    """Whether it is numpy's `StringDType`: its items are texts of any length."""
    return bool(dtype.kind == "T")


def holds_objects(dtype: Any) -> bool:
    """Whether arrays of `dtype` hold Python objects; texts are none."""
    return bool(dtype.hasobject) and not is_text(dtype)


def _spelled(dtype: Any, level: int) -> Any:
    if level > MAX_LEVELS:
        raise EncodeError(f"dtypes are nested more than {MAX_LEVELS} deep")
    if is_text(dtype):
        return {"text": [dtype.coerce, *_missing(dtype)]}
    if dtype.hasobject and dtype.names is None and dtype.subdtype is None:
        raise EncodeError(f"an array of {dtype} holds Python objects")
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return {"of": _spelled(base, level + 1), "shape": list(shape)}
    if dtype.names is None:
        import numpy

        # `long long` is another type than the `long` of the same size.
        same = numpy.dtype(dtype.str).type is dtype.type
        return dtype.str if same else dtype.newbyteorder("=").char if dtype.isnative else dtype.byteorder + dtype.char
    parts = [dtype.fields[name] for name in dtype.names]
    found: dict[str, Any] = {
        "fields": [
            [name, _spelled(inner, level + 1), offset, *title]
            for name, (inner, offset, *title) in zip(dtype.names, parts, strict=True)
        ],
        "size": dtype.itemsize,
    }
    for name, (_, _, *title) in zip(dtype.names, parts, strict=True):
        if title and not isinstance(title[0], str):
            raise EncodeError(f"the title of the dtype's field {name!r} is no text")
    if dtype.isalignedstruct:
        found["aligned"] = True
    if dtype.type.__name__ == "record":
        found["record"] = True
    return found


def _missing(dtype: Any) -> list[Any]:
    """How a missing text is marked, by its kind; empty where the dtype has no mark."""
    if not hasattr(dtype, "na_object"):
        return []
    value = dtype.na_object
    if value is None:
        return ["none"]
    if type(value) is str:
        return ["text", value]
    if isinstance(value, float) and value != value:
        return ["nan"]
    raise EncodeError(f"a dtype of texts with {value!r:.60} for a missing one; None, nan or a text may stand for it")


def parse_dtype(text: str) -> Any:
    """The dtype of `dtype_text`; ValueError for anything else, and for objects."""
    import json

    if len(text) > MAX_DTYPE:
        raise ValueError("a dtype of excessive length")
    try:
        dtype = with_room(lambda: _parsed(json.loads(text), 0))
    except Exception as problem:
        raise ValueError(f"not a dtype: {text[:60]}") from problem
    if holds_objects(dtype):
        raise ValueError("a dtype of objects")
    return dtype


def _parsed(found: Any, level: int) -> Any:
    import numpy

    if level > MAX_LEVELS:
        raise ValueError(f"dtypes are nested more than {MAX_LEVELS} deep")
    if type(found) is str:
        return numpy.dtype(found)
    if "text" in found:
        coerce, *missing = found["text"]
        if not missing:
            return numpy.dtypes.StringDType(coerce=bool(coerce))
        kind, *value = missing
        na = {"none": None, "nan": float("nan"), "text": "".join(value)}[kind]
        return numpy.dtypes.StringDType(coerce=bool(coerce), na_object=na)
    if "of" in found:
        return numpy.dtype((_parsed(found["of"], level + 1), tuple(found["shape"])))
    fields = found["fields"]
    parts: Any = {
        "names": [name for name, *_ in fields],
        "formats": [_parsed(inner, level + 1) for _, inner, *_ in fields],
        "offsets": [offset for _, _, offset, *_ in fields],
        "titles": [title[0] if title else None for _, _, _, *title in fields],
        "itemsize": found["size"],
    }
    dtype = numpy.dtype(parts, align=bool(found.get("aligned")))
    return numpy.dtype((numpy.record, dtype)) if found.get("record") else dtype


def has_gaps(dtype: Any) -> bool:
    """Whether an item of `dtype` has bytes that belong to no field."""
    if dtype.subdtype is not None:
        return has_gaps(dtype.base)
    if dtype.names is None:
        return False
    end = 0
    for inner, offset, *_ in sorted((dtype.fields[name] for name in dtype.names), key=lambda part: part[1]):
        if offset > end or has_gaps(inner):
            return True
        end = max(end, offset + inner.itemsize)
    return bool(end < dtype.itemsize)

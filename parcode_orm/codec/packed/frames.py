"""Data frames of pandas and Polars and tables of pyarrow, as bytes of Arrow's IPC stream format.

None of the libraries is imported before a field names its class, as its module then is.
"""

from __future__ import annotations

import io
import sys
from typing import Any, NamedTuple, Protocol

from ...errors import DecodeError, EncodeError, MissingExtraError, ParcodeError
from ..classes.convert import each
from ..classes.named import Parts
from ..classes.registry import register, set_hook


class _Kind(Protocol):
    """A class of frames: how its values become bytes, come back, and are compared with what came back."""

    def encode(self, value: Any) -> bytes: ...
    def decode(self, data: bytes) -> Any: ...
    def check(self, back: Any, value: Any) -> None: ...


class _Unequal(ValueError):
    """A frame would come back as another one."""


def _pyarrow() -> Any:
    try:
        import pyarrow
    except ImportError as problem:
        raise MissingExtraError(
            "frames are stored as Arrow, which needs pyarrow: install it with pip install 'parcode-orm[arrow]'"
        ) from problem
    return pyarrow


class _Tables:
    """`pyarrow.Table`. Equal content gives equal bytes, in however many chunks it lies."""

    def encode(self, value: Any) -> bytes:
        sink = io.BytesIO()
        with _pyarrow().ipc.new_stream(sink, value.schema) as writer:
            writer.write_table(value.combine_chunks())
        return sink.getvalue()

    def decode(self, data: bytes) -> Any:
        arrow = _pyarrow()
        return arrow.ipc.open_stream(arrow.py_buffer(data)).read_all()

    def check(self, back: Any, value: Any) -> None:
        # NaN, which equals nothing, comes back as any other float.
        if not back.schema.equals(value.schema, check_metadata=True):
            raise _Unequal("its schema would come back as another one")


class _Pandas:
    """`pandas.DataFrame`, with its index, in the table and the metadata that pyarrow makes of one."""

    def encode(self, value: Any) -> bytes:
        return _TABLES.encode(_pyarrow().Table.from_pandas(value))

    def decode(self, data: bytes) -> Any:
        return _TABLES.decode(data).to_pandas()

    def check(self, back: Any, value: Any) -> None:
        try:
            sys.modules["pandas"].testing.assert_frame_equal(back, value, check_exact=True, check_freq=False)
        except AssertionError as problem:
            raise _Unequal(" ".join(str(problem).split())) from problem
        if back.attrs != value.attrs:
            raise _Unequal(f"its attrs would come back as {back.attrs!r}")


class _Polars:
    """`polars.DataFrame`. Polars reads and writes the format itself, with types that pyarrow lacks."""

    def encode(self, value: Any) -> bytes:
        if sys.modules["polars"].Object in value.dtypes:
            raise _Unequal("a column of Python's objects has no type in Arrow")
        sink = io.BytesIO()
        value.rechunk().write_ipc_stream(sink)
        return sink.getvalue()

    def decode(self, data: bytes) -> Any:
        return sys.modules["polars"].read_ipc_stream(io.BytesIO(data))

    def check(self, back: Any, value: Any) -> None:
        if back.schema != value.schema or not back.equals(value):
            raise _Unequal(f"it would come back with the schema {back.schema!r}")


class _Frame(NamedTuple):
    name: str
    kind: _Kind


_TABLES = _Tables()
_FRAMES = {
    ("pandas", "DataFrame"): _Frame("pandas DataFrame", _Pandas()),
    ("polars", "DataFrame"): _Frame("polars DataFrame", _Polars()),
    ("pyarrow", "Table"): _Frame("pyarrow Table", _TABLES),
}


def frame_parts(cls: type) -> Parts | None:
    """How values of `cls`, a class of frames, are stored, in fields of type `Any` too from now on; else None."""
    frame = _FRAMES.get((cls.__module__.partition(".")[0], cls.__qualname__))
    if frame is None:
        return None
    parts = _parts(cls, frame)
    set_hook(cls, parts)
    register(cls)
    return parts


def _parts(cls: type, frame: _Frame) -> Parts:
    name, kind = frame

    def put(value: Any) -> Any:
        if type(value) is not cls:  # a subclass, which may be registered itself
            return value
        try:
            data = kind.encode(value)
            kind.check(kind.decode(data), value)
        except ParcodeError:
            raise
        except Exception as problem:
            raise EncodeError(f"this {name} cannot be stored as Arrow: {problem}", value_type=cls) from problem
        return data

    def get(stored: Any) -> Any:
        if isinstance(stored, cls):
            return stored
        try:
            return kind.decode(bytes(stored))
        except ParcodeError:
            raise
        except Exception as problem:
            raise DecodeError(f"a {name} cannot be made of its Arrow stream here: {problem}") from problem

    return bytes, name, (cls,), each(put), each(get)

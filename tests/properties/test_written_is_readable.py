"""What is written can be read: any value comes back equal and of the same types, or is refused before it is written.

A value that was accepted and could not be read again took everything beside it along.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from hypothesis import given, note
from pydantic import ConfigDict

from parcode_orm import Chunk, Model, ParcodeError, Session, ShardedMap, UnsupportedTypeError, dumps, load, loads, save
from parcode_orm.model.plain import deep_plain
from tests import readable_holder
from tests.effort import half
from tests.equality import same
from tests.typed_values import Typed, typed_values


def model_of(annotation: Any) -> Any:
    """A class with a field of the type in every place where it may stand."""
    fields = {"inline": annotation, "apart": annotation, "many": list[annotation], "by_key": dict[str, annotation]}
    marks = {"apart": Chunk(), "many": Chunk(), "by_key": ShardedMap()}
    config = ConfigDict(arbitrary_types_allowed=True)
    return type(
        "Holder", (Model,), {"__annotations__": fields, "model_config": config, "__module__": __name__, **marks}
    )


@half(300)
@given(typed_values)
def test_written_is_readable(typed: Typed) -> None:
    annotation, value = typed
    note(f"{annotation} {value!r}")
    try:
        cls = model_of(annotation)
    except UnsupportedTypeError:
        return
    obj = cls.model_construct(inline=value, apart=value, many=[value] * 3, by_key={"a": value, "b": value})
    try:
        data = dumps(obj)
    except ParcodeError:
        return
    assert same(loads(data, cls), obj)
    with Session(data) as session:
        found = session.root(cls)
        each = [found.inline, found.apart, found.many[1], found.by_key["b"]]
        assert all(same(deep_plain(one), value) for one in each)
        assert same(found.model_load(), obj)


def test_another_process_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.par"
    save(path, readable_holder.made())
    assert same(load(path, readable_holder.Holder), readable_holder.made())
    source = f"""
import parcode_orm
from tests.equality import same
from tests.readable_holder import Holder, made
assert same(parcode_orm.load({str(path)!r}, Holder), made())
"""
    root = Path(__file__).parents[2]
    subprocess.run([sys.executable, "-c", source], check=True, cwd=root, env={**os.environ, "PYTHONPATH": str(root)})

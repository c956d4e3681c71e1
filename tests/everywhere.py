"""A value of a type in every place that a field can give it: inline, optional, nested, in marked collections."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from parcode_orm import Chunk, LazyList, LazyMap, Model, Session, ShardedMap, dumps, loads
from parcode_orm.codec.types.alike import alike

__all__ = ["holder", "stored_everywhere"]


def holder(tp: Any) -> type[Model]:
    """A model with fields of `tp` everywhere."""

    class Theirs(BaseModel):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: tp
        values: list[tp] = []

    class Holder(Model):
        model_config = ConfigDict(arbitrary_types_allowed=True)
        value: tp
        optional: tp | None = None
        theirs: Theirs
        whole: tp = Chunk()
        many: list[tp] = Chunk()
        by_name: dict[str, tp] = ShardedMap()
        text: str = ""

    return Holder


def stored_everywhere(tp: Any, *values: Any) -> None:
    """Each of `values`, as Pydantic takes it for `tp`, comes back alike: whole, lazily, after a commit beside it."""
    cls: Any = holder(tp)
    for value in values:
        obj = cls(
            value=value,
            optional=value,
            theirs={"value": value, "values": [value, value]},
            whole=value,
            many=[value, *values],
            by_name={"a": value},
        )
        plain = loads(dumps(obj), cls)
        assert alike(plain, obj), (plain, obj)
        with Session(":memory:") as session:
            session.add(obj.model_copy(deep=True))
            session.commit()
            found = session.root(cls)
            assert not session.is_modified(found)
            found.text = "changed"
            # A collection that something else holds is still the plain one that was added, which validates nothing.
            found.many.append(value if isinstance(found.many, LazyList) else obj.many[0])
            found.by_name["b"] = value if isinstance(found.by_name, LazyMap) else obj.by_name["a"]
            session.commit()
            assert alike(found.many[len(found.many) - 1], obj.many[0])
            with Session(dumps(found)) as again:
                lazy = again.root(cls)
                assert alike(lazy.by_name["b"], obj.by_name["a"]) and lazy.text == "changed"
                for name in ("value", "optional", "theirs", "whole"):
                    assert alike(getattr(lazy, name), getattr(obj, name)), name
                assert alike(lazy.model_dump(), found.model_dump())

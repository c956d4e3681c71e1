"""Facts about classes: found once a class, and no reason for it to live."""

from __future__ import annotations

import gc
import weakref

from parcode_orm.codec.per_class import per_class


def test_a_fact_is_found_once_a_class_and_a_subclass_has_its_own() -> None:
    asked: list[type] = []

    @per_class
    def name(cls: type) -> str:
        """What it is called."""
        asked.append(cls)
        return cls.__name__

    class Base: ...

    class Below(Base): ...

    assert [name(cls) for cls in (Base, Below, Base, Below)] == ["Base", "Below", "Base", "Below"]
    assert asked == [Base, Below]
    assert name.__doc__ == "What it is called."


def test_a_class_ends_with_its_last_reference() -> None:
    @per_class
    def name(cls: type) -> str:
        return cls.__name__

    class Short: ...

    assert name(Short) == "Short"
    gone = weakref.ref(Short)
    del Short
    gc.collect()
    assert gone() is None

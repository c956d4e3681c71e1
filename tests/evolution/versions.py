"""Versions of one class: each is made by a function, under one name."""

from __future__ import annotations

from typing import Any

from parcode_orm import Model


def model(called: str, annotations: dict[str, Any], /, *bases: Any, **defaults: Any) -> Any:
    """A Model called so, with these fields."""
    body = {"__annotations__": annotations, "__module__": "app", "__qualname__": called, **defaults}
    return type(Model)(called, bases or (Model,), body)

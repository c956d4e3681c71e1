"""The model classes of published packages: all modules of a package are imported, and their `BaseModel`s collected."""

from __future__ import annotations

import contextlib
import importlib
import io
import pkgutil
import warnings
from collections.abc import Iterator
from types import ModuleType
from typing import Any, get_args

from pydantic import BaseModel, RootModel

from parcode_orm import register, register_type

# What is imported of each package, and what of it is left out: programs, tests, older releases of the same models.
PACKAGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "openai": ("openai.types", ()),
    "anthropic": ("anthropic.types", ()),
    "mcp": ("mcp_types", ()),
    "aiogram": ("aiogram", ()),
    "langchain-core": ("langchain_core", ("langchain_core.utils.function_calling",)),
    "google-genai": ("google.genai.types", ()),
    "fhir.resources": (
        "fhir.resources",
        ("fhir.resources.STU3", "fhir.resources.R4B", "fhir.resources.tests", "fhir.resources.DSTU2"),
    ),
    "stac-pydantic": ("stac_pydantic", ()),
    "geojson-pydantic": ("geojson_pydantic", ()),
    "atproto": ("atproto_client.models", ()),
    "openapi-pydantic": ("openapi_pydantic", ()),
    "qdrant-client": ("qdrant_client.http.models", ()),
    "scim2-models": ("scim2_models", ()),
    "groq": ("groq.types", ()),
    "ollama": ("ollama", ()),
    "fastapi": ("fastapi.openapi.models", ()),
}


def prepare(package: str) -> None:
    """What a user of the package does before: register its classes that need it."""
    if package == "langchain-core":
        from langchain_core.messages.base import TextAccessor

        register(TextAccessor)
    elif package == "aiogram":  # a mark for what the bot fills in, and files to upload, of which none is stored
        from aiogram.client.default import Default
        from aiogram.types import InputFile

        register_type(Default, encode=lambda default: default.name, decode=Default)
        register_type(InputFile, encode=_refuse, decode=_refuse)
    elif package == "google-genai":  # the options of a client may hold live ones, which are None in what is stored
        from google.genai.types import HttpOptions

        for name in ("httpx_client", "httpx_async_client", "aiohttp_client"):
            for arm in get_args(HttpOptions.model_fields[name].annotation):
                if arm is not type(None):
                    register_type(arm, encode=_refuse, decode=_refuse)


def _refuse(value: Any) -> Any:
    raise ValueError("it is open")


def classes_of(package: str) -> list[type[BaseModel]]:
    """The concrete model classes of `package`, sorted by name."""
    root, left_out = PACKAGES[package]
    found: dict[type[BaseModel], None] = {}
    top = root.partition(".")[0]
    for module in _modules(root, left_out):
        for value in list(vars(module).values()):
            if isinstance(value, type) and issubclass(value, BaseModel) and value.__module__.startswith(top):
                found[value] = None
    return sorted(filter(_is_concrete, found), key=lambda cls: (cls.__module__, cls.__qualname__))


def _is_concrete(cls: Any) -> bool:
    if cls in (BaseModel, RootModel) or cls.__pydantic_generic_metadata__["parameters"]:
        return False
    try:
        cls.model_rebuild(raise_errors=False)
        return bool(cls.__pydantic_complete__) and not getattr(cls, "__abstractmethods__", ())
    except Exception:  # a class that its own package cannot complete
        return False


def _modules(name: str, left_out: tuple[str, ...]) -> Iterator[ModuleType]:
    if name.startswith(left_out or ("?",)) or name.rpartition(".")[2] in ("cli", "__main__", "conftest"):
        return
    try:
        with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            module = importlib.import_module(name)
    except (Exception, SystemExit):  # what needs packages that are not installed
        return
    yield module
    for info in pkgutil.iter_modules(getattr(module, "__path__", ())):
        yield from _modules(f"{name}.{info.name}", left_out)

"""Pydantic's URLs as their text, and back to the very URL: without the validator's limits, which counted other text.

A URL is checked when it is made. Its text is longer than what was given where characters are percent-encoded, and a
URL whose empty path was preserved is another one than its text says to a parser that adds a slash. So reading parses
the text, keeps the slash out where the text has none, and asks no class's constraints again.
"""

from __future__ import annotations

from typing import Any

from pydantic import networks
from pydantic_core import MultiHostUrl, Url

from ..errors import EncodeError
from .columns.convert import Bulk, each, rebuilt

URLS: tuple[type, ...] = (Url, MultiHostUrl, networks._BaseUrl, networks._BaseMultiHostUrl)


def url_from(cls: Any, text: str) -> Any:
    """The URL of class `cls` whose text is `text`; a `ValueError` where there is none."""
    core: Any = Url if issubclass(cls, Url | networks._BaseUrl) else MultiHostUrl
    found: Any = core(text)
    if str(found) != text:
        found = core(text, preserve_empty_path=True)
    if cls is core:
        return found
    made = object.__new__(cls)
    made._url = found
    return made


def url_text(value: Any) -> str:
    """The text of a URL.

    Raises:
        EncodeError: `url_from` would not give it back.
    """
    text, cls = str(value), type(value)
    try:
        back = url_from(cls, text)
        equal = str(back) == text and back == value and _parts(back) == _parts(value)
    except Exception as problem:
        raise EncodeError(f"the URL {text[:60]!r} cannot be read again: {problem}", value_type=cls) from problem
    if not equal:
        raise EncodeError(f"the URL {text[:60]!r} would come back as {str(back)[:60]!r}", value_type=cls)
    return text


def _parts(value: Any) -> Any:
    """The attributes of a URL; a subclass may have some of its own."""
    return getattr(value, "__dict__", None)


def conversion_of(cls: type) -> tuple[Bulk, Bulk]:
    """How a column stores URLs of class `cls`, and gets them back."""
    return each(url_text), rebuilt(cls.__qualname__, lambda text: url_from(cls, text))

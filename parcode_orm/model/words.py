"""The words of a text, as text search takes them: letters and digits, without case and without accents.

Text is taken apart in Unicode's compatibility decomposition, its case is folded, and the accents of Latin, Greek and
Cyrillic letters (U+0300 to U+036F) are dropped: `Straße` is `strasse`, `café` is `cafe`, `ﬁ` is `fi`. A word is a
longest run of letters, digits and other numbers, and of the marks that other scripts write their vowels with. All else
stands between words, the underscore too. No word is left out, and none is reduced to its stem.

SQLite's FTS5 calls nearly the same `unicode61 remove_diacritics 2`; it folds the accents of Latin letters alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from unicodedata import category, normalize

VERSION = 1  # of these rules; a stored index has the version that it was built with
_ASCII = re.compile("[a-z0-9]+").findall
_ACCENTS = re.compile("[\u0300-\u036f]+")
_PLAIN = re.compile(r"\w+").findall


def words_of(text: str) -> list[str]:
    """The words of a text, in their order."""
    if text.isascii():
        return _ASCII(text.lower())
    folded = normalize("NFKD", normalize("NFKD", text).casefold())
    folded = normalize("NFC", _ACCENTS.sub("", folded)).replace("_", " ")
    marks = "".join([each for each in sorted(set(folded)) if each > "\u036f" and _is_mark(each)])
    found: list[str] = (_with(marks) if marks else _PLAIN)(folded)
    return found


@lru_cache(4096)
def _is_mark(character: str) -> bool:
    return category(character) in ("Mn", "Mc")


@lru_cache(256)
def _with(marks: str) -> Callable[[str], list[str]]:
    return re.compile(rf"[\w{re.escape(marks)}]+").findall


def as_text(value: object) -> str | None:
    """A value of a field as one text: that of a list's items, one a line; None for what is no text."""
    if isinstance(value, str):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return "\n".join([each for each in value if isinstance(each, str)])
    return None

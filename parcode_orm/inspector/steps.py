"""The language of paths: what a place in a file is called, such as `GameWorld.players["Hero123"].inventory[:10]`.

    path   first step*
    first  name | text | "[" text "]"          a root or entities, or a field of the only root
    step   "." name | "." text                 a field
           "[" literal "]"                     the value of a key, or an item of a list
           "[" int? ":" int? "]"               a part of a list, or of what else has an order
    literal  text | b text | number | True | False | None | "(" literal ("," literal)* ","? ")"

Texts are quoted as in Python, with its commonest escapes. Nothing of a path is evaluated.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Literal, NoReturn

from pydantic import Secret, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from ..errors import PathError, called, told

MAX_PATH = 1 << 16  # characters
MAX_DIGITS = 400
MAX_DEPTH = 32  # tuples in each other
_NAME = re.compile(r"[^\W\d]\w*")
_TEXT = re.compile(r"""(b?)(?:"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)')""", re.DOTALL)
_NUMBER = re.compile(r"-?(?:inf\b|nan\b|(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?)")
_INT = re.compile(r"-?\d+")
_BLANKS = re.compile(r"\s*")
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL)
_SHORT = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "f": "\f", "/": "/", "\\": "\\", '"': '"', "'": "'"}
_CONSTANTS = {"True": True, "False": False, "None": None}
_SECRET = (Secret, SecretBytes, SecretStr)
Kind = Literal["name", "key", "slice"]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a path: a field's name, a key or position, or a slice. `at`: where it stands in the text."""

    kind: Kind
    value: Any
    at: int = field(default=0, compare=False)

    def __str__(self) -> str:
        if self.kind == "name":
            return f".{name_text(self.value)}"
        if self.kind == "key":
            return f"[{literal_text(self.value)}]"
        start, stop = self.value
        return f"[{'' if start is None else start}:{'' if stop is None else stop}]"


@dataclass(frozen=True, slots=True)
class Path:
    """A place in a file. `str()` gives its text, and `parse` of that an equal path."""

    steps: tuple[Step, ...]

    def __str__(self) -> str:
        first, *others = self.steps
        return name_text(first.value) + "".join(map(str, others))

    def field(self, name: str) -> Path:
        """The path of a field of this value."""
        return Path((*self.steps, Step("name", name)))

    def item(self, key: Any) -> Path | None:
        """The path of the value of `key`, or of the item at this position; None where no path can name the key."""
        try:
            return Path((*self.steps, Step("key", literal_of(key))))
        except PathError:
            return None


def name_text(name: str) -> str:
    """A name as a path has it: quoted where it is no identifier."""
    return name if _NAME.fullmatch(name) and name.isidentifier() else quoted(name)


def quoted(text: str, *, ascii_only: bool = False) -> str:
    """`text` in double quotes, with escapes for what cannot be seen."""
    found = []
    for each in text:
        plain = each.isprintable() and (each.isascii() or not ascii_only)
        found.append(f"\\{each}" if each in '"\\' else each if plain else each.encode("unicode_escape").decode())
    return f'"{"".join(found)}"'


def literal_text(value: Any) -> str:
    """A literal as a path has it."""
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bytes):
        return "b" + quoted(value.decode("latin-1"), ascii_only=True)
    if isinstance(value, tuple):
        return f"({', '.join(map(literal_text, value))}{',' if len(value) == 1 else ''})"
    return repr(value)


def literal_of(key: Any) -> Any:
    """The literal that stands for a key in a path: dates, UUIDs and the like are texts, members of enums their names.

    Raises:
        PathError: no literal does.
    """
    if key is None or type(key) in (str, bool, float, bytes):
        return key
    if type(key) is int and key.bit_length() < 1000:
        return key
    if isinstance(key, enum.Enum) and not isinstance(key, enum.Flag):
        return key.name
    if isinstance(key, tuple) and type(key) is tuple:
        return tuple(map(literal_of, key))
    try:
        if isinstance(key, _SECRET):
            raise ValueError("what is secret stands in no path")
        found = str(key) if isinstance(key, Fraction) else to_jsonable_python(key)
    except ValueError:  # PydanticSerializationError among them
        found = None
    if type(found) not in (str, int, float) or (type(found) is int and found.bit_length() >= 1000):
        raise PathError(f"a path cannot name a key such as {told(key)}, {called(key)}")
    return found


def parse(text: str) -> Path:
    """The path that `text` spells.

    Raises:
        PathError: it spells none.
    """
    if not isinstance(text, str):
        raise TypeError(f"a path is a text, not {told(text)}")
    return Path(tuple(_Reader(text).steps()))


class _Reader:
    """Reads the text of a path from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        if len(text) > MAX_PATH:
            self.refuse(f"a path has at most {MAX_PATH:,} characters, and this one {len(text):,}")

    def refuse(self, what: str, at: int | None = None) -> NoReturn:
        raise PathError(what, position=self.at if at is None else at)

    def match(self, pattern: re.Pattern[str]) -> re.Match[str] | None:
        found = pattern.match(self.text, self.at)
        if found is not None:
            self.at = found.end()
        return found

    def skip(self, mark: str) -> bool:
        """Whether `mark` stands here; it is read then."""
        found = self.text.startswith(mark, self.at)
        self.at += len(mark) * found
        return found

    def blanks(self) -> None:
        self.match(_BLANKS)

    def expect(self, mark: str, after: str) -> None:
        if not self.skip(mark):
            self.refuse(f"{mark} is missing after {after}{self.here()}")

    def here(self) -> str:
        rest = self.text[self.at : self.at + 12]
        return f", before {told(rest)}" if rest else ""

    def steps(self) -> Iterator[Step]:
        self.blanks()
        at = self.at
        if self.at == len(self.text):
            self.refuse("an empty path: write the name of a root, of entities, or of a field")
        if self.skip("["):
            self.blanks()
            name = self.quoted_text()
            if name is None:
                self.refuse('a path begins with a name: Player, "Page[int]"', at)
            self.blanks()
            self.expect("]", "the name")
        else:
            name = self.name("a path begins with a name, and")
        yield Step("name", name, at)
        while True:
            self.blanks()
            at = self.at
            if at == len(self.text):
                return
            if self.skip("."):
                yield Step("name", self.name("after a dot stands a name, and"), at)
            elif self.skip("["):
                yield self.bracket(at)
            else:
                self.refuse(f"after a value stands .name, [key] or [from:to]{self.here()}")

    def name(self, where: str) -> str:
        self.blanks()
        found = self.match(_NAME)
        if found is not None:
            return found[0]
        text = self.quoted_text()
        if text is None:
            self.refuse(f"{where} here is none{self.here()}")
        return text

    def quoted_text(self) -> str | None:
        at = self.at
        found = self.match(_TEXT)
        if found is None:
            return None
        text = self.unescaped(found)
        if not isinstance(text, str):
            self.refuse("a name is a text, without b before it", at)
        return text

    def unescaped(self, found: re.Match[str]) -> str | bytes:
        part = 2 if found[2] is not None else 3

        def character(escape: re.Match[str]) -> str:
            *codes, short = escape.groups()
            code = next((each for each in codes if each is not None), None)
            if code is None and short in _SHORT:
                return _SHORT[short]
            if code is None or int(code, 16) > 0x10FFFF:
                self.refuse(f"{escape[0]} is no escape that paths know", found.start(part) + escape.start())
            return chr(int(code, 16))

        text = _ESCAPE.sub(character, found[part])
        if not found[1]:
            return text
        try:
            return text.encode("latin-1")
        except UnicodeEncodeError:
            self.refuse("bytes are characters up to \\xff", found.start())

    def integer(self, found: re.Match[str]) -> int:
        if len(found[0]) > MAX_DIGITS:
            self.refuse(f"a number of more than {MAX_DIGITS} digits", found.start())
        return int(found[0])

    def bracket(self, at: int) -> Step:
        self.blanks()
        begin = self.at
        start = self.match(_INT)
        self.blanks()
        if self.skip(":"):
            self.blanks()
            stop = self.match(_INT)
            self.blanks()
            self.expect("]", "a slice")
            return Step("slice", tuple(None if each is None else self.integer(each) for each in (start, stop)), at)
        self.at = begin
        key = self.literal(0)
        self.blanks()
        if self.skip(","):
            self.refuse("a key of several values is written in parentheses: [(1, 2)]", begin)
        self.expect("]", "a key")
        return Step("key", key, at)

    def literal(self, depth: int) -> Any:
        self.blanks()
        at = self.at
        found = self.match(_TEXT)
        if found is not None:
            return self.unescaped(found)
        number = self.match(_NUMBER)
        if number is not None:
            return self.integer(number) if _INT.fullmatch(number[0]) else float(number[0])
        word = self.match(_NAME)
        if word is not None:
            if word[0] in _CONSTANTS:
                return _CONSTANTS[word[0]]
            if self.skip("("):
                self.refuse(f'a key is a text, a number or a tuple: write ["..."], without {word[0]}()', at)
            self.refuse(f'a key is a text, a number or a tuple: write ["{word[0]}"]', at)
        if not self.skip("("):
            self.refuse(f"in brackets stands a key or a position, and here is none{self.here()}")
        return self.items(depth + 1)

    def items(self, depth: int) -> tuple[Any, ...]:
        if depth > MAX_DEPTH:
            self.refuse(f"more than {MAX_DEPTH} tuples in each other")
        found: list[Any] = []
        while True:
            self.blanks()
            if self.skip(")"):
                return tuple(found)
            found.append(self.literal(depth))
            self.blanks()
            if not self.skip(","):
                self.expect(")", "the values of a tuple")
                return tuple(found)

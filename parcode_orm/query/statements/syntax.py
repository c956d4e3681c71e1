"""The text of an expression as Python's tree of it, with places for errors. Too large or too deep texts are refused."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

from ...errors import QueryError, told
from ...lazy.shown import visible

MAX_TEXT = 4096  # bytes
MAX_DEPTH = 50  # brackets, or expressions, in each other
_STRINGS = re.compile(r"""((?<![A-Za-z])[A-Za-z]{1,2}|)("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')""", re.DOTALL)
_NO_ESCAPE = re.compile(r"(?<!\\)(?:\\\\)*(\\[^\n\\'\"abfnrtvxuUN0-7])")


class Syntax:
    """The text of an expression."""

    def __init__(self, text: str) -> None:
        if not isinstance(text, str):
            raise QueryError(f"an expression is a text, not {told(text)}")
        self.text = text

    def parsed(self) -> ast.expr:
        """The tree of the text.

        Raises:
            QueryError: the text is no expression, or is too large or too deep.
        """
        text = self.text
        if len(text.encode("utf-8", "surrogatepass")) > MAX_TEXT:
            self.refuse(f"an expression has at most {MAX_TEXT:,} bytes", 0)
        if not text.strip():
            self.refuse('an empty expression: write a field, or a condition such as level > 50 and name != "x"', 0)
        if "\0" in text:
            self.refuse("this is no expression: it holds a null", text.index("\0"))
        depth = 0
        for at, character in enumerate(self._without_strings()):
            depth += (character in "([{") - (character in ")]}")
            if depth > MAX_DEPTH:
                self.refuse(f"more than {MAX_DEPTH} brackets in each other", at)
        self._lead = len(text) - len(text.lstrip())
        try:
            return ast.parse(text.strip(), mode="eval").body
        except SyntaxError as problem:
            at = self._at(problem.lineno or 1, problem.offset - 1, in_bytes=False) if problem.offset else len(text)
            msg = "write == to compare" if text[at : at + 1] == "=" else problem.msg
            if msg.startswith("leading zeros"):
                msg = "a number has no leading zeros; a date stands in quotes, such as '2013-01-31'"
            self.refuse(f"this is no expression: {msg}", at)
        except (ValueError, MemoryError, RecursionError) as problem:
            self.refuse(f"this is no expression: {problem}", 0)

    def _without_strings(self) -> str:
        """The text with blanks in place of quoted parts. Escapes that Python does not have are refused."""

        def blanks(found: re.Match[str]) -> str:
            wrong = None if "r" in found[1].lower() else _NO_ESCAPE.search(found[2])
            if wrong is not None:
                self.refuse(f"{visible(wrong[1])} is no escape: write two backslashes", found.start(2) + wrong.start(1))
            return found[1] + " " * len(found[2])

        return _STRINGS.sub(blanks, self.text)

    def _at(self, line: int, column: int, *, in_bytes: bool) -> int:
        """Where in the text a place of the tree is."""
        lines = self.text[self._lead :].splitlines(keepends=True) or [""]
        before, here = lines[: line - 1], lines[min(line, len(lines)) - 1]
        if in_bytes:
            column = len(here.encode("utf-8", "surrogatepass")[:column].decode("utf-8", "surrogatepass"))
        return self._lead + sum(map(len, before)) + column

    def refuse(self, what: str, at: ast.expr | int) -> NoReturn:
        place = at if isinstance(at, int) else self._at(at.lineno, at.col_offset, in_bytes=True)
        raise QueryError(what, position=place)

    @contextmanager
    def placed(self, node: ast.expr) -> Iterator[None]:
        """Give errors raised in the block the position of `node`, unless they have one."""
        try:
            yield
        except QueryError as problem:
            if problem.position is None:
                self.refuse(str(problem), node)
            raise

    def source(self, node: ast.expr) -> str:
        """The text of a part."""
        return ast.get_source_segment(self.text.strip(), node) or ast.unparse(node)

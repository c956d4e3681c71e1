"""The files of the page. They are part of the package, and nothing builds them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

DIRECTORY = Path(__file__).parent / "static"
SCRIPTS = ("base.js", "shown.js", "treemap.js", "commits.js", "schema.js", "rows.js", "value.js", "past.js", "main.js")
STYLES = ("page.css",)
STATIC: Mapping[str, Path] = {name: DIRECTORY / name for name in (*SCRIPTS, *STYLES, "icon.svg")}
TYPES: Mapping[str, str] = {
    "js": "text/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_HEAD, _END = "<!-- head -->", "<!-- scripts -->"


def page() -> str:
    """The page as the server gives it: styles and scripts are files of their own."""
    styles = [f'<link rel="stylesheet" href="/{name}">' for name in STYLES]
    scripts = [f'<script src="/{name}"></script>' for name in SCRIPTS]
    return filled(['<link rel="icon" href="/icon.svg">', *styles], scripts)


def filled(head: list[str], end: list[str]) -> str:
    """The page with lines for the end of its head, and of its body."""
    text = (DIRECTORY / "page.html").read_text("utf-8")
    return text.replace(_HEAD, "\n".join(head), 1).replace(_END, "\n".join(end), 1)


def text_of(names: tuple[str, ...]) -> str:
    """Several files as one."""
    return "\n".join((DIRECTORY / name).read_text("utf-8") for name in names)

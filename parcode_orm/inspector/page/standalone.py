"""`html`: the page as one file, with what it shows of the data in it."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path

from ...errors import ParcodeError
from .answers import Answers
from .page import SCRIPTS, STATIC, STYLES, filled, text_of

ROWS = 200  # of each collection


def html(path: str | Path) -> str:
    """The page with the report, the schema, the commits and the first rows of each collection: a text of HTML.

    It needs no server, and fetches nothing.

    Args:
        path: the file.

    Raises:
        NotAParcodeFile, UnsupportedVersion, CorruptionError: the file cannot be read at all.
        OSError: there is no such file.
    """
    answers = Answers(path)
    try:
        report = answers.get("report", {})
        rows = {each["path"]: _rows(answers, each["path"]) for each in report["collections"] if "rows" in each}
    finally:
        answers.close()
    report["report"]["path"] = report["name"]  # who gets the page need not know the directory
    return _page({"report": report, "rows": rows, "most": ROWS})


def _rows(answers: Answers, path: str) -> object:
    try:
        return answers.get("rows", {"path": path, "limit": str(ROWS)})
    except ParcodeError as problem:
        return {"error": {"type": type(problem).__name__, "message": str(problem)}}


def _page(data: object) -> str:
    """The page with `data` in it. No `<` of a text is one of the page, so that none ends a script."""
    style, script = text_of(STYLES), text_of(SCRIPTS)
    icon = base64.b64encode(STATIC["icon.svg"].read_bytes()).decode()
    policy = (
        f"default-src 'none'; script-src {_hash(script)}; style-src {_hash(style)}; img-src data:; "
        "base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'"
    )
    embedded = json.dumps(data, separators=(",", ":")).replace("<", "\\u003c")
    return filled(
        [
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">',
            f'<link rel="icon" href="data:image/svg+xml;base64,{icon}">',
            f"<style>{style}</style>",
        ],
        [f'<script id="data" type="application/json">{embedded}</script>', f"<script>{script}</script>"],
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"

"""A file whose names and values are as bad as they can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import create_model

from parcode_orm import Chunk, Model, Session, ShardedMap

SCRIPT = "</script><script>document.title='pwned'</script>"
IMAGE = "<img src=x onerror=document.title='pwned'>"
ESCAPES = "\x1b]0;pwned\x07\x1b[2J\x1b[31mred"
TURNED = "\u202egnp.exe\u2066"
NAMES = [
    SCRIPT,
    IMAGE,
    ESCAPES,
    TURNED,
    "javascript:alert(1)",
    "../../etc/passwd",
    "constructor",
    "a\nb",
    "<!--",
    "\"'`",
]
OBEYED = "\x00\x07\x1b\x7f\x9b\u202e\u2066\u2028\ud800"  # characters that nothing shows


def hostile(path: Path, long: str = "") -> Path:
    """A file with such names of classes, fields and keys, values and messages; `long` is one more of each."""
    names = [*NAMES, *([long] if long else [])]
    values = {name: f"value of {name[:40]}" for name in names}
    row: Any = create_model(f"Row{IMAGE}", __base__=Model, **dict.fromkeys(names, (str, ...)))
    world: Any = create_model(
        f"World{SCRIPT}", __base__=Model,
        rows=(dict[str, row], ShardedMap()), texts=(list[str], Chunk()), **dict.fromkeys(NAMES, (str, ...)),
    )  # fmt: skip
    keys = [*names, "__proto__", ""]
    with Session(path) as session:
        session.add(world(rows={key: row(**values) for key in keys}, texts=keys, **values))
        session.commit(message=SCRIPT + ESCAPES)
    return path

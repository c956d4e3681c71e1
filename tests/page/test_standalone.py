"""The page as one file: nothing in it ends a script or asks for anything, and its policy allows what it needs alone."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from parcode_orm.inspector.page.standalone import ROWS, html

from .hostile import OBEYED, hostile
from .served import game

pytestmark = pytest.mark.once


class Elements(HTMLParser):
    """The elements of a page, and the texts of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.inside = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))
        self.inside = tag
        if tag in self.texts:
            self.texts[tag].append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        if self.inside in self.texts:
            self.texts[self.inside][-1] += data


def test_a_page_with_all_that_it_shows(tmp_path: Path) -> None:
    text = html(game(tmp_path / "game.par"))
    page = Elements(text)
    data, script = page.texts["script"]
    found = json.loads(data)
    assert found["report"]["name"] == "game.par" and found["most"] == ROWS
    assert {path: len(rows["rows"]) for path, rows in found["rows"].items()} == {
        "GameWorld.settings.history": 2, "GameWorld.players": ROWS, "Trade": ROWS,
    }  # fmt: skip
    assert found["rows"]["Trade"]["count"] == 1_000
    (policy,) = [each["content"] for tag, each in page.found if tag == "meta" and "http-equiv" in each]
    assert policy is not None and policy.startswith("default-src 'none'; ") and "unsafe" not in policy
    for content in (script, *page.texts["style"]):
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
    assert str(tmp_path) not in text  # the page goes to others, who need not know it
    links = {each[name] for _, each in page.found for name in ("src", "href") if name in each}
    assert all(link == "#main" or str(link).startswith("data:image/svg+xml;base64,") for link in links)
    names = set(re.findall(r"https?:[^\s\"'`]*", script + page.texts["style"][0]))
    assert names == {"http://www.w3.org/2000/svg"}


@pytest.mark.parametrize("long", ["", "<i>" * 1_000_000])
def test_hostile_names_end_no_script(tmp_path: Path, long: str) -> None:
    plain, nasty = html(game(tmp_path / "game.par")), html(hostile(tmp_path / "hostile.par", long))
    assert [tag for tag, _ in Elements(nasty).found] == [tag for tag, _ in Elements(plain).found]
    data = Elements(nasty).texts["script"][0]
    assert "<" not in data and "pwned" in data and not set(data) & set(OBEYED)
    assert len(nasty) < 500_000

"""Every Python snippet of the README and of docs/ runs, those of one page one after the other in one namespace."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from parcode_orm.format import compression

pytestmark = pytest.mark.once

ROOT = Path(__file__).resolve().parents[1]
SNIPPET = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
DOCUMENTATION = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in DOCUMENTATION if SNIPPET.search(page.read_text("utf-8"))]


def snippets(page: Path) -> list[str]:
    """Each padded with empty lines, so that a traceback names the line of the page."""
    text = page.read_text("utf-8")
    return ["\n" * text.count("\n", 0, found.start(1)) + found[1] for found in SNIPPET.finditer(text)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_snippets_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for registry in ("_by_id", "_by_name"):  # what a page registers is gone after it
        monkeypatch.setattr(compression, registry, dict(getattr(compression, registry)))
    module = ModuleType("snippets_of_" + re.sub(r"\W", "_", page.stem))
    monkeypatch.setitem(sys.modules, module.__name__, module)  # Pydantic looks up annotations there
    for code in snippets(page):
        exec(compile(code, str(page), "exec"), module.__dict__)


def test_the_readme_has_snippets() -> None:
    assert PAGES[0].name == "README.md" and len(snippets(PAGES[0])) >= 5


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", DOCUMENTATION, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?:)([^)]+)\)", page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), target
        assert not anchor or anchor in anchors(there), target


def test_the_readme_names_every_page() -> None:
    linked = re.findall(r"\]\((docs/[^)#]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert {ROOT / link for link in linked} == set(DOCUMENTATION[1:])

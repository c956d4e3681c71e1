"""Every Python snippet of the README and of docs/ runs.

The snippets of one page run one after the other in one namespace. The pages of the guide are one text: a page may use
what an earlier page defined.
"""

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
GUIDE = [ROOT / "docs" / name for name in re.findall(r"guide/\S+\.md", (ROOT / "mkdocs.yml").read_text("utf-8"))]


def has_snippets(pages: list[Path]) -> bool:
    return any(SNIPPET.search(page.read_text("utf-8")) for page in pages)


TEXTS = [pages for pages in (*([page] for page in DOCUMENTATION if page not in GUIDE), GUIDE) if has_snippets(pages)]


def snippets(page: Path) -> list[str]:
    """Each padded with empty lines, so that a traceback names the line of the page."""
    text = page.read_text("utf-8")
    return ["\n" * text.count("\n", 0, found.start(1)) + found[1] for found in SNIPPET.finditer(text)]


@pytest.mark.parametrize("pages", TEXTS, ids=lambda pages: pages[0].relative_to(ROOT).as_posix())
def test_snippets_run(pages: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for registry in ("_by_id", "_by_name"):  # what a page registers is gone after it
        monkeypatch.setattr(compression, registry, dict(getattr(compression, registry)))
    module = ModuleType("snippets_of_" + re.sub(r"\W", "_", pages[0].stem))
    monkeypatch.setitem(sys.modules, module.__name__, module)  # Pydantic looks up annotations there
    for page in pages:
        for code in snippets(page):
            exec(compile(code, str(page), "exec"), module.__dict__)


def test_the_readme_has_snippets() -> None:
    assert len(snippets(ROOT / "README.md")) >= 5


def test_the_navigation_lists_the_guide() -> None:
    assert sorted(GUIDE) == sorted((ROOT / "docs" / "guide").glob("*.md"))

"""README and docs/: every page can be found, every link leads somewhere, every module is there, and prose is narrow."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import parcode_orm

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs").rglob("*.md"))]
PROSE = [*PAGES, ROOT / "CHANGELOG.md", ROOT / "CONTRIBUTING.md"]
WIDTH = 100
LINK = re.compile(r"\]\((?!https?:)([^)]+)\)")


def called(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def targets(page: Path) -> Iterator[tuple[Path, str]]:
    """The page and the heading of each relative link."""
    for target in LINK.findall(page.read_text("utf-8")):
        path, _, anchor = target.partition("#")
        yield ((page.parent / path).resolve() if path else page), anchor


def prose(page: Path) -> Iterator[tuple[int, str]]:
    """The lines of a page outside code blocks and tables, with their numbers."""
    inside = False
    for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside and not line.startswith("|"):
            yield number, line


@pytest.mark.parametrize("page", PROSE, ids=called)
def test_links_lead_somewhere(page: Path) -> None:
    for path, anchor in targets(page):
        assert path.exists(), path
        assert not anchor or anchor in anchors(path), (path, anchor)


def test_links_lead_from_the_readme_to_every_page() -> None:
    found, waiting = {README}, [README]
    while waiting:
        there = {path for path, _ in targets(waiting.pop()) if path.suffix == ".md"} - found
        found |= there
        waiting += there
    assert found >= set(PAGES)


@pytest.mark.parametrize("page", PROSE, ids=called)
def test_lines_of_prose_are_narrow(page: Path) -> None:
    wide = [(number, line) for number, line in prose(page) if len(line) > WIDTH and " " in line.lstrip("- ")]
    assert not wide


def test_the_reference_shows_every_public_name_once() -> None:
    text = (ROOT / "docs" / "reference.md").read_text("utf-8")
    names = re.findall(r"^::: parcode_orm\.(\w+)$", text, re.MULTILINE)
    assert sorted(names) == sorted(
        ["errors", *parcode_orm.__all__]
    )  # `errors` is the module, whose text draws the tree


def spans(page: Path) -> set[str]:
    """What stands between backquotes in the prose of a page."""
    return set(re.findall(r"`([^`]+)`", "\n".join(line for _, line in prose(page))))


FOLDERS = ("parcode_orm", "tests", "examples")
FILES = {path.name for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")} | {"hatch_build.py", "toxfile.py"}
FOREIGN = {"fastapi/encoders.py"}


@pytest.mark.parametrize("page", PAGES, ids=called)
def test_modules_that_a_page_names_are_there(page: Path) -> None:
    modules = {span for span in spans(page) if re.fullmatch(r"[\w/]+\.py", span)} - FOREIGN
    assert {module for module in modules if module.rpartition("/")[2] not in FILES} == set()


def test_the_classes_and_functions_of_the_architecture_are_there() -> None:
    source = "\n".join(path.read_text("utf-8") for path in (ROOT / "parcode_orm").rglob("*.py"))
    names = {span for span in spans(ROOT / "docs" / "architecture.md") if re.fullmatch(r"\w+(\.\w+)*", span)}
    named = {part for name in names if not name.endswith((".py", ".md")) for part in name.split(".")}
    assert named - set(re.findall(r"\w+", source)) - {"GameWorld", "inventory"} == set()

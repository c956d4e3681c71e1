"""The page in a browser: what a person sees and does, by mouse and keyboard, in light and dark, wide and narrow.

`tox -e page` runs these. Each test fails on an error in the console, and on a request to anywhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Session
from parcode_orm.inspector.page.server import Server
from parcode_orm.inspector.page.standalone import html

from .hostile import IMAGE, SCRIPT, hostile
from .served import GameWorld, game, serving

playwright = pytest.importorskip("playwright.sync_api")
pytestmark = pytest.mark.once

VIEWS = {
    "size": "#/size", "part": "#/size?part=0", "rows": "#/data?path=Trade", "object": "#/data?path=GameWorld",
    "hero": "#/data?path=players%5B%22Hero123%22%5D&show=history", "schema": "#/schema", "commits": "#/commits",
    "changes": "#/changes?a=1&b=3", "damage": "#/damage", "nothing": "#/data?path=Nothing",
}  # fmt: skip
Open = Callable[..., Any]


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from .browser import installed

    path = installed()
    if path is None:
        pytest.skip("no Chromium is installed")
    with playwright.sync_playwright() as started:
        found = started.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(game(tmp_path_factory.mktemp("page") / "savegame.par")) as found:
        yield found


@pytest.fixture
def open_page(browser: Any) -> Iterator[Open]:
    """Opens an address; what the console says, and requests to elsewhere, fail the test at its end."""
    wrong: list[str] = []
    contexts = []

    def opened(url: str, *, width: int = 1200, dark: bool = False) -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(10_000)
        home = url.partition("#")[0]
        page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda problem: wrong.append(str(problem)))
        page.on("request", lambda sent: None if sent.url.startswith((home, "data:")) else wrong.append(sent.url))
        page.goto(url)
        page.wait_for_selector("main > *:not(noscript)")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert [each for each in wrong if "status of 4" not in each] == []


def until(page: Any, condition: str) -> None:
    """Wait for a condition. Playwright's own way evaluates text in the page, which its policy forbids."""
    for _ in range(400):
        if page.evaluate(condition):
            return
        page.wait_for_timeout(25)
    raise AssertionError(f"{condition}: {page.locator('main').inner_text()[:2000]}")


def go(page: Any, address: str) -> None:
    """Go to a view, and wait for it."""
    page.evaluate(
        "to => { location.hash = to; document.getElementById('main').setAttribute('aria-busy', 'true'); }", address
    )
    until(page, "document.getElementById('main').getAttribute('aria-busy') === null")
    page.wait_for_timeout(30)  # for what is drawn once its place has a size


def texts(page: Any, selector: str) -> list[str]:
    """The texts of elements."""
    found: list[str] = page.locator(selector).all_inner_texts()
    return [" ".join(each.split()) for each in found]


def test_the_address_gives_the_token_once(server: Server, open_page: Open, browser: Any) -> None:
    page = open_page(server.url)
    assert page.url == f"http://127.0.0.1:{server.server_port}/"  # the history of the browser has no token
    page.reload()
    page.wait_for_selector(".treemap")
    other = page.context.new_page()
    other.goto(page.url + VIEWS["schema"])
    other.wait_for_selector(".class")
    stranger = browser.new_context().new_page()
    stranger.goto(page.url)
    assert "token is missing or wrong" in stranger.locator(".problem").inner_text()
    stranger.context.close()


MISFITS = """() => {
  const map = document.querySelector(".treemap").getBoundingClientRect();
  const { entry } = wayTo(asked().given.part ?? "").at(-1);
  const parts = new Map(partsOf(entry, asked().given.part ?? "").map((each) => [each.part, each.entry.stored]));
  const all = [...parts.values()].reduce((sum, stored) => sum + stored, 0);
  return [...document.querySelectorAll(".tile:not(.inner)")].filter((tile) => {
    const box = tile.getBoundingClientRect();
    const inside = box.left > map.left - 1 && box.right < map.right + 1 && box.bottom < map.bottom + 1;
    const share = (box.width * box.height) / (map.width * map.height);
    return !inside || Math.abs(share - parts.get(tile.dataset.part) / all) > 0.01;
  }).map((tile) => tile.ariaLabel);
}"""  # tiles that lie outside, or whose area is not their share


def test_the_treemap_by_keyboard_and_mouse(server: Server, open_page: Open) -> None:
    page = open_page(server.url)
    assert page.title() == "Size · savegame.par"
    first = page.locator(".treemap .tile[tabindex='0']")
    assert first.count() == 1  # one stop for the Tab key
    page.locator(".tile[aria-label^='GameWorld,']").focus()
    assert page.locator(".details h3").inner_text() == "GameWorld"
    page.keyboard.press("Enter")
    until(page, "location.hash.includes('part=')")
    assert "GameWorld" in texts(page, ".crumbs li") and "players" in texts(page, ".parts tbody th")
    until(page, "document.activeElement.classList.contains('tile')")  # the keyboard goes on from there
    before = page.evaluate("document.activeElement.getAttribute('aria-label')")
    for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
        page.keyboard.press(key)
        assert page.evaluate("document.activeElement.classList.contains('tile')")
        if page.evaluate("document.activeElement.getAttribute('aria-label')") != before:
            break
    else:
        raise AssertionError("no arrow key moved")
    page.keyboard.press("Escape")
    until(page, "!location.hash.includes('part=') && document.activeElement.classList.contains('tile')")
    page.locator(".parts a", has_text="GameWorld").click()
    page.locator(".parts a", has_text="players").click()
    until(page, "document.querySelectorAll('.crumbs li').length === 3")
    assert "level" in texts(page, ".parts tbody th")
    assert page.evaluate(MISFITS) == []
    page.locator(".details a", has_text="The data").click()
    page.wait_for_selector("table.data")


def test_rows_filter_sort_and_page(server: Server, open_page: Open) -> None:
    page = open_page(server.url)
    go(page, VIEWS["rows"])
    assert texts(page, ".paging > span >> nth=0") == ["Rows 1 to 50 of 1,000"]
    page.locator(".paging a", has_text="Next").first.click()
    until(page, "document.querySelector('.paging span').innerText.startsWith('Rows 51')")
    page.get_by_role("button", name="price").click()
    page.wait_for_selector("th[aria-sort=ascending]")
    page.get_by_role("button", name="price").click()
    page.wait_for_selector("th[aria-sort=descending]")
    assert page.evaluate("document.activeElement.textContent").startswith("price")  # the keyboard stays where it was
    assert texts(page, "tbody tr:first-child td >> nth=2") == ["96"]
    page.get_by_label("Filter").fill('price > 60 and buyer == "Hero3"')
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.paging span')?.innerText.includes('(of 1,000)')")
    assert set(texts(page, "tbody td:nth-child(3)")) == {"Hero3"}
    page.get_by_label("Filter").fill("price > 90 and prise < 3")
    page.keyboard.press("Enter")
    page.wait_for_selector(".said .problem")
    line, mark = page.locator(".said pre").inner_text().split("\n")
    assert line[mark.index("^") :].startswith("prise") and page.get_by_label("Filter").get_attribute("aria-invalid")
    page.locator("a", has_text="Clear").click()
    page.wait_for_selector("tbody th a")
    page.locator("tbody th a").first.click()
    page.wait_for_selector("[role=tree]")
    assert texts(page, ".tree .name") == ["id", "buyer", "price"]


def test_an_object_as_a_tree_by_keyboard(server: Server, open_page: Open) -> None:
    page = open_page(server.url)
    go(page, VIEWS["object"])
    assert texts(page, ".tree .name") == ["name", "settings", "terrain", "players"]
    page.locator("[role=treeitem][tabindex='0']").focus()
    page.keyboard.press("End")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".tree .tree, .tree ul .more")
    assert page.locator(".tree ul > [role=treeitem]").count() == 101
    page.keyboard.press("End")
    page.keyboard.press("Enter")  # a hundred more
    until(page, "document.querySelectorAll('.tree ul > [role=treeitem]').length === 201")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector(".tree ul ul")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.querySelector('.name').textContent") == "level"
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.evaluate("document.activeElement.getAttribute('aria-expanded')") == "false"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector("pre.dump")
    assert page.locator("pre.dump").inner_text().startswith("00000000  00 00")


def test_history_and_changes(server: Server, open_page: Open) -> None:
    page = open_page(server.url)
    go(page, VIEWS["hero"])
    page.wait_for_selector(".history li")
    assert texts(page, ".history .head a") == ["Commit 3", "Commit 2", "Commit 1"]
    assert (
        texts(page, ".history > li:first-child .change >> nth=0") == ["~changedlevel 25→26"]
        or "25" in texts(page, ".change")[0]
    )
    page.locator(".history a", has_text="Commit 2").click()
    page.wait_for_selector(".then")
    assert "As of commit 2" in page.locator(".then").inner_text()
    go(page, VIEWS["commits"])
    page.get_by_label("Changes of commit 2").click()
    page.wait_for_selector(".changes li")
    assert "Hero123" in texts(page, ".changes .where")[0]
    page.get_by_label("From commit").fill("3")
    page.get_by_role("button", name="Compare").click()
    until(page, "document.querySelector('.lead').innerText.includes('From commit 3')")


def test_commits_are_drawn(server: Server, open_page: Open) -> None:
    page = open_page(server.url)
    go(page, VIEWS["commits"])
    assert page.locator(".chart g").count() == 3
    page.locator(".chart").focus()
    page.keyboard.press("Home")
    assert page.locator(".readout").inner_text().startswith("Commit 1 ")
    page.keyboard.press("ArrowRight")
    assert page.locator(".readout").inner_text().startswith("Commit 2 ")


def test_the_schema_leads_from_class_to_class(server: Server, open_page: Open) -> None:
    page = open_page(server.url)
    go(page, VIEWS["schema"])
    assert texts(page, ".class h3 > code") == ["GameWorld", "Trade", "Player", "WorldSettings"]
    assert "Key" in page.locator(".class", has_text="Trade").inner_text()
    page.locator(".class", has_text="GameWorld").locator("a", has_text="Data").first.click()
    page.wait_for_selector("[role=tree]")


def test_damage_is_looked_for_on_demand(server: Server, open_page: Open) -> None:
    page = open_page(server.url)
    go(page, VIEWS["damage"])
    page.get_by_role("button", name="Verify every byte").click()
    page.wait_for_selector(".result .good")


def test_a_newer_commit_shows_a_bar(tmp_path: Path, open_page: Open) -> None:
    path = game(tmp_path / "savegame.par")
    with serving(path) as server:
        page = open_page(server.url)
        with Session(path) as session:
            session.root(GameWorld).name = "Elsewhere"
            session.commit()
        page.evaluate("watch()")
        page.wait_for_selector("#newer")
        assert page.locator("#newer").inner_text().startswith("Commit 4 is there")
        page.get_by_role("button", name="Show it").click()
        until(page, "document.getElementById('facts').innerText.includes('4 commits')")
        go(page, "#/data?path=GameWorld.name")
        assert page.locator("pre.text").inner_text() == "Elsewhere"


CONTRAST = """() => {
  const pen = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (color, under) => {
    pen.fillStyle = `rgb(${under.join(" ")})`; pen.fillRect(0, 0, 1, 1);
    pen.fillStyle = color; pen.fillRect(0, 0, 1, 1);
    return [...pen.getImageData(0, 0, 1, 1).data.slice(0, 3)];
  };
  const light = (color) => color.map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4))
    .reduce((sum, part, at) => sum + part * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    const above = element.parentElement === null ? [255, 255, 255] : behind(element.parentElement);
    return rgb(getComputedStyle(element).backgroundColor, above);
  };
  const wrong = [];
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
    if (!own || element.closest("svg, .unseen, [aria-hidden=true], noscript") !== null) continue;
    if (element.checkVisibility() === false) continue;
    const under = behind(element);
    const style = getComputedStyle(element);
    const [one, other] = [light(rgb(style.color, under)), light(under)].sort((a, b) => b - a);
    const ratio = (one + 0.05) / (other + 0.05);
    if (ratio < 4.5) wrong.push(`${element.className} ${element.textContent.slice(0, 30)} ${ratio.toFixed(2)}`);
  }
  return wrong;
}"""  # texts whose contrast is below that of WCAG 2.2 AA
NAMELESS = """() => [...document.querySelectorAll("a, button, input")]
  .filter((each) => each.checkVisibility() && !(each.ariaLabel || each.innerText.trim() || each.labels?.length))
  .map((each) => each.outerHTML)"""  # what a screen reader has no word for


@pytest.mark.parametrize(("width", "dark"), [(1200, False), (1200, True), (360, False), (360, True)])
def test_every_view_is_readable(server: Server, open_page: Open, width: int, dark: bool) -> None:
    page = open_page(server.url, width=width, dark=dark)
    for name, address in VIEWS.items():
        go(page, address)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(CONTRAST) == [], name
        assert page.evaluate(NAMELESS) == [], name


def test_hostile_names_stay_text(tmp_path: Path, open_page: Open) -> None:
    path = hostile(tmp_path / "a.par")
    (tmp_path / "out.html").write_text(html(path), "utf-8")
    with serving(path) as server:
        for url in (server.url, (tmp_path / "out.html").as_uri()):
            page = open_page(url)
            paths = page.evaluate("state.data.collections.map(each => each.path)")
            addresses = [page.evaluate("path => address('data', { path })", path) for path in paths]
            for address in [
                VIEWS["size"],
                VIEWS["schema"],
                VIEWS["commits"],
                VIEWS["changes"],
                *addresses,
                "#/constructor",
                "#/data?path=__proto__",
            ]:
                go(page, address)
                assert page.locator("main img, main script, main iframe, main b").count() == 0
                assert "pwned" not in page.title()
                assert all(
                    href.startswith("#/")
                    for href in page.evaluate(
                        "[...document.querySelectorAll('main a')].map(each => each.getAttribute('href'))"
                    )
                )
            go(page, addresses[1])
            assert {SCRIPT, IMAGE} <= set(texts(page, "tbody th"))


def test_one_file_without_a_server(server: Server, tmp_path: Path, open_page: Open) -> None:
    (tmp_path / "out.html").write_text(html(server.answers.path), "utf-8")
    page = open_page((tmp_path / "out.html").as_uri(), width=360)
    for name in ("size", "part", "rows", "schema", "commits", "damage"):
        go(page, VIEWS[name])
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, name
        assert page.locator("main .problem").count() == 0, name
        for link in page.locator("main a[href^='#/data']").all():  # only to what the page has
            assert "path=Trade" in link.get_attribute("href") or "path=GameWorld." in link.get_attribute("href"), name
    go(page, VIEWS["rows"])
    assert "first 200 of 1,000 rows" in page.locator(".said").inner_text()
    page.get_by_label("Filter").fill("hero33")
    page.keyboard.press("Enter")
    until(page, "document.querySelector('.paging span').innerText.startsWith('Rows 1 to 4 of 4')")
    page.get_by_role("button", name="price").click()
    page.wait_for_selector("th[aria-sort=ascending]")

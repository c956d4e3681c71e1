"""FastAPI: endpoints return lazy lists, maps and objects, with and without a response model, from a pool of threads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from parcode_orm import Chunk, Model, Session, ShardedMap, load, save

fastapi = pytest.importorskip("fastapi")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Tag(Model):
    name: str


class Item(Model):
    number: int
    tags: list[Tag] = Chunk()


class Shop(Model):
    items: list[Item] = Chunk()
    by_name: dict[str, Item] = ShardedMap()
    counts: list[int] = Chunk()
    pairs: list[tuple[int, int]] = Chunk()
    nothing: list[int] = Chunk()
    no_names: dict[str, int] = Chunk()


def item(number: int) -> Item:
    return Item(number=number, tags=[Tag(name=f"tag {number}")])


SHOP = Shop(
    items=[item(n) for n in range(300)],
    by_name={f"item {n}": item(n) for n in range(300)},
    counts=[1, 2, 3],
    pairs=[(1, 2), (3, 4)],
    nothing=[],
    no_names={},
)
RESULTS: dict[str, tuple[Callable[[Shop], Any], Any]] = {
    "root": (lambda shop: shop, Shop),
    "row": (lambda shop: shop.items[7], Item),
    "list": (lambda shop: shop.items, list[Item]),
    "slice": (lambda shop: shop.items[3:5], list[Item]),
    "small_list": (lambda shop: shop.items[7].tags, list[Tag]),
    "map": (lambda shop: shop.by_name, dict[str, Item]),
    "value": (lambda shop: shop.by_name["item 9"], Item),
    "numbers": (lambda shop: shop.counts, list[int]),
    "pairs": (lambda shop: shop.pairs, list[tuple[int, int]]),
    "empty_list": (lambda shop: shop.nothing, list[int]),
    "empty_map": (lambda shop: shop.no_names, dict[str, int]),
    "nested": (lambda shop: {"found": shop.counts, "of": [shop.pairs, shop.items[7]]}, dict[str, Any]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "shop.par"
    save(found, SHOP)
    return found


def client_of(app: Any) -> Any:
    from fastapi.testclient import TestClient

    return TestClient(app)


@pytest.fixture(params=["read-only", "writable"])
def shop(path: Path, request: pytest.FixtureRequest) -> Iterator[Shop]:
    with Session(path, read_only=request.param == "read-only") as session:
        yield session.root(Shop)


def get(client: Any, address: str) -> Any:
    answer = client.get(address)
    assert answer.status_code == 200, answer.text
    return answer.json()


@pytest.mark.parametrize("name", RESULTS)
@pytest.mark.parametrize("asynchronous", [False, True])
def test_an_endpoint_returns_what_is_lazy(shop: Shop, name: str, asynchronous: bool) -> None:
    take, model = RESULTS[name]
    app = fastapi.FastAPI()

    def sync_endpoint():  # type: ignore[no-untyped-def]
        return take(shop)

    async def async_endpoint():  # type: ignore[no-untyped-def]
        return take(shop)

    endpoint = async_endpoint if asynchronous else sync_endpoint
    app.get("/plain")(endpoint)
    app.get("/none", response_model=None)(endpoint)
    app.get("/model", response_model=model)(endpoint)
    client = client_of(app)
    wanted = TypeAdapter(Any).dump_python(take(SHOP), mode="json")
    for address in ("/plain", "/none", "/model"):
        assert get(client, address) == wanted


def test_many_requests_share_a_session(path: Path) -> None:
    app = fastapi.FastAPI()
    with Session.open(path) as session:

        @app.get("/items/{number}")
        def read(number: int) -> Item:
            return session.root(Shop).items[number]

        @app.get("/names/{number}")
        def find(number: int):  # type: ignore[no-untyped-def]
            return session.root(Shop).by_name[f"item {number}"]

        client = client_of(app)
        with ThreadPoolExecutor(8) as pool:
            for kind in ("items", "names"):
                numbers = [n % 50 for n in range(200)]
                found = pool.map(lambda n, kind=kind: get(client, f"/{kind}/{n}"), numbers)  # type: ignore[misc]
                assert list(found) == [item(n).model_dump() for n in numbers]


def test_a_session_for_each_request_writes(path: Path) -> None:
    """Its dependency begins, is used and ends in threads of a pool."""
    app = fastapi.FastAPI()

    def session() -> Iterator[Session]:
        with Session(path) as opened:
            yield opened

    @app.post("/counts/{number}")
    def count(number: int, session: Session = fastapi.Depends(session)):  # type: ignore[no-untyped-def]  # noqa: B008
        for attempt in session.attempts(20):
            with attempt:
                session.root(Shop).counts.append(number)
                session.commit()
        return session.root(Shop).counts

    client = client_of(app)
    assert client.post("/counts/4").json() == [1, 2, 3, 4]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: client.post(f"/counts/{n}").status_code, range(10, 20)))
    assert answers == [200] * 10
    assert sorted(load(path, Shop).counts) == [1, 2, 3, 4, *range(10, 20)]

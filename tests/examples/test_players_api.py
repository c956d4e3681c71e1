"""The FastAPI example under load: a thousand requests, fifty at once, of which some write."""

from __future__ import annotations

import asyncio
import random
import socket
from pathlib import Path
from typing import Any

import httpx
import pytest

from parcode_orm import Session, func, select, verify

uvicorn = pytest.importorskip("uvicorn")
pytestmark = pytest.mark.once

REQUESTS, AT_ONCE = 1000, 50


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    from examples import players_api

    monkeypatch.setattr(players_api, "PATH", str(tmp_path / "players.par"))
    return players_api


def test_every_request_is_answered_and_every_read_is_of_one_commit(api: Any) -> None:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        totals = asyncio.run(ask_all(api.app, listening))
    commits = [each["commit"] for each in totals]
    assert {each["gold"] for each in totals} == {4000}  # a read between the halves of a gift would differ
    assert len(set(commits)) > 20
    with Session.open(api.PATH) as session:
        assert session.snapshot is not None and session.snapshot.sequence == 1 + REQUESTS // 10
        assert session.scalar(select(func.sum(api.Player.gold)).select_from(api.Player)) == 4000
    assert verify(api.PATH).ok


async def ask_all(app: Any, listening: socket.socket) -> list[dict[str, int]]:
    """Every tenth request moves gold; the others ask what all have. What these were told."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    serving = asyncio.create_task(server.serve([listening]))
    while not server.started:
        await asyncio.sleep(0.01)
    rng, turns = random.Random(7), asyncio.Semaphore(AT_ONCE)
    writer, totals = asyncio.Lock(), []
    address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:

        async def ask(number: int) -> None:
            async with turns:
                if number % 10:
                    answer = await client.get("/total")
                    totals.append(answer.json())
                else:
                    giver, taker = rng.sample(["ann", "bea", "cem", "dan"], 2)
                    async with writer:
                        answer = await client.post("/gifts", json={"giver": giver, "taker": taker, "gold": 1})
                assert answer.status_code == 200, answer.text

        await asyncio.gather(*map(ask, range(REQUESTS)))
        assert (await client.get("/players/eve")).status_code == 404
        assert (await client.post("/players", json={"name": "ann", "gold": 1})).status_code == 409
        names = [each["name"] for each in (await client.get("/players")).json()]
        assert names == ["ann", "bea", "cem", "dan"]
    server.should_exit = True
    await serving
    return totals

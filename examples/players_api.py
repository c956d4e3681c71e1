"""A FastAPI application over one file: a session for each request, reads at a commit, writes that are repeated.

    pip install ".[examples]" && uvicorn examples.players_api:app

`PLAYERS` in the environment names the file, `players.par` without it.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

from parcode_orm import IntegrityError, Key, Model, NoResultFound, func, select
from parcode_orm.interop.aio import AsyncSession

PATH = os.environ.get("PLAYERS", "players.par")


class Player(Model):
    name: str = Key()
    gold: int = 0


class Gift(BaseModel):
    giver: str
    taker: str
    gold: int


class Total(BaseModel):
    commit: int
    players: int
    gold: int


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with AsyncSession(PATH) as session:
        if not await session.entities():
            await session.add_all([Player(name=name, gold=1000) for name in ("ann", "bea", "cem", "dan")])
            await session.commit("the first players")
    yield


async def reading() -> AsyncIterator[AsyncSession]:
    """A session that reads the newest commit, for one request."""
    async with AsyncSession.open(PATH) as session:
        yield session


async def writing() -> AsyncIterator[AsyncSession]:
    """A session that writes, for one request."""
    async with AsyncSession(PATH) as session:
        yield session


Reading = Annotated[AsyncSession, Depends(reading)]
Writing = Annotated[AsyncSession, Depends(writing)]
app = FastAPI(title="Players", lifespan=lifespan)


@app.get("/players")
async def players(session: Reading, at_least: int = 0) -> list[Player]:
    return await session.scalars(select(Player).where(Player.gold >= at_least).order_by(Player.name)).all()


@app.get("/players/{name}")
async def player(name: str, session: Reading) -> Player:
    found = await session.get(Player, name)
    if found is None:
        raise HTTPException(404, f"there is no player {name}")
    return found


@app.post("/players", status_code=201)
async def join(player: Player, session: Writing) -> Player:
    try:
        async for attempt in session.attempts(20):
            async with attempt:
                await session.add(Player(name=player.name, gold=player.gold))
                await session.commit()
    except IntegrityError as error:
        raise HTTPException(409, str(error)) from None
    return player


@app.post("/gifts")
async def give(gift: Gift, session: Writing) -> Gift:
    """Move gold from one player to another. If another request commits first, it is done again on that commit."""
    async for attempt in session.attempts(20):
        async with attempt:
            try:
                giver = await session.get_one(Player, gift.giver)
                taker = await session.get_one(Player, gift.taker)
            except NoResultFound as error:
                raise HTTPException(404, str(error)) from None
            if giver.gold < gift.gold:
                raise HTTPException(409, f"{giver.name} has {giver.gold} gold")
            giver.gold -= gift.gold
            taker.gold += gift.gold
            await session.commit()
    return gift


@app.get("/total")
async def total(session: Reading) -> Total:
    """What all players have, at one commit."""
    snapshot = await session.snapshot
    assert snapshot is not None
    found = await session.execute(select(func.count(), func.sum(Player.gold)).select_from(Player)).one()
    return Total(commit=snapshot.sequence, players=found[0], gold=found[1])

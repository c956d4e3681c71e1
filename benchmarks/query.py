"""The `query` workload: questions on one table of many rows, beside a Python loop and other stores with the same rows.

Warm: the store is open and was asked before. Cold: it is opened and asked once. Each answer is compared with ours. Who
returns objects returns what its users would get: lazy objects of ours, entities of SQLAlchemy, dictionaries elsewhere.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.measure import clock, machine, number, say, sweep, table
from parcode_orm import Chunk, Index, Key, Model, Session, desc, explain, func, save, select

GUILDS = 200
REALMS = 20
LEVELS = 1000
WANTED = 417
ROUNDS = 5
BATCH = 50_000
SCORE = 1250  # below it is one row in 100
QUESTIONS = {
    "get": "one object by its key",
    "range": "objects with a score below 1,250, one in 100",
    "filter": "objects with level = 417, one in 1,000",
    "text": "objects of one guild of 200, by its name",
    "top": "the 10 objects with the highest score of one guild",
    "average": "the average score of each guild",
    "sum": "the sum of all levels",
    "join": "the average score of each realm of 20, which another table has for each guild",
}


class Hero(Model):
    id: int
    name: str
    level: int
    score: float
    guild: str


class Guild(Model):
    name: str
    realm: str


class Heroes(Model):
    rows: list[Hero] = Chunk()
    guilds: list[Guild] = Chunk()


class Stored(Model):
    id: int = Key()
    name: str
    level: int
    score: float = Index()
    guild: str


class StoredGuild(Model):
    name: str = Key()
    realm: str


def data(count: int) -> Iterator[dict[str, Any]]:
    """The rows, the same each time."""
    state = 12345
    for place in range(count):
        state = (state * 6364136223846793005 + 1442695040888963407) & ((1 << 64) - 1)
        random = state >> 33
        yield {
            "id": place,
            "name": f"hero number {place}",
            "level": random % LEVELS,
            "score": (random % 1_000_003) / 8,
            "guild": f"guild {random // LEVELS % GUILDS}",
        }


def guilds() -> list[dict[str, str]]:
    """The guilds, each of one realm."""
    return [{"name": f"guild {number}", "realm": f"realm {number % REALMS}"} for number in range(GUILDS)]


GUILD, ID = "guild 17", 777
Answer = Callable[[], Any]


class Store:
    """The rows in one store: `open` gives the questions as functions, and `close` forgets what was opened."""

    name = ""

    def __init__(self, directory: Path) -> None:
        self.path = directory / self.name.split()[0].lower()

    def write(self, count: int) -> None:
        """Store the rows."""

    def open(self) -> Mapping[str, Answer]:
        """Open the file."""
        raise TypeError(self.name)

    def close(self) -> None:
        """Close it."""


class Ours(Store):
    name = "Parcode ORM"

    def write(self, count: int) -> None:
        save(self.path, Heroes(rows=(Hero(**row) for row in data(count)), guilds=[Guild(**row) for row in guilds()]))

    def open(self) -> Mapping[str, Answer]:
        self.session = session = Session.open(self.path)
        rows, realms = session.root(Heroes).rows, session.root(Heroes).guilds
        top = select(rows).where(Hero.guild == GUILD).order_by(desc(Hero.score)).limit(10)
        means = select(Hero.guild, func.avg(Hero.score)).select_from(rows).group_by(Hero.guild)
        joined = select(Guild.realm, func.avg(Hero.score)).select_from(rows).join(realms, Hero.guild == Guild.name)
        joined = joined.group_by(Guild.realm)
        self.statements = {
            "filter": select(rows).where(Hero.level == WANTED),
            "text": select(rows).where(Hero.guild == GUILD),
            "top": top,
            "average": means,
            "sum": select(func.sum(Hero.level)).select_from(rows),
            "get": select(rows).where(Hero.id == ID),
            "range": select(rows).where(Hero.score < SCORE),
        }
        return {
            **{
                name: lambda name=name: session.scalars(self.statements[name]).all()
                for name in ("get", "range", "filter", "text", "top")
            },
            "average": lambda: dict(session.execute(means).all()),
            "sum": lambda: session.scalar(self.statements["sum"]),
            "join": lambda: dict(session.execute(joined).all()),
        }

    def close(self) -> None:
        self.session.close()


class Entities(Store):
    name = "Parcode ORM, entities"

    def __init__(self, directory: Path) -> None:
        self.path = directory / "entities"

    def write(self, count: int) -> None:
        with Session(self.path) as session:
            session.add_all(Stored(**row) for row in data(count))
            session.add_all(StoredGuild(**row) for row in guilds())
            session.commit()

    def open(self) -> Mapping[str, Answer]:
        self.session = session = Session.open(self.path)
        by_guild = select(Stored).where(Stored.guild == GUILD)
        statements = {
            "range": select(Stored).where(Stored.score < SCORE),
            "filter": select(Stored).where(Stored.level == WANTED),
            "text": by_guild,
            "top": by_guild.order_by(desc(Stored.score)).limit(10),
        }
        means = select(Stored.guild, func.avg(Stored.score)).group_by(Stored.guild)
        joined = select(StoredGuild.realm, func.avg(Stored.score)).join(Stored, Stored.guild == StoredGuild.name)
        joined = joined.group_by(StoredGuild.realm)
        return {
            "get": lambda: [session.get_one(Stored, ID)],
            **{name: lambda each=each: session.scalars(each).all() for name, each in statements.items()},
            "average": lambda: dict(session.execute(means).all()),
            "sum": lambda: session.scalar(select(func.sum(Stored.level))),
            "join": lambda: dict(session.execute(joined).all()),
        }

    def close(self) -> None:
        self.session.close()


class Loop(Ours):
    """A loop over the lazy list, in Python."""

    name = "Python loop"

    def open(self) -> Mapping[str, Answer]:
        super().open()
        rows = self.session.root(Heroes).rows
        realms = {guild["name"]: guild["realm"] for guild in guilds()}
        return {
            "get": lambda: [row for row in rows if row.id == ID],
            "range": lambda: [row for row in rows if row.score < SCORE],
            "filter": lambda: [row for row in rows if row.level == WANTED],
            "text": lambda: [row for row in rows if row.guild == GUILD],
            "top": lambda: sorted((row for row in rows if row.guild == GUILD), key=lambda row: -row.score)[:10],
            "average": lambda: means((row.guild, row.score) for row in rows),
            "sum": lambda: sum(row.level for row in rows),
            "join": lambda: means((realms[row.guild], row.score) for row in rows),
        }


def means(pairs: Iterable[tuple[str, float]]) -> dict[str, float]:
    """The mean of the values of each key."""
    found: dict[str, list[float]] = {}
    for key, value in pairs:
        found.setdefault(key, []).append(value)
    return {key: sum(values) / len(values) for key, values in found.items()}


class Alchemy(Store):
    name = "SQLAlchemy + SQLite"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        # The annotations are evaluated in the module, where the names of this function are not.
        columns = {name: mapped_column() for name in ("name", "level", "score", "guild")}
        types = {
            "id": Mapped[int],
            "name": Mapped[str],
            "level": Mapped[int],
            "score": Mapped[float],
            "guild": Mapped[str],
        }
        columns["id"] = mapped_column(primary_key=True)
        columns["score"] = mapped_column(index=True)
        self.row: Any = type("HeroRow", (Base,), {"__tablename__": "heroes", "__annotations__": types, **columns})
        keys = {"name": mapped_column(primary_key=True), "realm": mapped_column()}
        kinds = {"name": Mapped[str], "realm": Mapped[str]}
        self.guild: Any = type("GuildRow", (Base,), {"__tablename__": "guilds", "__annotations__": kinds, **keys})
        self.create = lambda: create_engine(f"sqlite:///{self.path}")

    def write(self, count: int) -> None:
        from sqlalchemy import insert

        engine = self.create()
        self.row.metadata.create_all(engine)
        batch = []
        with engine.begin() as connection:
            connection.execute(insert(self.guild), guilds())
            for row in data(count):
                batch.append(row)
                if len(batch) == BATCH:
                    connection.execute(insert(self.row), batch)
                    batch = []
            if batch:
                connection.execute(insert(self.row), batch)
        engine.dispose()

    def open(self) -> Mapping[str, Answer]:
        from sqlalchemy import func as sql
        from sqlalchemy import select as sql_select
        from sqlalchemy.orm import Session as SqlSession

        row, guild = self.row, self.guild
        self.engine = self.create()
        self.session = session = SqlSession(self.engine)

        def objects(statement: Any) -> Answer:
            def ask() -> Any:
                session.expunge_all()
                return session.scalars(statement).all()

            return ask

        by_guild = sql_select(row).where(row.guild == GUILD)
        joined = sql_select(guild.realm, sql.avg(row.score)).join(guild, row.guild == guild.name).group_by(guild.realm)
        return {
            "get": objects(sql_select(row).where(row.id == ID)),
            "range": objects(sql_select(row).where(row.score < SCORE)),
            "filter": objects(sql_select(row).where(row.level == WANTED)),
            "text": objects(by_guild),
            "top": objects(by_guild.order_by(row.score.desc()).limit(10)),
            "average": lambda: dict(
                session.execute(sql_select(row.guild, sql.avg(row.score)).group_by(row.guild)).tuples().all()
            ),
            "sum": lambda: session.scalar(sql_select(sql.sum(row.level))),
            "join": lambda: dict(session.execute(joined).tuples().all()),
        }

    def close(self) -> None:
        self.session.close()
        self.engine.dispose()


class Duck(Store):
    name = "DuckDB"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        import duckdb

        self.connect = lambda: duckdb.connect(str(self.path))

    def write(self, count: int) -> None:
        import csv

        rows = self.path.with_suffix(".csv")
        with rows.open("w", newline="") as file:
            writer = csv.DictWriter(file, list(Hero.model_fields))
            writer.writeheader()
            writer.writerows(data(count))
        connection = self.connect()
        connection.execute(
            "create table heroes (id bigint, name varchar, level bigint, score double, guild varchar);"
            f"copy heroes from '{rows}' (header); create table guilds (name varchar, realm varchar)"
        )
        connection.executemany("insert into guilds values (?, ?)", [list(row.values()) for row in guilds()])
        connection.close()
        rows.unlink()

    def open(self) -> Mapping[str, Answer]:
        self.connection = connection = self.connect()

        def objects(where: str, *given: Any) -> Answer:
            def ask() -> Any:
                found = connection.execute(f"select * from heroes where {where}", given)
                names = [column[0] for column in found.description]
                return [dict(zip(names, row, strict=True)) for row in found.fetchall()]

            return ask

        return {
            "get": objects("id = ?", ID),
            "range": objects("score < ?", SCORE),
            "filter": objects("level = ?", WANTED),
            "text": objects("guild = ?", GUILD),
            "top": objects("guild = ? order by score desc limit 10", GUILD),
            "average": lambda: dict(
                connection.execute("select guild, avg(score) from heroes group by guild").fetchall()
            ),
            "sum": lambda: connection.execute("select sum(level) from heroes").fetchone()[0],
            "join": lambda: dict(
                connection.execute(
                    "select realm, avg(score) from heroes join guilds on guild = guilds.name group by realm"
                ).fetchall()
            ),
        }

    def close(self) -> None:
        self.connection.close()


class Polars(Store):
    name = "Polars, Parquet"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        import polars

        self.polars: Any = polars

    def write(self, count: int) -> None:
        self.polars.DataFrame(data(count)).write_parquet(self.path)
        self.polars.DataFrame(guilds()).write_parquet(self.path.with_suffix(".guilds"))

    def open(self) -> Mapping[str, Answer]:
        column = self.polars.col
        rows = self.polars.scan_parquet(self.path)
        of_guild = rows.filter(column("guild") == GUILD)
        grouped = rows.group_by("guild").agg(column("score").mean())
        realms = self.polars.scan_parquet(self.path.with_suffix(".guilds"))
        joined = rows.join(realms, left_on="guild", right_on="name").group_by("realm").agg(column("score").mean())
        return {
            "get": lambda: rows.filter(column("id") == ID).collect().to_dicts(),
            "range": lambda: rows.filter(column("score") < SCORE).collect().to_dicts(),
            "filter": lambda: rows.filter(column("level") == WANTED).collect().to_dicts(),
            "text": lambda: of_guild.collect().to_dicts(),
            "top": lambda: of_guild.top_k(10, by="score").collect().to_dicts(),
            "average": lambda: dict(grouped.collect().iter_rows()),
            "sum": lambda: rows.select(column("level").sum()).collect().item(),
            "join": lambda: dict(joined.collect().iter_rows()),
        }


STORES: tuple[type[Store], ...] = (Ours, Entities, Loop, Alchemy, Duck, Polars)


def told(answer: Any) -> Any:
    """What an answer says, whatever objects it consists of."""
    if isinstance(answer, list):
        return sorted(row["id"] if isinstance(row, dict) else row.id for row in answer)
    if isinstance(answer, dict):
        return {key: round(value, 3) for key, value in answer.items()}
    return answer


def ask(store: Store, expected: dict[str, Any]) -> dict[str, Any]:
    """Times of each question, warm and cold; an answer of its own is an error."""
    questions = store.open()
    for name, question in questions.items():
        answer = told(question())
        if expected.setdefault(name, answer) != answer:
            raise AssertionError(f"{store.name} gives another answer to {name!r}")
    warm = {name: statistics.median(clock(question) for _ in range(ROUNDS)) for name, question in questions.items()}
    store.close()
    cold: dict[str, float] = {}
    for name in questions:
        times = []
        for _ in range(ROUNDS):
            sweep().count(1)
            times.append(clock(lambda name=name: store.open()[name]()))
            store.close()
        cold[name] = statistics.median(times)
    return {"warm": warm, "cold": cold, "size": store.path.stat().st_size}


def query(count: int, directory: Path) -> dict[str, Any]:
    expected: dict[str, Any] = {}
    figures: dict[str, Any] = {}
    missing = []
    plans = {}
    for kind in STORES:
        try:
            store = kind(directory)
        except ImportError as problem:
            missing.append(f"{kind.name}: {problem}")
            continue
        say(f"{kind.name}: write {count:,} rows, ask")
        wrote = clock(lambda store=store: store.write(count))  # type: ignore[misc]
        figures[kind.name] = {"write": wrote, **ask(store, expected)}
        if kind is Ours:
            store.open()
            plans = {name: explain(statement).bytes for name, statement in store.statements.items()}  # type: ignore[attr-defined]
            store.close()
        with suppress(FileNotFoundError):
            store.path.unlink()
    return {"workload": "query", "rows": count, "stores": figures, "missing": missing, "bytes": plans, **machine()}


def text(result: dict[str, Any]) -> str:
    stores = result["stores"]
    lines = [f"query: {result['rows']:,} rows; milliseconds, medians of {ROUNDS}: warm / cold, with opening"]
    lines += [f"Python {result['python']}, {result['platform']}", ""]
    lines += [f"  {name}: {what}" for name, what in QUESTIONS.items()]
    rows = []
    for name, figures in stores.items():
        times = [f"{number(figures['warm'][each] * 1e3)} / {number(figures['cold'][each] * 1e3)}" for each in QUESTIONS]
        rows.append([name, *times, number(figures["write"]), number(figures["size"] / 1e6)])
    lines += ["", *table(["", *QUESTIONS, "write s", "file MB"], rows), ""]
    lines += [f"not installed: {each}" for each in result["missing"]]
    parts = (f"{name} {count:,}" for name, count in result["bytes"].items())
    lines.append("Bytes of columns that ours reads: " + ", ".join(parts))
    return "\n".join(lines)

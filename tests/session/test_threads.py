"""Sessions in threads: all may read one that is read-only, and one that writes belongs to the first that uses it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import (
    Chunk,
    ConflictError,
    Key,
    LockedError,
    Model,
    Session,
    SessionError,
    ShardedMap,
    load,
    save,
    select,
)
from parcode_orm.model import blobs
from parcode_orm.session import space
from parcode_orm.table import scan


class Account(Model):
    owner: str
    balance: int = 0
    log: list[str] = Chunk(default_factory=list)


class Guest(Model):
    id: int = Key()


class Saving(Account):
    rate: float = 0.5


class Bank(Model):
    accounts: list[Account] = Chunk()
    by_owner: dict[str, Account] = ShardedMap()
    maybe: list[Account | None] = Chunk()
    terms: str = Chunk(default="")


COUNT = 10_000


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("threads") / "bank.par"
    accounts = [(Saving if n % 3 else Account)(owner=f"owner {n}") for n in range(COUNT)]
    some = [Account(owner=f"owner {n}") if n % 2 else None for n in range(COUNT)]
    by_owner = {f"owner {n}": Account(owner=f"owner {n}") for n in range(COUNT)}
    save(path, Bank(accounts=accounts, by_owner=by_owner, maybe=some, terms="§ " * 300_000))
    return path


@pytest.fixture
def path(stored: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "bank.par"
    copy.write_bytes(stored.read_bytes())
    return copy


def in_thread(work: Callable[[], Any]) -> Any:
    """What `work` returns in another thread; what it raises is raised here."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append((work(), None))
        except BaseException as problem:
            found.append((None, problem))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    value, problem = found[0]
    if problem is not None:
        raise problem
    return value


def both(work: Callable[[], Any]) -> list[Any]:
    """What `work` returns in two threads that run it at the same time."""
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(work())) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert len(found) == 2, "a thread raised"
    return found


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two threads make the object of a row at the same time: neither goes on before both have made one."""
    make, barrier = space.make_proxy, threading.Barrier(2)

    def slowly(view: Any, row: int) -> Any:
        if threading.current_thread() is not threading.main_thread():
            barrier.wait(10)
        return make(view, row)

    monkeypatch.setattr(space, "make_proxy", slowly)


def take_row(bank: Bank) -> Any:
    return bank.accounts[7]


def take_value(bank: Bank) -> Any:
    return bank.by_owner["owner 7"]


def take_one_of_several_classes(bank: Bank) -> Any:
    return bank.accounts[8]


def take_optional(bank: Bank) -> Any:
    return bank.maybe[9]


@pytest.mark.parametrize("take", [take_row, take_value, take_one_of_several_classes, take_optional])
@pytest.mark.parametrize("read_only", [True, False])
@pytest.mark.usefixtures("at_once")
def test_two_threads_get_one_object_for_a_row(path: Path, take: Callable[[Bank], Any], read_only: bool) -> None:
    with Session(path, read_only=read_only) as session:
        bank = session.root(Bank)
        first, second = both(lambda: take(bank))
        assert first is second


@pytest.mark.usefixtures("at_once")
def test_what_two_threads_change_under_a_lock_is_stored(path: Path) -> None:
    with Session(path) as session:
        bank, lock = session.root(Bank), threading.Lock()

        def pay() -> None:
            account = bank.accounts[7]
            with lock:
                account.balance += 100

        both(pay)
        session.commit()
    assert load(path, Bank).accounts[7].balance == 200


def test_two_threads_get_one_root(path: Path) -> None:
    with Session.open(path) as session:
        first, second = both(lambda: session.root(Bank))
        assert first is second is session.root(Bank)


def test_a_row_whose_object_is_gone_becomes_one_new_object(path: Path) -> None:
    with Session.open(path) as session:
        bank = session.root(Bank)
        view, row = space.proxy_state(bank.accounts[7])
        assert view.live[row]() is None
        first, second = both(lambda: bank.accounts[7])
        assert first is second


@pytest.mark.parametrize("name", ["accounts", "maybe"])
def test_a_row_stays_one_object_when_its_row_group_was_closed(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(scan, "KEPT", 1)
    with Session.open(path) as session:
        rows = getattr(session.root(Bank), name)
        held = {n: rows[n] for n in range(1, COUNT, 1111)}
        for _ in rows:
            pass
        assert all(rows[n] is row for n, row in held.items())


def test_an_object_made_in_a_closed_row_group_is_the_rows_object(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread has a row group in hand that another one closes before the first has taken a row of it."""
    with Session.open(path) as session:
        found: Any = session.root(Bank).by_owner
        rows = found.rows.table
        piece, _ = rows.tree.at(7)
        group = rows.group(piece)
        assert rows.close(piece.ref.offset)
        assert rows.group(piece) is not group
        assert group.get(7) is rows.group(piece).get(7) is found["owner 7"]


def test_sweeping_waits_for_those_who_add(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dead references were looked for while other threads added theirs: dictionary changed size during iteration."""
    monkeypatch.setattr(space, "SWEEP_EVERY", 8)
    with Session.open(path) as session:
        bank = session.root(Bank)

        def read() -> bool:
            return all(each.owner == f"owner {n}" for n, each in enumerate(bank.accounts))

        assert both(read) == [True, True]


def test_two_threads_count_one_texts_characters(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each noted the ends of the pieces that it had counted in one list."""
    count, barrier = blobs._characters, threading.Barrier(2)

    def slowly(data: bytes) -> int:
        barrier.wait(10)
        return count(data)

    with Session.open(path) as session:
        text = session.root(Bank).lazy("terms")
        with monkeypatch.context() as patched:
            patched.setattr(blobs, "_characters", slowly)
            assert both(lambda: len(text)) == [600_000, 600_000]
        assert text[599_998:] == "§ " and len(text) == 600_000


# -- a session that writes ---------------------------------------------------------------------------------------------


USES: dict[str, Callable[[Session], Any]] = {
    "root": lambda session: session.root(Bank),
    "roots": lambda session: session.roots(),
    "models": lambda session: session.models(),
    "__contains__": lambda session: Bank in session,
    "add": lambda session: session.add(Account(owner="x")),
    "add_all": lambda session: session.add_all([Account(owner="x")]),
    "merge": lambda session: session.merge(Account(owner="x")),
    "delete": lambda session: session.delete(Account(owner="x")),
    "expunge": lambda session: session.expunge(Account(owner="x")),
    "expire": lambda session: session.expire(Account(owner="x")),
    "expire_all": lambda session: session.expire_all(),
    "commit": lambda session: session.commit(),
    "rollback": lambda session: session.rollback(),
    "refresh": lambda session: session.refresh(),
    "flush": lambda session: session.flush(),
    "new": lambda session: session.new,
    "dirty": lambda session: session.dirty,
    "deleted": lambda session: session.deleted,
    "is_modified": lambda session: session.is_modified(Account(owner="x")),
    "snapshot": lambda session: session.snapshot,
    "history": lambda session: list(session.history()),
    "diff": lambda session: session.diff(1),
    "revert": lambda session: session.revert(1),
    "begin_nested": lambda session: session.begin_nested(),
    "attempts": lambda session: session.attempts(),
    "compact": lambda session: session.compact(),
    "hand_over": lambda session: session.hand_over(),
    "scalars": lambda session: session.scalars(select([1])),
    "scalar": lambda session: session.scalar(select([1])),
    "execute": lambda session: session.execute(select([1])),
    "explain": lambda session: session.explain(select([1])),
    "get": lambda session: session.get(Guest, 1),
    "get_one": lambda session: session.get_one(Guest, 1),
    "get_or_create": lambda session: session.get_or_create(Guest, id=1),
    "update_or_create": lambda session: session.update_or_create(Guest, id=1),
    "entities": lambda session: session.entities(),
    "on": lambda session: session.on("before_commit", print),
    "off": lambda session: session.off("before_commit", print),
    "changes": lambda session: list(session.changes(since=0)),
    "watch": lambda session: session.watch(timeout=0),
}
NO_USES = {"open", "close", "recovered"}  # what makes and ends a session, and what was found when it was made


def test_every_public_name_is_tried_from_a_second_thread() -> None:
    public = {name for name in dir(Session) if not name.startswith("_")}
    assert public == {name for name in USES if not name.startswith("_")} | NO_USES


@pytest.mark.parametrize("use", USES)
def test_a_second_thread_is_refused(path: Path, use: str) -> None:
    with Session(path) as session:
        session.root(Bank).accounts[0].balance = 1
        with pytest.raises(SessionError, match="hand_over") as raised:
            in_thread(lambda: USES[use](session))
        assert "'MainThread'" in str(raised.value)
        session.commit()
    assert load(path, Bank).accounts[0].balance == 1


def test_threads_run_queries_in_one_session_that_is_read_only(stored: Path) -> None:
    with Session.open(stored) as session:
        bank = session.root(Bank)
        statement = select(bank.by_owner).where(Account.owner.startswith("owner 77"), Account.balance == 0)
        counts = both(lambda: (session.scalars(statement).count(), len(session.scalars(statement).all())))
        assert counts == [(111, 111)] * 2
        rates = both(
            lambda: session.scalars(select(Account.owner).select_from(bank.accounts).order_by(Account.owner)).all()
        )
        assert rates[0] == rates[1] == sorted(f"owner {n}" for n in range(COUNT))


def test_a_savepoint_belongs_to_the_sessions_thread(path: Path) -> None:
    with Session(path) as session:
        savepoint = session.begin_nested()
        with pytest.raises(SessionError, match="belongs to"):
            in_thread(savepoint.rollback)
        savepoint.commit()


def test_a_thread_uses_a_session_that_another_one_made_and_closes(path: Path) -> None:
    """As a dependency of FastAPI does, whose beginning, middle and end may run in three threads."""
    with Session(path) as session:

        def work() -> None:
            session.root(Bank).accounts[0].balance = 5
            session.commit()

        in_thread(work)
        with pytest.raises(SessionError, match=r"a thread that has ended|the thread"):
            session.commit()
    assert load(path, Bank).accounts[0].balance == 5


def test_a_session_is_handed_over(path: Path) -> None:
    with Session(path) as session:
        bank = session.root(Bank)
        bank.accounts[0].balance = 5
        session.hand_over()
        in_thread(session.commit)
        with pytest.raises(SessionError, match="belongs to"):
            session.root(Bank)
    assert load(path, Bank).accounts[0].balance == 5


def test_a_read_only_session_needs_no_handing_over(path: Path) -> None:
    with Session.open(path) as session:
        session.hand_over()
        assert in_thread(lambda: session.root(Bank)) is session.root(Bank)
        in_thread(session.hand_over)


def test_a_change_in_one_thread_while_another_one_commits(path: Path) -> None:
    """What a commit has encoded would not see it."""
    with Session(path) as session:
        bank = session.root(Bank)
        account = bank.accounts[7]

        def slowly() -> Any:
            with pytest.raises(SessionError, match="while another one commits"):
                in_thread(lambda: setattr(account, "balance", 1))
            with pytest.raises(SessionError, match="while another one commits"):
                in_thread(lambda: bank.by_owner.pop("owner 1"))
            yield None

        bank.maybe = slowly()  # type: ignore[assignment]
        session.commit()
        in_thread(lambda: setattr(account, "balance", 2))
        session.commit()
    found = load(path, Bank)
    assert found.accounts[7].balance == 2 and "owner 1" in found.by_owner and found.maybe == [None]


# -- waiting for the lock ----------------------------------------------------------------------------------------------


def held(path: Path, release: threading.Event) -> threading.Thread:
    """A thread that holds the lock of the file, once this returns, until `release`."""
    taken = threading.Event()

    def hold() -> None:
        with Session(path) as session:

            def slowly() -> Any:
                yield Account(owner="a")
                taken.set()
                release.wait(30)

            session.root(Bank).accounts = slowly()  # type: ignore[assignment]
            session.commit()

    thread = threading.Thread(target=hold)
    thread.start()
    assert taken.wait(30)
    return thread


def test_a_commit_waits_for_the_writer(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from parcode_orm.storage import lock

    release = threading.Event()
    with Session(path, lock_timeout=60) as session:
        session.root(Bank).terms = "new"
        thread = held(path, release)
        monkeypatch.setattr(lock.time, "sleep", lambda seconds: (release.set(), thread.join()))
        with pytest.raises(ConflictError, match="newest commit is 2"):  # the other one has committed meanwhile
            session.commit()
        session.rollback()
        session.root(Bank).terms = "new"
        session.commit()
    assert load(path, Bank).terms == "new" and len(load(path, Bank).accounts) == 1


def test_without_a_timeout_a_commit_fails_at_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from parcode_orm.storage import lock

    def never(seconds: float) -> None:
        raise AssertionError("it waited")

    release = threading.Event()
    thread = held(path, release)
    monkeypatch.setattr(lock.time, "sleep", never)
    with Session(path, lock_timeout=0) as session:
        session.root(Bank).terms = "new"
        with pytest.raises(LockedError, match=r"another session of this process.*lock_timeout"):
            session.commit()
        release.set()
        thread.join()


@pytest.mark.parametrize("given", [-1, float("nan"), "5", None])
def test_a_timeout_is_a_number_of_seconds(tmp_path: Path, given: Any) -> None:
    with pytest.raises(ValueError, match="lock_timeout"):
        Session(tmp_path / "new.par", lock_timeout=given)

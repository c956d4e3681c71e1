"""Several processes and threads that write one file: none of their changes is lost, and nobody waits for the dead."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from parcode_orm import Chunk, LockedError, Model, Session, ShardedMap, compact, load, save, verify

pytestmark = [
    pytest.mark.once,
    pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
EACH = 12  # commits of each thread


class Bank(Model):
    total: int = 0
    log: list[str] = Chunk(default=[])
    by: dict[str, int] = ShardedMap(default={})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "bank.par"
    save(found, Bank())
    return found


def pay(session: Session, name: str) -> None:
    for attempt in session.attempts(10_000):
        with attempt:
            bank = session.root(Bank)
            bank.total += 1
            bank.log.append(name)
            bank.by[name] = len(bank.log)
            session.commit()


def work(path: Path, name: str, *, keeps: bool) -> None:
    """Commits through one session, or through a new one each time."""
    sessions = [Session(path, lock_timeout=60, durability="fast")] if keeps else []
    for n in range(EACH):
        session = sessions[0] if keeps else Session(path, lock_timeout=60, durability="fast")
        pay(session, f"{name} {n}")
        if not keeps:
            session.close()
        elif n % 5 == 0:
            session.refresh()


def in_two_threads(path: Path, name: str) -> None:
    threads = [
        threading.Thread(target=work, args=(path, f"{name}{kind}"), kwargs={"keeps": kind == "a"}) for kind in "ab"
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def started(work: Callable[..., Any], *args: Any) -> Any:
    process = multiprocessing.get_context("fork").Process(target=work, args=args)
    process.start()
    return process


def test_no_increment_is_lost(path: Path) -> None:
    processes = [started(in_two_threads, path, str(n)) for n in range(3)]
    for each in processes:
        each.join()
        assert each.exitcode == 0
    bank = load(path, Bank)
    assert bank.total == len(bank.log) == len(set(bank.log)) == 6 * EACH
    assert bank.by == {name: n for n, name in enumerate(bank.log, 1)}
    assert verify(path).ok


def hold(path: Path, holds: Any) -> None:
    """Be in the middle of a commit until somebody kills this process."""

    def slowly() -> Iterator[str]:
        yield "a"
        holds.set()
        time.sleep(600)

    with Session(path) as session:
        session.root(Bank).log = slowly()  # type: ignore[assignment]
        session.commit()


@pytest.fixture
def holder(path: Path) -> Iterator[Any]:
    holds = multiprocessing.get_context("fork").Event()
    process = started(hold, path, holds)
    assert holds.wait(60)
    yield process
    process.kill()
    process.join()


@pytest.mark.parametrize("timeout", [0, 0.05])
def test_a_writer_that_does_not_end(path: Path, holder: Any, timeout: float) -> None:
    with Session(path, lock_timeout=timeout) as session:
        with pytest.raises(LockedError, match=f"process {holder.pid}.*lock_timeout") as caught:
            session.compact()
        session.root(Bank).total = 1
        with pytest.raises(LockedError):
            session.commit()
        assert caught.value.holder == holder.pid
        for function in (lambda: save(path, Bank()), lambda: compact(path)):
            with pytest.raises(LockedError):
                function()
        holder.kill()
        holder.join()
        session.commit()
    assert load(path, Bank).total == 1 and verify(path).ok


@pytest.mark.parametrize("timeout", [60, float("inf"), 1e300, 10**400])
def test_a_writer_that_is_killed(path: Path, holder: Any, timeout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system ends its lock, and what it wrote counts for nothing."""
    from parcode_orm.storage import lock

    def kill(seconds: float) -> None:
        holder.kill()
        holder.join()

    monkeypatch.setattr(lock.time, "sleep", kill)
    with Session(path, lock_timeout=timeout) as session:
        session.root(Bank).total = 1
        session.commit()
    assert load(path, Bank) == Bank(total=1) and verify(path).ok


def test_an_interrupt_ends_the_waiting(path: Path, holder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from parcode_orm.storage import lock

    monkeypatch.setattr(lock.time, "sleep", lambda seconds: os.kill(os.getpid(), signal.SIGINT))
    with Session(path, lock_timeout=60) as session:
        session.root(Bank).total = 1
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        try:
            with pytest.raises(KeyboardInterrupt):
                session.commit()
        finally:
            signal.signal(signal.SIGINT, before)
        holder.kill()
        holder.join()
        session.commit()
    assert load(path, Bank).total == 1

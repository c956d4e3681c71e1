"""A file in an object store: moto's server of S3 on this machine, and its requests counted."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Thread
from typing import Any

import pytest

from parcode_orm import Chunk, Dataset, Key, Model, Session, ShardedMap, load, save
from parcode_orm.interop.remote import Remote

moto = pytest.importorskip("moto.server")
s3fs = pytest.importorskip("s3fs")
pytestmark = pytest.mark.once

COUNT = 100_000


class Row(Model):
    n: int
    text: str


class Big(Model):
    name: str
    rows: dict[str, Row] = ShardedMap()
    blob: bytes = Chunk()


@pytest.fixture(scope="module")
def place() -> Iterator[Remote]:
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options: dict[str, Any] = {"key": "k", "secret": "s", "endpoint_url": f"http://{host}:{port}"}
    s3fs.S3FileSystem(**options).mkdir("games")
    found = Remote("s3://games/big.par", **options)
    rows = {f"r{n}": Row(n=n, text=f"text {n}") for n in range(COUNT)}
    save(found, Big(name="big", rows=rows, blob=bytes(4_000_000)))
    yield found
    server.stop()


def test_opening_and_finding_take_few_requests(place: Remote) -> None:
    with Session.open(place) as session:
        big = session.root(Big)
        assert big.name == "big"
        source: Any = session._work.source
        opened = source.remote.requests
        assert opened + 1 <= 3  # with the one that asks for the size
        assert sum(source.remote._present) * 16384 <= 65536
        assert big.rows["r77777"].text == "text 77777"
        assert source.remote.requests - opened <= 4
        assert sum(row.n for row in big.rows.values()) == COUNT * (COUNT - 1) // 2
        assert source.remote.requests - opened <= 25


def test_all_of_it_is_loaded(place: Remote) -> None:
    found = load(place, Big)
    assert len(found.rows) == COUNT and len(found.blob) == 4_000_000


class Visit(Model):
    id: int = Key()


def test_commits_to_a_dataset_follow_each_other(place: Remote) -> None:
    """Both writers read the same manifest; the store refuses the second one's, which then goes on from the first's."""
    there = Remote("s3://games/visits", **place.options)
    data = Dataset.write(there, [Visit(id=0)])
    threads = [Thread(target=data.writer().write_all, args=([Visit(id=n)],)) for n in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    data.refresh()
    assert sorted(row.id for row in data) == [0, 1, 2, 3, 4] and data.manifest.sequence == 5
    assert len(data.clean(older_than=-60)) == 4 and data.get(3) is not None  # the clocks may differ

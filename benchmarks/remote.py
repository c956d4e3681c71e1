"""The `remote` workload: a file of entities read from a web server and from S3, beside reading the object whole.

One server, another process, is both: it answers what fsspec asks of a web server, and what s3fs asks of an object in
S3, HEAD and GET with a range. It sends at a pace, 100 MB/s and 10 ms a request, since a scan and a copy within one
machine compete for its processor. (moto's server, of the tests, reads the whole object for every range.)
"""

from __future__ import annotations

import http.server
import multiprocessing
import os
import re
import socket
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.arrow import Player, players
from benchmarks.measure import clock, machine, number, reached, say, table
from parcode_orm import Session, select
from parcode_orm.interop.remote import Remote

ROUNDS = 5
BOUND = 0.7
RATE = 100e6  # bytes in a second,
DELAY = 0.01  # and seconds before an answer, of the web server
PIECE = 256 << 10
RANGE = 8 << 20


def serve(path: str, port: int) -> None:
    """Send a file at a pace, by ranges."""

    class Paced(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(False)

        def do_GET(self) -> None:
            self.answer(True)

        def answer(self, body: bool) -> None:
            began, size = time.perf_counter() + DELAY, os.path.getsize(path)
            wanted = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range") or "")
            start, stop = (int(wanted[1]), min(int(wanted[2]) + 1, size)) if wanted else (0, size)
            time.sleep(DELAY)
            self.send_response(206 if wanted else 200)
            self.send_header("ETag", '"one"')
            self.send_header("Last-Modified", "Tue, 01 Dec 2026 00:00:00 GMT")
            self.send_header("Accept-Ranges", "bytes")
            self.send_header("Content-Length", str(stop - start))
            if wanted:
                self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{size}")
            self.end_headers()
            with open(path, "rb") as file:
                for at in range(start, stop if body else start, PIECE):
                    os.sendfile(self.connection.fileno(), file.fileno(), at, min(PIECE, stop - at))
                    time.sleep(max(0.0, began + (at - start) / RATE - time.perf_counter()))

        def log_message(self, *of: Any) -> None:
            pass

    http.server.ThreadingHTTPServer(("127.0.0.1", port), Paced).serve_forever()


@contextmanager
def served(target: Callable[..., None], *args: Any) -> Iterator[int]:
    """The port of a server in another process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=target, args=(*args, port), daemon=True)
    process.start()
    try:
        while True:
            try:
                socket.create_connection(("127.0.0.1", port)).close()
                break
            except OSError:
                time.sleep(0.05)
        yield port
    finally:
        process.kill()
        process.join()


def scanned(place: Any) -> int:
    """All columns of all rows as Arrow. Return how many ranges were fetched."""
    with Session.open(place) as session:
        for _ in session.scalars(select(Player)).arrow():
            pass
        remote = getattr(session._work.source, "remote", None)
        return 0 if remote is None else remote.requests


def measured(files: Any, name: str, place: Any, size: int) -> dict[str, Any]:
    """Seconds of each way to read the object, and the requests of ours."""
    steps: dict[str, Callable[[], object]] = {
        "whole": lambda: files.cat_file(name),
        "in ranges of 8 MiB": lambda: [
            files.cat_file(name, start=at, end=min(at + RANGE, size)) for at in range(0, size, RANGE)
        ],
        "scan": lambda: scanned(place),
    }
    found: dict[str, list[float]] = {step: [] for step in steps}
    scanned(place)
    for _ in range(ROUNDS):
        for step, run_step in steps.items():
            found[step].append(clock(run_step))
    with Session.open(place) as session:
        remote: Any = session._work.source.remote  # type: ignore[union-attr]
        opened = remote.requests
        level = session.get_one(Player, 1).level
        assert level == 31
        looked_up = remote.requests - opened
    medians = {step: statistics.median(each) for step, each in found.items()}
    return {**medians, "requests": scanned(place), "to open": opened, "to look up": looked_up}


def run(count: int, directory: Path) -> dict[str, Any]:
    """Seconds and requests, by where the file lies."""
    import fsspec

    path = directory / "players.par"
    say(f"write {count:,} players")
    with Session(path) as session:
        session.add_all(players(count))
        session.commit()
    size = path.stat().st_size
    result: dict[str, Any] = {"workload": "remote", "rows": count, "bytes": size, **machine()}
    result["local"] = statistics.median(clock(partial(scanned, path)) for _ in range(ROUNDS))
    with served(serve, str(path)) as port:
        say("a web server")
        url = f"http://127.0.0.1:{port}/games/players.par"
        result["web"] = measured(fsspec.filesystem("http"), url, url, size)
        say("S3")
        options = {"key": "a", "secret": "b", "endpoint_url": f"http://127.0.0.1:{port}"}
        place = Remote("s3://games/players.par", **options)
        result["S3"] = measured(fsspec.filesystem("s3", **options), "games/players.par", place, size)
    return result


def text(result: dict[str, Any]) -> str:
    ways = ("whole", "in ranges of 8 MiB", "scan")
    counts = ("requests", "to open", "to look up")
    places = [name for name, each in result.items() if isinstance(each, dict)]
    lines = [
        f"remote: {result['rows']:,} players, {result['bytes']:,} bytes; medians of {ROUNDS} rounds",
        f"Python {result['python']}; the same scan of a local file takes {number(result['local'] * 1e3)} ms",
        "",
        *table(
            ["ms", *ways, *counts],
            [
                [name, *(number(result[name][way] * 1e3) for way in ways), *(str(result[name][c]) for c in counts)]
                for name in places
            ],
        ),
        "",
    ]
    lines += [
        reached(f"{name}: whole / scan", result[name]["whole"] / result[name]["scan"], ">=", BOUND) for name in places
    ]
    return "\n".join(lines)

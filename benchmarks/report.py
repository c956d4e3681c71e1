"""The result of `world` as text: DESIGN's table, ratios to ours, and which figures are reached."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.measure import number, reached, table
from benchmarks.peers import OURS

# heading, key in a peer's result, unit
COLUMNS = (
    ("save ms", "save", 1e-3),
    ("cold open+field ms", "field", 1e-3),
    ("cold open+user ms", "user", 1e-3),
    ("again+field ms", "again", 1e-3),
    ("full load ms", "load", 1e-3),
    ("lookup us", "lookup", 1e-6),
    ("update+commit ms", "update", 1e-3),
    ("file MB", "size", 1e6),
    ("save peak MB", "save_peak", 1e6),
    ("load peak MB", "load_peak", 1e6),
)


def _figures(result: dict[str, Any]) -> Iterator[str]:
    columns = [column for column in COLUMNS if any(column[1] in peer for peer in result["peers"].values())]
    rows = [
        [peer["name"] + (" *" if peer["syncs"] else ""), *(number(peer[key] / unit) for _, key, unit in columns)]
        for peer in result["peers"].values()
    ]
    yield from table(["", *(heading for heading, _, _ in columns)], rows)
    yield "* waits for the disk at save and commit. Peak memory is above what was held before."


def _ratios(result: dict[str, Any]) -> Iterator[str]:
    ours = result["peers"].get(OURS)
    if ours is None:
        return
    columns = [(heading.rsplit(" ", 1)[0], key) for heading, key, _ in COLUMNS if ours.get(key)]
    rows = [
        [peer["name"], *(f"{number(peer[key] / ours[key])}x" for _, key in columns)]
        for module, peer in result["peers"].items()
        if module != OURS
    ]
    yield ""
    yield "As a multiple of ours:"
    yield from table(["", *(heading for heading, _ in columns)], rows)


def _bytes_read(result: dict[str, Any]) -> Iterator[str]:
    if "bytes_read" in result:
        yield ""
        parts = (f"{what} {count:,}" for what, count in result["bytes_read"].items())
        yield "Bytes that ours reads from a cold open: " + ", ".join(parts)


def _targets(result: dict[str, Any]) -> Iterator[tuple[str, Callable[[], tuple[float, str, float]]]]:
    """(what is to be reached, the figure, "<=" or ">=", the bound); a peer that did not run raises `KeyError`."""
    peers = result["peers"]
    ours = peers[OURS]
    rivals = {module: peer for module, peer in peers.items() if not module.startswith(OURS)}

    def of(module: str, what: str) -> float:
        value: float = rivals[module][what]
        return value

    fast = peers.get(f"{OURS}_fast", ours)  # JSON does not wait for the disk either
    yield (
        "save, the disk not waited for, / Pydantic JSON's",
        lambda: (fast["save"] / of("pydantic_json", "save"), "<=", 1.5),
    )
    yield (
        "save, the disk waited for, / Pydantic JSON's",
        lambda: (ours["save"] / of("pydantic_json", "save"), "<=", 1.5),
    )
    yield (
        "fastest peer's full load / ours",
        lambda: (min(each["load"] for each in rivals.values()) / ours["load"], ">=", 3),
    )
    yield "cold open + field / LMDB's", lambda: (ours["field"] / of("lmdb_msgpack", "field"), "<=", 1)
    yield "lookup / LMDB's", lambda: (ours["lookup"] / of("lmdb_msgpack", "lookup"), "<=", 1.2)
    yield "KB read for a field, a nested one and a user", lambda: (result["bytes_read"]["all three"] / 1e3, "<=", 200)
    yield "file MB", lambda: (ours["size"] / 1e6, "<=", 18)


def _reach(result: dict[str, Any]) -> Iterator[str]:
    if OURS not in result["peers"]:
        return
    yield ""
    yield "Reach:" if result["users"] == 100_000 else f"Reach (meant for 100,000 users, here {result['users']:,}):"
    for what, figure in _targets(result):
        try:
            value, relation, bound = figure()
        except (KeyError, ValueError):
            yield f"  ----  {what}: the peer did not run"
            continue
        yield reached(what, value, relation, bound)


def text(result: dict[str, Any]) -> str:
    lines = [
        f"world: {result['users']:,} users, median of {result['repeat']} rounds",
        f"Python {result['python']}, {result['platform']}",
        "",
        *_figures(result),
        *_ratios(result),
        *_bytes_read(result),
        *_reach(result),
        *(f"skipped: {module} ({why})" for module, why in result["skipped"].items()),
    ]
    return "\n".join(lines)
